package matrix_test

import (
	"fmt"
	"math/rand"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/cluster"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
	world "ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools"
)

// testProfile is a cluster of three.
func testProfile() *profiles.Profile {
	p := &profiles.Profile{Version: 1, Cluster: profiles.Cluster{Name: "principia", Domain: "example.net", Keyboard: "de", Mail: "root@example.net"},
		Management: profiles.Management{Prefix: netip.MustParsePrefix("10.203.3.0/24")},
		Ring:       profiles.Ring{Prefix: netip.MustParsePrefix("10.203.4.0/24")},
		Users:      []profiles.User{{Name: "alice", FullName: "Alice", ProxmoxRole: "Administrator"}, {Name: "bob"}}}
	for i, name := range []string{"frege", "russell", "wittgenstein"} {
		p.Nodes = append(p.Nodes, profiles.Node{Name: name, Address: netip.AddrFrom4([4]byte{10, 203, 3, byte(11 + i)}), Ring: netip.AddrFrom4([4]byte{10, 203, 4, byte(11 + i)})})
	}
	return p
}

// sim is three agents on a stand-in world, each with the engine that ships.
//
// The world's own clock drives them, not testing/synctest: it lets exactly one
// of them run at a time and in a fixed order, so that a crash at the n-th point
// of a node is the same crash in every run. Goroutines of a synctest bubble
// that wake at one instant run in any order, and at once on two processors.
type sim struct {
	t       testing.TB
	w       *world.World
	p       *profiles.Profile
	mem     *trust.Memory
	agents  map[string]*simAgent
	plan    []crash
	seed    int64
	rnd     *rand.Rand
	log     []string
	unsafe  []string // what must never happen
	away    map[string]bool
	bound   map[string]string // fingerprint of the key to which a node is bound
	hit     int               // crashes that happened
	verb    bool
	byHand  bool                           // a cluster is made with pvecm, as a hand does it
	gate    bool                           // the step peers stands before the cluster
	facts   map[string]func(*status.Facts) // what the step peers is told otherwise
	onCall  func(from, to, method string)  // before the answer goes back
	ringOf  func(node string) status.RingView
	onPoint func(a *simAgent) // at each point of a process
	// more adds steps after proof.
	more func(a *simAgent, o cluster.Options, proof step.Step) []step.Step
}

func newSim(t testing.TB, seed int64) *sim { return newSimOf(t, seed, testProfile()) }

// newSimOf has a machine for each node of the profile.
func newSimOf(t testing.TB, seed int64, p *profiles.Profile) *sim {
	s := &sim{t: t, seed: seed, p: p, mem: trust.NewMemory(), agents: map[string]*simAgent{}, facts: map[string]func(*status.Facts){}, rnd: rand.New(rand.NewSource(seed)), away: map[string]bool{}}
	s.ringOf = s.cabled
	var specs []world.NodeSpec
	for _, n := range s.p.Nodes {
		var at []string
		for _, a := range s.p.Links(n) {
			at = append(at, a.String())
		}
		specs = append(specs, world.NodeSpec{Name: n.Name, Addresses: at})
	}
	s.w = tools.NewWorld(seed, specs...)
	for _, n := range s.p.Nodes {
		s.agents[n.Name] = &simAgent{s: s, name: n.Name, verdict: map[string]step.Verdict{}, profile: s.p}
	}
	return s
}

// cabled is a node's view of a ring in which each has a cable to each other one.
func (s *sim) cabled(node string) status.RingView {
	view := status.RingView{Whole: true}
	for _, o := range s.p.Others(node) {
		view.Ports = append(view.Ports, status.RingPort{Name: "to-" + o.Name, Peer: o.Name, PeerPort: "to-" + node, Alive: true, Proven: true})
	}
	return view
}

func (s *sim) now() time.Time { return s.w.Sim().Now() }

func (s *sim) logf(format string, args ...any) {
	line := fmt.Sprintf("%8.1f ", s.now().Sub(time.Date(2026, 11, 23, 0, 28, 0, 0, time.UTC)).Seconds()) + fmt.Sprintf(format, args...)
	s.log = append(s.log, line)
	if s.verb {
		s.t.Log(line)
	}
}

// assertWhole is called when a node says that it is done.
func (s *sim) assertWhole(node, what string) {
	raw, err := s.w.Node(node).Files().ReadFile("/etc/pve/corosync.conf")
	conf, err2 := world.ParseConf(raw)
	if err != nil || err2 != nil || len(conf.Nodes) != len(s.p.Nodes) {
		s.unsafe = append(s.unsafe, fmt.Sprintf("%s called %s done with %d nodes", node, what, len(conf.Nodes)))
	}
}

// runUntil runs until all agents are formed and have been for a while, or the
// limit has passed.
func (s *sim) runUntil(limit time.Duration, stop func() bool) bool {
	return s.w.Sim().RunUntil(s.now().Add(limit), stop)
}

func (s *sim) allFormed() bool {
	for _, a := range s.agents {
		if !a.alive || a.formed.IsZero() {
			return false
		}
	}
	return true
}

// close ends all agents, so that no goroutine is left.
func (s *sim) close() {
	for _, a := range s.agents {
		s.away[a.name] = true
		a.end()
	}
	s.runUntil(time.Hour, func() bool { return s.w.Sim().Living() == 0 })
	if n := s.w.Sim().Living(); n > 0 {
		s.t.Errorf("%d agents do not end", n)
	}
}

// violations are the things that must never happen.
func (s *sim) violations() []string {
	bad := append([]string(nil), s.unsafe...)
	for _, kind := range []string{"overlap", "overtaken", "expected", "database-lost", "gave-up", "second-founder", "create"} {
		for _, n := range s.w.Notes(kind) {
			if !s.byHand || kind != "create" {
				bad = append(bad, kind+": "+n)
			}
		}
	}
	return bad
}

// whole says what is not whole in the world, asked with other means than the agents'.
func (s *sim) whole() error {
	var conf string
	var same []byte
	for _, name := range s.w.Names() {
		q, ok := s.w.Node(name).Machine().Corosync()
		if !ok || !q.Quorate || len(q.Members) != len(s.p.Nodes) {
			return fmt.Errorf("corosync of %s: running %v, %+v", name, ok, q)
		}
		for _, file := range []string{"/etc/pve/corosync.conf", "/etc/corosync/corosync.conf"} {
			raw, err := s.w.Node(name).Files().ReadFile(file)
			if err != nil {
				return err
			}
			if conf == "" {
				conf = string(raw)
			}
			if string(raw) != conf {
				return fmt.Errorf("%s on %s differs", file, name)
			}
		}
		i, err := s.w.Node(name).Files().Lstat("/etc/corosync/authkey")
		if err != nil || i.Mode().Perm() != 0o400 || i.Size() != 256 {
			return fmt.Errorf("authkey on %s: %v", name, err)
		}
		key, err := s.w.Node(name).Files().ReadFile("/etc/corosync/authkey")
		if err != nil || len(same) > 0 && string(same) != string(key) {
			return fmt.Errorf("authkey on %s: another one than on %s (%v)", name, s.p.Nodes[0].Name, err)
		}
		same = key
		if _, err := s.w.Node(name).Files().Lstat("/etc/pve/nodes/" + name + "/ssh_known_hosts"); err != nil {
			return err
		}
		users, err := s.w.Node(name).Files().ReadFile("/etc/pve/user.cfg")
		if err != nil || strings.Count(string(users), "user:alice@pam:") != 1 {
			return fmt.Errorf("user.cfg on %s: %v %s", name, err, users)
		}
	}
	return nil
}

// tail is the end of the log, for a message.
func (s *sim) tail(n int) string {
	return strings.Join(s.log[max(0, len(s.log)-n):], "\n")
}
