package profiles

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"ringboot/profiles/spelling"
	"ringboot/profiles/sshkey"
)

// checker holds the rules that need more than one value.
type checker struct {
	*decoder
	p *Profile
}

// at reports a problem at the place of a path, or of the nearest parent that
// stands in the text.
func (c *checker) at(path, format string, args ...any) {
	if len(c.problems) >= maxProblems {
		return
	}
	where, p := place{}, path
	for {
		if found, ok := c.places[p]; ok {
			where = found
			break
		}
		cut := strings.LastIndexAny(p, ".[")
		if cut < 0 {
			where = c.places[""]
			break
		}
		p = p[:cut]
	}
	c.problems = append(c.problems, Problem{File: c.file, Line: where.line, Col: where.col, Path: path, Text: fmt.Sprintf(format, args...)})
}

// broken reports whether a problem was found at the path or below it already.
func (c *checker) broken(path string) bool {
	for _, p := range c.problems {
		if p.Path == path || strings.HasPrefix(p.Path, path+".") || strings.HasPrefix(p.Path, path+"[") {
			return true
		}
	}
	return false
}

// required names what must be in the text and is not.
func (c *checker) required() { c.requiredIn(reflect.ValueOf(c.p).Elem(), "") }

func (c *checker) requiredIn(v reflect.Value, path string) {
	for _, f := range fields(v.Type()) {
		field, name := v.FieldByIndex(f.Index), join(path, yamlName(f))
		k := c.keys[generic(name)]
		if k.required && field.IsZero() && !c.broken(name) {
			c.at(name, "is missing; %s", firstSentence(k.doc))
		}
		switch {
		case field.Kind() == reflect.Struct && field.Type().PkgPath() == v.Type().PkgPath():
			c.requiredIn(field, name)
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct && field.Type().Elem().PkgPath() == v.Type().PkgPath():
			for j := range field.Len() {
				c.requiredIn(field.Index(j), fmt.Sprintf("%s[%d]", name, j))
			}
		}
	}
}

func firstSentence(doc string) string {
	s, _, _ := strings.Cut(doc, ". ")
	s = strings.TrimSuffix(s, ".")
	return strings.ToLower(s[:1]) + s[1:]
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
		c.at(path, "%s is not IPv4; write a network such as 10.203.3.0/24", p)
		return false
	}
	if p != p.Masked() {
		c.at(path, "%s has bits beyond its mask; write %s", p, p.Masked())
		return false
	}
	if p.Bits() < 8 || p.Bits() > 29 {
		c.at(path, "/%d is not allowed; write /8 to /29", p.Bits())
		return false
	}
	if wrong := spelling.Network(p); wrong != "" {
		c.at(path, "%s", wrong)
		return false
	}
	return true
}

// host checks that an address is one that a machine in the prefix may have.
func (c *checker) host(path string, a netip.Addr, in netip.Prefix, of string) {
	if !a.IsValid() || !in.IsValid() || c.broken(path) || c.broken(of) {
		return
	}
	if !in.Contains(a) {
		c.at(path, "%s is not in %s %s", a, of, in)
		return
	}
	last := in.Masked().Addr().As4()
	for i, b := range mask(in.Bits()) {
		last[i] |= ^b
	}
	if a == in.Masked().Addr() || a == netip.AddrFrom4(last) {
		c.at(path, "%s is the network's own or its broadcast address; take one between", a)
	}
}

func mask(bits int) [4]byte {
	var m [4]byte
	for i := range bits {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}

func (c *checker) networks() {
	m := c.p.Management
	okM := c.prefix("management.prefix", m.Prefix)
	okR := c.prefix("ring.prefix", c.p.Ring.Prefix)
	if okM && okR && c.p.Transport().Shape.Apart() && m.Prefix.Overlaps(c.p.Ring.Prefix) {
		c.at("ring.prefix", "%s overlaps management.prefix %s; the ring is a network of its own", c.p.Ring.Prefix, m.Prefix)
	}
	if m.VLAN != 0 && m.VLANAware {
		c.at("management.vlan_aware", "does not go with management.vlan, whose bridge carries that VLAN alone; take one of them out, or prepare the network yourself and write management.keep: true")
	}
	for path, set := range map[string]bool{"management.vlan": m.VLAN != 0, "management.vlan_aware": m.VLANAware, "management.bond": m.Bond != "", "management.mtu": m.MTU != 0} {
		if set && m.Keep {
			c.at(path, "is made by the agent, and management.keep leaves the network to you; take one of them out")
		}
	}
	c.host("management.gateway", m.Gateway, m.Prefix, "management.prefix")
	for i, a := range m.DNS {
		if !a.IsValid() {
			c.at(fmt.Sprintf("management.dns[%d]", i), "is empty; write the address of a name server")
		} else if a.Zone() != "" {
			c.at(fmt.Sprintf("management.dns[%d]", i), "%s belongs to one port (%s), and the installer takes no such address; write one that is valid on the whole network", a, a.Zone())
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
				c.at(fmt.Sprintf("%s.keys[%d]", at, j), "%v", err)
			}
		}
	}
}

func (c *checker) rest() {
	p := c.p
	if n := p.Ceph.PGNum; n > 0 && n&(n-1) != 0 {
		c.at("ceph.pg_num", "%d is not a power of two; write 32", n)
	}
	if m := p.Proxmox.Mirror; m != "" {
		switch {
		case p.Proxmox.Repository != "no-subscription":
			c.at("proxmox.mirror", "is one of the packages for everybody, and proxmox.repository is %s; write no-subscription, or take the mirror out", p.Proxmox.Repository)
		case p.Ceph.Enabled && p.Ceph.Repository == "no-subscription" && !slices.Contains(p.Release().CephRepositories, "manual"):
			c.at("proxmox.mirror", "has Ceph as well, and Proxmox VE %s installs it from Proxmox alone; take a later proxmox.version", p.Release().Name)
		}
	}
	keys := registry{}
	for i, n := range p.Nodes {
		keys.add(c, fmt.Sprintf("nodes[%d].subscription", i), n.Subscription, "subscription key")
	}
	if p.Agent.Port == p.Agent.StatusPort {
		c.at("agent.status_port", "%d is agent.port too; take another", p.Agent.StatusPort)
	}
	for path, port := range map[string]int{"agent.port": p.Agent.Port, "agent.status_port": p.Agent.StatusPort} {
		if wrong := spelling.TCPPort(port); wrong != "" {
			c.at(path, "%s", wrong)
		}
	}
	if v := p.Acceptance.Victim; v != "" && p.NodeID(v) == 0 {
		c.at("acceptance.victim", "%q is no node of this profile", v)
	}
	for i, a := range p.HA.Affinity {
		at := fmt.Sprintf("ha.affinity[%d]", i)
		if a.Kind == "node" && len(a.Nodes) == 0 {
			c.at(at+".nodes", "is missing; a rule of kind node names nodes")
		}
		if a.Kind == "resource" && a.Affinity == "" {
			c.at(at+".affinity", "is missing; write positive or negative")
		}
		for j, n := range a.Nodes {
			name, _, _ := strings.Cut(n, ":")
			if p.NodeID(name) == 0 {
				c.at(fmt.Sprintf("%s.nodes[%d]", at, j), "%q is no node of this profile", name)
			}
		}
	}
}
