package trust

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"ringboot/firstboot/trust/testpki"
)

// queue is a listener at which connections from addresses of its own arrive.
type queue struct {
	net.Listener
	arrive []net.Conn
}

func (q *queue) Accept() (net.Conn, error) {
	if len(q.arrive) == 0 {
		return nil, errors.New("nobody comes")
	}
	c := q.arrive[0]
	q.arrive = q.arrive[1:]
	return c, nil
}

// guest is one end of a connection, from an address that the test chose.
type guest struct {
	net.Conn
	from   net.TCPAddr
	closed bool
}

func (g *guest) RemoteAddr() net.Addr { return &g.from }
func (g *guest) Close() error         { g.closed = true; return nil }

// knocks lets one more connection arrive and returns it, as both sides have it;
// the listener's is nil if it was closed at once.
func knocks(q *queue, l net.Listener, from string) (*guest, net.Conn) {
	g := &guest{from: net.TCPAddr{IP: net.ParseIP(from), Port: 1}}
	q.arrive = append(q.arrive, g)
	c, err := l.Accept()
	if err != nil {
		return g, nil
	}
	return g, c
}

// Whoever has few connections is let in beside a flood from many addresses;
// one that has proven itself is not given up for a stranger's, and an address
// has no more than its share.
func TestAFloodFromManyAddressesLeavesRoom(t *testing.T) {
	const all, perIP = 40, 4
	q := &queue{}
	l := LimitListener(q, all, perIP)
	peer, conn := knocks(q, l, "10.203.3.12")
	proven(conn)
	var flood []*guest
	for i := range 200 { // of 50 addresses, and then of one
		from := fmt.Sprintf("10.203.3.%d", 100+i%50)
		g, _ := knocks(q, l, from)
		flood = append(flood, g)
	}
	for range 100 {
		g, _ := knocks(q, l, "10.203.3.99")
		flood = append(flood, g)
	}
	open := 0
	for _, g := range flood {
		if !g.closed {
			open++
		}
	}
	if open > all-1 || peer.closed {
		t.Errorf("the flood has %d connections of %d; the peer's is closed: %v", open, all, peer.closed)
	}
	late, second := knocks(q, l, "10.203.3.13")
	if second == nil || late.closed {
		t.Fatal("a peer that comes late is kept out")
	}
	proven(second)
	for i := range 500 {
		knocks(q, l, fmt.Sprintf("fe80::%x", i+1)) // each from another address
	}
	if peer.closed || late.closed {
		t.Error("a proven connection was given up for a stranger's")
	}
	if err := errors.Join(conn.Close(), conn.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
	inner := l.(*limitListener)
	sum := 0
	for _, list := range inner.open {
		sum += len(list)
	}
	if sum != inner.total || inner.total > all {
		t.Errorf("%d connections are counted as %d", sum, inner.total)
	}
}

// A bound node that turned and holds all places with proven connections keeps
// nobody else out.
func TestProvenConnectionsOfOneLeaveRoom(t *testing.T) {
	q := &queue{}
	l := LimitListener(q, 12, 4)
	var turned []*guest
	for i := range 12 {
		g, c := knocks(q, l, fmt.Sprintf("10.203.3.%d", 100+i%3))
		if c == nil {
			t.Fatal("closed before the limit")
		}
		proven(c)
		turned = append(turned, g)
	}
	peer, c := knocks(q, l, "10.203.3.12")
	if c == nil || peer.closed {
		t.Fatal("a peer is kept out")
	}
	proven(c)
	again, c := knocks(q, l, "10.203.3.12")
	if c == nil || again.closed || peer.closed {
		t.Error("its second connection is not let in")
	}
	gone := 0
	for _, g := range turned {
		if g.closed {
			gone++
		}
	}
	if gone != 2 {
		t.Errorf("%d connections gave way to two", gone)
	}
}

// A key is counted once, from however many addresses it asks: who has a node's
// key and many addresses gets no more than with one, and nothing of what is left
// for the node itself.
func TestAKeyIsCountedOnceFromAllItsAddresses(t *testing.T) {
	p := newPKI(t)
	at := time.Now()
	frege := identity(t, p, "frege")
	addr := serve(t, NewServer(ServerOptions{Identity: identity(t, p, "russell"), Nodes: three, Now: func() time.Time { return at },
		Home: func(node, ip string) bool { return node == "frege" && ip == "127.0.0.1" }}))
	asks := func(from string, id *Identity, times int) (answered int) {
		t.Helper()
		way := &http.Transport{TLSClientConfig: id.clientConfig("russell", time.Now), DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext}
		defer way.CloseIdleConnections()
		for range times {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+addr+pathCall+MethodHello, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set(headerProto, strconv.Itoa(ProtocolVersion))
			answer, err := way.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			switch answer.StatusCode {
			case http.StatusOK:
				answered++
			case http.StatusTooManyRequests:
			default:
				t.Fatal(answer.Status)
			}
		}
		return answered
	}
	got := 0
	for i := range 6 {
		got += asks(fmt.Sprintf("127.0.0.%d", 2+i), frege, 30)
	}
	if got != allCalls.Times {
		t.Errorf("a key was answered %d times from six addresses, want %d as from one", got, allCalls.Times)
	}
	if got := asks("127.0.0.1", frege, allCalls.Times+1); got != allCalls.Times {
		t.Errorf("the node itself was answered %d times meanwhile, want %d", got, allCalls.Times)
	}
	if got := asks("127.0.0.2", identity(t, p, "wittgenstein"), 1); got != 1 {
		t.Error("another node's key was counted with it")
	}
	operator := identity(t, p, "laptop", testpki.Operator)
	got = 0
	for i := range 4 {
		got += asks(fmt.Sprintf("127.0.0.%d", 2+i), operator, 30)
	}
	if got != allCalls.Times {
		t.Errorf("a reader's key was answered %d times from four addresses, want %d", got, allCalls.Times)
	}
}
