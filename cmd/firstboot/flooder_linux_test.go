package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"ringboot/discovery"
	"ringboot/firstboot/ring"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/testpki"
	"ringboot/rehearsal/hangfs"
	"ringboot/rehearsal/need"
)

// floodEnv makes the test binary the host that floods: it names its orders.
const floodEnv = "RINGBOOT_TEST_FLOOD"

func TestMain(m *testing.M) {
	if hangfs.Serves() {
		return
	}
	need.Main(m, floodEnv, floods)
}

// flooder is a host on the nodes' network, and one end of a tap on a cable of
// their ring. It has the key of one of them.
type flooder struct {
	Cluster   string
	Targets   []string       // addresses of the nodes
	Addresses []string       // its own
	Tap       string         // the device on the cable
	Own       trust.Own      // the key of a node that is bound
	Last      string         // the node whose key that is
	sent      []atomic.Int64 // how much, by kind
}

// Kinds of what is sent.
const (
	halfOpen = iota
	handshakes
	requests
	multicast
	frames
	syns
	spoofed
	kinds
)

// enough connections without a word are more than two nodes have places.
const enough = 1200

// floods sends until its standard input ends, and says then what it has sent.
func floods(text string) error {
	var f flooder
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return err
	}
	f.sent = make([]atomic.Int64, kinds)
	id, err := f.Own.Identity()
	if err != nil {
		return err
	}
	pki, err := testpki.New()
	if err != nil {
		return err
	}
	cert, key, err := pki.Issue(f.Last)
	if err != nil {
		return err
	}
	stranger, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, target := range f.Targets {
		for i := range f.Addresses {
			few := 12
			if i == 0 {
				few = 80
			}
			all.Go(func() { f.opens(ctx, target, f.Addresses[i], few) })
		}
		all.Go(func() { f.shakesHands(ctx, target, stranger) })
		all.Go(func() { f.asks(ctx, target, id) })
		all.Go(func() { f.questions(ctx, target) })
		all.Go(func() { f.syns(ctx, target) })
	}
	all.Go(func() { f.answersForged(ctx) })
	all.Go(func() { f.frames(ctx) })
	for f.sent[halfOpen].Load() < enough {
		time.Sleep(10 * time.Millisecond) // it is counted, nobody tells
	}
	fmt.Println("full")
	_, _ = io.Copy(io.Discard, os.Stdin) // its end is what is waited for
	cancel()
	all.Wait()
	said := make([]int64, len(f.sent))
	for i := range f.sent {
		said[i] = f.sent[i].Load()
	}
	return json.NewEncoder(os.Stdout).Encode(said)
}

// dial connects from one of the flooder's addresses.
func dial(ctx context.Context, from, target string) (net.Conn, error) {
	d := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(target, "8643"))
}

// every calls f at a rate until the context ends.
func every(ctx context.Context, perSecond int, f func()) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	due := 0.0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due += float64(perSecond) / 100; due >= 1; due-- {
			f()
		}
	}
}

// opens holds so many connections without a word from one address, and opens
// each anew when it is closed.
func (f *flooder) opens(ctx context.Context, target, from string, n int) {
	var all sync.WaitGroup
	defer all.Wait()
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				conn, err := dial(ctx, from, target)
				if err == nil {
					f.sent[halfOpen].Add(1)
					stop := context.AfterFunc(ctx, func() { conn.Close() })
					_, _ = io.Copy(io.Discard, conn) // until the node has had enough
					stop()
					conn.Close()
				}
				select {
				case <-ctx.Done():
				case <-time.After(500 * time.Millisecond): // an attacker saves his strength
				}
			}
		})
	}
}

// shakesHands makes whole handshakes with a certificate of another CA, from all
// addresses in turn.
func (f *flooder) shakesHands(ctx context.Context, target string, cert tls.Certificate) {
	turn := 0
	busy := make(chan struct{}, 32)
	var all sync.WaitGroup
	defer all.Wait()
	every(ctx, 60, func() {
		turn++
		from := f.Addresses[turn/2%len(f.Addresses)*(turn%2)] // every other one from the first
		select {
		case busy <- struct{}{}:
		default:
			return
		}
		all.Go(func() {
			defer func() { <-busy }()
			conn, err := dial(ctx, from, target)
			if err != nil {
				return
			}
			defer conn.Close()
			c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}})
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			if c.Handshake() == nil {
				f.sent[handshakes].Add(1)
				_, _ = c.Read(make([]byte, 1)) // the alert
			}
		})
	})
}

// asks says hello with a bound key, at twenty times the rate that the table has.
func (f *flooder) asks(ctx context.Context, target string, id *trust.Identity) {
	trusting := *id
	trusting.Judge = nil
	c := trust.NewClient(trust.ClientOptions{Identity: &trusting, Addresses: func(string) []string { return []string{net.JoinHostPort(target, "8643")} }})
	defer c.Close()
	names := map[string]string{"10.203.3.11": "frege", "10.203.3.12": "russell", "10.203.3.13": "wittgenstein"}
	var all sync.WaitGroup
	defer all.Wait()
	for range 4 {
		all.Go(func() {
			every(ctx, 100, func() {
				if trying, cancel := context.WithTimeout(ctx, time.Second); c.Call(trying, names[target], trust.MethodHello, nil, nil) != nil {
					cancel()
					f.sent[requests].Add(1) // refused, or answered: asked
				} else {
					cancel()
					f.sent[requests].Add(1)
				}
			})
		})
	}
}

// questions are packets full of questions, and what is no packet at all.
func (f *flooder) questions(ctx context.Context, target string) {
	var m, large dns.Msg
	for i := range 10000 {
		q := dns.Question{Name: "_ringboot._tcp.local.", Qtype: dns.TypeANY, Qclass: dns.ClassINET}
		if i < 100 {
			m.Question = append(m.Question, q)
		}
		large.Question = append(large.Question, q)
	}
	m.Compress, large.Compress = true, true
	few, err1 := m.Pack()
	many, err2 := large.Pack()
	conn, err3 := net.Dial("udp4", net.JoinHostPort(target, "5353"))
	if err1 != nil || err2 != nil || err3 != nil {
		return
	}
	defer conn.Close()
	n := 0
	every(ctx, 300, func() {
		packet := few
		switch n++; {
		case n%30 == 0:
			packet = many
		case n%3 == 0:
			packet = few[:n%len(few)]
		}
		if _, err := conn.Write(packet); err == nil {
			f.sent[multicast].Add(1)
		}
	})
}

// answersForged answers each question of a node, and goes on answering, in the
// name of its peers and signed by nobody whom it knows; from its own address, and
// from that of the peer.
func (f *flooder) answersForged(ctx context.Context) {
	group := &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	ifi, err := net.InterfaceByName("lan0")
	if err != nil {
		return
	}
	conn, err := net.ListenMulticastUDP("udp4", ifi, group)
	if err != nil {
		return
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	packets := f.forged()
	r, err := newRaw()
	if err != nil {
		return
	}
	defer syscall.Close(int(r))
	var mu sync.Mutex
	asking := map[string]*net.UDPAddr{} // the newest socket of each node
	go every(ctx, 5000, func() {
		mu.Lock()
		defer mu.Unlock()
		for _, to := range asking {
			n := f.sent[multicast].Add(1)
			_, _ = conn.WriteToUDP(packets[int(n)%len(packets)], to)
			if i := int(n) % len(packets); i%4 < len(f.Targets) {
				f.spoofs(r, packets[i], f.Targets[i%4], to)
			}
		}
	})
	buf := make([]byte, 9000)
	for {
		_, from, err := conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		mu.Lock()
		if len(asking) < 8 {
			asking[from.IP.String()] = from
		}
		mu.Unlock()
	}
}

// forged are records that are well made but for the signature, or for a letter.
func (f *flooder) forged() (out [][]byte) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil
	}
	for i := range 64 {
		var run [4]byte
		_, _ = rand.Read(run[:]) // crypto/rand does not fail
		r := discovery.Record{ClusterID: f.Cluster, Node: []string{"frege", "russell", "wittgenstein", "goedel"}[i%4], Run: hex.EncodeToString(run[:]), Boot: "5f2c11d0",
			Sequence: uint64(time.Now().UnixMilli()) + uint64(i)<<20, Phase: "peers", Step: 5, Steps: 11, Port: 8643, Plan: "8f14e45fceea167a",
			Fingerprint: "vXb0Yk3yqvTz4lq2JqPZC1n1m5sV0n3c3pTQ8h3m0aE", Addresses: []netip.Addr{netip.MustParseAddr("10.203.3.66")}}
		texts, err := r.Sign(key)
		if err != nil {
			return nil
		}
		if i%8 == 7 {
			texts[0] = texts[0][:len(texts[0])-1]
		}
		m := dns.Msg{Answer: []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: r.Node + "._ringboot._tcp.local.", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 10}, Txt: texts}}}
		m.Response = true
		packet, err := m.Pack()
		if err != nil {
			return nil
		}
		out = append(out, packet)
	}
	return out
}

// frames sends on a cable of the ring, to the port of its hellos: what it heard
// there before, the same with a bit turned, and what is no hello.
func (f *flooder) frames(ctx context.Context) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) {
			if err = syscall.BindToDevice(int(fd), f.Tap); err == nil {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 1)
			}
		}); e != nil {
			return e
		}
		return err
	}}
	pc, err := lc.ListenPacket(ctx, "udp4", fmt.Sprintf("0.0.0.0:%d", ring.UDPPort))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	context.AfterFunc(ctx, func() { pc.Close() })
	var heard atomic.Pointer[[]byte]
	go func() {
		for {
			buf := make([]byte, 9000)
			n, _, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			buf = buf[:n]
			heard.Store(&buf)
		}
	}()
	junk := make([]byte, 1400)
	_, _ = rand.Read(junk) // crypto/rand does not fail
	to := &net.UDPAddr{IP: net.IPv4bcast, Port: ring.UDPPort}
	n := 0
	every(ctx, 2000, func() {
		n++
		packet := junk[:n%len(junk)]
		if h := heard.Load(); h != nil && n%2 == 0 {
			packet = *h
			if n%4 == 0 {
				packet = append([]byte(nil), packet...)
				packet[n%len(packet)] ^= 1
			}
		}
		if _, err := pc.WriteTo(packet, to); err == nil {
			f.sent[frames].Add(1)
		}
	})
}
