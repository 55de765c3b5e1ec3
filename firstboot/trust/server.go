package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Times and numbers of the server. A peer that is slower or hungrier than
// this is cut off; its next request is welcome again.
const (
	headerTimeout = 5 * time.Second  // handshake and request header
	readTimeout   = 15 * time.Second // whole request
	handleTimeout = 3 * time.Minute  // one handler: pvecm addnode with its lock waits
	idleTimeout   = 90 * time.Second
	maxHeader     = 8 << 10
	maxConns      = 512
	maxConnsPerIP = 24
)

// allCalls is how often a peer may ask at all; the table says how often for what.
var allCalls = Rate{100, 2 * time.Second}

// ServerOptions say whom a server answers.
type ServerOptions struct {
	Identity *Identity
	Nodes    []string                      // names of the profile's nodes
	Log      func(line string)             // refused connections and the like, a bounded number of lines; may be nil
	Home     func(node, ip string) bool    // whether an address is a node's own; nil: none is known
	Heard    func(node, ip string)         // called for each authenticated connection of a node; may be nil
	Hello    func(*Hello)                  // fills in what the node says of itself; may be nil
	Greeted  func(node string, g Greeting) // called with what a node says along with its hello; may be nil
	Now      func() time.Time              // nil: time.Now
	Methods  *Methods                      // what it answers beside hello; nil: what Handle adds
	// Unknown explains to a peer why a method is not answered; may be nil.
	Unknown func(method string) error
}

// Server answers the other agents and operators. It is a Registry.
type Server struct {
	*Methods
	opts  ServerOptions
	rates rates
	lines lines
}

var _ Registry = (*Server)(nil)

// NewServer returns a server that answers hello. What else it answers is
// registered with Handle, before or while it serves.
func NewServer(opts ServerOptions) *Server {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Methods == nil {
		opts.Methods = &Methods{}
	}
	s := &Server{Methods: opts.Methods, opts: opts}
	s.lines.now = opts.Now
	s.rates.by(opts.Now)
	s.Count(opts.Now)
	s.lines.out = opts.Log
	s.Explain(opts.Unknown)
	s.Handle(MethodHello, func(_ context.Context, peer string, in json.RawMessage) (any, error) {
		var g Greeting
		if opts.Greeted != nil && json.Unmarshal(in, &g) == nil && g.Bindings != "" {
			opts.Greeted(peer, g)
		}
		h := Hello{Version: ProtocolVersion, Node: opts.Identity.Name, ClusterID: opts.Identity.ClusterID, Time: opts.Now()}
		if opts.Hello != nil {
			opts.Hello(&h)
		}
		return h, nil
	})
	return s
}

// Hello is the answer to MethodHello, the cheapest proof that a peer is who
// it says.
type Hello struct {
	Version   int       `json:"version"`
	Node      string    `json:"node"`
	ClusterID string    `json:"cluster_id"`
	BootID    string    `json:"boot_id,omitempty"`
	Run       string    `json:"run,omitempty"` // identifies this start of the agent, as in its discovery records
	Phase     string    `json:"phase,omitempty"`
	Waiting   string    `json:"waiting,omitempty"`
	Bindings  string    `json:"bindings,omitempty"` // hash of the keys to which the nodes are bound, as this one knows them
	Time      time.Time `json:"time"`
}

// Greeting is what a node says with its question for a hello: so a key that
// changed is known to all as soon as the node that changed it has asked them.
type Greeting struct {
	Bindings string `json:"bindings,omitempty"` // as in Hello
}

// Serve answers on the listener until the context ends, and waits for what is
// under way for at most a second. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	limited := LimitListener(listener, maxConns, maxConnsPerIP)
	httpServer := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      handleTimeout + readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		TLSConfig:         s.opts.Identity.serverConfig(s.opts.Nodes, s.opts.Now),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only: less to attack
		ErrorLog:          log.New(&s.lines, "", 0),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	done := make(chan error, 1)
	go func() { done <- httpServer.ServeTLS(limited, "", "") }()
	select {
	case err := <-done:
		return fmt.Errorf("trusted channel on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := httpServer.Shutdown(grace); err != nil {
		_ = httpServer.Close() // the listener is closed already; only stragglers are left
	}
	<-done
	return nil
}

// connKey finds the connection of a request.
type connKey struct{}

// ServeHTTP answers one request of an authenticated connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil || !r.TLS.HandshakeComplete || len(r.TLS.PeerCertificates) == 0 {
		s.refuse(w, http.StatusForbidden, refusal{codeRefused, errors.New("no verified certificate")})
		return
	}
	leaf, err := s.opts.Identity.rests(r.TLS.PeerCertificates, "", x509.ExtKeyUsageClientAuth, s.opts.Now())
	if err != nil {
		s.refuse(w, http.StatusForbidden, refusal{codeRefused, err})
		return
	}
	peer, err := peerName(leaf, s.opts.Nodes)
	if err != nil {
		s.refuse(w, http.StatusForbidden, refusal{codeRefused, err})
		return
	}
	if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		proven(conn)
	}
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	by := Party{askersOver(peer, isDeputy(r.TLS.PeerCertificates[0])), peer, s.place(leaf, peer, ip)}
	if !s.rates.take(by.Name+" "+by.At, allCalls) {
		s.refuse(w, http.StatusTooManyRequests, refusal{codeBusy, fmt.Errorf("more than %d requests in %s", allCalls.Times, allCalls.Per)})
		return
	}
	if got := r.Header.Get(headerProto); got != strconv.Itoa(ProtocolVersion) {
		s.refuse(w, http.StatusBadRequest, refusal{codeVersion, fmt.Errorf("protocol %q, here %d: install one version on all nodes", clip(got, 20), ProtocolVersion)})
		return
	}
	method, ok := strings.CutPrefix(r.URL.Path, pathCall)
	if !ok || r.Method != http.MethodPost {
		s.refuse(w, http.StatusNotFound, refusal{codeUnknown, errors.New("only POST " + pathCall + "METHOD is answered")})
		return
	}
	in, err := readLimited(r.Body, maxRequest)
	if err != nil {
		s.refuse(w, http.StatusRequestEntityTooLarge, refusal{codeRefused, fmt.Errorf("request: %w", err)})
		return
	}
	if len(in) > 0 && !json.Valid(in) {
		s.refuse(w, http.StatusBadRequest, refusal{codeRefused, errors.New("request is not JSON")})
		return
	}
	if s.opts.Heard != nil && peer != RoleOperator {
		s.opts.Heard(peer, ip)
	}
	ctx, cancel := context.WithTimeout(r.Context(), handleTimeout)
	defer cancel()
	out, err := s.Answer(ctx, by, method, in)
	if err != nil {
		s.refuse(w, http.StatusOK, err)
		return
	}
	writeEnvelope(w, http.StatusOK, envelope{Version: ProtocolVersion, Result: out})
}

// place is what a party's requests are counted by beside its name: one count for
// each key, from however many addresses it asks. What comes from the node's own
// addresses has a count for itself, so that a thief of its key, on another
// machine, does not use up what the node is to be heard with.
func (s *Server) place(leaf *x509.Certificate, peer, ip string) string {
	switch {
	case peer == RoleOperator:
		return Fingerprint(leaf)
	case s.opts.Home != nil && s.opts.Home(peer, ip):
		return "at home"
	}
	return "elsewhere"
}

func (s *Server) refuse(w http.ResponseWriter, status int, err error) {
	if status == http.StatusForbidden {
		w.Header().Set("Connection", "close") // whose key was revoked meanwhile learns it when it proves itself anew
	}
	writeEnvelope(w, status, envelope{Version: ProtocolVersion, Error: err.Error(), Code: codeOf(err)})
}

func writeEnvelope(w http.ResponseWriter, status int, e envelope) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(headerProto, strconv.Itoa(ProtocolVersion))
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(e) // the peer has gone: nobody is left to tell
}

// clip shortens what a stranger sent before it is repeated, and makes it printable.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, s)
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + ".."
	}
	return s
}

// askersOver is what a peer of the channel may be.
func askersOver(peer string, keeper bool) []Asker {
	switch {
	case peer == RoleOperator:
		return []Asker{Reader}
	case keeper:
		return []Asker{Keeper}
	}
	return []Asker{Node, Coordinator}
}
