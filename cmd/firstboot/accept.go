package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/acceptance/consent"
	"ringboot/profiles/fault"
)

// decline says no to the power cut that the profile proposes.
func decline(ctx context.Context, t *terminal) error {
	var h consent.Heard
	err := firstboot.Ask(ctx, t.root, firstboot.MethodAccept, firstboot.AcceptOrder{No: true}, &h)
	if errors.Is(err, firstboot.ErrSettled) { // nobody is called back to be told no
		return acceptance.ErrOver
	}
	if err != nil {
		return err
	}
	t.Say("no node is reset in the first acceptance; heard by %s", strings.Join(h.Nodes, ", "))
	for _, m := range h.Missing {
		t.Say("not heard yet by %s; no node is reset before all were asked", m)
	}
	return nil
}

func newAccept(t *terminal) *cobra.Command {
	var o firstboot.AcceptOrder
	cmd := &cobra.Command{
		Use:   "accept",
		Short: "Run the acceptance, or some of its drills, again and write a new report",
		Long: `Run the acceptance, or some of its drills, again and write a new report.

The drills that the profile consents to are run once more. It is started on the node that coordinates them, and refused
while an acceptance is under way. On a settled cluster the other nodes' builders are called back. See the end of it with peers or status.

With --drill or --power-cut only these are run, and what an earlier run found in
the others stays in the report. A drill is refused where a guest of yours would
be moved or go down. The profile consents to the power cut of the first
acceptance; every later one wants the word of root on the node that is cut:
firstboot accept --consent there, within the hour before. It is for one cut.

With acceptance.power_cut: ask, all nodes and peers say a minute before which
one is cut in the first acceptance; --no-power-cut on any of them leaves it out.

With --skip what is left of a waiting acceptance is not run; the report says so.`,
		Example: `  firstboot accept
  firstboot accept --drill bandwidth        # one drill alone
  firstboot accept --consent                # on wittgenstein: it may be reset once
  firstboot accept --power-cut wittgenstein # on frege: did fail-over work?
  firstboot accept --no-power-cut           # on any node: not in the first acceptance
  firstboot accept --skip                   # go on to the report`,
		Args: cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cut := slices.Contains(o.Drills, acceptance.PowerCut)
			if o.Victim != "" && !cut {
				o.Drills = append(o.Drills, acceptance.PowerCut)
			}
			switch named := len(o.Drills) > 0; {
			case o.Skip && (named || o.Consent || o.No), o.Consent && (named || o.No), o.No && named:
				return fault.Usage.New("--skip, --consent, --no-power-cut and drills exclude each other")
			case o.No:
				return decline(cmd.Context(), t)
			case o.Victim == "" && cut:
				return fault.Usage.New("name the node that is cut: --power-cut NODE")
			}
			var until time.Time
			if err := firstboot.AskBuilder(cmd.Context(), t.root, "another acceptance", firstboot.MethodAccept, o, &until); err != nil {
				return err
			}
			switch {
			case o.Skip:
				t.Say("the drills that were left are skipped; the report follows")
			case o.Consent:
				t.Say("until %s this machine may be reset once by the drill %s, without a warning; nothing else was changed", until.Local().Format("15:04"), acceptance.PowerCut)
			case len(o.Drills) > 0:
				t.Say("the drills begin; firstboot status shows how far they are, and the report tells how they ended")
			default:
				t.Say("the acceptance begins again; firstboot status shows how far it is")
			}
			return nil
		},
	}
	acceptFlags(cmd, &o, t)
	return cmd
}

func acceptFlags(cmd *cobra.Command, o *firstboot.AcceptOrder, t *terminal) {
	cmd.Flags().BoolVar(&o.Skip, "skip", false, "go on to the report without the drills that are left")
	cmd.Flags().BoolVar(&o.Consent, "consent", false, "let this machine be reset, once, by a power cut within the hour")
	cmd.Flags().BoolVar(&o.No, "no-power-cut", false, "reset no node in the first acceptance, where the profile proposes it")
	cmd.Flags().StringSliceVar(&o.Drills, "drill", nil, "run this `drill` alone; may be given more than once")
	cmd.Flags().StringVar(&o.Victim, "power-cut", "", "reset this `node` while it runs the acceptance's own guest")
	cli.Complete(cmd, "drill", func(context.Context) []string { return acceptance.Names() })
	cli.Complete(cmd, "power-cut", func(context.Context) []string { return others(t) })
}
