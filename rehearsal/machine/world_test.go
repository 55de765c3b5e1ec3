package machine

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ringboot/rehearsal/sim"
)

// near is a machine without a kernel of its own: a map of files, and a
// corosync that says what the test wants. It speaks as Link does.
type near struct {
	t    *testing.T
	name string
	s    *stream

	mu       sync.Mutex
	files    map[string][]byte
	coro     string // of corosync-quorumtool -s; "" while none runs
	shown    map[string]sim.Entry
	writable bool
	ends     map[int]chan message
}

func newNear(t *testing.T, socket, name string, files map[string][]byte) *near {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	n := &near{t: t, name: name, s: newStream(conn), files: files, shown: map[string]sim.Entry{}, ends: map[int]chan message{}}
	t.Cleanup(n.s.close)
	n.s.send(message{Do: doHello, Path: name, To: "x", Content: []byte("0")})
	if m, err := n.s.next(); err != nil || m.Do != doWelcome || m.To != "x" {
		t.Fatalf("%s is not welcome: %+v %v", name, m, err)
	}
	go n.follow()
	return n
}

func (n *near) follow() {
	for {
		m, err := n.s.next()
		if err != nil {
			return
		}
		n.mu.Lock()
		out := message{ID: m.ID, Do: doAnswer}
		switch m.Do {
		case doShow:
			for rel, e := range m.Tree {
				if delete(n.shown, rel); e != nil {
					n.shown[rel] = *e
				}
			}
			n.writable = m.Writable
		case doReady, doEnd:
			n.ends[m.ID] <- m
		case doRead:
			content, ok := n.files[m.Path]
			if out.Content = content; !ok {
				out.Error, out.Absent = "no such file", true
			}
			n.s.send(out)
		case doWrite:
			n.files[m.Path] = m.Content
			n.s.send(out)
		case doRun:
			if out.Stdout = []byte(n.coro); n.coro == "" {
				out.Code = 1
			}
			n.s.send(out)
		default:
			out.Error = "not here"
			n.s.send(out)
		}
		n.mu.Unlock()
	}
}

// call calls a tool and returns what comes next of it.
func (n *near) call(id int, argv ...string) <-chan message {
	c := make(chan message, 2)
	n.mu.Lock()
	n.ends[id] = c
	n.mu.Unlock()
	n.s.send(message{ID: id, Do: doCall, Argv: argv})
	return c
}

// sees tells what is shown at a path of /etc/pve.
func (n *near) sees(rel string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return string(n.shown[rel].Content)
}

func (n *near) says(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.coro = text
}

// change is what a program does below /etc/pve of the machine.
func (n *near) change(tree map[string]*sim.Entry) {
	n.mu.Lock()
	for rel, e := range tree {
		n.shown[rel] = *e
	}
	n.mu.Unlock()
	n.s.send(message{Do: doChanged, Tree: tree})
}

// mayWrite tells what the write bits are.
func (n *near) mayWrite() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.writable
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never happens: %s", what)
		}
	}
}

// quorumText is corosync-quorumtool -s of a node with these members.
func quorumText(self int, quorate string, members ...int) string {
	text := fmt.Sprintf("Quorum information\n------------------\nNode ID:          %d\nRing ID:          %d.%d\nQuorate:          %s\n\n"+
		"Expected votes:   2\nQuorum:           2\n\n    Nodeid      Votes Name\n", self, members[0], len(members), quorate)
	for _, m := range members {
		text += fmt.Sprintf("%10d          1 node%d\n", m, m)
	}
	return text
}

func confOfTwo() []byte {
	return sim.Conf{Name: "principia", Version: 1, Links: []sim.ConfLink{{}}, Nodes: []sim.ConfNode{
		{Name: "frege", ID: 1, Votes: 1, Addr: []string{"10.203.3.11"}},
		{Name: "russell", ID: 2, Votes: 1, Addr: []string{"10.203.3.12"}}}}.Text()
}

func two(t *testing.T) (a, b *near, socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "world") // short: a socket lies in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "world")
	w, err := Listen(t.Context(), socket, Real{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	started := func(name string) *near {
		n := newNear(t, socket, name, map[string][]byte{sim.HostConf: confOfTwo()})
		if m := <-n.call(1, "pmxcfs"); m.Do != doReady {
			t.Fatalf("pmxcfs of %s: %+v", name, m)
		}
		return n
	}
	return started("frege"), started("russell"), socket
}

// Two real corosyncs are together: what is written on one node is seen on the
// other, and lies on both disks. Without quorum nothing is taken; and who comes
// back with an old database takes the newer one.
func TestOneFileSystemOnTwoMachines(t *testing.T) {
	a, b, socket := two(t)
	if a.mayWrite() || !strings.Contains(a.sees("corosync.conf"), "principia") {
		t.Fatal("a node whose corosync does not run takes writes, or lacks its configuration")
	}
	together := func() {
		a.says(quorumText(1, "Yes", 1, 2))
		b.says(quorumText(2, "Yes", 1, 2))
		until(t, "both take writes", func() bool { return a.mayWrite() && b.mayWrite() })
	}
	together()
	until(t, "both are online", func() bool { return strings.Count(b.sees(".members"), `"online": 1, "ip"`) == 2 })
	a.change(map[string]*sim.Entry{"priv": {Dir: true}, "priv/probe": {Content: []byte("one")}})
	until(t, "russell sees what was written on frege", func() bool { return b.sees("priv/probe") == "one" })

	a.says(quorumText(1, "No", 1)) // russell is asked when frege is back, and frege was before
	until(t, "russell takes no writes that frege would not see", func() bool { return !b.mayWrite() })
	together()

	b.says(quorumText(2, "No", 2))
	until(t, "russell takes no writes", func() bool { return !b.mayWrite() })
	b.change(map[string]*sim.Entry{"priv/probe": {Content: []byte("two")}})
	until(t, "a write without quorum is taken back", func() bool { return b.sees("priv/probe") == "one" })
	if a.sees("priv/probe") != "one" {
		t.Errorf("frege sees %q", a.sees("priv/probe"))
	}

	b.mu.Lock()
	old := map[string][]byte{sim.HostConf: confOfTwo(), sim.Database: b.files[sim.Database]}
	b.mu.Unlock()
	if !json.Valid(old[sim.Database]) {
		t.Fatalf("russell's database is %q", old[sim.Database])
	}
	b.s.close() // its power is cut
	a.says(quorumText(1, "No", 1))
	until(t, "russell is offline", func() bool { return strings.Count(a.sees(".members"), `"online": 1`) == 1 })
	a.says(quorumText(1, "Yes", 1))
	until(t, "frege takes writes again", a.mayWrite)
	a.change(map[string]*sim.Entry{"priv/probe": {Content: []byte("three")}})
	b = newNear(t, socket, "russell", old)
	if m := <-b.call(1, "pmxcfs"); m.Do != doReady {
		t.Fatalf("pmxcfs after the cut: %+v", m)
	}
	until(t, "what was durable is there again", func() bool { return b.sees("priv/probe") == "one" })
	together()
	until(t, "russell catches up", func() bool { return b.sees("priv/probe") == "three" })
}

// A tool runs in the world, on the machine that called it; it ends when its
// caller does; and pmxcfs that is told to stop leaves nothing behind.
func TestToolsRunInTheWorld(t *testing.T) {
	a, _, _ := two(t)
	if m := <-a.call(2, "pvecm", "status"); m.Do != doEnd || m.Code != 1 || !strings.Contains(string(m.Stdout), "Name:             principia") {
		t.Errorf("pvecm status: %d %s%s", m.Code, m.Stdout, m.Stderr)
	}
	if m := <-a.call(3, "pvecn"); m.Code != 127 {
		t.Errorf("an unknown tool: %d %s", m.Code, m.Stderr)
	}
	waits := a.call(4, "pvecm", "updatecerts") // up to 80 s, without quorum
	a.s.send(message{ID: 4, Do: doHangUp})
	if m := <-waits; m.Code == 0 {
		t.Errorf("a tool whose caller is gone: %+v", m)
	}
	a.s.send(message{ID: 1, Do: doHangUp})
	if m := <-a.ends[1]; m.Do != doEnd {
		t.Errorf("pmxcfs that was told to stop: %+v", m)
	}
	if m := <-a.call(5, "pvecm", "status"); m.Code == 0 || len(m.Stdout) != 0 {
		t.Errorf("pvecm status without pmxcfs: %d %s", m.Code, m.Stdout)
	}
}

// A machine that lost its power in the middle of a line says hello in the next one.
func TestHalfALineIsPassedOver(t *testing.T) {
	near, far := net.Pipe()
	s := newStream(far)
	defer s.close()
	go func() {
		_, _ = near.Write([]byte(`{"Do":"answer","ID":7,"Conte` + "\n" + `{"Do":"hello","Path":"frege"}` + "\n"))
	}()
	if m, err := s.next(); err != nil || m.Do != doHello || m.Path != "frege" {
		t.Errorf("%+v %v", m, err)
	}
}

// What the real corosync's tools print is understood.
func TestRecordingsOfCorosync(t *testing.T) {
	read := func(file string) string {
		t.Helper()
		raw, err := os.ReadFile("../tools/testdata/transcripts/" + file + ".json")
		var r struct{ Stdout string }
		if err != nil || json.Unmarshal(raw, &r) != nil {
			t.Fatalf("%s: %v", file, err)
		}
		return r.Stdout
	}
	if q := parseQuorum(read("02-cluster-ssh/026-quorumtool_s")); !q.Quorate || len(q.Members) != 3 || q.Expected != 3 || q.Quorum != 2 || q.NodeID == 0 || q.RingID == "" {
		t.Errorf("three nodes: %+v", q)
	}
	if q := parseQuorum(read("04-quorum/008-two_down_quorumtool")); q.Quorate || len(q.Members) != 1 {
		t.Errorf("two are down: %+v", q)
	}
	links := parseLinks(read("12-links-ring/014-cfgtool_mgmt_out"))
	dead := 0
	for _, l := range links {
		if !l.Connected {
			dead++
		}
	}
	if len(links) == 0 || dead == 0 {
		t.Errorf("the management cable is out: %+v", links)
	}
}

func TestParentsComeFirst(t *testing.T) {
	got := strings.Join(parentsFirst(map[string]*sim.Entry{"b/c": {}, "b": {Dir: true}, "a/x": nil, "a": nil, "c": {}}), " ")
	if got != "b b/c c a/x a" {
		t.Errorf("made and removed in the order %s", got)
	}
}

// A container has its way to the world before anything starts in it, and a
// virtual machine only once it has the driver.
func TestOnlyWhoMayFindAWorldWaitsForIt(t *testing.T) {
	here, nowhere := t.TempDir(), filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		name, contained, socket string
		want                    time.Duration
	}{
		{"a container alone", here, nowhere, 0},
		{"a container in a lab", here, here, aloneAfter},
		{"a virtual machine", nowhere, nowhere, aloneAfter},
	} {
		if got := patience(c.contained, c.socket); got != c.want {
			t.Errorf("%s waits %s, not %s", c.name, got, c.want)
		}
	}
}
