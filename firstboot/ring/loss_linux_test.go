package ring

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ringboot/firstboot/ring/layout"
	"ringboot/rehearsal/need"
)

const (
	packets   = 4000
	eventAt   = 1500
	echoPort  = 7344
	echoBytes = 64
)

// socket opens a UDP socket inside the namespace, with room for a stall of
// whoever reads it: loss is to be the network's, not the test's.
func (n *testNode) socket(at netip.AddrPort) *net.UDPConn {
	n.t.Helper()
	var conn *net.UDPConn
	n.in(func() error {
		var failed error
		lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				failed = errors.Join(unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1),
					unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20),
					unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 32<<20))
			})
		}}
		c, err := lc.ListenPacket(context.Background(), "udp4", at.String())
		if err != nil {
			return err
		}
		conn = c.(*net.UDPConn)
		return failed
	})
	n.t.Cleanup(func() { conn.Close() })
	return conn
}

// echo answers every datagram until the test ends.
func (n *testNode) echo() {
	conn := n.socket(netip.AddrPortFrom(n.addr, echoPort))
	go func() {
		buf := make([]byte, echoBytes)
		for {
			size, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			conn.WriteToUDPAddrPort(buf[:size], from)
		}
	}()
}

// lossTo sends packets datagrams at 1 kHz, calls event after eventAt of them, and
// returns how many were not answered. A stall of the sender makes the run
// longer: nothing is sent in a burst, and what was not sent is not lost.
func (n *testNode) lossTo(to *testNode, event func()) int {
	n.t.Helper()
	conn := n.socket(netip.AddrPortFrom(n.addr, 0))
	var seen [packets]atomic.Bool
	var count atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, echoBytes)
		for {
			if _, _, err := conn.ReadFromUDPAddrPort(buf); err != nil {
				return
			}
			if i := binary.BigEndian.Uint32(buf); i < packets && !seen[i].Swap(true) {
				count.Add(1)
			}
		}
	}()
	target := netip.AddrPortFrom(to.addr, echoPort)
	buf := make([]byte, echoBytes)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	happened := make(chan struct{})
	for i := range packets {
		if i == eventAt {
			go func() { defer close(happened); event() }()
		}
		binary.BigEndian.PutUint32(buf, uint32(i))
		conn.WriteToUDPAddrPort(buf, target) // one that cannot leave is lost, which is counted
		<-tick.C
	}
	<-happened
	// The last answers are on their way.
	for end := time.Now().Add(2 * time.Second); count.Load() < packets && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	conn.Close()
	<-done
	return packets - int(count.Load())
}

// lossless runs a row of which nothing may be lost. The kernel's one lock for
// all networks of the machine delays the moment at which a lost carrier is
// seen, and other tests hold it, so a row has attempts: the figure is the least
// that was lost in any of them, and the log has them all.
func lossless(t *testing.T, figure string, attempt func() int) {
	t.Helper()
	const attempts = 5
	least := packets
	for i := 0; i < attempts && least > 0; i++ {
		lost := attempt()
		t.Logf("%s: %d lost of %d in attempt %d", figure, lost, packets, i+1)
		least = min(least, lost)
	}
	need.Figure(figure, least, "packets")
	if least > 0 {
		t.Errorf("%s: at least %d of %d packets lost in each of %d attempts, want 0", figure, least, packets, attempts)
	}
}

func (n *testNode) down(port string) { n.must(n.handle.LinkSetDown(n.link(port))) }
func (n *testNode) up(port string)   { n.must(n.handle.LinkSetUp(n.link(port))) }

func TestLossWhenAPortIsSetDown(t *testing.T) {
	r := newRing(t).rested().cables().start().awaitWhole()
	f, to := r.nodes[0], r.nodes[1]
	to.echo()
	lossless(t, "ring.lost.admin_down", func() int {
		defer r.awaitWhole()
		return f.lossTo(to, func() { to.down("en06") })
	})
}

func TestLossWhenADeviceIsRemovedAndComesBack(t *testing.T) {
	r := newRing(t).rested().cables().start().awaitWhole()
	f, to := r.nodes[0], r.nodes[1]
	to.echo()
	lossless(t, "ring.lost.netdev_removed", func() int {
		defer r.awaitWhole()
		old := f.link("en05").Attrs().Index
		lost := f.lossTo(to, func() {
			to.must(to.handle.LinkDel(to.link("en06")))
			time.Sleep(time.Second)
			f.dummies() // so that the device returns under another index
			f.cable("en05", to, "en06")
		})
		if f.link("en05").Attrs().Index == old {
			t.Error("the device returned under its old index: nothing was tried")
		}
		return lost
	})
}

// dummies uses up numbers of devices.
func (n *testNode) dummies() {
	name := fmt.Sprintf("used%d", time.Now().UnixNano()%1e6)
	n.must(n.handle.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p"}))
	n.must(n.handle.LinkDel(n.link(name)))
}

func TestLossWhenTheOwnPortGoesDownAndUp(t *testing.T) {
	r := newRing(t).rested().cables().start().awaitWhole()
	f, to := r.nodes[0], r.nodes[1]
	to.echo()
	lossless(t, "ring.lost.down_up", func() int {
		defer r.awaitWhole()
		return f.lossTo(to, func() {
			f.down("en05")
			f.up("en05")
		})
	})
}

// rested makes the links of a ring come to rest soon, as those of nodes in
// service are nearly always.
func (r *testRing) rested() *testRing {
	for _, n := range r.nodes {
		n.cfg.Timing.Calm = time.Second
	}
	return r
}

// TestLossWhenALinkIsUpButDead cuts the data path and leaves the carrier.
func TestLossWhenALinkIsUpButDead(t *testing.T) {
	t.Parallel()
	need.Tools(t, "nft:nftables")
	const (
		byTraffic = 100  // the counters stand still, and three questions go unanswered
		byProbes  = 1200 // a link at rest is dead after 1150 ms, another after 1000; one tick
	)
	for _, row := range []struct {
		figure string
		atMost int
		cut    func(f, to *testNode)
		mend   func(f, to *testNode)
	}{
		{"ring.lost.silent_death", byTraffic, func(f, to *testNode) { f.drop("en05"); to.drop("en06") }, func(f, to *testNode) { f.undrop(); to.undrop() }},
		{"ring.lost.one_way_death", byTraffic, func(_, to *testNode) { to.drop("en06") }, func(_, to *testNode) { to.undrop() }},
		// The kernel there answers whoever asks everybody; only the probes go where traffic goes.
		{"ring.lost.false_mac", byProbes, func(f, to *testNode) {
			f.shell("ip neigh replace " + to.addr.String() + " lladdr 02:00:00:00:de:ad nud permanent dev en05")
		}, func(f, to *testNode) { f.shell("ip neigh del " + to.addr.String() + " dev en05") }},
	} {
		t.Run(row.figure, func(t *testing.T) {
			r := newRing(t).rested().cables().start().awaitWhole()
			f, to := r.nodes[0], r.nodes[1]
			to.echo()
			lost := 0
			for range 5 {
				// A machine that is busy elsewhere gives the agents their time late.
				if lost = f.lossTo(to, func() { row.cut(f, to) }); lost <= row.atMost {
					break
				}
				t.Logf("%s: %d lost, once more", row.figure, lost)
				row.mend(f, to)
				r.awaitWhole()
			}
			need.Figure(row.figure, lost, "packets")
			if lost > row.atMost {
				t.Errorf("%d of %d lost, want at most %d", lost, packets, row.atMost)
			}
			if lost < 20 {
				t.Errorf("%d of %d lost: the link did not die, nothing was tried", lost, packets)
			}
			for i, n := range r.nodes[:2] {
				if n.hasDirect(r.nodes[1-i]) {
					t.Errorf("%s still has its direct route to %s", n.name, r.nodes[1-i].name)
				}
			}
			row.mend(f, to)
			r.awaitWhole()
		})
	}
}

func (n *testNode) drop(port string) {
	n.shell("nft add table netdev cut; nft 'add chain netdev cut in { type filter hook ingress device " + port + " priority 0; policy drop; }'")
}

func (n *testNode) undrop() { n.shell("nft delete table netdev cut") }

// hasDirect asks the kernel for the direct route.
func (n *testNode) hasDirect(to *testNode) bool {
	n.t.Helper()
	return n.shell("ip route show "+to.addr.String()+"/32 metric "+fmt.Sprint(uint32(layout.MetricDirect))) != ""
}

// TestLossWhenOneSideLosesItsRoute sends one direction round the other way.
// The agent must hold its own against what the host sets for all devices.
func TestLossWhenOneSideLosesItsRoute(t *testing.T) {
	for _, filter := range []string{"0", "1", "2"} {
		t.Run("rp_filter "+filter, func(t *testing.T) {
			r := newRing(t).cables()
			for _, n := range r.nodes {
				n.shell("sysctl -qw net.ipv4.conf.all.rp_filter=" + filter)
			}
			r.start().awaitWhole()
			f, to := r.nodes[0], r.nodes[1]
			to.echo()
			lossless(t, "ring.lost.rp_filter_"+filter, func() int {
				defer r.awaitWhole()
				return f.lossTo(to, func() {
					to.kill() // or it would put the route back at once
					to.shell("ip route del " + f.addr.String() + "/32 metric " + fmt.Sprint(uint32(layout.MetricDirect)))
					time.Sleep(time.Second)
					to.start()
				})
			})
		})
	}
}
