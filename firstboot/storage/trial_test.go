package storage

import (
	"errors"
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/trial"
)

var update = flag.Bool("update", false, "write testdata anew")

// tried is a cluster on simulated machines, with agents that make its storage.
type tried struct {
	*trial.Trial
	t      *testing.T
	cephs  map[string]*Ceph
	has    map[string]*HA
	change func(node string, o *Options) // of an agent that starts
	idle   bool                          // the agents answer, and do nothing by themselves
}

// clustered has a cluster of all nodes and no storage yet.
func clustered(t *testing.T, p *profiles.Profile) *tried {
	t.Helper()
	c := &tried{t: t, cephs: map[string]*Ceph{}, has: map[string]*HA{}, change: func(string, *Options) {}}
	c.Trial = trial.New(p, func(m *trial.Machine) []step.Step {
		o := Options{Host: m.Host(), Profile: p, Node: m.Name, Agent: "1.0.0", Peers: m, Ring: func() status.RingView { return status.RingView{Whole: true} }}
		c.change(m.Name, &o)
		c.cephs[m.Name], c.has[m.Name] = NewCeph(o), NewHA(o)
		c.cephs[m.Name].Register(m.Answers())
		if c.idle {
			return nil
		}
		return []step.Step{c.cephs[m.Name], c.has[m.Name]}
	})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Furnish(c.World.Names()...); err != nil {
		t.Fatal(err)
	}
	if err := c.Cluster(); err != nil {
		t.Fatal(err)
	}
	return c
}

// stored has the storage, and agents that do nothing by themselves.
func stored(t *testing.T, p *profiles.Profile) *tried {
	t.Helper()
	c := clustered(t, p)
	c.Start()
	c.done(2 * time.Hour)
	c.halt()
	return c
}

// halt has the agents answer, and no more.
func (c *tried) halt() {
	c.idle = true
	c.Halt()
	c.Start()
}

func (c *tried) done(limit time.Duration) {
	c.t.Helper()
	if !c.Done(limit) {
		c.t.Fatalf("not done:\n%s", c.Story(c.World.Names()...))
	}
}

func (c *tried) rest(d time.Duration) { c.Until(d, func() bool { return false }) }

func (c *tried) golden(name, story string) {
	c.t.Helper()
	if err := trial.Told("testdata/"+name+".txt", story, *update); err != nil {
		c.t.Error(err)
	}
}

// says waits until a step of a node says something.
func (c *tried) says(node, step string, state step.State, want string) {
	c.t.Helper()
	is := func() bool {
		v := c.Machine(node).Verdict(step)
		return v.State == state && v.Reason == want
	}
	if !c.Until(30*time.Minute, is) {
		v := c.Machine(node).Verdict(step)
		c.t.Errorf("%s %s %v: %s\nnot %v: %s", node, step, v.State, v.Reason, state, want)
	}
}

// risks are what the steps of a node warn of.
func (c *tried) risks(node string) string {
	return strings.Join(append(c.Machine(node).Verdict("ceph").Risks, c.Machine(node).Verdict("ha").Risks...), "\n") + "\n"
}

func (c *tried) disks(node string, edit func(d []ceph.BlockDevice) []ceph.BlockDevice) {
	ceph.SetDisks(c.World.Node(node).Machine(), edit(trial.Disks(node))...)
}

// full is a profile that asks for all that storage can have.
func full() *profiles.Profile {
	p := trial.Profile()
	p.Ceph.CephFS, p.Ceph.OSDMemory, p.Ceph.TargetSizeRatio = true, profiles.AutoMemory, 0.8
	p.HA.Affinity = []profiles.Affinity{{Name: "apart", Kind: "resource", Affinity: "negative", Resources: []string{"vm:100", "vm:101"}}}
	return p
}

// What three nodes ask for storage, in which order, and what they say meanwhile.
func TestThreeNodesMakeTheirStorage(t *testing.T) {
	c := clustered(t, full())
	c.Start()
	c.done(2 * time.Hour)
	c.golden("storage", c.Story(c.World.Names()...)+"== risks\n"+c.risks("frege")+c.risks("russell"))
	if got := c.Limits()[methodCephLocal]; got != 40*time.Second {
		t.Errorf("how far a node is may take %v", got)
	}
	for _, s := range []interface{ Recheck() time.Duration }{c.cephs["frege"], c.has["frege"]} {
		if s.Recheck() != time.Minute {
			t.Errorf("a verdict keeps for %v", s.Recheck())
		}
	}
}

// What the system leaves of its disk becomes an OSD, encrypted, with packages of a mirror.
func TestOneDiskForSystemAndOSD(t *testing.T) {
	p := trial.Profile()
	p.Install.Size, p.Ceph.Encrypted, p.Proxmox.Mirror = 200, true, "http://10.203.3.5/proxmox"
	for i := range p.Nodes {
		p.Nodes[i].OSDDisks = profiles.DiskList{{Rest: true}}
	}
	c := clustered(t, p)
	for _, n := range c.World.Names() {
		c.disks(n, func(d []ceph.BlockDevice) []ceph.BlockDevice {
			d[0].System, d[0].Beneath = 200<<30, "ntfs"
			return d[:1]
		})
	}
	c.Start()
	c.done(2 * time.Hour)
	c.golden("rest", c.Story("frege", "wittgenstein"))
}

// Whatever fails once is told or listed, and the storage is made all the same.
func TestEveryFailureIsTold(t *testing.T) {
	c := clustered(t, full())
	trouble := &trial.Trouble{}
	c.Trouble = trouble
	c.Start()
	c.done(12 * time.Hour)
	c.golden("quiet", trouble.Quiet(c.Trial))
}

// Another machine takes the place of a lost one, with a new disk: what the lost
// one left in the cluster goes.
func TestAMachineTakesThePlaceOfALostOne(t *testing.T) {
	for _, node := range []string{"frege", "wittgenstein"} {
		c := stored(t, trial.Profile())
		c.change = func(n string, o *Options) {
			if n == node {
				o.Place, o.Heir = func() string { return node + " 2026-11-23" }, func() bool { return true }
			}
		}
		c.idle = false
		if err := errors.Join(c.Return(node), c.Furnish(node)); err != nil {
			t.Fatal(err)
		}
		c.Profile.Nodes[slices.IndexFunc(c.Profile.Nodes, func(n profiles.Node) bool { return n.Name == node })].OSDDisks[0].Serial = "NEW"
		c.disks(node, func(d []ceph.BlockDevice) []ceph.BlockDevice { d[1].Serial = "NEW"; return d })
		c.Start()
		c.done(2 * time.Hour)
		c.golden("place-"+node, c.Story(node))
	}
}
