package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/settled"
	"ringboot/profiles"
	"ringboot/rehearsal/trial"
)

// admit lets a new machine of a node in, as root does on a member.
func (c *tried) admit(on, node, fingerprint string) {
	c.t.Helper()
	if err := c.Do(func() error { return c.clusters[on].Admit(c.t.Context(), node, fingerprint) }); err != nil {
		c.t.Fatal(err)
	}
}

// rest lets time pass.
func (c *tried) rest(d time.Duration) { c.Until(d, func() bool { return false }) }

// says fails unless a step of a node says something.
func (c *tried) says(node, step, want string) {
	c.t.Helper()
	if got := c.Machine(node).Verdict(step).Reason; got != want {
		c.t.Errorf("%s says of %s: %s\nnot: %s", node, step, got, want)
	}
}

// settle marks nodes as those whose builder has left.
func (c *tried) settle(nodes ...string) {
	c.t.Helper()
	for _, n := range nodes {
		if err := settled.Write(c.World.Node(n).Files(), settled.Mark{Node: n, At: c.World.Sim().Now(), Steps: map[string]string{}}); err != nil {
			c.t.Fatal(err)
		}
	}
}

// forget begins the stories anew.
func (c *tried) forget() {
	for _, n := range c.World.Names() {
		c.Machine(n).Log = nil
	}
}

// exists reports whether a file lies on a node.
func (c *tried) exists(node, file string) bool {
	_, err := c.World.Node(node).Files().Lstat(file)
	return err == nil
}

// Another machine in the place of a member gets nothing until root lets it in,
// and then what the lost one had; the admission is used up.
func TestAMachineTakesThePlaceOfALostOne(t *testing.T) {
	for node, giver := range map[string]string{"frege": "russell", "wittgenstein": "frege"} {
		c := formed(t, whole3())
		c.forget()
		c.Replace(node)
		c.rest(time.Minute)
		c.says(node, "cluster", giver+" hands the key of principia to no second machine of the name "+node+": if a new one takes the place of a lost one, run firstboot admit "+node+" on "+giver)
		c.admit(giver, node, "")
		c.done(10 * time.Minute)
		c.golden("place-"+node, node, giver)
		files := c.World.Node(node).Files()
		if !strings.HasPrefix(Taken(files), node+" 2026-") || Heir(files) || c.exists(giver, admitFile) {
			t.Errorf("%s: taken %q, heir %v, admission left %v", node, Taken(files), Heir(files), c.exists(giver, admitFile))
		}
		if v, err := c.proofs[node].Check(t.Context()); err != nil || v.Reason != "3 nodes see each other over both links, /etc/pve is the same on all" {
			t.Errorf("%v %v", v, err)
		}
	}
}

// Whoever comes to a finished cluster writes nothing that is its owner's by now.
func TestAnHeirWritesNothing(t *testing.T) {
	c := formed(t, whole3())
	c.settle("russell", "wittgenstein")
	c.forget()
	c.Replace("frege")
	c.admit("russell", "frege", "")
	c.done(10 * time.Minute)
	if !Heir(c.World.Node("frege").Files()) {
		t.Error("frege does not know that the cluster was finished")
	}
	if story := c.Story("frege"); strings.Contains(story, "pveum") || strings.Contains(story, "pvesh set") || strings.Contains(story, "firewall") {
		t.Errorf("frege writes what is the owner's:\n%s", story)
	}
}

// Whatever fails once while a machine takes a place is told or listed.
func TestEveryFailureOfANewMachineIsTold(t *testing.T) {
	c := formed(t, whole3())
	c.settle("frege", "russell", "wittgenstein")
	c.Trouble = &trial.Trouble{Of: func(node, what string) bool {
		return node == "wittgenstein" && !strings.HasPrefix(what, "read") && !strings.HasPrefix(what, "list")
	}}
	c.Replace("wittgenstein")
	c.admit("frege", "wittgenstein", "")
	c.done(3 * time.Hour)
	if got, want := c.Trouble.Quiet(c.Trial), quietOfAPlace; got != want {
		t.Errorf("not told:\n%s", got)
	}
}

// The next look asks again.
const quietOfAPlace = `wittgenstein: ask frege cluster.kick
wittgenstein: ask frege cluster.view
wittgenstein: run corosync-quorumtool -s
`

// An admission is for one node, one key and half an hour.
func TestWhomAnAdmissionLetsIn(t *testing.T) {
	c := formed(t, whole3())
	a := Admitted{c.Machine("frege").Host()}
	if a.Open() || a.Admits("russell", "") {
		t.Error("nobody was admitted, and somebody is")
	}
	c.admit("frege", "russell", "")
	for name, is := range map[string]bool{
		"russell": a.Admits("russell", "anybody's"), "not wittgenstein": !a.Admits("wittgenstein", "anybody's"), "open": a.Open(),
	} {
		if !is {
			t.Errorf("admitted is russell: not so: %s", name)
		}
	}
	c.admit("frege", "russell", "mine")
	if a.Admits("russell", "another") || a.Admits("russell", "") || !a.Admits("russell", "mine") {
		t.Error("the admission is for the key mine alone")
	}
	for _, n := range c.World.Names() {
		c.Machine(n).End()
	}
	c.rest(30*time.Minute - time.Second)
	if !a.Admits("russell", "mine") {
		t.Error("it ends before half an hour")
	}
	c.rest(time.Second)
	if a.Open() || a.Admits("russell", "mine") {
		t.Error("it holds for longer than half an hour")
	}
	if err := c.World.Node("frege").Files().WriteFile(admitFile, []byte("{"), 0o600); err != nil || a.Open() || a.Admits("", "") {
		t.Errorf("half a file admits somebody (%v)", err)
	}
	blank := try(t, whole3())
	blank.Start()
	blank.Machine("frege").End()
	if err := blank.clusters["russell"].Admit(t.Context(), "frege", ""); err == nil || err.Error() != "russell is in no cluster yet: admit frege on a member" {
		t.Errorf("a node that is no member admits: %v", err)
	}
}

// A node that leaves is as the installer left it, and goes while nothing is lost.
func TestANodeLeaves(t *testing.T) {
	c := formed(t, whole3())
	leave := func(node string) error {
		return c.Do(func() error { return c.clusters[node].Leave(t.Context()) })
	}
	for _, n := range c.World.Names() {
		c.Machine(n).End()
		c.Machine(n).Log = nil
	}
	o := Options{Host: c.Machine("russell").Host(), Profile: c.profile, Node: "russell", Peers: c.Machine("russell")}
	c.clusters["russell"] = New(o)
	c.World.Node("russell").AddGuest("100")
	if err := leave("russell"); err == nil || err.Error() != "the cluster carries something already: guests on russell (qemu-server/100)" {
		t.Errorf("with a guest: %v", err)
	}
	if err := c.World.Node("russell").Files().Remove("/etc/pve/nodes/russell/qemu-server/100.conf"); err != nil {
		t.Fatal(err)
	}
	foreign := *c.profile
	foreign.Cluster.Name = "homelab"
	o.Profile = &foreign
	if err := New(o).Leave(t.Context()); err == nil || err.Error() != "russell is in the cluster principia, which is not Ringboot's: nothing was changed" {
		t.Errorf("another cluster: %v", err)
	}
	if len(c.Machine("russell").Log) > 0 {
		t.Errorf("what may not leave was touched: %s", c.Story("russell"))
	}
	for range 2 { // where nothing is left, nothing is done
		if err := leave("russell"); err != nil {
			t.Fatal(err)
		}
	}
	c.golden("leaving", "russell")
	if v := c.clusters["russell"].look(); !v.Mounted || v.Name+v.HostName+v.Key != "" || c.exists("russell", HeirFile) {
		t.Errorf("russell still has %+v", v)
	}
}

// A cluster grows by a node under quorum, with its entry first and its vote last.
func TestAClusterGrowsByANode(t *testing.T) {
	p := whole3()
	p.Nodes[2].Added = true
	few := *p
	few.Nodes = slices.Clone(p.Nodes[:2])
	c := try(t, p)
	c.profile = &few
	members := []string{"frege", "russell"}
	for _, n := range members {
		c.Machine(n).Start()
	}
	formed := func() bool {
		return !slices.ContainsFunc(members, func(n string) bool { return c.Machine(n).Verdict(profiles.StepProof).State != 1 })
	}
	if !c.Until(10*time.Minute, formed) {
		t.Fatal("two nodes form no cluster")
	}
	c.settle(members...)
	c.forget()
	c.profile = p
	c.Start()
	c.rest(time.Minute)
	c.says("wittgenstein", "cluster", "frege hands the key of principia to no added wittgenstein that root has not admitted: run firstboot admit wittgenstein on frege")
	c.admit("frege", "wittgenstein", "")
	c.done(30 * time.Minute)
	c.golden("growing", "wittgenstein", "frege", "russell")
}
