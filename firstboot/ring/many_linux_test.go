package ring

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"ringboot/firstboot/ring/layout"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

// manyNames are nodes of a larger cluster, the founder first.
var manyNames = []string{"frege", "russell", "wittgenstein", "carnap", "quine", "tarski"}

// many is so many nodes without cables, each told its part by a profile.
func many(t testing.TB, count int, change func(*profiles.Profile)) *testRing {
	t.Helper()
	need.Slow(t)
	need.Root(t)
	p := &profiles.Profile{Ring: profiles.Ring{Prefix: netip.MustParsePrefix("10.203.4.0/24"), MTU: 9000, Routing: "static"}}
	for i := range count {
		p.Nodes = append(p.Nodes, profiles.Node{Name: manyNames[i], Ring: ringAddr(i)})
	}
	change(p)
	keys := newKeyring(t)
	r := &testRing{t: t}
	for i := range count {
		n := &testNode{t: t, name: manyNames[i], addr: ringAddr(i), id: keys.identity(t, manyNames[i]), leads: map[string]string{}}
		var err error
		if n.cfg, err = layout.ConfigOf(p, n.name); err != nil {
			t.Fatal(err)
		}
		n.cfg.Timing = layout.Timing{Return: 300 * time.Millisecond, Flap: time.Second}
		n.open()
		r.nodes = append(r.nodes, n)
	}
	return r
}

// proven waits until every node has proven a link to each other one.
func (r *testRing) proven() *testRing {
	r.t.Helper()
	r.await("all links proven", func() bool {
		for _, n := range r.nodes {
			v := n.told().View
			if !v.Whole || len(v.Ports) != len(r.nodes)-1 {
				return false
			}
			for _, p := range v.Ports {
				if !p.Proven {
					return false
				}
			}
		}
		return true
	})
	return r
}

func meshOf(t testing.TB, count int) *testRing {
	r := many(t, count, func(p *profiles.Profile) {
		p.Ring.Transport = profiles.TransportMesh
		for i := range count - 1 {
			name := fmt.Sprintf("dac%d", i)
			p.Ring.Ports = append(p.Ring.Ports, profiles.RingPort{Name: name, Interface: name})
		}
	})
	for i, n := range r.nodes {
		for j := i + 1; j < count; j++ {
			// The first port to the next node, and so on: any other order is as good.
			n.cable(fmt.Sprintf("dac%d", j-i-1), r.nodes[j], fmt.Sprintf("dac%d", count-1-(j-i)))
		}
	}
	return r
}

// TestMeshOfFour joins four nodes by six cables. A cable that dies without a sign
// is left for the way round, which is by a node that itself reaches the other end
// also when two cables are dead.
func TestMeshOfFour(t *testing.T) {
	need.Tools(t, "nft:nftables")
	r := meshOf(t, 4).echo().start().proven()
	f, u, w := r.nodes[0], r.nodes[1], r.nodes[2]
	port := func(from, to *testNode) string {
		for name, leads := range from.leads {
			if leads == to.name {
				return name
			}
		}
		t.Fatalf("no cable from %s to %s", from.name, to.name)
		return ""
	}
	if got := f.told().View.Verdict; !strings.HasPrefix(got, "ring whole: ") {
		t.Errorf("verdict %q", got)
	}
	const bound = 100
	least := packets
	// A machine that is busy elsewhere gives the agents their time late.
	for i := 0; i < 8 && least > bound; i++ {
		lost := f.lossTo(u, func() { f.drop(port(f, u)); u.drop(port(u, f)) })
		least = min(least, lost)
		f.undrop()
		u.undrop()
		r.proven()
	}
	need.Figure("ring.lost.mesh_silent_death", least, "packets")
	if least > bound {
		t.Errorf("at least %d of %d lost in a silent death", least, packets)
	}
	// Neither frege nor wittgenstein has a cable to russell: carnap passes it on.
	f.down(port(f, u))
	w.down(port(w, u))
	r.await("frege and wittgenstein reach russell by way of carnap", func() bool {
		return r.allReach() && strings.Contains(f.shell("ip route get "+u.addr.String()), "via "+r.nodes[3].addr.String())
	})
	f.up(port(f, u))
	w.up(port(w, u))
	r.proven()
}

// switchOf puts nodes on one switch: a bridge in a namespace of its own.
func switchOf(t testing.TB, count int) (*testRing, *testNode) {
	r := many(t, count, func(p *profiles.Profile) {
		p.Ring.Transport = profiles.TransportSwitch
		p.Ring.Ports = []profiles.RingPort{{Name: "sfp0", Interface: "sfp0"}}
	})
	sw := &testNode{t: t, name: "switch", leads: map[string]string{}}
	sw.open()
	sw.shell("ip link add name sw0 type bridge; ip link set sw0 mtu 9000 up")
	for i, n := range r.nodes {
		at := fmt.Sprintf("p%d", i)
		n.must(n.handle.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "sfp0"}, PeerName: at, PeerNamespace: netlink.NsFd(int(sw.ns))}))
		sw.shell("ip link set " + at + " mtu 9000 master sw0 up")
		n.shell("ip link set sfp0 mtu 9000 up")
	}
	return r, sw
}

// TestSwitchOfFive joins five nodes by a switch. The keeper finds out
// who answers, sets no route, and never sets the port down.
func TestSwitchOfFive(t *testing.T) {
	need.Tools(t, "nft:nftables")
	r, sw := switchOf(t, 5)
	r.echo().start().proven()
	f := r.nodes[0]
	if got, want := f.told().View.Verdict, "sfp0 reaches all 4 other nodes"; got != want {
		t.Errorf("verdict %q, want %q", got, want)
	}
	if !r.allReach() {
		t.Error("not every node reaches every other\n" + r.describe())
	}
	if got := f.shell("ip route show"); strings.Contains(got, "metric") || !strings.Contains(got, "10.203.4.0/24 dev sfp0") {
		t.Errorf("routes:\n%s", got)
	}
	if got := f.shell("cat /proc/sys/net/ipv4/conf/all/forwarding"); got != "0\n" {
		t.Errorf("frege forwards: %q", got)
	}
	// One port of the switch passes nothing any more.
	sw.drop("p4")
	r.await("frege misses quine", func() bool { return !f.told().View.Whole })
	const want = "quine does not answer over sfp0: see whether its agent runs, then cable, VLAN and bond at its ports of the switch"
	// For half a minute the neighbour table still holds quine for there.
	const early = "quine answers at sfp0, but its agent does not: start ringboot on quine"
	r.await("frege says so", func() bool { v := f.told().View.Verdict; return v == want || v == early })
	for _, e := range f.told().Events {
		if strings.Contains(e.Text, "down and up") {
			t.Errorf("event: %s", e.Text)
		}
	}
	sw.undrop()
	r.proven()
	// Short packets only: the switch has no jumbo frames.
	for i := range r.nodes {
		sw.shell(fmt.Sprintf("ip link set p%d mtu 1500", i))
	}
	r.nodes[1].kill()
	r.nodes[1].start()
	r.await("frege names jumbo frames", func() bool {
		return strings.Contains(f.told().View.Verdict, "do not pass the switch between frege and russell, short ones do: switch jumbo frames on")
	})
}

func (r *testRing) describe() string {
	var b strings.Builder
	for _, n := range r.nodes {
		s := n.told()
		fmt.Fprintf(&b, "%s: %s (fault %q)\n", n.name, s.View.Verdict, s.Fault)
		for _, p := range s.View.Ports {
			fmt.Fprintf(&b, "    %+v\n", p)
		}
		for _, e := range s.Events {
			fmt.Fprintf(&b, "    %s %s\n", e.Time.Format("05.000"), e.Text)
		}
		b.WriteString(n.shell("ip route; ip -br address"))
	}
	return b.String()
}
