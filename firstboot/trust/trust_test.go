package trust

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringboot/firstboot/status"
	"ringboot/firstboot/trust/testpki"
	"ringboot/rehearsal/need"
)

var three = []string{"frege", "russell", "wittgenstein"}

func newPKI(t testing.TB) *testpki.PKI {
	t.Helper()
	p, err := testpki.New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func identity(t testing.TB, p *testpki.PKI, name string, wishes ...testpki.Wish) *Identity {
	t.Helper()
	cert, key, err := p.Issue(name, wishes...)
	if err != nil {
		t.Fatal(err)
	}
	id, err := ParseIdentity(p.CA, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// serve starts a server on loopback and returns its address.
func serve(t testing.TB, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

func client(t testing.TB, id *Identity, addrs ...string) *Client {
	t.Helper()
	c := NewClient(ClientOptions{Identity: id, Addresses: func(string) []string { return addrs }})
	t.Cleanup(c.Close)
	return c
}

func TestCallGoesOverMutualTLS(t *testing.T) {
	p := newPKI(t)
	s := NewServer(ServerOptions{Identity: identity(t, p, "russell"), Nodes: three})
	s.Handle("cluster.key", func(_ context.Context, peer string, in json.RawMessage) (any, error) {
		return map[string]string{"peer": peer, "in": string(in)}, nil
	})
	addr := serve(t, s)
	c := client(t, identity(t, p, "frege"), addr)
	var out map[string]string
	if err := c.Call(t.Context(), "russell", "cluster.key", 7, &out); err != nil {
		t.Fatal(err)
	}
	if out["peer"] != "frege" || out["in"] != "7" {
		t.Errorf("the handler saw %v", out)
	}
	var hello Hello
	if err := c.Call(t.Context(), "russell", MethodHello, nil, &hello); err != nil {
		t.Fatal(err)
	}
	if hello.Node != "russell" || hello.ClusterID != c.opts.Identity.ClusterID {
		t.Errorf("hello said %+v", hello)
	}
	if c.Address("russell") != addr {
		t.Errorf("proved at %q, want %q", c.Address("russell"), addr)
	}
}

func TestErrorsOfAHandlerArriveAsSuch(t *testing.T) {
	p := newPKI(t)
	s := NewServer(ServerOptions{Identity: identity(t, p, "russell"), Nodes: three})
	s.Handle(MethodFacts, func(context.Context, string, json.RawMessage) (any, error) { return nil, errors.New("disk is full") })
	s.Handle(MethodRing, func(context.Context, string, json.RawMessage) (any, error) { panic("oops") })
	c := client(t, identity(t, p, "frege"), serve(t, s))
	for method, want := range map[string]string{
		MethodFacts: "russell answered to facts: disk is full",
		MethodRing:  "russell answered to ring: handler of ring panicked: oops",
		"nothing":   `russell answered to nothing: method "nothing" is not known here`,
	} {
		err := c.Call(t.Context(), "russell", method, nil, nil)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", method, err, want)
		}
	}
}

func TestDeadAddressesAreTriedInTurn(t *testing.T) {
	p := newPKI(t)
	addr := serve(t, NewServer(ServerOptions{Identity: identity(t, p, "russell"), Nodes: three}))
	wrong := serve(t, NewServer(ServerOptions{Identity: identity(t, p, "wittgenstein"), Nodes: three}))
	frege := identity(t, p, "frege")
	if err := client(t, frege, "127.0.0.1:1", wrong, addr).Call(t.Context(), "russell", MethodHello, nil, nil); err != nil {
		t.Errorf("the good address behind a dead and a wrong one was not used: %v", err)
	}
	err := client(t, frege, "127.0.0.1:1").Call(t.Context(), "russell", MethodHello, nil, nil)
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) || unreachable.Why != "127.0.0.1:1 refused" {
		t.Errorf("got %v, want 127.0.0.1:1 refused", err)
	}
}

func TestMemoryBehavesAsTheWire(t *testing.T) {
	m := NewMemory()
	a, b := m.Node("frege"), m.Node("russell")
	b.Handle("ring", func(_ context.Context, peer string, in json.RawMessage) (any, error) {
		return status.RingView{Verdict: peer + string(in)}, nil
	})
	var view status.RingView
	if err := a.Call(t.Context(), "russell", "ring", "x", &view); err != nil || view.Verdict != `frege"x"` {
		t.Errorf("got %q, %v", view.Verdict, err)
	}
	var remote *RemoteError
	if err := a.Call(t.Context(), "russell", "none", nil, nil); !errors.As(err, &remote) || remote.Code != codeUnknown {
		t.Errorf("got %v", err)
	}
	m.Cut("frege", "russell", errors.New("no route to host"))
	if err := a.Call(t.Context(), "russell", "ring", nil, nil); err == nil || err.Error() != "ask russell: no route to host" {
		t.Errorf("got %v", err)
	}
	m.Cut("frege", "russell", nil)
	m.Remove("russell")
	if err := a.Call(t.Context(), "russell", "ring", nil, nil); err == nil || err.Error() != "ask russell: connection refused" {
		t.Errorf("got %v", err)
	}
}

func TestAttacksOnTheChannelAreNotActedOn(t *testing.T) {
	p, foreign := newPKI(t), newPKI(t)
	var acted atomic.Int64
	var mu sync.Mutex
	var logged []string
	s := NewServer(ServerOptions{Identity: identity(t, p, "russell"), Nodes: three, Log: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		logged = append(logged, line)
	}})
	s.Handle("cluster.key", func(context.Context, string, json.RawMessage) (any, error) { acted.Add(1); return "key", nil })
	addr := serve(t, s)

	// Who the attacker can be. Each tries to call a method that acts.
	attackers := map[string]struct {
		id   *Identity
		want string
	}{
		"expired":     {identity(t, p, "frege", testpki.Expired), "refuses our certificate"},
		"not yet":     {identity(t, p, "frege", testpki.Future), "refuses our certificate"},
		"wrong name":  {identity(t, p, "goedel"), "refuses our certificate"},
		"wrong san":   {identity(t, p, "frege", nameOnly), "refuses our certificate"},
		"operator":    {identity(t, p, "frege", testpki.Operator), "an operator may only read"},
		"another key": {mixed(identity(t, foreign, "frege"), identity(t, p, "frege")), "refuses our certificate"},
	}
	for name, a := range attackers {
		err := client(t, a.id, addr).Call(t.Context(), "russell", "cluster.key", nil, nil)
		if err == nil || !strings.Contains(err.Error(), a.want) {
			t.Errorf("%s: got %v, want %q", name, err, a.want)
		}
	}
	// Without TLS, and without a certificate.
	if resp, err := http.Post("http://"+addr+pathCall+"cluster.key", "application/json", strings.NewReader("{}")); err == nil {
		if resp.StatusCode == http.StatusOK {
			t.Error("plain HTTP was answered")
		}
		resp.Body.Close()
	}
	bare, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		_, _ = io.WriteString(bare, "POST "+pathCall+"cluster.key HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nRingboot-Protocol: 1\r\n\r\n")
		if n, err := bare.Read(make([]byte, 100)); err == nil {
			t.Errorf("TLS without a certificate got %d bytes", n)
		}
		bare.Close()
	}
	old, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if err == nil {
		old.Close()
		t.Error("TLS 1.2 was accepted")
	}
	if acted.Load() != 0 {
		t.Errorf("%d calls were acted on", acted.Load())
	}
	need.Figure("peers.attacks_on_channel_tried", len(attackers)+3, "count") // plain, bare and old besides
	need.Figure("peers.attacks_on_channel_acted_on", acted.Load(), "count")
	mu.Lock()
	defer mu.Unlock()
	if len(logged) > linesPerMinute {
		t.Errorf("%d lines of log", len(logged))
	}
}

func TestTheWrongServerIsNamed(t *testing.T) {
	p, foreign := newPKI(t), newPKI(t)
	frege := identity(t, p, "frege")
	for name, c := range map[string]struct {
		server *Identity
		want   string
	}{
		"other ca":   {identity(t, foreign, "russell"), "certificate comes from another ca: russell was installed from another cluster's image"},
		"other node": {identity(t, p, "wittgenstein"), "another machine (wittgenstein) answers at the address of russell"},
		"expired":    {identity(t, p, "russell", testpki.Expired), "certificate of russell ended on"},
		"future":     {identity(t, p, "russell", testpki.Future), "and the clock here says"},
		"operator":   {identity(t, p, "russell", testpki.Operator), "an operator's certificate answered in place of russell"},
	} {
		addr := serve(t, NewServer(ServerOptions{Identity: c.server, Nodes: three}))
		err := client(t, frege, addr).Call(t.Context(), "russell", MethodHello, nil, nil)
		var untrusted *UntrustedError
		if !errors.As(err, &untrusted) || !strings.Contains(untrusted.Why, c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestGarbageIsAnsweredWithAnError sends what no agent sends, over a good
// connection: a stolen certificate must not be a way to crash or to fill a node.
func TestGarbageIsAnsweredWithAnError(t *testing.T) {
	p := newPKI(t)
	s := NewServer(ServerOptions{Identity: identity(t, p, "russell"), Nodes: three})
	for _, m := range reads() {
		s.Handle(m, func(_ context.Context, _ string, in json.RawMessage) (any, error) { return len(in), nil })
	}
	addr := serve(t, s)
	frege := identity(t, p, "frege")
	send := func(raw string) string {
		conn, err := tls.Dial("tcp", addr, frege.clientConfig("russell", time.Now))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(conn, raw)
		answer, _ := io.ReadAll(io.LimitReader(conn, 1000))
		return string(answer)
	}
	tried, acted := 0, 0
	const ok = "Host: russell\r\nConnection: close\r\nRingboot-Protocol: 1\r\n"
	for _, m := range append(reads(), "none") {
		for name, c := range map[string][2]string{
			"no json":        {"POST " + pathCall + m + " HTTP/1.1\r\n" + ok + "Content-Length: 3\r\n\r\n\x00\xff{", "not JSON"},
			"get":            {"GET " + pathCall + m + " HTTP/1.1\r\n" + ok + "\r\n", "only POST"},
			"no version":     {"POST " + pathCall + m + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "install one version"},
			"later version":  {"POST " + pathCall + m + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRingboot-Protocol: 99\r\n\r\n", `protocol \"99\", here 1`},
			"big body":       {"POST " + pathCall + m + " HTTP/1.1\r\n" + ok + "Content-Length: 1048577\r\n\r\n" + strings.Repeat("1", 1<<20+1), "more than 1048576 bytes"},
			"big header":     {"POST " + pathCall + m + " HTTP/1.1\r\n" + ok + "X: " + strings.Repeat("y", 64<<10) + "\r\n\r\n", "431"},
			"climbing path":  {"POST " + pathCall + "../../etc/passwd HTTP/1.1\r\n" + ok + "Content-Length: 0\r\n\r\n", "not known here"},
			"control bytes":  {"POST " + pathCall + m + "\x01 HTTP/1.1\r\n" + ok + "\r\n", "400"},
			"no http at all": {"\x16\x03\x01\x00garbage\r\n\r\n", "400"},
		} {
			got := send(c[0])
			tried++
			if strings.Contains(got, `"result"`) {
				acted++
			}
			if !strings.Contains(got, c[1]) {
				t.Errorf("%s to %s: answer %.200q, want %q in it", name, m, got, c[1])
			}
		}
	}
	need.Figure("peers.attacks_on_endpoints_tried", tried, "count")
	need.Figure("peers.attacks_on_endpoints_acted_on", acted, "count")
	// It still works.
	if err := client(t, frege, addr).Call(t.Context(), "russell", MethodHello, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestFloodsAreBounded(t *testing.T) {
	p := newPKI(t)
	s := NewServer(ServerOptions{Identity: identity(t, p, "russell"), Nodes: three})
	addr := serve(t, s)
	// Slow-loris: more connections than one address may have, all silent.
	var open []net.Conn
	for range maxConnsPerIP + 10 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		open = append(open, conn)
	}
	var closed atomic.Int64
	var readers sync.WaitGroup
	for _, conn := range open {
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		readers.Go(func() {
			if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) || strings.Contains(err.Error(), "reset") {
				closed.Add(1)
			}
		})
	}
	readers.Wait()
	if closed.Load() < 10 {
		t.Errorf("%d of %d silent connections were closed at once, want at least 10", closed.Load(), len(open))
	}
	for _, conn := range open {
		conn.Close()
	}
	// A peer that asks too much is told so, and is welcome again.
	now := time.Now()
	r := rates{now: func() time.Time { return now }}
	for range allCalls.Times {
		if !r.take("frege", allCalls) {
			t.Fatal("the burst was refused")
		}
	}
	if r.take("frege", allCalls) || !r.take("russell", allCalls) {
		t.Error("the limit is not per peer")
	}
	now = now.Add(time.Second)
	if !r.take("frege", allCalls) {
		t.Error("a second later the peer is still refused")
	}
}

func TestSlowLorisIsCutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a time-out of five seconds: run by make test")
	}
	t.Parallel()
	p := newPKI(t)
	addr := serve(t, NewServer(ServerOptions{Identity: identity(t, p, "russell"), Nodes: three}))
	conn, err := tls.Dial("tcp", addr, identity(t, p, "frege").clientConfig("russell", time.Now))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST "+pathCall+"hello HTTP/1.1\r\nHost: russell\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(4 * headerTimeout))
	text, err := io.ReadAll(conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("a request that never ends is still open after %s", 4*headerTimeout)
	}
	if strings.Contains(string(text), "200 OK") {
		t.Errorf("half a request was answered: %s", text)
	}
}

func TestBoundedLog(t *testing.T) {
	now := time.Now()
	var got []string
	l := lines{now: func() time.Time { return now }, out: func(s string) { got = append(got, s) }}
	for range 10000 {
		_, _ = l.Write([]byte("http: TLS handshake error\x1b[31m from " + strings.Repeat("x", 1000)))
	}
	if len(got) != linesPerMinute || len(got[0]) > lineLength+2 || strings.Contains(got[0], "\x1b") {
		t.Errorf("%d lines, the first %d bytes: %.60q", len(got), len(got[0]), got[0])
	}
	now = now.Add(2 * time.Minute)
	_, _ = l.Write([]byte("again"))
	if want := "9980 more lines of this kind were left out"; got[linesPerMinute] != want || got[linesPerMinute+1] != "again" {
		t.Errorf("got %q", got[linesPerMinute:])
	}
}
