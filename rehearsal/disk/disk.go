// Package disk is a file system in memory that knows what of it is durable: what
// a machine wrote and did not flush is at the mercy of the next power cut. The
// one world (package sim) and the machine that is cut off at a chosen point
// (package crash) stand on it.
package disk

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Inode is a file, a directory or a link. It is never changed, only replaced.
type Inode struct {
	Mode     fs.FileMode
	Content  []byte
	Target   string
	When     time.Time
	Rows     interface{ Encode() []byte } // a database in place of Content: written often, read seldom
	UID, GID int
	// Atomic: after a power cut there is the old content or the new one, never
	// half of it. A database in WAL mode rolls back to a transaction.
	Atomic bool
	// Turn is the number of the change that made it, by which a test sees that nothing was written.
	Turn int
}

// Text is what a file holds.
func (n Inode) Text() []byte {
	if n.Rows != nil {
		return n.Rows.Encode()
	}
	return n.Content
}

func (n Inode) isLink() bool { return n.Mode&fs.ModeSymlink != 0 }

// Overlay is what lies over a part of a disk, as a pseudo file system does. Its
// paths are relative to that part.
type Overlay interface {
	Get(op, rel string) (Inode, error)
	Write(rel string, n Inode) error
	Remove(rel string) error
	Mkdir(rel string) error
	Touch(rel string, n Inode) error
	Children(rel string) []string
}

// Disk is one file system with what a power cut would leave of it. Its methods
// are the files of a machine: what one flushes is durable when it returns.
type Disk struct {
	Live map[string]Inode
	Now  func() time.Time
	Full bool // nothing more can be written
	// Loose: a directory is there as soon as something is written into it, for a
	// machine whose installation is not played.
	Loose bool
	// Over, if set, says what lies over a path.
	Over func(path string) (over Overlay, rel string)
	// Flushed, if set, reports whether who writes a file flushes it.
	Flushed func(path string) bool
	// Removing, if set, hears of a path before it goes.
	Removing func(path string)

	durable map[string]Inode
	pending []change
	turn    int
}

type change struct {
	path string
	node Inode
	gone bool
}

// New is an empty disk.
func New(now func() time.Time) *Disk {
	d := &Disk{Now: now}
	d.Wipe()
	return d
}

// Wipe leaves nothing on it.
func (d *Disk) Wipe() { d.Live, d.durable, d.pending = map[string]Inode{}, map[string]Inode{}, nil }

// Put places a node as it is, and makes the directories above it.
func (d *Disk) Put(p string, n Inode) error {
	if d.Full && n.Mode.IsRegular() && (n.Rows != nil || len(n.Content) > 0) {
		return fail("write", p, syscall.ENOSPC)
	}
	if old, there := d.Live[p]; there && old.Mode.IsDir() && !n.Mode.IsDir() {
		return fail("write", p, syscall.EISDIR)
	}
	for dir := path.Dir(p); dir != "/" && dir != "."; dir = path.Dir(dir) {
		if above, ok := d.Live[dir]; ok && !above.Mode.IsDir() {
			return fail("write", p, syscall.ENOTDIR)
		} else if ok {
			break
		}
		d.apply(change{path: dir, node: Inode{Mode: fs.ModeDir | 0o755, When: n.When}})
	}
	d.apply(change{path: p, node: n})
	return nil
}

func (d *Disk) apply(c change) {
	d.turn++
	c.node.Turn = d.turn
	d.pending = append(d.pending, c)
	play(d.Live, c)
}

func play(m map[string]Inode, c change) {
	if c.gone {
		delete(m, c.path)
		return
	}
	m[c.path] = c.node
}

func (d *Disk) drop(p string) {
	if _, ok := d.Live[p]; ok {
		d.apply(change{path: p, gone: true})
	}
}

// Sync makes everything durable, and cannot fail.
func (d *Disk) Sync() error {
	d.Flush()
	return nil
}

// Flush makes everything durable.
func (d *Disk) Flush() {
	for _, c := range d.pending {
		play(d.durable, c)
	}
	d.pending = nil
}

// fsync makes one path and the directories above it durable.
func (d *Disk) fsync(p string) {
	rest := d.pending[:0:0]
	for _, c := range d.pending {
		if c.path == p || strings.HasPrefix(p, c.path+"/") {
			play(d.durable, c)
		} else {
			rest = append(rest, c)
		}
	}
	d.pending = rest
}

// Fate says what a power cut does to writes that were not flushed.
type Fate int

// The ways in which power goes.
const (
	Lost Fate = iota // none of them reached the disk
	Torn             // the first ones did, the next one by half
	Kept             // all of them did
)

// Cut loses power. random picks how far a torn disk got.
func (d *Disk) Cut(fate Fate, random func(int) int) {
	switch fate {
	case Kept:
		d.Flush()
	case Torn:
		if n := len(d.pending); n > 0 {
			keep := random(n + 1)
			for _, c := range d.pending[:keep] {
				play(d.durable, c)
			}
			if keep < n {
				c := d.pending[keep]
				if !c.gone && c.node.Mode.IsRegular() && !c.node.Atomic {
					c.node.Content = c.node.Content[:random(len(c.node.Content)+1)]
					play(d.durable, c)
				}
			}
		}
	}
	d.pending = nil
	// /run and /tmp are memory: nothing of them outlives the power.
	maps.DeleteFunc(d.durable, func(p string, _ Inode) bool { return strings.HasPrefix(p, "/run/") || strings.HasPrefix(p, "/tmp/") })
	d.Live = maps.Clone(d.durable)
}

// Mark remembers the disk as it is; what it returns has it so again, and durable.
func (d *Disk) Mark() (back func()) {
	live := maps.Clone(d.Live)
	return func() { d.Live, d.durable, d.pending = live, maps.Clone(live), nil }
}

// Children are the names in a directory of a tree.
func Children(m map[string]Inode, dir string) []string {
	var names []string
	prefix := strings.TrimSuffix(dir, "/") + "/"
	for p := range m {
		if rest, ok := strings.CutPrefix(p, prefix); ok && rest != "" && !strings.Contains(rest, "/") {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}
