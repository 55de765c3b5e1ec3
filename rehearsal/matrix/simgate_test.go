package matrix_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"ringboot/firstboot/gate"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/upgrade"
	world "ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/debian"
)

// gateOf is the step peers of a node. It asks from several goroutines, so its
// calls go past the points of the crash tests.
func (s *sim) gateOf(a *simAgent, node *trust.MemoryNode) step.Step {
	facts := func() status.Facts {
		f := status.Facts{Node: a.name, PlanCluster: "0123456789abcdef", Protocol: status.Protocol, Synced: true, Time: s.now(),
			Versions: map[string]string{"pve-manager": "9.2.11", "corosync": "3.1.10-pve3", "kernel": "6.17.2-1-pve", "ringboot": "v1"}}
		raw, _ := s.w.Node(a.name).Files().ReadFile(debian.PackagesFile) // none: all have the same
		for line := range strings.Lines(string(raw)) {
			if words := strings.Fields(line); len(words) > 1 {
				f.Versions[words[0]] = words[1]
			}
		}
		for _, file := range []string{"/etc/corosync/corosync.conf", "/etc/pve/corosync.conf"} {
			if raw, err := s.w.Node(a.name).Files().ReadFile(file); err == nil {
				if c, err := world.ParseConf(raw); err == nil {
					f.Cluster = c.Name
				}
			}
		}
		if list, err := s.w.Node(a.name).Files().ReadDir("/etc/pve/nodes/" + a.name + "/qemu-server"); err == nil {
			f.Guests = len(list)
		}
		for _, o := range s.p.Others(a.name) {
			f.Trusts = append(f.Trusts, o.Name)
		}
		if spoil := s.facts[a.name]; spoil != nil {
			spoil(&f)
		}
		return f
	}
	ring := func() status.RingView { return s.ringOf(a.name) }
	node.Handle(trust.MethodFacts, func(context.Context, string, json.RawMessage) (any, error) { return facts(), nil })
	node.Handle(trust.MethodRing, func(context.Context, string, json.RawMessage) (any, error) { return ring(), nil })
	var own gate.Packages
	if _, err := s.w.Node(a.name).Files().Lstat(debian.PackagesFile); err == nil {
		h, _ := a.host(a.life)
		own = &upgrade.Fresh{Host: h, Profile: a.profile}
	}
	return gate.New(gate.Options{Packages: own, Profile: s.p, Node: a.name, Caller: simGate{a}, Now: s.now,
		Facts: func(context.Context) (status.Facts, error) { return facts(), nil },
		Ring:  ring,
		Peers: func() []status.PeerStatus { return nil }})
}

// simGate asks for the gate.
type simGate struct{ a *simAgent }

func (g simGate) Call(ctx context.Context, node, method string, in, out any) error {
	if to := g.a.s.agents[node]; !to.alive || to.cluster == nil || !g.a.s.w.Reachable(g.a.name, node) {
		return fmt.Errorf("connect %s: no route to host", node)
	}
	return g.a.s.mem.Node(g.a.name).Call(ctx, node, method, in, out)
}
