package acceptance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/firstboot/trust"
)

// guest finds the acceptance's guest, or makes it on this node and starts it.
func (s *Accept) guest(ctx context.Context, r *Record) (pve.Guest, error) {
	g, ok, err := s.find(r)
	if err != nil || ok {
		return g, err
	}
	if r.Guest, err = s.guests.NextID(ctx); err != nil {
		return g, err
	}
	// Written down before it is made, so that a half made one is known as ours.
	r.Touched = true
	if err := s.save(r); err != nil {
		return g, err
	}
	if err := s.guests.Create(ctx, r.Guest, acceptName, acceptTag); err != nil {
		return g, err
	}
	if err := s.o.Host.Files.WriteFile(markerFile, marker(r.Run), 0o600); err != nil {
		return g, err
	}
	if err := s.guests.ImportDisk(ctx, r.Guest, s.o.Profile.Ceph.Pool, markerFile); err != nil {
		return g, err
	}
	if err := s.guests.Start(ctx, r.Guest); err != nil {
		return g, err
	}
	g, ok, err = s.find(r)
	if err == nil && !ok {
		err = fmt.Errorf("guest %d was made and is not there", r.Guest)
	}
	return g, err
}

// find looks for the guest of this run.
func (s *Accept) find(r *Record) (pve.Guest, bool, error) {
	all, err := s.guests.All()
	if err != nil {
		return pve.Guest{}, false, err
	}
	at := slices.IndexFunc(all, func(g pve.Guest) bool { return isOurs(g) && g.ID == r.Guest })
	if at < 0 {
		return pve.Guest{}, false, nil
	}
	return all[at], true, nil
}

// migration moves the running guest once around all nodes, without HA, which
// would only queue the move and hide its log.
func (s *Accept) migration(ctx context.Context, r *Record) (report.Drill, error) {
	g, err := s.guest(ctx, r)
	if err != nil {
		return report.Drill{}, err
	}
	way := []string{g.Node}
	for _, n := range s.o.Profile.Others(g.Node) {
		way = append(way, n.Name)
	}
	way = append(way, g.Node)
	var d report.Drill
	longest := 0.0
	for i := range len(way) - 1 {
		from, to := way[i], way[i+1]
		order := guestOrder{Guest: g.ID, Target: to}
		move, err := ask[pve.Move](ctx, s, 12*time.Minute, from, methodAcceptMigrate, order, func() (any, error) { return s.guests.Migrate(ctx, g.ID, to) })
		if err != nil {
			// What the node itself answers is a finding; a channel that broke says
			// that its agent went, and is tried again.
			var answered *trust.RemoteError
			if from != s.o.Node && !errors.As(err, &answered) {
				return d, err
			}
			if _, peer := s.state(ctx, from); peer != nil {
				return d, err // the node, not the migration
			}
			return failed("the guest did not move from %s to %s: %v", from, to, err), nil
		}
		now, err := s.state(ctx, to)
		if err != nil {
			return d, err
		}
		if !slices.Contains(now.Running, g.ID) {
			return failed("the guest moved from %s to %s and does not run there", from, to), nil
		}
		longest = max(longest, move.Downtime)
		d.Figures = append(d.Figures, report.Figure{Name: "downtime " + from + " to " + to, Value: move.Downtime, Unit: "ms"})
	}
	if wrong, err := s.markerIn(ctx, r, g.ID); err != nil {
		return d, err
	} else if wrong != "" {
		return failed("the guest's disk was harmed on the way: %s", wrong), nil
	}
	d.Outcome, d.Sentence = report.Passed, fmt.Sprintf("the guest moved %s, its disk unharmed; it stood still for at most %.0f ms", strings.Join(way, " → "), longest)
	return d, nil
}

// markerIn reads the guest's disk back and compares it.
func (s *Accept) markerIn(ctx context.Context, r *Record, id int) (string, error) {
	if err := s.guests.Export(ctx, s.o.Profile.Ceph.Pool, pve.DiskImage(id), returnFile); err != nil {
		return "", err
	}
	back, err := s.o.Host.Files.ReadFile(returnFile)
	if err != nil {
		return "", err
	}
	return sameMarker(r.Run, back), nil
}

// managed puts the guest under HA and waits until it is started and its
// node's watchdog is armed.
func (s *Accept) managed(ctx context.Context, g pve.Guest) (pve.Service, error) {
	sid := fmt.Sprintf("vm:%d", g.ID)
	resources, err := s.ha.Resources()
	if err != nil {
		return pve.Service{}, err
	}
	if !slices.Contains(resources, sid) {
		if err := s.ha.Add(ctx, sid); err != nil {
			return pve.Service{}, err
		}
	}
	var now pve.Service
	err = s.await(ctx, 5*time.Minute, "the guest is not started under high availability", func() (bool, error) {
		st, err := s.ha.State(ctx)
		now = st.Services[sid]
		return err == nil && now.State == "started" && st.Guarded(now.Node), err
	})
	return now, err
}

// await polls until something holds.
func (s *Accept) await(ctx context.Context, limit time.Duration, otherwise string, holds func() (bool, error)) error {
	end := s.o.Host.Clock.Now().Add(limit)
	for {
		ok, err := holds()
		if err == nil && ok {
			return nil
		}
		if s.o.Host.Clock.Now().After(end) {
			if err != nil {
				return fmt.Errorf("%s after %v: %w", otherwise, limit, err)
			}
			return fmt.Errorf("%w: %s after %v", errLate, otherwise, limit)
		}
		if err := s.o.Host.Clock.Sleep(ctx, acceptPoll); err != nil {
			return err
		}
	}
}

// errLate is wrapped where something did not happen in time: a finding, not a fault of the test.
var errLate = errors.New("too late")

// maintenance sends a node into maintenance and takes it out again: the guest
// must leave and come back.
func (s *Accept) maintenance(ctx context.Context, r *Record) (report.Drill, error) {
	g, err := s.guest(ctx, r)
	if err != nil {
		return report.Drill{}, err
	}
	sid := fmt.Sprintf("vm:%d", g.ID)
	now, err := s.managed(ctx, g)
	if err != nil {
		return late(err)
	}
	home := now.Node
	r.Maintenance = home
	if err := s.save(r); err != nil {
		return report.Drill{}, err
	}
	began := s.o.Host.Clock.Now()
	if err := s.ha.Maintenance(ctx, home, true); err != nil {
		return report.Drill{}, err
	}
	moved := func(there bool) func() (bool, error) {
		return func() (bool, error) {
			st, err := s.ha.State(ctx)
			v := st.Services[sid]
			return err == nil && v.State == "started" && (v.Node == home) == there, err
		}
	}
	if err := s.await(ctx, 5*time.Minute, "the guest did not leave "+home, moved(false)); err != nil {
		return late(err)
	}
	out := s.o.Host.Clock.Now().Sub(began)
	began = s.o.Host.Clock.Now()
	if err := s.ha.Maintenance(ctx, home, false); err != nil {
		return report.Drill{}, err
	}
	if err := s.await(ctx, 5*time.Minute, "the guest did not come back to "+home, moved(true)); err != nil {
		return late(err)
	}
	back := s.o.Host.Clock.Now().Sub(began)
	r.Maintenance = ""
	d := passed("the guest left %s when it went into maintenance, and came back after it", home)
	d.Figures = []report.Figure{{Name: "left after", Value: out.Seconds(), Unit: "s"}, {Name: "came back after", Value: back.Seconds(), Unit: "s"}}
	return d, nil
}

// late turns what did not happen in time into a finding.
func late(err error) (report.Drill, error) {
	if errors.Is(err, errLate) {
		return failed("%s", strings.TrimPrefix(err.Error(), errLate.Error()+": ")), nil
	}
	return report.Drill{}, err
}

// clean removes everything that the acceptance made, by name and tag; it may
// run at any time and after any crash.
func (s *Accept) clean(ctx context.Context, r *Record) error {
	if !s.o.Profile.Ceph.Enabled {
		return nil
	}
	if r.Maintenance != "" {
		if err := s.ha.Maintenance(ctx, r.Maintenance, false); err != nil {
			return err
		}
		r.Maintenance = ""
		if err := s.save(r); err != nil {
			return err
		}
	}
	all, err := s.guests.All()
	if err != nil {
		return err
	}
	resources, err := s.ha.Resources()
	if err != nil {
		return err
	}
	ids := map[int]string{}
	for _, g := range all {
		if isOurs(g) {
			ids[g.ID] = g.Node
		}
	}
	if _, there := ids[r.Guest]; !there && r.Guest != 0 && !slices.ContainsFunc(all, func(g pve.Guest) bool { return g.ID == r.Guest }) {
		ids[r.Guest] = "" // its resource or image may be left
	}
	for id, node := range ids {
		if err := s.remove(ctx, r, id, node, resources); err != nil {
			return err
		}
	}
	if err := s.cleanPool(ctx, r); err != nil {
		return err
	}
	for _, file := range []string{markerFile, returnFile} {
		if err := s.o.Host.Files.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// remove takes one guest of ours out of HA and destroys it.
func (s *Accept) remove(ctx context.Context, r *Record, id int, node string, resources []string) error {
	sid := fmt.Sprintf("vm:%d", id)
	if slices.Contains(resources, sid) {
		if err := s.ha.Remove(ctx, sid); err != nil {
			return err
		}
	}
	err := s.await(ctx, 4*time.Minute, sid+" is still under high availability", func() (bool, error) {
		st, err := s.ha.State(ctx)
		_, there := st.Services[sid]
		return err == nil && !there, err
	})
	if err != nil {
		return err
	}
	// A last move may have taken it elsewhere.
	all, err := s.guests.All()
	if err != nil {
		return err
	}
	for _, g := range all {
		if g.ID == id && isOurs(g) {
			order := guestOrder{Guest: id}
			if _, err := ask[any](ctx, s, 5*time.Minute, g.Node, methodAcceptDestroy, order, func() (any, error) { return nil, s.destroy(ctx, id) }); err != nil {
				return fmt.Errorf("destroy guest %d on %s: %w", id, g.Node, err)
			}
		}
	}
	if id != r.Guest {
		return nil
	}
	images, err := s.guests.Images(ctx, s.o.Profile.Ceph.Pool)
	if err != nil {
		return err
	}
	if slices.Contains(images, pve.DiskImage(id)) {
		if err := s.guests.RemoveImage(ctx, s.o.Profile.Ceph.Pool, pve.DiskImage(id)); err != nil {
			return err
		}
	}
	r.Guest = 0
	return s.save(r)
}

// cleanPool removes what the storage drill wrote.
func (s *Accept) cleanPool(ctx context.Context, r *Record) error {
	if !r.Touched {
		return nil
	}
	pool := s.o.Profile.Ceph.Pool
	if err := s.guests.CleanBench(ctx, pool, acceptName); err != nil {
		return err
	}
	images, err := s.guests.Images(ctx, pool)
	if err != nil {
		return err
	}
	if slices.Contains(images, acceptName) {
		return s.guests.RemoveImage(ctx, pool, acceptName)
	}
	return nil
}
