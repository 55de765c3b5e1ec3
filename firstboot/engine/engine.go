// Package engine runs the steps of a plan in order: until a node is done, only
// looking, or once on request.
//
// It knows nothing of what a step does. A step is not attempted until all
// before it are done, and only another look proves that it is. After a power
// cut at any instant the next start goes on from what it finds.
package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/profiles/fault"
)

const (
	// firstDelay and maxDelay bound the back-off of a step that cannot go on.
	firstDelay = time.Second
	maxDelay   = 30 * time.Second
	// recheck is how old the verdict of a step that is done may get while a
	// later step is worked on. A step changes it with a method Recheck.
	recheck = 15 * time.Second
	// idleCheck is how often a node that is done looks whether it still is, if
	// nothing makes it look before. The tools of Proxmox that it asks take a
	// second of processor time each.
	idleCheck = 15 * time.Minute
	// leaveCheck is how often a node that is done looks whether its peers are,
	// too, so that it may be left alone.
	leaveCheck = 5 * time.Second
	// longestStep bounds one Check or Apply for the watchdog: installing Ceph
	// over a slow line takes its time.
	longestStep = 90 * time.Minute
)

// Rechecker is a step whose verdict keeps for another time than most.
type Rechecker interface{ Recheck() time.Duration }

// Reporter hears of every change of an engine's status. It must not block.
type Reporter interface{ Report(s status.Status) }

// Engine runs the steps in order. A step is not attempted until all before it
// are done.
type Engine struct {
	steps   []step.Step
	host    host.Host
	clock   host.Clock
	journal *journal.Journal
	report  []Reporter
	// Jitter spreads the pauses of several nodes; set before Run.
	Jitter func(time.Duration) time.Duration
	// observing engines apply nothing by themselves; set before Run.
	observing bool
	// finished steps were done when the node settled, or was about to, and stay so.
	finished map[string]string
	// leave is asked when all steps are done; set before Run, may be nil.
	leave func(ctx context.Context) (bool, error)
	work  sync.Mutex // held by whoever goes through the steps

	mu      sync.Mutex
	views   []view
	current int       // index of the first step that is not done
	busy    time.Time // until when being silent is no sign of being stuck
	kicked  bool      // something happened since the last round began
	rouse   func()    // ends the present pause, nil while there is none
}

// view is what the engine knows of one step.
type view struct {
	verdict step.Verdict
	state   string
	since   time.Time
	checked time.Time
	doubted bool      // somebody asked for a new look, and none has begun since
	tries   int       // since it last came further
	next    time.Time // not before, unless kicked
}

// statePending is the state of a step that was not looked at yet.
const statePending = "pending"

// New returns an engine for the steps, of a machine that it may flush and
// whose clock it goes by. The reporters hear of every change.
func New(steps []step.Step, h host.Host, j *journal.Journal, report ...Reporter) *Engine {
	e := &Engine{steps: steps, host: h, clock: h.Clock, journal: j, report: report, Jitter: host.Jitter, views: make([]view, len(steps))}
	for i := range e.views {
		e.views[i].state = statePending
	}
	return e
}

// Kick wakes the engine: something happened that the current step may wait
// for. It never blocks and may be called from anywhere, as often as one likes.
func (e *Engine) Kick() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kicked = true
	if e.rouse != nil {
		e.rouse()
	}
}

// Doubt wakes the engine, and lets it look anew at steps whose verdict would
// keep for a while yet.
func (e *Engine) Doubt(names ...string) {
	e.mu.Lock()
	for i, s := range e.steps {
		if slices.Contains(names, s.Name()) {
			e.views[i].checked, e.views[i].doubted = time.Time{}, true
			delete(e.finished, s.Name())
		}
	}
	e.mu.Unlock()
	e.Kick()
}

// Steps are the steps of the plan.
func (e *Engine) Steps() []step.Step { return slices.Clone(e.steps) }

// Observe looks at the steps until the context ends, as Run does, and applies
// none: they wait until somebody asks for a pass.
func (e *Engine) Observe(ctx context.Context) error {
	e.observing = true
	return e.Run(ctx)
}

// Run works until the context ends, and returns nil then.
func (e *Engine) Run(ctx context.Context) error {
	kicked := false
	for {
		wait, err := e.round(ctx, kicked)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errLeft) {
			return nil
		}
		if err != nil {
			return err
		}
		kicked = e.pause(ctx, wait)
		if ctx.Err() != nil {
			return nil
		}
	}
}

// pause waits for the time or a kick, and tells whether it was a kick. It
// sleeps in its caller's goroutine: the clock of a simulated world lets one
// of them run at a time.
func (e *Engine) pause(ctx context.Context, wait time.Duration) bool {
	e.busyFor(wait + time.Minute)
	sleep, rouse := context.WithCancel(ctx)
	defer rouse()
	e.mu.Lock()
	if !e.kicked {
		e.rouse = rouse
		e.mu.Unlock()
		_ = e.clock.Sleep(sleep, wait) // ended by a kick or by ctx, which Run looks at
		e.mu.Lock()
	}
	defer e.mu.Unlock()
	kicked := e.kicked
	e.kicked, e.rouse = false, nil
	return kicked
}

// round goes through the steps once and returns how long to wait. Its error
// means that the agent itself cannot go on.
func (e *Engine) round(ctx context.Context, kicked bool) (time.Duration, error) {
	e.work.Lock()
	defer e.work.Unlock()
	for i, s := range e.steps {
		if e.fresh(i, s) {
			continue
		}
		if wait := e.notYet(i); wait > 0 && !kicked {
			return wait, nil
		}
		done, err := e.attempt(ctx, i, s)
		if err != nil || ctx.Err() != nil {
			return firstDelay, err
		}
		if !done {
			return e.notYet(i), nil
		}
	}
	if e.leave == nil {
		return e.Jitter(idleCheck), nil
	}
	if !e.rest() {
		return 0, nil
	}
	switch left, err := e.leave(ctx); {
	case err != nil:
		return maxDelay, e.journal.Note("", err.Error())
	case left:
		return 0, errLeft
	}
	return leaveCheck, nil
}

// fresh reports whether a step that is done need not be looked at again yet.
func (e *Engine) fresh(i int, s step.Step) bool {
	keeps := recheck
	if r, ok := s.(Rechecker); ok {
		keeps = r.Recheck()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.finished[s.Name()]; ok {
		return true
	}
	v := e.views[i]
	return v.state == step.Done.String() && e.clock.Now().Sub(v.checked) < keeps
}

// notYet is how long the back-off of a step still takes.
func (e *Engine) notYet(i int) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.views[i].next.Sub(e.clock.Now())
}

// attempt checks a step and, if it can go on, applies it and checks again.
func (e *Engine) attempt(ctx context.Context, i int, s step.Step) (done bool, err error) {
	e.mu.Lock()
	e.views[i].doubted = false
	e.mu.Unlock()
	before := e.check(ctx, s)
	if ctx.Err() != nil {
		return false, nil
	}
	if before.State != step.Todo || !e.retrying(i) {
		if err := e.enter(i, before, false); err != nil {
			return false, err
		}
	}
	if before.State != step.Todo || e.observing {
		return before.State == step.Done, nil
	}
	if err := e.journal.Intend(s.Name(), before.Reason); err != nil {
		return false, e.stuck(i, before, err)
	}
	e.busyFor(longestStep)
	applied := apply(ctx, s)
	if ctx.Err() != nil {
		return false, nil
	}
	after := e.check(ctx, s)
	if ctx.Err() != nil {
		return false, nil
	}
	after = blame(after, applied)
	if after.State == step.Done {
		if err := e.journal.Settle(s.Name()); err != nil {
			return false, e.stuck(i, after, err)
		}
	}
	further := after.State == step.Done || applied == nil && !slices.Equal(before.Changes, after.Changes)
	return after.State == step.Done, e.enter(i, after, further)
}

// retrying reports whether a step is being tried again: it stays in the state
// that the last try left, until this one has ended.
func (e *Engine) retrying(i int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.views[i].state == step.Waiting.String() || e.views[i].state == step.Todo.String()
}

// blame gives a step that Apply could not finish Apply's reason.
func blame(after step.Verdict, applied error) step.Verdict {
	if applied == nil || after.State != step.Todo {
		return after
	}
	after.Reason = applied.Error()
	if step.IsNotYet(applied) {
		after.State = step.Waiting
	}
	return after
}

// check asks a step; an error is a reason to try again later. What was not
// known to be done is flushed before it counts as done: an earlier process may
// have made it and ended before its writes reached the disk, and the next
// power cut would take back what every other node builds on.
func (e *Engine) check(ctx context.Context, s step.Step) step.Verdict {
	e.busyFor(longestStep)
	v, err := look(ctx, s)
	if err == nil && v.State == step.Done && !e.knownDone(s) {
		err = e.host.Files.Sync()
	}
	if err != nil {
		v = step.Verdict{State: step.Waiting, Reason: err.Error()}
	}
	return v
}

// knownDone reports whether the last verdict on a step was that it is done.
func (e *Engine) knownDone(s step.Step) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.steps, func(o step.Step) bool { return o.Name() == s.Name() })
	return i >= 0 && e.views[i].state == step.Done.String()
}

// stuck keeps a journal that cannot be written from ending the agent: a full
// disk is waited for like everything else.
func (e *Engine) stuck(i int, v step.Verdict, err error) error {
	v.State, v.Reason = step.Waiting, err.Error()
	return e.enter(i, v, false)
}

// enter takes a verdict over into the status, the journal and the back-off.
func (e *Engine) enter(i int, v step.Verdict, further bool) error {
	name, now := e.steps[i].Name(), e.clock.Now()
	since, err := e.journal.Enter(name, v.State.String(), v.Reason)
	if err != nil && v.Reason != err.Error() { // said once, where it is the reason
		v.Reason = fmt.Sprintf("%s (%v)", v.Reason, err)
	}
	e.mu.Lock()
	old := e.views[i]
	n := view{verdict: v, state: v.State.String(), since: since, checked: now, doubted: old.doubted, tries: old.tries + 1}
	if n.doubted { // while it was looked at
		n.checked = time.Time{}
	}
	if v.State == step.Done || further || old.state != n.state {
		n.tries = 1
	}
	n.next = now.Add(e.Jitter(delay(n.tries)))
	e.views[i] = n
	e.current = slices.IndexFunc(e.views, func(v view) bool { return v.state != step.Done.String() })
	changed := old.state != n.state || old.verdict.Reason != v.Reason
	e.mu.Unlock()
	if changed {
		text := n.state
		if v.Reason != "" {
			text += ": " + v.Reason
		}
		if old.state != statePending || v.State != step.Done {
			// A journal on a full disk must not end the agent that reports it.
			_ = e.journal.Note(name, text)
		}
		s := e.Status()
		for _, r := range e.report {
			r.Report(s)
		}
	}
	return nil
}

// Backoff is the pause after so many tries that led no further, with jitter.
func Backoff(tries int) time.Duration { return host.Jitter(delay(tries)) }

func delay(tries int) time.Duration {
	d := firstDelay
	for range min(tries-1, 10) {
		d *= 2
	}
	return min(d, maxDelay*4/5) // with its jitter never over maxDelay
}

// Alive reports whether the engine shows signs of life, for the watchdog.
func (e *Engine) Alive() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.busy.IsZero() || time.Now().Before(e.busy)
}

// busyFor promises a sign of life within d. It goes by the machine's own
// monotonic time, which no correction of the clock changes.
func (e *Engine) busyFor(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy = time.Now().Add(d)
}

// ErrNoStep is wrapped by the error of a pass for a step that the plan does not have.
var ErrNoStep = fault.Usage.New("no such step")
