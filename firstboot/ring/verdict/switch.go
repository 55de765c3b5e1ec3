package verdict

import (
	"fmt"

	"ringboot/firstboot/ring/layout"
)

// behindSwitch is the verdict on one node behind a switch.
func (x Sight) behindSwitch(cfg layout.Config) string {
	switch lent := cfg.Segment.Lent; {
	case lent && !(x.Present && x.Up):
		return fmt.Sprintf("%s is down, and the step management sets it up", x.Port)
	case lent && x.short():
		return fmt.Sprintf("packets of %d bytes do not pass the management network between %s and %s, short ones do: its switch passes no jumbo frames; set ring.mtu to 1500", cfg.MTU, cfg.Node, x.Peer)
	case !x.Present:
		return fmt.Sprintf("%s is not there: see driver, path or MAC of its port in the profile", x.Port)
	case !x.Up:
		return x.Port + " is down: the agent sets it up"
	case !x.Carrier:
		return fmt.Sprintf("%s has no carrier: see its cable, and whether the switch is on", x.Port)
	case x.Claim != "" && !x.Alive:
		return x.claimed()
	}
	return x.beyondSwitch(cfg)
}

// beyondSwitch is the verdict on the way from a port that is sound to a peer.
func (x Sight) beyondSwitch(cfg layout.Config) string {
	switch {
	case x.misfit(cfg):
		return fmt.Sprintf("%s has MTU %d here and %d at %s: give all nodes the same profile", x.Port, cfg.MTU, x.PeerMTU, x.Peer)
	case x.short():
		return fmt.Sprintf("packets of %d bytes do not pass the switch between %s and %s, short ones do: switch jumbo frames on at its ports, or set ring.mtu to 1500", cfg.MTU, cfg.Node, x.Peer)
	case x.Alive:
		return ""
	case x.Answers:
		return fmt.Sprintf("the link to %s answers again and is watched before it counts", x.Peer)
	case x.Kernel:
		return fmt.Sprintf("%s answers at %s, but its agent does not: start ringboot on %s", x.Peer, x.Port, x.Peer)
	}
	return fmt.Sprintf("%s does not answer over %s: see whether its agent runs, then cable, VLAN and bond at its ports of the switch", x.Peer, x.Port)
}
