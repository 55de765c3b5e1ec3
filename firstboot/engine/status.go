package engine

import (
	"cmp"
	"fmt"
	"slices"

	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
)

// statusVersion is the version of the status's JSON form.
const statusVersion = 1

// shownEvents is how much of the history travels with a status.
const shownEvents = 20

// teller is a step whose Apply may take minutes, here or on another node, and says
// meanwhile how far it is, in one sentence: empty where the reason of its check is
// all there is to say. It is asked by others than those who run Apply.
type teller interface{ Doing() string }

// Status is the engine's part of the node's status: steps, phase, risks,
// events and verdict.
func (e *Engine) Status() status.Status {
	e.mu.Lock()
	views := slices.Clone(e.views)
	current := slices.IndexFunc(views, func(v view) bool { return v.state != step.Done.String() })
	e.mu.Unlock()
	s := status.Status{Version: statusVersion, Steps: len(e.steps), Peers: []status.PeerStatus{}}
	for i, v := range views {
		reason := v.verdict.Reason
		if t, ok := e.steps[i].(teller); ok && (v.state == step.Todo.String() || v.state == step.Waiting.String()) {
			reason = cmp.Or(t.Doing(), reason)
		}
		s.Plans = append(s.Plans, status.StepStatus{Name: e.steps[i].Name(), State: v.state, Reason: reason, Since: v.since})
		for _, r := range v.verdict.Risks {
			if !slices.Contains(s.Risks, r) {
				s.Risks = append(s.Risks, r)
			}
		}
	}
	for _, ev := range e.journal.Events(shownEvents) {
		text := ev.Text
		if ev.Step != "" {
			text = ev.Step + " " + text
		}
		s.Events = append(s.Events, status.Event{Time: ev.Time, Text: text})
	}
	finish(&s, current)
	return s
}

// finish fills what follows from the steps: phase, waiting and verdict.
func finish(s *status.Status, current int) {
	if current < 0 || current >= len(s.Plans) {
		s.Phase, s.Step = status.PhaseFormed, len(s.Plans)
		s.Verdict = fmt.Sprintf("all %d steps are done", len(s.Plans))
		for _, p := range s.Plans {
			if p.Since.After(s.Since) {
				s.Since = p.Since
			}
		}
		return
	}
	at := s.Plans[current]
	s.Phase, s.Step, s.Since, s.Waiting = at.Name, current+1, at.Since, at.Reason
	s.Stopped = at.State == step.Stopped.String()
	s.Verdict = fmt.Sprintf("step %d of %d, %s: %s", s.Step, s.Steps, at.Name, at.State)
	if at.Reason != "" {
		s.Verdict = fmt.Sprintf("step %d of %d, %s: %s", s.Step, s.Steps, at.Name, at.Reason)
	}
}

// Last is what can be known without a running agent: the states that the last
// one wrote to its journal.
func (e *Engine) Last() status.Status {
	s := e.Status()
	states := e.journal.States()
	current := -1
	for i := range s.Plans {
		p := &s.Plans[i]
		if last, ok := states[p.Name]; ok {
			p.State, p.Reason, p.Since = last.State, last.Reason, last.Time
		}
		if current < 0 && p.State != step.Done.String() {
			current = i
		}
	}
	finish(&s, current)
	return s
}
