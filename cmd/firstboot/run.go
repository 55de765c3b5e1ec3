package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/host"
	"ringboot/firstboot/status"
)

func newRun(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "run",
		Short:   "Work through the plan until the node is settled, then leave it to the keeper",
		Example: "  systemctl start ringboot      # the unit that calls firstboot run",
		Args:    cli.None(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runAgent(cmd.Context(), t) },
	}
}

func runAgent(ctx context.Context, t *terminal) error {
	var n host.Notifier
	for ctx.Err() == nil {
		out := &lines{to: t.Stderr}
		started := n.Patience()
		agent, err := firstboot.Build(firstboot.Options{Version: version, Root: t.root, Log: out.line, Works: true}, out, unit{n})
		started()
		switch {
		case errors.Is(err, firstboot.ErrNoSeed):
			err = agent.RunUntilSeeded(ctx, n)
		case err == nil && agent.Settled():
			n.Ready()
			out.line("this node is settled and left alone: firstboot apply puts back what differs from the plan, firstboot resume runs the builder for a while")
			return nil
		case err == nil:
			if err = agent.Run(ctx, n); err == nil {
				return nil
			}
		}
		if err != nil && !errors.Is(err, firstboot.ErrRenewed) {
			return err
		}
	}
	return nil
}

// unit shows the verdict in systemctl status.
type unit struct{ n host.Notifier }

func (u unit) Report(s status.Status) { u.n.Status(s.Judge().Text()) }

// lines writes one line for the system's journal whenever the verdict changes.
type lines struct {
	mu   sync.Mutex
	to   io.Writer
	last string
}

func (l *lines) Report(s status.Status) {
	l.mu.Lock()
	same := s.Verdict == l.last
	l.last = s.Verdict
	l.mu.Unlock()
	if !same {
		l.line(s.Verdict)
	}
}

func (l *lines) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.to, text)
}
