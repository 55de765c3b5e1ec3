package firstboot

import (
	"context"

	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/upgrade"
	"ringboot/profiles/fault"
)

// Upgrade returns what takes the cluster of this node to one set of packages.
// log gets a line for each thing that it does.
func (a *Agent) Upgrade(log func(string)) (*upgrade.Upgrade, error) {
	p := a.Parts
	if p.mark == nil {
		return nil, fault.Precondition.New("this node is being formed: firstboot status shows how far it is; an upgrade comes after the report")
	}
	ring := func(ctx context.Context, node string) (string, error) {
		v := status.RingView{}
		if node == p.Node.Name {
			v = p.Ring()
		} else if err := p.Caller.Call(ctx, node, trust.MethodRing, nil, &v); err != nil {
			return "", err
		}
		if !v.Whole {
			return v.Verdict, nil
		}
		return "", nil
	}
	return upgrade.New(upgrade.Options{Host: p.Host, Profile: p.Profile, Node: p.Node.Name, Ring: ring, Log: log}), nil
}
