package ring

import (
	"context"
	"net/netip"

	"ringboot/firstboot/ring/layout"
)

// Kernel is the network of one machine: netlink, behind what other systems can build too.
type Kernel interface {
	// Snapshot reads everything at once.
	Snapshot(ctx context.Context) (layout.Snapshot, error)
	// Do carries out one change.
	Do(a layout.Action) error
	// Watch sends whenever something may have changed, until ctx ends. It
	// subscribes again by itself when the kernel drops events.
	Watch(ctx context.Context) <-chan struct{}
	Close()
}

// Wires opens the sockets of the hello.
type Wires interface {
	// Open listens on one port of the ring. The socket dies with the device.
	Open(ctx context.Context, device string) (Wire, error)
}

// Wire is the hello's socket on one port.
type Wire interface {
	// Announce sends to everybody on the cable.
	Announce(frame []byte) error
	// Probe sends to one address over this port, with the bit that forbids fragments.
	Probe(frame []byte, to string) error
	// Ask asks the kernel that has an address on the cable to answer, whatever the
	// routes and the neighbour table say. The answer is seen by Counters only.
	Ask(addr netip.Addr) error
	// Counters are those of the device.
	Counters() (Counters, error)
	// Read waits for the next datagram.
	Read(buffer []byte) (int, error)
	Close() error
}
