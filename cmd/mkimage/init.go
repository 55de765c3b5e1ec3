package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder/keyring"
	"ringboot/profiles"
	"ringboot/profiles/draft"
	"ringboot/profiles/fault"
)

// beginning is what the flags of init ask for.
type beginning struct {
	t             *cli.Terminal
	name, prefix  string
	nodes, from   []string
	schema, force bool
}

// newInit writes the commented profile.
func newInit(t *cli.Terminal) *cobra.Command {
	b := &beginning{t: t}
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a profile of your own, as far as this computer knows it",
		Long: "init writes a commented profile: its network, gateway, name servers, time zone, keyboard and SSH keys are this computer's. " +
			"Lines that are guessed are marked " + draft.Look + " and listed at the end.",
		Example: "  mkimage init                     # writes " + profileFile + ", which is used from then on\n" +
			"  mkimage init --name lab --prefix 10.20.0.0/24 --nodes anna,bert,carl\n" +
			"  mkimage init --from /dev/sdb     # with the serial numbers and addresses that a stick saw\n" +
			"  mkimage init lab.yaml\n  mkimage init --schema >ringboot.schema.json   # for editors",
		Args: cli.AtMostOne("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			if b.schema {
				_, err := t.Stdout.Write(profiles.Schema())
				return err
			}
			file := profileFile
			if len(args) > 0 {
				file = args[0]
			}
			return b.write(file)
		},
	}
	f := cmd.Flags()
	f.StringVar(&b.name, "name", "", "`name` of the cluster (default philosophers)")
	f.StringVar(&b.prefix, "prefix", "", "`network` of the machines, such as 10.20.0.0/24 (default: this computer's)")
	f.StringSliceVar(&b.nodes, "nodes", nil, "`names` of the three machines, the founder first (default frege,russell,wittgenstein)")
	f.StringArrayVar(&b.from, "from", nil, "a stick that was started on the machines, or an `inventory`; may be repeated")
	f.BoolVar(&b.schema, "schema", false, "print the JSON Schema of profiles instead")
	f.BoolVar(&b.force, "force", false, "overwrite a file that is there")
	return cmd
}

func (b *beginning) write(file string) error {
	if !b.force && file != cli.Standard {
		switch _, err := os.Lstat(file); {
		case err == nil:
			return fault.Refused.Errorf("%s is there already: --force overwrites it", file)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	text, made, err := b.draft(file)
	if err != nil {
		return err
	}
	if file == cli.Standard {
		_, err := b.t.Stdout.Write(text)
		return err
	}
	if err := writeWhole(file, text, 0o644); err != nil {
		return err
	}
	b.t.Say("wrote %s: cluster %s, nodes %s, network %s", file, made.Name, strings.Join(made.Nodes, ", "), made.Prefix.Value)
	if looks := draft.Looks(text); len(looks) > 0 {
		b.t.Say("look at the lines marked %s (%s), then at mkimage plan", draft.Look, numbers(looks))
	}
	if dir, err := keyring.Dir(made.Name, os.Getenv); err == nil && keyring.Exists(dir) {
		b.t.Warn("risk: there is a keyring of a cluster %s already, at %s: another cluster needs another --name", made.Name, dir)
	}
	return nil
}

// draft is what this computer knows, under what the flags say. A network of
// this computer that does not fit is left out.
func (b *beginning) draft(file string) ([]byte, draft.Known, error) {
	d := detect(os.Getenv)
	d.Name, d.Nodes = b.name, b.nodes
	if d.Name == "" {
		d.Name = profiles.Default().Cluster.Name
	}
	if len(d.Nodes) == 0 {
		for _, n := range profiles.Default().Nodes {
			d.Nodes = append(d.Nodes, n.Name)
		}
	}
	if len(b.from) > 0 {
		if err := learned(b.t, b.from, &d); err != nil {
			return nil, d, err
		}
	}
	if b.prefix != "" {
		p, err := netip.ParsePrefix(b.prefix)
		if err != nil {
			return nil, d, fault.Usage.Errorf("--prefix %q is no network: write one such as 10.20.0.0/24", b.prefix)
		}
		own := d.Prefix.Value
		d.Prefix = draft.Guess[netip.Prefix]{Value: p.Masked()}
		if own != p.Masked() {
			d.Gateway, d.DNS, d.Taken = draft.Guess[netip.Addr]{}, draft.Guess[[]netip.Addr]{}, nil
		}
	}
	text, err := d.Text(file)
	if err != nil && b.prefix == "" && d.Prefix.Value.IsValid() {
		b.t.Warn("the network of this computer, %s, does not fit; say another with --prefix", d.Prefix.Value)
		built := profiles.Default().Management.Prefix
		d.Prefix = draft.Guess[netip.Prefix]{Value: built, From: "an example"}
		d.Gateway, d.DNS, d.Taken = draft.Guess[netip.Addr]{}, draft.Guess[[]netip.Addr]{}, nil
		text, err = d.Text(file)
	}
	if !d.Prefix.Value.IsValid() {
		d.Prefix.Value = profiles.Default().Management.Prefix
	}
	return text, d, err
}

// numbers writes a list of numbers with runs drawn together: 3, 5 to 7.
func numbers(all []int) string {
	var out []string
	for i := 0; i < len(all); {
		j := i
		for j+1 < len(all) && all[j+1] == all[j]+1 {
			j++
		}
		switch {
		case j > i+1:
			out = append(out, fmt.Sprintf("%d to %d", all[i], all[j]))
		default:
			for k := i; k <= j; k++ {
				out = append(out, fmt.Sprint(all[k]))
			}
		}
		i = j + 1
	}
	return strings.Join(out, ", ")
}
