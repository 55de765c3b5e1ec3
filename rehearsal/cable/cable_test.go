package cable

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/net/dns/dnsmessage"
)

// machine is the end of a cable that QEMU would hold.
type machine struct {
	t    *testing.T
	conn *net.UnixConn
	to   *net.UnixAddr
	mac  mac
}

func plug(t *testing.T, s *Switch, name string, last byte) *machine {
	t.Helper()
	local, remote, err := s.Plug(name)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: local, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &machine{t, conn, &net.UnixAddr{Name: remote, Net: "unixgram"}, mac{0x52, 0x54, 0, 0, 0, last}}
}

func (m *machine) send(frame []byte) {
	m.t.Helper()
	if _, err := m.conn.WriteToUnix(frame, m.to); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) receive() []byte {
	m.t.Helper()
	buffer := make([]byte, maxFrame)
	m.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := m.conn.Read(buffer)
	if err != nil {
		m.t.Fatalf("nothing arrived: %v", err)
	}
	return buffer[:n]
}

func plain(to, from mac, text string) []byte {
	return append(append(append(append([]byte{}, to[:]...), from[:]...), 0x88, 0xb5), text...)
}

var broadcast = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func run(t *testing.T, s *Switch) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
}

// dir is short: sockets lie in it.
func dir(t *testing.T) string {
	d, err := os.MkdirTemp("", "rb-cable-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(d) })
	return d
}

// checksum is the Internet's (RFC 1071); over what holds its own it is 0.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i]) << 8
		if i+1 < len(b) {
			sum += uint32(b[i+1])
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func TestSwitchLearnsAndFloods(t *testing.T) {
	s := NewSwitch(dir(t))
	a, b, c := plug(t, s, "a", 1), plug(t, s, "b", 2), plug(t, s, "c", 3)
	run(t, s)
	a.send(plain(broadcast, a.mac, "hello"))
	for _, m := range []*machine{b, c} {
		if got := m.receive(); !bytes.HasSuffix(got, []byte("hello")) {
			t.Errorf("got %q", got)
		}
	}
	b.send(plain(a.mac, b.mac, "for a"))
	if got := a.receive(); !bytes.HasSuffix(got, []byte("for a")) {
		t.Errorf("a got %q", got)
	}
	// c must have got nothing in between: the next thing it hears is this.
	a.send(plain(broadcast, a.mac, "last"))
	if got := c.receive(); !bytes.HasSuffix(got, []byte("last")) {
		t.Errorf("c heard what was for a: %q", got)
	}
}

func TestSwitchLosesWhatItIsToldTo(t *testing.T) {
	s := NewSwitch(dir(t))
	a, b := plug(t, s, "a", 1), plug(t, s, "b", 2)
	run(t, s)
	s.Drop(func(frame []byte) bool { return bytes.HasSuffix(frame, []byte("secret")) })
	a.send(plain(broadcast, a.mac, "secret"))
	a.send(plain(broadcast, a.mac, "open"))
	if got := b.receive(); !bytes.HasSuffix(got, []byte("open")) {
		t.Errorf("got %q", got)
	}
}

func TestRouterAnswers(t *testing.T) {
	gateway, own := netip.MustParseAddr("10.203.3.1"), netip.MustParseAddr("10.203.3.11")
	s := NewSwitch(dir(t))
	s.AddRouter(gateway, []string{"time.example.org"})
	a := plug(t, s, "a", 1)
	run(t, s)

	g, o := gateway.As4(), own.As4()
	const typeARP = 0x0806
	arp := append(append(append([]byte{}, broadcast[:]...), a.mac[:]...), 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	arp = append(append(arp, a.mac[:]...), o[:]...)
	arp = append(append(arp, make([]byte, 6)...), g[:]...)
	a.send(arp)
	got := a.receive()
	if binary.BigEndian.Uint16(got[12:]) != typeARP || got[21] != 2 || mac(got[22:28]) != routerMAC || !bytes.Equal(got[28:32], g[:]) || mac(got[32:38]) != a.mac {
		t.Fatalf("ARP answer % x", got)
	}

	echo := []byte{8, 0, 0, 0, 0, 1, 0, 2, 'x'}
	binary.BigEndian.PutUint16(echo[2:], checksum(echo))
	ask := func(protocol layers.IPProtocol, rest ...gopacket.SerializableLayer) {
		head := []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: a.mac[:], DstMAC: routerMAC[:], EthernetType: layers.EthernetTypeIPv4},
			&layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: o[:], DstIP: g[:]}}
		frame, err := pack(append(head, rest...)...)
		if err != nil {
			t.Fatal(err)
		}
		a.send(frame)
	}
	ask(layers.IPProtocolICMPv4, gopacket.Payload(echo))
	ip := a.receive()[headerSize:]
	ip = ip[:binary.BigEndian.Uint16(ip[2:])]
	if said := ip[20:]; ip[9] != 1 || !bytes.Equal(ip[12:16], g[:]) || checksum(ip[:20]) != 0 || said[0] != 0 || !bytes.Equal(said[4:], echo[4:]) || checksum(said) != 0 {
		t.Fatalf("echo answer % x", ip)
	}
	askUDP := func(from, to layers.UDPPort, question []byte) {
		head := &layers.UDP{SrcPort: from, DstPort: to}
		head.SetNetworkLayerForChecksum(&layers.IPv4{Protocol: layers.IPProtocolUDP, SrcIP: o[:], DstIP: g[:]})
		ask(layers.IPProtocolUDP, head, gopacket.Payload(question))
	}

	for name, want := range map[string]int{"2.debian.pool.ntp.org.": 1, "time.example.org.": 1, "deb.example.org.": 0} {
		q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{{
			Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
		}}}
		question, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		askUDP(4000, portDNS, question)
		d, ok := udp(a.receive())
		var answer dnsmessage.Message
		if !ok || d.toPort != 4000 || answer.Unpack(d.payload) != nil || answer.ID != 7 || len(answer.Answers) != want {
			t.Errorf("%s: answer %+v", name, answer)
		}
		if want == 0 && answer.RCode != dnsmessage.RCodeNameError {
			t.Errorf("%s is answered with %s", name, answer.RCode)
		}
	}

	question := make([]byte, 48)
	question[0] = 4<<3 | 3
	copy(question[40:], "12345678")
	before := time.Now()
	askUDP(4001, portNTP, question)
	d, ok := udp(a.receive())
	if !ok || len(d.payload) != 48 || d.payload[0]&7 != 4 || string(d.payload[24:32]) != "12345678" {
		t.Fatalf("time answer % x", d.payload)
	}
	at := time.Unix(int64(binary.BigEndian.Uint32(d.payload[40:]))-ntpEpoch, 0)
	if at.Before(before.Add(-2*time.Second)) || at.After(time.Now().Add(2*time.Second)) {
		t.Errorf("the time is %s", at)
	}
}

func TestAnnouncements(t *testing.T) {
	name := dnsmessage.MustNewName("frege._ringboot._tcp.local.")
	m := dnsmessage.Message{
		Header: dnsmessage.Header{Response: true, Authoritative: true},
		Answers: []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{},
		}},
		Additionals: []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.TXTResource{TXT: []string{"v=1", "n=frege"}},
		}},
	}
	payload, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	ip := &layers.IPv4{Version: 4, TTL: 255, Protocol: layers.IPProtocolUDP, SrcIP: []byte{10, 203, 3, 11}, DstIP: []byte{224, 0, 0, 251}}
	head := &layers.UDP{SrcPort: portMDNS, DstPort: portMDNS}
	head.SetNetworkLayerForChecksum(ip)
	frame, err := pack(&layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 0}, DstMAC: []byte{1, 0, 0x5e, 0, 0, 0xfb}, EthernetType: layers.EthernetTypeIPv4}, ip, head, gopacket.Payload(payload))
	if err != nil {
		t.Fatal(err)
	}
	if got := Announcements(frame); len(got) != 1 || len(got[0]) != 2 || got[0][1] != "n=frege" {
		t.Errorf("got %q", got)
	}
	if !IsMDNS(frame) {
		t.Error("it is not seen as multicast DNS")
	}
	for cut := range frame {
		Announcements(frame[:cut]) // must not panic
	}
}

func TestOldSocketsAreNoObstacle(t *testing.T) {
	d := dir(t)
	if err := os.WriteFile(filepath.Join(d, "a.s"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	plug(t, NewSwitch(d), "a", 1)
}
