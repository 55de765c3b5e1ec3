package consent

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// clock moves when somebody waits; then does what is due.
type clock struct {
	now  time.Time
	then func()
}

func (c *clock) Now() time.Time { return c.now }

func (c *clock) Sleep(_ context.Context, d time.Duration) error {
	c.now = c.now.Add(d)
	if c.then != nil {
		c.then()
	}
	return nil
}

// three are the words of three machines that hear each other.
type three struct {
	*clock
	own  map[string]*Own
	mem  *trust.Memory
	done bool // the first acceptance is over
}

func newThree(t *testing.T, says profiles.Consent) *three {
	c := &three{clock: &clock{now: time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC)}, own: map[string]*Own{}, mem: trust.NewMemory()}
	p := profiles.Default()
	p.Acceptance.PowerCut = says
	for _, n := range p.Nodes {
		h := host.New(t.TempDir())
		h.Clock = c.clock
		o := &Own{Host: h, Node: n.Name, Profile: p, Victim: "wittgenstein", Peers: c.mem.Node(n.Name), First: func() bool { return !c.done }}
		c.own[n.Name] = o
		node := c.mem.Node(n.Name)
		node.Handle(MethodAnswer, func(context.Context, string, json.RawMessage) (any, error) { return o.Answer(), nil })
		node.Handle(MethodNotice, func(_ context.Context, _ string, in json.RawMessage) (any, error) {
			var n Notice
			err := json.Unmarshal(in, &n)
			o.Tell(n)
			return nil, err
		})
		node.Handle(trust.MethodNo, func(_ context.Context, _ string, in json.RawMessage) (any, error) {
			var by string
			err := json.Unmarshal(in, &by)
			return nil, errors.Join(err, o.Keep(by))
		})
	}
	return c
}

// foretold has frege tell the power cut, and says how it came out.
func (c *three) foretold(t *testing.T) string {
	t.Helper()
	why, err := c.own["frege"].Foretell(t.Context(), "run", "wittgenstein")
	if err != nil {
		return err.Error()
	}
	return why
}

func TestTheProfilesThreeWords(t *testing.T) {
	for word, want := range map[profiles.Consent]string{
		profiles.ConsentNo: "the profile of wittgenstein does not consent to a power cut, nor does root on it", "": "the profile of wittgenstein does not consent to a power cut, nor does root on it",
		profiles.ConsentYes: "", profiles.ConsentAsk: "the profile of wittgenstein proposes a power cut, and that was not told here for 60 s just before",
	} {
		c := newThree(t, word)
		if got := c.own["wittgenstein"].Refuses(); got != want {
			t.Errorf("%q: %q", word, got)
		}
		if got := c.own["russell"].Refuses(); !strings.HasPrefix(got, "the profile of russell does not consent") {
			t.Errorf("%q, not the victim: %q", word, got)
		}
		c.done = true
		if got := c.own["wittgenstein"].Refuses(); got == "" {
			t.Errorf("%q consents to a second acceptance", word)
		}
	}
}

func TestAMinuteOfSilence(t *testing.T) {
	c := newThree(t, profiles.ConsentAsk)
	v := c.own["wittgenstein"]
	shown := 0
	c.then = func() {
		for _, o := range c.own {
			if strings.Contains(o.Sentence(), "wittgenstein is reset at 01:01:00 UTC, 60 s after") {
				shown++
			}
		}
	}
	if why := c.foretold(t); why != "" || v.Refuses() != "" || v.Silence(t.Context()) != nil || shown < 90 {
		t.Fatalf("nobody said no: %q, %q, %v; shown %d times", why, v.Refuses(), v.Silence(t.Context()), shown)
	}
	if err := c.own["russell"].Keep("root on russell"); err != nil {
		t.Fatal(err)
	}
	if err := v.Silence(t.Context()); err == nil || err.Error() != "wittgenstein is not reset: no was said by root on russell" {
		t.Errorf("a no at the last moment: %v", err)
	}
	c = newThree(t, profiles.ConsentAsk)
	v = c.own["wittgenstein"]
	c.foretold(t)
	c.mem.Cut("wittgenstein", "russell", errors.New("no route to host"))
	if err := v.Silence(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "russell cannot be asked whether somebody said no") {
		t.Errorf("not all could be asked: %v", err)
	}
	if err := v.UseUp("run"); err != nil || v.Refuses() == "" || v.Sentence() != "" {
		t.Errorf("used up: %v, %q", err, v.Refuses())
	}
	c = newThree(t, profiles.ConsentAsk)
	c.then = func() { c.own["russell"].told.Store(nil) } // its agent started anew
	if why := c.foretold(t); why != "russell started anew while the power cut was told" {
		t.Errorf("russell started anew: %q", why)
	}
}

// A no takes what root agreed to before it; what root agrees to afterwards counts.
func TestTheLaterWordOfRootCounts(t *testing.T) {
	const declined = "declined by root on russell; to try it later run firstboot accept --consent on wittgenstein, and then firstboot accept --power-cut wittgenstein on frege"
	for _, word := range []profiles.Consent{profiles.ConsentNo, profiles.ConsentYes, profiles.ConsentAsk} {
		c := newThree(t, word)
		v, russell := c.own["wittgenstein"], c.own["russell"]
		if _, err := v.Give(); err != nil || c.foretold(t) != "" || v.Refuses() != "" || v.Sentence() != "" {
			t.Fatalf("%s: root consents, and nobody is to be asked: %v", word, err)
		}
		if err := russell.Keep("root on russell"); err != nil {
			t.Fatal(err)
		}
		c.mem.Cut("russell", "wittgenstein", errors.New("no route to host"))
		if h, err := russell.Spread(t.Context()); err != nil || strings.Join(h.Nodes, " ") != "russell frege" || len(h.Missing) != 1 {
			t.Errorf("%+v %v", h, err)
		}
		if why := c.foretold(t); why != declined || v.Refuses() == "" || v.Said() != "root on russell" {
			t.Errorf("%s: after the no: %q, %q", word, why, v.Refuses())
		}
		if _, err := v.Give(); err != nil || c.foretold(t) != "" || v.Refuses() != "" {
			t.Errorf("%s: root consents after the no: %v, %q", word, err, v.Refuses())
		}
	}
}

// A no counts until the reset itself begins, and an order that nobody waits for
// any more is not obeyed; what root consented to after a no is.
func TestNothingIsResetAfterALateNo(t *testing.T) {
	o := newThree(t, profiles.ConsentYes).own["wittgenstein"]
	resets := 0
	reset := func() error { resets++; return nil }
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Unless(over, o.Said(), reset); err == nil || !strings.Contains(err.Error(), "the order was given up meanwhile") {
		t.Errorf("an order that was given up: %v", err)
	}
	before := o.Said()
	if err := o.Keep("root on frege"); err != nil {
		t.Fatal(err)
	}
	if err := o.Unless(t.Context(), before, reset); err == nil || !strings.Contains(err.Error(), "no was said by root on frege") {
		t.Errorf("a no that came meanwhile: %v", err)
	}
	if resets > 0 {
		t.Errorf("reset %d times", resets)
	}
	if err := o.Unless(t.Context(), o.Said(), reset); err != nil || resets != 1 {
		t.Errorf("a consent after the no: %v, reset %d times", err, resets)
	}
}
