package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"ringboot/ansible"
	"ringboot/cmd/cli"
	"ringboot/imagebuilder"
	"ringboot/imagebuilder/agent"
	"ringboot/profiles/fault"
)

func newAnsible(t *cli.Terminal) *cobra.Command {
	var profile, out string
	var force bool
	cmd := &cobra.Command{
		Use:   "ansible --out DIR",
		Short: "Write a playbook with inventory, variables and secrets from a profile",
		Long: `ansible writes a directory that forms the same cluster from a playbook, for machines that were
installed by hand: inventory and variables in the profile's own words, the roles, the agent's package, and
one file of secrets per node. The secrets are the user's alone (0600); encrypt them with ansible-vault.`,
		Example: "  mkimage ansible --out lab\n  cd lab && ansible-vault encrypt secrets/*.yml && ansible-playbook site.yml --ask-vault-pass",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return fault.Usage.Errorf("--out DIR is missing")
			}
			c, err := loadProfile(t, profile)
			if err != nil {
				return err
			}
			if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 && !force {
				return fault.Refused.Errorf("%s is not empty: --force writes over the files of the playbook in it", out)
			}
			if err := os.MkdirAll(out, 0o755); err != nil { // before a keyring is made for nothing
				return fault.Precondition.Errorf("%w: name another place with --out", err)
			} else if err := writable(out); err != nil {
				return err
			}
			k, err := c.complete(cmd.Context(), t)
			if err != nil {
				return err
			}
			binary, err := agent.Open()
			if err != nil {
				return err
			}
			files, err := imagebuilder.Playbook(c.Profile, k, binary, version)
			if err != nil {
				return err
			}
			roles, err := embedded()
			if err != nil {
				return err
			}
			for _, f := range append(roles, files...) {
				if err := writeInto(out, f); err != nil {
					return err
				}
			}
			t.Say("wrote %s: encrypt secrets/*.yml with ansible-vault, then run ansible-playbook site.yml there", out)
			if !c.Management.Keep {
				t.Warn("risk: the agent makes the management network of the profile on these machines, a bond under vmbr0: write management.keep: true if theirs shall stay as it is")
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&profile, "profile", "p", "", "profile (default "+profileFile+", else the built-in one)")
	cmd.Flags().StringVar(&out, "out", "", "`directory` to write")
	cmd.Flags().BoolVar(&force, "force", false, "write into a directory that is not empty")
	return cmd
}

// embedded lists the playbook and its roles.
func embedded() ([]imagebuilder.PlaybookFile, error) {
	var out []imagebuilder.PlaybookFile
	err := fs.WalkDir(ansible.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := ansible.Files.ReadFile(path)
		out = append(out, imagebuilder.PlaybookFile{Path: path, Content: content, Mode: 0o644})
		return err
	})
	return out, err
}

func writeInto(dir string, f imagebuilder.PlaybookFile) error {
	name := filepath.Join(dir, filepath.FromSlash(f.Path))
	mode := fs.FileMode(0o755)
	if f.Mode&0o077 == 0 {
		mode = 0o700 // a directory of secrets
	}
	if err := os.MkdirAll(filepath.Dir(name), mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return writeWhole(name, f.Content, f.Mode)
}
