package matrix_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/report"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

// formation is a number of boxes and what joins them.
type formation struct {
	transport string
	nodes     int
	monitors  int  // what Ceph has of them
	links     int  // measured in both directions
	chain     int  // place of the node in the middle of a chain, from 1; 0: no chain
	lacp      bool // two ports of each network in a group and a VLAN
}

func formations() []formation {
	return []formation{
		{transport: profiles.TransportThunderbolt, nodes: 3, monitors: 3, links: 3},
		{transport: profiles.TransportThunderbolt, nodes: 3, monitors: 3, links: 2, chain: 2},
		{transport: profiles.TransportThunderbolt, nodes: 3, monitors: 3, links: 2, chain: 3}, // of whom the power cut would be
		{transport: profiles.TransportMesh, nodes: 4, monitors: 3, links: 6},
		{transport: profiles.TransportNone, nodes: 4, monitors: 3, links: 4},
		{transport: profiles.TransportSwitch, nodes: 5, monitors: 5, links: 5},
		{transport: profiles.TransportSwitch, nodes: 4, monitors: 3, links: 4, lacp: true},
	}
}

// large take the longest: they are tried with the whole matrix, and show how
// the time grows with the number of nodes.
func large() []formation {
	return []formation{
		{transport: profiles.TransportSwitch, nodes: 8, monitors: 5, links: 8},
		{transport: profiles.TransportSwitch, nodes: 16, monitors: 5, links: 16},
	}
}

// profile is one of so many nodes, with all drills.
func (f formation) profile() *profiles.Profile {
	p := storageProfile()
	p.Nodes = nil
	p.Ring.Transport = f.transport
	t := p.Transport()
	p.Ring.MTU = t.MTU
	for i := range t.PortsFor(f.nodes) {
		p.Ring.Ports = append(p.Ring.Ports, profiles.RingPort{Name: fmt.Sprintf("sfp%d", i)})
	}
	if !t.Shape.Apart() {
		p.Ring.Prefix = p.Management.Prefix
	}
	for i := range f.nodes {
		n := profiles.Node{Name: fmt.Sprintf("node%02d", i+1), Address: netip.AddrFrom4([4]byte{10, 203, 3, byte(11 + i)}), Ring: netip.AddrFrom4([4]byte{10, 203, 4, byte(11 + i)})}
		if !t.Shape.Apart() {
			n.Ring = n.Address
		}
		n.RootDisk, n.OSDDisks = profiles.DiskName{Serial: "ROOT-" + n.Name}, []profiles.DiskName{{Serial: "OSD-" + n.Name}}
		p.Nodes = append(p.Nodes, n)
	}
	p.Acceptance.Victim = p.Nodes[f.nodes-1].Name
	if f.lacp {
		p.Ring.VLAN, p.Ring.Bond, p.Ring.Ports = 432, "802.3ad", append(p.Ring.Ports, profiles.RingPort{Name: "sfp1"})
		p.Management.VLAN, p.Management.Bond, p.Management.MTU = 16, "802.3ad", 9000
	}
	if f.chain > 0 {
		p.Ring.Chain, p.Acceptance.Victim = p.Nodes[f.chain-1].Name, "" // the last end by itself
		for i := range p.Nodes {
			if i+1 != f.chain {
				p.Nodes[i].RingPorts = p.Ring.Ports[:1]
			}
		}
	}
	return p
}

func (f formation) String() string {
	if f.chain > 0 {
		return fmt.Sprintf("chain of %d by the %d.", f.nodes, f.chain)
	}
	if f.lacp {
		return fmt.Sprintf("%s of %d, LACP and VLANs", f.transport, f.nodes)
	}
	return fmt.Sprintf("%s of %d", f.transport, f.nodes)
}

// Boxes of every number and transport: the gate holds for all of them, each
// sees each other one, Ceph has the monitors that suit their number, the drills
// pass, and the report counts them.
func TestFormations(t *testing.T) {
	need.Slow(t)
	tried := need.Drawn(t, formations(), budget(1, 1, len(formations())))
	if os.Getenv("RINGBOOT_MATRIX") == "all" {
		tried = append(tried, large()...)
	}
	took := map[int]time.Duration{}
	for _, f := range tried {
		t.Run(f.String(), func(t *testing.T) {
			d := f.form(t)
			if f.transport == profiles.TransportSwitch && !f.lacp {
				took[f.nodes] = d
			}
		})
	}
	if few, many := took[5], took[16]; few > 0 && many > 0 {
		need.Figure("nodes.formed_each_more_s", (many-few).Seconds()/(16-5), "s")
	}
}

// form returns how long it took to the report, in the world's own time.
func (f formation) form(t *testing.T) time.Duration {
	b := newBench(t, 1, f.profile())
	defer b.close()
	b.gate, b.verb = true, testing.Verbose()
	start := b.now()
	b.startAll()
	clustered := func() bool {
		for _, n := range b.w.Names() {
			if q, ok := b.w.Node(n).Machine().Corosync(); !ok || len(q.Members) != f.nodes {
				return false
			}
		}
		return true
	}
	if !b.runUntil(time.Hour, clustered) {
		t.Fatalf("no cluster:\n%s", b.tail(80))
	}
	joined := b.now().Sub(start)
	if !b.finish(3 * time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(80))
	}
	if err := b.whole(); err != nil {
		t.Error(err)
	}
	f.reported(t, b)
	name := fmt.Sprint(f.nodes)
	switch {
	case f.transport == profiles.TransportNone:
		name += "_" + f.transport // mesh has as many
	case f.lacp:
		name += "_lacp"
	case f.chain > 0:
		name += fmt.Sprintf("_chain_by_%d", f.chain)
	}
	need.Figure("nodes.clustered_"+name+"_s", joined.Seconds(), "s")
	took := b.now().Sub(start)
	need.Figure("nodes.formed_"+name+"_s", took.Seconds(), "s")
	d := b.settle()
	for _, n := range b.w.Names() {
		d.operate(func() {
			for _, found := range d.begin(n).look(t.Context()) {
				t.Errorf("%s, right after the report: %s", n, found.Text)
			}
		})
	}
	return took
}

// reported looks at what the report says of the boxes.
func (f formation) reported(t *testing.T, b *bench) {
	r := b.reportOf(b.p.Nodes[0].Name)
	if r.Verdict.Outcome != report.Passed {
		t.Errorf("verdict: %+v\n%s", r.Verdict, b.tail(80))
	}
	for _, d := range r.HA.Drills {
		if d.Outcome != report.Passed {
			t.Errorf("drill %s: %s: %s", d.Name, d.Outcome, d.Sentence)
		}
	}
	corosync := f.nodes * (f.nodes - 1) * len(b.p.Links(b.p.Nodes[0]))
	if len(r.Cluster.Nodes) != f.nodes || len(r.HA.Drills) != len(acceptance.Names()) || len(r.Ring.Links) != f.links || len(r.Ceph.OSDs) != f.nodes || len(r.Cluster.Links) != corosync {
		t.Errorf("the report has %d nodes, %d drills, %d links, %d OSDs, %d links of corosync; want %d, %d, %d, %d, %d",
			len(r.Cluster.Nodes), len(r.HA.Drills), len(r.Ring.Links), len(r.Ceph.OSDs), len(r.Cluster.Links), f.nodes, len(acceptance.Names()), f.links, f.nodes, corosync)
	}
	if len(r.Ceph.Monitors) != f.monitors {
		t.Errorf("%d monitors, want %d", len(r.Ceph.Monitors), f.monitors)
	}
	if f.chain > 0 {
		middle := b.p.Ring.Chain
		for _, l := range r.Ring.Links {
			if l.A != middle && l.B != middle || l.APort == "" || l.BPort == "" {
				t.Errorf("a link of the chain: %+v", l)
			}
		}
		if !slices.ContainsFunc(r.Untested, func(u report.Untested) bool { return strings.Contains(u.Why, "in a chain through "+middle) }) {
			t.Errorf("nothing is said of the way round: %+v", r.Untested)
		}
	}
	for _, risk := range b.p.RingRisks() {
		if n := len(slices.DeleteFunc(slices.Clone(r.Risks), func(r report.Risk) bool { return r.Text != risk })); n != 1 {
			t.Errorf("the risk is named %d times, not once: %s", n, risk)
		}
	}
	for _, l := range r.Ring.Links {
		if f.lacp && (l.APort != "stor0.432" || l.BPort != "stor0.432") {
			t.Errorf("a link over LACP in a VLAN: %+v", l)
		}
	}
	for _, n := range b.w.Names() {
		if got := b.reportOf(n); got.Run != r.Run {
			t.Errorf("%s holds another report", n)
		}
	}
	if got := b.leftovers(); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
	for _, v := range b.violations() {
		t.Error(v)
	}
}
