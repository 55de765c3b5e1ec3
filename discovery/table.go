package discovery

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Bounds of what strangers can make us remember and compute.
const (
	missedRounds   = 3
	maxPeers       = 64 // when the nodes of the profile are not known
	maxStrangers   = 16
	maxOldRuns     = 8
	verifyPerSec   = 400
	keptPerSec     = 20 // of them for each node besides, from where it was heard last
	eventsPerMin   = 20
	clashesToTell  = 3
	oldRunsToClash = 3
)

// Peer is what is known of one node from its records alone.
type Peer struct {
	Record   Record
	Verified bool       // signed with the key that is known to be the node's
	Why      string     // why it is not verified
	Alive    bool       // answered in one of the last three rounds, with a newer record each time
	First    time.Time  // first record of this run
	Last     time.Time  // last newer record
	From     netip.Addr // where the last one came from
	Via      string     // interface on which it was heard
	Clash    string     // set when two machines answer under this name
}

// Counts say what was heard and not believed.
type Counts struct {
	Received   uint64 // all TXT records of our service
	Accepted   uint64
	Duplicate  uint64 // the same record over another interface
	Malformed  uint64
	Foreign    uint64 // of another cluster
	Stranger   uint64 // of a node that the profile does not have
	Unverified uint64 // the node's key is not known yet
	Forged     uint64 // signed with another key
	Replayed   uint64 // older than what was heard before
	Dropped    uint64 // beyond what is checked in a second
}

// Table is what was heard. It believes only records that are signed with the
// key known for their node and that are newer than the last. It never grows
// beyond its bounds.
type Table struct {
	mu        sync.Mutex
	self      Record // own cluster id, node and run
	expected  []string
	now       func() time.Time
	keys      map[string]ed25519.PublicKey
	peers     map[string]*entry
	strangers map[string]Peer // of other clusters and other names
	counts    Counts
	round     uint64
	checks    bucket // of signatures, for all that comes
	events    teller // of nodes of the profile
	noise     teller // what any host can cause
	version   uint64
	changed   chan struct{}
}

type entry struct {
	peer      Peer
	round     uint64 // in which the last newer record came
	confirmed string // run that the node itself named over TLS
	oldRuns   map[string]old
	clashes   int
	kept      bucket
}

// old is what a run was at that has been superseded, or not been accepted.
type old struct {
	sequence uint64
	rises    int
	at       time.Time
}

// newTable makes the table. self may lack node and run when nothing is announced.
func newTable(self Record, expected []string, now func() time.Time, event, noise func(string)) *Table {
	if event == nil {
		event = func(string) {}
	}
	if noise == nil {
		noise = event
	}
	return &Table{
		self: self, expected: expected, now: now, events: teller{out: event, told: map[string]bool{}}, noise: teller{out: noise, told: map[string]bool{}},
		keys: map[string]ed25519.PublicKey{}, peers: map[string]*entry{}, strangers: map[string]Peer{},
		changed: make(chan struct{}, 1), checks: bucket{tokens: verifyPerSec, filled: now()},
	}
}

// Learn tells the table a node's key: from the seed, the keyring, or the
// certificate with which the node proved itself.
func (t *Table) Learn(node string, key ed25519.PublicKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Equal(t.keys[node], key) {
		return
	}
	t.keys[node] = slices.Clone(key)
	// What was heard before is not believed after the fact: the next round brings it again.
	if e := t.peers[node]; e != nil {
		delete(t.peers, node)
		t.bump()
	}
}

// Confirm tells the table which run of a node is the present one, as the node
// itself said over the trusted channel. It settles what records cannot: a node
// whose clock went back after a restart.
func (t *Table) Confirm(node, run string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.peers[node]
	if e == nil || run == "" {
		return
	}
	e.confirmed = run
	delete(e.oldRuns, run)
	if e.peer.Verified && e.peer.Record.Run != run && e.peer.Record.Run != "" {
		t.remember(e, e.peer.Record.Run, e.peer.Record.Sequence)
		e.peer.Alive, e.peer.Record.Run, e.clashes = false, "", 0
		t.bump()
	}
}

// Peers returns a copy of what is known, by node.
func (t *Table) Peers() map[string]Peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string]Peer{}
	for node, e := range t.peers {
		out[node] = e.peer
	}
	return out
}

// Peer returns what is known of one node.
func (t *Table) Peer(node string) (Peer, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.peers[node]; ok {
		return e.peer, true
	}
	return Peer{}, false
}

// Strangers returns records of other clusters and of nodes that the profile
// does not have, sorted by name.
func (t *Table) Strangers() []Peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Peer
	for _, key := range slices.Sorted(maps.Keys(t.strangers)) {
		out = append(out, t.strangers[key])
	}
	return out
}

// Counts returns what was heard and not believed.
func (t *Table) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// Changed is sent on when a peer came, went or changed. It holds one token:
// read Peers after each.
func (t *Table) Changed() <-chan struct{} { return t.changed }

func (t *Table) bump() {
	t.version++
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// nextRound is called when queries went out; peers that missed three rounds expire.
func (t *Table) nextRound() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.round++
	for node, e := range t.peers {
		if e.peer.Alive && t.round-e.round > missedRounds {
			e.peer.Alive = false
			t.of(e.peer).tell(t.now(), "gone "+node, fmt.Sprintf("%s has not answered in %d rounds", node, missedRounds))
			t.bump()
		}
	}
	for key, p := range t.strangers {
		if t.now().Sub(p.Last) > time.Minute {
			delete(t.strangers, key)
		}
	}
}

// observe takes the strings of one received TXT record.
func (t *Table) observe(texts []string, from netip.Addr, via string) {
	m, err := Parse(texts)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Received++
	if err != nil {
		t.counts.Malformed++
		t.noise.tell(t.now(), "malformed", fmt.Sprintf("a record from %s is not ours: %v", from, err))
		return
	}
	r := m.Record
	now := t.now()
	seen := Peer{Record: r, Alive: true, First: now, Last: now, From: from, Via: via}
	switch {
	case t.self.ClusterID != "" && r.ClusterID != t.self.ClusterID:
		t.counts.Foreign++
		seen.Why = "of another cluster"
		t.stranger(r.ClusterID+" "+r.Node, seen)
		return
	case t.self.Node != "" && r.Node == t.self.Node:
		if r.Run != t.self.Run {
			t.ownName(m, from)
		}
		return
	case len(t.expected) > 0 && !slices.Contains(t.expected, r.Node):
		t.counts.Stranger++
		seen.Why = "not in the profile"
		t.stranger(r.Node, seen)
		return
	}
	t.claimed(m, seen)
}

// claimed takes a record that says it is of one of the peers.
func (t *Table) claimed(m *Message, seen Peer) {
	r, from := m.Record, seen.From
	e := t.peers[r.Node]
	if e != nil && e.peer.Verified && e.peer.Record.Run == r.Run && r.Sequence <= e.peer.Record.Sequence {
		t.older(r, e) // no need to check who signed what is too old anyway
		return
	}
	key, known := t.keys[r.Node]
	if !known {
		t.unverified(seen, e)
		return
	}
	if !t.affordOf(e, from) {
		t.counts.Dropped++
		return
	}
	if !m.Verify(key) {
		t.counts.Forged++
		t.noise.tell(t.now(), "forged "+r.Node, fmt.Sprintf("a record from %s claims to be %s and is not signed with its key", from, r.Node))
		return
	}
	seen.Verified = true
	t.accept(seen, e)
}

// accept takes a record that is the node's own, if it is newer.
func (t *Table) accept(seen Peer, e *entry) {
	r := seen.Record
	switch {
	case e == nil || !e.peer.Verified:
		e = &entry{oldRuns: map[string]old{}}
		t.peers[r.Node] = e
	case r.Run == e.peer.Record.Run:
		seen.First, seen.Clash = e.peer.First, e.peer.Clash
	case e.confirmed == r.Run:
		e.confirmed = ""
	case r.Sequence <= e.peer.Record.Sequence:
		t.oldRun(seen, e)
		return
	default:
		if _, was := e.oldRuns[r.Run]; was {
			if e.peer.Record.Run == "" {
				t.oldRun(seen, e) // the node itself named another run
				return
			}
			// A machine never returns to an earlier start of its agent: there are two.
			if e.clashes++; e.clashes >= clashesToTell {
				t.clash(seen, e)
			}
		}
		t.remember(e, e.peer.Record.Run, e.peer.Record.Sequence)
		seen.Clash = e.peer.Clash
	}
	if changed := !e.peer.Alive || !same(e.peer, seen); changed {
		t.bump()
	}
	t.counts.Accepted++
	e.peer, e.round = seen, t.round
}

// oldRun handles a good signature of another start of the agent, older than
// what is known: a replay, a clock that went back, or a second machine.
func (t *Table) oldRun(seen Peer, e *entry) {
	t.counts.Replayed++
	r := seen.Record
	was := e.oldRuns[r.Run]
	if r.Sequence > was.sequence {
		was = old{r.Sequence, was.rises + 1, t.now()}
		t.remember(e, r.Run, was.sequence)
		e.oldRuns[r.Run] = was
	}
	t.noise.tell(t.now(), "replayed "+r.Node, fmt.Sprintf("an old record of %s came from %s and was ignored", r.Node, seen.From))
	if was.rises > oldRunsToClash && e.peer.Alive {
		t.clash(seen, e)
	}
}

func (t *Table) clash(seen Peer, e *entry) {
	if e.peer.Clash == "" {
		e.peer.Clash = fmt.Sprintf("two machines answer as %s: %s and %s", seen.Record.Node, e.peer.From, seen.From)
		t.events.tell(t.now(), "clash "+seen.Record.Node, e.peer.Clash+": take one off the network")
		t.bump()
	}
}

func (t *Table) remember(e *entry, run string, sequence uint64) {
	if len(e.oldRuns) >= maxOldRuns {
		oldest := ""
		for r, o := range e.oldRuns {
			if oldest == "" || o.at.Before(e.oldRuns[oldest].at) {
				oldest = r
			}
		}
		delete(e.oldRuns, oldest)
	}
	e.oldRuns[run] = old{sequence: sequence, at: t.now()}
}

// older counts a record of the present run that is not newer.
func (t *Table) older(r Record, e *entry) {
	if r.Sequence == e.peer.Record.Sequence {
		t.counts.Duplicate++
		return
	}
	t.counts.Replayed++
}

// same reports whether a person would see no difference.
func same(a, b Peer) bool {
	x, y := a.Record, b.Record
	return a.Verified == b.Verified && x.Run == y.Run && x.Phase == y.Phase && x.Step == y.Step && x.Waiting == y.Waiting &&
		x.Port == y.Port && slices.Equal(x.Addresses, y.Addresses) && slices.Equal(x.Neighbours, y.Neighbours)
}
