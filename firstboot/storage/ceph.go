// Package storage holds the steps ceph and ha: monitors, managers, OSDs, pool
// and storage over the ring, and the options of HA.
//
// A disk with anything on it is taken only where the profile names it.
package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"ringboot/firstboot/blockdb"
	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// What is asked of other nodes.
const (
	methodCephLocal   = "ceph.local"   // how far its own part of Ceph is
	methodCephMonitor = "ceph.monitor" // its own monitor, which the grown plan gives it
)

const (
	cephFSName = "cephfs"
	// monWait bounds the wait for a new monitor in one Apply; Check goes on waiting.
	monWait = 90 * time.Second
	// statdRound is how long pvestatd still tells of a directory that is gone.
	statdRound = 11 * time.Second
	cephPoll   = 2 * time.Second
	// cephPatience is how long the pauses of a longer wait become.
	cephPatience = 20 * time.Second
)

// Options are what the steps ceph, ha, accept and report work with.
type Options struct {
	Host    host.Host
	Profile *profiles.Profile
	Node    string // name of this node
	Seed    profiles.Seed
	Agent   string       // version of the agent
	Peers   trust.Caller // the other agents
	// Ring is this node's view of the ring.
	Ring func() status.RingView
	// Proof is the step that must be done before any of these begins.
	Proof step.Step
	// Place says whose place this machine took, and since when; "" for nobody's. May be nil.
	Place func() string
	// Heir reports whether this machine came to a cluster that had been finished:
	// what is written once for all of it is its owner's. May be nil.
	Heir func() bool
	// Settled says that the peers' builders have left, so that nothing is asked of
	// them; the cluster was proven when it was formed.
	Settled bool
	// Finished reports whether a step was done when this node settled, and so is
	// for good. May be nil.
	Finished func(step string) bool
	// Doubt has the engine look at steps again that were done; may be nil.
	Doubt func(steps ...string)
}

func (o Options) heir() bool { return o.Heir != nil && o.Heir() }

// Ceph makes the storage: each node installs it, the founder initialises it,
// then monitors and managers come one by one in the order of the profile, the
// OSDs of all nodes at the same time, and last the pool.
type Ceph struct {
	o       Options
	ceph    pve.Ceph
	growing *sync.Mutex // of whoever makes the monitor for an added node
}

// NewCeph returns the step ceph.
func NewCeph(o Options) *Ceph {
	return &Ceph{o: o, growing: &sync.Mutex{}, ceph: pve.Ceph{Shell: pve.Shell{Host: o.Host, Node: o.Node}}}
}

// Name implements Step.
func (s *Ceph) Name() string { return profiles.StepCeph }

// Recheck says how long the verdict keeps.
func (s *Ceph) Recheck() time.Duration { return time.Minute }

// cephLocal is the answer of methodCephLocal.
type cephLocal struct {
	Node      string `json:"node"`
	Installed bool   `json:"installed"`
	Release   string `json:"release"`
	FSID      string `json:"fsid"`
	Expected  int    `json:"expected"` // OSDs that its disks become
	Done      int    `json:"done"`     // of them up
	Trouble   string `json:"trouble,omitempty"`
	// Packages are those of Ceph with their versions; only where they are asked for.
	Packages map[string]string `json:"packages,omitempty"`
}

// Register adds the methods that peers may call.
func (s *Ceph) Register(r trust.Registry) {
	r.Handle(methodCephLocal, func(ctx context.Context, peer string, in json.RawMessage) (any, error) {
		if _, ok := s.o.Profile.Node(peer); !ok {
			return nil, fmt.Errorf("%s is no node of this cluster", peer)
		}
		var asks cephAsks
		if json.Unmarshal(in, &asks) == nil && asks.Packages { // an older agent asks for nothing
			return s.packages(ctx)
		}
		return s.local(ctx)
	})
	r.Handle(methodCephMonitor, func(ctx context.Context, peer string, _ json.RawMessage) (any, error) {
		return nil, s.monitorFor(ctx, peer)
	})
}

// intent is the content of pve.CephIntent.
type intent struct {
	Meant time.Time `json:"meant"`
	FSID  string    `json:"fsid,omitempty"`
}

func (s *Ceph) intent() (intent, bool, error) {
	text, err := s.o.Host.Files.ReadFile(pve.CephIntent)
	if errors.Is(err, fs.ErrNotExist) {
		return intent{}, false, nil
	}
	if err != nil {
		return intent{}, false, fmt.Errorf("read %s: %w", pve.CephIntent, err)
	}
	var i intent
	if err := json.Unmarshal(text, &i); err != nil {
		return intent{}, true, nil // torn by a power cut: it was meant, the rest is read from ceph.conf
	}
	return i, true, nil
}

func (s *Ceph) intend(i intent) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	if err := s.o.Host.Files.WriteDirect(pve.CephIntent, append(text, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", pve.CephIntent, err)
	}
	return s.o.Host.Files.Sync()
}

// Check implements Step.
func (s *Ceph) Check(ctx context.Context) (step.Verdict, error) {
	if !s.o.Profile.Ceph.Enabled {
		return step.IsDone("the profile does not ask for Ceph"), nil
	}
	if v, ok, err := s.o.Gate(ctx, "Ceph"); err != nil || !ok {
		return v, err
	}
	v, err := s.look(ctx)
	if err != nil {
		return step.Verdict{}, err
	}
	d := decideCeph(v)
	return d.verdict, nil
}

// gate holds everything back until the cluster is proven and the ring stands.
func (o Options) Gate(ctx context.Context, what string) (step.Verdict, bool, error) {
	if o.Proof != nil && !o.Settled {
		v, err := o.Proof.Check(ctx)
		if err != nil {
			return step.Verdict{}, false, err
		}
		if v.State != step.Done {
			return step.Wait(fmt.Sprintf("%s waits for the proof of the cluster: %s", what, v.Reason)), false, nil
		}
	}
	if ring := o.RingView(); !ring.Whole {
		return step.Wait(fmt.Sprintf("%s waits for the ring: %s", what, ring.Verdict)), false, nil
	}
	return step.Verdict{}, true, nil
}

// Apply implements Step: it acts until this node can do no more by itself.
func (s *Ceph) Apply(ctx context.Context) error {
	if _, ok, err := s.o.Gate(ctx, "Ceph"); err != nil || !ok {
		return err
	}
	many := []cephAct{cephMakeOSD, cephPurgeOSD, cephOutOSD} // each time another one
	for last := (cephDecision{}); ; {
		v, err := s.look(ctx)
		if err != nil {
			return err
		}
		d := decideCeph(v)
		switch {
		case d.act == cephNothing, d.act == last.act && d.act == cephSettle: // Check says what it waits for
			return nil
		case d.act == last.act && d.disk == last.disk && d.volume == last.volume && !slices.Contains(many, d.act):
			return errors.New(d.verdict.Reason + ": tried, and it is still so")
		}
		last = d
		if err := s.act(ctx, v, d); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (s *Ceph) act(ctx context.Context, v cephView, d cephDecision) error {
	p := s.o.Profile
	switch d.act {
	case cephInstall:
		from := p.Ceph.Repository
		if from == "no-subscription" && p.Proxmox.Mirror != "" {
			from = "manual" // else pveceph writes Proxmox's own source over the mirror's
		}
		pins, err := s.pins(ctx, v)
		if err != nil {
			return err
		}
		return s.ceph.Install(ctx, p.Ceph.Version, from, pins)
	case cephIntend:
		return s.intend(intent{Meant: s.o.Host.Clock.Now().UTC()})
	case cephInit:
		return s.ceph.Init(ctx, v.public, v.cluster)
	case cephRecord:
		return s.intend(intent{Meant: s.o.Host.Clock.Now().UTC(), FSID: v.conf.FSID})
	case cephLinkConf:
		return s.ceph.Link()
	case cephForgetMon:
		if err := s.ceph.ForgetMonitor(ctx); err != nil {
			return err
		}
		return s.o.Host.Clock.Sleep(ctx, statdRound)
	case cephCleanMDS:
		return s.ceph.DestroyMDS(ctx)
	case cephCleanMon, cephCleanMgr:
		if err := s.ceph.DropHalf(ctx, d.kind); err != nil {
			return err
		}
		return s.o.Host.Clock.Sleep(ctx, statdRound)
	case cephStartMon, cephStartMgr, cephStartMDS:
		if err := s.ceph.StartDaemon(ctx, d.kind); err != nil {
			return err
		}
		return s.awaitDaemon(ctx, d.kind)
	case cephMakeMon, cephMakeMgr, cephMakeMDS:
		if err := s.ceph.CreateDaemon(ctx, d.kind); err != nil {
			return err
		}
		return s.awaitDaemon(ctx, d.kind)
	case cephAskMon:
		return s.askMonitor(ctx, d.node)
	}
	return s.actOnData(ctx, v, d)
}

func (s *Ceph) actOnData(ctx context.Context, v cephView, d cephDecision) error {
	p := s.o.Profile
	switch d.act {
	case cephWipe:
		return s.ceph.Wipe(ctx, d.disk, v.conf.FSID)
	case cephMakePart:
		return s.makeRest(ctx, *d.rest)
	case cephDropUnused:
		return s.ceph.DropUnused(ctx, d.disk, d.volume)
	case cephMakeOSD:
		how := pve.NewOSD{Encrypted: p.Ceph.Encrypted, Beside: blockdb.Of(v.disks.beside)}
		if d.rest != nil {
			return s.createOSDOf(ctx, *d.rest, how)
		}
		return s.ceph.CreateOSD(ctx, d.disk, how)
	case cephActivate:
		return s.ceph.ActivateOSD(ctx, d.osd)
	case cephOutOSD:
		return s.ceph.OutOSD(ctx, d.osd)
	case cephPurgeOSD:
		return s.ceph.PurgeOSD(ctx, d.osd)
	case cephSetMemory:
		return s.ceph.SetOSDMemory(ctx, v.memory)
	case cephMakePool:
		return pgLimit(s.ceph.CreatePool(ctx, p.Ceph.Pool, p.Ceph.PGNum, p.Ceph.TargetSizeRatio), "ceph.pg_num: "+fmt.Sprint(p.Ceph.PGNum))
	case cephMendPool:
		return s.ceph.SetPool(ctx, p.Ceph.Pool, p.Ceph.TargetSizeRatio)
	case cephAddStorage:
		return s.ceph.AddStorage(ctx, p.Ceph.Pool)
	case cephMakeFS:
		return pgLimit(s.ceph.CreateFS(ctx, cephFSName), "CephFS")
	case cephFinishFS:
		return pgLimit(s.ceph.FinishFS(ctx, cephFSName), "CephFS")
	case cephAddFSStorage:
		return s.ceph.AddFSStorage(ctx, cephFSName)
	case cephSettle:
		return s.settle(ctx, v)
	}
	return nil
}

// awaitDaemon waits until the cluster knows a new daemon.
func (s *Ceph) awaitDaemon(ctx context.Context, kind string) error {
	end := s.o.Host.Clock.Now().Add(monWait)
	for s.o.Host.Clock.Now().Before(end) {
		switch kind {
		case "mon":
			if h, err := s.ceph.Health(ctx); err == nil && slices.Contains(h.Quorum, s.o.Node) {
				return nil
			}
		case "mgr":
			if m, err := s.ceph.Managers(ctx); err == nil && m.Has(s.o.Node) {
				return nil
			}
		default:
			return nil
		}
		if err := s.o.Host.Clock.Sleep(ctx, cephPoll); err != nil {
			return err
		}
	}
	return nil // Check says what is missing
}

// settle waits a while for the health that only takes time.
func (s *Ceph) settle(ctx context.Context, v cephView) error {
	end := s.o.Host.Clock.Now().Add(3 * time.Minute)
	for pause := cephPoll; s.o.Host.Clock.Now().Before(end); pause = min(2*pause, cephPatience) {
		if err := s.o.Host.Clock.Sleep(ctx, pause); err != nil {
			return err
		}
		h, err := s.ceph.Health(ctx)
		if err != nil {
			continue
		}
		if now := JudgeHealth(h, v.allOSDs()); now.Wait == "" || now.Stop != "" {
			return nil
		}
	}
	return nil
}

// pgLimit explains the monitors' refusal of too many placement groups.
func pgLimit(err error, what string) error {
	if err != nil && strings.Contains(err.Error(), "mon_max_pg_per_osd") {
		return fmt.Errorf("%s asks for more placement groups than these OSDs may carry: make ceph.pg_num smaller or add OSDs (%w)", what, err)
	}
	return err
}

// ringView is this node's view of the ring; without a keeper there is no ring.
func (o Options) RingView() status.RingView {
	if o.Ring == nil {
		return status.RingView{Verdict: "nothing keeps the ring on this node"}
	}
	return o.Ring()
}
