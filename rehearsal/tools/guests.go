package tools

import (
	"fmt"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// rows are guests of which nothing runs.
type rows struct{}

func (rows) Start(string, string) (int, error)               { return 4242, nil }
func (rows) Move(string, string) (int, time.Duration, error) { return 4242, 0, nil }
func (rows) End(string)                                      {}

func guestsOf(m sim.Machine) sim.Guests {
	if c, ok := m.(*sim.Call); ok {
		m = c.Machine
	}
	if g, ok := m.(sim.Guester); ok && g.Guests() != nil {
		return g.Guests()
	}
	return rows{}
}

// startGuest starts a guest and marks that it runs.
func startGuest(m sim.Machine, id string) error {
	_, kv := lines(m, guestConf(m.Name(), id))
	image, _, _ := strings.Cut(kv["scsi0"], ",")
	pid, err := guestsOf(m).Start(id, strings.Replace(image, ":", "/", 1))
	if err != nil {
		return err
	}
	return m.WriteDirect(runMark(id), fmt.Appendln(nil, pid))
}

// moveGuest is the live migration itself: configuration and process. downtime is 0
// where nothing ran.
func moveGuest(m sim.Machine, id, target string) (downtime time.Duration, err error) {
	r := shell.Remote(m, target)
	if r == nil {
		return 0, fmt.Errorf("can't connect to destination address using public key")
	}
	running, pid := shell.Exists(m, runMark(id)), 0
	if running {
		if pid, downtime, err = guestsOf(m).Move(id, target); err != nil {
			return 0, err
		}
	}
	if err := m.Rename(guestConf(m.Name(), id), guestConf(target, id)); err != nil {
		return 0, err
	}
	if running {
		_ = r.WriteDirect(runMark(id), fmt.Appendln(nil, pid))
		_ = m.Remove(runMark(id))
	}
	return downtime, nil
}
