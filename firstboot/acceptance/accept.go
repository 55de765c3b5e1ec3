// Package acceptance is the step accept: the drills that try the finished cluster,
// and the record of what they found.
//
// It touches only guests and objects that it made itself.
package acceptance

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"ringboot/firstboot/acceptance/consent"
	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/firstboot/storage"
	"ringboot/firstboot/throughput"
	"ringboot/profiles"
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
	// drillTries is how often a drill is tried that does not come to an end
	// although no node went away meanwhile.
	drillTries = 3
	// drillBegins is how often a drill is begun at all, over all starts of this
	// node: one that takes a node down each time must come to an end.
	drillBegins = 6
	// upWait is how long what comes up a little after its node may take.
	upWait = time.Minute
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
	o      storage.Options
	ceph   pve.Ceph
	ha     pve.HA
	guests pve.Guests
	links  LinkTester
	web    WebProbe
	before []step.Step // must be done on every node
	began  string      // of which start this agent is
	doing  atomic.Pointer[string]
	word   *consent.Own // on a power cut of this machine
}

// NewAccept returns the step accept.
func NewAccept(o storage.Options, links LinkTester, web WebProbe) *Accept {
	if p := *o.Profile; o.Seed.Driven && p.Acceptance.PowerCut == profiles.ConsentAsk { // a playbook would lose the node
		p.Acceptance.PowerCut = profiles.ConsentNo
		o.Profile = &p
	}
	sh := pve.Shell{Host: o.Host, Node: o.Node}
	first := func() bool { return (o.Place == nil || o.Place() == "") && !host.Exists(o.Host.Files, ReportJSON) }
	return &Accept{o: o, ceph: pve.Ceph{Shell: sh}, ha: pve.HA{Shell: sh}, guests: pve.Guests{Shell: sh}, links: links, web: web, began: o.Host.Clock.Now().UTC().Format(time.RFC3339Nano),
		word: &consent.Own{Host: o.Host, Node: o.Node, Profile: o.Profile, Victim: victimOf(o.Profile), Peers: o.Peers, First: first}}
}

// Follow says which steps stand before the acceptance. What came after the
// proof of the cluster is asked for on every node before the first drill.
func (s *Accept) Follow(before []step.Step) {
	s.before = nil
	for _, b := range before {
		if b.Name() == profiles.StepProof {
			s.before = nil
			continue
		}
		s.before = append(s.before, b)
	}
}

// Name implements Step.
func (s *Accept) Name() string { return profiles.StepAccept }

// Recheck says how long the verdict keeps.
func (s *Accept) Recheck() time.Duration { return 10 * time.Minute }

// Check implements Step.
func (s *Accept) Check(ctx context.Context) (step.Verdict, error) {
	r, err := s.Record()
	if err != nil {
		return step.Stop(err.Error()), nil
	}
	if r != nil && r.Done {
		return step.IsDone(fmt.Sprintf("the acceptance ended %s", r.Ended.UTC().Format("2006-01-02 15:04 UTC"))), nil
	}
	if v, ok, err := s.o.Gate(ctx, "the acceptance"); err != nil || (!ok && r == nil) {
		return v, err
	}
	if c := CoordinatorOf(s.o.Profile); c != s.o.Node {
		return s.follow(ctx, c, r), nil
	}
	run := r
	if r == nil && s.place() != "" { // the peers remember the old machine's run, and begin says what is left of it
		run = &Record{Only: besideGuests()}
	}
	if why, err := s.foreign(ctx, run); err != nil || why != "" {
		return step.Stop(why), err
	}
	if r == nil {
		if why := s.unfinished(ctx); why != "" {
			return step.Wait("the acceptance waits for " + why), ctx.Err()
		}
	}
	var names []string
	for _, name := range Names() {
		if run == nil || run.drill(name) == nil && (len(run.Only) == 0 || slices.Contains(run.Only, name)) {
			names = append(names, name)
		}
	}
	return step.Do("the acceptance goes on with "+strings.Join(names, ", "), step.Change{Object: "acceptance", Want: strings.Join(names, ", ")}), nil
}

// follow is the verdict of a node that does not run the drills: it takes the
// finished record over from the one that does.
func (s *Accept) follow(ctx context.Context, c string, own *Record) step.Verdict {
	var r Record
	err := s.call(ctx, 20*time.Second, c, methodAcceptGet, nil, &r)
	switch {
	case ctx.Err() != nil:
		return step.Wait(ctx.Err().Error())
	case err == nil && r.Done && s.place() != "" && r.For != s.place():
		return step.Do("the report is to tell of this machine", step.Change{Object: "report", Want: "of this machine"})
	case err == nil && r.Done:
		return step.Do(fmt.Sprintf("%s has ended the acceptance", c), step.Change{Object: acceptFile, Want: "the record of " + c})
	case own != nil && own.Cut != nil && own.Cut.Victim == s.o.Node && s.bootID() != own.Cut.Boot:
		return step.Wait(fmt.Sprintf("this node was reset on purpose at %s by the power-cut drill of %s, which goes on", own.Cut.At.UTC().Format("15:04:05 UTC"), c))
	case err != nil:
		return step.Wait(fmt.Sprintf("%s runs the acceptance and does not answer: %v", c, err))
	}
	return step.Wait(fmt.Sprintf("%s runs the acceptance", c))
}

// Apply implements Step.
func (s *Accept) Apply(ctx context.Context) error {
	if c := CoordinatorOf(s.o.Profile); c != s.o.Node {
		return s.takeOver(ctx, c)
	}
	r, err := s.begin(ctx)
	if err != nil || r.Done {
		return err
	}
	switch why, err := s.foreign(ctx, r); {
	case err != nil:
		return err
	case why != "":
		return &step.NotYet{Reason: why}
	}
	defer s.doing.Store(nil)
	if !r.watching() { // the guest of a power cut under way is still needed
		if err := s.clean(ctx, r); err != nil {
			return fmt.Errorf("remove what an interrupted drill left: %w", err)
		}
	}
	for _, d := range drills() {
		if r.drill(d.Name) != nil {
			continue
		}
		s.tell(r, d)
		if err := s.one(ctx, r, d); err != nil {
			return err
		}
	}
	s.doing.Store(nil)
	return s.conclude(ctx, r)
}

// conclude takes away what the drills made, and writes down that they have ended.
func (s *Accept) conclude(ctx context.Context, r *Record) error {
	if err := s.clean(ctx, r); err != nil {
		return fmt.Errorf("clean up after the acceptance: %w", err)
	}
	if err := s.again(ctx, r); err != nil {
		return err
	}
	if len(r.Only) > 0 { // a power cut may have kept a node from hearing of it
		if err := s.forgotten(ctx); err != nil {
			return err
		}
	}
	r.Done, r.Ended = true, s.o.Host.Clock.Now().UTC()
	r.sorted()
	return s.save(r)
}

// foreign says what of other people's work keeps the drills away.
func (s *Accept) foreign(ctx context.Context, r *Record) (string, error) {
	guests, err := s.guests.All()
	if err != nil {
		return "", err
	}
	if r != nil && len(r.Only) > 0 {
		return s.endangered(r, guests), ctx.Err()
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
	return g.Kind == "qemu" && g.Name == acceptName && slices.Contains(g.Tags, acceptTag)
}

// ready waits until the cluster is sound enough for the next drill. One that
// is not is nothing that a drill found: the step waits then.
func (s *Accept) ready(ctx context.Context, r *Record) error {
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
			return &step.NotYet{Reason: "the acceptance waits: " + why}
		}
		if err := s.o.Host.Clock.Sleep(ctx, acceptPoll); err != nil {
			return err
		}
	}
}

func (s *Accept) unready(ctx context.Context, r *Record) string {
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
	now := storage.JudgeHealth(h, h.OSDs)
	return now.Wait + now.Stop
}

// lives say of which start all nodes and their agents are.
func (s *Accept) lives(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	for _, n := range s.o.Profile.Nodes {
		st, err := s.state(ctx, n.Name)
		if err != nil {
			return nil, fmt.Errorf("%s does not answer: %w", n.Name, err)
		}
		out[n.Name] = st.Boot + " " + st.Agent
	}
	return out, nil
}

// sameLives is an error if a node or its agent is away or has started anew.
func (s *Accept) sameLives(ctx context.Context, before map[string]string) error {
	now, err := s.lives(ctx)
	if err != nil {
		return err
	}
	for name, life := range before {
		if now[name] != life {
			return fmt.Errorf("%s started anew meanwhile", name)
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
// One that was done when the node settled is not looked at again: its owner may
// have made something else of it, and that keeps no drill back.
func (s *Accept) ownReadiness(ctx context.Context) string {
	for _, b := range s.before {
		if s.o.Finished != nil && s.o.Finished(b.Name()) {
			continue
		}
		v, err := b.Check(ctx)
		if err != nil {
			return err.Error()
		}
		if v.State != step.Done {
			return v.Reason
		}
	}
	return ""
}

// away names a node that is not a member now, as pmxcfs sees it.
func (s *Accept) away() string {
	m, err := pve.Local{Host: s.o.Host, Name: s.o.Node}.Membership()
	if err != nil {
		return s.o.Node
	}
	for _, n := range s.o.Profile.Nodes {
		if m.Nodes[n.Name].Online != 1 {
			return n.Name
		}
	}
	return ""
}

// Observe says nothing of a settled node: a drill that was passed stays passed.
func (*Accept) Observe(context.Context) ([]step.Change, error) { return nil, nil }
