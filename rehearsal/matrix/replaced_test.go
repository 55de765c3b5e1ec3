package matrix_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/cluster"
	"ringboot/firstboot/report"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/trial"
)

// newMachine puts another machine in the place of a lost one: its disk for Ceph
// is a new one, or the old one that moved along.
func (b *bench) newMachine(node string, moved bool) {
	old := ceph.Disks(b.w.Node(node).Machine())
	disks := trial.Disks(node)
	if moved {
		disks[1] = old[1]
	} else {
		b.machines++
		b.osd[node] = fmt.Sprintf("NEW%d-%s", b.machines, node)
		disks[1].Serial = b.osd[node]
	}
	b.reinstall(node)
	a := b.agents[node]
	for i := range a.profile.Nodes {
		if a.profile.Nodes[i].Name == node {
			a.profile.Nodes[i].OSDDisks = []profiles.DiskName{{Serial: b.osd[node]}}
		}
	}
	b.furnish(node)
	ceph.SetDisks(b.w.Node(node).Machine(), disks...)
}

// again reports whether every node is done and has a report that is newer than a run.
func (b *bench) again(run string) func() bool {
	return func() bool {
		if !b.allFormed() {
			return false
		}
		for _, n := range b.w.Names() {
			text, err := b.w.Node(n).Files().ReadFile(acceptance.ReportJSON)
			if err != nil {
				return false
			}
			if r, err := report.Parse(text); err != nil || r.Run == run {
				return false
			}
		}
		return true
	}
}

// replacing says what is not as it was before a machine was lost, asked with
// other means than the agents'.
func (b *bench) replacing(node string) []string {
	var bad []string
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	if err := b.whole(); err != nil {
		say("%v", err)
	}
	if why := ceph.Unhealthy(b.w.Node(giver(node)).Machine(), 3); why != "" {
		say("Ceph: %s", why)
	}
	for _, note := range b.w.Notes("purged-unclean") {
		say("%s was purged while copies were missing", note)
	}
	for _, note := range b.w.Notes("erased") {
		say("erased: %s", note)
	}
	for _, n := range b.w.Names() {
		r := b.reportOf(n)
		if !slices.ContainsFunc(r.Ceph.OSDs, func(o report.OSD) bool { return o.Serial == b.osd[node] }) || len(r.Ceph.OSDs) != 3 {
			say("the report of %s lists the OSDs %+v", n, r.Ceph.OSDs)
		}
		if _, err := b.w.Node(n).Files().Lstat(cluster.PlaceFile); err == nil {
			say("%s still thinks that it takes somebody's place", n)
		}
		if _, err := b.w.Node(n).Files().Lstat("/var/lib/ringboot/admit.json"); err == nil {
			say("the window on %s is open", n)
		}
		text, _ := b.w.Node(n).Files().ReadFile("/etc/pve/priv/authorized_keys")
		if c := strings.Count(string(text), "root@"+node); c != 1 {
			say("%d keys of root@%s let in on %s", c, node, n)
		}
	}
	return append(bad, b.violations()...)
}

// TestReplacedMachineIsWholeAgain: a dead machine's place is taken by another
// one, with nothing typed but one admission: monitor, manager, metadata server,
// OSD, certificate, keys and the report are put right by the agents.
func TestReplacedMachineIsWholeAgain(t *testing.T) {
	hands, longest := 0, 0.0
	for _, node := range []string{"frege", "russell", "wittgenstein"} {
		for _, moved := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/moved=%v", node, moved), func(t *testing.T) {
				p := storageProfile()
				p.Ceph.CephFS = true
				p.Acceptance.PowerCut, p.Acceptance.Maintenance = profiles.ConsentNo, false
				b := newBench(t, 1, p)
				defer b.close()
				b.startAll()
				if !b.finish(2 * time.Hour) {
					t.Fatalf("no report:\n%s", b.tail(60))
				}
				first := b.reportOf(giver(node))
				b.newMachine(node, moved)
				b.runUntil(3*time.Minute, func() bool { return false })
				began := b.now()
				b.admit(giver(node), node)
				if !b.runUntil(2*time.Hour, b.again(first.Run)) {
					hands++
					t.Fatalf("not whole again: %v\n%s", b.agents, b.tail(70))
				}
				longest = max(longest, b.now().Sub(began).Seconds())
				if bad := b.replacing(node); len(bad) > 0 {
					hands++
					t.Errorf("%s\n%s", strings.Join(bad, "\n"), b.tail(50))
				}
			})
		}
	}
	need.Figure("replace.hands", hands, "hands")
	need.Figure("replace.s", longest, "s")
}

// TestReplacementWithCuts cuts the power of every node at points along the way.
func TestReplacementWithCuts(t *testing.T) {
	names := []string{"frege", "russell", "wittgenstein"}
	p := storageProfile()
	p.Acceptance.PowerCut, p.Acceptance.Maintenance, p.Acceptance.Migration = profiles.ConsentNo, false, false
	attempt := func(plan []crash) (points map[string]int, bad []string) {
		b := newBench(t, 1, p)
		defer b.close()
		b.startAll()
		if !b.finish(2 * time.Hour) {
			t.Fatalf("no report:\n%s", b.tail(60))
		}
		first := b.reportOf("frege")
		b.newMachine("russell", false)
		b.runUntil(3*time.Minute, func() bool { return false })
		for _, a := range b.agents {
			a.points = 0
		}
		b.plan = plan
		b.admit("frege", "russell")
		if !b.runUntil(4*time.Hour, b.again(first.Run)) {
			return nil, []string{fmt.Sprintf("not whole again: %v\n%s", b.agents, b.tail(40))}
		}
		points = map[string]int{}
		for name, a := range b.agents {
			points[name] = a.points
		}
		return points, b.replacing("russell")
	}
	points, bad := attempt(nil)
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	var all []run
	for _, node := range names {
		for point := range points[node] {
			all = append(all, run{1, []crash{{node, point + 1, crashModes[len(all)%len(crashModes)]}}})
		}
	}
	tried, failed := sampled(t, all, budget(2, 2, 12)), 0
	for _, r := range tried {
		if _, bad := attempt(r.plan); len(bad) > 0 {
			failed++
			t.Errorf("%v: %s\n%s", r.plan, strings.Join(bad, "\n"), again(t, r))
		}
	}
	need.Figure(figureName("replace.cuts", len(tried), len(all)), len(tried), "cuts")
	need.Figure(figureName("replace.cuts_failed", len(tried), len(all)), failed, "cuts")
}
