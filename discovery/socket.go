package discovery

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Group addresses and port of multicast DNS (RFC 6762 3).
var (
	group4 = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	group6 = net.ParseIP("ff02::fb")
)

const unicastWanted = 1 << 15 // top bit of the question's class (RFC 6762 5.4)

// port is the socket pair with which one link is asked and, on a node, heard.
//
// The sockets are ours and not the library's client: that one joins the group
// on whatever interface the routing table names, fails where there is no route,
// and merges two answers of one name into one.
type port struct {
	link link
	v4   *net.UDPConn
	v6   *net.UDPConn
}

// openPort makes the sockets. Joining makes the kernel take in the group's
// packets on this link; the server's sockets get them from there.
func openPort(l link, loopback, join bool) (*port, error) {
	p := &port{link: l}
	var errs []error
	if l.v4 {
		errs = append(errs, p.open4(loopback, join))
	}
	if l.v6 {
		errs = append(errs, p.open6(loopback, join))
	}
	if p.v4 == nil && p.v6 == nil {
		return nil, fmt.Errorf("multicast on %s: %w", l.ifi.Name, errors.Join(errs...))
	}
	return p, nil
}

func (p *port) open4(loopback, join bool) error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4zero})
	if err != nil {
		return err
	}
	c := ipv4.NewPacketConn(conn)
	err = errors.Join(c.SetMulticastInterface(&p.link.ifi), c.SetMulticastTTL(255), c.SetMulticastLoopback(loopback))
	if err == nil && join {
		err = c.JoinGroup(&p.link.ifi, group4)
	}
	if err != nil {
		_ = conn.Close() // nothing was sent on it
		return err
	}
	p.v4 = conn
	return nil
}

func (p *port) open6(loopback, join bool) error {
	conn, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6unspecified})
	if err != nil {
		return err
	}
	c := ipv6.NewPacketConn(conn)
	err = errors.Join(c.SetMulticastInterface(&p.link.ifi), c.SetMulticastHopLimit(255), c.SetMulticastLoopback(loopback))
	if err == nil && join {
		err = c.JoinGroup(&p.link.ifi, &net.UDPAddr{IP: group6})
	}
	if err != nil {
		_ = conn.Close() // nothing was sent on it
		return err
	}
	p.v6 = conn
	return nil
}

func (p *port) conns() []*net.UDPConn {
	return slices.DeleteFunc([]*net.UDPConn{p.v4, p.v6}, func(c *net.UDPConn) bool { return c == nil })
}

func (p *port) close() {
	for _, c := range p.conns() {
		_ = c.Close() // wakes the reader; there is nothing to lose
	}
}

// question is the one that is asked in every round. It asks for ANY and not for
// PTR: a reader like avahi holds its own PTR question back when it hears the
// same one from somebody else (RFC 6762 7.3), and would stay blind for as long
// as nodes ask quickly.
func question() ([]byte, error) {
	m := new(dns.Msg)
	m.SetQuestion(service, dns.TypeANY)
	m.RecursionDesired = false
	m.Question[0].Qclass |= unicastWanted
	return m.Pack()
}

// ask sends the question over the wished address families, or over the only
// one that the link has. One that works is enough.
func (p *port) ask(packet []byte, want4, want6 bool) error {
	var errs []error
	sent := false
	if p.v4 != nil && (want4 || p.v6 == nil) {
		_, err := p.v4.WriteToUDP(packet, group4)
		errs, sent = append(errs, err), sent || err == nil
	}
	if p.v6 != nil && (want6 || p.v4 == nil) {
		_, err := p.v6.WriteToUDP(packet, &net.UDPAddr{IP: group6, Port: group4.Port, Zone: p.link.ifi.Name})
		errs, sent = append(errs, err), sent || err == nil
	}
	if sent {
		return nil
	}
	return fmt.Errorf("ask on %s: %w", p.link.ifi.Name, errors.Join(errs...))
}

// answers returns the strings of all TXT records of our service in a packet.
func answers(packet []byte) [][]string {
	var m dns.Msg
	if m.Unpack(packet) != nil || !m.Response {
		return nil
	}
	var out [][]string
	for _, rr := range append(m.Answer, m.Extra...) {
		if txt, ok := rr.(*dns.TXT); ok && dns.IsSubDomain(service, dns.CanonicalName(txt.Hdr.Name)) {
			// miekg keeps TXT strings in presentation form: \" \\ \DDD.
			plain := make([]string, len(txt.Txt))
			for i, s := range txt.Txt {
				plain[i] = unescape(s)
			}
			out = append(out, plain)
		}
	}
	return out
}

// unescape undoes the library's presentation form of a TXT string (RFC 1035 5.1).
func unescape(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		if i+3 < len(s) && digit(s[i+1]) && digit(s[i+2]) && digit(s[i+3]) {
			out = append(out, (s[i+1]-'0')*100+(s[i+2]-'0')*10+(s[i+3]-'0'))
			i += 3
			continue
		}
		i++
		out = append(out, s[i])
	}
	return string(out)
}

// escape is the other way: what the library packs as the given bytes.
func escape(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < ' ' || c > '~':
			out = append(out, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func sourceOf(a *net.UDPAddr) netip.Addr { return a.AddrPort().Addr().Unmap() }
