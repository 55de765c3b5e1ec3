// Package gate holds the step peers: nothing cluster-wide happens before all
// nodes are reachable, trusted, of one plan and one set of versions, with the
// ring proven and clocks together.
//
// It asks and judges. Of this node it has the packages brought up to date, as
// long as it is in no cluster, and writes down which key each node has.
package gate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
	"ringboot/profiles"
)

// Limits of the gate.
const (
	maxClockOffset = 50 * time.Millisecond
	clockSamples   = 3 // the one with the shortest way counts
	gateTimeout    = 8 * time.Second
)

// Options are what the gate looks through.
type Options struct {
	// Book is which key each node is bound to; nil where nobody keeps one.
	Book    *bindings.Book
	Profile *profiles.Profile
	Node    string
	Caller  trust.Caller
	Facts   func(ctx context.Context) (status.Facts, error) // this node's
	Ring    func() status.RingView                          // this node's
	Peers   func() []status.PeerStatus
	Now     func() time.Time
	// Packages are this node's own; nil where nobody changes them.
	Packages Packages
}

// Gate is step 5, the gate: nothing cluster-wide happens before every node
// is there, is trusted, and equal in what must be equal. It changes nothing but
// this node's own packages and its note of which key each node has.
type Gate struct {
	o      Options
	before []string
	update bool              // the last Check wants the packages brought up to date
	set    map[string]string // and these of them to their versions
}

// New returns step 5.
func New(o Options) *Gate { return &Gate{o: o} }

// Follow says which steps stand before the gate: all nodes must have done them.
func (s *Gate) Follow(before []step.Step) {
	s.before = nil
	for _, b := range before {
		s.before = append(s.before, b.Name())
	}
}

// Name is "peers".
func (*Gate) Name() string { return profiles.StepPeers }

// Recheck says that the gate is looked at often: what it waits for are others.
func (*Gate) Recheck() time.Duration { return 5 * time.Second }

// told is what one node said of itself.
type told struct {
	node   string
	facts  status.Facts
	ring   status.RingView
	offset time.Duration // its clock minus ours
	doubt  time.Duration // half of the way there and back
	err    error
}

// Check asks all nodes and compares.
func (s *Gate) Check(ctx context.Context) (step.Verdict, error) {
	own, err := s.o.Facts(ctx)
	if err != nil {
		return step.Verdict{}, err
	}
	name := s.o.Profile.Cluster.Name
	switch {
	case own.Cluster == name:
		return step.IsDone(fmt.Sprintf("this node is in cluster %s: the gate was passed", name)), nil
	case own.Cluster != "":
		return step.Stop(fmt.Sprintf("%s is in cluster %s, not in %s: take it out of there, or install it anew", s.o.Node, own.Cluster, name)), nil
	}
	all := s.ask(ctx)
	s.set = nil
	if s.update = s.o.Packages != nil && s.o.Packages.Due(false) && !s.cluster(all); s.update {
		return step.Do("this node brings its packages up to date", step.Change{Object: "packages", Want: "what the package sources have"}), nil
	}
	for i := range all {
		if all[i].node == s.o.Node {
			all[i].facts, all[i].ring = own, s.o.Ring()
		}
	}
	if v, ok := s.present(all); !ok {
		return v, nil
	}
	if stop := s.foreign(all); stop != "" {
		return step.Stop(stop), nil
	}
	if stop := s.otherPlan(all); stop != "" {
		return step.Stop(stop), nil
	}
	sets, same := s.sets(all)
	if !same {
		return sets, nil
	}
	if wait := s.notReady(all); wait != "" {
		return step.Wait(wait), nil
	}
	clocks, wait := s.clocks(all)
	if wait != "" {
		return step.Wait(wait), nil
	}
	if wait := ringDoubt(all); wait != "" {
		return step.Wait(wait), nil
	}
	if v, ok := s.bound(all); !ok {
		return v, nil
	}
	v := step.IsDone(fmt.Sprintf("%d/%d present and trusted, same plan %s, same versions, clocks within %s, ring proven from both ends",
		len(all), len(all), shortHash(own.PlanCluster), millis(clocks)))
	v.Risks = append(sets.Risks, s.risks(all)...)
	return v, nil
}

// risks are what does not keep the gate shut, and should be known.
func (s *Gate) risks(all []told) (out []string) {
	if s.o.Packages != nil && len(members(all)) == 0 {
		if why := s.o.Packages.Stuck(); why != "" {
			out = append(out, fmt.Sprintf("the packages of %s may not be the newest (%s): update the nodes one after the other when the cluster is up", s.o.Node, why))
		}
	}
	for _, t := range all {
		if !t.facts.Synced {
			out = append(out, fmt.Sprintf("the clock of %s is right but not synchronised: check its time servers", t.node))
		}
	}
	return out
}

// ask asks every other node at the same time.
func (s *Gate) ask(ctx context.Context) []told {
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	all := make([]told, len(s.o.Profile.Nodes))
	var asked sync.WaitGroup
	for i, n := range s.o.Profile.Nodes {
		all[i].node = n.Name
		if n.Name == s.o.Node {
			continue
		}
		asked.Go(func() { s.askOne(ctx, &all[i]) })
	}
	asked.Wait()
	return all
}

func (s *Gate) askOne(ctx context.Context, t *told) {
	if t.err = s.o.Caller.Call(ctx, t.node, trust.MethodRing, nil, &t.ring); t.err != nil {
		return
	}
	for i := range clockSamples {
		sent := s.o.Now()
		if t.err = s.o.Caller.Call(ctx, t.node, trust.MethodFacts, nil, &t.facts); t.err != nil {
			return
		}
		// The facts take their time to gather and carry the clock last, so the
		// answer is nearer to the end; half of the way is the bound in any case.
		got := s.o.Now()
		way := got.Sub(sent)
		if doubt := way / 2; i == 0 || doubt < t.doubt {
			t.doubt, t.offset = doubt, t.facts.Time.Sub(sent.Add(way/2))
		}
	}
}

// present reports whether every node answered, and says of each that did not how far it is.
func (s *Gate) present(all []told) (step.Verdict, bool) {
	status := map[string]status.PeerStatus{}
	for _, p := range s.o.Peers() {
		status[p.Node] = p
	}
	have := 0
	var missing []string
	for _, t := range all {
		if t.err == nil {
			have++
			continue
		}
		missing = append(missing, t.node+": "+absence(status[t.node], t.err))
	}
	if len(missing) == 0 {
		return step.Verdict{}, true
	}
	return step.Wait(fmt.Sprintf("have %d/%d, missing %s", have, len(all), strings.Join(missing, "; "))), false
}

// absence puts the states of a missing peer in words.
func absence(p status.PeerStatus, err error) string {
	seen := "not seen"
	if p.Seen.OK {
		seen = "seen"
	}
	switch {
	case !p.Reachable.OK && p.Seen.OK:
		return fmt.Sprintf("%s, not reachable (%s)", seen, p.Reachable.Why)
	case !p.Reachable.OK:
		return fmt.Sprintf("%s, not reachable (%s): switch it on, or look at its console", seen, p.Reachable.Why)
	case !p.Trusted.OK:
		return fmt.Sprintf("%s, reachable, not trusted (%s)", seen, p.Trusted.Why)
	}
	return fmt.Sprintf("trusted, but does not answer (%v)", err)
}

// foreign finds what a person must decide about: another cluster, guests.
func (s *Gate) foreign(all []told) string {
	for _, t := range all {
		switch f := t.facts; {
		case f.Cluster != "" && f.Cluster != s.o.Profile.Cluster.Name:
			return fmt.Sprintf("%s is in cluster %s, not in %s: take it out of there, or install it anew", t.node, f.Cluster, s.o.Profile.Cluster.Name)
		case f.Guests > 0 && f.Cluster == "":
			return fmt.Sprintf("%s holds %d guests, and a join would hide them: move them away, or install it anew", t.node, f.Guests)
		}
	}
	return ""
}

// otherPlan finds a plan that is not the founder's.
func (s *Gate) otherPlan(all []told) string {
	want := all[0]
	for _, t := range all {
		if t.facts.PlanCluster != want.facts.PlanCluster {
			return fmt.Sprintf("the plans differ: want %s (%s), detected %s (%s): make all images from one profile",
				shortHash(want.facts.PlanCluster), want.node, shortHash(t.facts.PlanCluster), t.node)
		}
	}
	return ""
}

// notReady finds nodes that have earlier steps to do, or do not trust all others.
func (s *Gate) notReady(all []told) string {
	var wrong []string
	for _, t := range all {
		if steps := missingSteps(s.before, t.facts.Ready); len(steps) > 0 {
			wrong = append(wrong, fmt.Sprintf("%s has not done %s", t.node, strings.Join(steps, ", ")))
			continue
		}
		for _, other := range all {
			if other.node != t.node && !slices.Contains(t.facts.Trusts, other.node) {
				wrong = append(wrong, fmt.Sprintf("%s does not trust %s yet", t.node, other.node))
			}
		}
	}
	if len(wrong) == 0 {
		return ""
	}
	return "all are here, but " + strings.Join(wrong, "; ")
}

// clocks returns the largest offset, and what is wrong with it. An offset
// that may be an error of measuring does not count against the node.
func (s *Gate) clocks(all []told) (worst time.Duration, wait string) {
	for _, t := range all {
		offset := max(t.offset, -t.offset)
		worst = max(worst, offset)
		if sure := offset - t.doubt; sure > maxClockOffset {
			way := "ahead of"
			if t.offset < 0 {
				way = "behind"
			}
			return worst, fmt.Sprintf("the clock of %s is %s %s that of %s (measured to %s), want at most %s: wait for time synchronisation, or check its time servers",
				t.node, millis(offset), way, s.o.Node, millis(t.doubt), millis(maxClockOffset))
		}
	}
	return worst, ""
}

// ringDoubt says why the ring is not proven by both ends of each link.
func ringDoubt(all []told) string {
	var wrong []string
	for _, t := range all {
		if len(t.ring.Ports) == 0 {
			wrong = append(wrong, fmt.Sprintf("%s says nothing of its ring (%s)", t.node, t.ring.Verdict))
			continue
		}
		bad := !t.ring.Whole
		for _, p := range t.ring.Ports {
			bad = bad || !p.Proven && !p.Free
		}
		if bad {
			wrong = append(wrong, fmt.Sprintf("%s: %s", t.node, ringWords(t.ring)))
		}
	}
	if len(wrong) > 0 {
		return "the ring is not proven: " + strings.Join(wrong, "; ")
	}
	for _, t := range all {
		for _, p := range t.ring.Ports {
			if !p.Free && !agrees(all, t.node, p) {
				wrong = append(wrong, fmt.Sprintf("%s finds %s of %s at %s, and %s does not say so", t.node, p.PeerPort, p.Peer, p.Name, p.Peer))
			}
		}
	}
	if len(wrong) > 0 {
		return "the two ends of a ring link disagree: " + strings.Join(wrong, "; ")
	}
	return ""
}

func ringWords(v status.RingView) string {
	if v.Whole {
		return "all links are alive, and a packet of full size has not passed both ways yet"
	}
	return v.Verdict
}

// agrees reports whether the node at the other end of a port says the same of it.
func agrees(all []told, node string, port status.RingPort) bool {
	for _, t := range all {
		if t.node != port.Peer {
			continue
		}
		return slices.ContainsFunc(t.ring.Ports, func(far status.RingPort) bool {
			return far.Peer == node && far.Name == port.PeerPort && far.PeerPort == port.Name
		})
	}
	return false
}

func shortHash(hash string) string { return hash[:min(8, len(hash))] }

// millis writes a duration as a person reads a clock's error.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms >= 10000 {
		return fmt.Sprintf("%.0f s", ms/1000)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", math.Round(ms*10)/10), ".0") + " ms"
}

// Observe says nothing of a settled node: what all nodes had to agree on held when they began.
func (*Gate) Observe(context.Context) ([]step.Change, error) { return nil, nil }
