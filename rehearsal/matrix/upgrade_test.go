package matrix_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/upgrade"
	"ringboot/profiles"
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
	*cutting
	asked  bool   // somebody wants it
	strays bool   // a guest that a power cut moved may stay where it is
	home   string // where the guest runs
	before string // packages of all nodes
	after  string
	starts int      // orderly restarts before this upgrade
	broken []string // what must never be
}

func newRolling(t testing.TB) *rolling {
	p := storageProfile()
	p.Acceptance = profiles.Acceptance{Seconds: 10}
	return newRollingOf(t, 1, p)
}

func newRollingOf(t testing.TB, seed int64, p *profiles.Profile) *rolling {
	r := &rolling{home: "russell", before: packagesBefore, after: packagesAfter}
	r.cutting = newCutting(t, newBench(t, seed, p), p.Founder().Name, func(b *bench) {
		r.cutting = &cutting{bench: b, at: p.Founder().Name}
		var made error
		h, _ := b.agents["russell"].host(b.agents["russell"].life)
		sh := pve.Shell{Host: h, Node: "russell"}
		b.w.Sim().Go("owner", func() {
			if made = (pve.Guests{Shell: sh}).Create(context.Background(), 100, "db", "db"); made == nil {
				made = pve.HA{Shell: sh}.Add(context.Background(), "vm:100")
			}
		})
		if !b.runUntil(10*time.Minute, func() bool { return r.guestAt() == "russell" }) || made != nil {
			t.Fatalf("no guest: %v", made)
		}
	})
	r.goesOn = r.lead
	return r
}

// guestAt is the node on which the guest runs.
func (r *rolling) guestAt() string {
	raw, _ := r.w.Node(r.at).Files().ReadFile("/etc/pve/ha/manager_status")
	for _, n := range r.w.Names() {
		if strings.Contains(string(raw), `"vm:100":{"node":"`+n+`","state":"started"`) {
			return n
		}
	}
	return ""
}

// lead is the process of the unit on the leader.
func (r *rolling) lead() {
	r.process("upgrade", func(ctx context.Context, a *simAgent, h host.Host) {
		ring := func(context.Context, string) (string, error) { return "", nil }
		u := upgrade.New(upgrade.Options{Host: h, Profile: r.p, Node: a.name, Ring: ring, Log: func(s string) { r.logf("upgrade: %s", s) }})
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
	r.home = r.guestAt()
	for _, name := range r.w.Names() {
		f := r.w.Node(name).Files()
		for file, text := range map[string]string{debian.PackagesFile: r.before, debian.SourcesFile: offered} {
			if err := f.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.w.Node(r.at).Files().Remove(upgrade.OrderFile); err != nil {
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
	r.base, r.cut, r.starts = r.agents[r.at].points, false, len(r.w.Notes("reboot"))
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
		o, _ = upgrade.ReadOrder(r.w.Node(r.at).Files())
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
	case len(o.Nodes) != 3 || o.Nodes[2] != r.at:
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
	// A guest whose own node lost its power stays where high availability has it.
	if got := r.guestAt(); got != r.home && !(r.cut && got != "" && (r.strays || r.victim == r.home)) {
		return fmt.Errorf("the guest runs on %q, not on %s", got, r.home)
	} else if told := fmt.Sprintf("vm:100 was on %s and is on %s now", r.home, got); got != r.home && o.Homes["vm:100"] == r.home && !strings.Contains(r.tail(len(r.log)), told) {
		return fmt.Errorf("nobody is told that %s", told)
	}
	if s := ceph.Unhealthy(r.w.Node(r.at).Machine(), 3); s != "" {
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
	points := r.agents[r.at].points - r.base
	names := r.w.Names()
	var all []run
	for at := 1; at <= points; at++ {
		all = append(all, run{1, []crash{{names[at%3], at, crashModes[at/3%len(crashModes)]}}})
	}
	r.through(t, "upgrade", all, budget(6, 8, len(all)), func() { r.begin(t, offered) }, r.end)
}

// TestTwoLeaders: two people ask two nodes at the same time. One of the upgrades
// goes on at most, and never are two nodes down.
func TestTwoLeaders(t *testing.T) {
	for late := range 12 {
		r := newRolling(t)
		r.begin(t, offered)
		r.runUntil(time.Duration(late)*3*time.Second, func() bool { return false })
		r.at = "russell"
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
