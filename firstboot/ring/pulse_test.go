package ring

import (
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/ring/layout"
)

// lookAt is one look at the counters.
type lookAt struct {
	ms     int
	rx, tx uint64
	own    uint64 // sent by the keeper before this look
	want   beat
}

func TestPulse(t *testing.T) {
	start := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	for name, looks := range map[string][]lookAt{
		"traffic both ways":  {{0, 0, 0, 0, steady}, {15, 9, 10, 0, steady}, {30, 19, 20, 0, steady}, {45, 29, 30, 0, steady}},
		"nothing at all":     {{0, 5, 5, 0, steady}, {100, 5, 5, 0, steady}, {200, 5, 5, 0, steady}},
		"one packet, silent": {{0, 5, 5, 0, steady}, {100, 5, 6, 0, steady}, {200, 5, 6, 0, steady}},
		"probes alone":       {{0, 5, 5, 0, steady}, {100, 5, 8, 3, steady}, {200, 5, 10, 2, steady}},
		"dead under traffic": {{0, 0, 0, 0, steady}, {15, 9, 10, 0, steady}, {30, 9, 25, 0, ask}, {40, 9, 35, 0, ask}, {50, 9, 45, 0, ask}, {60, 9, 55, 0, lost}},
		"one way, and the kernel answers": {{0, 0, 0, 0, steady}, {15, 9, 10, 0, steady}, {30, 9, 25, 0, ask}, {40, 10, 35, 0, steady}, {55, 10, 50, 0, ask},
			{65, 11, 60, 0, steady}},
		"the last question is answered": {{0, 0, 0, 0, steady}, {15, 9, 10, 0, steady}, {30, 9, 25, 0, ask}, {40, 9, 35, 0, ask}, {50, 9, 45, 0, ask}, {60, 10, 55, 0, steady}},
		"a stall proves nothing":        {{0, 0, 0, 0, steady}, {15, 9, 10, 0, steady}, {2000, 9, 99, 0, ask}, {4000, 9, 999, 0, ask}, {4001, 10, 1000, 0, steady}},
		"too soon to ask again":         {{0, 0, 0, 0, steady}, {15, 9, 10, 0, steady}, {30, 9, 25, 0, ask}, {33, 9, 30, 0, steady}},
		"a new device":                  {{0, 90, 90, 0, steady}, {15, 0, 0, 0, steady}},
	} {
		p := pulse{timing: layout.DefaultTiming()}
		for _, l := range looks {
			p.own += l.own
			if got := p.look(Counters{l.rx, l.tx}, start.Add(time.Duration(l.ms)*time.Millisecond)); got != l.want {
				t.Errorf("%s: %d after %d ms, want %d", name, got, l.ms, l.want)
			}
		}
	}
}

func TestPulseKeepsQuietWithoutTraffic(t *testing.T) {
	now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	p := pulse{timing: layout.DefaultTiming()}
	p.look(Counters{1, 1}, now)
	now = now.Add(100 * time.Millisecond)
	p.own++ // a probe and its answer
	p.look(Counters{2, 2}, now)
	now = now.Add(100 * time.Millisecond)
	p.look(Counters{3, 5}, now) // corosync
	if got := p.pace(now); got != layout.DefaultTiming().Idle {
		t.Errorf("looks every %s without traffic", got)
	}
	now = now.Add(100 * time.Millisecond)
	p.look(Counters{30, 30}, now)
	if got := p.pace(now); got != layout.DefaultTiming().Watch {
		t.Errorf("looks every %s with traffic", got)
	}
	if got := p.pace(now.Add(time.Second)); got != layout.DefaultTiming().Idle {
		t.Errorf("looks every %s a second after the last packet", got)
	}
}

// TestDeathUnderTrafficIsKnownAtBothEnds lets frege find his link to russell
// dead by the traffic. Russell, who sends nothing, learns of it by way of
// wittgenstein, and both withhold the direct route, at once.
func TestDeathUnderTrafficIsKnownAtBothEnds(t *testing.T) {
	w := newWorld(t)
	w.pass(15 * time.Second)
	w.cut[[2]int{0, 0}], w.cut[[2]int{1, 1}] = true, true
	c := w.cores[0]
	if !c.watched(0) {
		t.Fatal("a link with another way beside it is not watched")
	}
	at := w.now
	c.beat(0, Counters{100, 100}, w.now)
	for tx := uint64(110); c.links[0].alive; tx += 10 {
		w.now = w.now.Add(10 * time.Millisecond)
		c.beat(0, Counters{100, tx}, w.now)
	}
	if d := w.now.Sub(at); d > 60*time.Millisecond {
		t.Errorf("dead after %s", d)
	}
	for range 3 { // frege tells wittgenstein, who tells russell
		for i, c := range w.cores {
			w.deliver(i, c.tick(w.now))
		}
	}
	for i, port := range map[int]int{0: 0, 1: 1} {
		if !w.cores[i].states()[port].Withheld {
			t.Errorf("%s keeps its direct route", nodeNames[i])
		}
	}
	if !w.alive(1, 1) {
		t.Error("russell judges his link by what he was told, not by what he saw")
	}
	const want = "link to russell is dead: packets leave over en05, none comes in, and 3 questions went unanswered"
	if last := c.events[len(c.events)-1].Text; last != want {
		t.Errorf("%q, want %q", last, want)
	}
	if c.watched(0) {
		t.Error("a dead link is still watched")
	}
	// The cable is whole again: both use it, after it was watched for a while.
	clear(w.cut)
	w.pass(5 * time.Second)
	w.wantWhole()
	for i, port := range map[int]int{0: 0, 1: 1} {
		if w.cores[i].states()[port].Withheld {
			t.Errorf("%s still withholds its direct route", nodeNames[i])
		}
	}
}

// TestASlowFarEndIsGivenUpOnce has a far end whose kernel takes its time, as one
// that is busy or emulated does: after a death that was none, it gets longer.
func TestASlowFarEndIsGivenUpOnce(t *testing.T) {
	w := newWorld(t)
	w.pass(15 * time.Second)
	c, l := w.cores[0], w.cores[0].links[0]
	var rx, tx uint64 = 100, 100
	// silence is how long packets leave and none comes in, and whether the link
	// outlives it.
	silence := func(d time.Duration) bool {
		rx, tx = rx+10, tx+10
		c.beat(0, Counters{rx, tx}, w.now)
		for end := w.now.Add(d); w.now.Before(end) && l.alive; tx += 10 {
			w.now = w.now.Add(10 * time.Millisecond)
			c.beat(0, Counters{rx, tx}, w.now)
		}
		return l.alive
	}
	const pause = 70 * time.Millisecond
	if silence(pause) {
		t.Fatal("a link of which nothing is known gets longer than others")
	}
	w.pass(10 * time.Second) // it answers at once, and is watched
	if !l.alive || l.doubt != roundTrips*layout.DefaultTiming().Ask {
		t.Fatalf("alive %t, each question gets %s more", l.alive, l.doubt)
	}
	if !silence(pause) {
		t.Error("it was given up for the same silence again")
	}
	if silence(time.Second) {
		t.Error("a far end that is dead is never given up")
	}
	w.pass(5 * time.Second)
	if l.doubt != 2*roundTrips*layout.DefaultTiming().Ask {
		t.Errorf("each question gets %s more after two mistakes", l.doubt)
	}
	for range 100 {
		silence(2 * time.Second)
		w.pass(time.Minute - time.Second)
	}
	if most := layout.DefaultTiming().Dead / asksToDeath; l.doubt > most {
		t.Errorf("each question gets %s more, the bound is %s", l.doubt, most)
	}
	w.pass(10 * time.Minute)
	if l.slowness(w.now) != max(roundTrips*l.rtt, 0) {
		t.Errorf("after ten quiet minutes each question gets %s", l.slowness(w.now))
	}
}

// TestAPortOverWhichPacketsComeIsNotSetDown blocks the hello and nothing else,
// as a firewall does.
func TestAPortOverWhichPacketsComeIsNotSetDown(t *testing.T) {
	w := newWorld(t)
	w.pass(2 * time.Second)
	w.cut[[2]int{0, 0}], w.cut[[2]int{1, 1}] = true, true
	for rx := uint64(1); rx <= 40; rx++ {
		w.cores[0].counted(0, Counters{Rx: rx}, w.now)
		w.cores[1].counted(1, Counters{Rx: rx}, w.now)
		w.pass(30 * time.Second)
	}
	if len(w.actions) > 0 {
		t.Errorf("%s, while packets come in", w.actions[0])
	}
	const want = "packets come in over en05, but no hello of russell: let UDP port 7343 through the firewalls of both nodes, or reseat the cable"
	if got := w.cores[0].sights()[0].Sentence(w.cores[0].cfg); !strings.HasPrefix(got, want) {
		t.Errorf("%q", got)
	}
	w.pass(20 * time.Minute) // nothing comes in any more
	if len(w.actions) == 0 {
		t.Error("a port that nothing comes in over is never set down and up")
	}
}
