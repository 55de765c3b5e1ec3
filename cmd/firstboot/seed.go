package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/base"
	"ringboot/firstboot/host"
	"ringboot/profiles"
	"ringboot/profiles/fault"
	"ringboot/profiles/form"
)

func newSeed(t *terminal) *cobra.Command {
	var n base.NewSeed
	var check, asJSON bool
	var peers string
	cmd := &cobra.Command{
		Use:   "seed --node NAME",
		Short: "Make the seed of a machine that was installed by hand, or whose profile was changed",
		Long: `Make the seed of a machine that was installed by hand, or whose profile was changed.

Profile, CA, certificate and key lie in ` + profiles.SeedDir + ` already; the seed file
follows from them. What only the builder knows stays as the earlier seed has it.
Nothing is written if it is right. On a settled node a profile that asks for what
may not change any more is refused (docs/day-two.md).`,
		Example: "  firstboot seed --node frege\n  firstboot seed --node frege --driven --check",
		Args:    cli.None(),
		RunE: func(*cobra.Command, []string) error {
			if n.Node == "" {
				return fault.Usage.New("--node is missing: name the node of the profile that this machine is")
			}
			if peers != "" {
				text, err := os.ReadFile(peers)
				if err != nil {
					return err
				}
				if err := json.Unmarshal(text, &n.Peers); err != nil {
					return fault.Profile.Errorf("%s is no table of node and key: %w", peers, err)
				}
			}
			if err := firstboot.Lasting(firstboot.Options{Version: version, Root: t.root}); err != nil {
				return err
			}
			changed, err := n.Write(host.New(t.root), check)
			var problems form.Problems
			if errors.As(err, &problems) {
				return fault.Profile.Wrap(err)
			}
			if err != nil {
				return fault.Precondition.Wrap(err)
			}
			if asJSON {
				return cli.JSON(t.Stdout, map[string]any{"version": 1, "changed": changed})
			}
			word := "ok"
			if changed {
				word = "changed"
			}
			_, err = fmt.Fprintf(t.Stdout, "seed of %s: %s\n", n.Node, word)
			return err
		},
	}
	cmd.Flags().StringVar(&n.Node, "node", "", "the `name` of this machine in the profile")
	cmd.Flags().BoolVar(&n.Driven, "driven", false, "the steps wait for firstboot apply")
	cmd.Flags().StringVar(&peers, "peers", "", "JSON `file` with the public key of each node's certificate")
	cmd.Flags().BoolVar(&check, "check", false, "change nothing, say what would be")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}
