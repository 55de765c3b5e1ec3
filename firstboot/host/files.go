package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// tempSuffix ends the names of files that a power cut can leave behind. They
// begin with a dot, so that no *.d directory reads them.
const tempSuffix = ".ringboot-new"

// maxLinks bounds a chain of symbolic links, as the kernel does.
const maxLinks = 40

// osFiles is the file system of this machine, below a root.
type osFiles struct{ root string }

// where turns a path of the node into one of this machine. Below a root, links
// are followed by hand, because an absolute one would lead out of it. The last
// element is followed only if asked for.
func (f *osFiles) where(path string, follow bool) (string, error) {
	clean := filepath.Clean("/" + path)
	if f.root == "" {
		return clean, nil
	}
	rest := strings.Split(strings.TrimPrefix(clean, "/"), "/")
	at, links := "/", 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, part)
		if len(rest) == 0 && !follow {
			at = next
			continue
		}
		target, err := os.Readlink(filepath.Join(f.root, next))
		if err != nil {
			at = next // no link, or not there yet
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return filepath.Join(f.root, at), nil
}

// Explain gives an error of the file system the form that Files returns:
// with the path as the node knows it, and with the remedy where there is one.
func Explain(op, path string, err error) error {
	var p *fs.PathError
	var l *os.LinkError
	cause := err
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		cause = p.Err
	case errors.As(err, &l):
		cause = l.Err
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("no space left for %s, free some with apt-get clean or journalctl --vacuum-size=100M: %w", path, cause)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s is on a file system that is mounted read-only, look for disk errors with dmesg and then mount -o remount,rw /: %w", path, cause)
	}
	return &fs.PathError{Op: op, Path: path, Err: cause}
}

func (f *osFiles) ReadFile(path string) ([]byte, error) {
	at, err := f.where(path, true)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(at)
	return text, Explain("read", path, err)
}

func (f *osFiles) WriteFile(path string, content []byte, mode fs.FileMode) error {
	at, err := f.where(path, false)
	if err != nil {
		return err
	}
	return Explain("write", path, writeAtomic(at, content, mode))
}

// writeAtomic replaces a file so that after a power cut there is the old one
// or the new one and nothing between them.
func writeAtomic(at string, content []byte, mode fs.FileMode) (err error) {
	dir := filepath.Dir(at)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp := filepath.Join(dir, "."+filepath.Base(at)+tempSuffix)
	// The name is fixed, so a left-over of a power cut is overwritten, never collected.
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode.Perm())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			out.Close()
			os.Remove(temp)
		}
	}()
	if _, err := out.Write(content); err != nil {
		return err
	}
	if err := out.Chmod(mode); err != nil { // the umask may have taken something
		return err
	}
	if err := out.Sync(); err != nil { // content before name
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	if err := os.Rename(temp, at); err != nil {
		return err
	}
	return syncDir(dir) // the name itself
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot
		return err
	}
	return nil
}

func (f *osFiles) WriteDirect(path string, content []byte) error {
	at, err := f.where(path, true)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return Explain("write", path, err)
	}
	_, err = out.Write(content)
	return Explain("write", path, errors.Join(err, out.Close()))
}

func (f *osFiles) Append(path string, content []byte, mode fs.FileMode) error {
	at, err := f.where(path, true)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return Explain("append", path, err)
	}
	out, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_APPEND, mode)
	if err != nil {
		return Explain("append", path, err)
	}
	_, err = out.Write(content)
	if err == nil {
		err = out.Sync()
	}
	return Explain("append", path, errors.Join(err, out.Close()))
}

func (f *osFiles) Remove(path string) error {
	at, err := f.where(path, false)
	if err != nil {
		return err
	}
	if err := os.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Explain("remove", path, err)
	}
	return nil
}

func (f *osFiles) Rename(from, to string) error {
	old, err := f.where(from, false)
	if err != nil {
		return err
	}
	next, err := f.where(to, false)
	if err != nil {
		return err
	}
	return Explain("rename", from, os.Rename(old, next))
}

func (f *osFiles) Symlink(target, path string) error {
	at, err := f.where(path, false)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return Explain("link", path, err)
	}
	return Explain("link", path, os.Symlink(target, at))
}

func (f *osFiles) MkdirAll(path string, mode fs.FileMode) error {
	at, err := f.where(path, true)
	if err != nil {
		return err
	}
	return Explain("make", path, os.MkdirAll(at, mode))
}

func (f *osFiles) Mkdir(path string, mode fs.FileMode) error {
	at, err := f.where(path, true)
	if err != nil {
		return err
	}
	return Explain("make", path, os.Mkdir(at, mode))
}

func (f *osFiles) Chtimes(path string, to time.Time) error {
	at, err := f.where(path, true)
	if err != nil {
		return err
	}
	return Explain("set the time of", path, os.Chtimes(at, to, to))
}

func (f *osFiles) Lstat(path string) (fs.FileInfo, error) {
	at, err := f.where(path, false)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(at)
	return info, Explain("look at", path, err)
}

func (f *osFiles) Stat(path string) (fs.FileInfo, error) {
	at, err := f.where(path, true)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(at)
	return info, Explain("look at", path, err)
}

func (f *osFiles) ReadDir(path string) ([]fs.DirEntry, error) {
	at, err := f.where(path, true)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(at)
	return entries, Explain("list", path, err)
}

func (f *osFiles) Readlink(path string) (string, error) {
	at, err := f.where(path, false)
	if err != nil {
		return "", err
	}
	target, err := os.Readlink(at)
	return target, Explain("read link", path, err)
}

func (f *osFiles) Chmod(path string, mode fs.FileMode) error {
	at, err := f.where(path, true)
	if err != nil {
		return err
	}
	return Explain("change mode of", path, os.Chmod(at, mode))
}

func (f *osFiles) Chown(path string, uid, gid int) error {
	at, err := f.where(path, true)
	if err != nil {
		return err
	}
	return Explain("change owner of", path, os.Chown(at, uid, gid))
}

// Exists reports whether there is anything at path.
func Exists(f Files, path string) bool {
	_, err := f.Lstat(path)
	return err == nil
}

// ReadOptional reads a file; a missing one is empty.
func ReadOptional(f Files, path string) ([]byte, error) {
	text, err := f.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}
