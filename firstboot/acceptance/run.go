package acceptance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/report"
)

// begin loads the record, takes over one that only a peer still has, or makes
// a new one.
func (s *Accept) begin(ctx context.Context) (*Record, error) {
	r, err := s.Record()
	if err != nil || r != nil {
		if r != nil && r.watching() && !r.Cut.Interrupted {
			r.Cut.Interrupted = true
			err = s.save(r)
		}
		return r, err
	}
	for _, n := range s.o.Profile.Others(s.o.Node) {
		var peer Record
		if err := s.call(ctx, 20*time.Second, n.Name, methodAcceptGet, nil, &peer); err != nil {
			return nil, fmt.Errorf("the acceptance begins once all nodes answer: %s: %w", n.Name, err)
		}
		if peer.Run != "" && (r == nil || peer.Started.After(r.Started)) {
			r = &peer
		}
	}
	if place := s.place(); r != nil && r.Done && place != "" && r.For != place {
		// This machine is new, and the old one's record is finished.
		r = s.anew(r, Again{Drills: besideGuests(), For: place})
		return r, s.instead(ctx, r)
	}
	if r != nil { // this node's disk is new, the peers remember
		return r, s.save(r)
	}
	r = s.fresh()
	return r, s.save(r)
}

// tell says to Doing which drill runs.
func (s *Accept) tell(r *Record, d drill) {
	text := r.sofar(d)
	s.doing.Store(&text)
}

// sofar says which drill runs, and how the earlier ones came out.
func (r *Record) sofar(d drill) string {
	at := slices.Index(Names(), d.Name) + 1
	var out []string
	for _, name := range Names() {
		if was := r.drill(name); was != nil {
			out = append(out, name+" "+report.Word(was.Outcome))
		}
	}
	if len(out) == 0 {
		return fmt.Sprintf("drill %d of %d runs: %s", at, len(Names()), d.Name)
	}
	return fmt.Sprintf("drill %d of %d runs: %s; so far: %s", at, len(Names()), d.Name, strings.Join(out, ", "))
}

// Doing says how far the drills are, while they run; on every node that a power
// cut is at hand.
func (s *Accept) Doing() string {
	if s.word != nil && s.word.Sentence() != "" {
		return s.word.Sentence()
	}
	if text := s.doing.Load(); text != nil {
		return *text
	}
	return ""
}

// one runs one drill and records its result. It is tried again where it did
// not come to an end, and does not fail for a node that went away meanwhile.
func (s *Accept) one(ctx context.Context, r *Record, d drill) error {
	if why := s.untried(r, d); why != "" {
		return s.enter(r, d.outcome(report.Drill{Outcome: report.Untried, Sentence: why}))
	}
	for tries, again := 0, false; ; again = true {
		if why := s.spent(r, d); why != "" {
			return s.enter(r, d.outcome(report.Drill{Outcome: report.Failed, Sentence: why, Ended: s.o.Host.Clock.Now().UTC()}))
		}
		lives, err := s.open(ctx, r, d, again)
		if err != nil {
			return err
		}
		result, err := s.try(ctx, r, d)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		gone := s.interrupted(ctx, r, d, lives, result, err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case gone == nil && err == nil:
			return s.enter(r, result)
		case d.Cuts && r.Cut != nil && r.Cut.Sent:
			return err
		case gone != nil:
			r.Interrupted = gone.Error()
		default:
			if tries++; tries == drillTries {
				return s.enter(r, d.outcome(report.Drill{Outcome: report.Failed, Sentence: err.Error(), Ended: s.o.Host.Clock.Now().UTC()}))
			}
		}
		// A dying process cannot write: then nothing is recorded.
		if err := s.save(r); err != nil {
			return err
		}
	}
}

// spent says that a drill was begun too often, and what ended it.
func (s *Accept) spent(r *Record, d drill) string {
	if r.Begun[d.Name] < drillBegins || d.Cuts && r.watching() {
		return ""
	}
	why := r.Interrupted
	if why == "" {
		why = s.o.Node + " started anew meanwhile"
	}
	return fmt.Sprintf("the drill was begun %d times and interrupted each time: %s: look at the console of that node", drillBegins, why)
}

// open clears away what an earlier try left, waits for a sound cluster and
// counts the try. It returns of which start the nodes are.
func (s *Accept) open(ctx context.Context, r *Record, d drill, again bool) (map[string]string, error) {
	if d.Cuts && r.watching() { // a cut that was sent is watched, whatever the cluster looks like now
		return nil, nil
	}
	if err := s.ready(ctx, r); err != nil {
		return nil, err
	}
	if again {
		if err := s.clean(ctx, r); err != nil {
			return nil, fmt.Errorf("remove what an interrupted drill left: %w", err)
		}
		if err := s.ready(ctx, r); err != nil {
			return nil, err
		}
	}
	lives, err := s.lives(ctx)
	if err != nil {
		return nil, err
	}
	if r.Begun == nil {
		r.Begun = map[string]int{}
	}
	r.Begun[d.Name]++
	return lives, s.save(r)
}

// try runs a drill once. Its error means that the drill itself did not come to
// an end, not that the cluster failed in it.
func (s *Accept) try(ctx context.Context, r *Record, d drill) (report.Drill, error) {
	began := s.o.Host.Clock.Now().UTC()
	result, err := d.Run(s, ctx, r)
	for d.Looks && err == nil && result.Outcome == report.Failed && s.o.Host.Clock.Now().Before(began.Add(upWait)) {
		if err := s.o.Host.Clock.Sleep(ctx, acceptPoll); err != nil {
			return report.Drill{}, err
		}
		result, err = d.Run(s, ctx, r)
	}
	result.Started, result.Ended = began, s.o.Host.Clock.Now().UTC()
	return d.outcome(result), err
}

// interrupted tells which node went away while a drill ran that did not pass:
// that is not what the drill was about.
func (s *Accept) interrupted(ctx context.Context, r *Record, d drill, lives map[string]string, result report.Drill, err error) error {
	ordered := d.Cuts && r.Cut != nil && r.Cut.Sent // never twice
	if ordered || err == nil && result.Outcome != report.Failed {
		return nil
	}
	return s.sameLives(ctx, lives)
}

func (s *Accept) enter(r *Record, d report.Drill) error {
	r.Drills, r.Interrupted = append(r.Drills, d), ""
	return s.save(r)
}

// untried says why a drill is not tried, "" if it is.
func (s *Accept) untried(r *Record, d drill) string {
	if len(r.Only) > 0 && !r.asked(d) {
		return "nobody asked for it yet: run firstboot accept --drill " + d.Name
	}
	if !r.asked(d) && d.Consent != nil && !d.Consent(s.o.Profile.Acceptance) {
		return "the profile does not consent: set acceptance." + strings.ReplaceAll(d.Name, "-", "_")
	}
	for _, n := range d.Needs {
		if !n.met(s.o.Profile) {
			return n.why
		}
	}
	return ""
}

// again looks at corosync once more: what the drills have shaken must carry.
func (s *Accept) again(ctx context.Context, r *Record) error {
	if err := s.ready(ctx, r); err != nil {
		return err
	}
	d, err := s.try(ctx, r, drill{Looks: true, Run: (*Accept).corosync})
	if err != nil {
		return err
	}
	if first := r.drill("corosync"); first != nil && first.Outcome == report.Passed && d.Outcome == report.Failed {
		first.Outcome, first.Sentence = d.Outcome, "after the drills: "+d.Sentence
	}
	return nil
}
