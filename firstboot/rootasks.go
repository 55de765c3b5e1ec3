package firstboot

import (
	"context"
	"encoding/json"
	"strings"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/cluster"
	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

// Methods that root may call on the node about its cluster and its acceptance.
const (
	MethodLeave  = "cluster.leave-here" // take this node out again
	MethodAdmit  = "cluster.admit-here" // consent: a new machine in the place of one node gets the cluster's key
	MethodRevoke = "trust.revoke-here"  // takes the key of a node away
	MethodRenew  = "trust.renew-here"   // makes another own key for this node
	MethodAccept = "accept"             // takes an AcceptOrder; on the coordinator, but for the consent
)

// askedByRoot adds what root may ask of the steps on this node.
func (p *Parts) askedByRoot(forming *cluster.Cluster, accept *acceptance.Accept) {
	p.Local.Handle(MethodLeave, func(ctx context.Context, _ string, _ json.RawMessage) (any, error) {
		return nil, forming.Leave(ctx)
	})
	p.Local.Handle(MethodAdmit, func(ctx context.Context, _ string, in json.RawMessage) (any, error) {
		var words string
		if err := json.Unmarshal(in, &words); err != nil {
			return nil, err
		}
		node, fingerprint, _ := strings.Cut(words, " ")
		if _, ok := p.Profile.Node(node); !ok || node == p.Node.Name {
			return nil, fault.Usage.Errorf("%q is no other node of %s", node, p.Profile.Cluster.Name)
		}
		// Whoever is no member says so before anybody is let in.
		if err := forming.Admit(ctx, node, fingerprint); err != nil {
			return nil, err
		}
		a, err := p.admit(node, fingerprint)
		if err != nil {
			return nil, err
		}
		a.Missing = p.call(ctx, trust.TaskAdmit, p.others(node))
		return a, nil
	})
	p.Local.Handle(MethodRevoke, func(_ context.Context, _ string, in json.RawMessage) (any, error) {
		var which string
		if err := json.Unmarshal(in, &which); err != nil {
			return nil, err
		}
		return p.revoke(which)
	})
	p.Local.Handle(MethodRenew, func(context.Context, string, json.RawMessage) (any, error) { return p.renew() })
	p.Local.Handle(MethodAccept, func(ctx context.Context, _ string, in json.RawMessage) (any, error) {
		var a AcceptOrder
		if len(in) > 0 {
			if err := json.Unmarshal(in, &a); err != nil {
				return nil, err
			}
		}
		switch {
		case a.Skip:
			defer p.Kick()
			return nil, accept.Skip(ctx)
		case a.Consent:
			return accept.Consent()
		case a.No:
			return accept.No(ctx, "root on "+p.Node.Name)
		}
		if err := accept.May(a.Again); err != nil { // nobody is called for nothing
			return nil, err
		}
		if err := called(p.call(ctx, trust.TaskAccept, p.others(""))); err != nil {
			return nil, err
		}
		return nil, accept.Repeat(ctx, a.Again)
	})
}

// AcceptOrder is what MethodAccept takes.
type AcceptOrder struct {
	acceptance.Again
	Skip    bool `json:"skip,omitempty"`    // go on without the drills that are left
	Consent bool `json:"consent,omitempty"` // this machine may be reset, once, within an hour
	No      bool `json:"no,omitempty"`      // nobody is reset by what the profile proposes
}

func clusterOptions(p *Parts) cluster.Options {
	return cluster.Options{Host: p.Host, Profile: p.Profile, Node: p.Node.Name, Plan: p.Seed.Plan.Cluster, Peers: p.Caller, Kick: p.Kick, Bound: p.bound}
}
