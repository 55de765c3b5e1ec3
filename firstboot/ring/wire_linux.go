package ring

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Sockets opens the hello's sockets in the process's network namespace.
type Sockets struct{}

// precedence lets probes pass before bulk traffic: class selector 6 (RFC 4594 3.1).
const precedence = 0xc0

// portWire is the two sockets of one port: UDP for probes and for all that
// comes in, and a packet socket for the announces that go out.
//
// An announce has the source address 0.0.0.0, as a DHCP request has, which the
// IP stack gives to nobody who asks it. With it the far end takes the packet
// whatever it thinks of our address: a node of another cluster, and this node's
// own other port, which would drop a packet with its own source.
type portWire struct {
	udp    *net.UDPConn
	packet int
	index  int
	rx, tx *os.File // counters
	mac    net.HardwareAddr
}

// Open binds both sockets to the device, so that they send and hear nothing elsewhere.
func (Sockets) Open(ctx context.Context, device string) (Wire, error) {
	dev, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("listen for the hello on %s: %w", device, err)
	}
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
	// Protocol 0: this socket receives nothing.
	packet, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		pc.Close()
		return nil, fmt.Errorf("open a packet socket on %s: %w", device, err)
	}
	w := &portWire{udp: pc.(*net.UDPConn), packet: packet, index: dev.Index, mac: dev.HardwareAddr}
	// Without them the link is probed all the same, only less quickly.
	w.rx, _ = os.Open("/sys/class/net/" + device + "/statistics/rx_packets") //nolint:errcheck // see above
	w.tx, _ = os.Open("/sys/class/net/" + device + "/statistics/tx_packets") //nolint:errcheck // see above
	return w, nil
}

func socketOptions(fd int, device string) error {
	if err := unix.BindToDevice(fd, device); err != nil {
		return fmt.Errorf("bind to %s: %w", device, err)
	}
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{unix.SOL_SOCKET, unix.SO_BROADCAST, 1},
		// Straight onto the cable: no gateway that a route over this port names.
		{unix.SOL_SOCKET, unix.SO_DONTROUTE, 1},
		{unix.IPPROTO_IP, unix.IP_TTL, 1}, // never routed
		{unix.IPPROTO_IP, unix.IP_TOS, precedence},
		// Do not fragment, whatever a path was found to carry before.
		{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("socket option %d: %w", o.name, err)
		}
	}
	return nil
}

// Offsets in the headers of IPv4 (RFC 791 3.1) and UDP (RFC 768).
const (
	ipHeader    = 20
	ipVersion   = 0 // 4 bits version, 4 bits header length in words
	ipTOS       = 1
	ipLength    = 2
	ipTTL       = 8
	ipProtocol  = 9
	ipChecksum  = 10
	ipTo        = 16
	udpFromPort = ipHeader
	udpToPort   = ipHeader + 2
	udpLength   = ipHeader + 4 // followed by a checksum, where 0 means none
)

// broadcastPacket puts the headers before an announce.
func broadcastPacket(frame []byte) []byte {
	p := make([]byte, headers, headers+len(frame))
	p[ipVersion] = 4<<4 | ipHeader/4
	p[ipTOS] = precedence
	binary.BigEndian.PutUint16(p[ipLength:], uint16(headers+len(frame)))
	p[ipTTL], p[ipProtocol] = 1, unix.IPPROTO_UDP
	copy(p[ipTo:], net.IPv4bcast.To4())
	binary.BigEndian.PutUint16(p[udpFromPort:], UDPPort)
	binary.BigEndian.PutUint16(p[udpToPort:], UDPPort)
	binary.BigEndian.PutUint16(p[udpLength:], uint16(headers-ipHeader+len(frame)))
	sum := uint32(0)
	for i := 0; i < ipHeader; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(p[ipChecksum:], ^uint16(sum))
	return append(p, frame...)
}

func (w *portWire) Announce(frame []byte) error {
	const etherIPv4 = unix.ETH_P_IP>>8 | unix.ETH_P_IP&0xff<<8 // in network order
	to := unix.SockaddrLinklayer{Protocol: etherIPv4, Ifindex: w.index, Halen: 6, Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	return unix.Sendto(w.packet, broadcastPacket(frame), 0, &to)
}

func (w *portWire) Probe(frame []byte, to string) error {
	addr, err := netip.ParseAddr(to)
	if err != nil {
		return err
	}
	_, err = w.udp.WriteToUDPAddrPort(frame, netip.AddrPortFrom(addr, UDPPort))
	return err
}

// Numbers of the address resolution protocol (RFC 826).
const (
	arpEthernet = 1
	arpRequest  = 1
	arpSize     = 28
)

// question asks who has addr, with the sender's address left empty: the kernel
// that has it answers, and keeps nothing of the question (RFC 5227 2.1.1).
func question(mac net.HardwareAddr, addr netip.Addr) []byte {
	p := make([]byte, arpSize)
	binary.BigEndian.PutUint16(p[0:], arpEthernet)
	binary.BigEndian.PutUint16(p[2:], unix.ETH_P_IP)
	p[4], p[5] = 6, 4 // lengths of the two kinds of addresses
	binary.BigEndian.PutUint16(p[6:], arpRequest)
	copy(p[8:14], mac)
	copy(p[24:], addr.AsSlice())
	return p
}

// Ask sends the question to everybody on the cable.
func (w *portWire) Ask(addr netip.Addr) error {
	const etherARP = unix.ETH_P_ARP>>8 | unix.ETH_P_ARP&0xff<<8 // in network order
	to := unix.SockaddrLinklayer{Protocol: etherARP, Ifindex: w.index, Halen: 6, Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	return unix.Sendto(w.packet, question(w.mac, addr), 0, &to)
}

// Counters reads what the device has carried.
func (w *portWire) Counters() (Counters, error) {
	rx, err := counter(w.rx)
	if err != nil {
		return Counters{}, err
	}
	tx, err := counter(w.tx)
	return Counters{rx, tx}, err
}

func counter(f *os.File) (uint64, error) {
	if f == nil {
		return 0, os.ErrNotExist
	}
	var text [24]byte // 2^64 has 20 digits
	n, err := f.ReadAt(text[:], 0)
	if n == 0 {
		return 0, err
	}
	return strconv.ParseUint(string(bytes.TrimSpace(text[:n])), 10, 64)
}

func (w *portWire) Read(buffer []byte) (int, error) {
	n, _, err := w.udp.ReadFromUDPAddrPort(buffer)
	return n, err
}

func (w *portWire) Close() error {
	errs := []error{w.udp.Close(), unix.Close(w.packet)}
	for _, f := range []*os.File{w.rx, w.tx} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
