package ring

import (
	"testing"
	"time"

	"ringboot/firstboot/ring/layout"
)

// doze lets time pass as the keeper does: each node wakes when it has something
// to do, or when it hears something. It returns how often each woke by itself.
func (w *world) doze(d time.Duration) []int {
	woken := make([]int, len(w.cores))
	for end := w.now.Add(d); w.now.Before(end); {
		next, wakes := end, make([]time.Time, len(w.cores))
		for i, c := range w.cores {
			if wakes[i] = c.wake(w.now); wakes[i].Before(next) {
				next = wakes[i]
			}
		}
		w.now = next
		for i, c := range w.cores {
			if !wakes[i].After(w.now) {
				woken[i]++
				w.deliver(i, c.tick(w.now))
			}
		}
	}
	return woken
}

func TestALinkThatWorksIsLeftInPeace(t *testing.T) {
	w := newWorld(t)
	w.pass(15 * time.Second)
	w.wantWhole()
	sent := w.cores[0].links[0].sent
	woken := w.doze(time.Minute)
	for i, n := range woken {
		if n > 80 {
			t.Errorf("%s woke %d times in a minute by itself", nodeNames[i], n)
		}
	}
	if n := w.cores[0].links[0].sent - sent; n < 60 || n > 110 {
		t.Errorf("%d probes in a minute", n)
	}
	for i, c := range w.cores {
		for _, l := range c.links {
			if l.lost > 0 || l.changes != 1 {
				t.Errorf("%s of %s: %d lost, %d changes", l.port, nodeNames[i], l.lost, l.changes)
			}
		}
	}
}

func TestALinkAtRestDiesAsQuickly(t *testing.T) {
	for name, cut := range map[string][][2]int{"both ways": {{0, 0}, {1, 1}}, "there": {{0, 0}}, "back": {{1, 1}}} {
		for _, after := range []time.Duration{0, 100, 300, 500, 700, 790} {
			w := newWorld(t)
			w.pass(15 * time.Second)
			w.doze(5*time.Second + after*time.Millisecond)
			for _, end := range cut {
				w.cut[end] = true
			}
			w.doze(300 * time.Millisecond)
			if !w.alive(0, 0) || !w.alive(1, 1) {
				t.Errorf("%s, %d ms later: dead before anything was missed", name, after)
			}
			w.doze(900 * time.Millisecond)
			if w.alive(0, 0) || w.alive(1, 1) {
				t.Errorf("%s, %d ms later: not dead at both ends within 1.2 s", name, after)
			}
			if !w.cores[0].states()[0].Withheld || !w.cores[1].states()[1].Withheld {
				t.Errorf("%s, %d ms later: a direct route is kept", name, after)
			}
			if w.cores[2].links[0].changes != 1 || w.cores[2].links[1].changes != 1 {
				t.Errorf("%s, %d ms later: a link that works was disturbed", name, after)
			}
		}
	}
}

// TestOneLostProbeKillsNoLinkAtRest loses all datagrams of a cable for less
// than the time in which a link dies.
func TestOneLostProbeKillsNoLinkAtRest(t *testing.T) {
	w := newWorld(t)
	w.pass(15 * time.Second)
	for range 20 {
		w.doze(12*time.Second + 70*time.Millisecond)
		w.cut[[2]int{0, 0}] = true
		w.doze(250 * time.Millisecond)
		delete(w.cut, [2]int{0, 0})
	}
	w.doze(3 * time.Second)
	if l := w.cores[0].links[0]; l.changes != 1 || !l.alive {
		t.Errorf("%d changes, alive %v", l.changes, l.alive)
	}
}

func TestABusyMachineIsProbedOften(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	l := &link{timing: layout.DefaultTiming(), alive: true, aliveAt: now}
	now = now.Add(layout.DefaultTiming().Calm)
	if !l.atRest(now) || l.pace(now) != layout.DefaultTiming().Quick || l.patience(now) != layout.DefaultTiming().Rest+layout.DefaultTiming().Grace {
		t.Fatal("a calm link is not at rest")
	}
	seq := l.next(now, false)
	now = now.Add(layout.DefaultTiming().Quick + time.Millisecond)
	l.answered(seq, now)
	if l.atRest(now) || l.pace(now) != layout.DefaultTiming().Probe || l.patience(now) != layout.DefaultTiming().Dead {
		t.Error("a link that answers late is at rest")
	}
	if now = now.Add(layout.DefaultTiming().Calm); !l.atRest(now) {
		t.Error("it never rests again")
	}
}
