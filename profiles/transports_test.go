package profiles

import (
	"fmt"
	"strings"
	"testing"
)

// onTransport is the default profile with so many nodes and another ring.
func onTransport(t *testing.T, nodes int, ring string) (*Profile, error) {
	t.Helper()
	text := string(DefaultText())
	from, to := strings.Index(text, "ring:  "), strings.Index(text, "# The three machines.")
	list, rest := strings.Index(text, "nodes:\n"), strings.Index(text, "# Accounts log in")
	if from < 0 || to < from || list < to || rest < list {
		t.Fatal("the default profile has another form")
	}
	var b strings.Builder
	b.WriteString(text[:from] + ring + "\nnodes:\n")
	for i := range nodes {
		fmt.Fprintf(&b, "  - {name: n%d, address: 10.203.3.%d, root_disk: {serial: S%d}, ports: [{driver: igc}]}\n", i+1, 11+i, i+1)
	}
	return Load("p.yaml", []byte(b.String()+text[rest:]))
}

const dacs = "mtu: 9000, prefix: 10.203.4.0/24, ports: [{name: sfp0, mac: '58:47:ca:00:00:01'}"

func TestWhatJoinsTheNodes(t *testing.T) {
	for _, row := range []struct {
		name  string
		nodes int
		ring  string
		want  string // "": it can be said
	}{
		{"a mesh of three", 3, "ring: {transport: mesh, " + dacs + ", {name: sfp1, mac: '58:47:ca:00:00:02'}]}", ""},
		{"a mesh of four", 4, "ring: {transport: mesh, " + dacs + ", {name: sfp1, mac: '58:47:ca:00:00:02'}, {name: sfp2, mac: '58:47:ca:00:00:03'}]}", ""},
		{"a mesh of four with two ports", 4, "ring: {transport: mesh, " + dacs + ", {name: sfp1, mac: '58:47:ca:00:00:02'}]}",
			"ring.ports: has 2 ports; a mesh needs 3 on each node"},
		{"a mesh of five", 5, "ring: {transport: mesh, " + dacs + ", {name: sfp1, mac: '58:47:ca:00:00:02'}, {name: sfp2, mac: '58:47:ca:00:00:03'}]}",
			"nodes: has 5 entries, and the transport mesh joins 3 to 4 nodes; write ring.transport: switch (a port or two on a switch, perhaps in a VLAN)"},
		{"a ring of four", 4, "ring: {transport: ethernet, " + dacs + ", {name: sfp1, mac: '58:47:ca:00:00:02'}]}",
			"nodes: has 4 entries, and the transport ethernet joins 3 nodes; write ring.transport: mesh (a DAC cable from each node to each other one), or switch (a port or two on a switch, perhaps in a VLAN), or none (nothing: all traffic goes over the management network, a risk)"},
		{"a switch, one port", 5, "ring: {transport: switch, " + dacs + "]}", ""},
		{"a switch, LACP in a VLAN, sixteen nodes", 16, "ring: {transport: switch, vlan: 40, bond: 802.3ad, " + dacs + ", {name: sfp1, mac: '58:47:ca:00:00:02'}]}", ""},
		{"seventeen nodes", 17, "ring: {transport: switch, " + dacs + "]}", "nodes: has 17 entries, at most 16 are allowed"},
		{"two nodes", 2, "ring: {transport: switch, " + dacs + "]}", "nodes: has 2 entries, at least 3 are needed"},
		{"a VLAN on cables", 3, "ring: {transport: ethernet, vlan: 40, " + dacs + ", {name: sfp1, mac: '58:47:ca:00:00:02'}]}",
			"ring.vlan: is for a switch, and ring.transport is ethernet; take it out"},
		{"OpenFabric on a switch", 3, "ring: {transport: switch, routing: openfabric, " + dacs + "]}",
			"ring.routing: openfabric finds ways through cables, and ring.transport is switch; write static"},
		{"three ports on a switch", 3, "ring: {transport: switch, " + dacs + ", {name: sfp1, mac: '58:47:ca:00:00:02'}, {name: sfp2, mac: '58:47:ca:00:00:03'}]}",
			"ring.ports: has 3 ports; a switch needs 1 to 2 on each node"},
		{"no ring", 5, "ring: {transport: none}", ""},
		{"no ring, written out", 3, "ring: {transport: none, prefix: 10.203.3.0/24, mtu: 1400, ports: []}", ""},
		{"no ring, and larger packets for it", 3, "ring: {transport: none, mtu: 9000}", "ring.mtu: 9000 is more than the management network has (1500), which carries all; write management.mtu: 9000"},
		{"no ring, and a network for it", 3, "ring: {transport: none, prefix: 10.203.4.0/24}",
			"ring.prefix: is another network than management.prefix, and ring.transport is none; take it out, or write what joins the nodes there"},
		{"no ring, and a port for it", 3, "ring: {transport: none, ports: [{name: sfp0, mac: '58:47:ca:00:00:01'}]}",
			"ring.ports: has one port; with none the ring has none: take them out"},
		{"no ring, and a VLAN for it", 3, "ring: {transport: none, vlan: 40}", "ring.vlan: is for a switch, and ring.transport is none; take it out"},
		{"no ring, and OpenFabric", 3, "ring: {transport: none, routing: openfabric}", "ring.routing: openfabric finds ways through cables, and ring.transport is none; write static"},
		{"a ring without a network", 3, "ring: {transport: switch, ports: [{name: sfp0, interface: sfp0}]}", "ring.prefix: is missing; the ring's network"},
		{"a long name in a VLAN", 3, "ring: {transport: switch, vlan: 4000, mtu: 9000, prefix: 10.203.4.0/24, ports: [{name: enp2s0f0np0, interface: enp2s0f0np0}]}",
			"ring.ports[0].name: makes the VLAN's device enp2s0f0np0.4000, of more than 15 letters; take a shorter name"},
	} {
		p, err := onTransport(t, row.nodes, row.ring)
		switch {
		case row.want == "" && err != nil:
			t.Errorf("%s: %v", row.name, err)
		case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s:\n%v\nwant\n%s", row.name, err, row.want)
		case row.want == "" && len(p.Nodes) != row.nodes:
			t.Errorf("%s: %d nodes", row.name, len(p.Nodes))
		}
	}
}

// Without a ring each node has the management network's address, device and
// size of packets for it, and corosync has one link.
func TestNoRing(t *testing.T) {
	p, err := onTransport(t, 4, "ring: {transport: none}")
	if err != nil {
		t.Fatal(err)
	}
	text, err := Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load("again.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, p := range []*Profile{p, again} {
		n := p.Nodes[1]
		if n.Ring != n.Address || p.Ring.Prefix != p.Management.Prefix || p.Ring.MTU != 1500 || len(p.PortsOf(n)) != 0 || p.RingDevice(n) != "vmbr0" {
			t.Errorf("%+v, %+v", p.Ring, n)
		}
		if links := p.Links(n); len(links) != 1 || links[0] != n.Address {
			t.Errorf("links at %v", links)
		}
		if risks := strings.Join(p.Risks(n.Name), "\n"); !strings.Contains(risks, "share the management network and end with it") {
			t.Errorf("no risk is named:\n%s", risks)
		}
	}
}

func TestRingDevice(t *testing.T) {
	one := []RingPort{{Name: "sfp0"}}
	two := []RingPort{{Name: "sfp0"}, {Name: "sfp1"}}
	for _, row := range []struct {
		ports []RingPort
		vlan  int
		want  string
	}{{one, 0, "sfp0"}, {two, 0, "stor0"}, {one, 40, "sfp0.40"}, {two, 40, "stor0.40"}} {
		p := &Profile{Ring: Ring{Ports: row.ports, VLAN: row.vlan}}
		if got := p.RingDevice(Node{}); got != row.want {
			t.Errorf("%d ports, VLAN %d: %s, want %s", len(row.ports), row.vlan, got, row.want)
		}
	}
}

func TestCablesAreThoseThatJoinNodes(t *testing.T) {
	for _, row := range []struct {
		transport string
		nodes     int
		want      string
	}{
		{TransportThunderbolt, 3, "12 23 31"}, {TransportMesh, 3, "12 13 23"}, {TransportMesh, 4, "12 13 14 23 24 34"}, {TransportSwitch, 5, "12 23 34 45 51"},
	} {
		p := &Profile{Ring: Ring{Transport: row.transport}}
		for i := range row.nodes {
			p.Nodes = append(p.Nodes, Node{Name: fmt.Sprint(i + 1)})
		}
		var got []string
		for _, pair := range p.Cables() {
			got = append(got, pair[0].Name+pair[1].Name)
		}
		if all := strings.Join(got, " "); all != row.want {
			t.Errorf("%s of %d: %s, want %s", row.transport, row.nodes, all, row.want)
		}
	}
}
