package ring

import (
	"time"

	"ringboot/firstboot/ring/layout"
)

// condition is how one link is, as far as mending it goes.
type condition int

const (
	sound     condition = iota // nothing to mend, or nothing there to mend
	noCarrier                  // the far end is not there
	deadLink                   // carrier, but no answers, and the third node reaches the peer
	silent                     // carrier, but no answers, and nobody knows better
)

// repair is what the ladder asks for.
type repair int

const (
	nothing repair = iota
	reapply        // bring configuration back to what it should be
	bounce         // down and up
	alarm          // name the cable to a person; bounce as well
)

// ladder mends one link gently: first the configuration again, then this
// port down and up, then the far end's turn, then both, then ever more seldom
// with an alarm. It knows no other means: a Thunderbolt controller whose driver
// was unbound may need a hand at the cable.
type ladder struct {
	timing layout.Timing
	was    condition
	since  time.Time
	rung   int
	next   time.Time
	wait   time.Duration
}

// silentFactor slows the ladder where nothing proves that the cable is at
// fault: the agent at the other end may just not run.
const silentFactor = 10

// step lets time pass. first is true at the end that begins; the other end
// waits twice as long, so that the two do not work against each other.
func (r *ladder) step(now time.Time, is condition, first bool) repair {
	if is == sound {
		r.was, r.rung = sound, 0
		return nothing
	}
	if r.was != is {
		// From one kind of trouble to another is no progress, but its first
		// appearance starts the clock.
		if r.was == sound {
			r.since, r.rung = now, 0
			r.next = now.Add(r.unit(is) / 3)
		}
		r.was = is
	}
	if now.Before(r.next) {
		return nothing
	}
	unit := r.unit(is)
	r.rung++
	switch r.rung {
	case 1:
		r.next = r.since.Add(unit)
		if !first {
			r.next = r.since.Add(2 * unit)
		}
		return reapply
	case 2:
		// Both ends at the same time, counted from when the link went.
		r.next = r.since.Add(4 * unit)
		return bounce
	case 3:
		r.wait = 2 * unit
		r.next = now.Add(r.wait)
		return bounce
	}
	r.wait = min(2*r.wait, max(r.timing.Backoff, unit))
	r.next = now.Add(r.wait)
	return alarm
}

func (r *ladder) unit(is condition) time.Duration {
	if is == silent {
		return silentFactor * r.timing.NoLink
	}
	return r.timing.NoLink
}

// condition judges one port for the ladder.
func (c *core) condition(i int) condition {
	l := c.links[i]
	st := c.states()[i]
	switch {
	case c.cfg.Segment != nil:
		return sound // the device leads to all the others as well
	case l.index == 0 || l.alive || st.Foreign || c.free(i) || st.Peer == "":
		return sound // nothing is known to be plugged in at the last one
	case l.up && !l.carrier:
		return noCarrier
	case !l.carrier:
		return sound // down: the comparison with what should be sets it up
	case c.moving(i, c.ticked):
		return sound // somebody's packets come in: nothing that a port set down would mend
	case st.Withheld:
		return deadLink
	case c.neighbourAnswers(i, st.Peer):
		return sound // the kernel at the other end answers; its agent does not run
	}
	return silent
}

func (c *core) neighbourAnswers(i int, peer string) bool {
	p, ok := c.cfg.Peer(peer)
	return ok && c.snap.Neighbours[layout.Neighbour{Link: c.links[i].index, Addr: p.Addr}]
}

// mend asks the ladders of both ports. At most one port is set down at a time,
// and never the one that still works.
func (c *core) mend(now time.Time) (actions []layout.Action, again bool) {
	for i, l := range c.links {
		first := c.begins(c.peerAt(i))
		is := c.condition(i)
		if is != sound && now.Sub(c.bounced) < c.cfg.Timing.NoLink/3 {
			continue // the other port was just bounced: one end of the ring at a time
		}
		switch c.repairs[i].step(now, is, first) {
		case nothing:
		case reapply:
			again = true
		case alarm:
			c.event(now, l.port+" alarm", "reseat the cable between "+c.cable(i)+": setting the ports down and up does not mend it")
			fallthrough
		case bounce:
			c.bounced = now
			c.event(now, l.port+" repair "+now.Format(time.RFC3339), "set "+l.port+" down and up: "+c.sights()[i].Sentence(c.cfg))
			actions = append(actions, layout.Action{Kind: layout.Bounce, Link: l.index, Name: l.port})
		}
	}
	return actions, again
}

// begins reports whether this node is the end of a cable that mends first.
func (c *core) begins(peer string) bool {
	for _, n := range c.cfg.Order {
		switch n {
		case c.cfg.Node:
			return true
		case peer:
			return false
		}
	}
	return true
}
