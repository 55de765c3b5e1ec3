package acceptance

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"ringboot/firstboot/step"
	"ringboot/firstboot/storage"
	"ringboot/firstboot/throughput"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// The drills run on a node that is not cut.
func TestWhoseTurnItIs(t *testing.T) {
	for _, c := range []struct{ victim, cut, runs, chain string }{
		{"", "wittgenstein", "frege", ""},
		{"frege", "frege", "russell", ""},
		{"russell", "russell", "frege", ""},
		{"", "wittgenstein", "frege", "russell"},
		{"", "russell", "frege", "wittgenstein"}, // without the middle of a chain nobody has storage
		{"frege", "frege", "russell", "wittgenstein"},
	} {
		p := &profiles.Profile{Nodes: []profiles.Node{{Name: "frege"}, {Name: "russell"}, {Name: "wittgenstein"}}}
		p.Acceptance.Victim, p.Ring.Chain = c.victim, c.chain
		if v, r := victimOf(p), CoordinatorOf(p); v != c.cut || r != c.runs {
			t.Errorf("victim %q: %s is cut and %s runs the drills, want %s and %s", c.victim, v, r, c.cut, c.runs)
		}
	}
}

// Nobody tries what would take the storage away from all.
func TestTheMiddleOfAChainIsNotCut(t *testing.T) {
	p := &profiles.Profile{Nodes: []profiles.Node{{Name: "frege"}, {Name: "russell"}, {Name: "wittgenstein"}}, Ceph: profiles.Ceph{Enabled: true}, HA: profiles.HA{Enabled: true}}
	p.Ring.Chain = "russell"
	s := &Accept{o: storage.Options{Profile: p, Node: "frege"}}
	const want = "russell is the middle of the chain: while it is down the others reach no storage, and no guest comes back; name an end of it"
	if err := s.sensible(Again{Drills: []string{PowerCut}, Victim: "russell"}); fault.Of(err) != fault.Refused || err.Error() != want {
		t.Errorf("the middle: %v", err)
	}
	if err := s.sensible(Again{Drills: []string{PowerCut}, Victim: "wittgenstein"}); err != nil {
		t.Errorf("an end: %v", err)
	}
}

// before is a step that only has a name.
type before string

func (b before) Name() string                              { return string(b) }
func (before) Check(context.Context) (step.Verdict, error) { return step.IsDone(""), nil }
func (before) Apply(context.Context) error                 { return nil }

// What stands before the proof has been looked at when the cluster is proven.
func TestTheAcceptanceAsksForWhatCameAfterTheProof(t *testing.T) {
	var s Accept
	for _, c := range []struct{ before, want []string }{
		{[]string{profiles.StepRing, profiles.StepProof, profiles.StepCeph, profiles.StepHA}, []string{profiles.StepCeph, profiles.StepHA}},
		{[]string{profiles.StepCeph, profiles.StepHA}, []string{profiles.StepCeph, profiles.StepHA}}, // said anew, nothing is asked twice
	} {
		var steps []step.Step
		for _, name := range c.before {
			steps = append(steps, before(name))
		}
		s.Follow(steps)
		var asked []string
		for _, b := range s.before {
			asked = append(asked, b.Name())
		}
		if !slices.Equal(asked, c.want) {
			t.Errorf("after %q it asks for %q, want %q", c.before, asked, c.want)
		}
	}
}

// opened are the links of a node, as far as they were opened.
type opened struct {
	LinkTester
	from []netip.Addr
}

func (o *opened) Serve(_ context.Context, _, from netip.Addr, _ throughput.Token) (netip.AddrPort, error) {
	o.from = append(o.from, from)
	return netip.AddrPort{}, nil
}

// A peer says how long its measurement takes, and not longer than a minute.
func TestHowLongAPeerMayMeasure(t *testing.T) {
	links := &opened{}
	s := &Accept{links: links}
	s.o.Node, s.o.Profile = "frege", &profiles.Profile{Nodes: []profiles.Node{{Name: "frege", Ring: netip.MustParseAddr("192.0.2.11")}, {Name: "russell", Ring: netip.MustParseAddr("192.0.2.12")}}}
	for seconds, ok := range map[int]bool{-1: false, 0: false, 1: true, 60: true, 61: false} {
		_, err := s.listen(t.Context(), listenOrder{From: "192.0.2.12", Seconds: seconds, Token: newToken()})
		if (err == nil) != ok {
			t.Errorf("%d seconds: %v", seconds, err)
		}
	}
	if _, err := s.listen(t.Context(), listenOrder{From: "frege", Seconds: 5, Token: newToken()}); err == nil {
		t.Error("an address that is none opens a port")
	}
	for name, o := range map[string]listenOrder{"a stranger": {From: "192.0.2.99", Seconds: 5, Token: newToken()}, "half a token": {From: "192.0.2.12", Seconds: 5, Token: newToken()[:8]}} {
		if _, err := s.listen(t.Context(), o); err == nil {
			t.Errorf("%s opens a port", name)
		}
	}
	for name, o := range map[string]measureOrder{"a stranger": {To: "192.0.2.99:5201", Seconds: 5, Token: newToken()}, "half a token": {To: "192.0.2.12:5201", Seconds: 5}, "an hour": {To: "192.0.2.12:5201", Seconds: 3600, Token: newToken()}} {
		if _, err := s.measure(t.Context(), o); err == nil {
			t.Errorf("%s is measured with", name)
		}
	}
	if len(links.from) != 2 {
		t.Errorf("opened for %v", links.from)
	}
}
