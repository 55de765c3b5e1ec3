package acceptance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// Again is what another run of the acceptance is asked for.
type Again struct {
	Drills []string `json:"drills,omitempty"` // by name; none: all that the profile consents to
	Victim string   `json:"victim,omitempty"` // of the drill power-cut
	For    string   `json:"for,omitempty"`    // a new machine: its node, and since when
}

// Repeat begins a new record and makes the other nodes forget theirs, so that
// the acceptance runs again. Only a person asks for it. The new record comes
// first: without one, this node would take the old one back from its peers.
func (s *Accept) Repeat(ctx context.Context, a Again) error {
	if err := s.May(a); err != nil {
		return err
	}
	old, _ := s.Record() // one that cannot be understood is replaced
	r := s.anew(old, a)
	if len(a.Drills) > 0 {
		if why, err := s.foreign(ctx, r); err != nil || why != "" {
			return orRefused(err, why)
		}
	}
	if _, err := s.lives(ctx); err != nil {
		return fmt.Errorf("all nodes must answer before it runs again: %w", err)
	}
	if why, err := s.unagreed(ctx, r); err != nil || why != "" {
		return orRefused(err, why)
	}
	return s.instead(ctx, r)
}

// unagreed says that a run would cut the power of a node that does not consent.
func (s *Accept) unagreed(ctx context.Context, r *Record) (string, error) {
	for _, d := range drills() {
		if !d.Cuts || s.untried(r, d) != "" || !r.asked(d) && s.o.Profile.Acceptance.PowerCut == profiles.ConsentAsk {
			continue // what is only proposed is left out where nobody agrees
		}
		if st, err := s.state(ctx, s.victim(r)); err != nil || !st.Consents {
			return fmt.Sprintf("%s does not consent to a power cut: run firstboot accept --consent on it, within an hour before this, or name other drills with --drill", s.victim(r)), err
		}
	}
	return "", nil
}

// May says why this node does not begin another run, whatever the others say.
func (s *Accept) May(a Again) error {
	if c := CoordinatorOf(s.o.Profile); c != s.o.Node {
		return fmt.Errorf("%s coordinates the acceptance: run this there", c)
	}
	if err := s.sensible(a); err != nil {
		return err
	}
	if old, err := s.Record(); err == nil && old != nil && !old.Done {
		return fmt.Errorf("the acceptance of %s is under way: wait for its end", old.Started.UTC().Format("15:04 UTC"))
	}
	return nil
}

func orRefused(err error, why string) error {
	if err != nil {
		return err
	}
	return fault.Refused.New(why)
}

// sensible refuses what no run can do.
func (s *Accept) sensible(a Again) error {
	for _, name := range a.Drills {
		at := slices.IndexFunc(drills(), func(d drill) bool { return d.Name == name })
		if at < 0 {
			return fault.Usage.Errorf("there is no drill %q; there are %s", name, strings.Join(Names(), ", "))
		}
		for _, n := range drills()[at].Needs {
			if !n.met(s.o.Profile) {
				return fault.Precondition.New(n.why)
			}
		}
	}
	if !slices.Contains(a.Drills, PowerCut) {
		return nil
	}
	if _, ok := s.o.Profile.Node(a.Victim); !ok {
		return fault.Usage.Errorf("%q is no node of %s", a.Victim, s.o.Profile.Cluster.Name)
	}
	if a.Victim == s.o.Profile.Ring.Chain {
		return fault.Refused.Errorf("%s is the middle of the chain: while it is down the others reach no storage, and no guest comes back; name an end of it", a.Victim)
	}
	if a.Victim == s.o.Node {
		return fault.Refused.Errorf("%s watches the power cut and is not the one that is cut: name another node, or set acceptance.victim: %[1]s and run firstboot accept on the next one", s.o.Node)
	}
	return nil
}

// instead puts a record in the place of the finished one, on all nodes.
func (s *Accept) instead(ctx context.Context, r *Record) error {
	if err := s.o.Host.Files.Remove(cutFile); err != nil {
		return fmt.Errorf("remove %s: %w", cutFile, err)
	}
	if err := s.save(r); err != nil {
		return err
	}
	if err := s.forgotten(ctx); err != nil {
		return err
	}
	s.doubt()
	return nil
}

// forgotten makes the other nodes forget the records that they hold, so that
// they take over this node's.
func (s *Accept) forgotten(ctx context.Context) error {
	for _, n := range s.o.Profile.Others(s.o.Node) {
		if err := s.call(ctx, 20*time.Second, n.Name, methodAcceptForget, nil, nil); err != nil {
			return fmt.Errorf("the acceptance runs again, but %s did not hear of it: %w", n.Name, err)
		}
	}
	return nil
}

// fresh is the record of a run that begins now.
func (s *Accept) fresh() *Record {
	now := s.o.Host.Clock.Now().UTC()
	return &Record{Version: recordVersion, Run: now.Format("20060102T150405Z"), Coordinator: s.o.Node, Started: now}
}

// anew is the record of another run. What is not tried again is taken over as
// it was found.
func (s *Accept) anew(old *Record, a Again) *Record {
	r := s.fresh()
	r.Only, r.Victim, r.For = a.Drills, a.Victim, a.For
	if node, since, ok := strings.Cut(a.For, " "); ok {
		text := "is another machine since " + since + "; drills that are dated before were done with the old one"
		if slices.Contains(s.o.Profile.Added(), node) {
			text = "came to the cluster at " + since + "; drills that are dated before were done without it"
		}
		r.Issues = append(r.Issues, report.Issue{Severity: report.Note, Node: node, Text: text})
	}
	if old == nil || len(r.Only) == 0 {
		return r
	}
	for _, d := range drills() {
		if had := old.drill(d.Name); had != nil && !r.asked(d) {
			r.Drills = append(r.Drills, *had)
		}
	}
	r.Links, r.Corosync, r.Access, r.Bench = old.Links, old.Corosync, old.Access, old.Bench
	r.ConfVersion, r.ConfSame = old.ConfVersion, old.ConfSame
	if !slices.Contains(r.Only, PowerCut) {
		r.TimeLine = old.TimeLine
	}
	return r
}

// asked reports whether somebody asked for a drill by name.
func (r *Record) asked(d drill) bool { return slices.Contains(r.Only, d.Name) }

// sorted puts the drills into the order of the table.
func (r *Record) sorted() {
	names := Names()
	slices.SortStableFunc(r.Drills, func(a, b report.Drill) int { return slices.Index(names, a.Name) - slices.Index(names, b.Name) })
}

// besideGuests are the drills that take nothing from anybody: they are tried
// again with a new machine, whatever runs on the cluster.
func besideGuests() []string {
	var names []string
	for _, d := range drills() {
		if d.AtRisk == nil {
			names = append(names, d.Name)
		}
	}
	return names
}

// renew begins a run for a new machine, once for each. The machine itself asks,
// when all its other steps are done.
func (s *Accept) renew(ctx context.Context, peer, place string) error {
	if !strings.HasPrefix(place, peer+" ") {
		return fmt.Errorf("%s asks for another machine than itself", peer)
	}
	if c := CoordinatorOf(s.o.Profile); c != s.o.Node {
		return fmt.Errorf("%s coordinates the acceptance: ask there", c)
	}
	r, err := s.Record()
	switch {
	case err != nil:
		return err
	case r == nil || !r.Done:
		return &step.NotYet{Reason: "an acceptance is under way on " + s.o.Node}
	case r.For == place:
		return nil
	case s.o.Host.Clock.Now().Sub(r.Ended) < renewPause:
		return &step.NotYet{Reason: "an acceptance has just ended on " + s.o.Node}
	}
	return s.instead(ctx, s.anew(r, Again{Drills: besideGuests(), For: place}))
}

// renewPause is the least time between an acceptance and one that a node asks for.
const renewPause = time.Minute

// endangered names a guest of others that one of the drills which are left
// would take down or move.
func (s *Accept) endangered(r *Record, guests []pve.Guest) string {
	for _, d := range drills() {
		if d.AtRisk == nil || !r.asked(d) || r.drill(d.Name) != nil {
			continue
		}
		for _, g := range guests {
			if !isOurs(g) && d.AtRisk(s, r, g) {
				return fmt.Sprintf("guest %d (%s) is on %s, and the drill %s would not leave it alone: move it away first", g.ID, g.Name, g.Node, d.Name)
			}
		}
	}
	return ""
}

// victim is the node whose power a run cuts.
func (s *Accept) victim(r *Record) string {
	if r != nil && r.Victim != "" {
		return r.Victim
	}
	return victimOf(s.o.Profile)
}

// place is whose place this machine took, as the record of an acceptance names it.
func (s *Accept) place() string {
	if s.o.Place == nil {
		return ""
	}
	return s.o.Place()
}
