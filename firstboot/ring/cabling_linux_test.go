package ring

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"ringboot/firstboot/ring/layout"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

// patience is how long the test waits for what never comes. It is no measure of
// the ring: on a busy machine the agents get a fraction of a processor.
const patience = 3 * time.Minute

// unplugged makes a port with no cable in it: there, up, without carrier.
func (n *testNode) unplugged(port string) {
	n.t.Helper()
	n.must(n.handle.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: port}, PeerName: "off" + port}))
}

// reaches reports whether a datagram to the peer is answered. The peer must echo.
func (n *testNode) reaches(to *testNode) bool {
	n.t.Helper()
	conn := n.socket(netip.AddrPortFrom(n.addr, 0))
	defer conn.Close()
	buf := make([]byte, echoBytes)
	for range 5 {
		conn.WriteToUDPAddrPort(buf, netip.AddrPortFrom(to.addr, echoPort))
		conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, _, err := conn.ReadFromUDPAddrPort(buf); err == nil {
			return true
		}
	}
	return false
}

func (r *testRing) echo() *testRing {
	for _, n := range r.nodes {
		n.echo()
	}
	return r
}

// allReach asks every node for every other.
func (r *testRing) allReach() bool {
	for _, a := range r.nodes {
		for _, b := range r.nodes {
			if a != b && !a.reaches(b) {
				return false
			}
		}
	}
	return true
}

// awaitVerdict waits for the sentence that a person would read.
func (r *testRing) awaitVerdict(n *testNode, want string) {
	r.t.Helper()
	r.await(n.name+" says: "+want, func() bool { return n.told().View.Verdict == want })
}

func TestCrossedCablesAreNoError(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	f, u, w := r.nodes[0], r.nodes[1], r.nodes[2]
	f.cable("en05", w, "en06")
	f.cable("en06", u, "en06")
	u.cable("en05", w, "en05")
	r.echo().start().awaitWhole()
	r.awaitVerdict(f, "ring whole: en05 to en06 of wittgenstein, en06 to en06 of russell")
	if got := f.told().Peers; !slices.Equal(got, []string{"wittgenstein", "russell"}) {
		t.Errorf("peers at the ports of frege are %v", got)
	}
	if !r.allReach() {
		t.Error("not every node reaches every other\n" + r.describe())
	}
}

func TestTwoCablesToOnePeer(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	f, u, w := r.nodes[0], r.nodes[1], r.nodes[2]
	f.cable("en05", u, "en06")
	f.cable("en06", u, "en05")
	w.unplugged("en05")
	w.unplugged("en06")
	r.echo().start()
	r.awaitVerdict(f, "two cables lead from frege to russell (en05 to en06, en06 to en05): no cable between frege and wittgenstein; move one of them to wittgenstein")
	r.awaitVerdict(u, "two cables lead from russell to frege (en05 to en06, en06 to en05): no cable between russell and wittgenstein; move one of them to wittgenstein")
	if v := f.told().View; v.Whole {
		t.Error("the ring is called whole")
	}
	// What works is used: the second cable stands in for the first.
	f.drop("en05")
	u.drop("en06")
	r.await("frege reaches russell over the other cable", func() bool { return f.reaches(u) })
}

func TestOneCableMissing(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	f, u, w := r.nodes[0], r.nodes[1], r.nodes[2]
	f.cable("en05", u, "en06")
	u.cable("en05", w, "en06")
	f.unplugged("en06")
	w.unplugged("en05")
	r.echo().start()
	r.awaitVerdict(f, "no cable between frege and wittgenstein: en06 has no carrier; plug it in, or start wittgenstein")
	r.awaitVerdict(w, "no cable between wittgenstein and frege: en05 has no carrier; plug it in, or start frege")
	r.await("russell is content", func() bool { return u.told().View.Whole })
	if !r.allReach() {
		t.Error("not every node reaches every other the long way\n" + r.describe())
	}
	// The cable is plugged in at last.
	f.must(f.handle.LinkDel(f.link("en06")))
	w.must(w.handle.LinkDel(w.link("en05")))
	f.cable("en06", w, "en05")
	r.awaitWhole()
}

func TestCableBackToTheSameNode(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	f, u, w := r.nodes[0], r.nodes[1], r.nodes[2]
	f.cable("en05", f, "en06")
	u.cable("en05", w, "en06")
	u.unplugged("en06")
	w.unplugged("en05")
	r.start()
	r.awaitVerdict(f, "the cable at en05 leads back to this node's own en06: move one end to russell; the cable at en06 leads back to this node's own en05: move one end to wittgenstein")
	if out := f.shell("ip route show 10.203.4.0/24"); strings.TrimSpace(out) != "" {
		t.Errorf("frege has routes over a cable to itself:\n%s", out)
	}
}

func TestLatePeer(t *testing.T) {
	t.Parallel()
	r := newRing(t).cables()
	f, u, w := r.nodes[0], r.nodes[1], r.nodes[2]
	f.start()
	u.start()
	r.await("frege and russell hear each other", func() bool {
		v := f.told().View
		return len(v.Ports) == Ports && v.Ports[0].Proven && v.Ports[0].Peer == "russell"
	})
	r.awaitVerdict(f, "no cable between frege and wittgenstein: en06 has no carrier; plug it in, or start wittgenstein")
	w.start()
	r.awaitWhole()
}

func TestMTUsThatDiffer(t *testing.T) {
	t.Parallel()
	r := newRing(t).cables()
	r.nodes[2].cfg.MTU = 9000
	r.start()
	f, w := r.nodes[0], r.nodes[2]
	r.awaitVerdict(f, "en06 has MTU 65520 here and 9000 at wittgenstein: give all nodes the same profile")
	r.await("both links of wittgenstein are alive", func() bool {
		p := w.told().View.Ports
		return len(p) == Ports && p[0].Alive && p[1].Alive
	})
	r.await("the full size passes to russell", func() bool { return f.told().View.Ports[0].FullSize })
	if p := f.told().View.Ports; p[1].FullSize {
		t.Errorf("full size is said to pass to wittgenstein: %+v", p)
	}
}

func TestForeignNodeIsNamedAndNotTrusted(t *testing.T) {
	t.Parallel()
	r := newRing(t).cables()
	f, w := r.nodes[0], r.nodes[2]
	w.id = newKeyring(t).identity(t, "wittgenstein")
	r.start()
	r.awaitVerdict(f, "a node of another cluster ("+w.id.ClusterID+") is at the other end of en06: plug in wittgenstein instead")
	// One that pretends to be of this cluster.
	w.kill()
	w.id.ClusterID = f.id.ClusterID
	w.start()
	r.awaitVerdict(f, "what is at the other end of en06 is not trusted: its certificate is not from this cluster's ca: install it from an image of this cluster")
	if f.told().View.Ports[1].Alive {
		t.Error("the link to it is called alive")
	}
}

func TestPortGetsItsNameAndMTU(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	f, u, w := r.nodes[0], r.nodes[1], r.nodes[2]
	f.cable("thunderbolt1", u, "en06")
	f.cable("thunderbolt0", w, "en05")
	u.cable("en05", w, "en06")
	f.cfg.Ports = []profiles.RingPort{{Name: "en05", Interface: "thunderbolt1"},
		{Name: "en06", MAC: f.link("thunderbolt0").Attrs().HardwareAddr.String()}}
	f.leads, w.leads["en05"] = map[string]string{"en05": "russell", "en06": "wittgenstein"}, "frege"
	r.start().awaitWhole()
	for _, port := range []string{"en05", "en06"} {
		if mtu := f.link(port).Attrs().MTU; mtu != 65520 {
			t.Errorf("%s has MTU %d", port, mtu)
		}
	}
}

func TestAllAgentsStartAgainAtOnce(t *testing.T) {
	t.Parallel()
	r := newRing(t).cables().start().awaitWhole().echo()
	f, u := r.nodes[0], r.nodes[1]
	lossless(t, "ring.lost.agents_restarted", func() int {
		defer r.awaitWhole()
		return f.lossTo(u, func() {
			for _, n := range r.nodes {
				n.kill()
			}
			r.start()
		})
	})
}

// TestOneAgentDead is no dead cable: nobody may take a route away.
func TestOneAgentDeadMovesNoTraffic(t *testing.T) {
	t.Parallel()
	r := newRing(t).cables().start().awaitWhole().echo()
	f, u := r.nodes[0], r.nodes[1]
	u.kill()
	r.await("frege misses russell's agent", func() bool { p := f.told().View.Ports; return len(p) == Ports && !p[0].Alive })
	r.await("frege keeps or gets back its direct route to russell", func() bool { return f.hasDirect(u) })
	if !r.allReach() {
		t.Error("not every node reaches every other\n" + r.describe())
	}
	u.start()
	r.awaitWhole()
}

// TestFloorWithoutAgents kills all agents, then pulls a cable: what they left
// in the kernel carries on.
func TestFloorWithoutAgents(t *testing.T) {
	t.Parallel()
	r := newRing(t).cables().start().awaitWhole().echo()
	f, u := r.nodes[0], r.nodes[1]
	for _, n := range r.nodes {
		n.kill()
	}
	lossless(t, "ring.lost.killed_then_admin_down", func() int {
		defer func() { r.start().awaitWhole(); r.killAll() }()
		return f.lossTo(u, func() { u.down("en06") })
	})
}

func (r *testRing) killAll() {
	for _, n := range r.nodes {
		n.kill()
	}
}

// TestFloorFromFiles lets no agent run at all: the commands that ifupdown2
// finds in the stanzas make the ring, and it survives a cable.
func TestFloorFromFiles(t *testing.T) {
	t.Parallel()
	need.Tools(t, "sysctl:procps")
	r := newRing(t).cables().echo()
	f, u := r.nodes[0], r.nodes[1]
	for _, n := range r.nodes {
		n.ifup()
	}
	r.await("all reach all", r.allReach)
	for _, n := range r.nodes {
		if !n.routesWhole() {
			t.Errorf("%s has not all routes:\n%s", n.name, n.shell("ip route"))
		}
	}
	lossless(t, "ring.lost.floor_admin_down", func() int {
		defer func() { u.up("en06"); f.ifup(); u.ifup() }()
		return f.lossTo(u, func() { u.down("en06") })
	})
	// The agent finds nothing to change that would cost a packet.
	lossless(t, "ring.lost.agents_take_over", func() int {
		defer func() { r.awaitWhole().killAll() }()
		return f.lossTo(u, func() { r.start() })
	})
}

// ifup does with the stanzas what ifupdown2 does.
func (n *testNode) ifup() {
	n.t.Helper()
	iface := ""
	for _, line := range strings.Split(floorFile(n.cfg, layout.StanzaFile), "\n") {
		switch words := strings.Fields(line); {
		case len(words) == 0:
		case words[0] == "iface":
			iface = words[1]
			n.shell("ip link set " + iface + " up")
		case words[0] == "mtu":
			n.shell("ip link set " + iface + " mtu " + words[1])
		case words[0] == "up" && words[1] == "nft":
			n.filter()
		case words[0] == "up":
			n.shell(strings.Join(words[1:], " "))
		}
	}
}
