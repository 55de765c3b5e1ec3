package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot/ticket"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// newInstalled is what /etc/grub.d/45_ringboot runs when the installer calls
// update-grub: the disk gets its mark, the medium loses its ticket. The agent
// does the same at its start.
func newInstalled(t *terminal) *cobra.Command {
	by := ""
	cmd := &cobra.Command{
		Use:   "installed",
		Short: "Mark the installed disk and burn the ticket of the installation medium",
		Long: "Mark the EFI system partition of the disk that carries /, and burn the ticket\n" +
			"of this node on every medium that is plugged in, so that no medium installs\n" +
			"this machine again by itself. Safe to run any number of times.",
		Example: "  firstboot installed",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := filepath.Join(t.root, profiles.SeedFile)
			text, err := os.ReadFile(path)
			if err != nil {
				return fault.Precondition.Errorf("this machine has no seed: %w: install it from an image of mkimage", err)
			}
			var seed profiles.Seed
			if err := json.Unmarshal(text, &seed); err != nil {
				return fault.Precondition.Errorf("%s is damaged: %w", path, err)
			}
			who := ticket.Who{Node: seed.Node, ClusterID: seed.ClusterID, By: by, Now: time.Now()}
			return ticket.Leave(cmd.Context(), who, func(line string) { fmt.Fprintln(t.Stderr, line) })
		},
	}
	cmd.Flags().StringVar(&by, "by", "agent", "who burns the ticket, as the menu of the medium shows it")
	return cmd
}
