//go:build !linux

package pairing

import (
	"context"
	"errors"
)

// Listen opens one end of a cable: on Linux only.
func Listen(context.Context, string) (Wire, error) {
	return nil, errors.New("machines are paired on linux only")
}
