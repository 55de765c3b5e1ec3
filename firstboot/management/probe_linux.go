package management

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// An ARP request for IPv4 over Ethernet (RFC 826).
const (
	arpLength    = 28
	arpRequest   = 1
	arpReply     = 2
	arpOperation = 6  // offset of the operation
	arpSenderIP  = 14 // offset of the sender's address
)

// ProbePort asks on one port, and on no other, who has the gateway's address.
// The request gives no address of this node away (RFC 5227 2.1.1), so that it
// changes nobody's memory of where the node is. A tag other than 0 is that of the
// VLAN in which the gateway is.
func ProbePort(ctx context.Context, name string, gateway netip.Addr, tag int) error {
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("probe %s: %w", name, err)
	}
	proto := binary.BigEndian.Uint16([]byte{unix.ETH_P_ARP & 0xff, unix.ETH_P_ARP >> 8})
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(proto))
	if err != nil {
		return fmt.Errorf("probe %s: %w", name, err)
	}
	defer unix.Close(fd)
	at := &unix.SockaddrLinklayer{Protocol: proto, Ifindex: dev.Index, Halen: 6, Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto, Ifindex: dev.Index}); err != nil {
		return fmt.Errorf("probe %s: %w", name, err)
	}
	wait := unix.NsecToTimeval((200 * time.Millisecond).Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return fmt.Errorf("probe %s: %w", name, err)
	}
	ask := request(dev.HardwareAddr, gateway)
	if tag != 0 {
		// The kernel writes the header with the type of a tag, whose rest and the
		// type of what it carries come first in the payload (IEEE 802.1Q 9.6). The
		// answer is stripped of its tag, if the port's filter of tags lets it in.
		ask = append([]byte{byte(tag >> 8), byte(tag), unix.ETH_P_ARP >> 8, unix.ETH_P_ARP & 0xff}, ask...)
		at.Protocol = binary.BigEndian.Uint16([]byte{unix.ETH_P_8021Q & 0xff, unix.ETH_P_8021Q >> 8})
		all := &unix.PacketMreq{Ifindex: int32(dev.Index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, all); err != nil {
			return fmt.Errorf("probe %s: %w", name, err)
		}
	}
	answer := make([]byte, 64)
	for end := time.Now().Add(proveFor); time.Now().Before(end) && ctx.Err() == nil; {
		if err := unix.Sendto(fd, ask, 0, at); err != nil {
			return fmt.Errorf("probe %s: %w", name, err)
		}
		for next := time.Now().Add(time.Second); time.Now().Before(next); {
			n, _, err := unix.Recvfrom(fd, answer, 0)
			if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return fmt.Errorf("probe %s: %w", name, err)
			}
			if answers(answer[:n], gateway) {
				return nil
			}
		}
	}
	return ErrNoGateway
}

func request(mac net.HardwareAddr, gateway netip.Addr) []byte {
	out := []byte{0, 1, 8, 0, 6, 4, 0, arpRequest} // Ethernet, IPv4
	out = append(out, mac...)
	out = append(out, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // no address of ours, any of theirs
	ip := gateway.As4()
	return append(out, ip[:]...)
}

// answers reports whether a packet is the gateway's own reply.
func answers(packet []byte, gateway netip.Addr) bool {
	if len(packet) < arpLength || binary.BigEndian.Uint16(packet[arpOperation:]) != arpReply {
		return false
	}
	from, _ := netip.AddrFromSlice(packet[arpSenderIP : arpSenderIP+4])
	return from == gateway
}
