package matrix_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	world "ringboot/rehearsal/sim"
)

// Ways in which an agent or its machine goes.
const (
	killed   = "killed"         // the process alone
	lost     = "power, lost"    // un-synced writes are gone
	torn     = "power, torn"    // half of them
	kept     = "power, kept"    // none of them
	midLost  = "mid, lost"      // in the middle of what comes next
	midTorn  = "mid, torn"      //
	bootTime = 35 * time.Second // power back to agent
	killTime = 2 * time.Second  // restart by systemd
)

var crashModes = []string{killed, lost, torn, kept, midLost, midTorn}

// crash is one planned loss: at the point-th point of a node.
type crash struct {
	node  string
	point int
	mode  string
}

func (c crash) String() string { return fmt.Sprintf("%s %s at point %d", c.node, c.mode, c.point) }

// errGone is what an agent's every operation returns after its end.
var errGone = errors.New("the process has ended")

// point passes one point of a node, where a crash may be planned.
func (a *simAgent) point(life int, name string) error {
	if !a.here(life) {
		return errGone
	}
	a.points++
	a.trace = append(a.trace, name)
	if a.s.onPoint != nil {
		a.s.onPoint(a)
	}
	for _, c := range a.s.plan {
		if c.node == a.name && c.point == a.points {
			a.s.logf("CRASH %v (%s)", c, name)
			a.s.hit++
			a.s.crash(c)
		}
	}
	if !a.here(life) {
		return errGone
	}
	return nil
}

// crash takes an agent or its machine down, and has it come back.
func (s *sim) crash(c crash) {
	a := s.agents[c.node]
	switch c.mode {
	case killed:
		a.end()
		s.w.Sim().After(killTime, func() { a.restart(a.life) })
	case midLost, midTorn:
		life := a.life
		s.w.Sim().After(time.Duration(s.rnd.Intn(4000))*time.Millisecond, func() {
			if a.here(life) {
				s.powerCut(c.node, strings.Replace(c.mode, "mid", "power", 1), bootTime)
			}
		})
	default:
		s.powerCut(c.node, c.mode, bootTime)
	}
}

func (a *simAgent) end() {
	if a.alive {
		a.heard()
	}
	a.alive = false
	if a.cancel != nil {
		a.cancel()
	}
}

func (a *simAgent) restart(life int) {
	if !a.alive && a.life == life {
		a.start()
	}
}

func (s *sim) powerCut(node, mode string, off time.Duration) {
	a := s.agents[node]
	a.end()
	a.left = a.settled
	s.w.PowerCut(node, map[string]world.CutMode{lost: world.Lost, torn: world.Torn, kept: world.Kept}[mode])
	s.w.Sim().After(off, func() { s.boot(node) })
}

// boot starts a machine: the Proxmox software, then the agent.
func (s *sim) boot(node string) {
	a := s.agents[node]
	if s.away[node] || s.w.Node(node).Powered() {
		return
	}
	a.life++
	life := a.life
	s.w.Sim().Go(node+" boot", func() {
		s.w.Boot(node, nil)
		if a.life == life && s.w.Node(node).Powered() {
			a.start()
		}
	})
}
