//go:build !unix

package base

import (
	"context"
	"errors"
)

// lock is not there: media are built on Debian.
func lock(context.Context, string) (func(), error) {
	return nil, errors.New("installation media are built on Debian, not on this system")
}
