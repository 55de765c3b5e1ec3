package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ringboot/firstboot/status"
)

// script is a Caller that answers hello as the test says.
type script struct {
	mu  sync.Mutex
	err error
	n   int
}

func (s *script) say(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *script) Call(_ context.Context, node, _ string, _, out any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if s.err == nil {
		*out.(*Hello) = Hello{Node: node, Phase: "ring", Waiting: "no cable"}
	}
	return s.err
}

func TestFourStatesAndTheirReasons(t *testing.T) {
	s := &script{err: &UnreachableError{Node: "russell", Why: "10.203.3.12:8643 refused"}}
	var hints map[string]Hint
	var events []string
	tr := NewTracker(s, func(string) string { return "10.203.4.12:8643" }, TrackerOptions{
		Targets: []Target{{Node: "russell", Addresses: []string{"10.203.3.12:8643"}}},
		Hints:   func() map[string]Hint { return hints },
		Member: func() map[string]status.State {
			return map[string]status.State{"russell": {Why: "in cluster principia, not online"}}
		},
		Event: func(text string) { events = append(events, text) },
	})
	p := tr.peers[0]
	look := func(err error) status.PeerStatus { s.say(err); tr.ask(t.Context(), p); return tr.Peers()[0] }

	got := tr.Peers()[0]
	if got.Seen.Why != "no record of it was heard" || got.Reachable.Why != "not tried yet" || got.Address != "10.203.3.12:8643" {
		t.Errorf("at the start: %+v", got)
	}
	if got = look(s.err); got.Reachable.Why != "10.203.3.12:8643 refused" || got.Trusted.Why != "not reachable" {
		t.Errorf("refused: %+v", got)
	}
	hints = map[string]Hint{"russell": {Seen: status.State{OK: true}, Phase: "base", Waiting: "apt"}}
	if got = look(&UntrustedError{Node: "russell", Why: "certificate comes from another ca"}); !got.Seen.OK || !got.Reachable.OK || got.Trusted.Why != "certificate comes from another ca" || got.Phase != "base" {
		t.Errorf("untrusted: %+v", got)
	}
	if got = look(nil); !got.Trusted.OK || got.Phase != "ring" || got.Waiting != "no cable" || got.Address != "10.203.4.12:8643" || got.Member.Why != "in cluster principia, not online" {
		t.Errorf("trusted: %+v", got)
	}
	// One failure of a trusted peer is a connection that idled out.
	if got = look(&UnreachableError{Why: "reset"}); !got.Trusted.OK {
		t.Errorf("one failure: %+v", got)
	}
	if got = look(context.DeadlineExceeded); got.Trusted.OK || got.Reachable.Why != "10.203.4.12:8643 timed out" {
		t.Errorf("two failures: %+v", got)
	}
	if got = look(errors.New("answer of russell to hello has protocol 2, here 1")); !got.Reachable.OK || !strings.Contains(got.Trusted.Why, "protocol 2") {
		t.Errorf("another version: %+v", got)
	}
	want := []string{"russell is trusted at 10.203.4.12:8643", "russell is lost: 10.203.4.12:8643 timed out"}
	if !slices.Equal(events, want) {
		t.Errorf("events %q, want %q", events, want)
	}
}

// In a bubble, where only waiting takes time.
func TestAPokeEndsTheWait(t *testing.T) { synctest.Test(t, aPokeEndsTheWait) }

func aPokeEndsTheWait(t *testing.T) {
	s := &script{err: &UnreachableError{Why: "refused"}}
	changed := make(chan struct{}, 100)
	tr := NewTracker(s, func(string) string { return "" }, TrackerOptions{
		Targets: []Target{{Node: "russell"}}, Changed: func() { changed <- struct{}{} },
		Now: func() time.Time { return time.Unix(1e9, 0) },
	})
	tr.peers[0].since = time.Unix(0, 0) // missing for long: it is asked every two seconds only
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { tr.Run(ctx) })
	<-changed
	s.say(nil)
	start := time.Now()
	tr.Poke("russell")
	for !tr.Peers()[0].Trusted.OK {
		<-changed
	}
	if took := time.Since(start); took > askLate/2 {
		t.Errorf("a poke took %s", took)
	}
	s.mu.Lock()
	asked := s.n
	s.mu.Unlock()
	for range 1000 {
		tr.Poke("russell") // trusted: left alone
	}
	cancel()
	done.Wait()
	if s.n > asked+1 {
		t.Errorf("a trusted peer was asked %d more times", s.n-asked)
	}
}

func TestTrackerOverTheWire(t *testing.T) {
	p := newPKI(t)
	var frege *Tracker
	var mu sync.Mutex
	poke := func(node, _ string) {
		mu.Lock()
		defer mu.Unlock()
		if frege != nil {
			frege.Poke(node)
		}
	}
	fregeAddr := serve(t, NewServer(ServerOptions{Identity: identity(t, p, "frege"), Nodes: three, Heard: poke}))
	addr := serve(t, NewServer(ServerOptions{Identity: identity(t, p, "russell"), Nodes: three, Hello: func(h *Hello) { h.Phase = "peers" }}))
	learned := make(chan string, 10)
	c := NewClient(ClientOptions{Identity: identity(t, p, "frege"), Addresses: func(string) []string { return []string{"127.0.0.1:1", addr} },
		Learned: func(node string, cert *x509.Certificate) { learned <- node + Fingerprint(cert) }})
	t.Cleanup(c.Close)
	changed := make(chan struct{}, 100)
	mu.Lock()
	frege = NewTracker(c, c.Address, TrackerOptions{Targets: []Target{{Node: "russell", Addresses: []string{addr}}}, Changed: func() { changed <- struct{}{} }})
	mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { frege.Run(ctx) })
	for !frege.Peers()[0].Trusted.OK {
		<-changed
	}
	if got := frege.Peers()[0]; got.Phase != "peers" || got.Address != addr {
		t.Errorf("got %+v", got)
	}
	if !strings.HasPrefix(<-learned, "russell") {
		t.Error("the certificate was not handed on")
	}
	if err := client(t, identity(t, p, "russell"), fregeAddr).Call(ctx, "frege", MethodHello, nil, nil); err != nil {
		t.Error(err)
	}
	cancel()
	done.Wait()
}

func TestAddressesAreTriedInOrder(t *testing.T) {
	got := Addresses("10.0.0.9:8643", Target{Addresses: []string{"10.203.3.12:8643", "10.203.4.12:8643"}},
		Hint{Addresses: []string{"10.203.3.12:8643", "[fd00::12]:8643"}}, []string{"nas.home", "10.9.9.9:99", "fd00::5"}, 8643)
	want := []string{"10.0.0.9:8643", "10.203.3.12:8643", "10.203.4.12:8643", "[fd00::12]:8643", "nas.home:8643", "10.9.9.9:99", "[fd00::5]:8643"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A node that knows of another key tells its peers with a question, and does
// not wait until they ask.
func TestWhatChangedIsToldAtOnce(t *testing.T) {
	p := newPKI(t)
	heard := make(chan string, 100)
	addr := serve(t, NewServer(ServerOptions{Identity: identity(t, p, "russell"), Nodes: three, Greeted: func(node string, g Greeting) { heard <- node + " knows " + g.Bindings }}))
	var hash atomic.Value
	hash.Store("nothing")
	tr := NewTracker(client(t, identity(t, p, "frege"), addr), func(string) string { return addr }, TrackerOptions{
		Targets: []Target{{Node: "russell"}}, Greet: func() Greeting { return Greeting{Bindings: hash.Load().(string)} },
	})
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	defer done.Wait()
	defer cancel()
	done.Go(func() { tr.Run(ctx) })
	for _, keys := range []string{"one set of keys", "another"} {
		began := time.Now()
		hash.Store(keys)
		tr.Again()
		for <-heard != "frege knows "+keys { // what was under way comes first
		}
		if took := time.Since(began); took > askTrusted/2 {
			t.Errorf("it was heard after %s", took)
		}
	}
}
