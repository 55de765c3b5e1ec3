package sim

import (
	"container/heap"
	"context"
	"slices"
	"time"
)

// Sim is virtual time. Actors are goroutines of which exactly one runs at any
// moment; when it sleeps, the next event happens, so that an hour costs
// nothing and every run with the same inputs is the same.
type Clock struct {
	now     time.Time
	queue   events
	seq     int
	current *actor
	asleep  []*sleeper
	parked  chan struct{} // the running actor sleeps or has ended
	living  int
}

type actor struct {
	name string
	run  chan struct{}
}

// sleeper is an actor that a context may wake before its time.
type sleeper struct {
	a   *actor
	ctx context.Context
	up  bool
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

type events []*event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	if e[i].at.Equal(e[j].at) {
		return e[i].seq < e[j].seq
	}
	return e[i].at.Before(e[j].at)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(*event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

// NewSim starts virtual time.
func NewClock(start time.Time) *Clock {
	return &Clock{now: start, parked: make(chan struct{})}
}

// Now is the virtual time.
func (s *Clock) Now() time.Time { return s.now }

// After does something in d, on the scheduler.
func (s *Clock) After(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.queue, &event{at: s.now.Add(max(d, 0)), seq: s.seq, do: do})
}

// Go starts an actor.
func (s *Clock) Go(name string, f func()) {
	a := &actor{name: name, run: make(chan struct{})}
	s.living++
	go func() {
		<-a.run
		defer func() {
			s.living--
			s.parked <- struct{}{}
		}()
		f()
	}()
	s.After(0, func() { s.resume(a) })
}

func (s *Clock) resume(a *actor) {
	previous := s.current
	s.current = a
	a.run <- struct{}{}
	<-s.parked
	s.current = previous
}

// Sleep lets virtual time pass for the caller, an actor or the test itself. An
// actor wakes at once when its context ends.
func (s *Clock) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	if s.current == nil { // the test itself, outside of any actor
		s.RunFor(d)
		return ctx.Err()
	}
	z := &sleeper{a: s.current, ctx: ctx}
	s.asleep = append(s.asleep, z)
	s.After(d, func() { s.rise(z) })
	s.parked <- struct{}{}
	<-z.a.run
	return ctx.Err()
}

// rise wakes a sleeper, unless it is up.
func (s *Clock) rise(z *sleeper) {
	if z.up {
		return
	}
	z.up = true
	s.asleep = slices.DeleteFunc(s.asleep, func(o *sleeper) bool { return o == z })
	s.resume(z.a)
}

// rouse has those wake whose contexts have ended, in the order in which they
// fell asleep.
func (s *Clock) rouse() {
	for _, z := range s.asleep {
		if z.ctx.Err() != nil {
			s.After(0, func() { s.rise(z) })
		}
	}
}

// Leap lets d pass in which nothing happens: what was to happen happens as much
// later, and whoever sleeps sleeps on.
func (s *Clock) Leap(d time.Duration) {
	s.now = s.now.Add(d)
	for _, e := range s.queue {
		e.at = e.at.Add(d)
	}
}

// RunFor lets d pass.
func (s *Clock) RunFor(d time.Duration) {
	end := s.now.Add(d)
	s.RunUntil(end, func() bool { return false })
}

// RunUntil runs until stop is true or the time is reached. It reports whether
// stop became true.
func (s *Clock) RunUntil(end time.Time, stop func() bool) bool {
	for !stop() {
		if len(s.queue) == 0 || s.queue[0].at.After(end) {
			s.now = end
			return stop()
		}
		e := heap.Pop(&s.queue).(*event)
		if e.at.After(s.now) {
			s.now = e.at
		}
		e.do()
		s.rouse()
	}
	return true
}

// Living is the number of actors that have not ended.
func (s *Clock) Living() int { return s.living }
