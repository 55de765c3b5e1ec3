package ring

import (
	"strings"
	"testing"

	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

// chainOf is three nodes in a row: frege has a port that stays free, wittgenstein
// has one port, and russell passes on what they send each other.
func chainOf(t testing.TB) *testRing {
	r := many(t, 3, func(p *profiles.Profile) {
		p.Ring.Transport, p.Ring.Chain = profiles.TransportEthernet, "russell"
		for _, name := range []string{"en05", "en06"} {
			p.Ring.Ports = append(p.Ring.Ports, profiles.RingPort{Name: name, Interface: name})
		}
		p.Nodes[2].RingPorts = p.Ring.Ports[1:]
	})
	f, u, w := r.nodes[0], r.nodes[1], r.nodes[2]
	f.cable("en05", u, "en06")
	u.cable("en05", w, "en06")
	f.shell("ip link add en06 type veth peer name nobody") // no carrier
	return r
}

func (r *testRing) chainWhole() bool {
	for i, want := range []string{"chain whole: en05 to en06 of russell", "chain whole: en05 to en06 of wittgenstein, en06 to en05 of frege", "chain whole: en06 to en05 of russell"} {
		v := r.nodes[i].told().View
		if !v.Whole || v.Verdict != want {
			return false
		}
		for _, p := range v.Ports {
			if !p.Proven && !p.Free {
				return false
			}
		}
	}
	return r.allReach()
}

// TestAChainCarriesTrafficEndToEnd joins three nodes by two cables: what the ends
// send each other passes through the middle, also while nobody keeps its ring,
// and a cable that goes is missed by both its ends and by nobody else.
func TestAChainCarriesTrafficEndToEnd(t *testing.T) {
	need.Tools(t, "nft:nftables")
	r := chainOf(t).echo().start()
	f, u, w := r.nodes[0], r.nodes[1], r.nodes[2]
	r.await("the chain is whole", r.chainWhole)
	for _, pair := range [][2]*testNode{{f, w}, {w, f}} {
		if got := pair[0].shell("ip route get " + pair[1].addr.String()); !strings.Contains(got, "via "+u.addr.String()) {
			t.Errorf("from %s to %s: %s", pair[0].name, pair[1].name, got)
		}
	}
	if got := u.shell("ip route show"); strings.Contains(got, " via ") {
		t.Errorf("the middle sends to somebody by way of an end:\n%s", got)
	}
	// The full size goes all the way, in one piece.
	f.shell("ping -M do -s 8972 -c 3 -i 0.2 -W 2 -q " + w.addr.String())
	lossless(t, "ring.lost.chain_without_middles_agent", func() int {
		defer func() { u.start(); r.await("the chain is whole again", r.chainWhole) }()
		return f.lossTo(w, u.kill)
	})
	u.must(u.handle.LinkDel(u.link("en05")))
	r.await("both ends miss the cable", func() bool {
		return strings.Contains(u.told().View.Verdict, "there is no port en05") && strings.Contains(w.told().View.Verdict, "there is no port en06")
	})
	if v := f.told().View; !v.Whole {
		t.Errorf("frege's own cable is whole, and it says %q", v.Verdict)
	}
	// What is for the end that is cut off goes nowhere, and not round and round.
	before := u.shell("cat /proc/net/snmp | grep '^Ip:' | tail -1 | cut -d' ' -f7")
	if out := f.shell("ping -c 3 -i 0.2 -W 1 -q " + w.addr.String() + " || true"); !strings.Contains(out, " 0 received") {
		t.Errorf("wittgenstein is cut off, and ping says\n%s", out)
	}
	if after := u.shell("cat /proc/net/snmp | grep '^Ip:' | tail -1 | cut -d' ' -f7"); before != after {
		t.Errorf("russell passed %s packets on, and before %s", strings.TrimSpace(after), strings.TrimSpace(before))
	}
	u.cable("en05", w, "en06")
	r.await("the chain is whole after the cable came back", r.chainWhole)
	for _, n := range r.nodes {
		for _, e := range n.told().Events {
			if n == f && strings.Contains(e.Text, "set en06 down and up") {
				t.Errorf("a free port was touched: %s", e.Text)
			}
		}
	}
}
