package trust

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Times of the client. A caller's context may be shorter.
const (
	dialTimeout      = 2 * time.Second
	handshakeTimeout = 4 * time.Second
	callTimeout      = handleTimeout + 10*time.Second
)

// textLength bounds a sentence of somebody else.
const textLength = 4 << 10

// ClientOptions say how nodes are found.
type ClientOptions struct {
	Identity *Identity
	// Addresses returns host:port of a node, the likeliest first. Whatever it
	// says is only tried: the certificate decides.
	Addresses func(node string) []string
	// Learned is called with the certificate of a node that proved itself; may be nil.
	Learned func(node string, cert *x509.Certificate)
	Now     func() time.Time // nil: time.Now
}

// Client asks other agents. It keeps connections open between calls.
type Client struct {
	opts ClientOptions
	mu   sync.Mutex
	by   map[string]*http.Client
	at   map[string]string // address at which the node last proved itself
}

var _ Caller = (*Client)(nil)

// NewClient returns a client. Close gives its connections back.
func NewClient(opts ClientOptions) *Client {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Client{opts: opts, by: map[string]*http.Client{}, at: map[string]string{}}
}

// Close closes idle connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.by {
		h.CloseIdleConnections()
	}
}

// Address returns where the node last proved itself, or "".
func (c *Client) Address(node string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[node]
}

// UnreachableError says that no address of a node took a connection.
type UnreachableError struct {
	Node string
	Why  string // 10.203.3.13:8643 refused
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s is not reachable: %s", e.Node, e.Why)
}

// UntrustedError says that something answered which is not the node.
type UntrustedError struct {
	Node, Address string
	Why           string
	Err           error
}

func (e *UntrustedError) Error() string {
	return fmt.Sprintf("%s at %s is not trusted: %s", e.Node, e.Address, e.Why)
}

func (e *UntrustedError) Unwrap() error { return e.Err }

// Call implements Caller.
func (c *Client) Call(ctx context.Context, node, method string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("ask %s for %s: %w", node, method, err)
	}
	// The host part only names the node: dial finds the address.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+node+pathCall+method, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask %s for %s: %w", node, method, err)
	}
	req.Header.Set(headerProto, strconv.Itoa(ProtocolVersion))
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.of(node).Do(req)
	if err != nil {
		err = unwrapURL(err)
		if _, ok := remoteAlert(err); ok {
			err = &UntrustedError{Node: node, Address: c.Address(node), Why: clip(explain(node, err, c.opts.Now()), textLength), Err: err}
		}
		return fmt.Errorf("ask %s for %s: %w", node, method, err)
	}
	defer resp.Body.Close()
	text, err := readLimited(resp.Body, largest(method))
	if err != nil {
		return fmt.Errorf("answer of %s to %s: %w", node, method, err)
	}
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return fmt.Errorf("answer of %s to %s: %w", node, method, err)
	}
	if e.Version != ProtocolVersion {
		return fmt.Errorf("answer of %s to %s has protocol %d, here %d: install one version on all nodes", node, method, e.Version, ProtocolVersion)
	}
	if e.Error != "" {
		return &RemoteError{Node: node, Method: method, Code: clip(e.Code, textLength), Text: clip(e.Error, textLength)}
	}
	if row, ok := requestOf(method); ok && !slices.Contains(row.In, Settled) && resp.TLS != nil && isDeputy(resp.TLS.PeerCertificates[0]) {
		return fmt.Errorf("answer of %s to %s: it comes under its keeper's key, which counts only for what a settled node says: somebody may have that key, so run firstboot renew on %s", node, method, node)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(e.Result, out); err != nil {
		return fmt.Errorf("answer of %s to %s: %w", node, method, err)
	}
	return nil
}

// largest is how many bytes an answer may have, with what is around it.
func largest(method string) int64 {
	const around = 16 << 10 // an error's text among it
	if row, ok := requestOf(method); ok {
		return int64(row.Answers) + around
	}
	return around
}

// unwrapURL drops "Post https://...": the address in it is not the one that was tried.
func unwrapURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

func (c *Client) of(node string) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.by[node]; ok {
		return h
	}
	h := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialTLSContext:      func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx, node) },
			MaxIdleConnsPerHost: 2,
			MaxConnsPerHost:     8,
			IdleConnTimeout:     idleTimeout - 10*time.Second, // before the server hangs up
			DisableCompression:  true,
			TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		},
	}
	c.by[node] = h
	return h
}

// stagger is the head start of each address over the next. A black hole does
// not hold up the address behind it, and one that works is not raced.
const stagger = 150 * time.Millisecond

// attempt is what became of one address.
type attempt struct {
	index int
	conn  net.Conn
	err   error
}

// dial tries the node's addresses, each a little after the one before. A
// stranger at one address is remembered as the reason but does not keep the
// others from being tried.
func (c *Client) dial(ctx context.Context, node string) (net.Conn, error) {
	addrs := c.opts.Addresses(node)
	if len(addrs) == 0 {
		return nil, &UnreachableError{Node: node, Why: "no address known"}
	}
	dialing, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan attempt, len(addrs))
	for i, addr := range addrs {
		go func() {
			wait := time.NewTimer(time.Duration(i) * stagger)
			defer wait.Stop()
			select {
			case <-wait.C:
			case <-dialing.Done():
				results <- attempt{i, nil, dialing.Err()}
				return
			}
			conn, err := c.try(dialing, node, addr)
			results <- attempt{i, conn, err}
		}()
	}
	errs := make([]error, len(addrs))
	var won net.Conn
	for range addrs {
		a := <-results
		switch {
		case a.err != nil:
			errs[a.index] = a.err
		case won == nil:
			won = a.conn
			cancel()
		default:
			_ = a.conn.Close() // second past the post
		}
	}
	if won != nil {
		return won, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, because(node, errs)
}

// because makes one error of those of all addresses: a stranger says more than silence.
func because(node string, errs []error) error {
	var why []string
	for _, err := range errs {
		var untrusted *UntrustedError
		if errors.As(err, &untrusted) {
			return untrusted
		}
		var unreachable *UnreachableError
		if errors.As(err, &unreachable) {
			why = append(why, unreachable.Why)
		}
	}
	return &UnreachableError{Node: node, Why: strings.Join(why, ", ")}
}

// try connects to one address and makes the node there prove itself.
func (c *Client) try(ctx context.Context, node, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout, KeepAlive: 10 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, &UnreachableError{Node: node, Why: addr + " " + shortNetError(err)}
	}
	tlsConn, err := c.handshake(ctx, node, addr, conn)
	if err != nil {
		return nil, &UntrustedError{Node: node, Address: addr, Why: clip(explain(node, err, c.opts.Now()), textLength), Err: err}
	}
	return tlsConn, nil
}

func (c *Client) handshake(ctx context.Context, node, addr string, conn net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	tlsConn := tls.Client(conn, c.opts.Identity.clientConfig(node, c.opts.Now))
	if err := tlsConn.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error is the one that matters
		return nil, err
	}
	proven, err := c.opts.Identity.rests(tlsConn.ConnectionState().PeerCertificates, node, x509.ExtKeyUsageServerAuth, c.opts.Now())
	if err != nil {
		_ = conn.Close() // cannot be: the handshake has just said so
		return nil, err
	}
	c.mu.Lock()
	c.at[node] = addr
	c.mu.Unlock()
	if c.opts.Learned != nil {
		c.opts.Learned(node, proven)
	}
	return tlsConn, nil
}

// shortNetError is the last word of a network error: refused, no route, timed out.
func shortNetError(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "timed out"
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "is no known name"
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	switch text := err.Error(); text {
	case "connection refused", "No connection could be made because the target machine actively refused it.":
		return "refused"
	case "no route to host":
		return "no route to host"
	default:
		return text
	}
}
