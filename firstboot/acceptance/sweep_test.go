package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/report"
	"ringboot/rehearsal/trial"
)

// swept does something with each failure in turn, and says what it came to and
// which failures it did not hand on. What an earlier try left is cleared away first.
func (c *tried) swept(name string, clear func(), do func() error) string {
	quiet, err := c.Sweep(func() error {
		hold := c.Trouble
		c.Trouble = nil
		clear()
		c.Trouble = hold
		return do()
	})
	return fmt.Sprintf("== %s: %v\n%s", name, err, quiet)
}

// Each drill, and what is around the drills, hands on whatever fails, but for
// what is listed.
func TestADrillHandsOnWhatFails(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	c.rest(time.Minute)
	s, ctx := c.accepts["frege"], t.Context()
	var r *Record
	fresh := func() {
		if r != nil {
			if err := s.clean(ctx, r); err != nil {
				t.Error(err)
			}
		}
		r = s.fresh()
	}
	finding := func(d *report.Drill, err error) error {
		if err == nil && d != nil {
			err = fmt.Errorf("%s: %s", d.Outcome, d.Sentence)
		}
		return err
	}
	var b strings.Builder
	b.WriteString(c.swept("check", fresh, func() error { _, err := s.Check(ctx); return err }))
	b.WriteString(c.swept("state", fresh, func() error { _, err := s.ownState(ctx); return err }))
	b.WriteString(c.swept("links", fresh, func() error { _, err := s.ownLinks(ctx); return err }))
	b.WriteString(c.swept("lives", fresh, func() error { _, err := s.lives(ctx); return err }))
	for _, d := range drills() {
		if d.Cuts {
			continue
		}
		b.WriteString(c.swept(d.Name, fresh, func() error {
			got, err := d.Run(s, ctx, r)
			return finding(&got, err)
		}))
		b.WriteString(c.swept("clean after "+d.Name, func() {}, func() error { return s.clean(ctx, r) }))
	}
	c.Machine("wittgenstein").Answers().Handle(methodAcceptCut, func(context.Context, string, json.RawMessage) (any, error) { return nil, fmt.Errorf("not now") })
	b.WriteString(c.swept("prepare the power cut", fresh, func() error { return finding(s.prepareCut(ctx, r)) }))
	if !r.Cut.Sent || r.Cut.Refused != "not now" || r.Cut.Victim != "wittgenstein" {
		t.Errorf("the cut was not sent: %+v", r.Cut)
	}
	b.WriteString(c.swept("clean", func() {}, func() error { return s.clean(ctx, r) }))
	fresh()
	b.WriteString(c.swept("conclude", func() { r.Done = false }, func() error { return s.conclude(ctx, r) }))
	b.WriteString(c.swept("take over", func() {}, func() error { return c.accepts["russell"].takeOver(ctx, "frege") }))
	if got := c.record("russell"); !got.Done || got.Run != r.Run {
		t.Errorf("russell took over %+v", got)
	}
	b.WriteString(c.swept("begin again", func() {
		r.Done = true
		if err := s.save(r); err != nil {
			t.Error(err)
		}
	}, func() error { return s.Repeat(ctx, Again{Drills: []string{"migration"}}) }))
	b.WriteString(c.swept("check of a run", func() {}, func() error { _, err := s.Check(ctx); return err }))
	b.WriteString(c.swept("a new machine's drills", func() {
		if err := s.save(&Record{Version: recordVersion, Run: "r", Done: true}); err != nil {
			t.Error(err)
		}
	}, func() error { return s.renew(ctx, "russell", "russell now") }))
	b.WriteString(c.swept("skip", func() {}, func() error { return s.Skip(ctx) }))
	b.WriteString(c.swept("say no", func() {
		if err := s.forget(); err != nil {
			t.Error(err)
		}
	}, func() error {
		heard, err := s.No(ctx, "root on frege")
		if err == nil {
			err = fmt.Errorf("heard: %+v", heard)
		}
		return err
	}))
	b.WriteString(c.swept("begin", func() {
		if err := s.forget(); err != nil {
			t.Error(err)
		}
	}, func() error {
		_, err := s.begin(ctx)
		return err
	}))
	c.golden("sweep", b.String())
}

// How long each answer is waited for.
func TestHowLongAnswersMayTake(t *testing.T) {
	p := trial.Profile()
	p.Acceptance.Seconds = 0 // a second at least
	c := stored(t, p, "drills")
	c.done(2 * time.Hour)
	if !strings.Contains(c.Story("frege"), "$ rados bench -p vm 1 write ") {
		t.Errorf("a second is the least that is measured:\n%s", c.Story("frege"))
	}
	if err := c.Do(func() error { return c.accepts["frege"].Repeat(t.Context(), Again{Drills: []string{"bandwidth"}}) }); err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]time.Duration{
		methodAcceptGet: 20 * time.Second, methodAcceptPut: 20 * time.Second, methodAcceptState: 20 * time.Second, methodAcceptReady: 2 * time.Minute, "ring": 20 * time.Second,
		methodAcceptWeb: time.Minute, methodAcceptLinks: time.Minute, methodAcceptListen: 91 * time.Second, methodAcceptMeasure: 91 * time.Second,
		methodAcceptMigrate: 12 * time.Minute, methodAcceptCut: 30 * time.Second, methodAcceptForget: 20 * time.Second,
	} {
		if got := c.Limits()[method]; got != want {
			t.Errorf("%s: %v, not %v", method, got, want)
		}
	}
}
