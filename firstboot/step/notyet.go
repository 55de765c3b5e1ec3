package step

import (
	"errors"
)

// NotYet is an error of Apply that says: something outside this node is
// missing, and trying again later is right. The step shows as waiting.
type NotYet struct{ Reason string }

func (e *NotYet) Error() string { return e.Reason }

// IsNotYet reports whether an error of Apply asks for patience only.
func IsNotYet(err error) bool {
	var e *NotYet
	return errors.As(err, &e)
}
