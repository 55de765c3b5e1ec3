package acceptance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/firstboot/storage"
	"ringboot/firstboot/trust"
)

const (
	// cutWatch is how long the cluster has until everything is as before.
	cutWatch = 15 * time.Minute
	// cutObeyed is how long the victim has to go.
	cutObeyed = 90 * time.Second
)

// powerCut resets a node that runs the guest and watches what the cluster
// does. The order goes out at most once in a run, whatever happens meanwhile.
func (s *Accept) powerCut(ctx context.Context, r *Record) (report.Drill, error) {
	if r.Cut == nil || !r.Cut.Sent {
		switch d, err := s.prepareCut(ctx, r); {
		case err != nil:
			return report.Drill{}, err
		case d != nil:
			return *d, nil
		}
	}
	return s.watchCut(ctx, r)
}

// prepareCut brings the guest to the victim, writes the mark on all nodes, and
// sends the order. A drill in place of nil ends it.
func (s *Accept) prepareCut(ctx context.Context, r *Record) (*report.Drill, error) {
	victim := s.victim(r)
	if why, err := s.word.Declined(ctx, victim); err != nil || why != "" {
		return notTried(why), err
	}
	g, err := s.guest(ctx, r)
	if err != nil {
		return nil, err
	}
	if g.Node != victim { // before HA manages it: under HA a move is only queued
		if err := s.toVictim(ctx, g.ID, g.Node, victim); err != nil {
			return nil, err
		}
	}
	if g, _, err = s.find(r); err != nil {
		return nil, err
	}
	now, err := s.managed(ctx, g)
	if err != nil {
		d, err := late(err)
		return &d, err
	}
	if now.Node != victim {
		return nil, fmt.Errorf("the guest is on %s and not on %s, which was to be cut", now.Node, victim)
	}
	if err := s.ready(ctx, r); err != nil {
		return nil, err
	}
	if why, err := s.word.Foretell(ctx, r.Run, victim); err != nil || why != "" {
		return notTried(why), err
	}
	return s.send(ctx, r, victim)
}

// send writes the mark of the cut on all nodes and orders it. A drill in place of
// nil ends it: a no is heard until the order goes out.
func (s *Accept) send(ctx context.Context, r *Record, victim string) (*report.Drill, error) {
	if why := s.unready(ctx, r); why != "" {
		return nil, fmt.Errorf("the power cut was told, and meanwhile %s", why)
	}
	before, err := s.state(ctx, victim)
	if err != nil {
		return nil, err
	}
	others, err := s.lives(ctx)
	if err != nil {
		return nil, err
	}
	delete(others, victim)
	r.Cut = &cutMark{Victim: victim, Boot: before.Boot, At: s.o.Host.Clock.Now().UTC(), Others: others}
	if err := s.announce(ctx, r); err != nil {
		return nil, err
	}
	if why, err := s.word.Declined(ctx, victim); err != nil || why != "" {
		r.Cut = nil
		return notTried(why), err
	}
	// From here on the order may have gone out: it is never sent again.
	r.Cut.Sent, r.Cut.At, r.TimeLine = true, s.o.Host.Clock.Now().UTC(), nil
	r.moment(r.Cut.At, victim+" is reset")
	if err := s.save(r); err != nil {
		return nil, err
	}
	// A machine that is reset does not answer; watchCut sees what became of it.
	var refused *trust.RemoteError
	if err := s.call(ctx, 30*time.Second, victim, methodAcceptCut, r.Run, nil); errors.As(err, &refused) {
		r.Cut.Refused = refused.Text
		if err := s.save(r); err != nil {
			return nil, err
		}
	}
	return nil, ctx.Err()
}

// announce writes the mark of a power cut on all nodes.
func (s *Accept) announce(ctx context.Context, r *Record) error {
	if err := s.save(r); err != nil {
		return err
	}
	for _, n := range s.o.Profile.Others(s.o.Node) {
		if err := s.put(ctx, n.Name, r); err != nil {
			return fmt.Errorf("tell %s of the power cut: %w", n.Name, err)
		}
	}
	return nil
}

func (s *Accept) toVictim(ctx context.Context, id int, from, victim string) error {
	resources, err := s.ha.Resources()
	if err != nil {
		return err
	}
	sid := fmt.Sprintf("vm:%d", id)
	if !slices.Contains(resources, sid) {
		_, err := ask[any](ctx, s, 12*time.Minute, from, methodAcceptMigrate, guestOrder{Guest: id, Target: victim}, func() (any, error) {
			_, err := s.guests.Migrate(ctx, id, victim)
			return nil, err
		})
		return err
	}
	if err := s.ha.Move(ctx, sid, victim); err != nil {
		return err
	}
	return s.await(ctx, 4*time.Minute, fmt.Sprintf("the guest did not move to %s", victim), func() (bool, error) {
		st, err := s.ha.State(ctx)
		v := st.Services[sid]
		return err == nil && v.State == "started" && v.Node == victim, err
	})
}

// cutProgress is what watchCut waits for.
type cutProgress struct{ fenced, recovered, running, back, healthy bool }

// watchCut follows the cluster from the cut to its health, and judges.
func (s *Accept) watchCut(ctx context.Context, r *Record) (report.Drill, error) {
	var p cutProgress
	for _, m := range r.TimeLine { // of an earlier process
		p.running = p.running || m.Text == textRunning
	}
	sid := fmt.Sprintf("vm:%d", r.Guest)
	for {
		now := s.o.Host.Clock.Now().UTC()
		changed, err := s.seeCut(ctx, r, sid, &p, now)
		if err != nil {
			return report.Drill{}, err
		}
		if changed {
			if err := s.save(r); err != nil {
				return report.Drill{}, err
			}
		}
		if d, over := s.judgeCut(ctx, r, p, now); over {
			return d, nil
		}
		if err := s.o.Host.Clock.Sleep(ctx, acceptPoll); err != nil {
			return report.Drill{}, err
		}
	}
}

const (
	textRunning = "the guest runs again"
	textHealthy = "Ceph is healthy again"
	textFenced  = "the cluster fences "
	// TextRecovered begins the moment at which another node has the guest.
	TextRecovered = "the guest is recovered on "
)

// seeCut looks once. What cannot be asked now is asked again in the next round.
func (s *Accept) seeCut(ctx context.Context, r *Record, sid string, p *cutProgress, now time.Time) (changed bool, err error) {
	v := r.Cut.Victim
	see := func(flag *bool, text string) {
		if !*flag {
			*flag = true
			changed = r.moment(now, text) || changed
		}
	}
	if st, err := s.ha.State(ctx); err == nil {
		svc := st.Services[sid]
		if st.Node[v] == "fence" {
			see(&p.fenced, textFenced+v)
		}
		if svc.Node != "" && svc.Node != v && svc.State != "fence" && svc.State != "recovery" {
			see(&p.recovered, TextRecovered+svc.Node)
			if svc.State == "started" {
				see(&p.running, textRunning)
			}
		}
	}
	if n, err := s.state(ctx, v); err == nil && n.Boot != r.Cut.Boot {
		see(&p.back, v+" is back")
		if slices.Contains(n.Running, r.Guest) { // back before the cluster gave it up
			see(&p.running, textRunning)
		}
	}
	if p.back && p.running {
		if h, err := s.ceph.Health(ctx); err == nil {
			if slices.ContainsFunc(h.Checks, func(c pve.Check) bool { return c.Code == "RECENT_CRASH" }) {
				_ = s.ceph.ArchiveCrashes(ctx, v, r.Cut.At) // the victim's own, of this cut; others stay and are seen
			}
			if now := storage.JudgeHealth(h, h.OSDs); now.Wait+now.Stop == "" {
				see(&p.healthy, textHealthy)
			}
		}
	}
	return changed, ctx.Err()
}

// judgeCut reports whether the drill is over, and how it came out.
func (s *Accept) judgeCut(ctx context.Context, r *Record, p cutProgress, now time.Time) (report.Drill, bool) {
	v, since := r.Cut.Victim, now.Sub(r.Cut.At)
	if p.running && p.back && p.healthy {
		return s.outage(ctx, r), true
	}
	if since > cutObeyed && !p.back && !p.fenced && !p.recovered {
		st, err := s.state(ctx, v)
		no, _ := s.word.Declined(ctx, v) // a no that came as the order went out
		refused := ""
		if r.Cut.Refused != "" {
			refused = fmt.Sprintf("%s; to try it later run firstboot accept --consent on %s, and then firstboot accept --power-cut %[2]s on %s", r.Cut.Refused, v, s.o.Node)
		}
		switch {
		case err != nil || st.Boot != r.Cut.Boot:
		case no != "" && st.Cut != r.Run || refused != "":
			r.Cut, r.TimeLine = nil, nil
			return *notTried(cmp.Or(no, refused)), true
		case st.Cut != r.Run && r.Cut.Interrupted:
			return report.Drill{Outcome: report.Warnings, Sentence: fmt.Sprintf("the order to reset %s was interrupted before it was carried out; it is not sent again by itself: run firstboot accept", v)}, true
		default:
			return failed("%s did not reset itself when it was ordered to: look whether the kernel allows sysrq", v), true
		}
	}
	if since > cutWatch {
		missing := "Ceph did not become healthy again"
		if !p.back {
			missing = v + " did not come back: look at its console"
		}
		if !p.running {
			missing = "the guest did not run again: see ha-manager status"
		}
		return failed("%s within %.0f minutes of the power cut", missing, cutWatch.Minutes()), true
	}
	return report.Drill{}, false
}

// outage judges the time without the guest.
func (s *Accept) outage(ctx context.Context, r *Record) report.Drill {
	var d report.Drill
	took, elsewhere := 0.0, false
	for _, m := range r.TimeLine {
		elsewhere = elsewhere || strings.HasPrefix(m.Text, TextRecovered)
		switch m.Text {
		case textRunning:
			took = m.After
			d.Figures = append(d.Figures, report.Figure{Name: "outage", Value: m.After, Unit: "s"})
		case textHealthy:
			d.Figures = append(d.Figures, report.Figure{Name: "healthy after", Value: m.After, Unit: "s"})
		}
	}
	v := r.Cut.Victim
	away := ""
	if r.Cut.Interrupted {
		away = "this node was away meanwhile"
	} else if took > report.RecoveryGood {
		if err := s.sameLives(ctx, r.Cut.Others); err != nil {
			away = err.Error()
		}
	}
	switch {
	case away != "":
		d.Outcome, d.Sentence = report.Warnings, fmt.Sprintf("%s was reset and the guest ran again, but %s: it took %.0f s at most", v, away, took)
	case took > report.RecoveryFail:
		d.Outcome, d.Sentence = report.Failed, fmt.Sprintf("%s was reset and the guest ran again after %.0f s, later than %d s: see journalctl -u pve-ha-crm", v, took, report.RecoveryFail)
	case took > report.RecoveryGood:
		d.Outcome, d.Sentence = report.Warnings, fmt.Sprintf("%s was reset and the guest ran again after %.0f s, later than the usual %d s", v, took, report.RecoveryGood)
	case !elsewhere:
		d.Outcome, d.Sentence = report.Passed, fmt.Sprintf("%s was reset and was back before the cluster gave it up; the guest ran again on it after %.0f s", v, took)
	default:
		d.Outcome, d.Sentence = report.Passed, fmt.Sprintf("%s was reset and the guest ran again on another node after %.0f s", v, took)
	}
	return d
}

// cut resets this machine, once for each run of the acceptance, and only if
// this node itself consents and has been told beforehand that it is the victim.
func (s *Accept) cut(ctx context.Context, run string) (any, error) {
	rec, err := s.Record()
	if err != nil {
		return nil, err
	}
	if rec == nil || rec.Run != run || rec.Done || rec.Cut == nil || rec.Cut.Victim != s.o.Node {
		return nil, fmt.Errorf("%s was not told beforehand that its power is cut, and goes on", s.o.Node)
	}
	if done, err := s.o.Host.Files.ReadFile(cutFile); err == nil && strings.TrimSpace(string(done)) == run {
		return nil, fmt.Errorf("%s has reset itself for this acceptance already", s.o.Node)
	}
	if rec.Cut.Boot != s.bootID() {
		return nil, fmt.Errorf("%s has started anew since the power cut was announced: it is not cut again", s.o.Node)
	}
	said := s.word.Said() // what root consented to after a no holds
	if why := s.word.Refuses(); why != "" {
		return nil, errors.New(why)
	}
	if err := s.word.Silence(ctx); err != nil {
		return nil, err
	}
	if err := s.o.Host.Files.WriteFile(cutFile, []byte(run+"\n"), 0o600); err != nil {
		return nil, err
	}
	if err := s.word.UseUp(run); err != nil {
		return nil, fmt.Errorf("%s is not reset, because its consent could not be used up: %w", s.o.Node, err)
	}
	// The flush takes as long as the disk wants: what was so before is asked again.
	if why, err := s.foreign(ctx, rec); err != nil || why != "" {
		return nil, cmp.Or(err, fmt.Errorf("%s is not reset: %s", s.o.Node, why))
	}
	return nil, s.word.Unless(ctx, said, func() error { return s.o.Host.Files.WriteDirect(sysrqTrigger, []byte("b")) })
}
