package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot/alone"
	"ringboot/firstboot/ringreport"
	"ringboot/firstboot/status"
	"ringboot/profiles/fault"
)

func newStatus(t *terminal) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Say how the ring is (exit code 8 while it is not whole)",
		Example: "  ringkeeper status\n  ringkeeper status --json | jq .ring.whole",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := t.machine().Ask(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				err = cli.JSON(t.Stdout, s)
			} else {
				show(t.Page(t.Stdout), s)
			}
			if err == nil && !s.Ring.Whole {
				err = fault.Partial.Silent()
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return cmd
}

// show draws it for a person.
func show(page cli.Page, s alone.Status) {
	style := cli.Yellow
	if s.Ring.Whole {
		style = cli.Green
	}
	page.Row(style, s.Node+"  ", s.Ring.Verdict)
	for _, p := range s.Ring.Ports {
		text := "no link"
		if p.Alive {
			text = fmt.Sprintf("to %s of %s, %.2f ms, %d of %d probes lost", p.PeerPort, p.Peer, p.RTT, p.Lost, p.Sent)
		}
		page.Row("", p.Name+"  ", text)
	}
	if s.Fault != "" {
		page.Row(cli.Yellow, "kernel  ", s.Fault)
	}
}

func newReport(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "report [FILE]",
		Short:   "Write a file about the ring that one can send",
		Long:    cli.RingReportText,
		Example: "  ringkeeper report\n  ringkeeper report - | jq .ports",
		Args:    cli.AtMostOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m := t.machine()
			r := ringreport.Request{Agent: version, Host: m.Host, Sys: m.Sys}
			r.Profile, r.Node = m.Known()
			if s, err := m.Ask(cmd.Context()); err == nil {
				r.Ring, r.Status = &s.Ring, status.Status{Events: s.Events}
			}
			return t.WriteRingReport(args, ringreport.Make(cmd.Context(), r))
		},
	}
}
