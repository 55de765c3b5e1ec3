package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/report"
	"ringboot/rehearsal/trial"
)

// A drill is tried again where it did not come to an end or a node went away
// meanwhile, a bounded number of times, and what it found is written down once.
func TestHowOftenADrillIsTried(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s, tries := c.accepts["frege"], 0
	restarts := func() {
		c.Machine("russell").End()
		c.World.Node("russell").Reboot()
		c.rest(5 * time.Minute)
		c.Machine("russell").Start()
	}
	one := func(ctx context.Context, d drill) (*Record, error) {
		t.Helper()
		r := s.fresh()
		tries, d.Name = 0, "corosync"
		return r, c.Do(func() error { return s.one(ctx, r, d) })
	}
	run := func(do func(n int) (report.Drill, error)) func(*Accept, context.Context, *Record) (report.Drill, error) {
		return func(*Accept, context.Context, *Record) (report.Drill, error) { tries++; return do(tries) }
	}
	for name, k := range map[string]struct {
		d     drill
		tries int
		want  string
	}{
		"it passes":          {drill{Run: run(func(int) (report.Drill, error) { return passed("well"), nil })}, 1, "passed: well"},
		"it finds something": {drill{Run: run(func(int) (report.Drill, error) { return failed("ill"), nil })}, 1, "failed: ill"},
		"it breaks off":      {drill{Run: run(func(n int) (report.Drill, error) { return report.Drill{}, fmt.Errorf("broken %d", n) })}, 3, "failed: broken 3"},
		"it breaks off twice": {drill{Run: run(func(n int) (report.Drill, error) {
			if n < 3 {
				return report.Drill{}, errors.New("broken")
			}
			return passed("well"), nil
		})}, 3, "passed: well"},
		"it comes up late": {drill{Looks: true, Run: run(func(n int) (report.Drill, error) {
			if n < 5 {
				return failed("not yet"), nil
			}
			return passed("well"), nil
		})}, 5, "passed: well"},
		"it does not come up":  {drill{Looks: true, Run: run(func(int) (report.Drill, error) { return failed("not yet"), nil })}, 31, "failed: not yet"},
		"a warning is no wait": {drill{Looks: true, Run: run(func(int) (report.Drill, error) { return report.Drill{Outcome: report.Warnings, Sentence: "slow"}, nil })}, 1, "warnings: slow"},
		"a node went away": {drill{Run: func(*Accept, context.Context, *Record) (report.Drill, error) {
			if tries++; tries == 1 {
				restarts()
				return failed("ill"), nil
			}
			return passed("well"), nil
		}}, 2, "passed: well"},
		"a node went away, and it passed": {drill{Run: func(*Accept, context.Context, *Record) (report.Drill, error) {
			tries++
			restarts()
			return passed("well"), nil
		}}, 1, "passed: well"},
	} {
		r, err := one(t.Context(), k.d)
		if err != nil || len(r.Drills) != 1 || tries != k.tries {
			t.Errorf("%s: %d tries, not %d: %+v %v", name, tries, k.tries, r.Drills, err)
			continue
		}
		d := r.Drills[0]
		if got := fmt.Sprintf("%s: %s", d.Outcome, d.Sentence); got != k.want || d.Name != "corosync" || d.Ended.IsZero() || r.Interrupted != "" || len(c.record("frege").Drills) != 1 {
			t.Errorf("%s: %s (%+v)", name, got, d)
		}
	}
	// One that takes a node down each time comes to an end.
	r, err := one(t.Context(), drill{Run: func(*Accept, context.Context, *Record) (report.Drill, error) {
		tries++
		restarts()
		return report.Drill{}, errors.New("broken")
	}})
	if err != nil || tries != 6 || r.Drills[0].Sentence != "the drill was begun 6 times and interrupted each time: russell started anew meanwhile: look at the console of that node" {
		t.Errorf("%d tries: %+v %v", tries, r.Drills, err)
	}
	// A process that ends writes nothing down, and a cut that was sent is no other drill's to judge.
	ctx, cancel := context.WithCancel(t.Context())
	r, err = one(ctx, drill{Run: run(func(int) (report.Drill, error) { cancel(); return failed("ill"), nil })})
	if !errors.Is(err, context.Canceled) || len(r.Drills) != 0 {
		t.Errorf("%+v %v", r.Drills, err)
	}
	r, err = one(t.Context(), drill{Cuts: true, Run: func(_ *Accept, _ context.Context, r *Record) (report.Drill, error) {
		tries++
		r.Cut = &cutMark{Victim: "wittgenstein", Sent: true}
		return report.Drill{}, errors.New("broken")
	}})
	if err == nil || err.Error() != "broken" || tries != 1 || len(r.Drills) != 0 {
		t.Errorf("%d tries: %+v %v", tries, r.Drills, err)
	}
}

// What does not happen in time is a finding, and what cannot be asked is none.
func TestWhatDoesNotHappenInTime(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s := c.accepts["frege"]
	await := func(holds func() (bool, error)) (time.Duration, error) {
		began := c.World.Sim().Now()
		err := c.Do(func() error { return s.await(t.Context(), time.Minute, "it did not come", holds) })
		return c.World.Sim().Now().Sub(began), err
	}
	took, err := await(func() (bool, error) { return false, nil })
	d, none := late(err)
	if took < time.Minute || took > time.Minute+4*time.Second || none != nil || d.Outcome != report.Failed || d.Sentence != "it did not come after 1m0s" {
		t.Errorf("%v: %+v %v", took, d, none)
	}
	_, err = await(func() (bool, error) { return false, errors.New("no answer") })
	if _, is := late(err); is == nil || is.Error() != "it did not come after 1m0s: no answer" {
		t.Errorf("%v", is)
	}
	if took, err := await(func() (bool, error) { return true, nil }); took != 0 || err != nil {
		t.Errorf("%v %v", took, err)
	}
	if _, err := await(func() (bool, error) { return true, errors.New("no answer") }); err == nil {
		t.Error("an answer that is none holds")
	}
	// A process that ends waits for nothing, and takes nothing for done.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.dead["frege russell"] = true
	for name, wait := range map[string]func() error{
		"await": func() error {
			return s.await(ctx, time.Minute, "it did not come", func() (bool, error) { return false, nil })
		},
		"ready": func() error { return s.ready(ctx, s.fresh()) },
		"watch": func() error {
			_, err := s.watchCut(ctx, &Record{Cut: &cutMark{Victim: "wittgenstein", At: c.World.Sim().Now()}})
			return err
		},
		"rings": func() error { _, err := s.rings(ctx); return err },
		"look": func() error {
			_, err := s.try(ctx, s.fresh(), drill{Looks: true, Run: func(*Accept, context.Context, *Record) (report.Drill, error) { return failed("ill"), nil }})
			return err
		},
	} {
		if err := c.Do(wait); !errors.Is(err, context.Canceled) {
			t.Errorf("%s ends with %v", name, err)
		}
	}
	c.dead = map[string]bool{}
	for _, n := range c.World.Names() {
		if _, err := c.Type(n, "systemctl stop pve-ha-crm pve-ha-lrm"); err != nil {
			t.Fatal(err)
		}
	}
	r := s.fresh()
	err = c.Do(func() (err error) { d, err = s.maintenance(t.Context(), r); return err })
	if err != nil || d.Outcome != report.Failed || d.Sentence != "the guest is not started under high availability after 5m0s" {
		t.Errorf("%+v %v", d, err)
	}
	began := c.World.Sim().Now()
	err = c.Do(func() error { _, err := s.prepareCut(t.Context(), r); return err })
	if took := c.World.Sim().Now().Sub(began); err == nil || !strings.HasSuffix(err.Error(), "the guest did not move to wittgenstein after 4m0s") || took < 4*time.Minute {
		t.Errorf("%v after %v", err, took)
	}
	if r.Cut != nil {
		t.Errorf("the power is cut: %+v", r.Cut)
	}
}

// A guest's disk that comes back otherwise is told, byte by byte.
func TestWhatCameBackOfADisk(t *testing.T) {
	back := marker("r1")
	if got := sameMarker("r1", back); got != "" {
		t.Errorf("%s", got)
	}
	if len(back) != 8<<20 || back[4095] == 0 || back[4096] != 0 || back[1<<20] == 0 {
		t.Error("the marker is not some blocks of a run in an empty image")
	}
	if got := sameMarker("r2", back); got != "byte 0 came back different" {
		t.Errorf("another run's: %s", got)
	}
	back[5000] = 1
	if got := sameMarker("r1", back); got != "byte 5000 came back different" {
		t.Errorf("%s", got)
	}
	if got := sameMarker("r1", back[:100]); got != "8388608 bytes were written and 100 came back" {
		t.Errorf("%s", got)
	}
}

// What the drills have shaken is looked at once more, and who asks nonsense is told so.
func TestAfterTheDrills(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s := c.accepts["frege"]
	for first, want := range map[report.Outcome]string{report.Passed: "failed after the drills: corosync.conf is not the same on every node", report.Untried: "untried as it was"} {
		r := s.fresh()
		r.Drills = []report.Drill{{Name: "corosync", Outcome: first, Sentence: "as it was"}}
		if err := c.Do(func() error { return s.again(t.Context(), r) }); err != nil || r.Drills[0].Outcome != first {
			t.Errorf("it still carries, and is %+v %v", r.Drills, err)
		}
		files := c.World.Node("russell").Files()
		conf, err := files.ReadFile("/etc/corosync/corosync.conf")
		if err != nil || files.WriteFile("/etc/corosync/corosync.conf", append(conf, '\n'), 0o644) != nil {
			t.Fatal(err)
		}
		if err := c.Do(func() error { return s.again(t.Context(), r) }); err != nil || string(r.Drills[0].Outcome)+" "+r.Drills[0].Sentence != want {
			t.Errorf("%+v %v", r.Drills, err)
		}
		if err := files.WriteFile("/etc/corosync/corosync.conf", conf, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(Traces(), " "); got != "/var/lib/ringboot/acceptance.raw /var/lib/ringboot/acceptance.back" {
		t.Errorf("it leaves %s", got)
	}
	for _, method := range []string{methodAcceptPut, methodAcceptCut, methodAcceptListen, methodAcceptRenew} {
		if err := c.Machine("frege").Call(t.Context(), "russell", method, json.RawMessage(`[1]`), nil); err == nil || !strings.Contains(err.Error(), "cannot unmarshal") {
			t.Errorf("%s: %v", method, err)
		}
	}
	for to, want := range map[string]string{"nonsense": "", "192.0.2.9:1": "192.0.2.9 is no other node's address on the ring: nothing is measured with it"} {
		if _, err := s.measure(t.Context(), measureOrder{To: to, Token: newToken(), Seconds: 5}); err == nil || want != "" && err.Error() != want {
			t.Errorf("%s: %v", to, err)
		}
	}
	for seconds, want := range map[int]string{0: "a measurement takes 1 to 60 seconds, not 0", 61: "a measurement takes 1 to 60 seconds, not 61"} {
		if _, err := session(newToken(), seconds); err == nil || err.Error() != want {
			t.Errorf("%v", err)
		}
	}
	if _, err := session(newToken()[1:], 5); err == nil || !strings.HasPrefix(err.Error(), "the token of a measurement has ") {
		t.Errorf("%v", err)
	}
}
