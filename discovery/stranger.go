package discovery

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// unverified shows a record whose node's key is not known, unless a verified one is there.
func (t *Table) unverified(seen Peer, e *entry) {
	t.counts.Unverified++
	if e != nil && e.peer.Verified {
		return
	}
	seen.Why = "its key is not known here yet"
	if e == nil {
		if len(t.expected) == 0 && len(t.peers) >= maxPeers {
			t.counts.Dropped++
			return
		}
		e = &entry{oldRuns: map[string]old{}}
		t.peers[seen.Record.Node] = e
		t.noise.tell(t.now(), "unverified "+seen.Record.Node, fmt.Sprintf("heard %s (%s), not verified: %s", seen.Record.Node, seen.From, seen.Why))
	} else {
		seen.First = e.peer.First
		if e.peer.Record.Run == seen.Record.Run && seen.Record.Sequence <= e.peer.Record.Sequence {
			return
		}
	}
	if !e.peer.Alive || !same(e.peer, seen) {
		t.bump()
	}
	e.peer, e.round = seen, t.round
}

// ownName handles a record that uses this node's own name.
func (t *Table) ownName(m *Message, from netip.Addr) {
	key := t.keys[t.self.Node]
	if key == nil || !t.afford() || !m.Verify(key) {
		t.counts.Forged++
		t.noise.tell(t.now(), "forged "+t.self.Node, fmt.Sprintf("a record from %s claims to be this node (%s) and is not signed with its key", from, t.self.Node))
		return
	}
	t.counts.Replayed++
	if m.Record.Sequence > t.self.Sequence { // signed after this agent started: no replay of an earlier start
		t.events.tell(t.now(), "twin", fmt.Sprintf("a second machine with this node's name and key (%s) is at %s: take one off the network", t.self.Node, from))
	}
}

func (t *Table) stranger(key string, p Peer) {
	if old, ok := t.strangers[key]; ok {
		p.First = old.First
	} else {
		if len(t.strangers) >= maxStrangers {
			return
		}
		t.noise.tell(t.now(), "stranger "+key, fmt.Sprintf("heard %s (%s) of cluster %s: %s, ignored", p.Record.Node, p.From, p.Record.ClusterID, p.Why))
	}
	t.strangers[key] = p
}

// bucket bounds what is done in a second.
type bucket struct {
	tokens float64
	filled time.Time
}

func (b *bucket) take(now time.Time, perSecond float64) bool {
	b.tokens = min(perSecond, b.tokens+max(0, now.Sub(b.filled).Seconds())*perSecond)
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// afford bounds the signatures that are checked in a second.
func (t *Table) afford() bool { return t.checks.take(t.now(), verifyPerSec) }

// affordOf is afford for a record that says a node's name: a flood of forged
// ones from elsewhere does not hide the node.
func (t *Table) affordOf(e *entry, from netip.Addr) bool {
	if e != nil && e.peer.Verified && e.peer.From == from && e.kept.take(t.now(), keptPerSec) {
		return true
	}
	return t.afford()
}

// teller passes on what is to be told: one of a kind a minute, and a bounded
// number in all.
type teller struct {
	out   func(string)
	told  map[string]bool
	since time.Time
}

func (l *teller) tell(now time.Time, kind, text string) {
	if now.Sub(l.since) > time.Minute {
		l.since = now
		clear(l.told)
	}
	if l.told[kind] || len(l.told) >= eventsPerMin {
		return
	}
	l.told[kind] = true
	l.out(strings.TrimSpace(text))
}

// of is who is told about a peer: what is not proven anybody can have said.
func (t *Table) of(p Peer) *teller {
	if p.Verified {
		return &t.events
	}
	return &t.noise
}
