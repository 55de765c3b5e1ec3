package step

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/firstboot/throughput"
)

// acceptName and acceptTag mark what the acceptance makes. Only a guest that
// has both is ever touched.
const (
	acceptName = "ringboot-acceptance"
	acceptTag  = "ringboot-acceptance"
)

const (
	acceptPoll = 2 * time.Second
	// readyWait is how long a drill waits for a sound cluster before it begins.
	readyWait = 15 * time.Minute
	// drillTries is how often a drill is begun that something outside of it
	// interrupts. A finding is never tried again.
	drillTries = 3
)

// LinkTester measures one link; the real one is package throughput's.
type LinkTester interface {
	// Serve opens the passive end on local for one peer; it ends with ctx.
	Serve(ctx context.Context, local, from netip.Addr, token throughput.Token) (netip.AddrPort, error)
	Measure(ctx context.Context, t throughput.Target) (throughput.Result, error)
}

// WebProbe asks a management interface and returns the SHA-256 fingerprint of
// the certificate that it showed.
type WebProbe func(ctx context.Context, address string) (fingerprint string, err error)

// Accept is the acceptance of the finished cluster: one node, the
// coordinator, runs the drills that the profile consents to and keeps the record.
type Accept struct {
	o      StorageOptions
	ceph   pve.Ceph
	ha     pve.HA
	guests pve.Guests
	links  LinkTester
	web    WebProbe
	before []Step // must be done on every node
}

// NewAccept returns the step accept. The steps before are asked on every node
// before the first drill.
func NewAccept(o StorageOptions, links LinkTester, web WebProbe, before ...Step) *Accept {
	sh := pve.Shell{Host: o.Host, Node: o.Node}
	return &Accept{o: o, ceph: pve.Ceph{Shell: sh}, ha: pve.HA{Shell: sh}, guests: pve.Guests{Shell: sh}, links: links, web: web, before: before}
}

// Name implements Step.
func (s *Accept) Name() string { return "accept" }

// Recheck says how long the verdict keeps.
func (s *Accept) Recheck() time.Duration { return 10 * time.Minute }

// victim is the node whose power is cut: the profile's, or the last one.
func (o StorageOptions) victim() string {
	if v := o.Profile.Acceptance.Victim; v != "" {
		return v
	}
	return o.Profile.Nodes[len(o.Profile.Nodes)-1].Name
}

// coordinator is the node that runs the drills: the first one that is not the victim.
func (o StorageOptions) coordinator() string {
	for _, n := range o.Profile.Nodes {
		if n.Name != o.victim() {
			return n.Name
		}
	}
	return o.Profile.Founder().Name
}

// Check implements Step.
func (s *Accept) Check(ctx context.Context) (Verdict, error) {
	r, err := s.load()
	if err != nil {
		return Stop(err.Error()), nil
	}
	if r != nil && r.Done {
		return IsDone(fmt.Sprintf("the acceptance ended %s", r.Ended.UTC().Format("2006-01-02 15:04 UTC"))), nil
	}
	if v, ok, err := s.o.gate(ctx, "the acceptance"); err != nil || (!ok && r == nil) {
		return v, err
	}
	if c := s.o.coordinator(); c != s.o.Node {
		return s.follow(ctx, c, r), nil
	}
	if why, err := s.foreign(ctx, r); err != nil || why != "" {
		return Stop(why), err
	}
	if r == nil {
		if why := s.unfinished(ctx); why != "" {
			return Wait("the acceptance waits for " + why), ctx.Err()
		}
	}
	var names []string
	for _, name := range report.DrillNames() {
		if r == nil || r.drill(name) == nil {
			names = append(names, name)
		}
	}
	return Do("the acceptance goes on with "+strings.Join(names, ", "), Change{Object: "acceptance", Want: strings.Join(names, ", ")}), nil
}

// follow is the verdict of a node that does not run the drills: it takes the
// finished record over from the one that does.
func (s *Accept) follow(ctx context.Context, c string, own *acceptRecord) Verdict {
	var r acceptRecord
	err := s.call(ctx, 20*time.Second, c, methodAcceptGet, nil, &r)
	switch {
	case ctx.Err() != nil:
		return Wait(ctx.Err().Error())
	case err == nil && r.Done:
		return Do(fmt.Sprintf("%s has ended the acceptance", c), Change{Object: acceptFile, Want: "the record of " + c})
	case own != nil && own.Cut != nil && own.Cut.Victim == s.o.Node && s.bootID() != own.Cut.Boot:
		return Wait(fmt.Sprintf("this node was reset on purpose at %s by the power-cut drill of %s, which goes on", own.Cut.At.UTC().Format("15:04:05 UTC"), c))
	case err != nil:
		return Wait(fmt.Sprintf("%s runs the acceptance and does not answer: %v", c, err))
	}
	return Wait(fmt.Sprintf("%s runs the acceptance", c))
}

// Apply implements Step.
func (s *Accept) Apply(ctx context.Context) error {
	if c := s.o.coordinator(); c != s.o.Node {
		var r acceptRecord
		if err := s.call(ctx, 20*time.Second, c, methodAcceptGet, nil, &r); err != nil {
			return err
		}
		if !r.Done {
			return nil
		}
		return s.save(&r)
	}
	r, err := s.begin(ctx)
	if err != nil || r.Done {
		return err
	}
	if !r.watching() { // the guest of a power cut under way is still needed
		if err := s.clean(ctx, r); err != nil {
			return fmt.Errorf("remove what an interrupted drill left: %w", err)
		}
	}
	for _, name := range report.DrillNames() {
		if r.drill(name) != nil {
			continue
		}
		if err := s.one(ctx, r, name); err != nil {
			return err
		}
	}
	if err := s.clean(ctx, r); err != nil {
		return fmt.Errorf("clean up after the acceptance: %w", err)
	}
	if err := s.again(ctx, r); err != nil {
		return err
	}
	r.Done, r.Ended = true, s.o.Host.Clock.Now().UTC()
	return s.save(r)
}

// begin loads the record, takes over one that only a peer still has, or makes
// a new one.
func (s *Accept) begin(ctx context.Context) (*acceptRecord, error) {
	r, err := s.load()
	if err != nil || r != nil {
		if r != nil && r.watching() && !r.Cut.Interrupted {
			r.Cut.Interrupted = true
			err = s.save(r)
		}
		return r, err
	}
	for _, n := range s.o.Profile.Others(s.o.Node) {
		var peer acceptRecord
		if err := s.call(ctx, 20*time.Second, n.Name, methodAcceptGet, nil, &peer); err != nil {
			return nil, fmt.Errorf("the acceptance begins once all nodes answer: %s: %w", n.Name, err)
		}
		if peer.Run != "" && (r == nil || peer.Started.After(r.Started)) {
			r = &peer
		}
	}
	if r != nil { // this node's disk is new, the peers remember
		return r, s.save(r)
	}
	r = s.fresh()
	return r, s.save(r)
}

// one runs one drill and records its result.
func (s *Accept) one(ctx context.Context, r *acceptRecord, name string) error {
	if why := s.notConsented(name); why != "" {
		return s.enter(r, report.Drill{Name: name, Outcome: report.Untried, Sentence: why})
	}
	run := map[string]func(context.Context, *acceptRecord) (report.Drill, error){
		report.DrillManagement: s.management, report.DrillCorosync: s.corosync, report.DrillBandwidth: s.bandwidth, report.DrillStorage: s.storage,
		report.DrillMigration: s.migration, report.DrillMaintenance: s.maintenance, report.DrillPowerCut: s.powerCut,
	}[name]
	var last error
	for try := range drillTries {
		watching := name == report.DrillPowerCut && r.watching()
		if try > 0 && !watching {
			if err := s.clean(ctx, r); err != nil {
				return err
			}
		}
		// A cut that was sent is watched, whatever the cluster looks like now.
		boots := map[string]string{}
		if !watching {
			if err := s.ready(ctx, r); err != nil {
				return err
			}
			var err error
			if boots, err = s.boots(ctx); err != nil {
				return err
			}
		}
		began := s.o.Host.Clock.Now().UTC()
		d, err := run(ctx, r)
		if err == nil && d.Outcome == report.Failed && name != report.DrillPowerCut {
			// A node that went down meanwhile is not what the drill was about.
			err = s.sameBoots(ctx, boots)
		}
		if err == nil {
			d.Name, d.Started, d.Ended = name, began, s.o.Host.Clock.Now().UTC()
			return s.enter(r, d)
		}
		if ctx.Err() != nil {
			return err
		}
		last = err
		// A dying process cannot write: then nothing is recorded.
		if err := s.save(r); err != nil {
			return err
		}
	}
	if name == report.DrillPowerCut && r.watching() {
		return last
	}
	return s.enter(r, report.Drill{Name: name, Outcome: report.Failed, Sentence: last.Error(), Ended: s.o.Host.Clock.Now().UTC()})
}

func (s *Accept) enter(r *acceptRecord, d report.Drill) error {
	r.Drills = append(r.Drills, d)
	return s.save(r)
}

// notConsented says why a drill is not tried, "" if it is.
func (s *Accept) notConsented(name string) string {
	p := s.o.Profile
	consent := map[string]bool{report.DrillBandwidth: p.Acceptance.Bandwidth, report.DrillMigration: p.Acceptance.Migration,
		report.DrillMaintenance: p.Acceptance.Maintenance, report.DrillPowerCut: p.Acceptance.PowerCut}
	if yes, asked := consent[name]; asked && !yes {
		return "the profile does not consent: set acceptance." + strings.ReplaceAll(name, "-", "_")
	}
	switch name {
	case report.DrillStorage, report.DrillMigration:
		if !p.Ceph.Enabled {
			return "there is no shared storage: the profile does not ask for Ceph"
		}
	case report.DrillMaintenance, report.DrillPowerCut:
		if !p.Ceph.Enabled || !p.HA.Enabled {
			return "it needs Ceph and high availability, which the profile does not ask for"
		}
	}
	return ""
}

// foreign says what of other people's work keeps the drills away.
func (s *Accept) foreign(ctx context.Context, r *acceptRecord) (string, error) {
	guests, err := s.guests.All()
	if err != nil {
		return "", err
	}
	ours := map[string]bool{}
	for _, g := range guests {
		if isOurs(g) {
			ours[fmt.Sprintf("vm:%d", g.ID)] = true
			continue
		}
		return fmt.Sprintf("guest %d (%s) is on %s, and drills run only on an empty cluster: run firstboot accept --skip to go on without them, or move it away", g.ID, g.Name, g.Node), nil
	}
	resources, err := s.ha.Resources()
	if err != nil {
		return "", err
	}
	for _, sid := range resources {
		if !ours[sid] && (r == nil || sid != fmt.Sprintf("vm:%d", r.Guest)) {
			return fmt.Sprintf("%s is under high availability, and drills run only on an empty cluster: remove it with ha-manager remove %s", sid, sid), nil
		}
	}
	return "", ctx.Err()
}

func isOurs(g pve.Guest) bool {
	return g.Kind == "qemu" && g.Name == acceptName && contains(g.Tags, acceptTag)
}

// ready waits until the cluster is sound enough for the next drill.
func (s *Accept) ready(ctx context.Context, r *acceptRecord) error {
	end := s.o.Host.Clock.Now().Add(readyWait)
	for {
		why := s.unready(ctx, r)
		if why == "" {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.o.Host.Clock.Now().After(end) {
			return errors.New("the acceptance waits: " + why)
		}
		if err := s.o.Host.Clock.Sleep(ctx, acceptPoll); err != nil {
			return err
		}
	}
}

func (s *Accept) unready(ctx context.Context, r *acceptRecord) string {
	if why, err := s.foreign(ctx, r); err != nil {
		return err.Error()
	} else if why != "" {
		return why
	}
	for _, n := range s.o.Profile.Others(s.o.Node) {
		if _, err := s.state(ctx, n.Name); err != nil {
			return fmt.Sprintf("%s does not answer (%v)", n.Name, err)
		}
	}
	state, err := s.ha.State(ctx)
	if err != nil {
		return err.Error()
	}
	if !state.Quorate {
		return "the cluster has no quorum"
	}
	if away := s.away(); away != "" {
		return away + " is not in the cluster's membership"
	}
	if !s.o.Profile.Ceph.Enabled {
		return ""
	}
	h, err := s.ceph.Health(ctx)
	if err != nil {
		return fmt.Sprintf("Ceph does not answer (%v)", err)
	}
	wait, stop, _ := healthVerdict(h, h.OSDs)
	return wait + stop
}

// boots are the boot ids of all nodes.
func (s *Accept) boots(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	for _, n := range s.o.Profile.Nodes {
		st, err := s.state(ctx, n.Name)
		if err != nil {
			return nil, fmt.Errorf("%s does not answer: %w", n.Name, err)
		}
		out[n.Name] = st.Boot
	}
	return out, nil
}

// sameBoots is an error if a node is away or has started anew.
func (s *Accept) sameBoots(ctx context.Context, before map[string]string) error {
	now, err := s.boots(ctx)
	if err != nil {
		return err
	}
	for name, boot := range before {
		if now[name] != boot {
			return fmt.Errorf("%s started anew in the middle of the drill", name)
		}
	}
	return nil
}

// unfinished names a node that is not as far as this one, and why.
func (s *Accept) unfinished(ctx context.Context) string {
	for _, n := range s.o.Profile.Nodes {
		why, err := ask[string](ctx, s, 2*time.Minute, n.Name, methodAcceptReady, nil, func() (any, error) { return s.ownReadiness(ctx), nil })
		if err != nil {
			return fmt.Sprintf("%s, which does not answer: %v", n.Name, err)
		}
		if why != "" {
			return n.Name + ": " + why
		}
	}
	return ""
}

// ownReadiness is the reason of the first step before this one that is not done.
func (s *Accept) ownReadiness(ctx context.Context) string {
	for _, b := range s.before {
		v, err := b.Check(ctx)
		if err != nil {
			return err.Error()
		}
		if v.State != Done {
			return v.Reason
		}
	}
	return ""
}

// again looks at corosync once more: what the drills have shaken must carry.
func (s *Accept) again(ctx context.Context, r *acceptRecord) error {
	if err := s.ready(ctx, r); err != nil {
		return err
	}
	d, err := s.corosync(ctx, r)
	if err != nil {
		return err
	}
	if first := r.drill(report.DrillCorosync); first != nil && first.Outcome == report.Passed && d.Outcome == report.Failed {
		first.Outcome, first.Sentence = d.Outcome, "after the drills: "+d.Sentence
	}
	return nil
}

// away names a node that is not a member now, as pmxcfs sees it.
func (s *Accept) away() string {
	var doc struct {
		Nodes map[string]struct {
			Online int `json:"online"`
		} `json:"nodelist"`
	}
	text, err := s.o.Host.Files.ReadFile(pve.Members)
	if err != nil || json.Unmarshal(text, &doc) != nil {
		return s.o.Node
	}
	for _, n := range s.o.Profile.Nodes {
		if doc.Nodes[n.Name].Online != 1 {
			return n.Name
		}
	}
	return ""
}
