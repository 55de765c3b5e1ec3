package ring

import (
	"time"

	"ringboot/firstboot/ring/layout"
)

// link is one port and the cable behind it, in the eyes of this end. It is
// told what happens and what time it is; it does nothing by itself.
type link struct {
	port   string
	at     int    // place of the port in the configuration
	fixed  string // on a switch: the node that is meant
	timing layout.Timing

	index   int // device; 0: absent
	up      bool
	carrier bool
	mtu     int
	speed   int

	peer    Announce // who is at the other end, believed; zero: not known
	known   bool
	key     []byte // of the probes with that peer's run
	seen    [32]byte
	heardAt time.Time // last believed hello
	claim   string    // why the other end is not believed, as the verdict says it
	claimAt time.Time
	loop    bool   // our own other port is at the other end
	loopTo  string // its name

	seq       uint64
	pending   []sentProbe
	ackedAt   time.Time // when the newest answered probe was sent
	answers   time.Time // since when probes are answered without a gap
	alive     bool
	aliveAt   time.Time
	hold      time.Duration // how long it must answer before it is alive again
	stirred   time.Time     // when last something was not as it should be
	changedAt time.Time
	ackSeq    uint64 // newest probe heard from the peer

	hearBig int // largest packet heard since bring-up
	peerBig int // largest packet that the peer heard since bring-up
	peerMTU int
	tries   int // full-size probes sent since bring-up
	fullAt  time.Time

	reached []Reached // what the peer says of its own links
	claimed time.Time // when it said so

	probeAt, announceAt time.Time

	pulse   pulse
	failed  time.Time // when the traffic told that it is dead, until it answers
	doubt   time.Duration
	doubted time.Time
	rx      uint64 // packets that came in, as of the last look at the kernel
	counted bool
	rxMoved time.Time

	sent, lost, changes uint64
	rtt                 time.Duration
	slow                time.Duration // the longest round trip of late: it fades with each that is shorter
	noCarrierSince      time.Time
}

type sentProbe struct {
	seq        uint64
	at         time.Time
	full, late bool
}

// fading is the part by which the memory of a slow answer shrinks with each other one.
const fading = 64

// device takes over what the kernel says of the port.
func (l *link) device(d layout.Link, present bool, now time.Time) {
	if !present {
		d = layout.Link{}
	}
	if d.Index != l.index || (l.carrier && !(d.Carrier && d.Up)) {
		l.cut()
	}
	l.index, l.up, l.mtu, l.speed = d.Index, d.Up, d.MTU, d.SpeedMbit
	was := l.carrier
	l.carrier = present && d.Up && d.Carrier
	switch {
	case l.carrier && !was:
		// Say hello at once.
		l.announceAt, l.probeAt = now, now
		l.noCarrierSince = time.Time{}
	case !l.carrier && (was || l.noCarrierSince.IsZero()):
		l.noCarrierSince = now
	}
}

// cut forgets what was proven of a cable that is out, or was for a moment.
func (l *link) cut() {
	l.hearBig, l.peerBig, l.tries, l.fullAt = 0, 0, 0, time.Time{}
	l.ackedAt, l.answers, l.pending = time.Time{}, time.Time{}, nil
	l.reached = nil
	l.pulse, l.slow = pulse{timing: l.timing}, 0
	l.counted, l.rxMoved = false, time.Time{}
	l.claim, l.loop = "", false
}

// meet takes over a believed announce. A new run of the same node goes on where
// the old one was; another node starts from nothing.
func (l *link) meet(a Announce, key []byte, now time.Time) {
	if l.known && l.peer.Node == a.Node && l.peer.Instance == a.Instance && l.peer.Port == a.Port {
		l.peer, l.heardAt = a, now
		return
	}
	same := l.known && l.peer.Node == a.Node && l.peer.Port == a.Port
	acked := l.ackedAt
	l.cut()
	if same && l.alive {
		// The agent at the other end was started again; the cable is the same.
		l.ackedAt, l.answers = later(acked, now), now
	}
	l.peer, l.known, l.key, l.heardAt = a, true, key, now
	l.peerMTU = a.MTU
	l.ackSeq = 0
	l.probeAt = now
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// next makes the next probe due.
func (l *link) next(now time.Time, full bool) uint64 {
	l.seq++
	l.pending = append(l.pending, sentProbe{seq: l.seq, at: now, full: full})
	if !full {
		l.sent++
	}
	return l.seq
}

// answered takes over the answer to one probe.
func (l *link) answered(seq uint64, now time.Time) {
	for i, p := range l.pending {
		if p.seq != seq {
			continue
		}
		l.pending = append(l.pending[:i], l.pending[i+1:]...)
		l.ackedAt = later(l.ackedAt, p.at)
		if p.full {
			return
		}
		if l.rtt = now.Sub(p.at); l.rtt > l.timing.Quick {
			l.stirred = now
		}
		l.slow = max(l.rtt, l.slow-l.slow/fading)
		l.regret(now)
		if l.atRest(now) {
			l.probeAt = now.Add(l.timing.Rest)
		}
		return
	}
}

// atRest reports whether the link works and did so for a while without a late
// answer. It is probed more seldom then, and at once more often when an answer
// does not come. On a machine that is too busy to answer in time no link rests.
func (l *link) atRest(now time.Time) bool {
	return l.alive && now.Sub(later(l.stirred, l.aliveAt)) >= l.timing.Calm
}

// pace is the time to the next probe, if this one is not answered.
func (l *link) pace(now time.Time) time.Duration {
	if l.atRest(now) {
		return l.timing.Quick
	}
	return l.timing.Probe
}

// early is how long before its time a probe may be sent. At rest it goes along
// with whatever the keeper is awake for: the other port's probe, or the peer's.
func (l *link) early(now time.Time) time.Duration {
	if l.atRest(now) && len(l.pending) == 0 {
		return l.timing.Rest / 2
	}
	return 0
}

// patience is how old the newest answered probe of a living link may get. A far
// end that took its time of late gets some: a machine that is busy, or emulated,
// is slow and not dead, and links that come and go make it slower.
func (l *link) patience(now time.Time) time.Duration {
	slow := min(roundTrips*l.slow, l.longest())
	if l.atRest(now) {
		return max(l.timing.Rest+l.timing.Grace, slow)
	}
	return max(l.timing.Dead, slow)
}

// longest is how long an answer to a probe is waited for.
func (l *link) longest() time.Duration { return roundTrips * l.timing.Dead }

// forgive gives the link back the time in which this process did not run.
func (l *link) forgive(gap time.Duration) {
	if !l.ackedAt.IsZero() {
		l.ackedAt = l.ackedAt.Add(gap)
	}
	for i := range l.pending {
		l.pending[i].at = l.pending[i].at.Add(gap)
	}
}

// judge decides whether the link is alive. It returns true when that changed.
//
// A probe that was answered went both ways, so either direction's death shows
// here, and at the other end in the same second.
func (l *link) judge(now time.Time) bool {
	answering := l.carrier && l.known && !l.ackedAt.IsZero() && now.Sub(l.ackedAt) <= l.patience(now)
	l.miss(now)
	switch {
	case !answering:
		l.answers = time.Time{}
		if !l.alive {
			return false
		}
		l.hold = l.nextHold(now)
		l.alive = false
	case l.answers.IsZero():
		l.answers = now
		fallthrough
	default:
		if l.alive || now.Sub(l.answers) < l.hold {
			return false
		}
		l.alive, l.aliveAt = true, now
	}
	l.changedAt = now
	l.changes++
	return true
}

// miss counts probes that are late, and forgets those that cannot be answered any more.
func (l *link) miss(now time.Time) {
	kept := l.pending[:0]
	for _, p := range l.pending {
		age := now.Sub(p.at)
		if age > l.timing.Dead && !p.full && !p.late {
			p.late = true
			l.lost++
			l.stirred = now
		}
		if age <= l.timing.Dead || p.late && age <= l.longest() {
			kept = append(kept, p)
		}
	}
	l.pending = kept
}

// fail makes the link dead whatever was answered so far: only what is answered
// from now on counts for its return.
func (l *link) fail(now time.Time) {
	l.failed = now
	l.hold = l.nextHold(now)
	l.alive, l.changedAt, l.stirred = false, now, now
	l.ackedAt, l.answers, l.pending = time.Time{}, time.Time{}, nil
	l.changes++
}

// regret learns from a death that was none: a far end that answers a moment
// after it was given up is slow, and gets twice as long for each question from
// now on. The doubt wears off: it halves with every Flap in which none was added.
func (l *link) regret(now time.Time) {
	if !l.failed.IsZero() && now.Sub(l.failed) <= l.timing.Dead {
		l.doubt, l.doubted = min(max(2*l.doubt, roundTrips*l.timing.Ask), l.timing.Dead/asksToDeath), now
	}
	l.failed = time.Time{}
}

// slowness is how long this far end may take for an answer of its kernel.
func (l *link) slowness(now time.Time) time.Duration {
	for l.doubt > 0 && now.Sub(l.doubted) >= l.timing.Flap {
		l.doubted = l.doubted.Add(l.timing.Flap)
		if l.doubt /= 2; l.doubt <= l.timing.Ask {
			l.doubt = 0
		}
	}
	return max(roundTrips*l.rtt, l.doubt)
}

// nextHold is how long a link that died now must answer before it is used
// again: a link that comes and goes waits longer each time.
func (l *link) nextHold(now time.Time) time.Duration {
	if l.hold == 0 || now.Sub(l.aliveAt) >= l.timing.Flap {
		return l.timing.Return
	}
	return min(2*l.hold, max(l.timing.Flap, l.timing.Return))
}

// fullSize reports whether a packet of the full size went both ways since bring-up.
func (l *link) fullSize(mtu int) bool { return l.alive && l.hearBig >= mtu && l.peerBig >= mtu }

// wantsFull reports whether a full-size probe is due. Often at first, then
// seldom: with two MTUs that differ it never arrives.
func (l *link) wantsFull(mtu int, now time.Time) bool {
	const quick = 10
	if !l.known || l.peerBig >= mtu || l.answers.IsZero() {
		return false
	}
	wait := 2 * l.timing.Probe
	if l.tries >= quick {
		wait *= 10
	}
	return now.Sub(l.fullAt) >= wait
}
