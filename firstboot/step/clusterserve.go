package step

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/trust"
)

// serveRequest is what a joiner says of itself.
type serveRequest struct {
	Blank   bool `json:"blank"`   // it has nothing of the cluster
	Replace bool `json:"replace"` // its operator consents to its taking a lost node's place
}

// served is key and configuration, or why not. The key equals root on every
// node: it travels only over the agents' channel, to a node of the profile.
type served struct {
	Key     []byte `json:"key,omitempty"`
	Conf    []byte `json:"conf,omitempty"`
	Wait    string `json:"wait,omitempty"`    // ask again: this goes by
	Refused string `json:"refused,omitempty"` // a person must look
}

// Register adds the step's methods to what this agent answers.
func (s *Cluster) Register(r trust.Registry) {
	r.Handle(methodView, func(context.Context, string, json.RawMessage) (any, error) {
		v := s.look()
		v.Stopped, _ = s.stop.Load().(string)
		return v, nil
	})
	r.Handle(methodSync, func(context.Context, string, json.RawMessage) (any, error) { return nil, s.node.Sync() })
	r.Handle(methodKick, func(context.Context, string, json.RawMessage) (any, error) {
		if s.o.Kick != nil {
			s.o.Kick()
		}
		return nil, nil
	})
	r.Handle(methodConf, func(_ context.Context, peer string, _ json.RawMessage) (any, error) { return s.handConf(peer) })
	r.Handle(methodServe, func(ctx context.Context, peer string, in json.RawMessage) (any, error) {
		var req serveRequest
		if err := json.Unmarshal(in, &req); err != nil {
			return nil, err
		}
		return s.serve(ctx, peer, req)
	})
	r.Handle(methodLeave, func(ctx context.Context, peer string, _ json.RawMessage) (any, error) { return s.release(ctx, peer) })
}

func (s *Cluster) handConf(peer string) (served, error) {
	v := s.look()
	if !v.lists(s.o.Profile.Cluster.Name, peer) {
		return served{Wait: fmt.Sprintf("%s does not list %s", s.o.Node, peer)}, nil
	}
	_, raw, err := s.node.ReadConf(pve.ConfFile)
	return served{Conf: raw}, err
}

// serve adds the asking node, if it is its turn, and hands key and
// configuration over; also again and again, and while there is no quorum: that
// is what the founder waits for after it has added the second node.
func (s *Cluster) serve(ctx context.Context, peer string, req serveRequest) (served, error) {
	n, ok := s.o.Profile.Node(peer)
	if !ok || peer == s.o.Node {
		return served{Refused: fmt.Sprintf("%s is no node of %s", peer, s.o.Profile.Cluster.Name)}, nil
	}
	if !WindowOpen(s.o.Host.Files) {
		return served{Refused: fmt.Sprintf("%s is finished and %s hands out its key no more: if a new machine takes the place of %s, run firstboot admit %s on %s",
			s.o.Profile.Cluster.Name, s.o.Node, peer, peer, s.o.Node)}, nil
	}
	if !s.busy.CompareAndSwap(false, true) {
		return served{Wait: fmt.Sprintf("%s is adding another node", s.o.Node)}, nil
	}
	defer s.busy.Store(false)
	v := s.look()
	if v.Name != s.o.Profile.Cluster.Name {
		return served{Wait: v.unsettled(s.o.Profile.Cluster.Name)}, nil
	}
	replaced := req.Blank && slices.Contains(v.Known, peer)
	if v.lists(v.Name, peer) && !replaced {
		return s.handOver(ctx, peer)
	}
	if replaced && !req.Replace {
		return served{Refused: fmt.Sprintf("%s was a member of %s and is a new installation now: say so with replace: true in its profile, or with firstboot replace on %s", peer, v.Name, peer)}, nil
	}
	if replaced && slices.Contains(v.Synced, peer) {
		return served{Wait: fmt.Sprintf("%s still sees the old %s: two machines of one name must not run", s.o.Node, peer)}, nil
	}
	if wait := s.gate(ctx, v, peer); wait != "" {
		return served{Wait: wait}, nil
	}
	if err := s.node.AddNode(ctx, peer, idOf(s.o.Profile, peer), linksOf(n), v.lists(v.Name, peer)); err != nil {
		return served{}, err
	}
	return s.handOver(ctx, peer)
}

// gate says why no node may be added now. A second addition before the first
// joiner has synchronised wrecks the cluster.
func (s *Cluster) gate(ctx context.Context, v clusterView, peer string) string {
	for _, name := range v.Listed {
		if name != s.o.Node && name != peer && !slices.Contains(v.Synced, name) {
			return fmt.Sprintf("%s joins first", name)
		}
	}
	if why := v.unsettled(v.Name); why != "" {
		return why
	}
	for _, name := range v.Listed {
		if name == s.o.Node || name == peer {
			continue
		}
		var other clusterView
		if err := s.call(ctx, askTime, name, methodView, nil, &other); err != nil {
			return fmt.Sprintf("%s does not answer %s (%v), and %s is added only when all members are sound", name, s.o.Node, err, peer)
		}
		if why := other.unsettled(v.Name); why != "" {
			return why
		}
		if other.Sum != v.Sum || !slices.Equal(other.Synced, v.Synced) {
			return fmt.Sprintf("%s and %s do not agree on the cluster yet", s.o.Node, name)
		}
	}
	return ""
}

// handOver makes the configuration durable on every member, so that no power
// cut can take back what the joiner gets, and hands it over.
func (s *Cluster) handOver(ctx context.Context, peer string) (served, error) {
	if err := s.node.Sync(); err != nil {
		return served{}, err
	}
	c, raw, err := s.node.ReadConf(pve.ConfFile)
	if err != nil {
		return served{}, err
	}
	for _, n := range s.o.Profile.Others(s.o.Node) {
		if n.Name == peer || c == nil {
			continue
		}
		if _, member := c.Node(n.Name); !member {
			continue
		}
		if err := s.call(ctx, flushTime, n.Name, methodSync, nil, nil); err != nil {
			return served{Wait: fmt.Sprintf("%s does not answer %s (%v)", n.Name, s.o.Node, err)}, nil
		}
	}
	if c == nil {
		return served{Wait: fmt.Sprintf("%s has lost %s", s.o.Node, pve.ConfFile)}, nil
	}
	if err := checkConf(s.o.Profile, c); err != nil {
		return served{Refused: err.Error()}, nil
	}
	key, err := s.node.Key()
	if err != nil {
		return served{}, err
	}
	return served{Key: key, Conf: raw}, nil
}
