package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ringboot/firstboot"
)

func newAccept(t *terminal) *cobra.Command {
	skip := false
	cmd := &cobra.Command{
		Use:   "accept",
		Short: "Run the acceptance again, and write a new report",
		Long: `Run the acceptance again, and write a new report.

The drills that the profile consents to are run once more, the power cut too if
it is among them. It is started on the node that coordinates them, and refused
while an acceptance is under way. See the end of it with peers or status.

With --skip what is left of a waiting acceptance is not run; the report says so.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			how := "again"
			if skip {
				how = "skip"
			}
			err := firstboot.Ask(cmd.Context(), t.root, firstboot.MethodAccept, how, nil)
			if errors.Is(err, firstboot.ErrNotRunning) {
				return &exit{exitPrecondition, err}
			}
			if err != nil {
				return &exit{exitRefused, err}
			}
			if skip {
				fmt.Fprintln(t.stderr, "the drills that were left are skipped; the report follows")
			} else {
				fmt.Fprintln(t.stderr, "the acceptance begins again; firstboot status shows how far it is")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&skip, "skip", false, "go on to the report without the drills that are left")
	return cmd
}
