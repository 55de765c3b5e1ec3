package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder"
	"ringboot/imagebuilder/keyring"
	"ringboot/profiles/change"
	"ringboot/profiles/fault"
)

func newSeed(t *cli.Terminal) *cobra.Command {
	var profile, node, out string
	var all bool
	cmd := &cobra.Command{
		Use:   "seed --node NODE | --all",
		Short: "Write what brings a changed profile to a node that runs",
		Long: `seed writes the file by which a running node gets another profile. It has no key
in it, but hashes of passwords, and is for your eyes only (0600). On the node,
firstboot profile shows what would come of it, refuses what may not change any
more, and puts it in place; firstboot apply makes it so.`,
		Example: "  mkimage seed --node frege                     # writes frege.ringboot-seed\n" +
			"  mkimage seed --all --out seeds/\n" +
			"  mkimage seed --node frege --out - | ssh root@frege firstboot profile - --dry-run",
		Args: cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadProfile(t, profile)
			if err != nil {
				return err
			}
			nodes, err := c.choose(node, all, "")
			if err != nil {
				return err
			}
			if all && out == cli.Standard {
				return fault.Usage.New("the standard output takes the file of one node: --node NODE")
			}
			dir, err := c.keyringDir()
			if err != nil {
				return err
			}
			if !keyring.Exists(dir) {
				return fault.Precondition.Errorf("cluster %s has no keyring at %s: run this where its images were made", c.Cluster.Name, dir)
			}
			k, err := c.complete(cmd.Context(), t)
			if err != nil {
				return err
			}
			for _, n := range nodes {
				text, err := imagebuilder.SeedFile(c.Profile, k, n)
				if err != nil {
					return err
				}
				if err := writeSeed(t, seedAt(out, n, all), n, text); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&profile, "profile", "p", "", "profile (default "+profileFile+", else the built-in one)")
	f.StringVarP(&node, "node", "n", "", "node of the profile")
	cli.Complete(cmd, "node", func(context.Context) []string { return nodeNames(t, profile) })
	f.BoolVar(&all, "all", false, "all nodes of the profile")
	f.StringVarP(&out, "out", "o", "", "file, directory, or - (default ./NODE.ringboot-seed)")
	return cmd
}

// seedAt is where the file of a node goes.
func seedAt(out, node string, all bool) string {
	name := node + ".ringboot-seed"
	is, err := os.Stat(out)
	switch {
	case out == "":
		return name
	case all || err == nil && is.IsDir() || os.IsPathSeparator(out[len(out)-1]):
		return filepath.Join(out, name)
	}
	return out
}

// writeSeed writes the file where there is none, or an earlier one.
func writeSeed(t *cli.Terminal, at, node string, text []byte) error {
	if at == cli.Standard {
		_, err := t.Stdout.Write(text)
		return err
	}
	switch old, err := os.ReadFile(at); {
	case err == nil:
		if _, _, err := change.Parse(at, old); err != nil && fault.Of(err) != fault.Profile {
			return fault.Refused.Errorf("%s is there and is no profile for a node: name another place with --out", at)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	if err := writeWhole(at, text, 0o600); err != nil {
		return err
	}
	t.Say("wrote %s: copy it to %s, and type there firstboot profile %s --dry-run", at, node, filepath.Base(at))
	return nil
}
