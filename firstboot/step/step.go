// Package step is what a step of the agent's plan is. The steps themselves have
// a room each; they are run by engine.
//
// A step is Check and Apply. Check reads the system and says how far it is;
// Apply makes it so. Both may run any number of times, and after Apply only
// another Check proves that it worked. Truth is read from the system: the
// journal holds intent, history and marks, never state.
package step

import "context"

// State is how far a step is.
type State int

const (
	// Todo means that Apply can go on now.
	Todo State = iota
	// Done means that nothing is left to do.
	Done
	// Waiting means that something outside this node must happen first; Apply would not help.
	Waiting
	// Stopped means that a person must decide: something foreign, unsafe or impossible was found.
	Stopped
)

func (s State) String() string {
	switch s {
	case Todo:
		return "todo"
	case Done:
		return "done"
	case Waiting:
		return "waiting"
	case Stopped:
		return "stopped"
	}
	return "unknown"
}

// Verdict is the answer of a Check.
type Verdict struct {
	State State
	// Reason is one sentence for a person that names the object and, unless the
	// step is done, the remedy. peers, status, the console and the journal show it.
	Reason string
	// Changes are what Apply would change, in the order in which it would do so.
	Changes []Change
	// Risks are named weaknesses that do not stop the step.
	Risks []string
}

// Change is one difference between what is and what should be.
type Change struct {
	Object string `json:"object"`         // a path, a unit, a package, a link
	Have   string `json:"have,omitempty"` // what was found, redacted where secret
	Want   string `json:"want"`
	// Beyond says that there is more than the plan knows: nothing takes that away.
	Beyond bool `json:"beyond,omitempty"`
}

// Step is one step of the plan.
type Step interface {
	// Name is short, stable and lower case, and one of profiles.Steps.
	Name() string
	// Check changes nothing.
	Check(ctx context.Context) (Verdict, error)
	// Apply works towards done and returns when it can go no further by itself.
	Apply(ctx context.Context) error
}

// Helpers for the common verdicts.

// IsDone is the verdict of a step that has nothing left to do.
func IsDone(reason string) Verdict { return Verdict{State: Done, Reason: reason} }

// Wait is the verdict of a step that waits for something outside this node.
func Wait(reason string) Verdict { return Verdict{State: Waiting, Reason: reason} }

// Stop is the verdict of a step that needs a person.
func Stop(reason string) Verdict { return Verdict{State: Stopped, Reason: reason} }

// Do is the verdict of a step whose Apply can go on.
func Do(reason string, changes ...Change) Verdict {
	return Verdict{State: Todo, Reason: reason, Changes: changes}
}
