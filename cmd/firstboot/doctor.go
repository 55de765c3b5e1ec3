package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/engine"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/profiles/fault"
)

func newDoctor(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Name the one thing to do next, and why",
		Long: "Name the one thing to do next, and why. Everything is looked at anew, nothing is changed.\n" +
			"The exit code is 0 when there is nothing to do, 8 when there is, and 5 when all is\n" +
			"done and the acceptance failed, as peers --wait has it.",
		Example: "  firstboot doctor",
		Args:    cli.None(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return doctor(cmd.Context(), t) },
	}
}

// doctor checks everything anew, changes nothing, and says how it stands and
// the one thing to do.
func doctor(ctx context.Context, t *terminal) error {
	agent, err := firstboot.Build(firstboot.Options{Version: version, Root: t.root})
	if err == nil && agent.Settled() {
		told, err := agent.Look(ctx, nil)
		if err != nil {
			return err
		}
		s := agent.Status()
		s.Risks, s.Drift = told.Warnings(), told.Drift
		return diagnose(t, s)
	}
	outcomes, err := pass(ctx, t, engine.PassOptions{Check: true})
	if err != nil {
		return err
	}
	s := status.Status{Phase: status.PhaseFormed, Step: len(outcomes), Steps: len(outcomes)}
	for i, o := range outcomes {
		for _, r := range o.Risks {
			if !slices.Contains(s.Risks, r) {
				s.Risks = append(s.Risks, r)
			}
		}
		if o.Result == engine.ResultOK || s.Phase != status.PhaseFormed {
			continue
		}
		s.Phase, s.Step, s.Waiting, s.Stopped = o.Step, i+1, o.Reason, o.Result == engine.ResultStopped
		if o.Result == engine.ResultChanged {
			s.Plans = make([]status.StepStatus, i+1)
			s.Plans[i] = status.StepStatus{Name: o.Step, State: step.Todo.String()}
		}
	}
	if agent != nil {
		s.Key = agent.Status().Key
	}
	if s.Phase == status.PhaseFormed {
		if s.Acceptance, err = accepted(t.root); err != nil {
			return err
		}
	}
	return diagnose(t, s)
}

// accepted reads how the acceptance came out, nil if there is no report.
func accepted(root string) (*status.Acceptance, error) {
	text, err := os.ReadFile(filepath.Join(root, acceptance.ReportJSON))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return status.ReadAcceptance(text)
}

// diagnose says how a node stands and what to do, and ends as that is.
func diagnose(t *terminal, s status.Status) error {
	v := s.Judge()
	fmt.Fprintln(t.Stdout, v.Text())
	switch {
	case v.State == status.StateForming:
		fmt.Fprintln(t.Stdout, "do this: nothing, the agent is at work; firstboot apply hurries it")
	case v.Do == "" && v.Formed && len(s.Drift) == 0:
		fmt.Fprintln(t.Stdout, "do this: nothing")
	}
	closing(t.Stdout, v, s.Acceptance)
	if s.Key != "" {
		fmt.Fprintln(t.Stdout, "the key of this node is "+s.Key)
	}
	if v.State == status.StateNotAccepted {
		for _, reason := range s.Acceptance.Reasons {
			fmt.Fprintln(t.Stdout, "because: "+reason)
		}
	}
	for _, d := range s.Drift {
		fmt.Fprintln(t.Stdout, d.Text)
	}
	if len(s.Drift) > 0 {
		fmt.Fprintln(t.Stdout, "what differs stays as it is until you say otherwise")
	}
	for _, r := range s.Risks {
		fmt.Fprintln(t.Stdout, "risk: "+r)
	}
	switch {
	case v.Ends == fault.Done && len(s.Drift) > 0:
		return fault.Partial.Silent()
	case v.Ends == fault.Done:
		return nil
	}
	return v.Ends.Silent()
}
