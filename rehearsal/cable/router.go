package cable

import (
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
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
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: true})
	eth, ok := p.LinkLayer().(*layers.Ethernet)
	answer := append(r.arp(p), r.ip(p)...)
	if !ok || len(answer) == 0 {
		return
	}
	head := &layers.Ethernet{SrcMAC: routerMAC[:], DstMAC: eth.SrcMAC, EthernetType: eth.EthernetType}
	if out, err := pack(append([]gopacket.SerializableLayer{head}, answer...)...); err == nil {
		r.send(out)
	}
}

// arp answers who-has the gateway's address (RFC 826).
func (r *router) arp(p gopacket.Packet) []gopacket.SerializableLayer {
	a, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP)
	if !ok || a.Operation != layers.ARPRequest || address(a.DstProtAddress) != r.addr {
		return nil
	}
	return []gopacket.SerializableLayer{&layers.ARP{AddrType: a.AddrType, Protocol: a.Protocol, Operation: layers.ARPReply,
		SourceHwAddress: routerMAC[:], SourceProtAddress: a.DstProtAddress, DstHwAddress: a.SourceHwAddress, DstProtAddress: a.SourceProtAddress}}
}

// ip answers an echo request (RFC 792), and questions for names and the time.
func (r *router) ip(p gopacket.Packet) []gopacket.SerializableLayer {
	ip, ok := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
	if !ok || address(ip.DstIP) != r.addr {
		return nil
	}
	back := &layers.IPv4{Version: 4, TTL: 64, Protocol: ip.Protocol, SrcIP: ip.DstIP, DstIP: ip.SrcIP}
	echo, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	if ok && echo.TypeCode.Type() == layers.ICMPv4TypeEchoRequest {
		return []gopacket.SerializableLayer{back, &layers.ICMPv4{TypeCode: layers.ICMPv4TypeEchoReply << 8, Id: echo.Id, Seq: echo.Seq}, gopacket.Payload(echo.Payload)}
	}
	d, _ := udp(p.Data())
	serve := map[uint16]func([]byte) gopacket.SerializableLayer{portDNS: r.dns, portNTP: r.ntp}[d.toPort]
	if serve == nil {
		return nil
	}
	answer := serve(d.payload)
	if answer == nil {
		return nil
	}
	head := &layers.UDP{SrcPort: layers.UDPPort(d.toPort), DstPort: layers.UDPPort(d.fromPort)}
	_ = head.SetNetworkLayerForChecksum(back) // it takes IPv4
	return []gopacket.SerializableLayer{back, head, answer}
}

// dns answers questions for time servers with the router itself, and all
// others with "no such name": nothing of the world is here.
func (r *router) dns(question []byte) gopacket.SerializableLayer {
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
	return gopacket.Payload(out)
}

// ntpEpoch is the beginning of NTP's time, 1900-01-01, in seconds before Unix's.
const ntpEpoch = 2208988800

// ntp answers a client with the host's time (RFC 5905 7.3).
func (r *router) ntp(question []byte) gopacket.SerializableLayer {
	const client, server, local = 3, 4, 127<<24 | 127<<16 | 1<<8 // 127.127.1.0, the local clock
	var q layers.NTP
	if q.DecodeFromBytes(question, gopacket.NilDecodeFeedback) != nil || q.Mode != client {
		return nil
	}
	now := r.now()
	at := layers.NTPTimestamp(uint64(now.Unix()+ntpEpoch)<<32 | uint64(now.Nanosecond())<<32/1e9)
	return &layers.NTP{Version: q.Version, Mode: server, Stratum: 2, Poll: q.Poll, Precision: -20, RootDelay: 0x10, RootDispersion: 0x10,
		ReferenceID: local, ReferenceTimestamp: at, OriginTimestamp: q.TransmitTimestamp, ReceiveTimestamp: at, TransmitTimestamp: at}
}
