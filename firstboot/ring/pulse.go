package ring

import (
	"fmt"
	"slices"
	"time"

	"ringboot/firstboot/ring/layout"
)

// Counters are packets that a port carried since its device was made. Drivers
// count differently (thunderbolt-net counts frames), so only their moving tells anything.
type Counters struct{ Rx, Tx uint64 }

// pulse takes the traffic itself for a probe: while packets leave a port and
// none comes in, something is wrong. Only then is the kernel at the other end
// asked, quickly, and what answers is again seen by the counters. So a link that
// carries traffic is left alone, and one that died under it is known to be dead
// after a few hundredths of a second. An agent that is slow to answer kills no
// link here: its kernel answers in its place.
type pulse struct {
	timing layout.Timing
	at     time.Time // last look; zero: none yet
	last   Counters
	moved  time.Time // when packets were last seen to come in
	busy   time.Time // when many of somebody else's were last seen to leave
	spoken uint64    // of those, since moved
	own    uint64    // sent by the keeper and not yet seen to leave
	asks   int       // questions since moved
	asked  time.Time
	slow   time.Duration // a far end that takes its time gets this long for each question
}

// beat is what one look at the counters asks for.
type beat int

const (
	steady beat = iota
	ask         // the kernel at the other end, now
	lost        // questions enough went unanswered
)

const (
	// enough is how many packets leave before silence means anything: one alone
	// may want no answer.
	enough = 2
	// asksToDeath is how many questions in a row go unanswered before a link is
	// dead. Each is followed by a look of its own, so a machine that did not run
	// for a while proves nothing.
	asksToDeath = 3
	// dense is how many packets a second are worth a look every few milliseconds:
	// of fewer, none are lost that a look now and then would have saved.
	dense = 100
	// roundTrips is how many times a link's own round trip a question may take: a
	// machine that is busy, or emulated, is slow and not dead.
	roundTrips = 4
	// maxOwn bounds what is taken for our own: what could not leave is never seen to.
	maxOwn = 16
)

// look takes over what the counters say.
func (p *pulse) look(c Counters, now time.Time) beat {
	came, since := p.at.IsZero() || c.Rx != p.last.Rx, now.Sub(p.at)
	if p.at.IsZero() || c.Tx < p.last.Tx {
		p.last, came = c, true // the first look, or another device
	}
	sent := c.Tx - p.last.Tx
	ours := min(p.own, sent)
	sent -= ours
	p.own = min(p.own-ours, maxOwn)
	p.at, p.last = now, c
	if time.Duration(sent)*time.Second >= dense*since && sent > 0 {
		p.busy = now
	}
	if came {
		p.moved, p.spoken, p.asks = now, 0, 0
		return steady
	}
	p.spoken += sent
	switch {
	case p.spoken < enough, now.Sub(p.moved) < p.timing.Watch, p.asks > 0 && now.Sub(p.asked) < max(p.timing.Ask, p.slow):
		return steady
	case p.asks == asksToDeath:
		p.asks, p.at = 0, time.Time{}
		return lost
	}
	p.asks++
	p.asked = now
	p.own++ // the question
	return ask
}

// pace is the time to the next look.
func (p *pulse) pace(now time.Time) time.Duration {
	switch {
	case p.asks > 0:
		return max(p.timing.Ask, p.slow)
	case now.Sub(p.busy) < time.Second:
		return p.timing.Watch
	}
	return p.timing.Idle
}

// watched reports whether the traffic of a port is worth looking at: its link is
// believed to be alive, and there is another way.
func (c *core) watched(i int) bool {
	l := c.links[i]
	return c.cfg.Segment == nil && l.alive && l.carrier && c.othersReach(i, l.peer.Node)
}

// beat takes over a port's counters and tells what to do.
func (c *core) beat(i int, n Counters, now time.Time) beat {
	l := c.links[i]
	l.pulse.slow = l.slowness(now)
	b := l.pulse.look(n, now)
	if b == lost {
		l.fail(now)
		c.news = true
		c.event(now, l.port+" link", fmt.Sprintf("link to %s is dead: packets leave over %s, none comes in, and %d questions went unanswered", l.peer.Node, l.port, asksToDeath))
	}
	return b
}

// counted takes over a port's counters at a look at the kernel.
func (c *core) counted(i int, n Counters, now time.Time) {
	l := c.links[i]
	if l.counted && n.Rx != l.rx {
		l.rxMoved = now
	}
	l.rx, l.counted = n.Rx, true
}

// moving reports whether packets came in over a port of late. Whoever sends them
// would not thank us for setting the port down.
func (c *core) moving(i int, now time.Time) bool {
	l := c.links[i]
	return !l.rxMoved.IsZero() && now.Sub(l.rxMoved) <= 2*c.cfg.Timing.Resync
}

// gaveUp reports whether the node at the other end of a link says, by way of
// another one, that the link is dead. It would withhold its answers' direct way.
func (c *core) gaveUp(i int) bool {
	l := c.links[i]
	for j, o := range c.links {
		if j == i || !o.alive || o.peer.Node == l.peer.Node {
			continue
		}
		if slices.ContainsFunc(o.reached, func(r Reached) bool { return r.Peer == l.peer.Node && r.Alive && slices.Contains(r.Lost, c.cfg.Node) }) {
			return true
		}
	}
	return false
}

// lostBy lists the nodes that the peer of a link says it has no living link to.
func (l *link) lostBy() []string {
	var out []string
	for _, r := range l.reached {
		if l.alive && !r.Alive {
			out = append(out, r.Peer)
		}
	}
	return out
}

// sameReach reports whether two statements name the same links as alive.
func sameReach(a, b []Reached) bool {
	return slices.EqualFunc(a, b, func(x, y Reached) bool { return x.Peer == y.Peer && x.Alive == y.Alive })
}
