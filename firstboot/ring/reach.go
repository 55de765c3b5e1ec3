package ring

import (
	"slices"

	"ringboot/firstboot/ring/layout"
)

// states is what the probes say, as the routes need it.
func (c *core) states() []layout.LinkState {
	out := make([]layout.LinkState, len(c.links))
	for i, l := range c.links {
		out[i] = layout.LinkState{Peer: c.peerAt(i), Foreign: !l.alive && (l.loop || l.claim != ""), Reaches: c.reachOf(l)}
	}
	for i, l := range c.links {
		if c.cfg.Segment != nil {
			break // no other way is ours to choose
		}
		out[i].Withheld = (!l.alive || c.gaveUp(i)) && c.othersReach(i, out[i].Peer)
	}
	return out
}

// reachOf is what the node at a living link says it reaches, a bit for each
// node in the order of the profile.
func (c *core) reachOf(l *link) uint32 {
	var bits uint32
	for _, r := range l.reached {
		if i := slices.Index(c.cfg.Order, r.Peer); l.alive && r.Alive && i >= 0 {
			bits |= 1 << i
		}
	}
	return bits
}

// othersReach reports whether a node behind another port says that it reaches
// the peer. Only then does it help to take the direct route away: if nobody
// hears the peer, its agent is gone and not the cable.
func (c *core) othersReach(i int, peer string) bool {
	for j, o := range c.links {
		if j == i || !o.alive || o.peer.Node == peer {
			continue
		}
		if slices.ContainsFunc(o.reached, func(r Reached) bool { return r.Peer == peer && r.Alive }) {
			return true
		}
	}
	return false
}

// free reports whether a port of the end of a chain needs no cable: another one
// leads to the middle.
func (c *core) free(i int) bool {
	return c.cfg.End() && !c.links[i].alive && slices.ContainsFunc(c.links, func(o *link) bool { return o.alive && o.peer.Node == c.cfg.Chain })
}

// freeOthers forgets who was at the other ports of the end of a chain, now that
// this one is seen to lead to the middle: its cable may have been there before,
// and no traffic is to go that way when the middle says no more.
func (c *core) freeOthers(i int) {
	if !c.cfg.End() || c.links[i].peer.Node != c.cfg.Chain {
		return
	}
	for j, o := range c.links {
		if j != i && !o.alive {
			o.known, c.learned[j] = false, ""
		}
	}
}

// endPeer is who is taken to be at a port of the end of a chain that nobody says
// hello to: the middle, or nobody where it was at another port last.
func (c *core) endPeer(i int) string {
	if c.free(i) || slices.Contains(c.learned, c.cfg.Chain) && c.learned[i] != c.cfg.Chain {
		return ""
	}
	return c.cfg.Chain
}

// atOthers are the nodes that are known at the other ports and remembered there,
// and whether a living one leads to the node of this port.
func (c *core) atOthers(i int) (known, learned []string, elsewhere bool) {
	for j, o := range c.links {
		if j == i {
			continue
		}
		if o.known && o.peer.Node != "" {
			known = append(known, o.peer.Node)
			elsewhere = elsewhere || o.alive && o.peer.Node == c.links[i].peer.Node
		}
		learned = append(learned, c.learned[j])
	}
	return known, learned, elsewhere
}

// peerAt is who is taken to be at the other end of a port.
func (c *core) peerAt(i int) string {
	l := c.links[i]
	if l.fixed != "" {
		return l.fixed
	}
	others, learned, elsewhere := c.atOthers(i)
	if l.known && (l.alive || !elsewhere) {
		return l.peer.Node
	}
	if c.cfg.End() {
		return c.endPeer(i)
	}
	if rest := c.cfg.Rest(others...); len(rest) == 1 {
		return rest[0]
	}
	if c.learned[i] != "" && !slices.Contains(learned, c.learned[i]) && !slices.Contains(others, c.learned[i]) {
		return c.learned[i]
	}
	if guess := c.cfg.Expected(i); !slices.Contains(others, guess) {
		return guess
	}
	if rest := c.cfg.Rest(others...); len(rest) > 0 {
		return rest[0]
	}
	return c.cfg.Expected(i)
}
