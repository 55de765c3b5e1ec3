package step

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// ConsentFile holds the name of a node whose operator has typed that this
// machine takes the place of a lost one of that name.
const ConsentFile = "/var/lib/ringboot/replace"

// Methods of the cluster step.
const (
	methodView  = "cluster.view"  // how the node sees the cluster
	methodServe = "cluster.serve" // add the asking node and hand over key and configuration
	methodConf  = "cluster.conf"  // the configuration alone, for a member that boots
	methodSync  = "cluster.sync"  // flush all file systems
	methodKick  = "cluster.kick"  // something changed: look again
	methodLeave = "cluster.leave" // take the asking node out again
)

// Times of the cluster step.
const (
	askTime   = 4 * time.Second  // a view
	flushTime = 30 * time.Second // sync of a busy disk
	serveTime = 90 * time.Second // addnode with its locks
	turnPoll  = 300 * time.Millisecond
	turnTime  = 30 * time.Second  // how long a joiner waits for its turn before it says so
	joinTime  = 120 * time.Second // start to synchronised: 8 s when all is well
	reload    = 10 * time.Second  // a changed configuration reaches corosync after one
)

// ClusterOptions are what the steps cluster and proof work with.
type ClusterOptions struct {
	Host    host.Host
	Profile *profiles.Profile
	Node    string       // name of this node
	Plan    string       // hash of the cluster's part of the plan
	Peers   trust.Caller // the other agents
	Kick    func()       // wakes the engine; may be nil
}

// Cluster is the step that makes one cluster of the nodes: the first node of
// the profile founds it, the others join one after the other.
type Cluster struct {
	o    ClusterOptions
	node pve.Node
	busy atomic.Bool  // an addition is under way
	stop atomic.Value // string: why this node needs a person
	cert atomic.Value // certified: the last certificate that was verified
}

// NewCluster returns the step.
func NewCluster(o ClusterOptions) *Cluster {
	return &Cluster{o: o, node: pve.Node{Host: o.Host, Name: o.Node}}
}

// Name implements Step.
func (s *Cluster) Name() string { return "cluster" }

// Recheck says how long the verdict of a whole cluster keeps.
func (s *Cluster) Recheck() time.Duration { return time.Minute }

// Check implements Step.
func (s *Cluster) Check(ctx context.Context) (Verdict, error) {
	d, err := s.assess(ctx)
	return d.verdict, err
}

// assess asks all nodes and decides.
func (s *Cluster) assess(ctx context.Context) (decision, error) {
	me := s.look()
	d := decider{p: s.o.Profile, me: me, peers: s.ask(ctx), consent: s.consents()}
	if err := ctx.Err(); err != nil {
		return decision{}, err
	}
	got := d.decide()
	if c, _, err := s.node.ReadConf(pve.ConfFile); err == nil && c != nil && got.verdict.State != Stopped {
		if err := checkConf(s.o.Profile, c); err != nil {
			got = stopped("%v", err)
		}
	}
	if me.Name == "" && me.Mounted && (got.act == doCreate || got.act == doJoin) {
		level, err := s.node.APILevel(ctx)
		if err != nil {
			return decision{}, fmt.Errorf("ask pvecm for the version of its join calls: %w", err)
		}
		if level != pve.APIVersion {
			got = stopped("pvecm of %s speaks version %s of the join calls, this agent knows version %s: update ringboot", s.o.Node, level, pve.APIVersion)
		}
	}
	s.remember(got.verdict)
	return got, nil
}

// remember keeps the sentence of a stop, for the peers' status.
func (s *Cluster) remember(v Verdict) {
	if v.State == Stopped {
		s.stop.Store(v.Reason)
		return
	}
	s.stop.Store("")
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

// consents tells whether this machine may take the place of a lost one.
func (s *Cluster) consents() bool {
	if n, ok := s.o.Profile.Node(s.o.Node); ok && n.Replace {
		return true
	}
	typed, err := s.o.Host.Files.ReadFile(ConsentFile)
	return err == nil && string(typed) == s.o.Node
}

// Consent records the typed consent to take the place of a lost node.
func Consent(files host.Files, node string) error {
	return files.WriteFile(ConsentFile, []byte(node), 0o600)
}

// Apply implements Step: it acts until nothing is left that this node can do
// by itself.
func (s *Cluster) Apply(ctx context.Context) error {
	var last decision
	for range 2 * len(s.o.Profile.Nodes) {
		d, err := s.assess(ctx)
		if err != nil {
			return err
		}
		if d.act == doNothing {
			return nil
		}
		if d.act == last.act && d.act != doJoin {
			return errors.New(d.verdict.Reason + " did not help")
		}
		last = d
		if err := s.act(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (s *Cluster) act(ctx context.Context, d decision) error {
	var err error
	switch d.act {
	case doCreate:
		err = s.create(ctx)
	case doStart:
		err = s.start(ctx)
	case doJoin:
		err = s.join(ctx, d)
	case doRestart:
		err = s.restart(ctx)
	case doCerts:
		err = s.node.UpdateCerts(ctx)
	}
	if err != nil {
		return err
	}
	return s.settle(ctx)
}

// create founds the cluster. decide has seen that no peer is in one.
func (s *Cluster) create(ctx context.Context) error {
	// pvecm create keeps a key that a power cut has shortened.
	if _, err := s.node.Key(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		if err := s.o.Host.Files.Remove(pve.KeyFile); err != nil {
			return err
		}
	}
	me, _ := s.o.Profile.Node(s.o.Node)
	if err := s.node.Create(ctx, s.o.Profile.Cluster.Name, 1, linksOf(me)); err != nil {
		return err
	}
	// The tool leaves the host's files to the mercy of the next power cut.
	return s.node.Sync()
}

// start brings up what should run with the files that are here.
func (s *Cluster) start(ctx context.Context) error {
	v := s.look()
	if v.Mounted && v.Key == "" && len(v.Listed) == 1 {
		key := make([]byte, pve.KeySize)
		if _, err := rand.Read(key); err != nil {
			return err
		}
		if err := s.o.Host.Files.WriteFile(pve.KeyFile, key, 0o400); err != nil {
			return err
		}
	}
	if !v.Mounted {
		if err := s.node.Unit(ctx, "start", "pve-cluster"); err != nil {
			return err
		}
	}
	if v = s.look(); v.Name == "" && v.HostName == "" {
		return nil
	}
	if err := s.node.Unit(ctx, "reset-failed", "corosync"); err != nil {
		return err
	}
	verb := "start"
	if v.HostSum != v.Sum {
		verb = "restart" // pmxcfs writes the host's configuration when it starts
	}
	if err := s.node.Unit(ctx, verb, "corosync", "pve-cluster"); err != nil {
		return err
	}
	s.await(ctx, func(v clusterView) bool { return v.Running != "" && v.Quorate && v.Writable })
	return ctx.Err()
}

// await polls this node's own view.
func (s *Cluster) await(ctx context.Context, ok func(clusterView) bool) bool {
	for end := s.o.Host.Clock.Now().Add(turnTime); s.o.Host.Clock.Now().Before(end); {
		if ok(s.look()) {
			return true
		}
		if s.o.Host.Clock.Sleep(ctx, turnPoll) != nil {
			return false
		}
	}
	return false
}

// restart cures a corosync that a reload has passed by: it blocks for up to a
// minute and then comes back with the configuration of the host.
func (s *Cluster) restart(ctx context.Context) error {
	for end := s.o.Host.Clock.Now().Add(reload); s.o.Host.Clock.Now().Before(end); {
		if v := s.look(); !v.Quorate || v.RunVer == v.Version && v.HostSum == v.Sum {
			return nil // the reload came after all
		}
		if err := s.o.Host.Clock.Sleep(ctx, turnPoll); err != nil {
			return err
		}
	}
	if err := s.node.Unit(ctx, "restart", "corosync"); err != nil {
		return err
	}
	s.await(ctx, func(v clusterView) bool { return v.Quorate && v.RunVer == v.Version && v.Writable })
	return ctx.Err()
}

// settle makes durable, here and at the peers, what a step forward has brought,
// and wakes those who wait for it.
func (s *Cluster) settle(ctx context.Context) error {
	if err := s.node.Sync(); err != nil {
		return err
	}
	for _, n := range s.o.Profile.Others(s.o.Node) {
		// A peer that does not answer now flushes at its own next step.
		_ = s.call(ctx, flushTime, n.Name, methodSync, nil, nil)
		_ = s.call(ctx, askTime, n.Name, methodKick, nil, nil)
	}
	return ctx.Err()
}
