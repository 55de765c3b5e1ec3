package ring

import (
	"testing"
	"time"

	"ringboot/firstboot/ring/layout"
)

// track is a link on a clock of its own, and how long its far end takes to answer.
type track struct {
	link
	now     time.Time
	answers map[uint64]time.Time
}

func newTrack() *track {
	t := &track{now: time.Unix(1e9, 0), answers: map[uint64]time.Time{}}
	t.timing, t.carrier, t.known = layout.DefaultTiming(), true, true
	return t
}

// pass lets time pass; probes are answered after each, or never where it is 0.
// It returns when the link was seen to be dead, or 0.
func (t *track) pass(d, each time.Duration) time.Duration {
	const step = 10 * time.Millisecond
	begun := t.now
	for ; t.now.Sub(begun) < d; t.now = t.now.Add(step) {
		if !t.now.Before(t.probeAt) {
			t.probeAt = t.now.Add(t.pace(t.now))
			seq := t.next(t.now, false)
			if each > 0 {
				t.answers[seq] = t.now.Add(each)
			}
		}
		for seq, at := range t.answers {
			if !t.now.Before(at) {
				t.answered(seq, t.now)
				delete(t.answers, seq)
			}
		}
		if was := t.alive; t.judge(t.now) && was {
			return t.now.Sub(begun)
		}
	}
	return 0
}

// A machine that is busy, or emulated, is slow and not dead; one that answered
// in time is dead as soon as ever.
func TestALinkWhoseFarEndIsSlowLives(t *testing.T) {
	quick := newTrack()
	if quick.pass(20*time.Second, time.Millisecond); !quick.alive {
		t.Fatal("a link that is answered is not alive")
	}
	if died := quick.pass(5*time.Second, 0); died == 0 || died > quick.timing.Rest+quick.timing.Grace {
		t.Errorf("a link at rest that goes silent is dead after %s", died)
	}

	slow := newTrack()
	if slow.pass(20*time.Second, 400*time.Millisecond); !slow.alive {
		t.Fatal("a link that is answered late is not alive")
	}
	if died := slow.pass(20*time.Second, 1200*time.Millisecond); died != 0 || slow.lost == 0 {
		t.Errorf("a slow link is dead after %s, with %d probes lost", died, slow.lost)
	}
	if died := slow.pass(10*time.Second, 0); died == 0 || died > slow.longest()+slow.timing.Probe {
		t.Errorf("a slow link that goes silent is dead after %s", died)
	}

	// Long after that its far end is quick again, and gets no more time than others.
	slow.pass(5*time.Minute, time.Millisecond)
	if died := slow.pass(5*time.Second, 0); died == 0 || died > slow.timing.Rest+slow.timing.Grace {
		t.Errorf("a link that was slow once is dead after %s", died)
	}
}
