package step

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// Limits of the gate.
const (
	maxClockOffset = 50 * time.Millisecond
	clockSamples   = 3 // the one with the shortest way counts
	gateTimeout    = 8 * time.Second
)

// PeersOptions are what the gate looks through.
type PeersOptions struct {
	Profile *profiles.Profile
	Node    string
	Caller  trust.Caller
	Facts   func(ctx context.Context) (trust.Facts, error) // this node's
	Ring    func() trust.RingView                          // this node's
	Peers   func() []trust.PeerStatus
	Now     func() time.Time
}

// Peers is step 5, the gate: nothing cluster-wide happens before every node
// is there, is trusted, and equal in what must be equal. It changes nothing.
type Peers struct {
	o      PeersOptions
	before []string
}

// NewPeers returns step 5.
func NewPeers(o PeersOptions) *Peers { return &Peers{o: o} }

// Require names the steps that must be done on every node.
func (s *Peers) Require(steps []string) { s.before = slices.Clone(steps) }

// Name is "peers".
func (*Peers) Name() string { return "peers" }

// Recheck says that the gate is looked at often: what it waits for are others.
func (*Peers) Recheck() time.Duration { return 5 * time.Second }

// Apply does nothing: what is missing lies with the other nodes.
func (*Peers) Apply(context.Context) error { return nil }

// told is what one node said of itself.
type told struct {
	node   string
	facts  trust.Facts
	ring   trust.RingView
	offset time.Duration // its clock minus ours
	doubt  time.Duration // half of the way there and back
	err    error
}

// Check asks all nodes and compares.
func (s *Peers) Check(ctx context.Context) (Verdict, error) {
	own, err := s.o.Facts(ctx)
	if err != nil {
		return Verdict{}, err
	}
	name := s.o.Profile.Cluster.Name
	switch {
	case own.Cluster == name:
		return IsDone(fmt.Sprintf("this node is in cluster %s: the gate was passed", name)), nil
	case own.Cluster != "":
		return Stop(fmt.Sprintf("%s is in cluster %s, not in %s: take it out of there, or install it anew", s.o.Node, own.Cluster, name)), nil
	}
	all := s.ask(ctx)
	for i := range all {
		if all[i].node == s.o.Node {
			all[i].facts, all[i].ring = own, s.o.Ring()
		}
	}
	if v, ok := s.present(all); !ok {
		return v, nil
	}
	if stop := s.foreign(all); stop != "" {
		return Stop(stop), nil
	}
	if stop := s.different(all); stop != "" {
		return Stop(stop), nil
	}
	if wait := s.notReady(all); wait != "" {
		return Wait(wait), nil
	}
	clocks, wait := s.clocks(all)
	if wait != "" {
		return Wait(wait), nil
	}
	if wait := ringDoubt(all); wait != "" {
		return Wait(wait), nil
	}
	v := IsDone(fmt.Sprintf("%d/%d present and trusted, same plan %s, same versions, clocks within %s, ring proven from both ends",
		len(all), len(all), shortHash(own.PlanCluster), millis(clocks)))
	for _, t := range all {
		if !t.facts.Synced {
			v.Risks = append(v.Risks, fmt.Sprintf("the clock of %s is right but not synchronised: check its time servers", t.node))
		}
	}
	return v, nil
}

// ask asks every other node at the same time.
func (s *Peers) ask(ctx context.Context) []told {
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

func (s *Peers) askOne(ctx context.Context, t *told) {
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

// present tells whether every node answered, and says of each that did not how far it is.
func (s *Peers) present(all []told) (Verdict, bool) {
	status := map[string]trust.PeerStatus{}
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
		return Verdict{}, true
	}
	return Wait(fmt.Sprintf("have %d/%d, missing %s", have, len(all), strings.Join(missing, "; "))), false
}

// absence puts the states of a missing peer in words.
func absence(p trust.PeerStatus, err error) string {
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
func (s *Peers) foreign(all []told) string {
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

// different finds what must be equal and is not. The founder sets the measure.
func (s *Peers) different(all []told) string {
	want := all[0]
	for _, t := range all {
		if t.facts.PlanCluster != want.facts.PlanCluster {
			return fmt.Sprintf("the plans differ: want %s (%s), detected %s (%s): make all images from one profile",
				shortHash(want.facts.PlanCluster), want.node, shortHash(t.facts.PlanCluster), t.node)
		}
	}
	var wrong []string
	for _, what := range []string{versionManager, versionCorosync, versionKernel, versionAgent} {
		for _, t := range all {
			if have := t.facts.Versions[what]; have != want.facts.Versions[what] {
				wrong = append(wrong, fmt.Sprintf("%s want %s (%s), detected %s (%s)", what, knownVersion(want.facts.Versions[what]), want.node, knownVersion(have), t.node))
			}
		}
	}
	if len(wrong) > 0 {
		return "versions differ: " + strings.Join(wrong, "; ") + ": bring all nodes to the same packages and restart them"
	}
	return ""
}

// notReady finds nodes that have earlier steps to do, or do not trust all others.
func (s *Peers) notReady(all []told) string {
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
func (s *Peers) clocks(all []told) (worst time.Duration, wait string) {
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
			bad = bad || !p.Proven
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
			if !agrees(all, t.node, p) {
				wrong = append(wrong, fmt.Sprintf("%s finds %s of %s at %s, and %s does not say so", t.node, p.PeerPort, p.Peer, p.Name, p.Peer))
			}
		}
	}
	if len(wrong) > 0 {
		return "the two ends of a ring link disagree: " + strings.Join(wrong, "; ")
	}
	return ""
}

func ringWords(v trust.RingView) string {
	if v.Whole {
		return "both links are alive, and a packet of full size has not passed both ways yet"
	}
	return v.Verdict
}

// agrees tells whether the node at the other end of a port says the same of it.
func agrees(all []told, node string, port trust.RingPort) bool {
	for _, t := range all {
		if t.node != port.Peer {
			continue
		}
		return slices.ContainsFunc(t.ring.Ports, func(far trust.RingPort) bool {
			return far.Peer == node && far.Name == port.PeerPort && far.PeerPort == port.Name
		})
	}
	return false
}

func shortHash(hash string) string { return hash[:min(8, len(hash))] }

func knownVersion(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}

// millis writes a duration as a person reads a clock's error.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms >= 10000 {
		return fmt.Sprintf("%.0f s", ms/1000)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", math.Round(ms*10)/10), ".0") + " ms"
}
