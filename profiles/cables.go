package profiles

import (
	"fmt"
	"strings"
)

// Cables are the pairs of nodes between which the ring is measured: those that a
// cable joins; on a switch each node with the next one, so that each port is
// measured in both directions.
func (p *Profile) Cables() [][2]Node {
	var out [][2]Node
	for i, a := range p.Nodes {
		if p.Transport().Shape != ShapeMesh {
			if b := p.Nodes[(i+1)%len(p.Nodes)]; p.Joined(a.Name, b.Name) {
				out = append(out, [2]Node{a, b})
			}
			continue
		}
		for _, b := range p.Nodes[i+1:] {
			out = append(out, [2]Node{a, b})
		}
	}
	return out
}

// Joined reports whether two nodes are each other's neighbours on the ring. The
// ends of a chain are not.
func (p *Profile) Joined(a, b string) bool {
	return p.Ring.Chain == "" || a == p.Ring.Chain || b == p.Ring.Chain
}

// portSpan is how many ports there may be.
type portSpan struct{ least, most int }

func (s portSpan) holds(have int) bool { return have >= s.least && have <= s.most }

// portSpan is how many ring ports a node may have. Of an end of a chain a second
// one may stay free: the cable is at either.
func (p *Profile) portSpan(node string) portSpan {
	t := p.Transport()
	s := portSpan{t.PortsFor(len(p.Nodes)), t.PortsFor(len(p.Nodes)) + t.Spare}
	if p.Ring.Chain != "" && node != p.Ring.Chain {
		s.least = min(s.least, 1)
	}
	return s
}

// sharedSpan is how many ports the nodes without ports of their own may share.
func (p *Profile) sharedSpan() portSpan {
	s := p.portSpan("")
	for _, n := range p.Nodes {
		if len(n.RingPorts) == 0 {
			s.least = max(s.least, p.portSpan(n.Name).least)
		}
	}
	return s
}

// PortsWrong says what is wrong with the number of a node's ring ports, or "".
func (p *Profile) PortsWrong(n Node) string {
	return p.portCount(len(p.PortsOf(n)), p.portSpan(n.Name))
}

// chain checks the consent to a ring that lacks a cable.
func (c *checker) chain() {
	middle, t := c.p.Ring.Chain, c.p.Transport()
	switch {
	case middle == "" || c.Broken("ring.chain"):
	case t.Shape != ShapeRing:
		c.At("ring.chain", "is for a ring that lacks a cable, and ring.transport is %s; take it out", t.Name)
	case c.p.NodeID(middle) == 0:
		c.At("ring.chain", "%q is no node of this profile; write the one that has both cables: %s", middle, strings.Join(c.p.NodeNames(), ", "))
	case c.p.Acceptance.Victim == middle:
		c.At("acceptance.victim", "is the middle of the chain, and while %s is down the others have no storage; name an end of it", middle)
	}
}

// chainRisk is what somebody takes upon himself who writes ring.chain.
func (p *Profile) chainRisk() string {
	var ends []string
	for _, n := range p.Others(p.Ring.Chain) {
		ends = append(ends, n.Name)
	}
	return fmt.Sprintf("the ring is a chain through %s and knows no way round: a dead cable cuts a node off, and while %[1]s is down nobody reaches anybody, so that Ceph stands still: join %s by a third cable, and take ring.chain out",
		p.Ring.Chain, strings.Join(ends, " and "))
}

// chainHint is said to who has one port where a ring needs two.
const chainHint = "; or consent to a chain of two cables with ring.chain: and the name of the node in the middle: it knows no way round, and Ceph stands still while that node is down"
