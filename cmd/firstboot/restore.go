package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot/host"
	"ringboot/firstboot/management"
)

func newRestore(t *terminal) *cobra.Command {
	var reload bool
	cmd := &cobra.Command{
		Use:   "restore-network",
		Short: "Give the old network back if a change of it was never confirmed",
		Long: `Give the old network back if a change of it was never confirmed.

It runs at boot, before the network comes up, and from a timer while a change
is on trial. Without a change on trial it does nothing.`,
		Example: "  firstboot restore-network --reload",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			restored, err := management.RestoreNetwork(cmd.Context(), host.New(t.root), reload)
			if restored {
				fmt.Fprintln(t.Stderr, "firstboot: the new network was not confirmed, the old one is back")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&reload, "reload", false, "apply the old configuration now")
	return cmd
}
