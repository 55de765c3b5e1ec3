package profiles

import (
	"strings"
	"testing"
)

const (
	onePort = "ports: [{name: en05, path: 'pci-0000:00:0d.2', driver: thunderbolt-net}]"
	bothEnd = "ports: [{name: en05, path: 'pci-0000:00:0d.2', driver: thunderbolt-net}, {name: en06, path: 'pci-0000:00:0d.3', driver: thunderbolt-net}]"
)

// inARow is a box whose nodes have these ring ports of their own.
func inARow(ring string, own ...string) string {
	text := box{nodes: 3, node: twoPorts, keys: map[string]string{"ring": ring}}.text()
	for i, ports := range own {
		name := []string{"pve1", "pve2", "pve3"}[i]
		if ports != "" {
			text = strings.Replace(text, "{name: "+name+", ", "{name: "+name+", ring_"+ports+", ", 1)
		}
	}
	return text
}

// A chain is said with the key that takes its risk, and refused without.
func TestChains(t *testing.T) {
	ring := func(more string) string {
		return "{transport: thunderbolt, prefix: 10.0.0.0/24, mtu: 65520" + more + "}"
	}
	for name, c := range map[string]struct{ text, says string }{
		"two ports each, one stays free":    {inARow(ring(", chain: pve2, " + bothEnd)), ""},
		"ends of one port":                  {inARow(ring(", chain: pve2, "+bothEnd), onePort, "", onePort), ""},
		"the middle has more than the rest": {inARow(ring(", chain: pve1, "+onePort), bothEnd), ""},
		"over Ethernet":                     {inARow("{transport: ethernet, chain: pve3, prefix: 10.0.0.0/24, mtu: 9000, ports: [{name: sfp0, interface: sfp0}, {name: sfp1, interface: sfp1}]}"), ""},
		"without the key":                   {inARow(ring(", "+bothEnd), onePort, "", onePort), "nodes[0].ring_ports: has one port; a ring needs 2 on each node; or consent to a chain of two cables with ring.chain:"},
		"all of one port, without the key":  {inARow(ring(", " + onePort)), "ring.ports: has one port; a ring needs 2 on each node; or consent"},
		"all of one port":                   {inARow(ring(", chain: pve2, " + onePort)), "ring.ports: has one port; pve2, the middle of the chain, needs 2"},
		"a middle of one port":              {inARow(ring(", chain: pve2, "+bothEnd), "", onePort), "nodes[1].ring_ports: has one port; pve2, the middle of the chain, needs 2"},
		"an end of three ports":             {inARow(ring(", chain: pve2, "+bothEnd), strings.TrimSuffix(bothEnd, "]")+", {name: en07, path: 'pci-0000:00:0d.4', driver: thunderbolt-net}]"), "nodes[0].ring_ports: has 3 ports; a ring needs 1 to 2 on each node"},
		"the middle is nobody":              {inARow(ring(", chain: pve9, " + bothEnd)), `ring.chain: "pve9" is no node of this profile; write the one that has both cables: pve1, pve2, pve3`},
		"on a switch":                       {inARow("{transport: switch, chain: pve2, prefix: 10.0.0.0/24, mtu: 9000, ports: [{name: sfp0, interface: sfp0}]}"), "ring.chain: is for a ring that lacks a cable, and ring.transport is switch; take it out"},
		"the power of the middle is cut":    {inARow(ring(", chain: pve2, "+bothEnd)) + "acceptance: {victim: pve2}\n", "acceptance.victim: is the middle of the chain, and while pve2 is down the others have no storage; name an end of it"},
		"the power of an end is cut":        {inARow(ring(", chain: pve2, "+bothEnd)) + "acceptance: {victim: pve1}\n", ""},
		"a name that is none":               {inARow(ring(", chain: 'a b', " + bothEnd)), "ring.chain"},
	} {
		p, err := Load("box.yaml", []byte(c.text))
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v\nlacks %q", name, err, c.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		middle := p.Ring.Chain
		cables := p.Cables()
		for _, c := range cables {
			if c[0].Name != middle && c[1].Name != middle {
				t.Errorf("%s: a cable from %s to %s", name, c[0].Name, c[1].Name)
			}
		}
		if len(cables) != 2 {
			t.Errorf("%s: %d cables", name, len(cables))
		}
		for _, n := range p.Nodes {
			if wrong := p.PortsWrong(n); wrong != "" {
				t.Errorf("%s: %s %s", name, n.Name, wrong)
			}
			if risks := strings.Join(p.Risks(n.Name), "\n"); strings.Count(risks, "the ring is a chain through "+middle+" and knows no way round: a dead cable cuts a node off, and while "+middle+" is down nobody reaches anybody") != 1 {
				t.Errorf("%s: no risk is named:\n%s", name, risks)
			}
		}
		if shared := strings.Join(p.SharedRisks([]string{"pve1", "pve2", "pve3"}), "\n"); !strings.Contains(shared, "a chain through") {
			t.Errorf("%s: the risk is not one of all nodes: %s", name, shared)
		}
		text, err := Marshal(p)
		if again, e := Load("again.yaml", text); err != nil || e != nil || again.Ring.Chain != middle {
			t.Errorf("%s: read back %v %v", name, err, e)
		}
	}
}

// Without the key a ring is what it was, and so is the text of its plan.
func TestARingIsNoChain(t *testing.T) {
	text, err := Marshal(Default())
	if err != nil || strings.Contains(string(text), "chain") || len(Default().Cables()) != 3 || len(Default().RingRisks()) != 0 {
		t.Errorf("%v\n%s", err, text)
	}
}
