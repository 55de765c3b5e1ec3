package disk

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

func fail(op, p string, err error) error { return &fs.PathError{Op: op, Path: p, Err: err} }

func (d *Disk) over(p string) (Overlay, string) {
	if d.Over == nil {
		return nil, ""
	}
	return d.Over(p)
}

func (d *Disk) get(op, p string) (Inode, error) {
	if o, rel := d.over(p); o != nil {
		return o.Get(op, rel)
	}
	if p == "/" {
		return Inode{Mode: fs.ModeDir | 0o755}, nil
	}
	n, ok := d.Live[p]
	if !ok {
		return n, fail(op, p, syscall.ENOENT)
	}
	return n, nil
}

// find is what a path means, and where it is: links on its way are resolved, the
// last element only if asked for. What is there by its own name has none on its way.
func (d *Disk) find(op, p string, follow bool) (Inode, string, error) {
	at := path.Clean("/" + p)
	for range 40 {
		n, err := d.get(op, at)
		if err == nil && !(follow && n.isLink()) {
			return n, at, nil
		}
		link, rest := at, ""
		if err != nil {
			n, link, rest = d.linkOn(at)
		}
		switch {
		case n.isLink():
		case rest != "":
			return Inode{}, at, fail(op, p, syscall.ENOTDIR)
		default: // nothing is there, and no link leads to it
			if errors.Is(err, syscall.ENOENT) {
				err = fail(op, p, syscall.ENOENT)
			}
			return Inode{}, at, err
		}
		if !path.IsAbs(n.Target) {
			n.Target = path.Join(path.Dir(link), n.Target)
		}
		at = path.Join(n.Target, rest)
	}
	return Inode{}, at, fail(op, p, syscall.ELOOP)
}

// linkOn is the first on the way to a path that is no directory, a link most often,
// and what follows behind it.
func (d *Disk) linkOn(p string) (n Inode, link, rest string) {
	for i := 1; i < len(p); i++ {
		if p[i] == '/' {
			if n, err := d.get("open", p[:i]); err == nil && !n.Mode.IsDir() {
				return n, p[:i], p[i:]
			}
		}
	}
	return Inode{}, "", ""
}

// where is where a path would be written.
func (d *Disk) where(p string, follow bool) (string, error) {
	_, at, err := d.find("open", p, follow)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR) {
		return at, err
	}
	return at, nil
}

// Follow resolves links, and says where they lead.
func (d *Disk) Follow(op, p string) (Inode, string, error) { return d.find(op, p, true) }

// ReadFile reads a file.
func (d *Disk) ReadFile(p string) ([]byte, error) {
	n, _, err := d.find("open", p, true)
	if err != nil {
		return nil, err
	}
	if n.Mode.IsDir() {
		return nil, fail("read", p, syscall.EISDIR)
	}
	return append([]byte(nil), n.Text()...), nil
}

func (d *Disk) write(p string, n Inode, follow, flush bool) error {
	at, err := d.where(p, follow)
	if err != nil {
		return err
	}
	n.Content, n.When = append([]byte(nil), n.Content...), d.Now()
	if o, rel := d.over(at); o != nil {
		return o.Write(rel, n)
	}
	err = d.Put(at, n)
	if err == nil && (flush || d.Flushed != nil && d.Flushed(at)) {
		d.fsync(at)
	}
	return err
}

// WriteFile replaces a file atomically and durably.
func (d *Disk) WriteFile(p string, content []byte, mode fs.FileMode) error {
	return d.write(p, Inode{Mode: mode.Perm(), Content: content}, false, true)
}

// WriteDirect writes in place, into a directory that is there, and flushes nothing.
func (d *Disk) WriteDirect(p string, content []byte) error {
	old, at, err := d.find("open", p, true)
	if errors.Is(err, fs.ErrNotExist) {
		old.Mode, err = 0o644, d.directory("open", at)
	}
	if err != nil {
		return err
	}
	return d.write(p, Inode{Mode: old.Mode.Perm(), Content: content, UID: old.UID, GID: old.GID}, true, false)
}

// directory fails where there is none for a path to be written into.
func (d *Disk) directory(op, at string) error {
	if above, err := d.get(op, path.Dir(at)); !d.Loose && (err != nil || !above.Mode.IsDir()) {
		return fail(op, at, syscall.ENOENT)
	}
	return nil
}

// Program writes as a program does that makes directories and flushes nothing.
func (d *Disk) Program(p, text string) error {
	return errors.Join(d.MkdirAll(path.Dir(p), 0o755), d.WriteDirect(p, []byte(text)))
}

// Append adds to a file and flushes it.
func (d *Disk) Append(p string, content []byte, mode fs.FileMode) error {
	old, _, err := d.find("append", p, true)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		old.Mode = mode
	case err != nil:
		return err
	case old.Mode.IsDir():
		return fail("append", p, syscall.EISDIR)
	}
	return d.write(p, Inode{Mode: old.Mode.Perm(), Content: slices.Concat(old.Text(), content), UID: old.UID, GID: old.GID}, true, true)
}

// Remove removes a file, a link or an empty directory; a missing one is no error.
func (d *Disk) Remove(p string) error {
	n, at, err := d.find("remove", p, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if n.Mode.IsDir() && len(d.children(at)) > 0 {
		return fail("remove", p, syscall.ENOTEMPTY)
	}
	if o, rel := d.over(at); o != nil {
		return o.Remove(rel)
	}
	if d.Removing != nil {
		d.Removing(at)
	}
	d.drop(at)
	return nil
}

// RemoveAll removes a path with all that is below it.
func (d *Disk) RemoveAll(p string) {
	at, _ := d.where(p, false)
	for name := range d.Live {
		if strings.HasPrefix(name, at+"/") {
			d.drop(name)
		}
	}
	d.drop(at)
}

// Rename moves a path with all that is below it; durable at the next sync.
func (d *Disk) Rename(from, to string) error {
	n, old, missing := d.find("rename", from, false)
	there, at, err := d.find("rename", to, false)
	switch {
	case missing != nil && !errors.Is(missing, syscall.ENOENT):
		return missing
	case errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR):
		return err
	case missing != nil:
		return missing
	case err == nil && there.Mode.IsDir():
		return fail("rename", to, syscall.EEXIST)
	case d.directory("rename", at) != nil:
		return d.directory("rename", at)
	case strings.HasPrefix(at, old+"/"):
		return fail("rename", from, syscall.EINVAL)
	case err == nil && n.Mode.IsDir():
		return fail("rename", to, syscall.ENOTDIR)
	case at == old:
		return nil
	}
	if o, rel := d.over(at); o != nil {
		if err := o.Write(rel, n); err != nil {
			return err
		}
	} else if err := d.Put(at, n); err != nil {
		return err
	}
	if o, rel := d.over(old); o != nil {
		return o.Remove(rel)
	}
	for _, name := range d.children(old) {
		if err := d.Rename(path.Join(old, name), path.Join(at, name)); err != nil {
			return err
		}
	}
	d.drop(old)
	return nil
}

// Symlink makes a link; durable at the next sync.
func (d *Disk) Symlink(target, p string) error {
	at, err := d.where(p, false)
	if err != nil {
		return err
	}
	if _, there := d.Live[at]; there {
		return fail("symlink", p, syscall.EEXIST)
	}
	return d.Put(at, Inode{Mode: fs.ModeSymlink | 0o777, Target: target, When: d.Now()})
}

// MkdirAll makes a directory and those above it.
func (d *Disk) MkdirAll(p string, mode fs.FileMode) error {
	at, err := d.where(p, true)
	if err != nil {
		return err
	}
	if o, rel := d.over(at); o != nil {
		return o.Mkdir(rel)
	}
	if n, err := d.get("mkdir", at); err == nil && n.Mode.IsDir() {
		return nil
	} else if err == nil {
		return fail("mkdir", p, syscall.ENOTDIR)
	}
	return d.Put(at, Inode{Mode: fs.ModeDir | mode.Perm(), When: d.Now()})
}

// Mkdir makes one directory that is not there yet.
func (d *Disk) Mkdir(p string, mode fs.FileMode) error {
	at, err := d.where(p, true)
	if err != nil {
		return err
	}
	if _, err := d.get("mkdir", at); err == nil {
		return fail("mkdir", p, syscall.EEXIST)
	}
	if above, err := d.get("mkdir", path.Dir(at)); err != nil || !above.Mode.IsDir() {
		return fail("mkdir", p, syscall.ENOENT)
	}
	return d.MkdirAll(at, mode)
}

// Chtimes sets when a path was last changed.
func (d *Disk) Chtimes(p string, when time.Time) error {
	n, at, err := d.find("utimes", p, true)
	if err != nil {
		return err
	}
	n.When = when
	if o, rel := d.over(at); o != nil {
		return o.Touch(rel, n)
	}
	return d.Put(at, n)
}

func (d *Disk) info(op, p string, follow bool) (fs.FileInfo, error) {
	n, _, err := d.find(op, p, follow)
	if err != nil {
		return nil, err
	}
	return entry{path.Base(p), n}, nil
}

// Lstat describes a path without following a link.
func (d *Disk) Lstat(p string) (fs.FileInfo, error) { return d.info("lstat", p, false) }

// Stat describes what a path leads to.
func (d *Disk) Stat(p string) (fs.FileInfo, error) { return d.info("stat", p, true) }

func (d *Disk) children(at string) []string {
	if o, rel := d.over(at); o != nil {
		return o.Children(rel)
	}
	return Children(d.Live, at)
}

// ReadDir lists a directory.
func (d *Disk) ReadDir(p string) ([]fs.DirEntry, error) {
	n, at, err := d.find("open", p, true)
	if err != nil {
		return nil, err
	}
	if !n.Mode.IsDir() {
		return nil, fail("readdir", p, syscall.ENOTDIR)
	}
	var out []fs.DirEntry
	for _, name := range d.children(at) {
		child, err := d.get("lstat", path.Join(at, name))
		if err != nil {
			return nil, err
		}
		out = append(out, fs.FileInfoToDirEntry(entry{name, child}))
	}
	return out, nil
}

// Glob are the paths that match a pattern.
func (d *Disk) Glob(pattern string) (out []string) {
	for p := range d.Live {
		if ok, _ := path.Match(pattern, p); ok {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// Readlink reads a link.
func (d *Disk) Readlink(p string) (string, error) {
	n, _, err := d.find("readlink", p, false)
	if err == nil && !n.isLink() {
		err = fail("readlink", p, syscall.EINVAL)
	}
	return n.Target, err
}

func (d *Disk) alter(op, p string, do func(*Inode)) error {
	n, at, err := d.find(op, p, true)
	if err != nil {
		return err
	}
	if o, _ := d.over(at); o != nil {
		return fail(op, p, syscall.EPERM) // as pmxcfs does
	}
	do(&n)
	return d.Put(at, n)
}

// Chmod changes the permission bits.
func (d *Disk) Chmod(p string, mode fs.FileMode) error {
	return d.alter("chmod", p, func(n *Inode) { n.Mode = n.Mode.Type() | mode.Perm() })
}

// Chown changes the owner.
func (d *Disk) Chown(p string, uid, gid int) error {
	return d.alter("chown", p, func(n *Inode) { n.UID, n.GID = uid, gid })
}

// entry is fs.FileInfo of a node.
type entry struct {
	name string
	n    Inode
}

func (e entry) Name() string { return e.name }
func (e entry) Size() int64 {
	if e.n.isLink() {
		return int64(len(e.n.Target))
	}
	return int64(len(e.n.Text()))
}
func (e entry) Mode() fs.FileMode  { return e.n.Mode }
func (e entry) ModTime() time.Time { return e.n.When }
func (e entry) IsDir() bool        { return e.n.Mode.IsDir() }
func (e entry) Sys() any           { return &syscall.Stat_t{Uid: uint32(e.n.UID), Gid: uint32(e.n.GID)} }
