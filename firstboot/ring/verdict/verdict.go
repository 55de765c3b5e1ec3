// Package verdict says in one sentence what is wrong with a port of the ring, or
// with all of them, of what the keeper knows. It asks nothing and holds nothing.
package verdict

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/ring/usb4"
	"ringboot/profiles"
)

// UDPPort is where keepers listen, bound to a port of the ring each.
const UDPPort = 7343

// Why what was heard is not believed begins with one of these.
var (
	ErrForeign   = errors.New("another cluster")
	ErrUntrusted = errors.New("not trusted")
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

// Sentence is the verdict on one port: empty when all is well.
func (s Sight) Sentence(cfg layout.Config) string {
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
	case s.Alive:
		return s.flaw(cfg, cable)
	}
	return s.silent()
}

// misfit reports whether the other end has another MTU.
func (s Sight) misfit(cfg layout.Config) bool {
	return s.Alive && s.PeerMTU != 0 && s.PeerMTU != cfg.MTU
}

// short reports whether packets of full size do not pass.
func (s Sight) short() bool { return s.Alive && !s.FullSize && s.Tried }

// flaw is the verdict on a link that carries traffic.
func (s Sight) flaw(cfg layout.Config, cable string) string {
	switch {
	case s.misfit(cfg):
		return fmt.Sprintf("%s has MTU %d here and %d at %s: give all nodes the same profile", s.Port, cfg.MTU, s.PeerMTU, s.Peer)
	case s.short():
		return fmt.Sprintf("packets of %d bytes do not pass between %s, short ones do: check the MTU at both ends of %s, or use another cable", cfg.MTU, cable, s.Port)
	case s.Wire.Lanes == 1:
		return fmt.Sprintf("the cable between %s runs on one lane of two, at half its speed: reseat it, or use one of at most 0.8 m", cable)
	case s.Wire.Slow():
		return fmt.Sprintf("the cable between %s runs at %g Gbit/s a lane instead of %d, at half its speed: use a cable marked 40 Gbit/s (without electronics at most 0.8 m), or another port", cable, s.Wire.LaneGbit, usb4.FullLane)
	}
	return ""
}

// silent is the verdict on a port with a carrier over which no probe is answered
// for long enough.
func (s Sight) silent() string {
	switch {
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
	case strings.HasPrefix(s.Claim, ErrForeign.Error()):
		return fmt.Sprintf("a node of %s is at the other end of %s: plug in %s instead", s.Claim, s.Port, s.Peer)
	case strings.HasPrefix(s.Claim, ErrUntrusted.Error()):
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
	return "it calls itself " + Printable(s)
}

// Of is the sentence on all links of one node. whole tells that each
// carries traffic, and to another node.
func Of(cfg layout.Config, all []Sight) (verdict string, whole bool) {
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
		if t := x.Sentence(cfg); t != "" && !slices.Contains(wrong, t) {
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

// Printable makes a name that came from the cable safe to show.
func Printable(s string) string {
	const most = 40
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
