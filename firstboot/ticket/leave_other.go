//go:build !linux

package ticket

import (
	"context"
	"errors"
)

// Leave works on a node only.
func Leave(context.Context, Who, func(string)) error {
	return errors.New("marks and tickets are left on a node, which runs Linux")
}

// ForgetAll works on a node only.
func ForgetAll(context.Context, Who, func(string)) error {
	return errors.New("media are overwritten on a node, which runs Linux")
}
