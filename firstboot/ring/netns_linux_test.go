package ring

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/status"
	"ringboot/rehearsal/need"
)

// agentEnv makes the test binary an agent: it names the file with its orders.
const agentEnv = "RINGBOOT_TEST_RING_AGENT"

func TestMain(m *testing.M) { need.Main(m, agentEnv, agentMain) }

// Ports is how many ports each node of a ring has.
const Ports = 2

// orders are what an agent process is told.
type orders struct {
	Config    layout.Config
	Leaf, CA  []byte
	Key       []byte
	ClusterID string
	Every     time.Duration // between two looks at the view; 0: 10 ms
}

// told is what an agent process says on its standard output.
type told struct {
	View   status.RingView
	Events []status.Event
	Peers  []string
	Fault  string
}

// agentMain is one agent in a process of its own: the keeper and nothing else.
// It ends when its standard input does, so that none outlives the test.
func agentMain(file string) error {
	if err := syscall.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return fmt.Errorf("show the devices of the namespace: %w", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var o orders
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(o.Leaf)
	if err != nil {
		return err
	}
	ca, err := x509.ParseCertificate(o.CA)
	if err != nil {
		return err
	}
	k, err := New(Options{Config: o.Config, Wires: Sockets{},
		Kernel:   func() (Kernel, error) { return NewKernel(o.Config, nil) },
		Identity: Identity{Node: o.Config.Node, ClusterID: o.ClusterID, Leaf: leaf, CA: ca, Key: o.Key}})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	go func() { io.Copy(io.Discard, os.Stdin); cancel() }()
	var group sync.WaitGroup
	group.Go(func() {
		last := ""
		for ctx.Err() == nil {
			v := k.View()
			for i := range v.Ports {
				v.Ports[i].RTT, v.Ports[i].Sent = 0, 0
			}
			t, err := json.Marshal(told{v, k.Events(), k.Peers(), k.Fault()})
			if err == nil && string(t) != last {
				last = string(t)
				fmt.Println(last)
			}
			time.Sleep(max(o.Every, 10*time.Millisecond))
		}
	})
	err = k.Run(ctx)
	group.Wait()
	return err
}

// testNode is one network namespace and the agent in it.
type testNode struct {
	t      testing.TB
	name   string
	addr   netip.Addr
	ns     netns.NsHandle
	handle *netlink.Handle
	cfg    layout.Config
	id     Identity
	leads  map[string]string // what is really at the end of each port
	frr    *fabric           // keeps it in the agent's place
	every  time.Duration     // between two looks of the test at the agent's view

	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
	mu    sync.Mutex
	last  told
}

// testRing is three nodes without cables.
type testRing struct {
	t     testing.TB
	nodes []*testNode
}

func newRing(t testing.TB) *testRing {
	t.Helper()
	need.Slow(t)
	need.Root(t)
	keys := newKeyring(t)
	r := &testRing{t: t}
	for i, name := range nodeNames {
		n := &testNode{t: t, name: name, addr: ringAddr(i), cfg: testConfig(i), id: keys.identity(t, name), leads: map[string]string{}}
		n.open()
		r.nodes = append(r.nodes, n)
	}
	return r
}

// open makes the namespace. It lives as long as this process holds it, so
// nothing is left behind however the test ends.
func (n *testNode) open() {
	n.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old, err := netns.Get()
	if err != nil {
		n.t.Fatal(err)
	}
	defer old.Close()
	if n.ns, err = netns.New(); err != nil {
		n.t.Fatalf("make a network namespace: %v", err)
	}
	if err := netns.Set(old); err != nil {
		n.t.Fatal(err)
	}
	if n.handle, err = netlink.NewHandleAt(n.ns); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		n.kill()
		n.handle.Close()
		n.ns.Close()
	})
	lo, err := n.handle.LinkByName("lo")
	if err != nil {
		n.t.Fatal(err)
	}
	n.must(n.handle.LinkSetUp(lo))
}

func (n *testNode) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatalf("%s: %v", n.name, err)
	}
}

// in runs f on a thread inside the namespace.
func (n *testNode) in(f func() error) {
	n.t.Helper()
	done := make(chan error, 1)
	go func() {
		// The thread ends with the goroutine: it is never given back.
		runtime.LockOSThread()
		if err := netns.Set(n.ns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	n.must(<-done)
}

// shell runs a command line inside the namespace.
func (n *testNode) shell(line string) string {
	n.t.Helper()
	var out []byte
	n.in(func() error {
		var err error
		out, err = exec.Command("sh", "-ec", line).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", line, err, out)
		}
		return nil
	})
	return string(out)
}

func (n *testNode) link(name string) netlink.Link {
	n.t.Helper()
	l, err := n.handle.LinkByName(name)
	n.must(err)
	return l
}

// cable joins two ports.
func (n *testNode) cable(port string, to *testNode, toPort string) {
	n.t.Helper()
	v := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: port}, PeerName: toPort, PeerNamespace: netlink.NsFd(int(to.ns))}
	n.must(n.handle.LinkAdd(v))
	n.leads[port], to.leads[toPort] = to.name, n.name
}

// cables joins the three nodes by the rule: the first port of each to the
// second of the next.
func (r *testRing) cables() *testRing {
	r.t.Helper()
	for i, n := range r.nodes {
		n.cable("en05", r.nodes[(i+1)%3], "en06")
	}
	return r
}

// start runs the agent in the namespace.
func (n *testNode) start() {
	n.t.Helper()
	text, err := json.Marshal(orders{n.cfg, n.id.Leaf.Raw, n.id.CA.Raw, n.id.Key, n.id.ClusterID, n.every})
	n.must(err)
	file := filepath.Join(n.t.TempDir(), "orders")
	n.must(os.WriteFile(file, text, 0o600))
	exe, err := os.Executable()
	n.must(err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), agentEnv+"="+file)
	cmd.Stderr = os.Stderr
	// A view of /sys of its own, which shows the devices of its namespace.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	stdin, err := cmd.StdinPipe()
	n.must(err)
	stdout, err := cmd.StdoutPipe()
	n.must(err)
	n.in(cmd.Start) // a child begins in the namespace of the thread
	ended := make(chan struct{})
	n.mu.Lock()
	n.cmd, n.stdin, n.ended, n.last = cmd, stdin, ended, told{}
	n.mu.Unlock()
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var s told
			if json.Unmarshal(lines.Bytes(), &s) == nil {
				n.mu.Lock()
				n.last = s
				n.mu.Unlock()
			}
		}
		cmd.Wait()
	}()
}

// kill ends the agent as a power cut would.
func (n *testNode) kill() {
	n.mu.Lock()
	cmd, ended := n.cmd, n.ended
	n.cmd = nil
	n.mu.Unlock()
	if cmd == nil {
		return
	}
	cmd.Process.Kill()
	<-ended
}

func (n *testNode) told() told {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last
}

func (r *testRing) start() *testRing {
	r.t.Helper()
	for _, n := range r.nodes {
		n.start()
	}
	return r
}

// await waits until what holds of the ring, and says what is there if it never does.
func (r *testRing) await(what string, holds func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: not within %s\n%s", what, patience, r.describe())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *testRing) whole() bool {
	for _, n := range r.nodes {
		v := n.told().View
		if !v.Whole || len(v.Ports) != Ports || !v.Ports[0].Proven || !v.Ports[1].Proven || !n.routesWhole() {
			return false
		}
	}
	return true
}

// routesWhole asks the kernel, not the agent: addresses, MTU, and to each peer
// a direct route over the cable that really leads there and a detour over the other.
func (n *testNode) routesWhole() bool {
	ports := map[int]string{}
	for _, name := range []string{"lo", "en05", "en06"} {
		l, err := n.handle.LinkByName(name)
		if err != nil || !n.holdsAddr(l) {
			return false
		}
		if a := l.Attrs(); name != "lo" && (a.MTU != n.cfg.MTU || a.Flags&net.FlagUp == 0) {
			return false
		}
		ports[l.Attrs().Index] = name
	}
	list, err := n.handle.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{}, 0)
	if err != nil {
		return false
	}
	right := 0
	for _, route := range list {
		if route.Dst == nil {
			continue
		}
		to, _ := netip.AddrFromSlice(route.Dst.IP.To4())
		for _, p := range n.cfg.Peers {
			leads := n.leads[ports[route.LinkIndex]]
			switch {
			case to != p.Addr || leads == "":
			case uint32(route.Priority) == layout.MetricDirect && leads == p.Node,
				uint32(route.Priority) == layout.MetricDetour && leads != p.Node:
				right++
			}
		}
	}
	return right == 2*len(n.cfg.Peers)
}

func (n *testNode) holdsAddr(l netlink.Link) bool {
	list, err := n.handle.AddrList(l, netlink.FAMILY_V4)
	return err == nil && slices.ContainsFunc(list, func(a netlink.Addr) bool { return a.IP.Equal(n.addr.AsSlice()) })
}

func (r *testRing) awaitWhole() *testRing {
	r.t.Helper()
	r.await("ring whole", r.whole)
	return r
}
