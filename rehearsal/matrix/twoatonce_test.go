package matrix_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/cluster"
	"ringboot/firstboot/report"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/tools/ceph"
)

// TestTwoMachinesAreReplacedAtOnce: of five nodes two are lost together, and the
// other three have quorum. Both get a new machine at the same time, one of them
// the founder's place, with an admission each and nothing else.
func TestTwoMachinesAreReplacedAtOnce(t *testing.T) {
	need.Slow(t)
	for _, gone := range need.Drawn(t, [][]string{{"node04", "node05"}, {"node01", "node03"}}, budget(0, 1, 2)) {
		hosts := []string{"node01", "node02"} // each admission is for one machine
		if gone[0] == "node01" {
			hosts = []string{"node02", "node04"}
		}
		t.Run(strings.Join(gone, " and "), func(t *testing.T) {
			p := formation{transport: profiles.TransportSwitch, nodes: 5, monitors: 5, links: 5}.profile()
			p.Acceptance.PowerCut, p.Acceptance.Maintenance, p.Acceptance.Migration = profiles.ConsentNo, false, false
			b := newBench(t, 1, p)
			defer b.close()
			b.startAll()
			if !b.finish(3 * time.Hour) {
				t.Fatalf("no report:\n%s", b.tail(60))
			}
			on := "node02"
			first := b.reportOf(on)
			for _, n := range gone { // both are gone before a new machine is there
				b.away[n] = true
				b.powerCut(n, lost, time.Second)
			}
			b.runUntil(2*time.Minute, func() bool { return false })
			for _, n := range gone {
				b.newMachine(n, false)
			}
			b.runUntil(3*time.Minute, func() bool { return false })
			for i, n := range gone {
				b.admit(hosts[i], n)
			}
			if !b.runUntil(4*time.Hour, b.again(first.Run)) {
				t.Fatalf("not whole again: %v\n%s", b.agents, b.tail(80))
			}
			bad := b.violations()
			if err := b.whole(); err != nil {
				bad = append(bad, err.Error())
			}
			if why := ceph.Unhealthy(b.w.Node(on).Machine(), 5); why != "" {
				bad = append(bad, "Ceph: "+why)
			}
			for _, note := range append(b.w.Notes("purged-unclean"), b.w.Notes("erased")...) {
				bad = append(bad, "lost: "+note)
			}
			for _, n := range b.w.Names() {
				r := b.reportOf(n)
				for _, l := range gone {
					if !slices.ContainsFunc(r.Ceph.OSDs, func(o report.OSD) bool { return o.Serial == b.osd[l] }) || len(r.Ceph.OSDs) != 5 {
						bad = append(bad, fmt.Sprintf("the report of %s lists the OSDs %+v", n, r.Ceph.OSDs))
					}
				}
				if _, err := b.w.Node(n).Files().Lstat(cluster.PlaceFile); err == nil {
					bad = append(bad, n+" still thinks that it takes somebody's place")
				}
				if _, err := b.w.Node(n).Files().Lstat("/var/lib/ringboot/admit.json"); err == nil {
					bad = append(bad, "the window on "+n+" is open")
				}
			}
			if len(bad) > 0 {
				t.Errorf("%s\n%s", strings.Join(bad, "\n"), b.tail(60))
			}
		})
	}
}
