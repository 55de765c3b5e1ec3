package storage

import (
	"fmt"
	"testing"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// clusterOf is a profile of so many nodes.
func clusterOf(nodes int) *profiles.Profile {
	p := &profiles.Profile{}
	for i := range nodes {
		p.Nodes = append(p.Nodes, profiles.Node{Name: fmt.Sprintf("n%d", i+1)})
	}
	return p
}

func TestMonitorsAreThreeAndFromFiveNodesOnFive(t *testing.T) {
	for nodes, want := range map[int]int{3: 3, 4: 3, 5: 5, 6: 5, 16: 5} {
		p := clusterOf(nodes)
		made := 0
		for _, n := range p.Nodes {
			// All monitors before this node are in quorum, with their managers.
			v := cephView{profile: p, node: n, answers: true, managers: pve.Managers{}}
			for _, b := range v.before() {
				v.health.Quorum = append(v.health.Quorum, b)
				v.managers.Standby = append(v.managers.Standby, b)
			}
			d, done := cephMonitor(v)
			switch {
			case done && v.watches():
				t.Errorf("%d nodes: %s should get a monitor and is done", nodes, n.Name)
			case !done && d.verdict.State != step.Todo:
				t.Errorf("%d nodes: %s: %s", nodes, n.Name, d.verdict.Reason)
			case !done:
				made++
			}
			if _, done := cephManager(v); done != !v.watches() {
				t.Errorf("%d nodes: manager of %s: done %v", nodes, n.Name, done)
			}
		}
		if made != want {
			t.Errorf("%d nodes get %d monitors, want %d", nodes, made, want)
		}
	}
}

// TestANodeWithoutMonitorWaitsForThoseThatHave is the fourth of four nodes.
func TestANodeWithoutMonitorWaitsForThoseThatHave(t *testing.T) {
	p := clusterOf(4)
	v := cephView{profile: p, node: p.Nodes[3]}
	if d, done := cephMonitor(v); done || d.verdict.Reason != "waits for the monitors of n1, n2, n3" {
		t.Errorf("done %v, %q", done, d.verdict.Reason)
	}
	v.answers = true
	v.health.Quorum = []string{"n1", "n2"}
	if d, done := cephDisks(v); done || d.verdict.Reason != "OSDs come once all monitors are in quorum: n3 is missing" {
		t.Errorf("done %v, %q", done, d.verdict.Reason)
	}
}
