// Package crash is a machine that loses power on demand, for tests.
//
// It wraps a Host. Every write and every command that may change something is
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
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"ringboot/firstboot/host"
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
	// Lost undoes the point's own write if it was not flushed.
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
	root  string
	inner host.Host

	mu     sync.Mutex
	cut    Cut
	points int
	log    []string
	dead   bool
	undo   []change // since the last Sync, oldest first
}

// change is one write that was not flushed, and how to undo it.
type change struct {
	paths []string
	back  func()
}

// New wraps the host whose files live below root, a directory of the test.
// The commands of inner are stand-ins, or nil where no command is run.
func New(root string, inner host.Host) *Machine { return &Machine{root: root, inner: inner} }

// Arm sets the next cut and counts the points from 1 again.
func (m *Machine) Arm(c Cut) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut, m.points, m.log = c, 0, nil
}

// Points is the number of points that were passed since Arm.
func (m *Machine) Points() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.points
}

// Log names the points that were passed since Arm, for the message of a test.
func (m *Machine) Log() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.log...)
}

// Dead reports whether the power is cut.
func (m *Machine) Dead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// Reboot brings the machine, or the killed agent, back and disarms the cut.
// After a power cut /run and /tmp are empty.
func (m *Machine) Reboot() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	killed := m.cut.Kill
	m.dead, m.cut, m.undo = false, Cut{}, nil
	if killed {
		return nil
	}
	for _, dir := range []string{"run", "tmp"} {
		at := filepath.Join(m.root, dir)
		entries, err := os.ReadDir(at)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(at, e.Name())); err != nil {
				return err
			}
		}
	}
	if r, ok := m.inner.Commands.(Rebooter); ok {
		r.Reboot()
	}
	return nil
}

// Host is the machine as an agent sees it.
func (m *Machine) Host() host.Host {
	return host.Host{Files: (*files)(m), Commands: (*commands)(m), Clock: (*clock)(m)}
}

// point passes one point: do does the work, torn does half of it, undo takes
// it back. durable work flushes itself and is never lost once it is done.
func (m *Machine) point(name string, paths []string, durable bool, do func() error, torn func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return ErrPowerCut
	}
	m.points++
	m.log = append(m.log, name)
	here := m.cut.Point == m.points
	if here && m.cut.When == Before {
		m.die(nil)
		return ErrPowerCut
	}
	if here && m.cut.Fate == Torn && !m.cut.Kill {
		if torn != nil {
			torn()
		}
		m.die(nil)
		return ErrPowerCut
	}
	var back func()
	if !durable {
		back = m.snapshot(paths)
	}
	before := m.before(durable, paths)
	err := do()
	m.undo = append(m.undo, m.changed(before)...)
	if durable {
		// An older write to this path that was not flushed is overtaken.
		m.forget(paths)
	} else {
		m.undo = append(m.undo, change{paths, back})
	}
	if here {
		m.die(back)
		return ErrPowerCut
	}
	return err
}

// die cuts the power; back undoes the last write, if it can be lost.
func (m *Machine) die(back func()) {
	m.dead = true
	if m.cut.Kill {
		return
	}
	switch m.cut.Fate {
	case Lost:
		if back != nil {
			back()
		}
	case Unsynced:
		for i := len(m.undo) - 1; i >= 0; i-- {
			m.undo[i].back()
		}
	}
}

// forget drops the undo entries of the paths.
func (m *Machine) forget(paths []string) {
	kept := m.undo[:0]
	for _, c := range m.undo {
		if !slices.Equal(c.paths, paths) {
			kept = append(kept, c)
		}
	}
	m.undo = kept
}

// alive fails while the power is cut.
func (m *Machine) alive() error {
	if m.Dead() {
		return ErrPowerCut
	}
	return nil
}

// at is where a path of the node lies.
func (m *Machine) at(path string) string { return filepath.Join(m.root, filepath.Clean("/"+path)) }

// snapshot remembers the paths, or without any the whole root, and returns
// what brings them back. The state of the stand-in commands, which is what their
// tools keep outside of files, goes with the whole root.
func (m *Machine) snapshot(paths []string) func() {
	if len(paths) > 0 {
		old := map[string]map[string]entry{}
		for _, path := range paths {
			old[path] = capture(m.at(path))
		}
		return func() {
			for path, tree := range old {
				restore(m.at(path), tree)
			}
		}
	}
	if m.cut.Point != m.points || m.cut.Fate != Lost {
		return func() {} // of an earlier command, changed has the files; what its tools keep elsewhere counts as flushed
	}
	old := capture(m.root)
	var tools func()
	if s, ok := m.inner.Commands.(interface{ Snapshot() func() }); ok {
		tools = s.Snapshot()
	}
	return func() {
		restore(m.root, old)
		if tools != nil {
			tools()
		}
	}
}

// before is how all files look before a command of a machine that loses what was
// not flushed; nil: nobody has to know.
func (m *Machine) before(durable bool, paths []string) map[string]entry {
	if durable || len(paths) > 0 || m.cut.Fate != Unsynced || m.cut.Kill {
		return nil
	}
	return capture(m.root)
}

// changed are the files that differ from how they looked before, each with what
// undoes it.
func (m *Machine) changed(before map[string]entry) (out []change) {
	if before == nil {
		return nil
	}
	now := capture(m.root)
	for path, e := range now {
		if old, was := before[path]; e.mode.IsRegular() && (!was || string(old.content) != string(e.content)) {
			name := strings.TrimPrefix(path, m.root)
			tree := map[string]entry{}
			if was {
				tree[path] = old
			}
			out = append(out, change{[]string{name}, func() { restore(path, tree) }})
		}
	}
	return out
}

// commandName is how a command appears in the log.
func commandName(cmd host.Cmd) string { return "run " + strings.Join(cmd.Argv, " ") }
