package matrix_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/cluster"
	"ringboot/profiles"
)

// formed returns a world in which the cluster is whole.
func formed(t *testing.T) *sim {
	t.Helper()
	s := newSim(t, 3)
	t.Cleanup(s.close)
	s.startAll()
	if !s.runUntil(10*time.Minute, s.allFormed) {
		t.Fatalf("not formed:\n%s", s.tail(50))
	}
	return s
}

// reinstall puts a fresh system on a node, with the new machine's own profile.
func (s *sim) reinstall(node string) {
	a := s.agents[node]
	s.away[node] = true
	s.powerCut(node, lost, time.Second)
	s.runUntil(time.Minute, func() bool { return false })
	p := *s.p
	p.Nodes = append([]profiles.Node(nil), s.p.Nodes...)
	a.profile = &p
	s.w.Reinstall(node)
	s.away[node] = false
	a.formed = time.Time{}
	a.start()
}

// admit lets a node hand out its key once more, as root's command does.
func (s *sim) admit(on, node string) { s.admitKey(on, node, "") }

// admitKey is admit with the fingerprint of the machine that root means.
func (s *sim) admitKey(on, node, fingerprint string) {
	a := s.agents[on]
	var err error
	s.w.Sim().Go("admit", func() { err = a.cluster.Admit(context.Background(), node, fingerprint) })
	s.runUntil(time.Second, func() bool { return false })
	if err != nil {
		s.t.Error(err)
	}
}

// giver is whom a new machine of a node asks.
func giver(node string) string {
	if node == "frege" {
		return "russell"
	}
	return "frege"
}

func refusal(node string) string {
	g := giver(node)
	return g + " hands the key of principia to no second machine of the name " + node + ": if a new one takes the place of a lost one, run firstboot admit " + node + " on " + g
}

// Each node, also the founder, comes back from repair with an empty disk: the
// key is handed to nobody under its name until root admits it, and then the
// machine takes the bytes that the others have.
func TestReplacedNodeFindsItsWayIn(t *testing.T) {
	for _, node := range []string{"frege", "russell", "wittgenstein"} {
		t.Run(node, func(t *testing.T) {
			s := formed(t)
			before, _ := s.w.Node(giver(node)).Files().ReadFile("/etc/pve/corosync.conf")
			s.reinstall(node)
			s.runUntil(5*time.Minute, func() bool { return false })
			if got := s.agents[node].status(); got != refusal(node) {
				t.Errorf("%s says %q, want %q", node, got, refusal(node))
			}
			if _, err := s.w.Node(node).Files().Lstat("/etc/corosync/authkey"); err == nil {
				t.Error("the key was handed out")
			}
			began := s.now()
			s.admit(giver(node), node)
			if !s.runUntil(10*time.Minute, s.allFormed) {
				t.Fatalf("not formed again:\n%s", s.tail(50))
			}
			t.Logf("in again after %v", s.now().Sub(began))
			if err := s.whole(); err != nil {
				t.Error(err)
			}
			for _, v := range s.violations() {
				t.Error(v)
			}
			if after, _ := s.w.Node(node).Files().ReadFile("/etc/pve/corosync.conf"); !bytes.Equal(before, after) {
				t.Errorf("the configuration was changed:\n%s", after)
			}
			if _, err := s.w.Node(giver(node)).Files().Lstat("/var/lib/ringboot/admit.json"); err == nil {
				t.Error("the admission is still there: it would count for the next machine, too")
			}
			// And now it has it: the next machine hears no again.
			s.reinstall(node)
			s.runUntil(5*time.Minute, func() bool { return false })
			if got := s.agents[node].status(); got != refusal(node) {
				t.Errorf("the second machine of %s says %q", node, got)
			}
		})
	}
}

// An admission is for one node and for half an hour.
func TestAdmissionEndsByItself(t *testing.T) {
	s := formed(t)
	s.admit("frege", "russell")
	s.reinstall("wittgenstein")
	s.runUntil(5*time.Minute, func() bool { return false })
	if got := s.agents["wittgenstein"].status(); got != refusal("wittgenstein") {
		t.Errorf("admitted was russell, and wittgenstein says %q", got)
	}
	s.away["wittgenstein"] = true // or it uses the admission up at once
	s.powerCut("wittgenstein", lost, time.Second)
	s.admit("frege", "wittgenstein")
	s.runUntil(31*time.Minute, func() bool { return false })
	s.away["wittgenstein"] = false
	s.reinstall("wittgenstein")
	s.runUntil(10*time.Minute, func() bool { return false })
	if got := s.agents["wittgenstein"].status(); got != refusal("wittgenstein") {
		t.Errorf("the admission was 31 minutes old, and wittgenstein says %q", got)
	}
}

// Root may mean one machine by its key: another one that is bound to the name
// gets nothing.
func TestAdmissionIsForOneKey(t *testing.T) {
	s := formed(t)
	s.bound = map[string]string{"wittgenstein": "of the lost one"}
	s.reinstall("wittgenstein")
	s.admitKey("frege", "wittgenstein", "of the new one")
	s.runUntil(5*time.Minute, func() bool { return false })
	if got := s.agents["wittgenstein"].status(); got != refusal("wittgenstein") {
		t.Errorf("another machine was admitted, and wittgenstein says %q", got)
	}
	s.bound["wittgenstein"] = "of the new one"
	if !s.runUntil(10*time.Minute, s.allFormed) {
		t.Fatalf("the machine that was meant is not in:\n%s", s.tail(40))
	}
}

// A seed that was copied asks a finished cluster for its key, as each node.
func TestAFinishedClusterHandsOutNoKey(t *testing.T) {
	s := formed(t)
	for _, as := range s.p.Nodes {
		for _, asked := range s.p.Others(as.Name) {
			for _, have := range []string{"", strings.Repeat("ab", 32)} {
				var got struct {
					Key           []byte
					Wait, Refused string
				}
				err := s.mem.Node(as.Name).Call(context.Background(), asked.Name, "cluster.key", map[string]string{"have": have}, &got)
				if err != nil || len(got.Key) > 0 || got.Wait+got.Refused == "" {
					t.Errorf("%s gives %d bytes to a second %s that shows %q: %q %v", asked.Name, len(got.Key), as.Name, have, got.Wait+got.Refused, err)
				}
			}
		}
	}
}

// A node that was off for long starts as it is: what never changes is never stale.
func TestALongAbsence(t *testing.T) {
	s := formed(t)
	s.away["russell"] = true
	s.powerCut("russell", kept, time.Second)
	s.runUntil(24*time.Hour, func() bool { return false })
	s.away["russell"] = false
	s.boot("russell")
	if !s.runUntil(5*time.Minute, func() bool { return s.allFormed() && s.whole() == nil }) {
		t.Fatalf("not whole again: %v\n%s", s.whole(), s.tail(40))
	}
	for _, v := range s.violations() {
		t.Error(v)
	}
}

// A node leaves while the cluster carries nothing, and comes back once it is admitted.
func TestLeaveAndComeBack(t *testing.T) {
	s := formed(t)
	a := s.agents["wittgenstein"]
	var err error
	gone := false
	s.w.Sim().Go("leave", func() {
		a.end()
		a.life++
		a.alive = true
		err = cluster.New(a.options(a.life)).Leave(context.Background())
		gone = true
	})
	s.runUntil(5*time.Minute, func() bool { return gone })
	if err != nil {
		t.Fatalf("%v\n%s", err, s.tail(20))
	}
	files := s.w.Node("wittgenstein").Files()
	for _, f := range []string{"/etc/pve/corosync.conf", "/etc/corosync/corosync.conf", "/etc/corosync/authkey"} {
		if _, err := files.Lstat(f); err == nil {
			t.Errorf("%s is still there", f)
		}
	}
	s.admit("frege", "wittgenstein")
	a.start()
	if !s.runUntil(10*time.Minute, func() bool { return s.allFormed() && s.whole() == nil }) {
		t.Fatalf("not formed again: %v\n%s", s.whole(), s.tail(40))
	}
}

// What the cluster carries is never left behind.
func TestLeaveIsRefusedWhenTheClusterCarriesSomething(t *testing.T) {
	for file, want := range map[string]string{
		"/etc/pve/ceph.conf":                        "the cluster carries something already: Ceph (/etc/pve/ceph.conf)",
		"/etc/pve/nodes/frege/qemu-server/100.conf": "the cluster carries something already: guests on frege (qemu-server/100)",
		"/etc/pve/ha/resources.cfg":                 "the cluster carries something already: HA resources (/etc/pve/ha/resources.cfg)",
	} {
		s := formed(t)
		if err := s.w.Node("russell").Files().WriteDirect(file, []byte("x\n")); err != nil {
			t.Fatal(err)
		}
		a := s.agents["russell"]
		err := cluster.New(a.options(a.life)).Leave(context.Background())
		if !errors.Is(err, cluster.ErrCarries) || err.Error() != want {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
	}
}
