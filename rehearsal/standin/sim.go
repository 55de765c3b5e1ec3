package standin

import (
	"container/heap"
	"context"
	"time"
)

// Sim is virtual time. Actors are goroutines of which exactly one runs at any
// moment; when it sleeps, the next event happens, so that an hour costs
// nothing and every run with the same inputs is the same.
type Sim struct {
	now     time.Time
	queue   events
	seq     int
	current *actor
	parked  chan struct{} // the running actor sleeps or has ended
	living  int
}

type actor struct {
	name string
	run  chan struct{}
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
func NewSim(start time.Time) *Sim {
	return &Sim{now: start, parked: make(chan struct{})}
}

// Now is the virtual time.
func (s *Sim) Now() time.Time { return s.now }

// After does something in d, on the scheduler.
func (s *Sim) After(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.queue, &event{at: s.now.Add(max(d, 0)), seq: s.seq, do: do})
}

// Go starts an actor.
func (s *Sim) Go(name string, f func()) {
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

func (s *Sim) resume(a *actor) {
	previous := s.current
	s.current = a
	a.run <- struct{}{}
	<-s.parked
	s.current = previous
}

// Sleep lets virtual time pass for the caller, an actor or the test itself.
// With a context it looks every second whether the context has ended.
func (s *Sim) Sleep(ctx context.Context, d time.Duration) error {
	const look = time.Second
	for d > 0 && ctx.Err() == nil {
		part := min(d, look)
		s.sleep(part)
		d -= part
	}
	return ctx.Err()
}

func (s *Sim) sleep(d time.Duration) {
	a := s.current
	if a == nil { // the test itself, outside of any actor
		s.RunFor(d)
		return
	}
	s.After(d, func() { s.resume(a) })
	s.parked <- struct{}{}
	<-a.run
}

// RunFor lets d pass.
func (s *Sim) RunFor(d time.Duration) {
	end := s.now.Add(d)
	s.RunUntil(end, func() bool { return false })
	s.now = end
}

// RunUntil runs until stop is true, the time is reached, or nothing is left to
// happen. It tells whether stop became true.
func (s *Sim) RunUntil(end time.Time, stop func() bool) bool {
	for !stop() {
		if len(s.queue) == 0 || s.queue[0].at.After(end) {
			return false
		}
		e := heap.Pop(&s.queue).(*event)
		if e.at.After(s.now) {
			s.now = e.at
		}
		e.do()
	}
	return true
}

// Living is the number of actors that have not ended.
func (s *Sim) Living() int { return s.living }
