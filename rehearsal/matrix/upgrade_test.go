package matrix_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/upgrade"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
	world "ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/tools/debian"
)

// What the nodes have, what their sources offer, and what they are to have.
const (
	packagesBefore = "corosync 3.1.9-pve1\nlibpve-storage-perl 9.1.7\npve-manager 9.2.11\n"
	packagesAfter  = "corosync 3.1.10-pve3\nlibpve-storage-perl 9.1.9\npve-manager 9.2.14\n"
	offered        = "corosync 3.1.9-pve1 3.1.10-pve3\nlibpve-storage-perl 9.1.7 9.1.9\npve-manager 9.2.11 9.2.14\n"
)

// rolling is a finished cluster whose founder takes all nodes to new packages.
type rolling struct {
	*bench
	leader string
	asked  bool   // somebody wants it
	strays bool   // a guest that a power cut moved may stay where it is
	home   string // where the guest runs
	before string // packages of all nodes
	after  string
	starts int // orderly restarts before this upgrade
	base   int // points of the leader's process before this upgrade
	cutAt  int // 0: no cut
	victim string
	mode   world.CutMode
	cut    bool
	broken []string // what must never be
}

func newRolling(t testing.TB) *rolling {
	p := storageProfile()
	p.Acceptance = profiles.Acceptance{Seconds: 10}
	return newRollingOf(t, 1, p)
}

func newRollingOf(t testing.TB, seed int64, p *profiles.Profile) *rolling {
	r := &rolling{bench: newBench(t, seed, p), leader: p.Founder().Name, home: "russell", before: packagesBefore, after: packagesAfter}
	r.startAll()
	if !r.finish(2 * time.Hour) {
		t.Fatalf("no cluster:\n%s", r.tail(60))
	}
	for _, name := range r.w.Names() {
		r.away[name] = true
	}
	var made error
	h, _ := r.agents["russell"].host(r.agents["russell"].life)
	sh := pve.Shell{Host: h, Node: "russell"}
	r.w.Sim().Go("owner", func() {
		if made = (pve.Guests{Shell: sh}).Create(context.Background(), 100, "db", "db"); made == nil {
			made = pve.HA{Shell: sh}.Add(context.Background(), "vm:100")
		}
	})
	if !r.runUntil(10*time.Minute, func() bool { return r.guestAt() == "russell" }) || made != nil {
		t.Fatalf("no guest: %v", made)
	}
	for _, name := range r.w.Names() {
		r.agents[name].end()
	}
	r.w.OnReset = func(node string) { r.w.Sim().After(bootTime, func() { r.power(node) }) }
	r.onPoint = func(a *simAgent) {
		if a.name == r.leader && r.cutAt > 0 && !r.cut && a.points-r.base == r.cutAt {
			r.cut = true
			r.logf("CUT %s at %d: %s", r.victim, r.cutAt, a.trace[len(a.trace)-1])
			r.off(r.victim, r.mode)
		}
	}
	return r
}

// guestAt is the node on which the guest runs.
func (r *rolling) guestAt() string {
	raw, _ := r.w.Node(r.leader).Files().ReadFile("/etc/pve/ha/manager_status")
	for _, n := range r.w.Names() {
		if strings.Contains(string(raw), `"vm:100":{"node":"`+n+`","state":"started"`) {
			return n
		}
	}
	return ""
}

// off takes the power of a node away, for a while.
func (r *rolling) off(node string, mode world.CutMode) {
	if node == r.leader {
		r.agents[node].end()
	}
	r.w.PowerCut(node, mode)
	r.w.Sim().After(bootTime, func() { r.power(node) })
}

// power starts a machine, and on the leader the unit of the upgrade.
func (r *rolling) power(node string) {
	if r.w.Node(node).Powered() {
		return
	}
	r.w.Sim().Go(node+" boot", func() {
		r.w.Boot(node, nil)
		if node == r.leader && r.w.Node(node).Powered() {
			r.lead()
		}
	})
}

// lead is the process of the unit on the leader.
func (r *rolling) lead() {
	a := r.agents[r.leader]
	a.end()
	a.life++
	a.alive = true
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	h, _ := a.host(a.life)
	ring := func(context.Context, string) (string, error) { return "", nil }
	u := upgrade.New(upgrade.Options{Host: h, Profile: r.p, Node: r.leader, Ring: ring, Log: func(s string) { r.logf("upgrade: %s", s) }})
	r.w.Sim().Go("upgrade", func() {
		o, err := upgrade.ReadOrder(h.Files)
		for o == nil && err == nil && r.asked { // a node away while it is planned: its owner asks again
			if o, err = u.Plan(ctx, nil); err == nil {
				err = o.Write(h.Files)
			} else if o = nil; a.alive {
				err = h.Clock.Sleep(ctx, time.Minute)
			}
		}
		if err == nil && o != nil {
			err = u.Run(ctx, o)
		}
		r.logf("the process of the upgrade ends: %v", err)
	})
}

// begin puts the old packages back and begins an upgrade.
func (r *rolling) begin(t testing.TB, offered string) {
	t.Helper()
	for _, name := range r.w.Names() {
		f := r.w.Node(name).Files()
		for file, text := range map[string]string{debian.PackagesFile: r.before, debian.SourcesFile: offered} {
			if err := f.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.w.Node(r.leader).Files().Remove(upgrade.OrderFile); err != nil {
		t.Fatal(err)
	}
	for _, name := range r.w.Names() {
		if err := r.w.Node(name).Files().Sync(); err != nil {
			t.Fatal(err)
		}
	}
	r.start()
}

// start begins an upgrade.
func (r *rolling) start() {
	r.asked = true
	r.base, r.cut, r.starts = r.agents[r.leader].points, false, len(r.w.Notes("reboot"))
	r.lead()
}

// end runs to the end of the upgrade, and says what is not as it was planned.
func (r *rolling) end() error {
	var o *upgrade.Order
	ended := r.runUntil(8*time.Hour, func() bool {
		off := 0
		for _, name := range r.w.Names() {
			if !r.w.Node(name).Powered() {
				off++
			}
		}
		if off > 1 && !r.cut {
			r.broken = append(r.broken, "two nodes at a time")
		}
		o, _ = upgrade.ReadOrder(r.w.Node(r.leader).Files())
		return o != nil && (o.Stopped != "" || !o.Ended.IsZero())
	})
	if r.cut {
		r.runUntil(10*time.Minute, func() bool { return false }) // who was cut at the end comes back
	}
	r.asked = false
	switch {
	case !ended:
		return fmt.Errorf("no end")
	case o.Stopped != "":
		return fmt.Errorf("stopped: %s", o.Stopped)
	case len(o.Nodes) != 3 || o.Nodes[2] != r.leader:
		return fmt.Errorf("the order is %v", o.Nodes)
	case len(r.broken) > 0:
		return fmt.Errorf("%v", r.broken)
	}
	for _, name := range r.w.Names() {
		raw, err := r.w.Node(name).Files().ReadFile(debian.PackagesFile)
		if err != nil || string(raw) != r.after {
			return fmt.Errorf("packages of %s: %q %v", name, raw, err)
		}
		if !slices.Contains(r.w.Notes("reboot")[r.starts:], name) && !(r.cut && r.victim == name) {
			return fmt.Errorf("%s was not restarted", name)
		}
	}
	if got := r.guestAt(); got != r.home && !(r.strays && r.cut && got != "") {
		return fmt.Errorf("the guest runs on %q, not on %s", got, r.home)
	}
	if s := ceph.Unhealthy(r.w.Node(r.leader).Machine(), 3); s != "" {
		return fmt.Errorf("storage: %s", s)
	}
	return r.whole()
}

// TestOneNodeAfterTheOther takes a cluster to new packages, and then again with
// the power of a node cut at points of the leader's process.
func TestOneNodeAfterTheOther(t *testing.T) {
	r := newRolling(t)
	defer r.close()
	r.begin(t, offered)
	if err := r.end(); err != nil {
		t.Fatalf("%v\n%s", err, r.tail(80))
	}
	points := r.agents[r.leader].points - r.base
	names := r.w.Names()
	var all []run
	for at := 1; at <= points; at++ {
		all = append(all, run{1, []crash{{names[at%3], at, crashModes[at/3%len(crashModes)]}}})
	}
	fates := map[string]world.CutMode{killed: world.Kept, kept: world.Kept, lost: world.Lost, midLost: world.Lost, torn: world.Torn, midTorn: world.Torn}
	cuts, diverged := 0, 0
	for _, one := range sampled(t, all, budget(6, 8, len(all))) {
		c := one.plan[0]
		r.cutAt, r.victim, r.mode = c.point, c.node, fates[c.mode]
		r.begin(t, offered)
		if err := r.end(); err != nil {
			diverged++
			t.Errorf("%s: %v\n%s", again(t, one), err, r.tail(40))
			break // the world is not whole any more
		}
		cuts++
	}
	need.Figure(figureName("upgrade.cuts", cuts, len(all)), cuts, "cuts")
	need.Figure(figureName("upgrade.diverged", cuts, len(all)), diverged, "cuts")
}

// TestTwoLeaders: two people ask two nodes at the same time. One of the upgrades
// goes on at most, and never are two nodes down.
func TestTwoLeaders(t *testing.T) {
	for late := range 12 {
		r := newRolling(t)
		r.begin(t, offered)
		r.runUntil(time.Duration(late)*3*time.Second, func() bool { return false })
		r.leader = "russell"
		r.lead()
		most := 0
		ended := func(node string) bool {
			o, err := upgrade.ReadOrder(r.w.Node(node).Files())
			return err == nil && o != nil && (o.Stopped != "" || !o.Ended.IsZero())
		}
		// Whose plan was refused asks again, and finds nothing to do after the other's end.
		if !r.runUntil(2*time.Hour, func() bool {
			off := 0
			for _, n := range r.w.Names() {
				if !r.w.Node(n).Powered() {
					off++
				}
			}
			most = max(most, off)
			return ended("frege") && ended("russell")
		}) {
			t.Fatalf("%d s late: no end:\n%s", late*3, r.tail(40))
		}
		if most > 1 {
			t.Errorf("%d s late: %d nodes were down at a time:\n%s", late*3, most, r.tail(60))
		}
		r.asked = false
		r.close()
	}
}
