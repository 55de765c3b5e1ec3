package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/status"
	"ringboot/profiles/fault"
)

// driftJSON is the JSON form of a look.
type driftJSON struct {
	Version int            `json:"version"` // 1
	At      time.Time      `json:"at"`
	Drift   []status.Drift `json:"drift"`
	Blind   []string       `json:"blind,omitempty"` // what could not be looked at
}

func newDrift(t *terminal) *cobra.Command {
	var keep []string
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:   "drift",
		Short: "Look what differs from the plan on a settled node, and change nothing",
		Long: `Look what differs from the plan on a settled node, and change nothing.

A timer does the same once an hour, and peers, the status page and firstboot
doctor show what was found. With --keep what differs is taken over as it is: it
is not told again, unless it changes once more.
The exit code is 0 when nothing differs, and 8 when something does.`,
		Example: "  firstboot drift\n  firstboot drift --keep \"pool vm min_size\"",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			agent, err := firstboot.Build(firstboot.Options{Version: version, Root: t.root})
			if err != nil && (!errors.Is(err, firstboot.ErrNoSeed) || !agent.Settled()) {
				return err
			}
			told, err := agent.Look(cmd.Context(), keep)
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				if err := cli.JSON(t.Stdout, driftJSON{1, told.At, told.Drift, told.Warnings()}); err != nil {
					return err
				}
			case !quiet:
				for _, d := range told.Drift {
					fmt.Fprintln(t.Stdout, d.Text)
				}
				for _, r := range told.Warnings() {
					fmt.Fprintln(t.Stdout, r)
				}
				if len(told.Drift)+len(told.Warnings()) == 0 {
					fmt.Fprintln(t.Stdout, "nothing differs from the plan")
				}
			}
			if len(told.Drift) > 0 {
				return fault.Partial.Silent()
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&keep, "keep", nil, "take over this `object` as it is; may be given several times")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.Flags().BoolVar(&quiet, "silent", false, "say nothing, for the timer")
	return cmd
}
