package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot/alone"
	"ringboot/profiles/fault"
)

func newPair(t *terminal) *cobra.Command {
	wait, addr := 10*time.Minute, ""
	var codes []string
	cmd := &cobra.Command{
		Use:   "pair",
		Short: "Learn the keys of the other two machines over the cables",
		Long: `Learn the keys of the other two machines over the cables. It runs on all three
at the same time, or on the two ends of one cable after the other.

For each cable both screens show a code of six digits. Type it if both show the
same; if they differ, somebody or something is between the two machines. Nothing
is trusted before. When all keys are there, the keeper starts.

Where nobody sits at a terminal, it shows the codes and ends (exit code 8); what
is compared elsewhere is confirmed with --yes-code on both machines.`,
		Example: "  ringkeeper pair --ring 10.203.4.11    # the first time: this machine's address on the ring\n  ringkeeper pair\n  ringkeeper pair --yes-code 123456     # the codes were compared elsewhere",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m := t.machine()
			if addr != "" {
				a, err := netip.ParseAddr(addr)
				if err != nil {
					return fault.Usage.Errorf("--ring %q is no address: write one such as 10.203.4.11", addr)
				}
				if err := m.Begin(a); err != nil {
					return err
				}
			}
			o := alone.Asking{Say: t.Warn, Wait: wait}
			if cli.Screen(t.Stdin) != nil {
				o.Type = func(ctx context.Context, question string) (string, error) {
					return t.Ask(ctx, question, "--yes-code CODE")
				}
			}
			var whole bool
			var err error
			if len(codes) > 0 {
				whole, err = m.Confirm(codes, t.Warn)
			} else {
				whole, err = m.Pair(cmd.Context(), o)
			}
			if err != nil || !whole {
				return err
			}
			started, err := m.Start(cmd.Context())
			if err == nil && started {
				t.Say("all three are paired, and the keeper runs: ringkeeper status")
			} else if err == nil {
				t.Say("all three are paired: ringkeeper run keeps the ring")
			}
			return err
		},
	}
	cmd.Flags().StringVar(&addr, "ring", "", "this machine's own `address` on the ring, when it has no "+alone.ConfigFile+" yet")
	cmd.Flags().StringSliceVar(&codes, "yes-code", nil, "take what showed this `code` on both screens, within 15 minutes")
	cmd.Flags().DurationVar(&wait, "wait", wait, "for the other machines, and for whoever compares")
	return cmd
}

func newForget(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "forget NODE",
		Short:   "Take the key of a machine away that is gone or was installed anew",
		Long:    "Take the key of a machine away that is gone or was installed anew. The keeper\nstops until the ring has three again; addresses and routes stay.",
		Example: "  ringkeeper forget russell && ringkeeper pair",
		Args:    cli.One("NODE"),
		RunE:    func(cmd *cobra.Command, args []string) error { return t.machine().Forget(cmd.Context(), args[0]) },
	}
}

func newLeave(t *terminal) *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "leave",
		Short: "Take this machine out of the ring: keys, files and unit",
		Long: `Take this machine out of the ring. It names every file that it removes first, and
removes none without --yes. Addresses and routes stay in the kernel until the
machine starts again, so that no traffic breaks off.`,
		Example: "  ringkeeper leave          # what would go\n  ringkeeper leave --yes\n  apt purge ringboot-keeper",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m := t.machine()
			for _, p := range m.Left() {
				t.Warn("removes %s", p)
			}
			if !yes {
				return fault.Refused.Errorf("refused: the machine's part of the ring goes with it, and its key: say --yes")
			}
			return m.Leave(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "remove them")
	return cmd
}
