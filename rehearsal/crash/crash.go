// Package crash is a machine that loses power on demand, for tests.
//
// Its disk is that of package disk. Every write and every command that may change something is
// a point; a test first counts the points of an undisturbed run, then repeats
// the run with a cut before and after each of them, and compares what the
// machine looks like in the end. It is imported by tests only.
//
// What a cut does to the last write depends on its Fate. A file that was
// replaced atomically is the old one or the new one, perhaps with a torn
// temporary file beside it. Everything that was not flushed (WriteDirect,
// Remove, Rename, Symlink, MkdirAll, Chmod, Chown, and what a command did) may be lost;
// after Files.Sync nothing is.
package crash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"ringboot/firstboot/host"
	"ringboot/rehearsal/disk"
)

// ErrPowerCut is the error of every call between a cut and Reboot.
var ErrPowerCut = errors.New("the power is cut")

// When says on which side of the point the power goes.
type When int

const (
	// Before cuts the power before anything of the point happens.
	Before When = iota
	// After cuts it after the point's work and before its caller hears of it.
	After
)

// Fate says what becomes of what was not flushed.
type Fate int

const (
	// Kept keeps everything, as when only the process is killed.
	Kept Fate = iota
	// Lost undoes the point's own write.
	Lost
	// Torn keeps half of the point's own write: half of an appended text, half
	// of a command that can be run partly, or half a temporary file.
	Torn
	// Unsynced undoes every write since the last Sync that did not flush itself.
	Unsynced
)

func (f Fate) String() string { return [...]string{"kept", "lost", "torn", "unsynced"}[f] }

// Cut is one power cut.
type Cut struct {
	Point int // from 1; 0: never
	When  When
	Fate  Fate
	// Kill takes the process only: the machine stays up, nothing is lost.
	Kill bool
}

func (c Cut) String() string {
	side := "before"
	if c.When == After {
		side = "after"
	}
	if c.Kill {
		return fmt.Sprintf("agent killed %s point %d", side, c.Point)
	}
	return fmt.Sprintf("power cut %s point %d, last write %s", side, c.Point, c.Fate)
}

// Cuts lists every cut worth trying at one point.
func Cuts(point int) []Cut {
	return []Cut{
		{Point: point, When: Before, Fate: Kept},
		{Point: point, When: Before, Fate: Unsynced},
		{Point: point, When: After, Fate: Kept},
		{Point: point, When: After, Fate: Lost},
		{Point: point, When: After, Fate: Torn},
		{Point: point, When: After, Fate: Unsynced},
		{Point: point, When: Before, Kill: true},
		{Point: point, When: After, Kill: true},
	}
}

// Partial is implemented by stand-in commands that can stop half way.
type Partial interface {
	RunPartly(ctx context.Context, cmd host.Cmd)
}

// Rebooter is implemented by stand-ins that hold state which a reboot clears.
type Rebooter interface{ Reboot() }

// Machine is a Host that loses power at its cut.
type Machine struct {
	*disk.Disk // reads are the disk's
	commands   host.Commands
	clock      host.Clock

	mu   sync.Mutex
	cut  Cut
	log  []string // the points since Arm
	dead bool
}

// New is a machine with this disk, all of it flushed. The commands are stand-ins
// that work on it, or nil where none is run.
func New(d *disk.Disk, commands host.Commands, clock host.Clock) *Machine {
	d.Flush()
	return &Machine{Disk: d, commands: commands, clock: clock}
}

// Arm sets the next cut and counts the points from 1 again.
func (m *Machine) Arm(c Cut) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut, m.log = c, nil
}

// Points is the number of points that were passed since Arm.
func (m *Machine) Points() int { return len(m.Log()) }

// Log names the points that were passed since Arm, for the message of a test.
func (m *Machine) Log() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.log)
}

// Dead reports whether the power is cut.
func (m *Machine) Dead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// Reboot brings the machine, or the killed agent, back and disarms the cut.
func (m *Machine) Reboot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	killed := m.cut.Kill
	m.dead, m.cut = false, Cut{}
	if r, ok := m.commands.(Rebooter); ok && !killed {
		r.Reboot()
	}
}

// Host is the machine as an agent sees it.
func (m *Machine) Host() host.Host {
	return host.Host{Files: (*files)(m), Commands: (*commands)(m), Clock: (*clock)(m)}
}

// point passes one point: do does the work, and torn half of it.
func (m *Machine) point(name string, do func() error, torn func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return ErrPowerCut
	}
	m.log = append(m.log, name)
	if m.cut.Point != len(m.log) {
		return do()
	}
	m.dead = true
	back := m.mark()
	switch {
	case m.cut.When == Before:
	case m.cut.Fate == Torn && !m.cut.Kill:
		if torn != nil {
			torn()
		}
	default:
		do()
	}
	switch {
	case m.cut.Kill:
		return ErrPowerCut
	case m.cut.Fate == Lost:
		back()
	}
	fate := disk.Kept
	if m.cut.Fate == Unsynced {
		fate = disk.Lost
	}
	m.Cut(fate, nil)
	return ErrPowerCut
}

// mark remembers the disk, and what the stand-ins of the commands keep outside of it.
func (m *Machine) mark() (back func()) {
	files, tools := m.Mark(), func() {}
	if s, ok := m.commands.(interface{ Snapshot() func() }); ok {
		tools = s.Snapshot()
	}
	return func() { files(); tools() }
}

// commandName is how a command appears in the log.
func commandName(cmd host.Cmd) string { return "run " + strings.Join(cmd.Argv, " ") }
