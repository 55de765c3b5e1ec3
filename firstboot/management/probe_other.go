//go:build !linux

package management

import (
	"context"
	"errors"
	"net/netip"
)

// ProbePort works on Linux only.
func ProbePort(context.Context, string, netip.Addr, int) error {
	return errors.ErrUnsupported
}
