package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/host"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/settled"
	"ringboot/profiles/fault"
)

func newKeep(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "keep",
		Short: "Keep the ring of a settled node and say how it is; change nothing else",
		Long: "Keep the ring of a settled node and say how it is; change nothing else.\n" +
			"It runs as a user of its own and reads its keys from the unit's credentials.",
		Example: "  systemctl start ringboot-keeper      # the unit that calls firstboot keep",
		Args:    cli.None(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return keep(cmd.Context(), t) },
	}
}

func keep(ctx context.Context, t *terminal) error {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return fault.Precondition.New("the keeper needs what the builder handed over: start it with systemctl start ringboot-keeper")
	}
	handover, err := os.ReadFile(filepath.Join(dir, keeper.Credential))
	if err != nil {
		return fmt.Errorf("read what the builder handed over: %w", err)
	}
	out := &lines{to: t.Stderr}
	k, err := keeper.Open(version, host.New(t.root).Files, handover, out.line)
	if err != nil {
		return err
	}
	return k.Run(ctx, host.Notifier{}, filepath.Join(t.root, keeper.Socket))
}

func newSettle(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "settle",
		Short: "Give a settled node's keeper new keys, and the plan as it is now",
		Long: "Give a settled node's keeper new keys, and the plan as it is now.\n" +
			"The builder settles a node by itself when its report is written; this is for a keeper that lost what it was given.",
		Example: "  firstboot settle && systemctl restart ringboot-keeper",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			agent, err := firstboot.Build(firstboot.Options{Version: version, Root: t.root})
			if err != nil {
				return err
			}
			if !agent.Settled() {
				return fault.Refused.New("this node is still being formed: the builder settles it when the report lies on every node")
			}
			if err := agent.Settle(cmd.Context()); err != nil {
				return err
			}
			t.Say("the keeper has new keys: systemctl restart ringboot-keeper")
			return nil
		},
	}
}

func newResume(t *terminal) *cobra.Command {
	d, end := 2*time.Hour, false
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Run the builder on a settled node for a while, for what peers ask of it",
		Long: `Run the builder on a settled node for a while, for what peers ask of it.

A machine that takes a lost node's place needs the builders of the others to
answer it, and so does another acceptance: firstboot admit and firstboot accept
call them back by themselves. This is for a node that they could not reach. The steps that are finished stay so:
nothing that differs from the plan is put back. After the time, or with --end,
the builder leaves, and after a restart of the machine it does not come back.`,
		Example: "  firstboot resume --for 1h\n  firstboot resume --end",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := firstboot.Options{Version: version, Root: t.root}
			if end {
				return firstboot.WithdrawRequest(cmd.Context(), o)
			}
			mark, err := settled.Read(host.New(t.root).Files)
			if err != nil {
				return err
			}
			if _, err := firstboot.Build(o); mark == nil && errors.Is(err, firstboot.ErrNoSeed) {
				return err
			}
			if mark == nil {
				t.Say("this node is being formed, and its builder runs")
				return nil
			}
			if err := firstboot.Resume(cmd.Context(), o, "asked for by hand", d); err != nil {
				return err
			}
			t.Say("the builder runs for %s and answers its peers; firstboot resume --end ends it before", d)
			return nil
		},
	}
	cmd.Flags().DurationVar(&d, "for", d, "leave after this `time`, 24h at most")
	cmd.Flags().BoolVar(&end, "end", false, "have the builder leave now")
	return cmd
}
