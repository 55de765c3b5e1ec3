package engine

import (
	"context"
	"errors"
	"slices"

	"ringboot/firstboot/step"
)

// Finish takes steps for done that were when the node settled, with what they
// said then: nobody looks whether they still are, and nobody does them again,
// unless they are doubted or asked for by a pass, or were begun again and cut off.
func (e *Engine) Finish(steps map[string]string) {
	e.finished = map[string]string{}
	for i, s := range e.steps {
		if again, ok := s.(step.Reopener); ok && again.Reopened() {
			continue
		}
		if reason, ok := steps[s.Name()]; ok {
			e.finished[s.Name()] = reason
			e.views[i] = view{verdict: step.IsDone(reason), state: step.Done.String(), since: e.clock.Now(), checked: e.clock.Now()}
		}
	}
}

// rest takes all steps for finished while the builder waits to leave: a peer
// that has left before answers no builder any more, and a step that asks it anew
// would never be done again. It does nothing, and says so, where somebody has
// doubted a step meanwhile.
func (e *Engine) rest() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if slices.ContainsFunc(e.views, func(v view) bool { return v.doubted }) {
		return false
	}
	if e.finished == nil {
		e.finished = map[string]string{}
	}
	for i, s := range e.steps {
		e.finished[s.Name()] = e.views[i].verdict.Reason
	}
	return true
}

// Leave has Run ask, whenever all steps are done, whether the builder may go.
// When it may, Run returns.
func (e *Engine) Leave(may func(ctx context.Context) (bool, error)) { e.leave = may }

// errLeft ends Run where the builder has nothing left to do.
var errLeft = errors.New("the node is settled")
