package ring

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/ring/usb4"
	"ringboot/firstboot/status"
	"ringboot/profiles"
)

// Sight is all that this end knows of one port: what a verdict is made of.
type Sight struct {
	Port      string
	Present   bool
	Up        bool
	Carrier   bool
	Alive     bool
	FullSize  bool
	Tried     bool   // full-size probes were sent, long enough for an answer
	Known     bool   // a hello was believed since the link came up, or before
	Heard     bool   // one was heard lately
	Answers   bool   // probes are answered, but not for long enough yet
	Peer      string // as it said itself, or the one that is expected there
	PeerPort  string
	Claim     string // why what was heard is not believed
	Loop      string // own port at the other end
	Free      bool   // of the end of a chain: another port has its one cable
	MTU       int
	PeerMTU   int
	Reachable bool      // the third node reaches the peer
	Moving    bool      // packets come in, if no hello does
	Kernel    bool      // the kernel at the other end answers
	Wire      usb4.Port // what the controller says; zero for Ethernet
}

// sentence is the verdict on one port: empty when all is well.
func (s Sight) sentence(cfg layout.Config) string {
	switch {
	case cfg.Segment != nil:
		return s.behindSwitch(cfg)
	case s.Free:
		return ""
	}
	cable := cfg.Node + " and " + s.Peer
	switch {
	case s.Loop != "":
		return fmt.Sprintf("the cable at %s leads back to this node's own %s: move one end to %s", s.Port, s.Loop, s.Peer)
	case s.Claim != "" && !s.Alive:
		return s.claimed()
	case !s.Present:
		return s.absent(cfg)
	case !s.Up:
		return s.Port + " is down: the agent sets it up"
	case !s.Carrier && cfg.Transport.Controllers == profiles.ControllersUSB4:
		return fmt.Sprintf("%s has no carrier: the port of %s at the other end is down, or its login has expired; it is set down and up", s.Port, s.Peer)
	case !s.Carrier:
		return fmt.Sprintf("no cable between %s: %s has no carrier; plug it in, or start %s", cable, s.Port, s.Peer)
	case s.Alive && s.PeerMTU != 0 && s.PeerMTU != cfg.MTU:
		return fmt.Sprintf("%s has MTU %d here and %d at %s: give all nodes the same profile", s.Port, cfg.MTU, s.PeerMTU, s.Peer)
	case s.Alive && !s.FullSize && s.Tried:
		return fmt.Sprintf("packets of %d bytes do not pass between %s, short ones do: check the MTU at both ends of %s, or use another cable", cfg.MTU, cable, s.Port)
	case s.Alive && s.Wire.Lanes == 1:
		return fmt.Sprintf("the cable between %s runs on one lane of two, at half its speed: reseat it, or use one of at most 0.8 m", cable)
	case s.Alive && s.Wire.Slow():
		return fmt.Sprintf("the cable between %s runs at %g Gbit/s a lane instead of %d, at half its speed: use a cable marked 40 Gbit/s (without electronics at most 0.8 m), or another port", cable, s.Wire.LaneGbit, usb4.FullLane)
	case s.Alive:
		return ""
	case s.Answers:
		return fmt.Sprintf("the link to %s answers again and is watched before it carries traffic", s.Peer)
	case s.Moving && s.Known:
		return fmt.Sprintf("packets come in over %s, but no hello of %s: let UDP port %d through the firewalls of both nodes, or reseat the cable; the port is left as it is", s.Port, s.Peer, UDPPort)
	case s.Reachable:
		return fmt.Sprintf("%s has carrier, but probes to %s are not answered, and the third node reaches it: traffic goes round, the port is set down and up; reseat the cable if that does not help", s.Port, s.Peer)
	case s.Kernel:
		return fmt.Sprintf("%s answers at %s, but its agent does not: start ringboot on %s", s.Peer, s.Port, s.Peer)
	case s.Known:
		return fmt.Sprintf("%s has carrier, but %s does not answer there: see whether its agent runs, then reseat the cable", s.Port, s.Peer)
	}
	return fmt.Sprintf("%s has carrier, but nobody of this cluster says hello there: start ringboot on %s, or see what the cable leads to", s.Port, s.Peer)
}

func (s Sight) claimed() string {
	switch {
	case strings.HasPrefix(s.Claim, errForeign.Error()):
		return fmt.Sprintf("a node of %s is at the other end of %s: plug in %s instead", s.Claim, s.Port, s.Peer)
	case strings.HasPrefix(s.Claim, errUntrusted.Error()):
		return fmt.Sprintf("what is at the other end of %s is %s: install it from an image of this cluster", s.Port, s.Claim)
	}
	return fmt.Sprintf("at the other end of %s: %s", s.Port, s.Claim)
}

// absent is the verdict on a port without a network device.
func (s Sight) absent(cfg layout.Config) string {
	if cfg.Transport.Controllers != profiles.ControllersUSB4 {
		return fmt.Sprintf("there is no port %s: see its driver, path or MAC in the profile", s.Port)
	}
	switch w := s.Wire; {
	case !w.Controller:
		return fmt.Sprintf("the controller of %s is not on the PCI bus: switch USB4/Thunderbolt on in the BIOS, or update the BIOS", s.Port)
	case !w.Driver:
		return fmt.Sprintf("the controller of %s has no driver: load the module thunderbolt (modprobe thunderbolt)", s.Port)
	case w.Loop:
		return fmt.Sprintf("the cable at %s leads back to this node: move one end to %s", s.Port, s.Peer)
	case !w.Cable:
		return fmt.Sprintf("no cable between %s and %s: %s sees nothing; plug it in (a Thunderbolt cable, not USB only), or start %s", cfg.Node, s.Peer, s.Port, s.Peer)
	case !w.Service:
		return fmt.Sprintf("the machine at %s (%s) offers no network yet: it loads the module thunderbolt_net when its agent starts; plug the cable anew if that lasts", s.Port, orUnknown(w.Name))
	}
	return fmt.Sprintf("%s has a cable, but no network device: load the module thunderbolt_net (modprobe thunderbolt_net)", s.Port)
}

func orUnknown(s string) string {
	if s == "" {
		return "name unknown"
	}
	return "it calls itself " + printable(s)
}

// RingVerdict is the sentence on all links of one node. whole tells that each
// carries traffic, and to another node.
func RingVerdict(cfg layout.Config, all []Sight) (verdict string, whole bool) {
	for i, b := range all {
		for _, a := range all[:i] {
			if a.Known && b.Known && a.Alive && b.Alive && a.Peer == b.Peer {
				return twice(cfg, all, a, b), false
			}
		}
	}
	var wrong, ways []string
	whole = true
	for _, x := range all {
		if x.Free {
			continue
		}
		whole = whole && x.Alive
		if t := x.sentence(cfg); t != "" && !slices.Contains(wrong, t) {
			wrong = append(wrong, t)
		}
		ways = append(ways, fmt.Sprintf("%s to %s of %s", x.Port, x.PeerPort, x.Peer))
	}
	if astray := endAstray(cfg, all); astray != "" && whole {
		return astray, false
	}
	if whole && len(wrong) == 0 {
		if cfg.Segment != nil {
			return fmt.Sprintf("%s reaches all %d other nodes", cfg.Segment.Device, len(all)), true
		}
		what := "ring"
		if cfg.Chain != "" {
			what = "chain"
		}
		return what + " whole: " + strings.Join(ways, ", "), true
	}
	return strings.Join(wrong, "; "), whole
}

// endAstray says that the cable of the end of a chain does not lead to the middle.
func endAstray(cfg layout.Config, all []Sight) string {
	if !cfg.End() || len(all) == 0 || slices.ContainsFunc(all, func(x Sight) bool { return x.Peer == cfg.Chain }) {
		return ""
	}
	return fmt.Sprintf("%s leads to %s, and %s is the middle of the chain: move the cable there, or name the node that has two cables in ring.chain", all[0].Port, all[0].Peer, cfg.Chain)
}

// twice says that two cables lead to one node, and which one is missing.
func twice(cfg layout.Config, all []Sight, a, b Sight) string {
	var known []string
	for _, x := range all {
		if x.Known && x.Alive {
			known = append(known, x.Peer)
		}
	}
	missing, from := "another node", cfg.Node
	if rest := cfg.Rest(known...); len(rest) > 0 {
		missing = rest[0]
	}
	if cfg.End() {
		from = cfg.Chain // it lacks the cable, and this end has one too many
	}
	return fmt.Sprintf("two cables lead from %s to %s (%s to %s, %s to %s): no cable between %s and %s; move one of them to %s",
		cfg.Node, a.Peer, a.Port, a.PeerPort, b.Port, b.PeerPort, from, missing, missing)
}

// sights gathers what is known of both ports.
func (c *core) sights() []Sight {
	out := make([]Sight, len(c.links))
	states := c.states()
	for i, l := range c.links {
		s := Sight{Port: l.port, Present: l.index != 0, Up: l.up, Carrier: l.carrier, Alive: l.alive,
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
	return fmt.Sprintf("%s (%s) and %s", c.cfg.Node, c.links[i].port, c.peerAt(i))
}

// view is the ring as status, peers and the report show it.
func (c *core) view() status.RingView {
	sights := c.sights()
	verdict, whole := RingVerdict(c.cfg, sights)
	v := status.RingView{Transport: c.cfg.Transport.Name, Chain: c.cfg.Chain, Whole: whole, Verdict: verdict}
	for i, l := range c.links {
		s := sights[i]
		p := status.RingPort{
			Name: l.port, Present: s.Present, Up: s.Up, Carrier: s.Carrier, Alive: s.Alive,
			MTU: l.mtu, SpeedMbit: l.speed, Lanes: s.Wire.Lanes, LaneGbit: s.Wire.LaneGbit, Slow: s.Wire.Lanes == 1 || s.Wire.Slow(), FullSize: s.FullSize, Proven: s.Alive && s.FullSize, Free: s.Free,
			RTT:  float64(l.rtt) / float64(time.Millisecond),
			Lost: l.lost, Sent: l.sent, Changes: l.changes, Since: l.changedAt, Verdict: s.sentence(c.cfg),
		}
		if l.known {
			p.Peer, p.PeerPort = l.peer.Node, l.peer.Port
		}
		v.Ports = append(v.Ports, p)
	}
	return v
}
