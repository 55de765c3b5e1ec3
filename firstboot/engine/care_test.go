package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"ringboot/firstboot/engine"
	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
)

// flushed counts how often the machine was told to flush.
type flushed struct {
	host.Files
	times atomic.Int64
	err   error
}

func (f *flushed) Sync() error {
	f.times.Add(1)
	return f.err
}

// What is found done was perhaps made by a process that ended before its
// writes reached the disk: it counts as done once it does.
func TestFlushesBeforeItBelievesThatAStepIsDone(t *testing.T) {
	h := host.New(t.TempDir())
	h.Clock = still{virtual()}
	f := &flushed{Files: h.Files}
	h.Files = f
	j, err := journal.Open(h.Files, h.Clock, journal.Path)
	if err != nil {
		t.Fatal(err)
	}
	made := false
	found := &act{name: "found", check: done}
	applied := &act{name: "applied", check: func(int) (step.Verdict, error) {
		if made {
			if n := f.times.Load(); n != 1 {
				t.Errorf("%d flushes before the second step was made, want that of the first", n)
			}
			return step.IsDone(""), nil
		}
		return step.Do("missing"), nil
	}, apply: func(context.Context) error { made = true; return nil }}
	heard := hear(func(s status.Status) bool {
		if s.Plans[1].State == step.Done.String() && f.times.Load() != 2 {
			t.Errorf("called done after %d flushes", f.times.Load())
		}
		return s.Phase == status.PhaseFormed
	})
	start(t, engine.New([]step.Step{found, applied}, h, j, heard))
	heard.wait(t)
}

func TestADiskThatDoesNotFlushHoldsAStepBack(t *testing.T) {
	h := host.New(t.TempDir())
	h.Clock = virtual()
	h.Files = &flushed{Files: h.Files, err: errors.New("flush the disks: input/output error")}
	j, err := journal.Open(h.Files, h.Clock, journal.Path)
	if err != nil {
		t.Fatal(err)
	}
	heard := hear(func(s status.Status) bool { return s.Waiting == "flush the disks: input/output error" })
	start(t, engine.New([]step.Step{&act{name: "found", check: done}}, h, j, heard))
	heard.wait(t)
}

// A step with a defect is a step that waits: the agent keeps the ring.
func TestAStepThatPanicsWaits(t *testing.T) {
	for name, s := range map[string]*act{
		"check": {name: "ring", check: func(int) (step.Verdict, error) { var nothing []int; return step.IsDone(fmt.Sprint(nothing[3])), nil }},
		"apply": {name: "ring", check: func(int) (step.Verdict, error) { return step.Do("x"), nil }, apply: func(context.Context) error { panic("no such port") }},
	} {
		t.Run(name, func(t *testing.T) {
			h := hear(func(s status.Status) bool {
				return s.Plans[0].State == step.Waiting.String() && strings.HasPrefix(s.Waiting, "step ring has a defect and was ended (") &&
					strings.Contains(s.Waiting, " at care_test.go:") && strings.HasSuffix(s.Waiting, "): report it, and update ringboot")
			})
			e, _ := engineOf(t, virtual(), h, s)
			start(t, e)
			h.wait(t)
		})
	}
}
