package ring

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bgpConfigs is the ring as BGP with BFD keeps it, a file for each daemon: each
// cable a network of two addresses, each node an autonomous system, and a session
// that is given up after three missed packets of 50 ms.
func bgpConfigs(n *testNode, i int, peers []netip.Addr) map[string]string {
	bfd := "bfd\n profile quick\n  detect-multiplier 3\n  receive-interval 50\n  transmit-interval 50\n exit\nexit\n"
	zebra := fmt.Sprintf("ip forwarding\nroute-map own permit 10\n set src %s\nexit\nip protocol bgp route-map own\n", n.addr)
	var b strings.Builder
	fmt.Fprintf(&b, "router bgp %d\n bgp router-id %s\n no bgp ebgp-requires-policy\n no bgp network import-check\n timers bgp 1 3\n", 65001+i, n.addr)
	for _, p := range peers {
		fmt.Fprintf(&b, " neighbor %[1]s remote-as external\n neighbor %[1]s timers connect 1\n neighbor %[1]s advertisement-interval 0\n neighbor %[1]s bfd\n neighbor %[1]s bfd profile quick\n", p)
	}
	fmt.Fprintf(&b, " address-family ipv4 unicast\n  network %s/32\n exit-address-family\nexit\n", n.addr)
	return map[string]string{"zebra": zebra, "bfdd": bfd, "bgpd": b.String()}
}

// bgpRing is the same three nodes and cables, kept by FRR's BGP and BFD.
func bgpRing(t testing.TB) *testRing {
	t.Helper()
	r := newRing(t).cables().echo()
	// Cable i joins the first port of node i to the second of the next.
	end := func(cable, side int) netip.Addr { return netip.AddrFrom4([4]byte{10, 99, byte(cable), byte(side)}) }
	for i, n := range r.nodes {
		n.shell(fmt.Sprintf("ip address add %s/32 dev lo", n.addr))
		n.shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.all.ignore_routes_with_linkdown=1 net.ipv4.conf.default.ignore_routes_with_linkdown=1")
		for port, own := range map[string]netip.Addr{"en05": end(i, 0), "en06": end((i+2)%3, 1)} {
			n.shell(fmt.Sprintf("ip link set %[1]s mtu 65520 up; ip address add %[2]s/31 dev %[1]s; sysctl -qw net.ipv4.conf.%[1]s.ignore_routes_with_linkdown=1", port, own))
		}
	}
	for i, n := range r.nodes {
		n.bgp(t, bgpConfigs(n, i, []netip.Addr{end(i, 1), end((i+2)%3, 0)}))
	}
	r.awaitBGP()
	return r
}

// bgp runs zebra, bfdd and bgpd in one namespace.
func (n *testNode) bgp(t testing.TB, texts map[string]string) {
	t.Helper()
	f := n.daemons(t, texts)
	f.start(t, n, "bfdd", filepath.Join(f.dir, "bfdd.conf"), "--bfdctl", filepath.Join(f.dir, "bfdd.sock"))
	f.start(t, n, "bgpd", filepath.Join(f.dir, "bgpd.conf"), "-p", "179")
}

// awaitBGP waits until every node has both peers by their cables and every
// session is watched by BFD.
func (r *testRing) awaitBGP() {
	r.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		routes, watched := 0, 0
		for i, n := range r.nodes {
			for _, line := range strings.Split(n.shell("ip route show proto bgp"), "\n") {
				words := strings.Fields(line)
				// ADDRESS nhid N via ADDRESS dev PORT: direct by the cable that leads there.
				if d := indexOf(words, "dev"); d > 0 && len(words) > 0 {
					to := r.nodes[(i+1)%3]
					if words[d+1] == "en06" {
						to = r.nodes[(i+2)%3]
					}
					if words[0] == to.addr.String() {
						routes++
					}
				}
			}
			watched += strings.Count(n.shell("vtysh --vty_socket "+n.frr.dir+" -c 'show bfd peers' || true"), "Status: up")
		}
		if routes == 6 && watched == 6 {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("BGP has %d of 6 routes, BFD watches %d of 6 sessions\n%s\n%s", routes, watched, r.nodes[0].shell("ip route"),
				r.nodes[0].shell("vtysh --vty_socket "+r.nodes[0].frr.dir+" -c 'show bgp summary' -c 'show bfd peers' || true; cat "+r.nodes[0].frr.dir+"/*.log"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}
