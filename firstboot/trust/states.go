package trust

import (
	"context"
	"errors"
)

// StatesOf puts the outcome of a call in states. address stands in the reason
// where the error names none.
func StatesOf(address string, err error) (reachable, trusted State) {
	var unreachable *UnreachableError
	var untrusted *UntrustedError
	var remote *RemoteError
	switch {
	case err == nil, errors.As(err, &remote):
		return State{OK: true}, State{OK: true}
	case errors.As(err, &untrusted):
		return State{OK: true}, State{Why: untrusted.Why}
	case errors.As(err, &unreachable):
		return State{Why: unreachable.Why}, State{Why: "not reachable"}
	case errors.Is(err, context.DeadlineExceeded):
		return State{Why: address + " timed out"}, State{Why: "not reachable"}
	}
	return State{OK: true}, State{Why: err.Error()}
}
