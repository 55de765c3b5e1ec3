package cable

import (
	"encoding/binary"
	"net/netip"
)

// Ethernet types (IEEE 802).
const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeIPv6 = 0x86dd
)

// Protocol numbers of IP (RFC 790, RFC 8200).
const (
	protoICMP = 1
	protoUDP  = 17
)

// Ports.
const (
	portDNS      = 53
	portNTP      = 123
	portMDNS     = 5353
	portCorosync = 5405
	portHello    = 7343 // of the ring's keepers
)

// datagram is one UDP datagram of a frame.
type datagram struct {
	source           mac
	from, to         netip.Addr
	fromPort, toPort uint16
	payload          []byte
}

// udp reads the UDP datagram of a frame. Fragments and tagged frames are none.
func udp(frame []byte) (datagram, bool) {
	if len(frame) < headerSize {
		return datagram{}, false
	}
	d := datagram{source: mac(frame[6:12])}
	body := frame[headerSize:]
	switch binary.BigEndian.Uint16(frame[12:14]) {
	case typeIPv4:
		ip, ok := ipv4(body)
		if !ok || ip.proto != protoUDP {
			return datagram{}, false
		}
		d.from, d.to, body = ip.from, ip.to, ip.payload
	case typeIPv6:
		const header = 40 // RFC 8200 3
		if len(body) < header || body[6] != protoUDP {
			return datagram{}, false
		}
		d.from, d.to = netip.AddrFrom16([16]byte(body[8:24])), netip.AddrFrom16([16]byte(body[24:40]))
		length := int(binary.BigEndian.Uint16(body[4:6]))
		body = body[header:min(len(body), header+length)]
	default:
		return datagram{}, false
	}
	const header = 8 // RFC 768
	if len(body) < header {
		return datagram{}, false
	}
	length := int(binary.BigEndian.Uint16(body[4:6]))
	if length < header || length > len(body) {
		return datagram{}, false
	}
	d.fromPort, d.toPort = binary.BigEndian.Uint16(body[0:2]), binary.BigEndian.Uint16(body[2:4])
	d.payload = body[header:length]
	return d, true
}

// packet is one IPv4 packet (RFC 791 3.1).
type packet struct {
	proto    byte
	from, to netip.Addr
	payload  []byte
}

// ipv4 reads a packet that is not a fragment.
func ipv4(body []byte) (packet, bool) {
	const smallest = 20
	if len(body) < smallest || body[0]>>4 != 4 {
		return packet{}, false
	}
	header := int(body[0]&15) * 4
	total := int(binary.BigEndian.Uint16(body[2:4]))
	const fragment = 0x3fff // more fragments, offset
	if header < smallest || total < header || total > len(body) || binary.BigEndian.Uint16(body[6:8])&fragment != 0 {
		return packet{}, false
	}
	return packet{proto: body[9], from: netip.AddrFrom4([4]byte(body[12:16])), to: netip.AddrFrom4([4]byte(body[16:20])), payload: body[header:total]}, true
}

// frameIPv4 wraps a payload into packet and frame.
func frameIPv4(to, from mac, p packet) []byte {
	const header = 20
	out := make([]byte, headerSize+header, headerSize+header+len(p.payload))
	copy(out[0:6], to[:])
	copy(out[6:12], from[:])
	binary.BigEndian.PutUint16(out[12:14], typeIPv4)
	ip := out[headerSize:]
	ip[0] = 4<<4 | header/4
	binary.BigEndian.PutUint16(ip[2:4], uint16(header+len(p.payload)))
	ip[8] = 64 // time to live
	ip[9] = p.proto
	source, destination := p.from.As4(), p.to.As4()
	copy(ip[12:16], source[:])
	copy(ip[16:20], destination[:])
	binary.BigEndian.PutUint16(ip[10:12], checksum(ip[:header]))
	return append(out, p.payload...)
}

// frameUDP wraps a UDP payload. The checksum is left out, as RFC 768 allows.
func frameUDP(to, from mac, d datagram) []byte {
	const header = 8
	out := make([]byte, header, header+len(d.payload))
	binary.BigEndian.PutUint16(out[0:2], d.fromPort)
	binary.BigEndian.PutUint16(out[2:4], d.toPort)
	binary.BigEndian.PutUint16(out[4:6], uint16(header+len(d.payload)))
	return frameIPv4(to, from, packet{proto: protoUDP, from: d.from, to: d.to, payload: append(out, d.payload...)})
}

// checksum is the Internet's (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
