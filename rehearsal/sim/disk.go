package sim

import (
	"io/fs"
	"maps"
	"path"
	"sort"
	"strings"
	"syscall"
	"time"
)

// inode is a file, a directory or a link. It is never changed, only replaced.
type inode struct {
	mode    fs.FileMode
	content []byte
	target  string
	when    time.Time
	db      *snapshot // the database of pmxcfs, in place of content: written often, read seldom
	// atomic: after a power cut there is the old content or the new one, never
	// half of it. A database in WAL mode rolls back to a transaction.
	atomic bool
}

// text is what a file holds.
func (n inode) text() []byte {
	if n.db != nil {
		return n.db.encode()
	}
	return n.content
}

// disk is one file system with what a power cut would leave of it.
type disk struct {
	live, durable map[string]inode
	pending       []change
	full          bool // nothing more can be written
}

type change struct {
	path string
	node inode
	gone bool
}

func newDisk() *disk {
	return &disk{live: map[string]inode{}, durable: map[string]inode{}}
}

func (d *disk) put(p string, n inode) error {
	if d.full && n.mode.IsRegular() && (n.db != nil || len(n.content) > 0) {
		return &fs.PathError{Op: "write", Path: p, Err: syscall.ENOSPC}
	}
	for dir := path.Dir(p); dir != "/" && dir != "."; dir = path.Dir(dir) {
		if _, ok := d.live[dir]; ok {
			break
		}
		d.apply(change{path: dir, node: inode{mode: fs.ModeDir | 0o755, when: n.when}})
	}
	d.apply(change{path: p, node: n})
	return nil
}

func (d *disk) apply(c change) {
	d.pending = append(d.pending, c)
	play(d.live, c)
}

func play(m map[string]inode, c change) {
	if c.gone {
		delete(m, c.path)
		return
	}
	m[c.path] = c.node
}

func (d *disk) remove(p string) {
	if _, ok := d.live[p]; ok {
		d.apply(change{path: p, gone: true})
	}
}

// sync makes everything durable.
func (d *disk) sync() {
	for _, c := range d.pending {
		play(d.durable, c)
	}
	d.pending = nil
}

// fsync makes one path and the directories above it durable.
func (d *disk) fsync(p string) {
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

// CutMode says what a power cut does to writes that were not synced.
type CutMode int

// The ways in which power goes.
const (
	Lost CutMode = iota // none of them reached the disk
	Torn                // the first ones did, the next one by half
	Kept                // all of them did
)

// cut loses power. random picks how far a torn disk got.
func (d *disk) cut(mode CutMode, random func(int) int) {
	switch mode {
	case Kept:
		d.sync()
	case Torn:
		if n := len(d.pending); n > 0 {
			keep := random(n + 1)
			for _, c := range d.pending[:keep] {
				play(d.durable, c)
			}
			if keep < n {
				c := d.pending[keep]
				if !c.gone && c.node.mode.IsRegular() && !c.node.atomic {
					c.node.content = c.node.content[:random(len(c.node.content)+1)]
					play(d.durable, c)
				}
			}
		}
	}
	d.pending = nil
	// /run is memory: nothing of it outlives the power.
	maps.DeleteFunc(d.durable, func(p string, _ inode) bool { return strings.HasPrefix(p, "/run/") })
	d.live = maps.Clone(d.durable)
}

// flushesItself tells which files are written by programs that flush what
// they write: the hardware itself, and what ceph-mon makes, database and key.
func flushesItself(p string) bool {
	return strings.HasPrefix(p, "/var/lib/pvestandin/") || strings.HasSuffix(p, "/store.json") || strings.HasPrefix(p, "/var/lib/ceph/mon/")
}

func (d *disk) children(dir string) []string { return childrenOf(d.live, dir) }

func childrenOf(m map[string]inode, dir string) []string {
	var names []string
	prefix := strings.TrimSuffix(dir, "/") + "/"
	for p := range m {
		if rest, ok := strings.CutPrefix(p, prefix); ok && rest != "" && !strings.Contains(rest, "/") {
			names = append(names, rest)
		}
	}
	sort.Strings(names)
	return names
}

// entry is fs.FileInfo and fs.DirEntry of an inode.
type entry struct {
	name string
	n    inode
}

func (e entry) Name() string { return e.name }
func (e entry) Size() int64 {
	if e.n.mode&fs.ModeSymlink != 0 {
		return int64(len(e.n.target))
	}
	return int64(len(e.n.text()))
}
func (e entry) Mode() fs.FileMode          { return e.n.mode }
func (e entry) ModTime() time.Time         { return e.n.when }
func (e entry) IsDir() bool                { return e.n.mode.IsDir() }
func (e entry) Sys() any                   { return nil }
func (e entry) Type() fs.FileMode          { return e.n.mode.Type() }
func (e entry) Info() (fs.FileInfo, error) { return e, nil }
