package alone

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pairing"
	"ringboot/firstboot/ring"
	"ringboot/firstboot/ring/layout"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// Asking is how a pairing speaks with whoever compares the codes.
type Asking struct {
	// Type asks for the code that the other machine's screen shows; nil where
	// nobody is there to be asked.
	Type func(ctx context.Context, question string) (string, error)
	Say  func(format string, args ...any)
	Wait time.Duration // for the other ends
}

// heard is what one port's exchange brings.
type heard struct {
	port string
	card pairing.Card
	code string
	done bool // the other end has this machine's card
	err  error
}

// linger is how long an end that has all answers the other one, which may not.
const linger = 5 * time.Second

// session is one run of a pairing, over both ports at once.
type session struct {
	Asking
	book    *pairing.Book
	me      pairing.Card
	events  chan heard
	settled map[string]bool // ports of which nothing more is to be asked
	done    map[string]bool
	wrong   fault.Kind // the worst that was refused
}

// Pair pairs this machine with what is at the other ends of its two cables. It
// reports whether the ring's keys are all there.
func (m Machine) Pair(ctx context.Context, o Asking) (whole bool, err error) {
	a, err := m.config()
	if err != nil {
		return false, err
	}
	book, err := pairing.Open(m.Host.Files, PairedFile)
	if err != nil {
		return false, err
	}
	if err := m.modules(ctx, a); err != nil {
		return false, err
	}
	if err := book.Begin(); err != nil {
		return false, err
	}
	const most = 3 // events of each port
	s := &session{Asking: o, book: book, me: book.Card(a.Node, a.Ring, a.MTU), events: make(chan heard, most*len(a.Ports)), settled: map[string]bool{}, done: map[string]bool{}}
	ctx, cancel := context.WithTimeout(ctx, o.Wait)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for _, p := range a.Ports {
		x, err := pairing.New(s.me)
		if err != nil {
			return false, err
		}
		all.Go(func() {
			if err := m.over(ctx, a, p, x, s.events); err != nil {
				s.events <- heard{port: p.Name, err: err}
			}
		})
	}
	s.Say("%s (%s) looks for the machines at the other ends of %s and %s: type ringkeeper pair on them now (what is paired stays, if you end this)", a.Node, a.Ring, a.Ports[0].Name, a.Ports[1].Name)
	if err := s.listen(ctx, len(a.Ports)); err != nil {
		return false, err
	}
	return book.Whole(), s.end()
}

// modules loads the drivers without which no port is born.
func (m Machine) modules(ctx context.Context, a *self) error {
	t, _ := profiles.TransportOf(a.Transport)
	for _, name := range t.Modules {
		if !host.Exists(m.Host.Files, "/sys/module/"+name) {
			if err := m.run(ctx, "modprobe", name); err != nil {
				return err
			}
		}
	}
	return nil
}

// over runs the exchange over one port.
func (m Machine) over(ctx context.Context, a *self, p profiles.RingPort, x *pairing.Exchange, events chan<- heard) error {
	w, err := m.wire(ctx, a, p)
	if err != nil || w == nil {
		return err
	}
	defer w.Close()
	return x.Run(ctx, w, func(c pairing.Card, code string) { events <- heard{port: p.Name, card: c, code: code} }, func() { events <- heard{port: p.Name, done: true} })
}

// wire waits for the port's device, which is born when the cable's other end is.
func (m Machine) wire(ctx context.Context, a *self, p profiles.RingPort) (pairing.Wire, error) {
	k, err := ring.NewKernel(layout.Config{Ports: a.Ports}, m.Sys)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	for range k.Watch(watching) {
		s, err := k.Snapshot(watching)
		if err != nil {
			continue
		}
		if l, ok := layout.FindPort(p, s.Links); ok {
			if !l.Up {
				if err := k.Do(layout.Action{Kind: layout.SetUp, Link: l.Index, Name: l.Name}); err != nil {
					return nil, err
				}
			}
			return pairing.Listen(ctx, l.Name)
		}
	}
	return nil, nil
}

// listen takes what the ports bring until there is nothing more to be asked.
func (s *session) listen(ctx context.Context, ports int) error {
	for {
		if len(s.done) == ports {
			return nil
		}
		var late <-chan time.Time
		if len(s.settled) == ports || s.book.Whole() && len(s.settled) > 0 && len(s.book.Pending) == 0 {
			late = time.After(linger)
		}
		select {
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return context.Cause(ctx)
			}
			return nil
		case <-late:
			return nil
		case h := <-s.events:
			if err := s.take(ctx, h); err != nil {
				return err
			}
		}
	}
}

// take deals with one thing that a port brought.
func (s *session) take(ctx context.Context, h heard) error {
	switch {
	case h.done:
		s.done[h.port] = true
		return nil
	case h.err != nil && s.settled[h.port]:
		s.done[h.port] = true // what went wrong came after the code
		return nil
	case h.err != nil:
		s.refuse(h.port, h.err)
		return nil
	}
	s.settled[h.port] = true
	news, err := s.book.Judge(s.me, h.card)
	if err != nil {
		s.refuse(h.port, err)
		return nil
	}
	shown := h.code[:3] + " " + h.code[3:]
	if !news {
		s.Say("%s leads to %s, which is paired with this machine; if it asks, the code here is %s", h.port, h.card.Node, shown)
		return nil
	}
	if err := s.book.Wait(pairing.Pending{Card: h.card, Port: h.port, Code: h.code, At: time.Now()}); err != nil {
		return err
	}
	s.Say("%s leads to %s (%s). Code: %s", h.port, h.card.Node, h.card.Ring, shown)
	if s.Type == nil {
		return nil
	}
	typed, err := s.Type(ctx, fmt.Sprintf("Type the code if the screen of %s shows the same, or no:", h.card.Node))
	if err != nil {
		return err
	}
	p, err := s.book.Confirm(s.me, h.port, typed, time.Now())
	if err != nil {
		s.refuse(h.port, err)
		return nil
	}
	s.Say("paired with %s", p.Node)
	return nil
}

// refuse says at once what is wrong at a port: the other one may take long.
func (s *session) refuse(port string, err error) {
	s.settled[port], s.done[port] = true, true
	s.wrong = max(s.wrong, fault.Of(err))
	s.Say("%s: %v", port, err)
}

// end is what is left to do, as an error.
func (s *session) end() error {
	switch {
	case s.wrong != fault.Done:
		return s.wrong.Silent() // each was said
	case len(s.book.Pending) > 0:
		return fault.Partial.Errorf("compare the codes on both screens, then type ringkeeper pair --yes-code CODE on both machines, within 15 minutes")
	case !s.book.Whole() && len(s.settled) == 0:
		return fault.Timeout.Errorf("nobody answered within %s: see that both cables are in, that ringkeeper pair runs on the other machines, and that their firewalls let UDP port %d through on the ring's ports", s.Wait, pairing.Port)
	case !s.book.Whole():
		var names []string
		for _, p := range s.book.Peers {
			names = append(names, p.Node)
		}
		return fault.Partial.Errorf("one machine is missing (paired with: %s): type ringkeeper pair here and there, or on any two that have not met", strings.Join(names, ", "))
	}
	return nil
}

// Confirm takes cards by codes that somebody has compared.
func (m Machine) Confirm(codes []string, say func(format string, args ...any)) (whole bool, err error) {
	a, err := m.config()
	if err != nil {
		return false, err
	}
	b, err := pairing.Open(m.Host.Files, PairedFile)
	if err != nil {
		return false, err
	}
	for _, code := range codes {
		p, err := b.Confirm(b.Card(a.Node, a.Ring, a.MTU), "", code, time.Now())
		if err != nil {
			return false, err
		}
		say("paired with %s", p.Node)
	}
	return b.Whole(), nil
}

// Forget takes a machine's key away; the keeper stops, for a ring has three.
func (m Machine) Forget(ctx context.Context, node string) error {
	b, err := pairing.Read(m.Host.Files, PairedFile)
	if err != nil {
		return err
	}
	if err := b.Forget(node); err != nil {
		return err
	}
	if host.Exists(m.Host.Files, "/run/systemd/system") {
		return m.run(ctx, "systemctl", "stop", Unit)
	}
	return nil
}

// Start writes the floor and starts the keeper with the keys that it has now. It
// reports whether the system has the unit.
func (m Machine) Start(ctx context.Context) (started bool, err error) {
	if err := m.Floor(ctx); err != nil {
		return false, err
	}
	if !host.Exists(m.Host.Files, "/run/systemd/system") || !host.Exists(m.Host.Files, "/usr/lib/systemd/system/"+Unit) {
		return false, nil
	}
	return true, errors.Join(m.run(ctx, "systemctl", "enable", Unit), m.run(ctx, "systemctl", "restart", Unit))
}
