package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ringboot/firstboot"
	"ringboot/firstboot/trust"
)

func newStatus(t *terminal) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how far this node is, and what it waits for",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := status(cmd.Context(), t)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(t.stdout, s)
			}
			printStatus(t.stdout, s)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// status asks the running agent, or reads what the last one wrote.
func status(ctx context.Context, t *terminal) (trust.Status, error) {
	var s trust.Status
	err := firstboot.Ask(ctx, t.root, trust.MethodStatus, nil, &s)
	if err == nil || !errors.Is(err, firstboot.ErrNotRunning) {
		return s, err
	}
	fmt.Fprintln(t.stderr, "firstboot: "+err.Error()+"; this is what the last one wrote")
	return firstboot.LastStatus(firstboot.Options{Version: version, Root: t.root})
}

func printStatus(w io.Writer, s trust.Status) {
	fmt.Fprintf(w, "%s: %s\n", s.Node, s.Verdict)
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
	for _, r := range s.Risks {
		fmt.Fprintf(w, "risk: %s\n", r)
	}
	if s.Ring.Verdict != "" {
		fmt.Fprintf(w, "ring: %s\n", s.Ring.Verdict)
	}
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
