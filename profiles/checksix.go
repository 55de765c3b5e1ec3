package profiles

import (
	"fmt"
	"net/netip"
)

// Lengths of an IPv6 prefix in which nodes have addresses.
const minBits6, maxBits6 = 16, 126

// prefix6 is the network of IPv6 addresses, the zero one where there is none to
// hold them against.
func (c *checker) prefix6(m Management) netip.Prefix {
	const path = "management.prefix6"
	switch p := m.Prefix6; {
	case !p.IsValid():
	case !p.Addr().Is6() || p.Addr().Is4In6():
		c.At(path, "%s is not IPv6; write a network such as 2001:db8::/64", p)
	case p != p.Masked():
		c.At(path, "%s has bits beyond its mask; write %s", p, p.Masked())
	case p.Bits() < minBits6 || p.Bits() > maxBits6:
		c.At(path, "/%d is not allowed; write /%d to /%d, such as /64", p.Bits(), minBits6, maxBits6)
	case p.Addr().IsLinkLocalUnicast() || p.Addr().IsMulticast():
		c.At(path, "%s is no network of addresses that one keeps; write one of your provider's, or of fd00::/8", p)
	default:
		if m.Keep {
			c.At(path, "is made by the agent, and management.keep leaves the network to you; take one of them out")
		}
		return p
	}
	return netip.Prefix{}
}

// address6 reports whether an address is one of the network.
func (c *checker) address6(path string, a netip.Addr, in netip.Prefix) bool {
	switch {
	case !a.Is6() || a.Is4In6() || a.Zone() != "":
		c.At(path, "%s is no IPv6 address; write one such as 2001:db8::11", a)
	case in.IsValid() && !in.Contains(a):
		c.At(path, "%s is not in management.prefix6 %s", a, in)
	case in.IsValid() && a == in.Addr():
		c.At(path, "%s is the address of all routers of the network; take another", a)
	default:
		return true
	}
	return false
}

// six checks the IPv6 addresses beside those of IPv4.
func (c *checker) six() {
	m := c.p.Management
	in := c.prefix6(m)
	if g := m.Gateway6; g.IsValid() && !m.Prefix6.IsValid() {
		c.At("management.gateway6", "is the way out for IPv6 addresses, and there are none; write management.prefix6, too")
	} else if g.IsValid() && !g.IsLinkLocalUnicast() {
		c.address6("management.gateway6", g, in)
	}
	taken := registry{}
	if z := m.Gateway6.Zone(); z != "" {
		c.At("management.gateway6", "%s names a port (%s), and the way out is always the management network's; write it without %%%s", m.Gateway6, z, z)
	}
	taken.add(c, "management.gateway6", addrText(m.Gateway6), "address")
	for i, n := range c.p.Nodes {
		path := fmt.Sprintf("nodes[%d].address6", i)
		switch {
		case !n.Address6.IsValid() && in.IsValid():
			c.At(path, "is missing; with management.prefix6 every node has an IPv6 address")
		case !n.Address6.IsValid():
		case !m.Prefix6.IsValid():
			c.At(path, "is in no network; write management.prefix6, too")
		case c.address6(path, n.Address6, in):
			taken.add(c, path, addrText(n.Address6), "address")
		}
	}
}
