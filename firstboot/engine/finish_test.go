package engine_test

import (
	"context"
	"errors"
	"testing"

	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
)

// A finished step is nobody's any more: it is not looked at and not done again,
// whatever became of what it made, until somebody doubts it or asks for it.
func TestAFinishedStepStaysFinished(t *testing.T) {
	undone := &act{name: "base", check: func(int) (step.Verdict, error) { return step.Do("somebody removed the sudo rules"), nil }}
	h := hear(nil)
	e, _ := engineOf(t, virtual(), h, undone, &act{name: "ring", check: done})
	e.Finish(map[string]string{"base": "as the profile says"})
	asked := make(chan struct{}, 1)
	e.Leave(func(context.Context) (bool, error) {
		select {
		case asked <- struct{}{}:
		default:
		}
		return false, nil
	})
	stop := start(t, e)
	<-asked
	e.Kick()
	<-asked
	if looks, did := undone.counts(); looks+did != 0 {
		t.Errorf("a finished step was looked at %d times and done %d times", looks, did)
	}
	if s := e.Status(); s.Phase != status.PhaseFormed || s.Plans[0].Reason != "as the profile says" {
		t.Errorf("%+v", s)
	}
	e.Doubt("base")
	undone.awaits(1)
	stop()
}

// The builder leaves when it may, and not before all is done.
func TestTheBuilderLeaves(t *testing.T) {
	last := &act{name: "report", check: func(n int) (step.Verdict, error) {
		if n < 3 {
			return step.Wait("the others are not there yet"), nil
		}
		return step.IsDone(""), nil
	}}
	e, _ := engineOf(t, virtual(), hear(nil), last)
	asked := 0
	e.Leave(func(context.Context) (bool, error) {
		if asked++; asked == 1 {
			return false, errors.New("the disk is full")
		}
		return asked == 3, nil
	})
	if err := e.Run(t.Context()); err != nil || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	if looks, _ := last.counts(); looks < 3 {
		t.Errorf("it left after %d looks", looks)
	}
}

// While the builder waits to leave, a peer that left before answers it no more:
// what is done stays so.
func TestWhatIsDoneRestsUntilTheBuilderLeaves(t *testing.T) {
	cluster := &act{name: "cluster", check: func(n int) (step.Verdict, error) {
		if n > 1 {
			return step.Wait("russell is settled and its builder has left"), nil
		}
		return step.IsDone("philosophers has 3 of 3 nodes"), nil
	}}
	e, _ := engineOf(t, virtual(), hear(nil), cluster)
	asked := 0
	e.Leave(func(context.Context) (bool, error) {
		asked++
		return asked == 100, nil
	})
	if err := e.Run(t.Context()); err != nil || asked != 100 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	if s := e.Status(); s.Phase != status.PhaseFormed || s.Plans[0].Reason != "philosophers has 3 of 3 nodes" {
		t.Errorf("%+v", s)
	}
}
