package discovery

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringboot/rehearsal/lan"
	"ringboot/rehearsal/need"
)

// nodeEnv makes the test binary be a node: it announces and listens, prints its
// table after each change, and ends when its input does.
const nodeEnv = "RINGBOOT_TEST_DISCOVERY_NODE"

var nets atomic.Int64

func TestMain(m *testing.M) { need.Main(m, nodeEnv, beNode) }

// told is one line of a node's output.
type told struct {
	Peers map[string]Peer
	Err   string
}

func beNode(spec string) error {
	name, addrs, _ := strings.Cut(spec, " ")
	r := record(name)
	r.Addresses = nil
	for _, a := range strings.Fields(addrs) {
		r.Addresses = append(r.Addresses, netip.MustParseAddr(a))
	}
	opts := Options{ClusterID: r.ClusterID, Record: r, Key: keyOf(name)}
	if name == "viewer" {
		opts = Options{}
	}
	d, err := Start(context.Background(), opts)
	if err != nil {
		return err
	}
	defer d.Close()
	for _, n := range []string{"frege", "russell", "wittgenstein"} {
		d.Table().Learn(n, public(n))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			r.Addresses = []netip.Addr{netip.MustParseAddr(lines.Text())}
			_ = d.Publish(r)
		}
	}()
	out := json.NewEncoder(os.Stdout)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		line := told{Peers: d.Table().Peers()}
		if err := d.Err(); err != nil {
			line.Err = err.Error()
		}
		if err := out.Encode(line); err != nil {
			return err
		}
		select {
		case <-ended:
			return nil
		case <-d.Table().Changed():
		case <-tick.C:
		}
	}
}

// node is a running helper process.
type node struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan told
	last  told
}

func start(t *testing.T, m *lan.Namespace, spec string) *node {
	t.Helper()
	n := &node{t: t, name: strings.Fields(spec)[0], cmd: m.Command(os.Args[0], "-test.run=^$"), lines: make(chan told, 1000)}
	n.cmd.Env = append(os.Environ(), nodeEnv+"="+spec)
	n.cmd.Stderr = os.Stderr
	var err error
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(n.lines)
		dec := json.NewDecoder(stdout)
		for {
			var line told
			if dec.Decode(&line) != nil {
				return
			}
			n.lines <- line
		}
	}()
	t.Cleanup(n.stop)
	return n
}

func (n *node) stop() {
	if n.cmd.ProcessState != nil {
		return
	}
	n.stdin.Close()
	for range n.lines { // until it has ended
	}
	if err := n.cmd.Wait(); err != nil {
		n.t.Errorf("%s: %v", n.name, err)
	}
}

// until waits for a state of the node's table.
func (n *node) until(what string, ok func(told) bool) {
	n.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line, open := <-n.lines:
			if !open {
				n.t.Fatalf("%s ended; wanted: %s", n.name, what)
			}
			if n.last = line; ok(line) {
				return
			}
		case <-timeout:
			n.t.Fatalf("%s: not within 30 s: %s; it knows %+v", n.name, what, n.last)
		}
	}
}

func (n *node) sees(others ...string) {
	n.t.Helper()
	n.until("sees "+strings.Join(others, ", "), func(l told) bool {
		for _, o := range others {
			if p := l.Peers[o]; !p.Alive || !p.Verified {
				return false
			}
		}
		return true
	})
}

func (n *node) loses(other string) {
	n.t.Helper()
	n.until("loses "+other, func(l told) bool { return !l.Peers[other].Alive })
}

func newLAN(t testing.TB) *lan.Net {
	t.Helper()
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "ip:iproute2")
	l, err := lan.New(&nets)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func must[V any](t testing.TB) func(v V, err error) V {
	return func(v V, err error) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// three plugs three machines into one switch and runs before on each.
func three(t *testing.T, before func(m *lan.Namespace)) (l *lan.Net, sw string, machines []*lan.Namespace) {
	t.Helper()
	l = newLAN(t)
	sw = must[string](t)(l.Switch())
	for i, name := range []string{"frege", "russell", "wittgenstein"} {
		m := must[*lan.Namespace](t)(l.Machine(name))
		if before != nil {
			before(m)
		}
		must[string](t)(m.Plug(sw, fmt.Sprintf("10.203.3.%d/24", 11+i)))
		machines = append(machines, m)
	}
	return l, sw, machines
}

// allSee starts three nodes and waits until each sees the others.
func allSee(t *testing.T, machines []*lan.Namespace) (nodes []*node) {
	t.Helper()
	for i, m := range machines {
		nodes = append(nodes, start(t, m, fmt.Sprintf("%s 10.203.3.%d", m.Name, 11+i)))
	}
	for i, n := range nodes {
		for j, m := range machines {
			if i != j {
				n.sees(m.Name)
			}
		}
	}
	return nodes
}

func TestThreeNodesSeeEachOtherWithoutADefaultRoute(t *testing.T) {
	t.Parallel()
	_, _, machines := three(t, nil)
	allSee(t, machines)
}

func TestWithoutIPv6(t *testing.T) {
	t.Parallel()
	_, _, machines := three(t, func(m *lan.Namespace) {
		ok(t, m.Run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"))
	})
	allSee(t, machines)
}

func TestWithoutIPv4(t *testing.T) {
	t.Parallel()
	_, _, machines := three(t, nil)
	for _, m := range machines {
		ok(t, m.IP("-4", "addr", "flush", "dev", "eth0"))
	}
	allSee(t, machines)
}

// TestRingPortsWithOneAddress has both ports of each node carry the node's one
// /32, as the ring does, and no management network at all.
func TestRingPortsWithOneAddress(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	var machines []*lan.Namespace
	for _, name := range []string{"frege", "russell", "wittgenstein"} {
		machines = append(machines, must[*lan.Namespace](t)(l.Machine(name)))
	}
	for i := range machines {
		sw := must[string](t)(l.Switch())
		for _, j := range []int{i, (i + 1) % 3} {
			m := machines[j]
			nic := must[string](t)(m.Plug(sw, fmt.Sprintf("10.203.4.%d/32", 11+j)))
			_ = m.IP("addr", "add", fmt.Sprintf("10.203.4.%d/32", 11+j), "dev", "lo") // the second time it is there
			other := i + (i+1)%3 - j
			ok(t, m.IP("route", "add", fmt.Sprintf("10.203.4.%d/32", 11+other), "dev", nic))
		}
	}
	allSee(t, machines)
}

func TestSeveralCardsOnOneSwitch(t *testing.T) {
	t.Parallel()
	_, sw, machines := three(t, nil)
	for i, m := range machines {
		must[string](t)(m.Plug(sw, fmt.Sprintf("10.203.5.%d/24", 11+i)))
	}
	nodes := allSee(t, machines)
	if clash := nodes[0].last.Peers["russell"].Clash; clash != "" {
		t.Errorf("two cards look like two machines: %s", clash)
	}
}

func TestABridgeIsAskedAndNotItsPorts(t *testing.T) {
	t.Parallel()
	_, _, machines := three(t, nil)
	m := machines[0]
	ok(t, m.IP("link", "add", "vmbr0", "type", "bridge"))
	ok(t, m.IP("addr", "flush", "dev", "eth0"))
	ok(t, m.IP("link", "set", "eth0", "master", "vmbr0"))
	ok(t, m.IP("link", "set", "vmbr0", "up"))
	ok(t, m.IP("addr", "add", "10.203.3.11/24", "dev", "vmbr0"))
	nodes := allSee(t, machines)
	nodes[0].until("russell heard on vmbr0 alone", func(l told) bool { return l.Peers["russell"].Via == "vmbr0" })
}
