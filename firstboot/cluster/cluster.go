// Package cluster holds the steps cluster and proof: one Proxmox cluster of all
// nodes of the plan, and the evidence that it is whole.
//
// Who is in the cluster is known when the images are made, so it is founded at
// once: every node writes the same corosync.conf, takes the one key that the
// founder made, and all start together. Nobody waits for a turn, and the
// configuration does not change. A node that comes back, or a machine in the
// place of a lost one, takes the same path. Where the plan has grown by a node,
// the member on which root admits its machine writes it into the configuration.
//
// Guests, users, storages or another cluster that it finds are reasons to
// stop, never something to clean; nor does a node give up a key or a cluster
// that it has for a peer's word.
package cluster

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// Methods of the cluster step.
const (
	methodView = "cluster.view" // how the node sees the cluster
	methodKey  = "cluster.key"  // hand over the key, once
	methodKick = "cluster.kick" // something changed: look again
)

// Times of the cluster step.
const (
	askTime  = 4 * time.Second  // a view
	keyTime  = 40 * time.Second // a key: the founder flushes its disk before
	meetTime = 30 * time.Second // start to synchronised: 8 s when all is well
)

// Options are what the steps cluster and proof work with.
type Options struct {
	Host    host.Host
	Profile *profiles.Profile
	Node    string       // name of this node
	Plan    string       // hash of the cluster's part of the plan
	Peers   trust.Caller // the other agents
	Kick    func()       // wakes the engine; may be nil
	// Admission says whom root on this node has admitted; nil: Admitted.
	Admission Admission
	// Bound is the fingerprint of the key to which a node is bound, "" where it is
	// bound to none; nil: nobody is.
	Bound func(node string) string
}

// Cluster is the step that makes one cluster of the nodes.
type Cluster struct {
	o    Options
	node pve.Local
	stop atomic.Value // string: why this node needs a person
	cert atomic.Value // certified: the last certificate that was verified
	one  sync.Mutex   // held while a node is added
}

// New returns the step.
func New(o Options) *Cluster {
	if o.Admission == nil {
		o.Admission = Admitted{o.Host}
	}
	return &Cluster{o: o, node: pve.Local{Host: o.Host, Name: o.Node}}
}

// Name implements Step.
func (s *Cluster) Name() string { return profiles.StepCluster }

// Recheck says how long the verdict of a whole cluster keeps.
func (s *Cluster) Recheck() time.Duration { return time.Minute }

// Check implements Step.
func (s *Cluster) Check(ctx context.Context) (step.Verdict, error) {
	d, err := s.assess(ctx)
	return d.verdict, err
}

// assess asks all nodes and decides.
func (s *Cluster) assess(ctx context.Context) (decision, error) {
	me := s.look()
	d := decider{p: s.o.Profile, me: me, peers: s.ask(ctx)}
	if err := ctx.Err(); err != nil {
		return decision{}, err
	}
	if err := s.arrived(me.Key, d.peers); err != nil {
		return decision{}, err
	}
	got := d.decide()
	s.stop.Store("")
	if got.verdict.State == step.Stopped {
		s.stop.Store(got.verdict.Reason) // for the peers' status
	}
	return got, nil
}

// ask gets the views of all peers.
func (s *Cluster) ask(ctx context.Context) map[string]answer {
	all := map[string]answer{}
	for _, n := range s.o.Profile.Others(s.o.Node) {
		var a answer
		a.err = s.call(ctx, askTime, n.Name, methodView, nil, &a.view)
		all[n.Name] = a
	}
	return all
}

func (s *Cluster) call(ctx context.Context, limit time.Duration, node, method string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.o.Peers.Call(ctx, node, method, in, out)
}

// Apply implements Step: it acts until nothing is left that this node can do
// by itself.
func (s *Cluster) Apply(ctx context.Context) error {
	for last := doNothing; ; {
		d, err := s.assess(ctx)
		if err != nil || d.act == doNothing {
			return err
		}
		if d.act == last {
			return errors.New(d.verdict.Reason + " did not help")
		}
		if err := s.act(ctx, d); err != nil {
			return err
		}
		last = d.act
		s.kickPeers(ctx)
	}
}

func (s *Cluster) act(ctx context.Context, d decision) error {
	switch d.act {
	case doFound:
		return s.found(ctx)
	case doEnter:
		if d.takes {
			if err := s.takePlace(d.heir); err != nil {
				return err
			}
		}
		return s.enter(ctx, d.source)
	case doStart:
		return s.start(ctx)
	case doRemake:
		if err := s.node.DropAuthority(); err != nil {
			return err
		}
		return s.certify(ctx)
	case doCerts:
		return s.certify(ctx)
	case doVote:
		return s.vote(ctx)
	}
	return nil
}

// kickPeers wakes those who wait for what this node has done. One that does
// not answer now looks by itself later.
func (s *Cluster) kickPeers(ctx context.Context) {
	for _, n := range s.o.Profile.Others(s.o.Node) {
		_ = s.call(ctx, askTime, n.Name, methodKick, nil, nil)
	}
}
