package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

func newSeed(t *terminal) *cobra.Command {
	var n step.NewSeed
	var check, asJSON bool
	var peers string
	cmd := &cobra.Command{
		Use:   "seed --node NAME",
		Short: "Make the seed of a machine that was installed by hand",
		Long: `Make the seed of a machine that was installed by hand.

Profile, CA, certificate and key lie in ` + profiles.SeedDir + ` already; the seed file
follows from them. Nothing is written if it is right.`,
		Example: "  firstboot seed --node frege\n  firstboot seed --node frege --driven --check",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if n.Node == "" {
				return &exit{exitUsage, errors.New("--node is missing: name the node of the profile that this machine is")}
			}
			if peers != "" {
				text, err := os.ReadFile(peers)
				if err != nil {
					return err
				}
				if err := json.Unmarshal(text, &n.Peers); err != nil {
					return &exit{exitProfile, fmt.Errorf("%s is no table of node and key: %w", peers, err)}
				}
			}
			changed, err := n.Write(host.New(t.root), check)
			var problems profiles.Problems
			if errors.As(err, &problems) {
				return &exit{exitProfile, err}
			}
			if err != nil {
				return &exit{exitPrecondition, err}
			}
			if asJSON {
				return writeJSON(t.stdout, map[string]any{"version": 1, "changed": changed})
			}
			word := map[bool]string{true: "changed", false: "ok"}[changed]
			_, err = fmt.Fprintf(t.stdout, "seed of %s: %s\n", n.Node, word)
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
