package ring

import (
	"cmp"
	"fmt"
	"time"

	"ringboot/firstboot/ring/verdict"
	"ringboot/firstboot/status"
)

// sights gathers what is known of both ports.
func (c *core) sights() []verdict.Sight {
	out := make([]verdict.Sight, len(c.links))
	states := c.states()
	for i, l := range c.links {
		s := verdict.Sight{Port: l.port, Present: l.index != 0, Up: l.up, Carrier: l.carrier, Alive: l.alive,
			FullSize: l.fullSize(c.cfg.MTU), Tried: l.tries > 3, Known: l.known, Heard: l.known && c.ticked.Sub(l.heardAt) < 3*c.cfg.Timing.Dead,
			Answers: !l.answers.IsZero(), Peer: cmp.Or(states[i].Peer, c.cfg.Expected(i)), Claim: l.claim, MTU: l.mtu, PeerMTU: l.peerMTU,
			Reachable: c.othersReach(i, states[i].Peer), Kernel: c.neighbourAnswers(i, states[i].Peer), Moving: c.moving(i, c.ticked), Free: c.free(i), Wire: c.wires[i]}
		if l.known {
			s.PeerPort = l.peer.Port
		}
		if l.loop {
			s.Loop = l.loopTo
		}
		out[i] = s
	}
	return out
}

// cable names the two ends of a cable for a person.
func (c *core) cable(i int) string {
	return fmt.Sprintf("%s (%s) and %s", c.cfg.Node, c.links[i].port, cmp.Or(c.peerAt(i), c.cfg.Expected(i)))
}

// view is the ring as status, peers and the report show it.
func (c *core) view() status.RingView {
	sights := c.sights()
	says, whole := verdict.Of(c.cfg, sights)
	v := status.RingView{Transport: c.cfg.Transport.Name, Chain: c.cfg.Chain, Whole: whole, Verdict: says}
	for i, l := range c.links {
		s := sights[i]
		p := status.RingPort{
			Name: l.port, Present: s.Present, Up: s.Up, Carrier: s.Carrier, Alive: s.Alive,
			MTU: l.mtu, SpeedMbit: l.speed, Lanes: s.Wire.Lanes, LaneGbit: s.Wire.LaneGbit, Slow: s.Wire.Lanes == 1 || s.Wire.Slow(), FullSize: s.FullSize, Proven: s.Alive && s.FullSize, Free: s.Free,
			RTT:  float64(l.rtt) / float64(time.Millisecond),
			Lost: l.lost, Sent: l.sent, Changes: l.changes, Since: l.changedAt, Verdict: s.Sentence(c.cfg),
		}
		if l.known {
			p.Peer, p.PeerPort = l.peer.Node, l.peer.Port
		}
		v.Ports = append(v.Ports, p)
	}
	return v
}
