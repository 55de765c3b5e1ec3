package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/firstboot"
)

func newDoctor(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Name the one thing to do next, and why",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return doctor(cmd.Context(), t) },
	}
}

// doctor checks everything anew, changes nothing, and says one thing.
func doctor(ctx context.Context, t *terminal) error {
	outcomes, err := pass(ctx, t, firstboot.PassOptions{Check: true})
	if err != nil {
		return err
	}
	var risks []string
	for _, o := range outcomes {
		risks = append(risks, o.Risks...)
		if o.Result == firstboot.ResultOK {
			continue
		}
		switch o.Result {
		case firstboot.ResultStopped:
			fmt.Fprintf(t.stdout, "do this: %s\nbecause step %s needs a person and nothing after it can begin\n", o.Reason, o.Step)
		case firstboot.ResultChanged:
			fmt.Fprintf(t.stdout, "do nothing, or run firstboot apply to hurry: the agent has work to do in step %s: %s\n", o.Step, o.Reason)
		default:
			fmt.Fprintf(t.stdout, "step %s waits: %s\n", o.Step, o.Reason)
		}
		return &exit{code: exitPartial}
	}
	fmt.Fprintln(t.stdout, "nothing to do: every step of the plan is done")
	if len(risks) > 0 {
		fmt.Fprintln(t.stdout, "risks: "+strings.Join(risks, "; "))
	}
	return nil
}
