package step

import "context"

// Observer is a step that can say what differs from the plan on a settled node,
// by itself: the builders of its peers have left and answer nothing. What it
// returns is told and never undone.
type Observer interface {
	Observe(ctx context.Context) ([]Change, error)
}

// Reopener is a step that may have been begun again after the node settled, and
// been cut off: then it is not finished for the builder that comes next.
type Reopener interface {
	Reopened() bool
}
