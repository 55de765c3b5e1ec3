package acceptance

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/storage"
	"ringboot/profiles"
	"ringboot/rehearsal/trial"
)

// A coordinator whose disk is new goes on from what its peers remember, or for a
// new machine begins the drills that harm nobody.
func TestWhatANewCoordinatorBegins(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s, at := c.accepts["frege"], time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	remember := func(node string, r *Record) {
		t.Helper()
		if err := c.accepts[node].forget(); err != nil {
			t.Fatal(err)
		}
		if r == nil {
			return
		}
		if r.Version = recordVersion; c.accepts[node].save(r) != nil {
			t.Fatal("not saved")
		}
	}
	begin := func() *Record {
		t.Helper()
		if err := s.forget(); err != nil {
			t.Fatal(err)
		}
		var r *Record
		if err := c.Do(func() (err error) { r, err = s.begin(t.Context()); return err }); err != nil {
			t.Fatal(err)
		}
		if kept := c.record("frege"); kept.Run != r.Run {
			t.Errorf("it keeps %s and goes on with %s", kept.Run, r.Run)
		}
		return r
	}
	if r := begin(); r.Run != c.World.Sim().Now().UTC().Format("20060102T150405Z") || r.Coordinator != "frege" || r.Only != nil {
		t.Errorf("nobody remembers: %+v", r)
	}
	remember("russell", &Record{Run: "older", Started: at})
	remember("wittgenstein", &Record{Run: "newer", Started: at.Add(time.Second), Done: true})
	if r := begin(); r.Run != "newer" || !r.Done {
		t.Errorf("the newer of two: %+v", r)
	}
	remember("russell", &Record{Run: "newest", Started: at.Add(time.Hour)})
	if r := begin(); r.Run != "newest" {
		t.Errorf("the newer of two: %+v", r)
	}
	c.place["frege"] = "frege 2026-11-23T02:00:00Z"
	if r := begin(); r.Run != "newest" {
		t.Errorf("one that is under way: %+v", r)
	}
	remember("russell", nil)
	if r := begin(); r.Run == "newer" || r.For != c.place["frege"] || strings.Join(r.Only, " ") != "management corosync bandwidth storage" {
		t.Errorf("a new machine: %+v", r)
	}
	remember("wittgenstein", &Record{Run: "newer", Started: at, Done: true, For: c.place["frege"]})
	if r := begin(); r.Run != "newer" {
		t.Errorf("it was told of already: %+v", r)
	}
	// Its own record counts first; a cut that it did not see the end of was watched in vain.
	own := &Record{Version: recordVersion, Run: "own", Cut: &cutMark{Victim: "wittgenstein", Sent: true}}
	if err := s.save(own); err != nil {
		t.Fatal(err)
	}
	if r, err := s.begin(t.Context()); err != nil || r.Run != "own" || !r.Cut.Interrupted || !c.record("frege").Cut.Interrupted {
		t.Errorf("%+v %v", r, err)
	}
	own.Drills = []report.Drill{{Name: PowerCut}}
	if err := s.save(own); err != nil {
		t.Fatal(err)
	}
	if r, err := s.begin(t.Context()); err != nil || r.Cut.Interrupted {
		t.Errorf("%+v %v", r, err)
	}
	if err := s.forget(); err != nil {
		t.Fatal(err)
	}
	c.Machine("russell").End()
	if _, err := s.begin(t.Context()); err == nil || err.Error() != "the acceptance begins once all nodes answer: russell: connect russell: connection refused" {
		t.Errorf("%v", err)
	}
}

// A new machine takes no record over that does not tell of it.
func TestWhatAnotherNodeTakesOver(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s := c.accepts["russell"]
	take := func(r *Record) (taken bool) {
		t.Helper()
		r.Version = recordVersion
		if err := errors.Join(s.forget(), c.accepts["frege"].save(r)); err != nil {
			t.Fatal(err)
		}
		if err := c.Do(func() error { return s.Apply(t.Context()) }); err != nil {
			t.Error(err)
		}
		got, err := s.Record()
		return err == nil && got != nil && got.Run == r.Run
	}
	ended := c.World.Sim().Now().Add(-time.Hour)
	if take(&Record{Run: "r1"}) || !take(&Record{Run: "r1", Done: true, Ended: ended}) {
		t.Error("a record is taken over once the drills are over")
	}
	c.place["russell"] = "russell now"
	if take(&Record{Run: "r1", Done: true, Ended: ended}) || c.record("frege").For != "russell now" {
		t.Errorf("a new machine has the drills again: %+v", c.record("frege"))
	}
	if !take(&Record{Run: "r2", Done: true, Ended: ended, For: "russell now"}) {
		t.Error("and takes over what tells of it")
	}
}

// The acceptance waits where the cluster or the ring is not ready, unless it is
// under way.
func TestWhatTheAcceptanceWaitsFor(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s := c.accepts["frege"]
	ring := status.RingView{Verdict: "no cable"}
	s.o.Ring = func() status.RingView { return ring }
	if v, err := s.Check(t.Context()); err != nil || v.State != step.Waiting || v.Reason != "the acceptance waits for the ring: no cable" {
		t.Errorf("%+v %v", v, err)
	}
	fails := errors.New("no answer")
	s.o.Proof = broken{fails}
	if _, err := s.Check(t.Context()); !errors.Is(err, fails) {
		t.Errorf("%v", err)
	}
	s.o.Proof = nil
	if err := s.save(&Record{Version: recordVersion}); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Check(t.Context()); err != nil || v.State != step.Todo {
		t.Errorf("%+v %v", v, err)
	}
	if d, err := s.Observe(t.Context()); d != nil || err != nil {
		t.Errorf("%v %v", d, err)
	}
}

// broken is a step that fails.
type broken struct{ err error }

func (broken) Name() string                                  { return "proof" }
func (b broken) Check(context.Context) (step.Verdict, error) { return step.Verdict{}, b.err }
func (broken) Apply(context.Context) error                   { return nil }

// A guest is the acceptance's own by kind, name and tag, and no other one.
func TestWhichGuestIsOurs(t *testing.T) {
	ours := pve.Guest{Kind: "qemu", Name: acceptName, Tags: []string{"x", acceptTag}}
	if !isOurs(ours) {
		t.Error("ours is not")
	}
	for name, spoil := range map[string]func(g *pve.Guest){
		"a container": func(g *pve.Guest) { g.Kind = "lxc" }, "another name": func(g *pve.Guest) { g.Name = "mail" }, "no tag": func(g *pve.Guest) { g.Tags = []string{"x"} },
	} {
		g := ours
		if spoil(&g); isOurs(g) {
			t.Errorf("%s is taken for ours", name)
		}
	}
}

// What an earlier run or a hand left is cleaned up by name and tag, and what is
// under high availability by somebody else keeps the drills away.
func TestWhatIsCleanedUp(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s := c.accepts["frege"]
	for _, line := range []string{"qm create 105 --name " + acceptName + " --tags " + acceptTag + " --memory 128", "qm start 105", "ha-manager add vm:105"} {
		if _, err := c.Type("wittgenstein", line); err != nil {
			t.Fatal(err)
		}
	}
	c.rest(time.Minute)
	if why, err := s.foreign(t.Context(), nil); why != "" || err != nil {
		t.Errorf("ours keeps the drills away: %q %v", why, err)
	}
	if g, ok, err := s.find(&Record{Guest: 106}); ok || err != nil {
		t.Errorf("a guest of another run is taken: %+v %v", g, err)
	}
	r := s.fresh()
	if err := c.Do(func() error { return s.clean(t.Context(), r) }); err != nil {
		t.Fatal(err)
	}
	c.golden("clean", c.Story("frege", "wittgenstein"))
	if got := c.Limits()[methodAcceptDestroy]; got != 5*time.Minute {
		t.Errorf("a guest may take %v to go", got)
	}
	for _, line := range []string{"qm create 107 --name mail --memory 128", "ha-manager add vm:107", "qm destroy 107"} {
		_, _ = c.Type("wittgenstein", line)
	}
	c.rest(time.Minute)
	why, err := s.foreign(t.Context(), &Record{})
	if err != nil || !strings.Contains(why, "107") {
		t.Errorf("%q %v", why, err)
	}
	if err := c.World.Node("wittgenstein").Files().WriteDirect("/etc/pve/ha/resources.cfg", []byte("vm: 108\n\n")); err != nil {
		t.Fatal(err)
	}
	if err := c.World.Node("wittgenstein").Files().Remove("/etc/pve/nodes/wittgenstein/qemu-server/107.conf"); err != nil {
		t.Fatal(err)
	}
	c.rest(time.Minute)
	want := "vm:108 is under high availability, and drills run only on an empty cluster: remove it with ha-manager remove vm:108"
	for guest, says := range map[int]string{0: want, 108: ""} { // one that was meant to be ours is no stranger
		if why, err := s.foreign(t.Context(), &Record{Guest: guest}); err != nil || why != says {
			t.Errorf("%d: %q %v", guest, why, err)
		}
	}
}

// A node that is off has links that are dead, though corosync does not list them.
func TestADeadPeerHasDeadLinks(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	if _, err := c.Type("wittgenstein", "systemctl stop corosync"); err != nil {
		t.Fatal(err)
	}
	c.rest(time.Minute)
	v, err := c.accepts["frege"].ownLinks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range v.(linkView).Links {
		got = append(got, l.Node+" "+l.Peer+" "+string(rune('0'+l.Link))+map[bool]string{true: " lives", false: " is dead"}[l.Connected])
	}
	if want := "frege russell 0 lives, frege russell 1 lives, frege wittgenstein 0 is dead, frege wittgenstein 1 is dead"; strings.Join(got, ", ") != want {
		t.Errorf("%s", strings.Join(got, ", "))
	}
}

// A profile without Ceph has nothing to clean up, and asks Ceph for nothing.
func TestWithoutCeph(t *testing.T) {
	p := trial.Profile()
	c := stored(t, p, "")
	p.Ceph = profiles.Ceph{}
	s := NewAccept(storage.Options{Host: c.Machine("frege").Host(), Profile: p, Node: "frege", Peers: c.Machine("frege")}, nil, nil)
	if err := s.clean(t.Context(), &Record{Touched: true, Guest: 100, Maintenance: "frege"}); err != nil || len(c.Machine("frege").Log) > 0 {
		t.Errorf("%v: %q", err, c.Machine("frege").Log)
	}
	if why := s.unready(t.Context(), &Record{}); why != "" {
		t.Errorf("%q", why)
	}
}
