package pairing

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"ringboot/profiles/fault"
)

// onLink is the hop limit of what no router passed on (RFC 4861 6.1.1 asks the same).
const onLink = 255

type portWire struct {
	conn *net.UDPConn
	to   *net.UDPAddr // all nodes on the link (RFC 4291 2.7.1)
}

// Listen opens one end of a cable, by the addresses that each link has by itself.
func Listen(ctx context.Context, device string) (Wire, error) {
	dev, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("pair over %s: %w", device, err)
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = options(int(fd), dev) }), err)
	}}
	pc, err := lc.ListenPacket(ctx, "udp6", fmt.Sprintf("[::]:%d", Port))
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return nil, fault.Refused.Errorf("a pairing runs over %s already: end it, or use it", device)
	case errors.Is(err, unix.EAFNOSUPPORT):
		return nil, fault.Precondition.Errorf("this kernel has no IPv6, over which the pairing goes: take ipv6.disable=1 from its command line")
	case err != nil:
		return nil, fmt.Errorf("pair over %s: %w", device, err)
	}
	return &portWire{pc.(*net.UDPConn), &net.UDPAddr{IP: net.IPv6linklocalallnodes, Port: Port, Zone: strconv.Itoa(dev.Index)}}, nil
}

func options(fd int, dev *net.Interface) error {
	if err := unix.BindToDevice(fd, dev.Name); err != nil {
		return fmt.Errorf("bind to %s: %w", dev.Name, err)
	}
	for name, value := range map[int]int{
		unix.IPV6_MULTICAST_IF: dev.Index, unix.IPV6_MULTICAST_HOPS: onLink, unix.IPV6_MULTICAST_LOOP: 0, unix.IPV6_RECVHOPLIMIT: 1, unix.IPV6_V6ONLY: 1,
	} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, name, value); err != nil {
			return fmt.Errorf("socket option %d: %w", name, err)
		}
	}
	return nil
}

func (w *portWire) Send(datagram []byte) error {
	_, err := w.conn.WriteToUDP(datagram, w.to)
	return err
}

// Receive leaves out whatever did not come from the other end of the cable itself.
func (w *portWire) Receive(buffer []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	for {
		n, o, _, from, err := w.conn.ReadMsgUDPAddrPort(buffer, oob)
		if err != nil || from.Addr().Is6() && fromLink(from.Addr(), oob[:o]) {
			return n, err
		}
	}
}

func fromLink(from netip.Addr, oob []byte) bool {
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(all) != 1 || len(all[0].Data) < 4 || !from.IsLinkLocalUnicast() {
		return false
	}
	h := all[0].Header
	return h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_HOPLIMIT && binary.NativeEndian.Uint32(all[0].Data) == onLink
}

func (w *portWire) Close() error { return w.conn.Close() }
