package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/host"
	"ringboot/firstboot/upgrade"
	"ringboot/profiles/fault"
)

// upgrading is what the command line asks for.
type upgrading struct {
	dry, pause, goOn, follow, forget, asJSON bool
	nodes                                    []string
	agent                                    string // package of the agent, alone
}

func newUpgrade(t *terminal) *cobra.Command {
	var u upgrading
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "Take the nodes of the cluster to one set of packages, one after the other",
		Long: `Take the nodes of the cluster to one set of packages, one after the other.

The packages of each node are planned and shown first. Then one node at a time,
this one last: the cluster is whole, the node goes into maintenance and its
guests leave, OSDs stay in, its packages come to exactly what was planned, it
restarts if kernel, corosync or qemu ask for it, and when ring, membership,
monitors, OSDs and placement groups are whole and its guests are back, the next
one follows. It stops with a sentence at the first doubt, and the same command
goes on from there; after a power cut of any node it goes on by itself.

Ceph stays in its release. With --agent the nodes get another agent and nothing
else: no node is emptied or restarted, the keeper of each is started anew.
The exit code is 0 when all nodes are done, and 8 when it stopped.`,
		Example: "  firstboot upgrade --dry-run          # what each node would get\n  firstboot upgrade                    # all nodes; interrupt it, and it goes on\n  firstboot upgrade --node russell     # one node alone\n  firstboot upgrade --pause            # stop before the next node\n  firstboot upgrade --agent ringboot_1.3_amd64.deb",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if u.goOn {
				return goOn(cmd.Context(), t)
			}
			if u.follow {
				return u.show(cmd.Context(), t)
			}
			if u.agent != "" {
				return u.agents(cmd.Context(), t)
			}
			return u.run(cmd.Context(), t)
		},
	}
	cmd.Flags().BoolVar(&u.dry, "dry-run", false, "show what each node would get, and change nothing")
	cmd.Flags().StringSliceVar(&u.nodes, "node", nil, "take this `node` only; may be given again")
	cmd.Flags().BoolVar(&u.pause, "pause", false, "let the upgrade that is under way stop before the next node")
	cmd.Flags().BoolVar(&u.forget, "forget", false, "give up an upgrade that has stopped; maintenance and noout stay as they are")
	cmd.Flags().BoolVar(&u.follow, "follow", false, "show the last upgrade that was begun here, to its end, and begin none")
	cmd.Flags().BoolVar(&u.asJSON, "json", false, "write the plan, or how far it is, as JSON, and change nothing")
	cmd.Flags().StringVar(&u.agent, "agent", "", "bring the agents of the nodes to this package `file` of mkimage package")
	cmd.Flags().BoolVar(&u.goOn, "go-on", false, "what the unit runs")
	_ = cmd.Flags().MarkHidden("go-on")
	cli.Complete(cmd, "node", func(context.Context) []string { return nodesOf(t) })
	return cmd
}

// goOn is the unit: it works until the end or a stop.
func goOn(ctx context.Context, t *terminal) error {
	f := host.New(t.root).Files
	o, err := upgrade.ReadOrder(f)
	if err != nil || o == nil || o.Stopped != "" || !o.Ended.IsZero() {
		return err
	}
	a, err := firstboot.Build(firstboot.Options{Version: version, Root: t.root})
	if err != nil {
		return err
	}
	u, err := a.Upgrade(told(t, f, upgrade.Errand()))
	if err != nil {
		return err
	}
	return u.Run(ctx, o)
}

func (u upgrading) run(ctx context.Context, t *terminal) error {
	f := host.New(t.root).Files
	o, err := upgrade.ReadOrder(f)
	if err != nil {
		return err
	}
	under := o != nil && o.Ended.IsZero()
	switch {
	case u.pause || u.forget:
		return u.change(f, o, under)
	case under && u.asJSON:
		return cli.JSON(t.Stdout, o)
	case under:
		o.Pause, o.Stopped = false, ""
	default:
		if o, err = u.plan(ctx, t); err != nil || u.dry || u.asJSON {
			return err
		}
		if err := f.Remove(upgrade.LogFile); err != nil {
			return err
		}
	}
	if err := o.Write(f); err != nil {
		return err
	}
	if err := upgrade.Errand().Start(ctx, host.New(t.root).Commands); err != nil {
		return err
	}
	return u.show(ctx, t)
}

// change pauses or forgets what is under way.
func (u upgrading) change(f host.Files, o *upgrade.Order, under bool) error {
	switch {
	case !under:
		return fault.Precondition.New("no upgrade is under way on this node: it is asked where it was begun")
	case u.forget && o.Stopped == "":
		return fault.Precondition.New("the upgrade is at work: firstboot upgrade --pause first, and look again when it has stopped")
	case u.forget:
		return f.Remove(upgrade.OrderFile)
	}
	o.Pause = true
	return o.Write(f)
}

// show shows what there is, and begins nothing.
func (u upgrading) show(ctx context.Context, t *terminal) error {
	f := host.New(t.root).Files
	o, err := upgrade.ReadOrder(f)
	switch {
	case err != nil:
		return err
	case o == nil:
		return fault.Precondition.New("no upgrade was begun on this node: it is shown where it was begun")
	case u.asJSON:
		return cli.JSON(t.Stdout, o)
	}
	return follow(ctx, t, f, upgrade.LogFile, func() (bool, error) {
		o, err := upgrade.ReadOrder(f)
		if err == nil && o != nil && o.Stopped != "" {
			err = fault.Partial.Errorf("the upgrade stopped: %s; firstboot upgrade goes on", o.Stopped)
		}
		return o == nil || !o.Ended.IsZero(), err
	})
}

func (u upgrading) plan(ctx context.Context, t *terminal) (*upgrade.Order, error) {
	a, err := firstboot.Build(firstboot.Options{Version: version, Root: t.root})
	if err != nil {
		return nil, err
	}
	up, err := a.Upgrade(func(text string) { t.Say("%s", text) })
	if err != nil {
		return nil, err
	}
	o, err := up.Plan(ctx, u.nodes)
	if err != nil {
		return nil, err
	}
	if u.asJSON {
		return o, cli.JSON(t.Stdout, o)
	}
	printPlan(t.Stdout, o)
	return o, nil
}

func printPlan(w io.Writer, o *upgrade.Order) {
	for i, n := range o.Nodes {
		restart := ""
		if o.Restarts(n) {
			restart = ", then it restarts"
		}
		fmt.Fprintf(w, "%d. %s: %d packages%s\n", i+1, n, len(o.Plan[n]), restart)
		for _, c := range o.Plan[n] {
			fmt.Fprintf(w, "   %s\n", c)
		}
	}
}

// agents brings the nodes to another agent.
func (u upgrading) agents(ctx context.Context, t *terminal) error {
	if u.pause || u.forget {
		return fault.Usage.New("--agent goes with --node, --dry-run and --json alone")
	}
	o, err := upgrade.ReadOrder(host.New(t.root).Files)
	if err != nil {
		return err
	}
	if o != nil && o.Ended.IsZero() {
		return fault.Refused.New("an upgrade of the packages is under way: let it end, or give it up with firstboot upgrade --forget")
	}
	pkg, err := t.ReadFile(u.agent)
	if err != nil {
		return err
	}
	a, err := firstboot.Build(firstboot.Options{Version: version, Root: t.root})
	if err != nil {
		return err
	}
	up, err := a.Upgrade(func(text string) { fmt.Fprintln(t.Stdout, time.Now().Format("15:04:05 ")+text) })
	if err != nil {
		return err
	}
	plan, err := up.PlanAgent(ctx, u.agent, pkg, u.nodes)
	switch {
	case err != nil:
		return err
	case u.asJSON:
		return cli.JSON(t.Stdout, plan)
	case u.dry:
		for i, n := range plan.Nodes {
			fmt.Fprintf(t.Stdout, "%d. %s: %s -> %s\n", i+1, n, plan.Have[n], plan.Agent)
		}
		return nil
	}
	return up.RunAgent(ctx, plan, pkg)
}
