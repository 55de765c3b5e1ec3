package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/acceptance"
	"ringboot/profiles/fault"
)

func newAccept(t *terminal) *cobra.Command {
	var o firstboot.AcceptOrder
	cmd := &cobra.Command{
		Use:   "accept",
		Short: "Run the acceptance, or some of its drills, again and write a new report",
		Long: `Run the acceptance, or some of its drills, again and write a new report.

The drills that the profile consents to are run once more. It is started on the node that coordinates them, and refused
while an acceptance is under way. On a settled cluster the builders of the other
nodes are called back to take part. See the end of it with peers or status.

With --drill or --power-cut only these are run, and what an earlier run found in
the others stays in the report. A drill is refused where a guest of yours would
be moved or go down. The profile consents to the power cut of the first
acceptance; every later one wants the word of root on the node that is cut:
firstboot accept --consent there, within the hour before. It is for one cut.

With --skip what is left of a waiting acceptance is not run; the report says so.`,
		Example: `  firstboot accept
  firstboot accept --drill bandwidth        # one drill alone
  firstboot accept --consent                # on wittgenstein: it may be reset once
  firstboot accept --power-cut wittgenstein # on frege: did fail-over work?
  firstboot accept --skip                   # go on to the report`,
		Args: cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Victim != "" && !slices.Contains(o.Drills, acceptance.PowerCut) {
				o.Drills = append(o.Drills, acceptance.PowerCut)
			}
			switch named := len(o.Drills) > 0; {
			case o.Skip && (named || o.Consent), o.Consent && named:
				return fault.Usage.New("--skip, --consent and drills exclude each other")
			case o.Victim == "" && slices.Contains(o.Drills, acceptance.PowerCut):
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
	cmd.Flags().BoolVar(&o.Skip, "skip", false, "go on to the report without the drills that are left")
	cmd.Flags().BoolVar(&o.Consent, "consent", false, "let this machine be reset, once, by a power cut within the hour")
	cmd.Flags().StringSliceVar(&o.Drills, "drill", nil, "run this `drill` alone; may be given more than once")
	cmd.Flags().StringVar(&o.Victim, "power-cut", "", "reset this `node` while it runs the acceptance's own guest")
	cli.Complete(cmd, "drill", func(context.Context) []string { return acceptance.Names() })
	cli.Complete(cmd, "power-cut", func(context.Context) []string { return others(t) })
	return cmd
}
