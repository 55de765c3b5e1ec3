package gate

import (
	"context"
	"strings"
	"testing"

	"ringboot/firstboot/step"
)

// packages are those of a node that has newer ones to get, or not.
type packages struct {
	first, behind bool
	made          int
	stuck         string
}

func (p *packages) Due(behind bool) bool { return p.first || behind && p.behind }
func (p *packages) Stuck() string        { return p.stuck }
func (p *packages) Make(context.Context) error {
	p.made++
	p.first = false
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
