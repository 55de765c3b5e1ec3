package engine

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"strings"

	"ringboot/firstboot/step"
)

// look is Check of a step. A panic in one step must not end the agent that
// keeps the ring: it is waited for like everything else.
func look(ctx context.Context, s step.Step) (v step.Verdict, err error) {
	defer caught(s, &err)
	return s.Check(ctx)
}

// apply is Apply of a step, with the same care.
func apply(ctx context.Context, s step.Step) (err error) {
	defer caught(s, &err)
	return s.Apply(ctx)
}

// caught makes an error of a panic, with its place.
func caught(s step.Step, err *error) {
	if p := recover(); p != nil {
		*err = &step.NotYet{Reason: fmt.Sprintf("step %s has a defect and was ended (%v at %s): report it, and update ringboot", s.Name(), p, place())}
	}
}

// place is where the code that panicked stands.
func place() string {
	pc := make([]uintptr, 16)
	frames := runtime.CallersFrames(pc[:runtime.Callers(4, pc)]) // place, caught and the runtime's own
	for {
		f, more := frames.Next()
		if f.File != "" && !strings.HasPrefix(f.Function, "runtime.") || !more {
			return fmt.Sprintf("%s:%d", path.Base(f.File), f.Line)
		}
	}
}
