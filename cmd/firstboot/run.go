package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"ringboot/firstboot"
	"ringboot/firstboot/host"
	"ringboot/firstboot/trust"
)

func newRun(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Work through the plan, then stay, keep the ring and answer status",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runAgent(cmd.Context(), t) },
	}
}

func runAgent(ctx context.Context, t *terminal) error {
	var n host.Notifier
	for ctx.Err() == nil {
		out := &lines{to: t.stderr}
		started := n.Patience()
		agent, err := firstboot.Build(firstboot.Options{Version: version, Root: t.root, Log: out.line}, out, unit{n})
		started()
		switch {
		case errors.Is(err, firstboot.ErrNoSeed):
			err = agent.RunUntilSeeded(ctx, n)
		case err == nil:
			return refused(agent.Run(ctx, n))
		}
		if err != nil {
			return refused(err)
		}
	}
	return nil
}

// refused gives the error of a second agent its exit code.
func refused(err error) error {
	if errors.Is(err, firstboot.ErrRunning) {
		return &exit{exitRefused, err}
	}
	return err
}

// unit shows the verdict in systemctl status.
type unit struct{ n host.Notifier }

func (u unit) Report(s trust.Status) { u.n.Status(s.Verdict) }

// lines writes one line for the system's journal whenever the verdict changes.
type lines struct {
	mu   sync.Mutex
	to   io.Writer
	last string
}

func (l *lines) Report(s trust.Status) {
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
