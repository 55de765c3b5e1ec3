package matrix_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	world "ringboot/rehearsal/sim"
)

// exec types a command on a node and lets time pass until it has ended.
func (s *sim) exec(node, line string) {
	s.t.Helper()
	ended := false
	s.w.Sim().Go("hand", func() {
		res, err := s.w.Exec(context.Background(), node, strings.Fields(line), nil, nil, 5*time.Minute)
		if err != nil || res.Code != 0 {
			s.t.Errorf("%s on %s: %v %d %s", line, node, err, res.Code, res.Stderr)
		}
		ended = true
	})
	s.runUntil(10*time.Minute, func() bool { return ended })
}

// lose removes files of a node as if they had never reached its disk.
func (s *sim) lose(node string, files ...string) {
	s.t.Helper()
	for _, f := range files {
		if err := s.w.Node(node).Files().Remove(f); err != nil {
			s.t.Fatal(err)
		}
	}
	_ = s.w.Node(node).Files().Sync()
}

const (
	keyAt  = "/etc/corosync/authkey"
	confAt = "/etc/corosync/corosync.conf"
	dbAt   = "/var/lib/pve-cluster/config.db"
)

// planConf is the configuration of testProfile, written by the stand-in.
func planConf() world.Conf {
	c := world.Conf{Name: "principia", Version: 3, Links: []world.ConfLink{{Number: 0, Priority: 20}, {Number: 1, Priority: 10}}}
	for i, n := range testProfile().Nodes {
		c.Nodes = append(c.Nodes, world.ConfNode{Name: n.Name, ID: i + 1, Votes: 1, Addr: []string{n.Address.String(), n.Ring.String()}})
	}
	return c
}

// partial is half of a state, into which a power cut or a hand may bring nodes.
type partial struct {
	name  string
	after string       // the founding is stopped before this point of the node
	node  string       //
	then  func(s *sim) // with all agents down
	admit string       // who must be admitted to come back, "" if nobody
}

func partials() []partial {
	return []partial{
		{name: "founder with its key alone", node: "frege", after: "write " + keyAt},
		{name: "founder with key and configuration, not started", node: "frege", after: "write " + confAt},
		{name: "founder without its directories", node: "frege", after: "write " + keyAt, then: func(s *sim) {
			// As if only the file had reached the disk.
			_ = s.w.Node("frege").Files().WriteFile("/etc/pve/corosync.conf", planConf().Text(), 0o640)
			_ = s.w.Node("frege").Files().Sync()
		}},
		{name: "joiner with its key alone", node: "russell", after: "write " + keyAt},
		{name: "joiner with its configuration alone", node: "russell", after: "write " + confAt, then: func(s *sim) { s.lose("russell", keyAt) }, admit: "russell"},
		{name: "joiner with key and configuration and the old database", node: "russell", after: "write " + confAt},
		{name: "joiner with the database gone and not started", node: "wittgenstein", after: "remove " + dbAt},
		{name: "a torn key on a joiner", node: "russell", after: "write " + confAt, then: func(s *sim) {
			_ = s.w.Node("russell").Files().WriteFile(keyAt, make([]byte, 100), 0o400)
		}, admit: "russell"},
		{name: "a torn configuration on a joiner", node: "russell", after: "write " + confAt, then: func(s *sim) {
			_ = s.w.Node("russell").Files().WriteFile(confAt, []byte("totem {\n  cluster_na"), 0o644)
		}},
	}
}

// Half of any state heals by the same few actions, also when each node loses
// its power once more while it heals, and whichever node comes last.
func TestPartialStatesHeal(t *testing.T) {
	for _, p := range partials() {
		for _, cut := range []string{"", "frege", "russell", "wittgenstein"} {
			for _, last := range []string{"", "frege", "wittgenstein"} {
				t.Run(fmt.Sprintf("%s, power of %q cut, %q comes last", p.name, cut, last), func(t *testing.T) { p.try(t, cut, last) })
			}
		}
	}
}

func (p partial) try(t *testing.T, cut, last string) {
	s := newSim(t, 7)
	defer s.close()
	s.startAll()
	a := s.agents[p.node]
	if !s.runUntil(time.Minute, func() bool { return len(a.trace) > 0 && contains(a.trace, p.after) }) {
		t.Fatalf("%s never came to %q: %v", p.node, p.after, a.trace)
	}
	for _, n := range s.p.Nodes {
		s.away[n.Name] = true
		s.powerCut(n.Name, lost, time.Second)
	}
	s.runUntil(10*time.Second, func() bool { return false })
	for _, n := range s.p.Nodes {
		s.away[n.Name] = n.Name == last
		s.w.Boot(n.Name, nil)
	}
	if p.then != nil {
		p.then(s)
	}
	s.startAll()
	if cut != "" && cut != last {
		s.runUntil(4*time.Second, func() bool { return false })
		s.powerCut(cut, lost, bootTime)
	}
	s.runUntil(2*time.Minute, func() bool { return false })
	if last != "" {
		s.away[last] = false
		s.agents[last].start()
	}
	s.runUntil(2*time.Minute, s.allFormed)
	if p.admit != "" {
		for _, n := range []string{"frege"} {
			if s.w.Node(n).Powered() && s.agents[n].alive && !s.allFormed() {
				s.admit(n, p.admit)
			}
		}
	}
	if !s.runUntil(10*time.Minute, s.allFormed) {
		t.Fatalf("not formed:\n%s", s.tail(40))
	}
	if err := s.whole(); err != nil {
		t.Error(err)
	}
	for _, v := range s.violations() {
		t.Error(v)
	}
}

func contains(trace []string, point string) bool {
	for _, p := range trace {
		if p == point {
			return true
		}
	}
	return false
}

// A cluster that was made by hand, one join after the other and with other
// bytes than ours, is known by what it means, and nothing of it is changed; a
// machine that takes a lost one's place takes its bytes.
func TestAClusterMadeByHandIsLeftAsItIs(t *testing.T) {
	s := newSim(t, 4)
	defer s.close()
	s.byHand = true
	s.exec("frege", "pvecm create principia --nodeid 1 --link0 10.203.3.11,priority=5 --link1 10.203.4.11,priority=1")
	s.runUntil(10*time.Second, func() bool { return false })
	for i, n := range []string{"russell", "wittgenstein"} {
		id := string(rune('2' + i))
		s.exec("frege", "pvecm addnode "+n+" --nodeid "+id+" --link0 10.203.3.1"+id+" --link1 10.203.4.1"+id+" --apiversion 1")
		for _, f := range []string{keyAt, "/etc/pve/corosync.conf"} {
			raw, err := s.w.Node("frege").Files().ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			_ = s.w.Node(n).Files().WriteFile(map[string]string{keyAt: keyAt, "/etc/pve/corosync.conf": confAt}[f], raw, 0o400)
		}
		s.exec(n, "systemctl stop pve-cluster")
		s.exec(n, "sqlite3 /var/lib/pve-cluster/config.db .dump")
		s.lose(n, dbAt)
		s.exec(n, "systemctl start corosync pve-cluster")
		s.runUntil(15*time.Second, func() bool { return false })
		s.exec(n, "pvecm updatecerts --force")
	}
	// Once more by hand, so that version and order are nobody's default.
	s.exec("frege", "pvecm addnode russell --nodeid 2 --link0 10.203.3.12 --link1 10.203.4.12 --apiversion 1 --force 1")
	s.runUntil(20*time.Second, func() bool { return false })
	before, _ := s.w.Node("frege").Files().ReadFile("/etc/pve/corosync.conf")
	if !strings.Contains(string(before), "config_version: 4") {
		t.Fatalf("the hand made:\n%s", before)
	}
	s.exec("frege", "pvecm updatecerts --force")
	for _, n := range s.p.Nodes {
		_ = s.w.Node(n.Name).Files().Sync()
	}
	database := s.w.Notes("database-lost")
	s.startAll()
	if !s.runUntil(10*time.Minute, s.allFormed) {
		t.Fatalf("not recognised:\n%s", s.tail(40))
	}
	s.reinstall("wittgenstein")
	s.runUntil(2*time.Minute, func() bool { return false })
	s.admit("frege", "wittgenstein")
	if !s.runUntil(10*time.Minute, s.allFormed) {
		t.Fatalf("the new machine is not in:\n%s", s.tail(40))
	}
	if err := s.whole(); err != nil {
		t.Error(err)
	}
	if after, _ := s.w.Node("wittgenstein").Files().ReadFile(confAt); string(after) != string(before) {
		t.Errorf("the configuration was changed:\n%s", after)
	}
	if got := s.w.Notes("gave-up"); len(got) > 0 || len(s.w.Notes("database-lost")) != len(database) {
		t.Errorf("%v %v", got, s.w.Notes("database-lost"))
	}
}

// What contradicts the plan is named, and left.
func TestAClusterThatContradictsThePlanIsLeft(t *testing.T) {
	for sentence, change := range map[string][2]string{
		"the cluster principia lists russell with id 7, 10.203.3.12 and 10.203.4.12, the profile with id 2, 10.203.3.12 and 10.203.4.12: correct the profile or the cluster": {"nodeid: 2", "nodeid: 7"},
		"corosync of the cluster principia is not encrypted: set secauth: on in /etc/pve/corosync.conf, by Proxmox's rules for editing it":                                   {"secauth: on", "secauth: off"},
		"the cluster principia has grown beyond the profile by goedel: nothing is done there any more; add the node to the profile, or leave this cluster to itself":         {"name: wittgenstein", "name: goedel"},
	} {
		s := formed(t)
		raw, _ := s.w.Node("frege").Files().ReadFile("/etc/pve/corosync.conf")
		edited := strings.Replace(strings.Replace(string(raw), change[0], change[1], 1), "config_version: 3", "config_version: 4", 1)
		if err := s.w.Node("frege").Files().WriteDirect("/etc/pve/corosync.conf", []byte(edited)); err != nil {
			t.Fatal(err)
		}
		s.runUntil(time.Hour, func() bool { return s.agents["frege"].status() == sentence })
		if got := s.agents["frege"].status(); got != sentence {
			t.Errorf("frege says %q, want %q", got, sentence)
		}
		if after, _ := s.w.Node("frege").Files().ReadFile("/etc/pve/corosync.conf"); string(after) != edited {
			t.Errorf("the edited file was changed:\n%s", after)
		}
	}
}

// Two joiners that have key and configuration begin without the founder, whose
// content is theirs no more: one of them makes the CA and the other waits for
// it. The founder comes last.
func TestTwoJoinersWithoutTheFounderMakeOneCA(t *testing.T) {
	for seed := range int64(12) {
		s := newSim(t, seed)
		defer s.close()
		s.startAll()
		if !s.runUntil(time.Minute, func() bool {
			return contains(s.agents["russell"].trace, "write "+confAt) && contains(s.agents["wittgenstein"].trace, "write "+confAt)
		}) {
			t.Fatalf("the joiners got nothing:\n%s", s.tail(40))
		}
		s.away["frege"] = true
		for _, n := range s.p.Nodes {
			s.powerCut(n.Name, lost, bootTime)
		}
		alone := "principia has 2 of 3 nodes: frege does not answer at 10.203.3.11 (connect frege: no route to host): switch it on and check its cables"
		if !s.runUntil(10*time.Minute, func() bool {
			return s.agents["russell"].status() == alone && s.agents["wittgenstein"].status() == alone
		}) {
			t.Fatalf("seed %d: the two have no certificates of one CA:\n%s", seed, s.tail(40))
		}
		s.away["frege"] = false
		s.boot("frege")
		if !s.runUntil(10*time.Minute, s.allFormed) {
			t.Fatalf("seed %d: not formed:\n%s", seed, s.tail(40))
		}
		if err := s.whole(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		for _, v := range s.violations() {
			t.Errorf("seed %d: %s", seed, v)
		}
	}
}
