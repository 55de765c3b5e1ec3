package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"ringboot/rehearsal/base"
)

// practice returns the path of the practice ISO, which is made where it is not
// there yet.
func practice(ctx context.Context, t *terminal) (string, error) {
	return base.Practice(ctx, func(text string) { t.say("practice ISO: %s", text) })
}

func newPracticeISO(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "practice-iso",
		Short: "Make the ISO for practising and say where it is",
		Long: "practice-iso makes an installation medium with the anatomy of the Proxmox VE ISO\n" +
			"from Debian packages, with stand-ins of the Proxmox tools. What it installs is no\n" +
			"Proxmox VE, and says so. It is kept in the cache.",
		Example: "  sudo mkimage practice-iso\n  mkimage --node frege --iso practice",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := practice(cmd.Context(), t)
			if err != nil {
				return err
			}
			fmt.Fprintln(t.stdout, path)
			return nil
		},
	}
}
