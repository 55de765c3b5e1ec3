package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/report"
	"ringboot/profiles"
	"ringboot/rehearsal/trial"
)

// boot is the present start of a node.
func (c *tried) boot(node string) string {
	c.t.Helper()
	text, err := c.World.Node(node).Files().ReadFile(bootIDFile)
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// A node resets itself for one run, if it was told before, in this start and as
// the victim; else it says why not, and goes on.
func TestWhatANodeResetsItselfFor(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s := c.accepts["wittgenstein"]
	told := func() *Record {
		return &Record{Version: recordVersion, Run: "r1", Cut: &cutMark{Victim: "wittgenstein", Boot: c.boot("wittgenstein"), Sent: true}}
	}
	notTold := "wittgenstein was not told beforehand that its power is cut, and goes on"
	for name, k := range map[string]struct {
		spoil func(r *Record)
		want  string
	}{
		"another run":    {func(r *Record) { r.Run = "r2" }, notTold},
		"it is over":     {func(r *Record) { r.Done = true }, notTold},
		"no cut":         {func(r *Record) { r.Cut = nil }, notTold},
		"another victim": {func(r *Record) { r.Cut.Victim = "russell" }, notTold},
		"another start":  {func(r *Record) { r.Cut.Boot = "earlier" }, "wittgenstein has started anew since the power cut was announced: it is not cut again"},
	} {
		r := told()
		k.spoil(r)
		if err := s.save(r); err != nil {
			t.Fatal(err)
		}
		if _, err := s.cut(t.Context(), "r1"); err == nil || err.Error() != k.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.forget(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.cut(t.Context(), "r1"); err == nil || err.Error() != notTold {
		t.Errorf("no record: %v", err)
	}
	if err := s.save(told()); err != nil {
		t.Fatal(err)
	}
	c.World.Node("wittgenstein").AddGuest("101")
	c.rest(10 * time.Second)
	if _, err := s.cut(t.Context(), "r1"); err == nil || !strings.HasPrefix(err.Error(), "wittgenstein is not reset: guest 101 (old) is on wittgenstein") {
		t.Errorf("with a guest: %v", err)
	}
	if err := c.World.Node("wittgenstein").Files().WriteFile(cutFile, []byte("r1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.cut(t.Context(), "r1"); err == nil || err.Error() != "wittgenstein has reset itself for this acceptance already" {
		t.Errorf("twice: %v", err)
	}
	if resets := c.World.Notes("reset"); len(resets) > 0 {
		t.Errorf("resets: %v", resets)
	}
}

// What the report says of the time without the guest.
func TestHowAnOutageIsJudged(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s := c.accepts["frege"]
	lives, err := s.lives(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]struct {
		took   float64
		change func(r *Record)
		want   string
	}{
		"usual":              {130, func(*Record) {}, "passed: wittgenstein was reset and the guest ran again on another node after 130 s [130 140]"},
		"at the bound":       {240, func(*Record) {}, "passed: wittgenstein was reset and the guest ran again on another node after 240 s [240 250]"},
		"late":               {241, func(*Record) {}, "warnings: wittgenstein was reset and the guest ran again after 241 s, later than the usual 240 s [241 251]"},
		"late, at the bound": {300, func(*Record) {}, "warnings: wittgenstein was reset and the guest ran again after 300 s, later than the usual 240 s [300 310]"},
		"too late":           {301, func(*Record) {}, "failed: wittgenstein was reset and the guest ran again after 301 s, later than 300 s: see journalctl -u pve-ha-crm [301 311]"},
		"back at once":       {50, func(r *Record) { r.TimeLine = r.TimeLine[1:] }, "passed: wittgenstein was reset and was back before the cluster gave it up; the guest ran again on it after 50 s [50 60]"},
		"away meanwhile":     {130, func(r *Record) { r.Cut.Interrupted = true }, "warnings: wittgenstein was reset and the guest ran again, but this node was away meanwhile: it took 130 s at most [130 140]"},
		"another one, early": {130, func(r *Record) { r.Cut.Others = map[string]string{"russell": "earlier"} }, "passed: wittgenstein was reset and the guest ran again on another node after 130 s [130 140]"},
		"another one, late":  {301, func(r *Record) { r.Cut.Others = map[string]string{"russell": "earlier"} }, "warnings: wittgenstein was reset and the guest ran again, but russell started anew meanwhile: it took 301 s at most [301 311]"},
	} {
		r := &Record{Cut: &cutMark{Victim: "wittgenstein", Others: map[string]string{"russell": lives["russell"]}}}
		at := func(after float64, text string) {
			r.TimeLine = append(r.TimeLine, report.Moment{After: after, Text: text})
		}
		at(k.took-5, TextRecovered+"frege")
		at(k.took, textRunning)
		at(k.took+10, textHealthy)
		k.change(r)
		d := s.outage(t.Context(), r)
		var figures []string
		for _, f := range d.Figures {
			figures = append(figures, fmt.Sprint(f.Value))
		}
		if got := fmt.Sprintf("%s: %s %v", d.Outcome, d.Sentence, figures); got != k.want {
			t.Errorf("%s: %s\nnot: %s", name, got, k.want)
		}
	}
}

// What became of a power cut that did not go as it was meant.
func TestHowAPowerCutIsJudged(t *testing.T) {
	c := stored(t, trial.Profile(), "")
	s := c.accepts["frege"]
	ignored := "failed: wittgenstein did not reset itself when it was ordered to: look whether the kernel allows sysrq"
	for name, k := range map[string]struct {
		after  time.Duration
		p      cutProgress
		change func(r *Record)
		want   string
	}{
		"it has time":             {90 * time.Second, cutProgress{}, nil, ""},
		"it ignores the order":    {91 * time.Second, cutProgress{}, nil, ignored},
		"it went":                 {91 * time.Second, cutProgress{}, func(r *Record) { r.Cut.Boot = "earlier" }, ""},
		"it is back":              {91 * time.Second, cutProgress{back: true}, nil, ""},
		"it is fenced":            {91 * time.Second, cutProgress{fenced: true}, nil, ""},
		"the guest is elsewhere":  {91 * time.Second, cutProgress{recovered: true}, nil, ""},
		"the order was lost":      {91 * time.Second, cutProgress{}, func(r *Record) { r.Cut.Interrupted = true }, "warnings: the order to reset wittgenstein was interrupted before it was carried out; it is not sent again by itself: run firstboot accept"},
		"it refused":              {91 * time.Second, cutProgress{}, func(r *Record) { r.Cut.Refused = "wittgenstein does not want to" }, "untried: wittgenstein does not want to; to try it later run firstboot accept --consent on wittgenstein, and then firstboot accept --power-cut wittgenstein on frege"},
		"all is as before":        {time.Minute, cutProgress{running: true, back: true, healthy: true}, nil, "passed: wittgenstein was reset and was back before the cluster gave it up; the guest ran again on it after 0 s"},
		"it needs a little more":  {15 * time.Minute, cutProgress{running: true, back: true}, nil, ""},
		"Ceph is not sound":       {15*time.Minute + 1, cutProgress{running: true, back: true}, nil, "failed: Ceph did not become healthy again within 15 minutes of the power cut"},
		"it stays away":           {15*time.Minute + 1, cutProgress{running: true, healthy: true, fenced: true}, nil, "failed: wittgenstein did not come back: look at its console within 15 minutes of the power cut"},
		"the guest does not run":  {15*time.Minute + 1, cutProgress{back: true, healthy: true}, nil, "failed: the guest did not run again: see ha-manager status within 15 minutes of the power cut"},
		"neither node nor guest":  {15*time.Minute + 1, cutProgress{fenced: true}, nil, "failed: the guest did not run again: see ha-manager status within 15 minutes of the power cut"},
		"gone for this very run":  {91 * time.Second, cutProgress{}, func(r *Record) { r.Cut.Interrupted, r.Run = true, "" }, ignored},
		"refused, and gone since": {91 * time.Second, cutProgress{}, func(r *Record) { r.Cut.Refused, r.Cut.Boot = "no", "earlier" }, ""},
	} {
		now := c.World.Sim().Now()
		r := &Record{Run: "r1", Cut: &cutMark{Victim: "wittgenstein", Boot: c.boot("wittgenstein"), At: now.Add(-k.after), Sent: true}}
		if k.change != nil {
			k.change(r)
		}
		d, over := s.judgeCut(t.Context(), r, k.p, now)
		got := ""
		if over {
			got = fmt.Sprintf("%s: %s", d.Outcome, d.Sentence)
		}
		if got != k.want {
			t.Errorf("%s: %s\nnot: %s", name, got, k.want)
		}
		if untried := d.Outcome == report.Untried; untried != (r.Cut == nil) {
			t.Errorf("%s: the mark of the cut is %+v", name, r.Cut)
		}
	}
}

// Who says no, and when it is too late for that.
func TestWhenANoCounts(t *testing.T) {
	p := trial.Profile()
	p.Acceptance.PowerCut = profiles.ConsentAsk
	c := stored(t, p, "drills")
	if !c.Until(time.Hour, func() bool { return strings.HasPrefix(c.accepts["russell"].Doing(), "wittgenstein is reset at ") }) {
		t.Fatalf("no power cut is proposed:\n%s", c.Story("frege"))
	}
	heard, err := "", error(nil)
	err = c.Do(func() error {
		h, err := c.accepts["russell"].No(t.Context(), "root on russell")
		heard = strings.Join(h.Nodes, " ")
		return err
	})
	if err != nil || !strings.Contains(heard, "frege") {
		t.Errorf("%s, %v", heard, err)
	}
	c.done(2 * time.Hour)
	d := c.outcome("frege", PowerCut)
	if d.Outcome != report.Untried || !strings.HasPrefix(d.Sentence, "declined by root on russell at 2026-11-23 ") || len(c.World.Notes("reset")) > 0 {
		t.Errorf("%+v, resets %v", d, c.World.Notes("reset"))
	}
	if err := c.accepts["russell"].no("somebody"); err == nil || err.Error() != ErrOver.Error() {
		t.Errorf("it is over: %v", err)
	}
	at := time.Date(2026, 11, 28, 1, 2, 3, 0, time.UTC)
	if err := c.accepts["russell"].save(&Record{Version: recordVersion, Cut: &cutMark{Victim: "wittgenstein", At: at, Sent: true}}); err != nil {
		t.Fatal(err)
	}
	if err := c.accepts["russell"].no("somebody"); err == nil || err.Error() != "it is too late: wittgenstein was reset at 01:02:03 UTC" {
		t.Errorf("too late: %v", err)
	}
}
