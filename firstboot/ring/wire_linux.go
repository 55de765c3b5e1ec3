package ring

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Sockets opens the hello's UDP sockets in the process's network namespace.
type Sockets struct{}

// precedence lets probes pass before bulk traffic: class selector 6 (RFC 4594 3.1).
const precedence = 0xc0

type udpWire struct {
	conn *net.UDPConn
	raw  syscall.RawConn
}

// Open binds a socket to the device, so that it sends and hears nothing elsewhere.
func (Sockets) Open(ctx context.Context, device string) (Wire, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = socketOptions(int(fd), device) }); e != nil {
			return e
		}
		return err
	}}
	pc, err := lc.ListenPacket(ctx, "udp4", fmt.Sprintf("0.0.0.0:%d", UDPPort))
	if err != nil {
		return nil, fmt.Errorf("listen for the hello on %s: %w", device, err)
	}
	conn := pc.(*net.UDPConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("listen for the hello on %s: %w", device, err)
	}
	return &udpWire{conn, raw}, nil
}

func socketOptions(fd int, device string) error {
	if err := unix.BindToDevice(fd, device); err != nil {
		return fmt.Errorf("bind to %s: %w", device, err)
	}
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{unix.SOL_SOCKET, unix.SO_BROADCAST, 1},
		{unix.IPPROTO_IP, unix.IP_TTL, 1}, // never routed
		{unix.IPPROTO_IP, unix.IP_TOS, precedence},
		{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("socket option %d: %w", o.name, err)
		}
	}
	return nil
}

func (w *udpWire) mtuDiscovery(value int) error {
	var err error
	if e := w.raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, value)
	}); e != nil {
		return e
	}
	return err
}

// Announce may be cut into fragments: a certificate can be longer than a small MTU.
func (w *udpWire) Announce(frame []byte) error {
	if err := w.mtuDiscovery(unix.IP_PMTUDISC_DONT); err != nil {
		return err
	}
	_, err := w.conn.WriteToUDPAddrPort(frame, netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), UDPPort))
	if e := w.mtuDiscovery(unix.IP_PMTUDISC_PROBE); err == nil {
		err = e
	}
	return err
}

func (w *udpWire) Probe(frame []byte, to string) error {
	addr, err := netip.ParseAddr(to)
	if err != nil {
		return err
	}
	_, err = w.conn.WriteToUDPAddrPort(frame, netip.AddrPortFrom(addr, UDPPort))
	return err
}

func (w *udpWire) Read(buffer []byte) (int, error) {
	n, _, err := w.conn.ReadFromUDPAddrPort(buffer)
	return n, err
}

func (w *udpWire) Close() error { return w.conn.Close() }
