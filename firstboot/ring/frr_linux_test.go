package ring

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/need"
)

// frrDir is where Debian's package has the daemons.
const frrDir = "/usr/lib/frr/"

// fabric runs FRR's zebra and fabricd in one namespace, with the configuration
// that the profile's routing: openfabric writes.
type fabric struct {
	dir  string
	cmds []*exec.Cmd
}

func (n *testNode) fabric(t testing.TB) *fabric {
	t.Helper()
	// Sockets' paths are short by nature, and the daemons drop to the user frr.
	dir, err := os.MkdirTemp("", "frr")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	f := &fabric{dir: dir}
	t.Cleanup(func() {
		f.kill()
		os.RemoveAll(dir)
	})
	conf := filepath.Join(dir, "frr.conf")
	if err := os.WriteFile(conf, []byte(FabricConfig(n.cfg)), 0o644); err != nil {
		t.Fatal(err)
	}
	f.start(t, n, "zebra", conf)
	deadline := time.Now().Add(20 * time.Second)
	for !exists(filepath.Join(dir, "zserv.api")) {
		if time.Now().After(deadline) {
			t.Fatal("zebra does not start")
		}
		time.Sleep(20 * time.Millisecond)
	}
	f.start(t, n, "fabricd", conf)
	// Before 10.3 fabricd forgets "ip router" of a port that it has not heard of
	// when it reads its file (FRRouting/frr#17075). Once more, when it has.
	again := "vtysh --vty_socket " + dir + " -f " + conf + " >/dev/null 2>&1; vtysh --vty_socket " + dir + " -c 'show running-config'"
	for !strings.Contains(n.shell(again), " ip router openfabric ring") {
		if time.Now().After(deadline) {
			t.Fatalf("fabricd does not take its configuration: %s", n.shell("cat "+dir+"/fabricd.log"))
		}
		time.Sleep(200 * time.Millisecond)
	}
	return f
}

func (f *fabric) start(t testing.TB, n *testNode, daemon, conf string) {
	t.Helper()
	log := filepath.Join(f.dir, daemon+".log")
	cmd := exec.Command(frrDir+daemon, "-f", conf, "-i", filepath.Join(f.dir, daemon+".pid"), "-z", filepath.Join(f.dir, "zserv.api"),
		"--vty_socket", f.dir, "-A", "127.0.0.1", "-P", "0", "--log", "file:"+log, "--log-level", "warning")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	n.in(cmd.Start)
	f.cmds = append(f.cmds, cmd)
	go func() { cmd.Wait() }()
}

func (f *fabric) kill() {
	for _, c := range f.cmds {
		c.Process.Kill()
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// fabricRing is the same three nodes and cables, kept by FRR alone.
func fabricRing(t testing.TB) *testRing {
	t.Helper()
	r := newRing(t).cables().echo()
	for _, n := range r.nodes {
		n.shell(fmt.Sprintf("ip address add %s/32 dev lo", n.addr))
		n.shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.all.ignore_routes_with_linkdown=1 net.ipv4.conf.default.ignore_routes_with_linkdown=1")
		for _, p := range []string{"en05", "en06"} {
			n.shell(fmt.Sprintf("ip link set %[1]s mtu 65520 up; ip address add %[2]s/32 dev %[1]s; sysctl -qw net.ipv4.conf.%[1]s.ignore_routes_with_linkdown=1", p, n.addr))
		}
	}
	for _, n := range r.nodes {
		n.fabric(t)
	}
	r.awaitFabric()
	return r
}

// awaitFabric waits until FRR has put both direct routes of each node in place.
func (r *testRing) awaitFabric() {
	r.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		right := 0
		for _, n := range r.nodes {
			for _, line := range strings.Split(n.shell("ip route show proto openfabric"), "\n") {
				words := strings.Fields(line)
				// ADDRESS nhid N via ADDRESS dev PORT: direct if both are one.
				if i := indexOf(words, "via"); i > 0 && words[i+1] == words[0] {
					right++
				}
			}
		}
		if right == 6 {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("FRR has %d of 6 direct routes\n%s", right, r.nodes[0].shell("ip route"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func indexOf(words []string, w string) int {
	for i, x := range words {
		if x == w && i+1 < len(words) {
			return i
		}
	}
	return -1
}

// BenchmarkFailover puts the same events on the same ring, once kept by us and
// once by FRR's OpenFabric, in one run.
func BenchmarkFailover(b *testing.B) {
	need.Tools(b, "nft:nftables", "sysctl:procps", "vtysh:frr")
	need.File(b, frrDir+"fabricd", "frr")
	events := []struct {
		name  string
		event func(f, to *testNode)
		mend  func(f, to *testNode)
	}{
		{"admin_down", func(_, to *testNode) { to.down("en06") }, func(_, to *testNode) { to.up("en06") }},
		{"down_up", func(f, _ *testNode) { f.down("en05"); f.up("en05") }, func(_, _ *testNode) {}},
		{"silent_death", func(f, to *testNode) { f.drop("en05"); to.drop("en06") }, func(f, to *testNode) { f.undrop(); to.undrop() }},
		{"netdev_removed", func(_, to *testNode) { to.must(to.handle.LinkDel(to.link("en06"))) }, func(f, to *testNode) { f.cable("en05", to, "en06") }},
	}
	for range b.N {
		ours := newRing(b).cables().echo().start().awaitWhole()
		for _, e := range events {
			lost := ours.nodes[0].lossTo(ours.nodes[1], func() { e.event(ours.nodes[0], ours.nodes[1]) })
			need.Figure("ring.lost.beside_frr."+e.name, lost, "packets")
			e.mend(ours.nodes[0], ours.nodes[1])
			ours.awaitWhole()
		}
		ours.killAll()
		theirs := fabricRing(b)
		for i, e := range events {
			lost := theirs.nodes[0].lossTo(theirs.nodes[1], func() { e.event(theirs.nodes[0], theirs.nodes[1]) })
			need.Figure("ring.lost.frr."+e.name, lost, "packets")
			if i == len(events)-1 {
				break // what comes back must be given its address by somebody
			}
			e.mend(theirs.nodes[0], theirs.nodes[1])
			theirs.awaitFabric()
		}
	}
}
