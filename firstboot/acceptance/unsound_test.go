package acceptance

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"ringboot/firstboot/report"
	"ringboot/firstboot/step"
	"ringboot/rehearsal/trial"
)

// run runs one drill on the coordinator.
func (c *tried) run(name string) (d report.Drill, r *Record) {
	c.t.Helper()
	s := c.accepts["frege"]
	r = s.fresh()
	err := c.Do(func() (err error) {
		for _, row := range drills() {
			if row.Name == name {
				d, err = row.Run(s, c.t.Context(), r)
			}
		}
		return errors.Join(err, s.clean(c.t.Context(), r))
	})
	if err != nil {
		c.t.Errorf("%s: %v", name, err)
	}
	return d, r
}

// What the drills find on a cluster that is not sound, word for word.
func TestWhatTheDrillsFind(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	expect := func(name string, outcome report.Outcome, sentence string) *Record {
		t.Helper()
		d, r := c.run(name)
		if d.Outcome != outcome || d.Sentence != sentence {
			t.Errorf("%s %s: %s\nnot %s: %s", name, d.Outcome, d.Sentence, outcome, sentence)
		}
		return r
	}
	c.silent["10.203.3.12:8006"] = "connection refused"
	r := expect("management", report.Failed, "no answer: russell from frege: connection refused; russell from russell: connection refused; russell from wittgenstein: connection refused")
	if a := r.Access; len(a) != 3 || a[0].Note != "" || !a[0].Answered || a[0].URL != "https://10.203.3.11:8006/" || a[0].Fingerprint != "AA:10.203.3.11:8006" ||
		a[1].Answered || a[1].Note != "reached from 0 of 3 nodes" || a[1].Fingerprint != "" {
		t.Errorf("%+v", a)
	}
	delete(c.silent, "10.203.3.12:8006")
	seen := 0
	c.certificate = func(addr string) string {
		seen++
		if seen == 4 { // russell is shown another one of frege
			return "BB"
		}
		return "AA"
	}
	r = expect("management", report.Failed, "no answer: frege shows russell another certificate: two machines may have its address")
	if a := r.Access[0]; a.Fingerprint != "AA" || a.Note != "reached from 2 of 3 nodes" {
		t.Errorf("%+v", a)
	}

	c.gbit["russell frege"] = 4.6
	r = expect("bandwidth", report.Failed, "russell to frege: 4.6 Gbit/s, below 9; reseat or replace the cable")
	if l := r.Links; len(l) != 3 || l[0].A != "frege" || l[0].B != "russell" || l[0].APort != "to-russell" || l[0].BPort != "to-frege" || l[0].There.Gbit != 22 || l[0].Back.Gbit != 4.6 {
		t.Errorf("%+v", r.Links)
	}
	c.gbit["frege russell"] = 4.5
	expect("bandwidth", report.Failed, "frege to russell: 4.5 Gbit/s, below 9; reseat or replace the cable")
	c.gbit["frege russell"], c.gbit["russell frege"] = 12, 22
	expect("bandwidth", report.Warnings, "frege to russell: 12.0 Gbit/s of the 18 that a sound link reaches: one lane only, or interrupts on an efficiency core; check rx_lanes, reseat the cable")
	c.gbit = map[string]float64{}
	c.dead["russell frege"] = true
	before := c.World.Sim().Now()
	r = expect("bandwidth", report.Failed, "no live cable between frege and russell: plug one in, or reseat it (russell hears nothing)")
	if took := c.World.Sim().Now().Sub(before); took < time.Minute || r.Links[0].There != nil || r.Links[1].There == nil {
		t.Errorf("it is taken for dead after %v: %+v", took, r.Links)
	}

	c.World.SetLink("frege", "wittgenstein", 1, false)
	c.rest(time.Minute)
	r = expect("corosync", report.Failed, "not connected: link 1 from frege to wittgenstein, link 1 from wittgenstein to frege")
	if !r.ConfSame || r.ConfVersion != 3 || len(r.Corosync) != 12 {
		t.Errorf("%+v", r)
	}
	c.World.SetLink("frege", "wittgenstein", 1, true)
	files := c.World.Node("russell").Files()
	conf, err := files.ReadFile("/etc/corosync/corosync.conf")
	if err != nil {
		t.Fatal(err)
	}
	if err := files.WriteFile("/etc/corosync/corosync.conf", append(conf, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	if r = expect("corosync", report.Failed, "corosync.conf is not the same on every node"); r.ConfSame {
		t.Error("the record says that it is")
	}
	const storages = "/etc/pve/storage.cfg"
	text, err := c.World.Node("frege").Files().ReadFile(storages)
	if err != nil {
		t.Fatal(err)
	}
	without := regexp.MustCompile(`(?m)^rbd: vm\n(\t.*\n)*`).ReplaceAll(text, nil)
	if err := c.World.Node("frege").Files().WriteDirect(storages, without); err != nil {
		t.Fatal(err)
	}
	expect("storage", report.Failed, "the storage vm is not active on frege: see pvesm status")
}

// waiting is a step that never comes to its end.
type waiting struct{}

func (waiting) Name() string { return "moon" }
func (waiting) Check(context.Context) (step.Verdict, error) {
	return step.Wait("waits for the moon"), nil
}
func (waiting) Apply(context.Context) error { return nil }

// Other people's work keeps the drills away, and so does a cluster that is not
// sound: nothing of that is a finding.
func TestWhatKeepsTheDrillsAway(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s := c.accepts["frege"]
	verdict := func(state step.State, reason string) {
		t.Helper()
		var v step.Verdict
		err := c.Do(func() (err error) { v, err = s.Check(t.Context()); return err })
		if err != nil || v.State != state || v.Reason != reason {
			t.Errorf("%v: %s (%v)\nnot %v: %s", v.State, v.Reason, err, state, reason)
		}
	}
	all := "the acceptance goes on with management, corosync, bandwidth, storage, migration, maintenance, power-cut"
	verdict(step.Todo, all)
	c.place["frege"] = "frege 2026-11-28T00:00:00Z"
	verdict(step.Todo, "the acceptance goes on with management, corosync, bandwidth, storage")
	delete(c.place, "frege")
	if err := s.save(&Record{Version: recordVersion, Drills: []report.Drill{{Name: "corosync"}}, Only: []string{"corosync", "bandwidth"}}); err != nil {
		t.Fatal(err)
	}
	verdict(step.Todo, "the acceptance goes on with bandwidth")
	if err := s.forget(); err != nil {
		t.Fatal(err)
	}

	if _, err := c.Type("russell", "qm create 101 --name mail --memory 128"); err != nil {
		t.Fatal(err)
	}
	guest := "guest 101 (mail) is on russell, and drills run only on an empty cluster: run firstboot accept --skip to go on without them, or move it away"
	verdict(step.Stopped, guest)
	if err := c.Do(func() error { return s.Apply(t.Context()) }); err == nil || err.Error() != guest || !step.IsNotYet(err) {
		t.Errorf("%v", err)
	}
	if why := s.unready(t.Context(), s.fresh()); why != guest {
		t.Errorf("%q", why)
	}
	if err := errors.Join(s.forget(), c.World.Node("russell").Files().Remove("/etc/pve/nodes/russell/qemu-server/101.conf")); err != nil {
		t.Fatal(err)
	}
	c.rest(10 * time.Second)
	unready := func(want string) {
		t.Helper()
		var why string
		_ = c.Do(func() error { why = s.unready(t.Context(), s.fresh()); return nil })
		if why != want {
			t.Errorf("%q, not %q", why, want)
		}
	}
	unready("")
	c.Machine("russell").End()
	unready("russell does not answer (connect russell: connection refused)")
	verdict(step.Waiting, "the acceptance waits for frege: Ceph is judged once all nodes can be asked: russell does not answer (connect russell: connection refused)")
	c.Machine("russell").Start()
	if err := s.forget(); err != nil {
		t.Fatal(err)
	}
	c.accepts["russell"].before = []step.Step{waiting{}}
	verdict(step.Waiting, "the acceptance waits for russell: waits for the moon")
	c.accepts["russell"].o.Finished = func(step string) bool { return step == "moon" }
	verdict(step.Todo, all)
	if _, err := c.Type("wittgenstein", "systemctl stop corosync"); err != nil {
		t.Fatal(err)
	}
	c.rest(30 * time.Second)
	unready("wittgenstein is not in the cluster's membership")
	began := c.World.Sim().Now()
	err := c.Do(func() error { return s.ready(t.Context(), s.fresh()) })
	if took := c.World.Sim().Now().Sub(began).Round(time.Minute); err == nil || err.Error() != "the acceptance waits: wittgenstein is not in the cluster's membership" || took != 15*time.Minute || !step.IsNotYet(err) {
		t.Errorf("%v after %v", err, took)
	}
	if _, err := c.Type("russell", "systemctl stop corosync"); err != nil {
		t.Fatal(err)
	}
	c.rest(30 * time.Second)
	unready("the cluster has no quorum")
}
