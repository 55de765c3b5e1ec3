package profiles

import (
	"fmt"
	"net/netip"
)

// Lengths of an IPv6 prefix in which nodes have addresses.
const minBits6, maxBits6 = 16, 126

// six checks the IPv6 addresses beside those of IPv4.
func (c *checker) six() {
	m := c.p.Management
	ok := m.Prefix6.IsValid()
	switch {
	case !ok:
	case !m.Prefix6.Addr().Is6() || m.Prefix6.Addr().Is4In6():
		c.at("management.prefix6", "%s is not IPv6; write a network such as 2001:db8::/64", m.Prefix6)
		ok = false
	case m.Prefix6 != m.Prefix6.Masked():
		c.at("management.prefix6", "%s has bits beyond its mask; write %s", m.Prefix6, m.Prefix6.Masked())
		ok = false
	case m.Prefix6.Bits() < minBits6 || m.Prefix6.Bits() > maxBits6:
		c.at("management.prefix6", "/%d is not allowed; write /%d to /%d, such as /64", m.Prefix6.Bits(), minBits6, maxBits6)
		ok = false
	case m.Prefix6.Addr().IsLinkLocalUnicast() || m.Prefix6.Addr().IsMulticast():
		c.at("management.prefix6", "%s is no network of addresses that one keeps; write one of your provider's, or of fd00::/8", m.Prefix6)
		ok = false
	case m.Keep:
		c.at("management.prefix6", "is made by the agent, and management.keep leaves the network to you; take one of them out")
	}
	in := func(path string, a netip.Addr) bool {
		switch {
		case !a.Is6() || a.Is4In6() || a.Zone() != "":
			c.at(path, "%s is no IPv6 address; write one such as 2001:db8::11", a)
		case ok && !m.Prefix6.Contains(a):
			c.at(path, "%s is not in management.prefix6 %s", a, m.Prefix6)
		case ok && a == m.Prefix6.Addr():
			c.at(path, "%s is the address of all routers of the network; take another", a)
		default:
			return true
		}
		return false
	}
	if g := m.Gateway6; g.IsValid() && !m.Prefix6.IsValid() {
		c.at("management.gateway6", "is the way out for IPv6 addresses, and there are none; write management.prefix6, too")
	} else if g.IsValid() && !g.IsLinkLocalUnicast() {
		in("management.gateway6", g)
	}
	taken := registry{}
	if z := m.Gateway6.Zone(); z != "" {
		c.at("management.gateway6", "%s names a port (%s), and the way out is always the management network's; write it without %%%s", m.Gateway6, z, z)
	}
	taken.add(c, "management.gateway6", addrText(m.Gateway6), "address")
	for i, n := range c.p.Nodes {
		path := fmt.Sprintf("nodes[%d].address6", i)
		switch {
		case !n.Address6.IsValid() && ok:
			c.at(path, "is missing; with management.prefix6 every node has an IPv6 address")
		case !n.Address6.IsValid():
		case !m.Prefix6.IsValid():
			c.at(path, "is in no network; write management.prefix6, too")
		case in(path, n.Address6):
			taken.add(c, path, addrText(n.Address6), "address")
		}
	}
}
