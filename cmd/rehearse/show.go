package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"ringboot/cmd/cli"
	"ringboot/rehearsal"
)

// shower shows the machines: on a terminal as a picture that is drawn anew,
// elsewhere as lines.
type shower struct {
	t      *cli.Terminal
	expect time.Duration
	live   bool

	mu    sync.Mutex
	shown *rehearsal.Rehearsal
	lines int
	stop  chan struct{}
	done  sync.WaitGroup
}

// drawEvery is how often the picture is drawn.
const drawEvery = time.Second

// newShower shows trips that usually take as long as expect.
func newShower(t *cli.Terminal, expect time.Duration) *shower {
	return &shower{t: t, expect: expect, live: cli.Screen(t.Stderr) != nil && !t.Quiet()}
}

// table begins to show a table.
func (s *shower) table(t *rehearsal.Rehearsal) {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		return
	}
	s.shown, s.stop, s.lines = t, make(chan struct{}), 0
	stop := s.stop
	s.done.Go(func() {
		tick := time.NewTicker(drawEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				s.draw()
			}
		}
	})
}

func (s *shower) draw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown == nil {
		return
	}
	columns, _ := cli.Size(s.t.Stderr)
	s.lines = redraw(s.t.Stderr, s.lines, s.shown.Picture(columns, s.expect))
}

// redraw writes a picture over the one of that many lines before it, and
// returns how many lines it has.
func redraw(out io.Writer, before int, text string) int {
	if before > 0 {
		fmt.Fprintf(out, "\x1b[%dA\x1b[J", before)
	}
	fmt.Fprint(out, text)
	return strings.Count(text, "\n")
}

// event shows what happened, where nobody looks at a picture. It is called
// with the table's lock held, so it only writes.
func (s *shower) event(e rehearsal.Event) {
	if !s.live && !s.t.Quiet() {
		fmt.Fprintf(s.t.Stderr, "%8s %-14s %s\n", rehearsal.Clock(e.At), e.Node, e.Text)
	}
}

// end leaves the picture as it is.
func (s *shower) end() {
	s.mu.Lock()
	if s.shown != nil {
		close(s.stop)
		s.shown = nil
	}
	s.mu.Unlock()
	s.done.Wait()
}
