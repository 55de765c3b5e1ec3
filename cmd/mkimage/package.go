package main

import (
	"bytes"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder/agent"
	"ringboot/imagebuilder/deb"
	"ringboot/profiles/fault"
)

func newPackage(t *cli.Terminal) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "package",
		Short: "Write the package that updates the agent of nodes that run",
		Long: `package writes ringboot_VERSION_amd64.deb with the agent of this mkimage. It is
the same for every node and holds no secret and no profile. Installed with apt it
starts the keeper of a settled node anew; no builder begins to work by it. apt
purge takes the agent away, and leaves the floor of the ring.`,
		Example: "  mkimage package\n  scp ringboot_*_amd64.deb root@frege: && ssh root@frege apt install ./ringboot_*_amd64.deb",
		Args:    cli.None(),
		RunE: func(*cobra.Command, []string) error {
			binary, err := agent.Open()
			if err != nil {
				return fault.Precondition.Wrap(err)
			}
			p := deb.Update(version, binary, time.Unix(0, 0).UTC())
			content, err := p.Build()
			if err != nil {
				return err
			}
			at := p.FileName()
			if is, err := os.Stat(out); out != "" && err == nil && is.IsDir() {
				at = filepath.Join(out, at)
			} else if out != "" {
				at = out
			}
			if out == cli.Standard {
				_, err := t.Stdout.Write(content)
				return err
			}
			if old, err := os.ReadFile(at); err == nil && !bytes.HasPrefix(old, []byte(deb.Magic)) {
				return fault.Refused.Errorf("%s is there and is no package: name another place with --out", at)
			}
			if err := writeWhole(at, content, 0o644); err != nil {
				return err
			}
			t.Say("wrote %s: copy it to a node, and type there apt install ./%s", at, filepath.Base(at))
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file, directory, or - (default ./ringboot_VERSION_amd64.deb)")
	return cmd
}
