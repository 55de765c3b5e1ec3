package profiles

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
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

// broken tells whether a problem was found at the path or below it already.
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
	for i := range v.NumField() {
		field, name := v.Field(i), join(path, yamlName(v.Type().Field(i)))
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
	c.ring()
	c.nodes()
	c.users()
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
	if okM && okR && m.Prefix.Overlaps(c.p.Ring.Prefix) {
		c.at("ring.prefix", "%s overlaps management.prefix %s; the ring is a network of its own", c.p.Ring.Prefix, m.Prefix)
	}
	c.host("management.gateway", m.Gateway, m.Prefix, "management.prefix")
	for i, a := range m.DNS {
		if !a.IsValid() {
			c.at(fmt.Sprintf("management.dns[%d]", i), "is empty; write the address of a name server")
		}
	}
}

func (c *checker) ring() {
	c.ringPorts("ring.ports", c.p.Ring.Ports)
	if c.p.Ring.Transport == TransportEthernet && c.p.Ring.MTU > 9702 {
		c.at("ring.mtu", "%d is more than Ethernet ports carry (9702 on an X710); write 9000", c.p.Ring.MTU)
	}
}

func (c *checker) ringPorts(path string, ports []RingPort) {
	names := map[string]int{}
	for i, p := range ports {
		at := fmt.Sprintf("%s[%d]", path, i)
		if c.p.Ring.Transport == TransportEthernet && p.Driver == "thunderbolt-net" {
			c.at(at, "is a Thunderbolt port, but ring.transport is ethernet; name the Ethernet port")
			continue
		}
		c.exactlyOne(at, map[string]string{"path": p.Path, "mac": p.MAC, "interface": p.Interface}, "path, mac, interface")
		if c.p.Ring.Transport == TransportThunderbolt && p.MAC != "" {
			c.at(at+".mac", "Thunderbolt addresses change with every boot; name the port by path")
		}
		if j, twice := names[p.Name]; twice && p.Name != "" {
			c.at(at+".name", "%q is the name of %s[%d] too; ports need two names", p.Name, path, j)
		}
		names[p.Name] = i
	}
	if len(ports) == 2 {
		a, b := ports[0], ports[1]
		a.Name, b.Name = "", ""
		if a == b && a != (RingPort{}) {
			c.at(path+"[1]", "finds the same port as %s[0]; a ring needs two ports on each node", path)
		}
	}
}

func (c *checker) exactlyOne(path string, values map[string]string, allowed string) {
	set := 0
	for _, v := range values {
		if v != "" {
			set++
		}
	}
	if set != 1 && !c.broken(path) {
		c.at(path, "has %d of the keys %s; write exactly one", set, allowed)
	}
}

func (c *checker) disk(path string, d Disk) {
	c.exactlyOne(path, map[string]string{"serial": d.Serial, "by_id": d.ByID, "kernel": d.Kernel}, "serial, by_id, kernel")
}

// registry finds values that must be unique across the profile.
type registry map[string]string

func (r registry) add(c *checker, path, value, what string) {
	if value == "" {
		return
	}
	value = strings.ToLower(value)
	if first, taken := r[value]; taken {
		c.at(path, "%s %q stands at %s too; each needs its own", what, value, first)
		return
	}
	r[value] = path
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func (c *checker) nodes() {
	names, addresses, rings, disks, macs := registry{}, registry{}, registry{}, registry{}, registry{}
	addresses.add(c, "management.gateway", addrText(c.p.Management.Gateway), "address")
	for i, n := range c.p.Nodes {
		at := fmt.Sprintf("nodes[%d]", i)
		names.add(c, at+".name", n.Name, "name")
		if n.Name != "" && strings.Trim(n.Name, "0123456789") == "" {
			c.at(at+".name", "%q is all digits, which the installer refuses; add a letter", n.Name)
		}
		c.host(at+".address", n.Address, c.p.Management.Prefix, "management.prefix")
		c.host(at+".ring", n.Ring, c.p.Ring.Prefix, "ring.prefix")
		addresses.add(c, at+".address", addrText(n.Address), "address")
		rings.add(c, at+".ring", addrText(n.Ring), "ring address")
		if !n.RootDisk.IsZero() {
			c.disk(at+".root_disk", n.RootDisk)
			disks.add(c, at+".root_disk.serial", n.RootDisk.Serial, "serial")
			disks.add(c, at+".root_disk.by_id", n.RootDisk.ByID, "disk")
		}
		kernel := registry{}
		kernel.add(c, at+".root_disk.kernel", n.RootDisk.Kernel, "disk")
		for j, d := range n.OSDDisks {
			dp := fmt.Sprintf("%s.osd_disks[%d]", at, j)
			c.disk(dp, d)
			disks.add(c, dp+".serial", d.Serial, "serial")
			disks.add(c, dp+".by_id", d.ByID, "disk")
			kernel.add(c, dp+".kernel", d.Kernel, "disk")
		}
		if len(n.RingPorts) == 1 {
			c.at(at+".ring_ports", "has one port; a ring needs two on each node")
		}
		c.ringPorts(at+".ring_ports", n.RingPorts)
		c.ports(at, n, macs)
	}
}

func (c *checker) ports(at string, n Node, macs registry) {
	byDriver := false
	for j, p := range n.Ports {
		pp := fmt.Sprintf("%s.ports[%d]", at, j)
		c.exactlyOne(pp, map[string]string{"mac": p.MAC, "path": p.Path, "interface": p.Interface, "driver": p.Driver}, "mac, path, interface, driver")
		macs.add(c, pp+".mac", p.MAC, "hardware address")
		byDriver = byDriver || p.Driver != ""
	}
	if len(n.Ports) == 1 && !byDriver && !c.p.Management.AllowSinglePort {
		c.at(at+".ports", "has one port, so the management network is not redundant; add a second, or consent with management.allow_single_port: true")
	}
}

func (c *checker) users() {
	names := registry{}
	for i, u := range c.p.Users {
		at := fmt.Sprintf("users[%d]", i)
		names.add(c, at+".name", u.Name, "name")
		if u.Name == "root" {
			c.at(at+".name", "root is there already; name an account of a person or of a machine")
		}
		for j, k := range u.Keys {
			if _, err := publicKeys(k); err != nil {
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
	if p.Agent.Port == p.Agent.StatusPort {
		c.at("agent.status_port", "%d is agent.port too; take another", p.Agent.StatusPort)
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

// publicKeys splits a text into OpenSSH public keys.
func publicKeys(text string) ([]string, error) {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.Contains(line, "PRIVATE KEY") {
			return nil, errors.New("this is a private key; give the public one, which ends in .pub")
		}
		if !publicKey(line) {
			return nil, fmt.Errorf("%q is no OpenSSH public key; copy the whole line of a .pub file", shorten(line))
		}
		out = append(out, line)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no public key in it; copy the line of a .pub file")
	}
	return out, nil
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
