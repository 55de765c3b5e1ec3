package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ringboot/firstboot/step"
)

// Results of a step in one pass.
const (
	ResultOK      = "ok"      // was done
	ResultChanged = "changed" // is done now, or would be changed (check)
	ResultWaiting = "waiting" // for something outside this node
	ResultStopped = "stopped" // for a person
	ResultFailed  = "failed"  // applied, and not done
	ResultPending = "pending" // a step before it is not done
)

// Outcome is what one pass did with one step.
type Outcome struct {
	Step    string        `json:"step"`
	Result  string        `json:"result"`
	Reason  string        `json:"reason,omitempty"`
	Changes []step.Change `json:"changes,omitempty"`
	Risks   []string      `json:"risks,omitempty"`
}

// Reached reports whether the step is done.
func (o Outcome) Reached() bool { return o.Result == ResultOK || o.Result == ResultChanged }

// PassOptions limit a pass.
type PassOptions struct {
	// Check changes nothing: it says what would be changed. Steps after one
	// that is not done are shown as pending.
	Check bool
	// Only applies one step, or with a dot one part of it: base.accounts. Those
	// before it are looked at and must be done: never Ceph without the ring.
	Only string
}

// Parted is a step whose parts can be asked for one by one.
type Parted interface {
	Part(name string) (step.Step, bool)
}

// Pass goes through the steps once. Its error means that the pass itself could
// not be made; a step that is not reached is no error.
func (e *Engine) Pass(ctx context.Context, o PassOptions) ([]Outcome, error) {
	e.work.Lock()
	defer e.work.Unlock()
	defer e.Kick() // a resident engine takes over what the pass found
	if o.Only != "" {
		return e.passOnly(ctx, o)
	}
	var out []Outcome
	blocked := ""
	for _, s := range e.steps {
		if blocked != "" {
			out = append(out, Outcome{Step: s.Name(), Result: ResultPending, Reason: "waits for step " + blocked})
			continue
		}
		outcome, err := e.passOne(ctx, s, o)
		if err != nil {
			return out, err
		}
		out = append(out, outcome)
		if !outcome.Reached() || o.Check && outcome.Result != ResultOK {
			blocked = s.Name()
		}
	}
	return out, nil
}

// Preview looks at every step and changes nothing: a step that is not done
// keeps none behind it from being looked at.
func (e *Engine) Preview(ctx context.Context) ([]Outcome, error) {
	e.work.Lock()
	defer e.work.Unlock()
	var out []Outcome
	for _, s := range e.steps {
		o, err := e.passOne(ctx, s, PassOptions{Check: true})
		if err != nil {
			return out, err
		}
		out = append(out, o)
	}
	return out, nil
}

// passOnly applies one step, if all before it are done.
func (e *Engine) passOnly(ctx context.Context, o PassOptions) ([]Outcome, error) {
	name, part, parted := strings.Cut(o.Only, ".")
	at := slices.IndexFunc(e.steps, func(s step.Step) bool { return s.Name() == name })
	if at < 0 {
		var names []string
		for _, s := range e.steps {
			names = append(names, s.Name())
		}
		return nil, fmt.Errorf("%w %q: the plan has %s", ErrNoStep, o.Only, strings.Join(names, ", "))
	}
	s := e.steps[at]
	if parted {
		whole, ok := s.(Parted)
		if ok {
			s, ok = whole.Part(part)
		}
		if !ok {
			return nil, fmt.Errorf("%w %q: step %s has no part %s", ErrNoStep, o.Only, name, part)
		}
	}
	for _, before := range e.steps[:at] {
		if _, ok := e.finished[before.Name()]; ok {
			continue // what its owner made of it since is no reason to hold back
		}
		v := e.check(ctx, before)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if v.State != step.Done {
			return []Outcome{{Step: o.Only, Result: ResultPending, Reason: fmt.Sprintf("waits for step %s: %s", before.Name(), v.Reason)}}, nil
		}
	}
	outcome, err := e.passOne(ctx, s, o)
	return []Outcome{outcome}, err
}

func (e *Engine) passOne(ctx context.Context, s step.Step, o PassOptions) (Outcome, error) {
	before := e.checkAsked(ctx, s)
	if err := ctx.Err(); err != nil {
		return Outcome{}, err
	}
	out := Outcome{Step: s.Name(), Result: result(before.State), Reason: before.Reason, Changes: before.Changes, Risks: before.Risks}
	if before.State != step.Todo {
		return out, nil
	}
	if o.Check {
		out.Result = ResultChanged
		return out, nil
	}
	if err := e.journal.Intend(s.Name(), before.Reason); err != nil {
		out.Result, out.Reason = ResultFailed, err.Error()
		return out, nil
	}
	applied := apply(ctx, s)
	if err := ctx.Err(); err != nil {
		return out, err
	}
	after := blame(e.checkAsked(ctx, s), applied)
	out.Result, out.Reason, out.Risks = result(after.State), after.Reason, after.Risks
	if after.State == step.Done {
		out.Result = ResultChanged
		return out, e.journal.Settle(s.Name())
	}
	return out, nil
}

// checkAsked is check for a pass. A step that finished when the node settled
// says itself what differs, without its peers' builders, if it can; and what it
// would wait for now is no matter any more.
func (e *Engine) checkAsked(ctx context.Context, s step.Step) step.Verdict {
	reason, ok := e.finished[s.Name()]
	if !ok {
		return e.check(ctx, s)
	}
	o, ok := s.(step.Observer)
	if !ok {
		v := e.check(ctx, s)
		if v.State == step.Waiting {
			return step.IsDone(reason)
		}
		return v
	}
	changes, err := o.Observe(ctx)
	if err != nil {
		return step.Wait(err.Error())
	}
	changes = slices.DeleteFunc(changes, func(c step.Change) bool { return c.Beyond })
	if len(changes) == 0 {
		return step.IsDone(reason)
	}
	return step.Do(fmt.Sprintf("%s is %s, the plan says %s", changes[0].Object, changes[0].Have, changes[0].Want), changes...)
}

// result names the state of a step that was not brought further.
func result(s step.State) string {
	switch s {
	case step.Done:
		return ResultOK
	case step.Waiting:
		return ResultWaiting
	case step.Stopped:
		return ResultStopped
	}
	return ResultFailed
}
