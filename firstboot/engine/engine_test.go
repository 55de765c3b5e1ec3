package engine_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ringboot/firstboot/engine"
	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/rehearsal/crash"
)

// act is a step whose verdicts a test decides.
type act struct {
	name  string
	mu    sync.Mutex
	check func(n int) (step.Verdict, error) // n-th look, from 1
	apply func(ctx context.Context) error
	looks int
	did   int
	more  sync.Cond // told of each time that it is done
}

// awaits returns once the step was done so often.
func (a *act) awaits(times int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.more.L = &a.mu
	for a.did < times {
		a.more.Wait()
	}
}

func (a *act) Name() string { return a.name }

func (a *act) Check(context.Context) (step.Verdict, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.looks++
	return a.check(a.looks)
}

func (a *act) Apply(ctx context.Context) error {
	a.mu.Lock()
	a.did++
	a.more.Broadcast()
	f := a.apply
	a.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(ctx)
}

func (a *act) counts() (looks, did int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.looks, a.did
}

func done(int) (step.Verdict, error) { return step.IsDone(""), nil }

// heard collects reports and tells when one fits.
type heard struct {
	mu    sync.Mutex
	all   []status.Status
	wants func(status.Status) bool
	found chan struct{}
}

func hear(wants func(status.Status) bool) *heard {
	return &heard{wants: wants, found: make(chan struct{})}
}

func (h *heard) Report(s status.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, s)
	if h.wants != nil && h.wants(s) {
		h.wants = nil
		close(h.found)
	}
}

func (h *heard) wait(t *testing.T) {
	t.Helper()
	select {
	case <-h.found:
	case <-time.After(30 * time.Second):
		h.mu.Lock()
		defer h.mu.Unlock()
		t.Fatalf("never heard; last of %d: %+v", len(h.all), h.all[max(0, len(h.all)-1):])
	}
}

func engineOf(t *testing.T, clock host.Clock, r engine.Reporter, steps ...step.Step) (*engine.Engine, host.Host) {
	t.Helper()
	h := host.New(t.TempDir())
	h.Clock = clock
	j, err := journal.Open(h.Files, clock, journal.Path)
	if err != nil {
		t.Fatal(err)
	}
	return engine.New(steps, h, j, r), h
}

// start runs the engine until the test ends.
func start(t *testing.T, e *engine.Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func virtual() *crash.Clock {
	return crash.NewClock(time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC))
}

func TestStepsGoInOrder(t *testing.T) {
	first := &act{name: "first", check: func(n int) (step.Verdict, error) {
		if n < 5 {
			return step.Wait("the cable between frege and russell is missing"), nil
		}
		return step.IsDone("cable found"), nil
	}}
	made := false
	second := &act{name: "second", check: func(int) (step.Verdict, error) {
		if looks, _ := first.counts(); looks < 5 {
			t.Error("the second step was looked at before the first was done")
		}
		if made {
			return step.IsDone("made"), nil
		}
		return step.Do("a file is missing", step.Change{Object: "/etc/x", Want: "there"}), nil
	}, apply: func(context.Context) error { made = true; return nil }}
	h := hear(func(s status.Status) bool { return s.Phase == status.PhaseFormed })
	e, _ := engineOf(t, virtual(), h, first, second)
	stop := start(t, e)
	h.wait(t)
	stop()
	if got := h.all[0]; got.Phase != "first" || got.Step != 1 || got.Steps != 2 || got.Plans[1].State != "pending" ||
		got.Verdict != "step 1 of 2, first: the cable between frege and russell is missing" {
		t.Errorf("first report %+v", got)
	}
	s := e.Status()
	if s.Verdict != "all 2 steps are done" || s.Step != 2 || s.Waiting != "" {
		t.Errorf("last status %+v", s)
	}
	var events []string
	for _, ev := range s.Events {
		events = append(events, ev.Text)
	}
	want := []string{"first waiting: the cable between frege and russell is missing", "first done: cable found", "second todo: a file is missing", "second done: made"}
	if !slices.Equal(events, want) {
		t.Errorf("events %q, want %q", events, want)
	}
}

func TestBackOffIsBoundedAndSinceStays(t *testing.T) {
	clock := virtual()
	begin := clock.Now()
	var at []time.Duration
	enough := make(chan struct{})
	s := &act{name: "ring"}
	s.check = func(n int) (step.Verdict, error) {
		at = append(at, clock.Now().Sub(begin))
		if n == 40 {
			close(enough)
		}
		return step.Wait("no cable"), nil
	}
	e, _ := engineOf(t, clock, hear(nil), s)
	stop := start(t, e)
	<-enough
	stop()
	for i := 1; i < 40; i++ {
		if pause := at[i] - at[i-1]; pause > 30*time.Second {
			t.Errorf("pause %d is %s", i, pause)
		} else if i > 10 && pause < 10*time.Second {
			t.Errorf("pause %d is only %s after so many tries", i, pause)
		}
	}
	if got := e.Status(); !got.Since.Equal(begin) {
		t.Errorf("waiting since %s, want %s", got.Since, begin)
	}
}

// still is a clock that stands: only a kick wakes who sleeps by it.
type still struct{ host.Clock }

func (still) Sleep(ctx context.Context, d time.Duration) error { <-ctx.Done(); return ctx.Err() }

func TestAKickWakesTheEngine(t *testing.T) {
	var mu sync.Mutex
	there := false
	s := &act{name: "peers", check: func(int) (step.Verdict, error) {
		mu.Lock()
		defer mu.Unlock()
		if there {
			return step.IsDone("all there"), nil
		}
		return step.Wait("russell is not there"), nil
	}}
	h := hear(func(s status.Status) bool { return s.Phase == status.PhaseFormed })
	e, _ := engineOf(t, still{virtual()}, h, s)
	start(t, e)
	mu.Lock()
	there = true
	mu.Unlock()
	e.Kick()
	h.wait(t)
}

// patient is a step whose verdict keeps for an hour.
type patient struct{ *act }

func (patient) Recheck() time.Duration { return time.Hour }

func TestDoubtLooksAtADoneStepAgain(t *testing.T) {
	var mu sync.Mutex
	again := false
	s := &act{name: "accept", check: func(int) (step.Verdict, error) {
		mu.Lock()
		defer mu.Unlock()
		if again {
			return step.Wait("runs again"), nil
		}
		return step.IsDone("ended"), nil
	}}
	formed := hear(func(s status.Status) bool { return s.Phase == status.PhaseFormed })
	running := hear(func(s status.Status) bool { return s.Waiting == "runs again" })
	h := host.New(t.TempDir())
	h.Clock = still{virtual()}
	j, err := journal.Open(h.Files, h.Clock, journal.Path)
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New([]step.Step{patient{s}}, h, j, formed, running)
	start(t, e)
	formed.wait(t)
	mu.Lock()
	again = true
	mu.Unlock()
	e.Doubt("report", "accept")
	running.wait(t)
}

func TestWhyAStepDidNotGetDone(t *testing.T) {
	for name, c := range map[string]struct {
		apply         error
		state, reason string
	}{
		"an error":       {errors.New("apt-get could not install sudo: disk full"), "todo", "apt-get could not install sudo: disk full"},
		"patience":       {&step.NotYet{Reason: "no network to install sudo"}, "waiting", "no network to install sudo"},
		"nothing at all": {nil, "todo", "sudo is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &act{name: "base", check: func(int) (step.Verdict, error) { return step.Do("sudo is missing"), nil }, apply: func(context.Context) error { return c.apply }}
			h := hear(nil)
			e, _ := engineOf(t, virtual(), h, s)
			stop := start(t, e)
			s.awaits(5)
			stop()
			got := e.Status().Plans[0]
			if got.State != c.state || got.Reason != c.reason {
				t.Errorf("%s: %s", got.State, got.Reason)
			}
			if n := len(e.Status().Events); n > 3 {
				t.Errorf("%d events for one trouble: %+v", n, e.Status().Events)
			}
		})
	}
}

func TestAStepThatComesUndoneIsDoneAgain(t *testing.T) {
	gone := func(n int) bool { return n == 2 }
	s := &act{name: "base"}
	s.check = func(n int) (step.Verdict, error) {
		if gone(n) {
			return step.Do("somebody removed the sudo rules"), nil
		}
		return step.IsDone(""), nil
	}
	h := hear(func(s status.Status) bool { return s.Plans[0].State == "todo" })
	e, _ := engineOf(t, virtual(), h, s, &act{name: "ring", check: func(int) (step.Verdict, error) { return step.Wait("no cable"), nil }})
	stop := start(t, e)
	h.wait(t)
	s.awaits(1)
	stop()
}

// In a bubble, so that a second is one of waiting: work costs none, however busy
// the machine is.
func TestStopsWithinASecond(t *testing.T) { synctest.Test(t, stopsWithinASecond) }

func stopsWithinASecond(t *testing.T) {
	begun := make(chan struct{})
	var once sync.Once
	s := &act{name: "ceph", check: func(int) (step.Verdict, error) { return step.Do("install"), nil },
		apply: func(ctx context.Context) error { once.Do(func() { close(begun) }); <-ctx.Done(); return ctx.Err() }}
	e, _ := engineOf(t, virtual(), hear(nil), s)
	stop := start(t, e)
	<-begun
	at := time.Now()
	stop()
	if took := time.Since(at); took > time.Second {
		t.Errorf("it took %s", took)
	}
}

// full is a disk that takes nothing.
type full struct{ host.Files }

func (full) WriteFile(path string, _ []byte, _ fs.FileMode) error {
	return host.Explain("write", path, &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC})
}

func TestAFullDiskIsWaitedFor(t *testing.T) {
	root := t.TempDir()
	clock := virtual()
	files := full{host.New(root).Files}
	j, err := journal.Open(files, clock, filepath.Join("/", "journal.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := &act{name: "base", check: func(int) (step.Verdict, error) { return step.Do("work to do"), nil }}
	h := hear(func(s status.Status) bool { return strings.Contains(s.Waiting, "no space left for /journal.json") })
	start(t, engine.New([]step.Step{s}, host.Host{Files: files, Clock: clock}, j, h))
	h.wait(t)
	if _, did := s.counts(); did > 0 {
		t.Error("a step was applied whose intent could not be written")
	}
}

func TestPassNamesTheStepsOfThePlan(t *testing.T) {
	e, _ := engineOf(t, virtual(), hear(nil), &act{name: "identity", check: done}, &act{name: "base", check: done})
	_, err := e.Pass(t.Context(), engine.PassOptions{Only: "bass"})
	if err == nil || err.Error() != `no such step "bass": the plan has identity, base` {
		t.Error(err)
	}
	out, err := e.Pass(t.Context(), engine.PassOptions{Only: "base"})
	if err != nil || len(out) != 1 || out[0].Step != "base" || !out[0].Reached() {
		t.Errorf("%+v %v", out, err)
	}
}
