package upgrade

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/apt"
	"ringboot/firstboot/errand"
	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// Unit is what the packages of a node are installed by: it goes on when the
// node that asked for it is gone.
const Unit = "ringboot-upgrade-packages.service"

// pinsFile holds a node to the versions of the plan while its turn lasts.
const pinsFile = "/var/lib/ringboot/upgrade.pins"

// pause between two looks, and how long another's words may take.
const (
	pause   = 5 * time.Second
	perWord = 30 * time.Second
)

// Options are what an upgrade works with, on the node that was asked for it.
type Options struct {
	Host    host.Host
	Profile *profiles.Profile
	Node    string
	Ring    func(ctx context.Context, node string) (wrong string, err error)
	Log     func(string)
}

// Upgrade takes the nodes of a cluster to one set of packages.
type Upgrade struct {
	o    Options
	wait errand.Patience
}

// New returns an upgrade that has not begun.
func New(o Options) *Upgrade {
	u := &Upgrade{o: o}
	u.wait = errand.Patience{Clock: o.Host.Clock, Say: u.say}
	return u
}

func (u *Upgrade) shell(node string) pve.Shell {
	h := u.o.Host
	if n, ok := u.o.Profile.Node(node); ok && node != u.o.Node {
		h.Commands = pve.Remote{Commands: h.Commands, Node: node, Address: n.Address.String()}
	}
	return pve.Shell{Host: h, Node: node}
}

func (u *Upgrade) apt(node string) apt.System { return apt.System{Host: u.shell(node).Host} }

// Plan asks each node what its sources have and returns the order. only names
// the nodes to take; none means all.
func (u *Upgrade) Plan(ctx context.Context, only []string) (*Order, error) {
	nodes, err := u.nodes(only)
	if err != nil {
		return nil, err
	}
	if rival, err := u.rival(ctx); err != nil {
		return nil, err
	} else if rival != "" {
		return nil, fault.Precondition.Errorf("%s leads an upgrade already: firstboot upgrade shows there how far it is; wait for its end", rival)
	}
	o := &Order{Version: orderVersion, Leader: u.o.Node, Asked: u.o.Host.Clock.Now(), Plan: map[string][]apt.Change{}, Turns: map[string]*Turn{}}
	for _, n := range nodes {
		if err := u.apt(n).Refresh(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		changes, err := u.apt(n).Changes(ctx, "")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		o.Plan[n] = changes
	}
	o.Nodes = order(nodes, u.o.Node)
	return o, refused(o.Plan, o.Nodes)
}

// nodes are those that were asked for; none means all.
func (u *Upgrade) nodes(only []string) (out []string, err error) {
	for _, n := range only {
		if _, ok := u.o.Profile.Node(n); !ok {
			return nil, fault.Usage.Errorf("%q is no node of %s", n, u.o.Profile.Cluster.Name)
		}
	}
	for _, n := range u.o.Profile.Nodes {
		if len(only) == 0 || slices.Contains(only, n.Name) {
			out = append(out, n.Name)
		}
	}
	return out, nil
}

// Run goes on with the order until all nodes had their turn, or until it is
// stopped; then the order says why. Its error means that the order cannot be kept.
func (u *Upgrade) Run(ctx context.Context, o *Order) error {
	for o.live() {
		d := decide(o, u.look(ctx, o))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d = u.patience(d)
		if d.act != actWait {
			u.say("%s: %s", d.node, d.reason)
		}
		if err := u.do(ctx, o, d); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			u.say("%s: %v", d.node, err)
		}
		if err := u.keep(o); err != nil {
			return err
		}
		if d.act == actWait || d.act == actRestart {
			if err := u.o.Host.Clock.Sleep(ctx, pause); err != nil {
				return err
			}
		}
	}
	return nil
}

// patience turns a wait that took too long into a stop.
func (u *Upgrade) patience(d decision) decision {
	if d.act != actWait {
		u.wait.Works()
	} else if u.wait.Over(d.reason, d.limit) {
		d.act, d.reason = actStop, fmt.Sprintf("%s, for %s: look there, then go on", d.reason, d.limit)
	}
	return d
}

func (u *Upgrade) say(format string, args ...any) { u.o.Log(fmt.Sprintf(format, args...)) }

// do does one thing. Whether it worked is seen at the next look.
func (u *Upgrade) do(ctx context.Context, o *Order, d decision) error {
	ha, ceph := pve.HA{Shell: u.shell(u.o.Node)}, pve.Ceph{Shell: u.shell(u.o.Node)}
	t := o.turn(d.node)
	switch d.act {
	case actStop:
		o.Stopped = d.reason
	case actBegin:
		return u.begin(ctx, o, d.node, t)
	case actMaintain:
		t.Maintenance = true
		return u.kept(o, func() error { return u.settle(ctx, ha.Maintenance(ctx, d.node, true)) })
	case actNoOut:
		t.NoOut = true
		return u.kept(o, func() error { return ceph.SetNoOut(ctx, true) })
	case actRefresh:
		return u.refresh(ctx, d.node, t)
	case actUpdate:
		t.Tries++
		return u.kept(o, func() error { return u.install(ctx, o, d.node) })
	case actUpdated:
		boot, err := u.boot(ctx, d.node)
		t.Boot = boot
		return err
	case actRestart:
		_, err := host.Run(ctx, u.shell(d.node).Host.Commands, host.Cmd{Argv: []string{"systemctl", "reboot"}, Timeout: perWord})
		return u.settle(ctx, err)
	case actIn:
		return ceph.SetNoOut(ctx, false)
	case actReturn:
		return u.settle(ctx, ha.Maintenance(ctx, d.node, false))
	case actEnd:
		t.Ended = u.o.Host.Clock.Now()
	case actDone:
		o.Ended = u.o.Host.Clock.Now()
	}
	return nil
}

// begin begins the turn of a node, and keeps which guests are to come back there.
func (u *Upgrade) begin(ctx context.Context, o *Order, node string, t *Turn) error {
	s, err := pve.HA{Shell: u.shell(u.o.Node)}.State(ctx)
	if u.o.Profile.HA.Enabled && err != nil {
		return err
	}
	t.Begun, t.Guests = u.o.Host.Clock.Now(), guestsOn(sight{state: s}, node)
	if o.Homes == nil {
		o.Homes = map[string]string{}
		for sid, g := range s.Services {
			o.Homes[sid] = g.Node
		}
	}
	return nil
}

// keep writes the order, with what was asked of it meanwhile. What is taken is
// written before it is taken: a power cut must not forget whose it is.
func (u *Upgrade) keep(o *Order) error {
	if now, err := ReadOrder(u.o.Host.Files); err == nil && now != nil {
		o.Pause = now.Pause
	}
	return o.Write(u.o.Host.Files)
}

// turn is that of a node; it is kept where it is the node's now.
func (o *Order) turn(node string) *Turn {
	t := o.Turns[node]
	if t == nil {
		t = &Turn{}
	}
	if node == o.Current() && node != "" {
		o.Turns[node] = t
	}
	return t
}

// kept does something after the order is written.
func (u *Upgrade) kept(o *Order, do func() error) error {
	if err := u.keep(o); err != nil {
		return err
	}
	return do()
}

// settle waits a round of what was only queued.
func (u *Upgrade) settle(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	return u.o.Host.Clock.Sleep(ctx, 3*pause)
}

// refresh reads the package sources of a node anew, once in each of its starts.
func (u *Upgrade) refresh(ctx context.Context, node string, t *Turn) error {
	boot, err := u.boot(ctx, node)
	if err != nil {
		return err
	}
	t.Fresh = boot
	return u.apt(node).Refresh(ctx)
}

// install has a node's own systemd bring it to the plan.
func (u *Upgrade) install(ctx context.Context, o *Order, node string) error {
	run := u.shell(node).Host.Commands
	if err := u.apt(node).Finish(ctx); err != nil {
		return err
	}
	argv := append([]string{"systemd-run", "--unit=" + Unit, "--collect", "--no-block", "--setenv=LC_ALL=C", "--setenv=DEBIAN_FRONTEND=noninteractive"}, apt.UpgradeCommand(pinsFile)...)
	if _, err := host.Run(ctx, run, host.Cmd{Argv: argv, Timeout: perWord}); err != nil {
		return err
	}
	return u.o.Host.Clock.Sleep(ctx, pause)
}

func (u *Upgrade) boot(ctx context.Context, node string) (string, error) {
	out, err := host.Run(ctx, u.shell(node).Host.Commands, host.Cmd{Argv: []string{"cat", "/proc/sys/kernel/random/boot_id"}, ReadOnly: true, Timeout: perWord})
	return strings.TrimSpace(out), err
}
