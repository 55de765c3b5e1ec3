package trust

import (
	"context"
	"errors"

	"ringboot/firstboot/status"
)

// StatesOf puts the outcome of a call in states. address stands in the reason
// where the error names none.
func StatesOf(address string, err error) (reachable, trusted status.State) {
	var unreachable *UnreachableError
	var untrusted *UntrustedError
	var remote *RemoteError
	switch {
	case err == nil, errors.As(err, &remote):
		return status.State{OK: true}, status.State{OK: true}
	case errors.As(err, &untrusted):
		return status.State{OK: true}, status.State{Why: untrusted.Why}
	case errors.As(err, &unreachable):
		return status.State{Why: unreachable.Why}, status.State{Why: "not reachable"}
	case errors.Is(err, context.DeadlineExceeded):
		return status.State{Why: address + " timed out"}, status.State{Why: "not reachable"}
	}
	return status.State{OK: true}, status.State{Why: err.Error()}
}
