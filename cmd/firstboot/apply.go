package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/engine"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

func newApply(t *terminal) *cobra.Command {
	var o engine.PassOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Make one pass through the plan and say what each step did",
		Long: `Make one pass through the plan and say what each step did.

With --check, or --diff, nothing is changed: what would be is printed. On a
settled node nothing differs by itself from what its owner made of it; this
puts back what the plan says, of one step or of all.
The exit code is 0 when every step is reached, and 8 when one is not.`,
		Example: "  firstboot apply --check            # what would be changed\n  firstboot apply --only ring        # one step alone",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			outcomes, err := pass(cmd.Context(), t, o)
			if err != nil {
				return err
			}
			return printOutcomes(t.Stdout, outcomes, o.Check, asJSON)
		},
	}
	cmd.Flags().BoolVar(&o.Check, "check", false, "change nothing, print what would be changed")
	cmd.Flags().BoolVar(&o.Check, "diff", false, "the same as --check")
	cmd.Flags().StringVar(&o.Only, "only", "", "run this `step` alone, without those before it")
	cli.Complete(cmd, "only", func(context.Context) []string { return profiles.Steps() })
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// pass has the running agent make the pass; where none runs, it is made here.
func pass(ctx context.Context, t *terminal, o engine.PassOptions) ([]engine.Outcome, error) {
	var outcomes []engine.Outcome
	err := firstboot.Ask(ctx, t.root, firstboot.MethodApply, o, &outcomes)
	if err == nil || !errors.Is(err, firstboot.ErrNotRunning) && !errors.Is(err, firstboot.ErrSettled) {
		return outcomes, err
	}
	agent, err := firstboot.Build(firstboot.Options{Version: version, Root: t.root})
	if err != nil && !errors.Is(err, firstboot.ErrNoSeed) {
		return nil, err
	}
	return agent.Engine.Pass(ctx, o)
}

// applied is the JSON form of a pass.
type applied struct {
	Version int              `json:"version"` // 1
	Check   bool             `json:"check"`
	Changed bool             `json:"changed"`
	Reached bool             `json:"reached"` // every step is done
	Steps   []engine.Outcome `json:"steps"`
}

func printOutcomes(w io.Writer, outcomes []engine.Outcome, check, asJSON bool) error {
	a := applied{Version: 1, Check: check, Reached: true, Steps: outcomes}
	for _, o := range outcomes {
		changed := o.Result == engine.ResultChanged
		a.Changed = a.Changed || changed
		a.Reached = a.Reached && o.Reached() && !(check && changed)
	}
	if asJSON {
		if err := cli.JSON(w, a); err != nil {
			return err
		}
	} else {
		for _, o := range outcomes {
			fmt.Fprintf(w, "%-11s %-8s %s\n", o.Step, o.Result, o.Reason)
			for _, c := range o.Changes {
				have := ""
				if c.Have != "" {
					have = c.Have + " -> "
				}
				fmt.Fprintf(w, "            %s: %s%s\n", c.Object, have, c.Want)
			}
			for _, r := range o.Risks {
				fmt.Fprintf(w, "            risk: %s\n", r)
			}
		}
	}
	if !a.Reached {
		return fault.Partial.Silent()
	}
	return nil
}
