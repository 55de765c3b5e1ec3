package profiles

import (
	"cmp"
	"fmt"
	"strings"
)

// ring checks what the transport asks of the keys of the ring.
func (c *checker) ring() {
	t, r := c.p.Transport(), c.p.Ring
	if t.Name == "" {
		return // said already
	}
	if n := len(c.p.Nodes); n >= fewestNodes && !c.Broken("nodes") && (n < t.MinNodes || n > t.MaxNodes) {
		c.At("nodes", "has %d entries, and the transport %s joins %s; %s", n, t.Name, span(t.MinNodes, t.MaxNodes), otherTransport(n))
	}
	if !t.Shape.Apart() {
		c.ringless(t)
	}
	own := 0 // nodes with ports of their own
	for i, n := range c.p.Nodes {
		at := fmt.Sprintf("nodes[%d].ring_ports", i)
		if len(n.RingPorts) > 0 {
			own++
			c.ringPorts(at, n.RingPorts, c.p.portSpan(n.Name))
		}
	}
	if own < len(c.p.Nodes) || own == 0 {
		c.ringPorts("ring.ports", r.Ports, c.p.sharedSpan())
	}
	c.chain()
	c.ringKeys(t, r)
}

// ringKeys checks the keys that are for some transports only.
func (c *checker) ringKeys(t Transport, r Ring) {
	if r.KeepHost && t.Controllers == ControllersNone {
		c.At("ring.keep_host", "is for Thunderbolt controllers, and ring.transport is %s; take it out", t.Name)
	}
	if r.MTU > t.MaxMTU {
		c.At("ring.mtu", "%d is more than %s ports carry (%d on %s); write %d", r.MTU, t.Label, t.MaxMTU, t.MTUOf, t.MTU)
	}
	if t.Shape != ShapeSwitch {
		for path, set := range map[string]bool{"ring.vlan": r.VLAN != 0, "ring.bond": r.Bond != ""} {
			if set {
				c.At(path, "is for a switch, and ring.transport is %s; take it out", t.Name)
			}
		}
	}
	if !t.Shape.Cabled() && r.Routing != "static" {
		c.At("ring.routing", "%s finds ways through cables, and ring.transport is %s; write static", r.Routing, t.Name)
	}
}

// ringless checks that what says where the ring is says nothing else than the
// management network.
func (c *checker) ringless(t Transport) {
	m := c.p.Management.Prefix
	if r := c.p.Ring.Prefix; r.IsValid() && m.IsValid() && r != m && !c.Broken("ring.prefix") {
		c.At("ring.prefix", "is another network than management.prefix, and ring.transport is %s; take it out, or write what joins the nodes there", t.Name)
	}
	if most := cmp.Or(c.p.Management.MTU, t.MTU); c.p.Ring.MTU > most && !c.p.Management.Keep {
		c.At("ring.mtu", "%d is more than the management network has (%d), which carries all; write management.mtu: %d", c.p.Ring.MTU, most, c.p.Ring.MTU)
	}
	for i, n := range c.p.Nodes {
		if n.Ring != n.Address && n.Ring.IsValid() && n.Address.IsValid() {
			c.At(fmt.Sprintf("nodes[%d].ring", i), "is another address than address, and ring.transport is %s; take it out", t.Name)
		}
	}
}

// fewestNodes is the least that a cluster may have, whatever joins it.
const fewestNodes = 3

func span(from, to int) string {
	if from == to {
		return fmt.Sprintf("%d nodes", from)
	}
	return fmt.Sprintf("%d to %d nodes", from, to)
}

// otherTransport names the transports that join so many nodes.
func otherTransport(nodes int) string {
	var out []string
	for _, t := range Transports() {
		if nodes >= t.MinNodes && nodes <= t.MaxNodes {
			out = append(out, t.Name+" ("+t.Title+")")
		}
	}
	if len(out) == 0 {
		return "no transport joins so many"
	}
	return "write ring.transport: " + strings.Join(out, ", or ")
}

// portCount is what is wrong with the number of ports, or "".
func (p *Profile) portCount(have int, want portSpan) string {
	if want.holds(have) {
		return ""
	}
	text, t := fmt.Sprintf("has %d", have), p.Transport()
	if have == 1 {
		text = "has one port"
	} else {
		text += " ports"
	}
	switch {
	case want.most == 0:
		return text + fmt.Sprintf("; with %s the ring has none: take them out", t.Name)
	case p.Ring.Chain != "" && want.least == want.most:
		return text + fmt.Sprintf("; %s, the middle of the chain, needs %d", p.Ring.Chain, want.least)
	case want.least < want.most:
		return text + fmt.Sprintf("; %s needs %d to %d on each node", t.Noun, want.least, want.most)
	}
	text += fmt.Sprintf("; %s needs %d on each node", t.Noun, want.least)
	if have == 1 && t.Shape == ShapeRing {
		text += chainHint
	}
	return text
}

func (c *checker) ringPorts(path string, ports []RingPort, want portSpan) {
	names, t := map[string]int{}, c.p.Transport()
	if wrong := c.p.portCount(len(ports), want); wrong != "" && !c.Broken(path) && !c.Broken("nodes") {
		c.At(path, "%s", wrong)
	}
	if t.Ports == NoPorts {
		return
	}
	for i, p := range ports {
		at := fmt.Sprintf("%s[%d]", path, i)
		if owner, ok := ownerOfDriver(p.Driver); ok && owner.Name != t.Name {
			c.At(at, "is a %s port, but ring.transport is %s; name the %s port", owner.Label, t.Name, t.Label)
			continue
		}
		c.ringPort(at, p, t)
		if j, twice := names[p.Name]; twice && p.Name != "" {
			c.At(at+".name", "%q is the name of %s[%d] too; ports need two names", p.Name, path, j)
		}
		names[p.Name] = i
		if name := vlanName(p.Name, c.p.Ring.VLAN); c.p.Ring.VLAN != 0 && len(name) > maxDeviceName {
			c.At(at+".name", "makes the VLAN's device %s, of more than %d letters; take a shorter name", name, maxDeviceName)
		}
	}
	for j, b := range ports {
		for i, a := range ports[:j] {
			c.twoPorts(path, i, j, a, b)
		}
	}
}

// ringPort checks how one port is found.
func (c *checker) ringPort(at string, p RingPort, t Transport) {
	c.exactlyOne(at, map[string]string{"path": p.Path, "mac": p.MAC, "interface": p.Interface}, "path, mac, interface")
	if p.Port != 0 && (p.Path == "" || t.Controllers == ControllersNone) {
		c.At(at+".port", "tells the ports of one Thunderbolt controller apart; it goes with path, and with ring.transport: %s", strings.Join(transportsThat(func(t Transport) bool { return t.Controllers == ControllersUSB4 }), " or "))
	}
	if p.MAC != "" && !t.Finds("mac") {
		c.At(at+".mac", "%s addresses change with every boot; name the port by %s", t.Label, t.FindBy[0])
	}
}

func (c *checker) twoPorts(path string, i, j int, a, b RingPort) {
	at := fmt.Sprintf("%s[%d]", path, j)
	if a.Path != "" && a.Path == b.Path && (a.Port == 0) != (b.Port == 0) {
		c.At(at, "is a port of the same controller as %s[%d]; write port: for both, 1 and 3", path, i)
	}
	a.Name, b.Name = "", ""
	if a == b && a != (RingPort{}) {
		c.At(at, "finds the same port as %s[%d]; each cable needs a port of its own", path, i)
	}
}
