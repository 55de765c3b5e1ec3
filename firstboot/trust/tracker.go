package trust

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"ringboot/firstboot/status"
)

// Times of the tracker. While peers are missing it asks quickly; a peer that
// is there is asked again now and then, and at once when it is heard of.
const (
	askTimeout  = 5 * time.Second
	askMissing  = 250 * time.Millisecond
	askLate     = 2 * time.Second // for a peer that is missing for longer than a minute
	askTrusted  = 5 * time.Second
	askQuiet    = 15 * time.Second // for a trusted peer while nothing happens
	lateAfter   = time.Minute
	stuckAfter  = 400 * time.Millisecond
	firstDoubts = 2 // failures of a trusted peer before it is called unreachable
)

// Target is one peer and where it should be.
type Target struct {
	Node      string
	Addresses []string // host:port, static
}

// Hint is what discovery knows of a peer.
type Hint struct {
	Seen      status.State
	Addresses []string // host:port, from a verified record only
	Phase     string
	Waiting   string
	LastSeen  time.Time
	Clash     string // two machines answer under the name
}

// TrackerOptions say who is expected and how each is asked.
type TrackerOptions struct {
	Targets []Target
	Hints   func() map[string]Hint         // what discovery knows; may be nil
	Member  func() map[string]status.State // what the cluster says; may be nil
	Greet   func() Greeting                // what is said to a peer with the question; may be nil
	Hello   func(node string, h Hello)     // a peer proved itself and said this; may be nil
	Event   func(text string)              // a peer came or went; may be nil
	Changed func()                         // some state changed; may be nil
	Quiet   func() bool                    // nothing happens: peers that are there are asked more seldom; nil: never
	Now     func() time.Time               // nil: time.Now
}

// Tracker keeps the states of all peers: seen, reachable, trusted, member.
type Tracker struct {
	opts   TrackerOptions
	caller Caller
	addr   func(node string) string
	mu     sync.Mutex
	peers  []*Peer
}

// Peer is one peer's state within a Tracker.
type Peer struct {
	target   Target
	poke     chan struct{}
	status   status.PeerStatus
	failures int
	since    time.Time // missing or trusted since
}

// NewTracker returns a tracker that asks through the caller. address says
// where a node last proved itself.
func NewTracker(caller Caller, address func(node string) string, opts TrackerOptions) *Tracker {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	t := &Tracker{opts: opts, caller: caller, addr: address}
	for _, target := range opts.Targets {
		p := &Peer{target: target, poke: make(chan struct{}, 1), since: opts.Now()}
		p.status = status.PeerStatus{Node: target.Node, Reachable: status.State{Why: "not tried yet"}, Trusted: status.State{Why: "not tried yet"}}
		if len(target.Addresses) > 0 {
			p.status.Address = target.Addresses[0]
		}
		t.peers = append(t.peers, p)
	}
	return t
}

// Run asks all peers until the context ends.
func (t *Tracker) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, p := range t.peers {
		all.Go(func() { t.follow(ctx, p) })
	}
	all.Wait()
}

// Poke asks a peer now that is not trusted yet: it was heard of. One that is
// trusted is left alone, or two peers would keep each other busy.
func (t *Tracker) Poke(node string) {
	for _, p := range t.peers {
		if p.target.Node == node && !t.trusted(p) {
			select {
			case p.poke <- struct{}{}:
			default:
			}
		}
	}
}

// Again asks all peers now: something changed that they must know.
func (t *Tracker) Again() {
	for _, p := range t.peers {
		select {
		case p.poke <- struct{}{}:
		default:
		}
	}
}

// follow asks one peer again and again.
func (t *Tracker) follow(ctx context.Context, p *Peer) {
	for ctx.Err() == nil {
		t.ask(ctx, p)
		timer := time.NewTimer(t.pause(p))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-p.poke:
		}
		timer.Stop()
	}
}

// ask says hello once. A poke while the dialling is stuck begins anew: an
// address may answer now for which the kernel is still waiting.
func (t *Tracker) ask(ctx context.Context, p *Peer) {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var hello Hello
	var err error
	done := make(chan error, 1)
	var greeting any
	if t.opts.Greet != nil {
		greeting = t.opts.Greet()
	}
	go func() { done <- t.caller.Call(asking, p.target.Node, MethodHello, greeting, &hello) }()
	stuck := time.NewTimer(stuckAfter)
	defer stuck.Stop()
	select {
	case err = <-done:
	case <-stuck.C:
		select {
		case err = <-done:
		case <-p.poke:
			cancel()
			<-done
			t.Poke(p.target.Node) // come back at once
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	if err == nil && hello.Node != p.target.Node {
		err = fmt.Errorf("it calls itself %q", clip(hello.Node, 70))
	}
	t.settle(p, hello, err)
	if err == nil && t.opts.Hello != nil {
		t.opts.Hello(p.target.Node, hello)
	}
}

func (t *Tracker) trusted(p *Peer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return p.status.Trusted.OK
}

// turned says that a peer is trusted now, or no more.
func turned(s status.PeerStatus) string {
	if s.Trusted.OK {
		return fmt.Sprintf("%s is trusted at %s", s.Node, s.Address)
	}
	return fmt.Sprintf("%s is lost: %s", s.Node, lost(s))
}

// settle turns the outcome of a hello into states.
func (t *Tracker) settle(p *Peer, hello Hello, err error) {
	t.mu.Lock()
	old := p.status
	s := &p.status
	var remote *RemoteError
	switch {
	case err == nil:
		p.failures = 0
		s.Reachable, s.Trusted = status.State{OK: true}, status.State{OK: true}
		s.Phase, s.Waiting = hello.Phase, hello.Waiting
		s.LastSeen = t.opts.Now()
	case errors.As(err, &remote):
		// It proved itself. What it refuses now it may answer later; but a peer
		// that was never greeted stays untrusted.
		if !old.Trusted.OK {
			s.Reachable, s.Trusted = status.State{OK: true}, status.State{Why: remote.Error()}
		}
	case old.Trusted.OK && p.failures+1 < firstDoubts:
		p.failures++ // a connection that idled out looks the same as a dead peer
	default:
		s.Reachable, s.Trusted = StatesOf(s.Address, err)
	}
	if at := t.addr(p.target.Node); s.Trusted.OK && at != "" {
		s.Address = at
	}
	changed := old.Trusted != s.Trusted || old.Reachable != s.Reachable || old.Phase != s.Phase || old.Waiting != s.Waiting
	text := ""
	if old.Trusted.OK != s.Trusted.OK {
		p.since, text = t.opts.Now(), turned(*s)
	}
	t.mu.Unlock()
	if text != "" && t.opts.Event != nil {
		t.opts.Event(text)
	}
	if changed && t.opts.Changed != nil {
		t.opts.Changed()
	}
}

func lost(s status.PeerStatus) string {
	if !s.Reachable.OK {
		return s.Reachable.Why
	}
	return s.Trusted.Why
}

func (t *Tracker) pause(p *Peer) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	mean := askTrusted
	switch {
	case p.status.Trusted.OK && p.failures > 0:
		mean = askMissing
	case p.status.Trusted.OK && t.opts.Quiet != nil && t.opts.Quiet():
		mean = askQuiet
	case p.status.Trusted.OK:
	case t.opts.Now().Sub(p.since) > lateAfter:
		mean = askLate
	default:
		// Whoever starts knocks at all doors and is answered in kind, so that
		// many peers need not knock often.
		mean = askMissing * time.Duration(1+len(t.peers)/8)
	}
	return mean*3/4 + rand.N(mean/2)
}

// Peers returns the states of all peers, in the profile's order.
func (t *Tracker) Peers() []status.PeerStatus {
	var hints map[string]Hint
	if t.opts.Hints != nil {
		hints = t.opts.Hints()
	}
	var members map[string]status.State
	if t.opts.Member != nil {
		members = t.opts.Member()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]status.PeerStatus, 0, len(t.peers))
	for _, p := range t.peers {
		s := p.status
		s.Seen = status.State{Why: "no record of it was heard"}
		if h, ok := hints[s.Node]; ok {
			s.Seen = h.Seen
			if !s.Trusted.OK {
				s.Phase, s.Waiting = h.Phase, h.Waiting
			}
			if h.LastSeen.After(s.LastSeen) {
				s.LastSeen = h.LastSeen
			}
			if h.Clash != "" {
				s.Seen.Why = h.Clash
			}
		}
		s.Member = status.State{Why: "not in the cluster yet"}
		if m, ok := members[s.Node]; ok {
			s.Member = m
		}
		out = append(out, s)
	}
	return out
}

// Addresses lists where a node may be, the likeliest first: where it last
// proved itself, where the profile puts it, where its verified record says it
// is, and the further addresses of the profile.
func Addresses(last string, target Target, hint Hint, further []string, port int) []string {
	var out []string
	add := func(list ...string) {
		for _, a := range list {
			if a == "" {
				continue
			}
			if _, _, err := net.SplitHostPort(a); err != nil {
				a = net.JoinHostPort(a, strconv.Itoa(port))
			}
			if !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	add(last)
	add(target.Addresses...)
	add(hint.Addresses...)
	add(further...)
	return out
}
