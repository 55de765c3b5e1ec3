package layout

import (
	"fmt"
	"net/netip"
	"strings"

	"ringboot/profiles"
)

// Segment is how a node hangs on a switch that joins all nodes: its ports, the
// bond they form, and the VLAN. The keeper sets no routes there and mends
// nothing: it finds out who answers, and says it.
type Segment struct {
	Device string              // carries the address
	Bits   int                 // of the network that the switch joins
	Under  []profiles.RingPort // the ports themselves
	Bond   string              // mode of the bond of two ports
	VLAN   int                 // tag; 0: untagged
	Lent   bool                // the device is the management network's: it is looked at, and nothing is set
}

// segmentOf takes a node's place on the switch out of a profile.
func segmentOf(p *profiles.Profile, n profiles.Node) *Segment {
	s := &Segment{Device: p.RingDevice(n), Bits: p.Ring.Prefix.Bits(), Under: p.PortsOf(n), VLAN: p.Ring.VLAN}
	s.Lent = !p.Transport().Shape.Apart()
	if len(s.Under) > 1 {
		s.Bond = profiles.BondOf(p.Ring.Bond).Mode
	}
	return s
}

// stanzas is the node's place on the switch for ifupdown2.
func (s *Segment) stanzas(cfg Config) string {
	b := strings.Builder{}
	b.WriteString(written)
	base := s.Under[0].Name
	for _, p := range s.Under {
		fmt.Fprintf(&b, "\nauto %[1]s\niface %[1]s inet manual\n\tmtu %[2]d\n", p.Name, cfg.MTU)
	}
	if s.Bond != "" {
		base = profiles.StorageBond
		fmt.Fprintf(&b, "\nauto %[1]s\niface %[1]s inet manual\n\tbond-slaves %[2]s\n\tbond-miimon 100\n\tbond-mode %[3]s\n", base, strings.Join(s.names(), " "), s.Bond)
		if profiles.BondOf(s.Bond).Alone {
			fmt.Fprintf(&b, "\tbond-primary %s\n", s.Under[0].Name)
		} else { // both hashes of a flow, so that two nodes use both ports
			b.WriteString("\tbond-xmit-hash-policy layer3+4\n")
		}
		fmt.Fprintf(&b, "\tmtu %d\n", cfg.MTU)
	}
	if s.VLAN != 0 {
		fmt.Fprintf(&b, "\nauto %[1]s\niface %[1]s inet manual\n\tvlan-raw-device %[2]s\n\tvlan-id %[3]d\n\tmtu %[4]d\n", s.Device, base, s.VLAN, cfg.MTU)
	}
	for _, line := range []string{
		"nft -f " + FilterFile,
		fmt.Sprintf("ip address replace %s dev %s", s.address(cfg), s.Device),
	} {
		fmt.Fprintf(&b, "\tup %s\n", line)
	}
	return b.String()
}

func (s *Segment) names() []string {
	var out []string
	for _, p := range s.Under {
		out = append(out, p.Name)
	}
	return out
}

// Devices are what the stanzas make, the lowest first.
func (s *Segment) Devices() []string {
	out := s.names()
	if s.Bond != "" {
		out = append(out, profiles.StorageBond)
	}
	if s.VLAN != 0 {
		out = append(out, s.Device)
	}
	return out
}

func (s *Segment) address(cfg Config) netip.Prefix { return netip.PrefixFrom(cfg.Addr, s.Bits) }

// slot is a link's place: the port it goes over, and on a switch who is meant.
type Slot struct {
	At   int
	Peer string
}

// slots are the links of a node: one for each cable, or on a switch one for each
// other node over the same device.
func (c Config) Slots() []Slot {
	var out []Slot
	if c.Segment == nil {
		for i := range c.Ports {
			out = append(out, Slot{At: i})
		}
		return out
	}
	for _, p := range c.Peers {
		out = append(out, Slot{Peer: p.Node})
	}
	return out
}
