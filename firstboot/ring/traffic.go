package ring

import (
	"context"
	"time"
)

// count reads the counters of all ports.
func (r *run) count(now time.Time) {
	for i, w := range r.wires {
		if w == nil {
			continue
		}
		if n, err := w.Counters(); err == nil {
			r.core.counted(i, n, now)
		}
	}
}

// feel watches the traffic of the ports until ctx ends.
func (r *run) feel(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		r.work.Lock()
		wait := r.pulse(ctx, time.Now())
		r.work.Unlock()
		timer.Reset(wait)
	}
}

// pulse looks at the traffic of each port and returns the time to the next look.
func (r *run) pulse(ctx context.Context, now time.Time) time.Duration {
	wait := r.core.cfg.Timing.Idle
	for i, w := range r.wires {
		if w == nil || r.core.cfg.Segment != nil || r.bound[i] != r.core.links[i].index || !r.core.watched(i) {
			continue
		}
		n, err := w.Counters()
		if err != nil {
			continue // the device is going; the kernel tells of it
		}
		l := r.core.links[i]
		switch r.core.beat(i, n, now) {
		case ask:
			if peer, ok := r.core.cfg.Peer(l.peer.Node); ok {
				w.Ask(peer.Addr) //nolint:errcheck // a question that cannot leave is not answered
			}
		case lost:
			r.turn(ctx, now)
		}
		wait = min(wait, l.pulse.pace(now))
	}
	return wait
}
