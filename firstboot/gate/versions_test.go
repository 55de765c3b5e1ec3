package gate

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
)

// packages are those of a node that has newer ones to get, or not.
type packages struct {
	first, behind bool
	made          int
	stuck         string
	set           map[string]string
}

func (p *packages) Due(behind bool) bool { return p.first || behind && p.behind }
func (p *packages) Stuck() string        { return p.stuck }
func (p *packages) Make(_ context.Context, set map[string]string) error {
	p.made++
	p.first, p.behind, p.set = false, false, set
	return nil
}

func TestKernelsAndOldPackagesAreRisks(t *testing.T) {
	w := newGateWorld()
	w.facts["wittgenstein"].Versions["kernel"] = "6.17.4-1-pve"
	w.step.o.Packages = &packages{stuck: "no network"}
	v, err := w.step.Check(t.Context())
	if err != nil || v.State != step.Done {
		t.Fatalf("%v %s: %v", v.State, v.Reason, err)
	}
	for _, want := range []string{
		"kernels differ: frege runs 6.17.2-1-pve, wittgenstein runs 6.17.4-1-pve: restart the node with the older one when it suits",
		"the packages of frege may not be the newest (no network): update the nodes one after the other when the cluster is up",
	} {
		if !strings.Contains(strings.Join(v.Risks, "\n"), want) {
			t.Errorf("no risk %q in %q", want, v.Risks)
		}
	}
}

func TestPackagesComeBeforeThePeers(t *testing.T) {
	w := newGateWorld()
	p := &packages{first: true}
	w.step.o.Packages = p
	for _, name := range []string{"russell", "wittgenstein"} {
		w.net.Remove(name)
	}
	if v, err := w.step.Check(t.Context()); err != nil || v.State != step.Todo {
		t.Fatalf("%v %s: %v", v.State, v.Reason, err)
	}
	if err := w.step.Apply(t.Context()); err != nil || p.made != 1 {
		t.Fatalf("made %d times: %v", p.made, err)
	}
	if v, err := w.step.Check(t.Context()); err != nil || v.State != step.Waiting {
		t.Errorf("afterwards: %v %s: %v", v.State, v.Reason, err)
	}
	w.facts["frege"].Cluster, p.first = "principia", true
	if v, err := w.step.Check(t.Context()); err != nil || v.State != step.Done {
		t.Errorf("a member is never updated by itself: %v %s: %v", v.State, v.Reason, err)
	}
}

// A machine that comes into a cluster takes over what its members have, newer or
// older, and nothing before they have said it. What cannot be had is a risk, with
// its reason: the cluster cannot be upgraded before the machine is in.
func TestANewMachineTakesOverTheSetOfTheCluster(t *testing.T) {
	w := newGateWorld()
	p := &packages{first: true, behind: true}
	w.step.o.Packages = p
	w.facts["frege"].Versions["pve-manager"], w.facts["frege"].Versions["corosync"] = "9.2.14", "3.1.9-pve1"
	for _, name := range []string{"russell", "wittgenstein"} {
		w.facts[name].Cluster = "principia"
		w.net.Remove(name)
	}
	w.peers = []status.PeerStatus{{Node: "russell", Seen: status.State{OK: true}, Phase: status.PhaseFormed}}
	if v, err := w.step.Check(t.Context()); err != nil || v.State != step.Waiting || !strings.HasPrefix(v.Reason, "have 1/3, missing russell") {
		t.Fatalf("before a member says what it has: %v %s: %v", v.State, v.Reason, err)
	}
	fresh := newGateWorld()
	fresh.facts, fresh.step.o.Packages = w.facts, p
	fresh.step.o.Facts = w.step.o.Facts
	for name := range w.facts {
		fresh.net.Node(name).Handle(trust.MethodFacts, func(context.Context, string, json.RawMessage) (any, error) {
			f := *w.facts[name]
			f.Time = fresh.clock
			return f, nil
		})
	}
	w.facts["frege"].Time = fresh.clock
	v, err := fresh.step.Check(t.Context())
	want := "versions differ: corosync want 3.1.10-pve3 (russell), have 3.1.9-pve1 (frege); pve-manager want 9.2.11 (russell), have 9.2.14 (frege): this node takes over the packages of the cluster"
	if err != nil || v.State != step.Todo || v.Reason != want {
		t.Fatalf("%v %s: %v", v.State, v.Reason, err)
	}
	if err := fresh.step.Apply(t.Context()); err != nil || p.made != 1 || p.set["pve-manager"] != "9.2.11" || p.set["corosync"] != "3.1.10-pve3" || len(p.set) != 2 {
		t.Fatalf("made %d times, to %v: %v", p.made, p.set, err)
	}
	w.facts["frege"].Versions["corosync"] = "3.1.10-pve3"
	p.stuck = "the package sources have no pve-manager 9.2.11 any more, and 9.2.14 is here"
	v, err = fresh.step.Check(t.Context())
	risk := "newer than the cluster: pve-manager want 9.2.11 (russell), have 9.2.14 (frege) (the package sources have no pve-manager 9.2.11 any more, and 9.2.14 is here): firstboot upgrade brings the other nodes to it when all are members"
	if err != nil || v.State != step.Done || len(v.Risks) != 1 || v.Risks[0] != risk {
		t.Errorf("%v %s %q: %v", v.State, v.Reason, v.Risks, err)
	}
}
