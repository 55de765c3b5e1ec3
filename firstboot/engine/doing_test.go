package engine_test

import (
	"context"
	"sync/atomic"
	"testing"

	"ringboot/firstboot/engine"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
)

// telling is a step that says how far it is while it is applied.
type telling struct {
	act
	text atomic.Value
}

func (t *telling) Doing() string { text, _ := t.text.Load().(string); return text }

// While a step is at work its own word counts, and afterwards that of its check.
func TestAStepAtWorkSaysHowFarItIs(t *testing.T) {
	made := false
	var seen status.Status
	var e *engine.Engine
	long := &telling{act: act{name: "long", check: func(int) (step.Verdict, error) {
		if made {
			return step.IsDone("made"), nil
		}
		return step.Do("a lot is missing", step.Change{Object: "x", Want: "y"}), nil
	}}}
	long.apply = func(context.Context) error {
		long.text.Store("part 2 of 3")
		seen = e.Status()
		long.text.Store("")
		made = true
		return nil
	}
	h := hear(func(s status.Status) bool { return s.Phase == status.PhaseFormed })
	e, _ = engineOf(t, virtual(), h, long)
	stop := start(t, e)
	h.wait(t)
	stop()
	if seen.Waiting != "part 2 of 3" || seen.Verdict != "step 1 of 1, long: part 2 of 3" || seen.Plans[0].Reason != "part 2 of 3" {
		t.Errorf("at work: %+v", seen)
	}
	if now := e.Status(); now.Plans[0].Reason != "made" {
		t.Errorf("afterwards: %+v", now)
	}
}
