package profiles

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ringboot/profiles/form"
	"ringboot/profiles/spelling"
	"ringboot/profiles/sshkey"
)

// checker holds the rules that need more than one value.
type checker struct {
	*form.Reading
	p *Profile
}

func (c *checker) all() {
	c.networks()
	c.six()
	c.ring()
	c.nodes()
	c.osdNodes()
	c.storageNetworks()
	c.users()
	c.release()
	c.rest()
}

func (c *checker) prefix(path string, p netip.Prefix) bool {
	if !p.IsValid() {
		return false
	}
	if !p.Addr().Is4() {
		c.At(path, "%s is not IPv4; write a network such as 10.203.3.0/24", p)
		return false
	}
	if p != p.Masked() {
		c.At(path, "%s has bits beyond its mask; write %s", p, p.Masked())
		return false
	}
	if p.Bits() < 8 || p.Bits() > 29 {
		c.At(path, "/%d is not allowed; write /8 to /29", p.Bits())
		return false
	}
	if wrong := spelling.Network(p); wrong != "" {
		c.At(path, "%s", wrong)
		return false
	}
	return true
}

// host checks that an address is one that a machine in the prefix may have.
func (c *checker) host(path string, a netip.Addr, in netip.Prefix, of string) {
	if !a.IsValid() || !in.IsValid() || c.Broken(path) || c.Broken(of) {
		return
	}
	if !in.Contains(a) {
		c.At(path, "%s is not in %s %s", a, of, in)
		return
	}
	last := in.Masked().Addr().As4()
	binary.BigEndian.PutUint32(last[:], binary.BigEndian.Uint32(last[:])|(1<<(32-in.Bits())-1))
	if a == in.Masked().Addr() || a == netip.AddrFrom4(last) {
		c.At(path, "%s is the network's own or its broadcast address; take one between", a)
	}
}

func (c *checker) networks() {
	m := c.p.Management
	okM := c.prefix("management.prefix", m.Prefix)
	okR := c.prefix("ring.prefix", c.p.Ring.Prefix)
	if okM && okR && c.p.Transport().Shape.Apart() && m.Prefix.Overlaps(c.p.Ring.Prefix) {
		c.At("ring.prefix", "%s overlaps management.prefix %s; the ring is a network of its own", c.p.Ring.Prefix, m.Prefix)
	}
	if m.VLAN != 0 && m.VLANAware {
		c.At("management.vlan_aware", "does not go with management.vlan, whose bridge carries that VLAN alone; take one of them out, or prepare the network yourself and write management.keep: true")
	}
	for path, set := range map[string]bool{"management.vlan": m.VLAN != 0, "management.vlan_aware": m.VLANAware, "management.bond": m.Bond != "", "management.mtu": m.MTU != 0} {
		if set && m.Keep {
			c.At(path, "is made by the agent, and management.keep leaves the network to you; take one of them out")
		}
	}
	c.host("management.gateway", m.Gateway, m.Prefix, "management.prefix")
	for i, a := range m.DNS {
		if !a.IsValid() {
			c.At(fmt.Sprintf("management.dns[%d]", i), "is empty; write the address of a name server")
		} else if a.Zone() != "" {
			c.At(fmt.Sprintf("management.dns[%d]", i), "%s belongs to one port (%s), and the installer takes no such address; write one that is valid on the whole network", a, a.Zone())
		}
	}
}

func (c *checker) users() {
	names := registry{}
	for i, u := range c.p.Users {
		at := fmt.Sprintf("users[%d]", i)
		names.add(c, at+".name", u.Name, "name")
		for j, k := range u.Keys {
			if _, err := sshkey.All(k); err != nil {
				c.At(fmt.Sprintf("%s.keys[%d]", at, j), "%v", err)
			}
		}
	}
}

func (c *checker) rest() {
	p := c.p
	if n := p.Ceph.PGNum; n > 0 && n&(n-1) != 0 {
		c.At("ceph.pg_num", "%d is not a power of two; write 32", n)
	}
	switch {
	case p.Proxmox.Mirror == "":
	case p.Proxmox.Repository != "no-subscription":
		c.At("proxmox.mirror", "is one of the packages for everybody, and proxmox.repository is %s; write no-subscription, or take the mirror out", p.Proxmox.Repository)
	case p.Ceph.Enabled && p.Ceph.Repository == "no-subscription" && !slices.Contains(p.Release().CephRepositories, "manual"):
		c.At("proxmox.mirror", "has Ceph as well, and Proxmox VE %s installs it from Proxmox alone; take a later proxmox.version", p.Release().Name)
	}
	keys := registry{}
	for i, n := range p.Nodes {
		keys.add(c, fmt.Sprintf("nodes[%d].subscription", i), n.Subscription, "subscription key")
	}
	if p.Agent.Port == p.Agent.StatusPort {
		c.At("agent.status_port", "%d is agent.port too; take another", p.Agent.StatusPort)
	}
	for path, port := range map[string]int{"agent.port": p.Agent.Port, "agent.status_port": p.Agent.StatusPort} {
		if wrong := spelling.TCPPort(port); wrong != "" {
			c.At(path, "%s", wrong)
		}
	}
	if v := p.Acceptance.Victim; v != "" && p.NodeID(v) == 0 {
		c.At("acceptance.victim", "%q is no node of this profile", v)
	}
	c.affinity(p)
}

// affinity checks the rules about guests.
func (c *checker) affinity(p *Profile) {
	for i, a := range p.HA.Affinity {
		at := fmt.Sprintf("ha.affinity[%d]", i)
		if a.Kind == "node" && len(a.Nodes) == 0 {
			c.At(at+".nodes", "is missing; a rule of kind node names nodes")
		}
		if a.Kind == "resource" && a.Affinity == "" {
			c.At(at+".affinity", "is missing; write positive or negative")
		}
		for j, n := range a.Nodes {
			name, _, _ := strings.Cut(n, ":")
			if p.NodeID(name) == 0 {
				c.At(fmt.Sprintf("%s.nodes[%d]", at, j), "%q is no node of this profile", name)
			}
		}
	}
}
