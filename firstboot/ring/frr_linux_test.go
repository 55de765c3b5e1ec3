package ring

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/ring/layout"
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

// daemons has FRR's zebra run in one namespace, in a directory with the
// configurations of all.
func (n *testNode) daemons(t testing.TB, texts map[string]string) *fabric {
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
	n.frr = f
	t.Cleanup(func() {
		f.kill()
		os.RemoveAll(dir)
	})
	for daemon, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, daemon+".conf"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f.start(t, n, "zebra", filepath.Join(dir, "zebra.conf"))
	deadline := time.Now().Add(20 * time.Second)
	for !exists(filepath.Join(dir, "zserv.api")) {
		if time.Now().After(deadline) {
			t.Fatal("zebra does not start")
		}
		time.Sleep(20 * time.Millisecond)
	}
	return f
}

func (n *testNode) fabric(t testing.TB) *fabric {
	t.Helper()
	text := layout.FabricConfig(n.cfg)
	f := n.daemons(t, map[string]string{"zebra": text, "fabricd": text})
	conf, deadline := filepath.Join(f.dir, "fabricd.conf"), time.Now().Add(20*time.Second)
	f.start(t, n, "fabricd", conf)
	// Before 10.3 fabricd forgets "ip router" of a port that it has not heard of
	// when it reads its file (FRRouting/frr#17075). Once more, when it has.
	again := "vtysh --vty_socket " + f.dir + " -f " + conf + " >/dev/null 2>&1; vtysh --vty_socket " + f.dir + " -c 'show running-config'"
	for !strings.Contains(n.shell(again), " ip router openfabric ring") {
		if time.Now().After(deadline) {
			t.Fatalf("fabricd does not take its configuration: %s", n.shell("cat "+f.dir+"/fabricd.log"))
		}
		time.Sleep(200 * time.Millisecond)
	}
	return f
}

func (f *fabric) start(t testing.TB, n *testNode, daemon, conf string, more ...string) {
	t.Helper()
	log := filepath.Join(f.dir, daemon+".log")
	args := append([]string{"-f", conf, "-i", filepath.Join(f.dir, daemon+".pid"), "-z", filepath.Join(f.dir, "zserv.api"),
		"--vty_socket", f.dir, "-A", "127.0.0.1", "-P", "0", "--log", "file:" + log, "--log-level", "warning"}, more...)
	cmd := exec.Command(frrDir+daemon, args...)
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

// spentIn is what all processes that keep one node's ring take of a processor
// while something goes on, and for 20 s at least, in percent: the mean of the nodes.
func (r *testRing) spentIn(what func()) float64 {
	start, before := time.Now(), r.spent()
	for what(); time.Since(start) < 20*time.Second; what() {
		time.Sleep(100 * time.Millisecond)
	}
	return 100 * (r.spent() - before).Seconds() / time.Since(start).Seconds() / float64(len(r.nodes))
}

// spent is the processor time of all threads that keep the ring (schedstat of
// /proc/PID/task/TID: the first number, nanoseconds on a processor).
func (r *testRing) spent() time.Duration {
	r.t.Helper()
	var all time.Duration
	for _, n := range r.nodes {
		cmds := []*exec.Cmd{n.cmd}
		if n.frr != nil {
			cmds = n.frr.cmds
		}
		for _, c := range cmds {
			threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.Process.Pid))
			if err != nil || len(threads) == 0 {
				r.t.Fatalf("process %d: %v", c.Process.Pid, err)
			}
			for _, t := range threads {
				text, err := os.ReadFile(t)
				if err != nil {
					continue // the thread has ended
				}
				ns, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
				if err != nil {
					r.t.Fatal(err)
				}
				all += time.Duration(ns)
			}
		}
	}
	return all
}

// BenchmarkAtRest is what it costs to keep the ring while nothing happens, and
// under the traffic of the rows above, which a link at rest is not disturbed by.
func BenchmarkAtRest(b *testing.B) {
	for range b.N {
		r := newRing(b).cables().echo()
		for _, n := range r.nodes {
			n.every = time.Second
		}
		r.start().awaitWhole()
		time.Sleep(layout.DefaultTiming().Calm + time.Second)
		need.Figure("ring.rest_percent.ours", r.spentIn(func() {}), "percent")
		need.Figure("ring.traffic_percent.ours", r.spentIn(func() { r.nodes[0].lossTo(r.nodes[1], func() {}) }), "percent")
	}
}

// failover is what a row of the table of failovers is about.
type failover struct {
	name  string
	event func(f, to *testNode)
	mend  func(f, to *testNode) // nil: what comes back must be given its address by somebody
}

// rows lets each event happen, three times where the ring mends itself, and
// reports the least that was lost: on a machine that is busy elsewhere whoever
// keeps the ring gets his time late, and BFD takes sound links for dead.
func (r *testRing) rows(prefix string, await func(*testRing), events []failover) map[string]int {
	out := map[string]int{}
	for _, e := range events {
		for try := range 3 {
			lost := r.nodes[0].lossTo(r.nodes[1], func() { e.event(r.nodes[0], r.nodes[1]) })
			r.t.Logf("%s%s: %d lost", prefix, e.name, lost)
			if least, ok := out[e.name]; !ok || lost < least {
				out[e.name] = lost
			}
			if e.mend == nil {
				break
			}
			e.mend(r.nodes[0], r.nodes[1])
			await(r)
			if try == 0 && lost == 0 {
				break
			}
		}
		need.Figure(prefix+e.name, out[e.name], "packets")
	}
	return out
}

// failovers are the rows of the table. stop and start are what a restart of the
// peer does to what keeps its ring; FRR's is spared it.
func failovers(stop, start func(*testNode)) []failover {
	nothing := func(_, _ *testNode) {}
	return []failover{
		{"admin_down", func(_, to *testNode) { to.down("en06") }, func(_, to *testNode) { to.up("en06") }},
		{"down_up", func(f, _ *testNode) { f.down("en05"); f.up("en05") }, nothing},
		{"silent_death", func(f, to *testNode) { f.drop("en05"); to.drop("en06") }, func(f, to *testNode) { f.undrop(); to.undrop() }},
		// As its neighbours see it: neither port has carrier. What is sent in that
		// time is lost whoever keeps the ring.
		{"peer_reboot", func(_, to *testNode) {
			stop(to)
			to.down("en05")
			to.down("en06")
			time.Sleep(away)
			to.up("en05")
			to.up("en06")
			start(to)
		}, nothing},
		{"netdev_removed", func(_, to *testNode) { to.must(to.handle.LinkDel(to.link("en06"))) }, nil},
	}
}

// away is how long the peer of the row peer_reboot has no carrier: so many packets
// of the row are lost in any case.
const away = 500 * time.Millisecond

// BenchmarkFailover puts the same events on the same ring, kept by us, by nobody
// (the routes stay in the kernel), by FRR's OpenFabric, and by FRR's BGP with BFD,
// in one run, with what each takes of a processor at rest.
func BenchmarkFailover(b *testing.B) {
	need.Tools(b, "nft:nftables", "sysctl:procps", "vtysh:frr")
	for _, d := range []string{"fabricd", "bgpd", "bfdd"} {
		need.File(b, frrDir+d, "frr")
	}
	spared := func(*testNode) {}
	for range b.N {
		ours := newRing(b).cables().echo()
		for _, n := range ours.nodes {
			n.every = time.Second
		}
		ours.start().awaitWhole()
		time.Sleep(layout.DefaultTiming().Calm + time.Second)
		need.Figure("ring.rest_percent.beside_frr.ours", ours.spentIn(func() {}), "percent")
		lost := ours.rows("ring.lost.beside_frr.", func(r *testRing) { r.awaitWhole() }, failovers((*testNode).kill, (*testNode).start))
		ours.killAll()
		kernel := newRing(b).cables().echo()
		unkept := func(r *testRing) { r.start().awaitWhole().killAll() }
		unkept(kernel)
		kernel.rows("ring.lost.kernel.", unkept, failovers(spared, spared))
		fabric := fabricRing(b)
		need.Figure("ring.rest_percent.frr", fabric.spentIn(func() {}), "percent")
		fabric.rows("ring.lost.frr.", (*testRing).awaitFabric, failovers(spared, spared))
		fabric.killFRR()
		bfd := bgpRing(b)
		need.Figure("ring.rest_percent.bfd", bfd.spentIn(func() {}), "percent")
		theirs := bfd.rows("ring.lost.bfd.", (*testRing).awaitBGP, failovers(spared, spared))
		bfd.killFRR()
		need.Figure("ring.lost.silent_death_bfd", theirs["silent_death"], "packets")
		if lost["silent_death"] >= theirs["silent_death"] {
			b.Errorf("a silent death costs %d packets, with BGP and BFD %d", lost["silent_death"], theirs["silent_death"])
		}
	}
}

func (r *testRing) killFRR() {
	for _, n := range r.nodes {
		n.frr.kill()
	}
}
