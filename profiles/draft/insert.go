package draft

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"ringboot/profiles"
)

// Newcomer is a node that is written into a profile.
type Newcomer struct {
	Name     string
	Address  netip.Addr         // not valid: the one behind the last node's
	Ring     netip.Addr         // not valid: it follows from the address
	RootDisk string             // serial number; empty: as it is found
	OSDDisks []string           // serial numbers
	Ports    []string           // hardware addresses of its management ports; none: found as those of the last node
	RingPort *profiles.RingPort // that a mesh has more
}

// nextAddress is the first free one behind the last node's.
func nextAddress(p *profiles.Profile) netip.Addr {
	taken := []netip.Addr{p.Management.Gateway}
	for _, n := range p.Nodes {
		taken = append(taken, n.Address)
	}
	a := p.Nodes[len(p.Nodes)-1].Address.Next()
	for slices.Contains(taken, a) {
		a = a.Next()
	}
	return a
}

// Insert writes a node behind the others, and the port that a mesh has more,
// into the text of a profile. All else stays as it is, byte for byte.
func Insert(name string, text []byte, n Newcomer) ([]byte, error) {
	p, err := profiles.Load(name, text)
	if err != nil {
		return nil, err
	}
	if !n.Address.IsValid() {
		n.Address = nextAddress(p)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	e := &editor{lines: strings.Split(string(text), "\n")}
	top := doc.Content[0]
	nodes := under(top, "nodes")
	entry, err := n.lines(p)
	if err != nil {
		return nil, err
	}
	ok := e.behind(nodes, entry) // from the end of the file to its beginning: lines keep their numbers
	if n.RingPort != nil {
		ports := under(under(top, "ring"), "ports")
		if ports != nil && nodes != nil && ports.Line > nodes.Line {
			return nil, fmt.Errorf("%s: ring stands behind nodes, so add the port to ring.ports by hand, and the node behind the others", name)
		}
		ok = ok && e.behind(ports, []string{flowPort(*n.RingPort)})
	}
	if !ok {
		return nil, fmt.Errorf("%s does not have nodes and ring.ports as lists with a dash for each, so write the node there by hand, behind the others, with added: true", name)
	}
	out := []byte(strings.Join(e.lines, "\n"))
	if _, err := profiles.Load(name, out); err != nil {
		return nil, err
	}
	return out, nil
}

// lines are the entry in the profile.
func (n Newcomer) lines(p *profiles.Profile) ([]string, error) {
	out := []string{"name: " + n.Name, "address: " + n.Address.String()}
	if n.Ring.IsValid() {
		out = append(out, "ring: "+n.Ring.String())
	}
	out = append(out, "added: true")
	if n.RootDisk != "" {
		out = append(out, fmt.Sprintf("root_disk: {serial: %q}", n.RootDisk))
	}
	if len(n.OSDDisks) > 0 {
		out = append(out, "osd_disks:")
		for _, d := range n.OSDDisks {
			out = append(out, fmt.Sprintf("  - {serial: %q}", d))
		}
	}
	ports := p.Nodes[len(p.Nodes)-1].Ports
	if len(n.Ports) > 0 {
		ports = nil
		for _, mac := range n.Ports {
			ports = append(ports, profiles.Port{MAC: mac})
		}
	}
	out = append(out, "ports:")
	for _, port := range ports {
		if port.MAC != "" && len(n.Ports) == 0 {
			return nil, fmt.Errorf("the management ports of the other nodes are named by their hardware addresses: say those of %s, too, with --port", n.Name)
		}
		text, err := yaml.Marshal(withoutEmpty(map[string]string{"mac": port.MAC, "path": port.Path, "interface": port.Interface, "driver": port.Driver}))
		if err != nil {
			return nil, err
		}
		out = append(out, "  - "+string(bytes.TrimSpace(text)))
	}
	return out, nil
}

func withoutEmpty(m map[string]string) map[string]string {
	for k, v := range m {
		if v == "" {
			delete(m, k)
		}
	}
	return m
}

func flowPort(p profiles.RingPort) string {
	text := "{name: " + p.Name
	for _, kv := range [][2]string{{"path", p.Path}, {"mac", p.MAC}, {"interface", p.Interface}} {
		if kv[1] != "" {
			text += fmt.Sprintf(", %s: %q", kv[0], kv[1])
		}
	}
	return text + "}"
}

// under is the value of a key, nil where there is none.
func under(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// behind writes an entry behind the last one of a list of which each begins with
// a dash, and reports whether it is one.
func (e *editor) behind(list *yaml.Node, entry []string) bool {
	if list == nil || list.Kind != yaml.SequenceNode || list.Style&yaml.FlowStyle != 0 || len(list.Content) == 0 {
		return false
	}
	dash := strings.Repeat(" ", list.Column-1) + "- "
	var lines []string
	for i, l := range entry {
		lead := dash
		if i > 0 {
			lead = strings.Repeat(" ", len(dash))
		}
		lines = append(lines, lead+l)
	}
	e.lines = slices.Insert(e.lines, lastLine(list), lines...)
	return true
}

// lastLine is the last one of a value, from 1.
func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}
