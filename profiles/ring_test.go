package profiles

import (
	"strings"
	"testing"
)

// The file of a ring that serves no cluster is a part of a profile.
func TestARingWithoutACluster(t *testing.T) {
	const node = "nodes:\n- {name: frege, ring: 10.203.4.11}\n"
	p, err := LoadRing("x", []byte(node))
	if err != nil || p.Ring.MTU != 65520 || p.Ring.Transport != TransportThunderbolt || len(p.Ring.Ports) != 2 || p.Nodes[0].Name != "frege" {
		t.Fatalf("%+v %v", p, err)
	}
	for text, want := range map[string]string{
		"":                                "x: is empty",
		"ring: {mtu: 9000}\n":             "nodes: names this machine and no other here",
		"nodes:\n- {ring: 10.203.4.11}\n": "nodes: names this machine and no other here",
		node + "- {name: russell, ring: 10.203.4.12}\n":                                "nodes: has 2 entries, at most 1 are allowed",
		"nodes:\n- {name: frege}\n":                                                    "nodes[0].ring: is no IPv4 address of a machine",
		"nodes:\n- {name: frege, ring: \"fd00::1\"}\n":                                 "nodes[0].ring: is no IPv4 address of a machine",
		"nodes:\n- {name: A B, ring: 10.203.4.11}\n":                                   "nodes[0].name",
		"ring: {mtu: 99}\n" + node:                                                     "write 1280 to 65520",
		"ring: {mut: 9000}\n" + node:                                                   "did you mean mtu?",
		"ring: {transport: switch}\n" + node:                                           "switch is no ring of cables; write thunderbolt or ethernet",
		"ring: {transport: ethernet, ports: [{name: en05, interface: en05}]}\n" + node: "a ring needs 2 on each node",
		"ring: {chain: frege}\n" + node:                                                "ring.chain: is for the nodes of a cluster; a ring by itself has three cables, take it out",
		"ring: {transport: ethernet}\n" + node:                                         "is more than Ethernet ports carry",
	} {
		if p, err := LoadRing("x", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want %q", text, p, err, want)
		}
	}
}

func FuzzLoadRing(f *testing.F) {
	f.Add([]byte("nodes:\n- {name: frege, ring: 10.203.4.11}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := LoadRing("x", text); err == nil && (len(p.Nodes) != 1 || !p.Nodes[0].Ring.Is4() || len(p.PortsOf(p.Nodes[0])) != 2) {
			t.Errorf("%+v", p)
		}
	})
}
