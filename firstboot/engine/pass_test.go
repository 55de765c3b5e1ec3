package engine

import (
	"context"
	"errors"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
)

// toggle is a step that is done once it was applied.
type toggle struct {
	name    string
	done    bool
	applied int
	parts   map[string]*toggle
}

func (s *toggle) Name() string { return s.name }

func (s *toggle) Check(context.Context) (step.Verdict, error) {
	if s.done {
		return step.IsDone("is done"), nil
	}
	return step.Do("is not done", step.Change{Object: s.name, Want: "done"}), nil
}

func (s *toggle) Apply(context.Context) error { s.applied++; s.done = true; return nil }

func (s *toggle) Part(name string) (step.Step, bool) {
	p, ok := s.parts[name]
	return p, ok
}

// heard tells when the engine has looked at a step.
type heard chan struct{}

func (h heard) Report(status.Status) {
	select {
	case h <- struct{}{}:
	default:
	}
}

func passEngine(t *testing.T, r Reporter, steps ...step.Step) *Engine {
	t.Helper()
	h := host.New(t.TempDir())
	j, err := journal.Open(h.Files, h.Clock, journal.Path)
	if err != nil {
		t.Fatal(err)
	}
	return New(steps, h, j, r)
}

// Asked for alone, a step still waits for those before it: Ceph never comes
// before the ring, whoever asks.
func TestOneStepNeverOvertakesThoseBeforeIt(t *testing.T) {
	ring, ceph := &toggle{name: "ring"}, &toggle{name: "ceph"}
	e := passEngine(t, heard(nil), ring, ceph)
	out, err := e.Pass(t.Context(), PassOptions{Only: "ceph"})
	if err != nil || len(out) != 1 || out[0].Result != ResultPending || out[0].Reason != "waits for step ring: is not done" {
		t.Fatalf("%+v %v", out, err)
	}
	if ring.applied+ceph.applied != 0 {
		t.Error("something was applied")
	}
	for _, only := range []string{"ring", "ceph"} {
		if out, err = e.Pass(t.Context(), PassOptions{Only: only}); err != nil || out[0].Result != ResultChanged {
			t.Fatalf("%s: %+v %v", only, out, err)
		}
	}
	if out, err = e.Pass(t.Context(), PassOptions{Only: "ceph"}); err != nil || out[0].Result != ResultOK || ceph.applied != 1 {
		t.Errorf("the second time: %+v %v", out, err)
	}
}

func TestOnePartOfAStep(t *testing.T) {
	accounts := &toggle{name: "base.accounts"}
	base := &toggle{name: "base", parts: map[string]*toggle{"accounts": accounts}}
	e := passEngine(t, heard(nil), base)
	out, err := e.Pass(t.Context(), PassOptions{Only: "base.accounts"})
	if err != nil || out[0].Step != "base.accounts" || out[0].Result != ResultChanged || base.applied != 0 {
		t.Errorf("%+v %v", out, err)
	}
	for only, want := range map[string]string{
		"base.nothing": `no such step "base.nothing": step base has no part nothing`,
		"nothing":      `no such step "nothing": the plan has base`,
	} {
		if _, err := e.Pass(t.Context(), PassOptions{Only: only}); !errors.Is(err, ErrNoStep) || err.Error() != want {
			t.Errorf("%s: %v", only, err)
		}
	}
}

// An agent that is driven shows how far it is and applies nothing by itself.
func TestObservingAppliesNothing(t *testing.T) {
	ring := &toggle{name: "ring"}
	looked := make(heard, 1)
	e := passEngine(t, looked, ring)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- e.Observe(ctx) }()
	<-looked
	if _, err := e.Pass(ctx, PassOptions{Only: "ring"}); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if ring.applied != 1 {
		t.Errorf("applied %d times, asked for once", ring.applied)
	}
}
