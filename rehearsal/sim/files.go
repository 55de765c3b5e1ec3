package sim

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

const (
	EtcPVE   = "/etc/pve"
	Database = "/var/lib/pve-cluster/config.db"
	KeyFile  = "/etc/corosync/authkey"
	HostConf = "/etc/corosync/corosync.conf"
)

// Files are the files of a node: /etc/pve through its pmxcfs, everything else
// on its disk. What a method syncs is durable when it returns; the rest is at
// the mercy of the next power cut.
type Files struct{ n *Node }

func inPve(p string) (string, bool) {
	if p == EtcPVE {
		return "", true
	}
	return strings.CutPrefix(p, EtcPVE+"/")
}

func pathErr(op, p string, err error) error { return &fs.PathError{Op: op, Path: p, Err: err} }

func (f Files) get(op, p string) (inode, error) {
	if rel, ok := inPve(p); ok {
		return f.n.pm.get(op, rel)
	}
	if p == bootIDFile {
		return inode{mode: 0o444, content: fmt.Appendf(nil, "%s-boot-%d\n", f.n.name, f.n.boots)}, nil
	}
	n, ok := f.n.disk.live[p]
	if !ok {
		return inode{}, pathErr(op, p, syscall.ENOENT)
	}
	return n, nil
}

// follow resolves links.
func (f Files) follow(op, p string) (inode, string, error) {
	for range 10 {
		n, err := f.get(op, p)
		if err != nil {
			// a link in the middle of the path
			if dir := path.Dir(p); dir != "/" && dir != "." && errors.Is(err, fs.ErrNotExist) {
				if d, e := f.get(op, dir); e == nil && d.mode&fs.ModeSymlink != 0 {
					p = path.Join(path.Dir(dir), d.target, path.Base(p))
					continue
				}
			}
			return inode{}, p, err
		}
		if n.mode&fs.ModeSymlink == 0 {
			return n, p, nil
		}
		if path.IsAbs(n.target) {
			p = n.target
		} else {
			p = path.Join(path.Dir(p), n.target)
		}
	}
	return inode{}, p, pathErr(op, p, syscall.ELOOP)
}

// ReadFile reads a file.
func (f Files) ReadFile(p string) ([]byte, error) {
	n, _, err := f.follow("open", p)
	if err != nil {
		return nil, err
	}
	if n.mode.IsDir() {
		return nil, pathErr("read", p, syscall.EISDIR)
	}
	return append([]byte(nil), n.text()...), nil
}

func (f Files) write(p string, content []byte, mode fs.FileMode, sync bool) error {
	if rel, ok := inPve(p); ok {
		return f.n.pm.write(rel, inode{mode: 0o640, content: append([]byte(nil), content...)})
	}
	if p == sysrqTrigger {
		f.n.w.sysrq(f.n, content)
		return nil
	}
	err := f.n.disk.put(p, inode{mode: mode.Perm(), content: append([]byte(nil), content...), when: f.n.w.sim.now})
	if err == nil && (sync || flushesItself(p)) {
		f.n.disk.fsync(p)
	}
	return err
}

// WriteFile replaces a file atomically and durably.
func (f Files) WriteFile(p string, content []byte, mode fs.FileMode) error {
	return f.write(p, content, mode, true)
}

// WriteDirect writes in place and syncs nothing.
func (f Files) WriteDirect(p string, content []byte) error {
	mode := fs.FileMode(0o644)
	if n, err := f.get("open", p); err == nil {
		mode = n.mode
	}
	return f.write(p, content, mode, false)
}

// Append adds to a file and syncs it.
func (f Files) Append(p string, content []byte, mode fs.FileMode) error {
	old, err := f.ReadFile(p)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return f.write(p, append(old, content...), mode, true)
}

// Remove removes a file, a link or an empty directory; a missing one is no error.
func (f Files) Remove(p string) error {
	n, err := f.get("remove", p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if n.mode.IsDir() {
		if list, _ := f.ReadDir(p); len(list) > 0 {
			return pathErr("remove", p, syscall.ENOTEMPTY)
		}
	}
	if rel, ok := inPve(p); ok {
		return f.n.pm.remove(rel)
	}
	f.n.noteRemoval(p)
	f.n.disk.remove(p)
	return nil
}

// Rename moves a file; durable at the next sync.
func (f Files) Rename(from, to string) error {
	n, err := f.get("rename", from)
	if err != nil {
		return err
	}
	if rel, ok := inPve(to); ok {
		if err := f.n.pm.write(rel, n); err != nil {
			return err
		}
	} else if err := f.n.disk.put(to, n); err != nil {
		return err
	}
	if rel, ok := inPve(from); ok {
		return f.n.pm.remove(rel)
	}
	f.n.disk.remove(from)
	return nil
}

// Symlink makes a link; durable at the next sync.
func (f Files) Symlink(target, p string) error {
	return f.n.disk.put(p, inode{mode: fs.ModeSymlink | 0o777, target: target, when: f.n.w.sim.now})
}

// MkdirAll makes a directory and those above it.
func (f Files) MkdirAll(p string, mode fs.FileMode) error {
	if rel, ok := inPve(p); ok {
		return f.n.pm.mkdir(rel)
	}
	if _, err := f.get("mkdir", p); err == nil {
		return nil
	}
	return f.n.disk.put(p, inode{mode: fs.ModeDir | mode.Perm(), when: f.n.w.sim.now})
}

// Lstat describes a path without following a link.
func (f Files) Lstat(p string) (fs.FileInfo, error) {
	n, err := f.get("lstat", p)
	if err != nil {
		return nil, err
	}
	return entry{path.Base(p), n}, nil
}

// Stat describes what a path leads to.
func (f Files) Stat(p string) (fs.FileInfo, error) {
	n, _, err := f.follow("stat", p)
	if err != nil {
		return nil, err
	}
	return entry{path.Base(p), n}, nil
}

// ReadDir lists a directory.
func (f Files) ReadDir(p string) ([]fs.DirEntry, error) {
	n, p, err := f.follow("open", p)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsDir() {
		return nil, pathErr("readdir", p, syscall.ENOTDIR)
	}
	var names []string
	if rel, ok := inPve(p); ok {
		names = f.n.pm.children(rel)
	} else {
		names = f.n.disk.children(p)
	}
	var out []fs.DirEntry
	for _, name := range names {
		child, err := f.get("lstat", path.Join(p, name))
		if err != nil {
			return nil, err
		}
		out = append(out, entry{name, child})
	}
	return out, nil
}

// Readlink reads a link.
func (f Files) Readlink(p string) (string, error) {
	n, err := f.get("readlink", p)
	if err != nil {
		return "", err
	}
	if n.mode&fs.ModeSymlink == 0 {
		return "", pathErr("readlink", p, syscall.EINVAL)
	}
	return n.target, nil
}

// Chmod changes the permission bits; in /etc/pve it is refused, as pmxcfs does.
func (f Files) Chmod(p string, mode fs.FileMode) error {
	if _, ok := inPve(p); ok {
		return pathErr("chmod", p, syscall.EPERM)
	}
	n, err := f.get("chmod", p)
	if err != nil {
		return err
	}
	n.mode = n.mode.Type() | mode.Perm()
	return f.n.disk.put(p, n)
}

// Chown changes nothing: nodes here have one user.
func (f Files) Chown(p string, _, _ int) error {
	_, err := f.get("chown", p)
	return err
}

// Sync makes all that was written durable, the database of pmxcfs included.
func (f Files) Sync() error {
	f.n.disk.sync()
	return nil
}
