package acceptance

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/profiles/fault"
	"ringboot/rehearsal/trial"
)

// A person may have the drills run again, all or some, and hears why not.
func TestWhoMayHaveTheDrillsAgain(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s := c.accepts["frege"]
	again := func(node string, a Again) error {
		return c.Do(func() error { return c.accepts[node].Repeat(t.Context(), a) })
	}
	refused := func(node string, a Again, kind fault.Kind, want string) {
		t.Helper()
		if err := again(node, a); err == nil || fault.Of(err) != kind || err.Error() != want {
			t.Errorf("%+v: %v %v\nnot %v %s", a, fault.Of(err), err, kind, want)
		}
	}
	drill := func(names ...string) Again { return Again{Drills: names} }
	cut := func(victim string) Again { return Again{Drills: []string{PowerCut}, Victim: victim} }
	noConsent := "%s does not consent to a power cut: run firstboot accept --consent on it, within an hour before this, or name other drills with --drill"

	refused("russell", Again{}, fault.Unexpected, "frege coordinates the acceptance: run this there")
	refused("frege", drill("lunch"), fault.Usage, `there is no drill "lunch"; there are management, corosync, bandwidth, storage, migration, maintenance, power-cut`)
	refused("frege", cut("goedel"), fault.Usage, `"goedel" is no node of principia`)
	refused("frege", cut("frege"), fault.Refused, "frege watches the power cut and is not the one that is cut: name another node, or set acceptance.victim: frege and run firstboot accept on the next one")
	refused("frege", cut("russell"), fault.Refused, strings.ReplaceAll(noConsent, "%s", "russell"))
	c.Profile.HA.Enabled = false
	refused("frege", drill("maintenance"), fault.Precondition, "it needs Ceph and high availability, which the profile does not ask for")
	c.Profile.HA.Enabled = true
	old := &Record{Version: recordVersion, Run: "r1", Started: time.Date(2026, 11, 23, 1, 2, 0, 0, time.UTC)}
	if err := s.save(old); err != nil {
		t.Fatal(err)
	}
	refused("frege", Again{}, fault.Unexpected, "the acceptance of 01:02 UTC is under way: wait for its end")
	old.Done, old.Ended = true, old.Started.Add(time.Minute)
	old.Links, old.ConfVersion, old.ConfSame = []report.Link{{A: "frege"}}, 3, true
	old.Corosync, old.Access, old.Bench = []report.Corosync{{Node: "frege"}}, []report.Access{{Node: "frege"}}, pve.Bench{Write: 7}
	old.TimeLine = []report.Moment{{Text: "it was cut"}}
	old.Drills = []report.Drill{{Name: PowerCut, Sentence: "old"}, {Name: "corosync", Sentence: "old"}, {Name: "management", Sentence: "old"}}
	if err := s.save(old); err != nil {
		t.Fatal(err)
	}

	if _, err := c.Type("russell", "qm create 101 --name mail --memory 128"); err != nil {
		t.Fatal(err)
	}
	refused("frege", drill("migration"), fault.Refused, "guest 101 (mail) is on russell, and the drill migration would not leave it alone: move it away first")
	if _, err := c.accepts["russell"].Consent(); err != nil {
		t.Fatal(err)
	}
	refused("frege", cut("russell"), fault.Refused, "guest 101 (mail) is on russell, and the drill power-cut would not leave it alone: move it away first")
	c.Machine("russell").End()
	if err := again("frege", drill("corosync")); err == nil || err.Error() != "all nodes must answer before it runs again: russell does not answer: connect russell: connection refused" {
		t.Errorf("one is off: %v", err)
	}
	if r := c.record("frege"); r.Run != "r1" {
		t.Errorf("a refused run replaced the record: %+v", r)
	}
	c.Machine("russell").Start()
	if err := c.accepts["russell"].save(old); err != nil {
		t.Fatal(err)
	}
	var doubts []string
	for _, n := range c.World.Names() {
		c.accepts[n].o.Doubt = func(steps ...string) { doubts = append(doubts, n+": "+strings.Join(steps, " ")) }
	}
	if err := again("frege", drill("corosync", "bandwidth")); err != nil {
		t.Fatal(err)
	}
	r := c.record("frege")
	if len(r.Drills) != 2 || r.Drills[0].Name != "management" || r.Drills[1].Name != PowerCut || r.Drills[0].Sentence != "old" {
		t.Errorf("of the earlier run it keeps %+v", r.Drills)
	}
	if len(r.Links) != 1 || len(r.Corosync) != 1 || len(r.Access) != 1 || r.Bench.Write != 7 || r.ConfVersion != 3 || !r.ConfSame || len(r.TimeLine) != 1 || r.Run == "r1" || r.Done {
		t.Errorf("the new record is %+v", r)
	}
	if got := strings.Join(doubts, ", "); got != "russell: accept report, wittgenstein: accept report, frege: accept report" {
		t.Errorf("looked at anew: %s", got)
	}
	if got, err := c.accepts["russell"].Record(); err != nil || got != nil || !s.Reopened() || c.accepts["russell"].Reopened() {
		t.Errorf("russell remembers %+v, %v", got, err)
	}
	// With the power cut it keeps no time line of an earlier one.
	if r := s.anew(old, cut("russell")); r.TimeLine != nil || r.Victim != "russell" || s.victim(r) != "russell" || s.victim(nil) != "wittgenstein" {
		t.Errorf("%+v", r)
	}
	if r := s.anew(old, Again{}); r.Drills != nil || r.Links != nil || len(r.Issues) != 0 {
		t.Errorf("all drills again keep %+v", r)
	}
}

// A new machine asks for the drills that harm nobody, once, and waits for its turn.
func TestTheDrillsOfANewMachine(t *testing.T) {
	p := trial.Profile()
	p.Nodes[2].Added = true
	c := stored(t, p, "")
	s := c.accepts["frege"]
	asks := func(node, place string) error {
		return c.Do(func() error {
			return c.Machine(node).Call(t.Context(), "frege", methodAcceptRenew, place, nil)
		})
	}
	says := func(err error, want string) {
		t.Helper()
		if err == nil && want != "" || err != nil && !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v\nnot: %s", err, want)
		}
	}
	now := c.World.Sim().Now()
	place := "russell 2026-11-23T00:00:00Z"
	says(asks("wittgenstein", place), "wittgenstein asks for another machine than itself")
	says(c.accepts["russell"].renew(t.Context(), "frege", "frege x"), "frege coordinates the acceptance: ask there")
	says(asks("russell", place), "an acceptance is under way on frege")
	r := &Record{Version: recordVersion, Run: "r1", Done: true, Ended: now.Add(-time.Minute + time.Second), Drills: []report.Drill{{Name: "migration"}, {Name: "corosync"}}}
	if err := s.save(r); err != nil {
		t.Fatal(err)
	}
	says(asks("russell", place), "an acceptance has just ended on frege")
	r.Ended = now.Add(-time.Minute)
	if err := s.save(r); err != nil {
		t.Fatal(err)
	}
	says(asks("russell", place), "")
	got := c.record("frege")
	if got.Done || got.For != place || strings.Join(got.Only, " ") != "management corosync bandwidth storage" || len(got.Drills) != 1 || got.Drills[0].Name != "migration" {
		t.Errorf("%+v", got)
	}
	if len(got.Issues) != 1 || got.Issues[0].Text != "is another machine since 2026-11-23T00:00:00Z; drills that are dated before were done with the old one" || got.Issues[0].Node != "russell" {
		t.Errorf("%+v", got.Issues)
	}
	if i := s.anew(r, Again{Drills: besideGuests(), For: "wittgenstein 2026-11-23T00:00:00Z"}).Issues; len(i) != 1 || i[0].Text != "came to the cluster at 2026-11-23T00:00:00Z; drills that are dated before were done without it" {
		t.Errorf("%+v", i)
	}
	got.Done = true
	if err := s.save(got); err != nil {
		t.Fatal(err)
	}
	says(asks("russell", place), "") // a second time changes nothing
	if r := c.record("frege"); r.Run != got.Run || !r.Done {
		t.Errorf("%+v", r)
	}
}

// Orders are taken from the coordinator alone.
func TestWhoGivesOrders(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	for _, method := range []string{"accept.notice", methodAcceptState, methodAcceptReady, methodAcceptPut, methodAcceptListen, methodAcceptMeasure, methodAcceptMigrate,
		methodAcceptDestroy, methodAcceptWeb, methodAcceptLinks, methodAcceptCut, methodAcceptForget} {
		err := c.Machine("russell").Call(t.Context(), "wittgenstein", method, nil, nil)
		if err == nil || !strings.HasSuffix(err.Error(), "wittgenstein takes orders of the acceptance from frege only, not from russell") {
			t.Errorf("%s: %v", method, err)
		}
	}
	if _, err := c.Type("russell", "qm create 101 --name mail --memory 128"); err != nil {
		t.Fatal(err)
	}
	for want, order := range map[string]guestOrder{"guest 101 on russell is not of the acceptance and is not touched": {Guest: 101, Target: "frege"}, "guest 102 is not on russell": {Guest: 102, Target: "frege"}} {
		for _, method := range []string{methodAcceptMigrate, methodAcceptDestroy} {
			if err := c.Machine("frege").Call(t.Context(), "russell", method, order, nil); err == nil || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%s of %d: %v", method, order.Guest, err)
			}
		}
	}
}

// What a node that does not run the drills says while another one does.
func TestWhatTheOthersSay(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s, other := c.accepts["wittgenstein"], &Record{}
	var fails error
	c.Machine("frege").Answers().Handle(methodAcceptGet, func(context.Context, string, json.RawMessage) (any, error) { return other, fails })
	says := func(own *Record, state step.State, want string) {
		t.Helper()
		if v := s.follow(t.Context(), "frege", own); v.State != state || v.Reason != want {
			t.Errorf("%v: %s\nnot %v: %s", v.State, v.Reason, state, want)
		}
	}
	says(nil, step.Waiting, "frege runs the acceptance")
	cut := &Record{Cut: &cutMark{Victim: "wittgenstein", Boot: "earlier", At: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC)}}
	says(cut, step.Waiting, "this node was reset on purpose at 01:02:03 UTC by the power-cut drill of frege, which goes on")
	cut.Cut.Boot = c.boot("wittgenstein")
	says(cut, step.Waiting, "frege runs the acceptance")
	cut.Cut.Victim, cut.Cut.Boot = "russell", "earlier"
	says(cut, step.Waiting, "frege runs the acceptance")
	fails = fault.Refused.New("not now")
	says(nil, step.Waiting, "frege runs the acceptance and does not answer: frege answered to accept.get: not now")
	fails, other = nil, &Record{Done: true, For: "wittgenstein earlier"}
	says(nil, step.Todo, "frege has ended the acceptance")
	c.place["wittgenstein"] = "wittgenstein earlier"
	says(nil, step.Todo, "frege has ended the acceptance")
	c.place["wittgenstein"] = "wittgenstein now"
	says(nil, step.Todo, "the report is to tell of this machine")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v := s.follow(ctx, "frege", nil); v.State != step.Waiting || v.Reason != "context canceled" {
		t.Errorf("%+v", v)
	}
}

// A record that is none, or a newer agent's, has nothing run by itself.
func TestARecordThatCannotBeUnderstood(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s := c.accepts["frege"]
	none := "/var/lib/ringboot/acceptance.json cannot be understood: a drill may have been run, so none is run by itself: run firstboot accept to begin anew"
	for text, want := range map[string]string{"{": none, `{"version": 0}`: none, `{"version": 2}`: ""} {
		if err := c.World.Node("frege").Files().WriteFile(acceptFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := s.Check(t.Context())
		if err != nil || v.State != step.Stopped || want != "" && v.Reason != want || want == "" && !strings.Contains(v.Reason, "2") {
			t.Errorf("%s: %v %s %v", text, v.State, v.Reason, err)
		}
	}
	r := &Record{Version: recordVersion, Cut: &cutMark{Victim: "wittgenstein", Sent: true}, Started: c.World.Sim().Now()}
	if err := s.save(r); err != nil {
		t.Fatal(err)
	}
	if err := s.Skip(t.Context()); err == nil || err.Error() != "wittgenstein was reset by the drill and is watched until it is back: wait for the end" {
		t.Errorf("%v", err)
	}
	if err := c.accepts["russell"].Skip(t.Context()); err == nil || err.Error() != "frege coordinates the acceptance: run this there" {
		t.Errorf("%v", err)
	}
	r.Cut, r.Drills = nil, []report.Drill{{Name: "management", Outcome: report.Passed}}
	if err := s.save(r); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(func() error { return s.Skip(t.Context()) }); err != nil {
		t.Fatal(err)
	}
	got := c.record("frege")
	if !got.Done || len(got.Drills) != len(Names()) || got.Drills[0].Outcome != report.Passed || got.Drills[6].Outcome != report.Untried || got.Drills[6].Sentence != "skipped by hand" || !got.Ended.Equal(c.World.Sim().Now()) {
		t.Errorf("%+v", got)
	}
	if v, err := s.Check(t.Context()); err != nil || v.State != step.Done || v.Reason != "the acceptance ended "+got.Ended.Format("2006-01-02 15:04 UTC") {
		t.Errorf("%+v %v", v, err)
	}
	if s.Recheck() != 10*time.Minute || s.Name() != profiles.StepAccept {
		t.Errorf("%s keeps for %v", s.Name(), s.Recheck())
	}
}

// Why a drill is not tried, or not begun again.
func TestWhyADrillIsNotTried(t *testing.T) {
	p := trial.Profile()
	p.Acceptance.PowerCut, p.Acceptance.Migration = profiles.ConsentNo, false
	var o Accept
	o.o.Profile, o.o.Node = p, "frege"
	row := func(name string) drill {
		for _, d := range drills() {
			if d.Name == name {
				return d
			}
		}
		return drill{}
	}
	for _, k := range []struct {
		drill string
		only  []string
		ceph  bool
		want  string
	}{
		{"management", nil, true, ""},
		{PowerCut, nil, true, "the profile does not consent: set acceptance.power_cut"},
		{PowerCut, []string{PowerCut}, true, ""},
		{"migration", nil, true, "the profile does not consent: set acceptance.migration"},
		{"corosync", []string{PowerCut}, true, "nobody asked for it yet: run firstboot accept --drill corosync"},
		{"storage", nil, false, "there is no shared storage: the profile does not ask for Ceph"},
		{"maintenance", nil, false, "it needs Ceph and high availability, which the profile does not ask for"},
	} {
		p.Ceph.Enabled = k.ceph
		if got := o.untried(&Record{Only: k.only}, row(k.drill)); got != k.want {
			t.Errorf("%s of %v: %q, not %q", k.drill, k.only, got, k.want)
		}
	}
	for _, k := range []struct {
		drill string
		r     Record
		want  string
	}{
		{"storage", Record{Begun: map[string]int{"storage": 5}}, ""},
		{"storage", Record{Begun: map[string]int{"storage": 6}}, "the drill was begun 6 times and interrupted each time: frege started anew meanwhile: look at the console of that node"},
		{"storage", Record{Begun: map[string]int{"storage": 7}, Interrupted: "russell started anew meanwhile"}, "the drill was begun 6 times and interrupted each time: russell started anew meanwhile: look at the console of that node"},
		{PowerCut, Record{Begun: map[string]int{PowerCut: 6}, Cut: &cutMark{Sent: true}}, ""},
		{PowerCut, Record{Begun: map[string]int{PowerCut: 6}, Cut: &cutMark{}}, "the drill was begun 6 times and interrupted each time: frege started anew meanwhile: look at the console of that node"},
		{"storage", Record{Begun: map[string]int{"storage": 6}, Cut: &cutMark{Sent: true}}, "the drill was begun 6 times and interrupted each time: frege started anew meanwhile: look at the console of that node"},
	} {
		if got := o.spent(&k.r, row(k.drill)); got != k.want {
			t.Errorf("%s: %q, not %q", k.drill, got, k.want)
		}
	}
}
