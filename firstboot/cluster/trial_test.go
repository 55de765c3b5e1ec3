package cluster

import (
	"flag"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/trial"
)

var update = flag.Bool("update", false, "write testdata anew")

// whole3 is a cluster of three with all that the first node writes once.
func whole3() *profiles.Profile {
	p := plan3()
	p.Cluster.Keyboard, p.Cluster.Mail = "de", "root@example.net"
	p.Management.Prefix, p.Ring.Prefix = netip.MustParsePrefix("10.203.3.0/24"), netip.MustParsePrefix("10.203.4.0/24")
	p.Users = []profiles.User{{Name: "alice", FullName: "Alice", ProxmoxRole: "Administrator"}, {Name: "bob"}}
	return p
}

// tried are the agents of a profile on simulated machines, none started yet.
type tried struct {
	*trial.Trial
	t        *testing.T
	profile  *profiles.Profile // of an agent that starts
	idle     bool              // the agents answer, and do nothing by themselves
	clusters map[string]*Cluster
	proofs   map[string]*Proof
}

func try(t *testing.T, p *profiles.Profile) *tried {
	t.Helper()
	out := &tried{t: t, profile: p, clusters: map[string]*Cluster{}, proofs: map[string]*Proof{}}
	out.Trial = trial.New(p, func(m *trial.Machine) []step.Step {
		o := Options{Host: m.Host(), Profile: out.profile, Node: m.Name, Plan: "0123456789abcdef", Peers: m, Kick: m.Kick}
		c, proof := New(o), NewProof(o)
		c.Register(m.Answers())
		proof.Register(m.Answers())
		out.clusters[m.Name], out.proofs[m.Name] = c, proof
		if out.idle {
			return nil
		}
		return []step.Step{c, proof}
	})
	t.Cleanup(func() {
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	})
	return out
}

// formed is a cluster that is there.
func formed(t *testing.T, p *profiles.Profile) *tried {
	t.Helper()
	out := try(t, p)
	out.Start()
	out.done(10 * time.Minute)
	return out
}

func (c *tried) done(limit time.Duration) {
	c.t.Helper()
	if !c.Done(limit) {
		for _, name := range c.World.Names() {
			c.t.Logf("%s:\n%s", name, strings.Join(c.Machine(name).Log, "\n"))
		}
		c.t.Fatal("not formed")
	}
}

// golden holds what nodes did and said against the file of that name.
func (c *tried) golden(name string, nodes ...string) {
	c.t.Helper()
	if err := trial.Told("testdata/"+name+".txt", c.Story(nodes...), *update); err != nil {
		c.t.Error(err)
	}
}

// What three nodes ask of Proxmox VE, in which order, and what they say meanwhile.
func TestThreeNodesFormOneCluster(t *testing.T) {
	c := formed(t, whole3())
	c.golden("forming", "frege", "russell")
	for method, limit := range map[string]time.Duration{methodView: 4 * time.Second, methodKick: 4 * time.Second, methodKey: 40 * time.Second, methodProof: 20 * time.Second} {
		if got := c.Limits()[method]; got != limit {
			t.Errorf("an answer to %s is waited for %v, not %v", method, got, limit)
		}
	}
}

// Whatever fails once is told or listed, and keeps no node from its cluster.
func TestEveryFailureIsTold(t *testing.T) {
	c := try(t, whole3())
	c.Trouble = &trial.Trouble{Of: func(node, _ string) bool { return node != "wittgenstein" }}
	c.Start()
	c.done(3 * time.Hour)
	if err := trial.Told("testdata/quiet.txt", c.Trouble.Quiet(c.Trial), *update); err != nil {
		t.Error(err)
	}
}
