//go:build !linux

package ring

import (
	"context"
	"errors"
	"io/fs"

	"ringboot/firstboot/ring/layout"
)

// Sockets opens the hello's UDP sockets: on Linux only.
type Sockets struct{}

var errLinux = errors.New("the ring is kept on linux only")

// NewKernel opens netlink: on Linux only.
func NewKernel(layout.Config, fs.FS) (Kernel, error) { return nil, errLinux }

// Open listens on one port of the ring: on Linux only.
func (Sockets) Open(context.Context, string) (Wire, error) { return nil, errLinux }
