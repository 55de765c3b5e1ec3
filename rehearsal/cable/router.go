package cable

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// routerMAC is locally administered.
var routerMAC = mac{0x52, 0x54, 0x00, 0xff, 0xff, 0xfe}

// Router is what stands at the gateway's address in a rehearsal: it answers
// ARP, ping, DNS and NTP, and routes nothing. Every name that ends in
// "ntp.org" or stands in Servers is itself, so that the nodes find the time.
type router struct {
	addr    netip.Addr
	servers map[string]bool
	send    func(frame []byte)
	now     func() time.Time
}

// AddRouter puts a router at addr into the switch. names are the time servers
// that it answers for, besides those that Debian uses. Before Run only.
func (s *Switch) AddRouter(addr netip.Addr, names []string) {
	r := &router{addr: addr, servers: map[string]bool{}, now: time.Now}
	for _, n := range names {
		r.servers[n+"."] = true
	}
	r.send = s.inside("router", r.receive)
}

func (r *router) receive(frame []byte) {
	switch binary.BigEndian.Uint16(frame[12:14]) {
	case typeARP:
		r.arp(frame)
	case typeIPv4:
		p, ok := ipv4(frame[headerSize:])
		if !ok || p.to != r.addr {
			return
		}
		if p.proto == protoICMP {
			r.ping(mac(frame[6:12]), p)
			return
		}
		d, ok := udp(frame)
		if !ok {
			return
		}
		var answer []byte
		switch d.toPort {
		case portDNS:
			answer = r.dns(d.payload)
		case portNTP:
			answer = r.ntp(d.payload)
		}
		if answer != nil {
			r.send(frameUDP(d.source, routerMAC, datagram{from: r.addr, to: d.from, fromPort: d.toPort, toPort: d.fromPort, payload: answer}))
		}
	}
}

// arp answers who-has the gateway's address (RFC 826).
func (r *router) arp(frame []byte) {
	const size = 28
	body := frame[headerSize:]
	const request, reply = 1, 2
	if len(body) < size || binary.BigEndian.Uint16(body[6:8]) != request || netip.AddrFrom4([4]byte(body[24:28])) != r.addr {
		return
	}
	out := make([]byte, headerSize+size)
	copy(out[0:6], frame[6:12])
	copy(out[6:12], routerMAC[:])
	binary.BigEndian.PutUint16(out[12:14], typeARP)
	answer := out[headerSize:]
	copy(answer[0:6], body[0:6]) // hardware and protocol types and sizes
	binary.BigEndian.PutUint16(answer[6:8], reply)
	copy(answer[8:14], routerMAC[:])
	copy(answer[14:18], body[24:28])
	copy(answer[18:28], body[8:18]) // the asking one
	r.send(out)
}

// ping answers an echo request (RFC 792).
func (r *router) ping(to mac, p packet) {
	const request, reply = 8, 0
	if len(p.payload) < 8 || p.payload[0] != request {
		return
	}
	out := append([]byte(nil), p.payload...)
	out[0] = reply
	out[2], out[3] = 0, 0
	binary.BigEndian.PutUint16(out[2:4], checksum(out))
	r.send(frameIPv4(to, routerMAC, packet{proto: protoICMP, from: r.addr, to: p.from, payload: out}))
}

// dns answers questions for time servers with the router itself, and all
// others with "no such name": nothing of the world is here.
func (r *router) dns(question []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || m.Response || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, RecursionDesired: m.RecursionDesired, RecursionAvailable: true},
		Questions: m.Questions,
	}
	name := q.Name.String()
	isTime := r.servers[name] || len(name) > len("ntp.org.") && name[len(name)-len(".ntp.org."):] == ".ntp.org."
	switch {
	case !isTime:
		answer.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		answer.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.AResource{A: r.addr.As4()},
		}}
	}
	out, err := answer.Pack()
	if err != nil {
		return nil
	}
	return out
}

// ntpEpoch is the beginning of NTP's time, 1900-01-01, in seconds before Unix's.
const ntpEpoch = 2208988800

// ntp answers a client with the host's time (RFC 5905 7.3).
func (r *router) ntp(question []byte) []byte {
	const size, client, server = 48, 3, 4
	if len(question) < size || question[0]&7 != client {
		return nil
	}
	now := r.now()
	out := make([]byte, size)
	out[0] = question[0]&0x38 | server // the client's version
	out[1] = 2                         // stratum
	out[2] = question[2]
	out[3] = 0xec                             // precision: 2^-20 s
	binary.BigEndian.PutUint32(out[4:], 0x10) // root delay
	binary.BigEndian.PutUint32(out[8:], 0x10) // root dispersion
	copy(out[12:16], []byte{127, 127, 1, 0})  // reference: the local clock
	copy(out[24:32], question[40:48])         // originate: the client's transmit
	for _, at := range []int{16, 32, 40} {    // reference, receive, transmit
		binary.BigEndian.PutUint32(out[at:], uint32(now.Unix()+ntpEpoch))
		binary.BigEndian.PutUint32(out[at+4:], uint32((uint64(now.Nanosecond())<<32)/1e9))
	}
	return out
}
