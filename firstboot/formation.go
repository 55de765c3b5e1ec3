package firstboot

import (
	"context"
	"encoding/json"
	"fmt"

	"ringboot/firstboot/step"
)

// Methods that root may call on the node about its cluster.
const (
	MethodLeave   = "cluster.leave-here"   // take this node out again
	MethodReplace = "cluster.replace-here" // consent: this machine takes a lost one's place
	MethodAdmit   = "cluster.admit-here"   // consent: this member hands out the cluster's key once more
)

// formation is the steps cluster and proof, with what peers and root may ask
// of them.
func formation(p *Parts) []step.Step {
	cluster := step.NewCluster(clusterOptions(p))
	proof := step.NewProof(clusterOptions(p))
	cluster.Register(p.Methods)
	proof.Register(p.Methods)
	p.Local.Handle(MethodLeave, func(ctx context.Context, _ string, _ json.RawMessage) (any, error) {
		return nil, cluster.Leave(ctx)
	})
	p.Local.Handle(MethodReplace, func(context.Context, string, json.RawMessage) (any, error) {
		defer p.Kick()
		return nil, step.Consent(p.Host.Files, p.Node.Name)
	})
	p.Local.Handle(MethodAdmit, func(_ context.Context, _ string, in json.RawMessage) (any, error) {
		var node string
		if err := json.Unmarshal(in, &node); err != nil {
			return nil, err
		}
		if _, ok := p.Profile.Node(node); !ok || node == p.Node.Name {
			return nil, fmt.Errorf("%q is no other node of %s", node, p.Profile.Cluster.Name)
		}
		return nil, step.OpenWindow(p.Host.Files)
	})
	return []step.Step{cluster, proof}
}

func clusterOptions(p *Parts) step.ClusterOptions {
	return step.ClusterOptions{Host: p.Host, Profile: p.Profile, Node: p.Node.Name, Plan: p.Seed.Plan.Cluster, Peers: p.Caller, Kick: p.Kick}
}

// Guard compares the configuration of corosync with the peers' before corosync
// starts, and says what it did. It runs beside no agent.
func Guard(ctx context.Context, o Options) (string, error) {
	a, err := Build(o)
	if err != nil {
		return "", fmt.Errorf("compare corosync.conf with the peers: %w", err)
	}
	return step.NewCluster(clusterOptions(a.Parts)).Guard(ctx)
}
