package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

func newStatus(t *terminal) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Say how far this node is, and what it waits for",
		Example: "  firstboot status\n  firstboot status --json | jq .phase",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := readStatus(cmd.Context(), t)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(t.Stdout, s)
			}
			printStatus(t.Stdout, s)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// closing says what to do about a verdict, and of a cluster that is formed how
// one goes in.
func closing(w io.Writer, v status.Verdict, a *status.Acceptance) {
	if v.Do != "" {
		fmt.Fprintf(w, "do this: %s\n", v.Do)
	}
	if !v.Formed {
		return
	}
	for _, r := range a.Closing() {
		fmt.Fprintf(w, "%-8s %s\n", r.Label+":", r.Text)
	}
}

// readStatus asks the running agent, or reads what the last one wrote.
func readStatus(ctx context.Context, t *terminal) (status.Status, error) {
	var s status.Status
	err := firstboot.AskEither(ctx, t.root, trust.MethodStatus, nil, &s)
	if err == nil || !errors.Is(err, firstboot.ErrNotRunning) {
		return s, err
	}
	s, last := firstboot.LastStatus(firstboot.Options{Version: version, Root: t.root})
	if last == nil && s.Node == "" {
		return s, fault.Precondition.New("no agent has ever run on this machine: install it from an image of mkimage, or start it with systemctl start ringboot")
	}
	if last == nil {
		t.Warn("firstboot: %v; this is what the last one wrote", err)
	}
	return s, last
}

func printStatus(w io.Writer, s status.Status) {
	v := s.Judge()
	fmt.Fprintf(w, "%s: %s\n", s.Node, v.Text())
	if clock := v.Clock(time.Now()); clock != "" {
		fmt.Fprintf(w, "     %s\n", clock)
	}
	closing(w, v, s.Acceptance)
	for i, p := range s.Plans {
		since := ""
		if !p.Since.IsZero() && p.State != "pending" {
			since = "  since " + p.Since.Local().Format(time.DateTime)
		}
		fmt.Fprintf(w, "%3d  %-11s %-8s%s\n", i+1, p.Name, p.State, since)
		if p.Reason != "" {
			fmt.Fprintf(w, "     %s\n", p.Reason)
		}
	}
	for _, d := range s.Drift {
		fmt.Fprintln(w, d.Text)
	}
	for _, r := range s.Risks {
		fmt.Fprintf(w, "risk: %s\n", r)
	}
	if s.Ring.Verdict != "" {
		fmt.Fprintf(w, "ring: %s\n", s.Ring.Verdict)
	}
}
