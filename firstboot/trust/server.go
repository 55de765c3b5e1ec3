package trust

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
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
	callsPerSec   = 50 // per authenticated peer
	callsBurst    = 100
)

// ServerOptions say whom a server answers.
type ServerOptions struct {
	Identity *Identity
	Nodes    []string              // names of the profile's nodes
	Log      func(line string)     // refused connections and the like, a bounded number of lines; may be nil
	Heard    func(node, ip string) // called for each authenticated connection of a node; may be nil
	Hello    func(*Hello)          // fills in what the node says of itself; may be nil
	Now      func() time.Time      // nil: time.Now
}

// Server answers the other agents and operators. It is a Registry.
type Server struct {
	methods
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
	s := &Server{opts: opts}
	s.rates.now, s.lines.now = opts.Now, opts.Now
	s.lines.out = opts.Log
	s.Handle(MethodHello, func(context.Context, string, json.RawMessage) (any, error) {
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
	Time      time.Time `json:"time"`
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

// ServeHTTP answers one request of an authenticated connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		s.refuse(w, http.StatusForbidden, refusal{codeRefused, errors.New("no verified certificate")})
		return
	}
	peer, err := peerName(r.TLS.PeerCertificates[0], s.opts.Nodes)
	if err != nil {
		s.refuse(w, http.StatusForbidden, refusal{codeRefused, err})
		return
	}
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	if !s.rates.take(peer + " " + ip) {
		s.refuse(w, http.StatusTooManyRequests, refusal{codeBusy, fmt.Errorf("more than %d requests a second", callsPerSec)})
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
	out, err := s.answer(ctx, peer, method, in)
	if err != nil {
		s.refuse(w, http.StatusOK, err)
		return
	}
	writeEnvelope(w, http.StatusOK, envelope{Version: ProtocolVersion, Result: out})
}

func (s *Server) refuse(w http.ResponseWriter, status int, err error) {
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
		if r < ' ' || r == 0x7f {
			return '.'
		}
		return r
	}, s)
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + ".."
	}
	return s
}

// rates is a token bucket per peer.
type rates struct {
	mu   sync.Mutex
	now  func() time.Time
	have map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func (r *rates) take(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	b, ok := r.have[key]
	if !ok {
		if r.have == nil || len(r.have) > 4*maxConns {
			r.have = map[string]*bucket{} // only authenticated peers get here; forgetting them is kind
		}
		b = &bucket{tokens: callsBurst, at: now}
		r.have[key] = b
	}
	b.tokens = min(callsBurst, b.tokens+now.Sub(b.at).Seconds()*callsPerSec)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
