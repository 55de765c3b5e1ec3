package ring

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"

	"ringboot/firstboot/ring/layout"
	"ringboot/rehearsal/need"
)

// filter loads the node's table, as the step and ifupdown2 do.
func (n *testNode) filter() {
	n.t.Helper()
	file := filepath.Join(n.t.TempDir(), "ring.nft")
	n.must(os.WriteFile(file, []byte(floorFile(n.cfg, layout.FilterFile)), 0o600))
	n.shell("nft -f " + file)
}

// TestTheRingIsApart puts a host on the LAN of all nodes that has a static route
// to the ring's addresses by way of frege, with what a Proxmox VE node may have
// besides: another table of its firewall, and an owner who forwards.
func TestTheRingIsApart(t *testing.T) {
	need.Tools(t, "nft:nftables", "ping:iputils-ping", "sysctl:procps")
	r := newRing(t).cables()
	host := &testNode{t: t, name: "host", addr: netip.MustParseAddr("10.203.3.50"), leads: map[string]string{}}
	host.open()
	lan := func(n *testNode, i int) string { return fmt.Sprintf("10.203.3.%d", 11+i) }
	host.shell("ip link add lan type bridge; ip address add 10.203.3.50/24 dev lan; ip link set lan up")
	for i, n := range r.nodes {
		v := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "vmbr0"}, PeerName: fmt.Sprintf("to%d", i), PeerNamespace: netlink.NsFd(int(host.ns))}
		n.must(n.handle.LinkAdd(v))
		host.shell(fmt.Sprintf("ip link set to%[1]d master lan up", i))
		n.shell("ip address add " + lan(n, i) + "/24 dev vmbr0; ip link set vmbr0 up")
	}
	r.start().awaitWhole()
	reach := func(from *testNode, to string) bool {
		return from.shell("ping -c 1 -W 1 "+to+" >/dev/null && echo yes || echo no") == "yes\n"
	}
	var ringAddrs []string
	for _, n := range r.nodes {
		ringAddrs = append(ringAddrs, n.addr.String())
		host.shell(fmt.Sprintf("ip route replace %s/32 via %s", n.addr, lan(r.nodes[0], 0)))
		n.shell("ip route replace default via 10.203.3.50")
	}
	if got := r.nodes[0].shell("sysctl -n net.ipv4.ip_forward"); got != "0\n" {
		t.Errorf("frege forwards between all its networks: ip_forward is %q", got)
	}
	if !reach(host, ringAddrs[0]) {
		t.Error("without the filter the host does not reach the ring: nothing is tried")
	}
	other := "nft add table inet firewall; nft 'add chain inet firewall in { type filter hook input priority 0; policy accept; }'; nft 'add rule inet firewall in counter'"
	for _, n := range r.nodes {
		n.shell(other)
		n.filter()
		n.filter() // any number of times
	}
	apart := func(when string) {
		t.Helper()
		for _, a := range ringAddrs {
			if reach(host, a) {
				t.Errorf("%s: the host on the LAN reaches %s", when, a)
			}
		}
		for i, n := range r.nodes {
			for j, a := range ringAddrs {
				if !reach(n, a) {
					t.Errorf("%s: %s does not reach %s", when, n.name, a)
				}
				if !reach(n, lan(r.nodes[j], j)) || !reach(host, lan(n, i)) {
					t.Errorf("%s: the LAN of %s is disturbed", when, n.name)
				}
			}
		}
	}
	apart("as installed")
	for _, n := range r.nodes {
		n.shell("sysctl -qw net.ipv4.ip_forward=1")
	}
	apart("with an owner who forwards")
	// Traffic that goes round by way of the third node passes its filter.
	r.nodes[1].down("en06")
	r.await("traffic goes round", func() bool { return reach(r.nodes[0], ringAddrs[1]) })
	if got := r.nodes[0].shell("nft list table inet firewall"); len(got) == 0 {
		t.Error("another's table is gone")
	}
}
