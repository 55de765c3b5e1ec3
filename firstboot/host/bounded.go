package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Bounded is a file system of which some directories may hang, because a
// program answers for them. Nobody waits there longer than the limits; while one
// call has not come back, the next ones are refused at once, so that a hang costs
// the threads of those that were under way and no more.
type Bounded struct {
	Files
	dirs   []string
	remedy string
	// read and write are how long a call may take.
	read, write time.Duration

	mu    sync.Mutex
	stuck map[int]overdue
	next  int
}

// overdue is a call that has not come back in its time.
type overdue struct {
	path  string
	since time.Time
}

// HungError says that a part of the file system does not answer.
type HungError struct {
	Path   string
	Since  time.Time
	Remedy string
}

func (e *HungError) Error() string {
	return fmt.Sprintf("%s has not answered since %s: %s", e.Path, e.Since.Local().Format(time.TimeOnly), e.Remedy)
}

// Bound bounds the calls below dirs. remedy is what to do about a hang.
func Bound(f Files, read, write time.Duration, remedy string, dirs ...string) *Bounded {
	return &Bounded{Files: f, dirs: dirs, remedy: remedy, read: read, write: write, stuck: map[int]overdue{}}
}

// Hung is a *HungError where a call to these files has not come back; nil for
// files that are not bounded.
func Hung(f Files) error {
	if b, ok := f.(*Bounded); ok {
		b.mu.Lock()
		defer b.mu.Unlock()
		if h := b.hung(); h != nil {
			return h
		}
	}
	return nil
}

// hung is the oldest call that is overdue. The caller holds the lock.
func (b *Bounded) hung() *HungError {
	var oldest *HungError
	for _, o := range b.stuck {
		if oldest == nil || o.since.Before(oldest.Since) {
			oldest = &HungError{o.path, o.since, b.remedy}
		}
	}
	return oldest
}

func (b *Bounded) within(path string) bool {
	path = filepath.Clean(path)
	for _, d := range b.dirs {
		if path == d || strings.HasPrefix(path, d+"/") {
			return true
		}
	}
	return false
}

// bounded makes a call that may hang.
func bounded[T any](b *Bounded, limit time.Duration, path string, do func() (T, error)) (T, error) {
	var none T
	if !b.within(path) {
		return do()
	}
	b.mu.Lock()
	if h := b.hung(); h != nil {
		b.mu.Unlock()
		return none, h
	}
	b.mu.Unlock()
	type outcome struct {
		value T
		err   error
	}
	began, done := time.Now(), make(chan outcome, 1)
	go func() {
		v, err := do()
		done <- outcome{v, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case o := <-done:
		return o.value, o.err
	case <-timer.C:
	}
	b.mu.Lock()
	id := b.next
	b.next++
	b.stuck[id] = overdue{path, began}
	h := b.hung()
	b.mu.Unlock()
	go func() {
		<-done // it is the probe of all others: they go on when it is back
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.stuck, id)
	}()
	return none, h
}

// only is bounded for calls that give back nothing but an error.
func only(b *Bounded, path string, do func() error) error {
	_, err := bounded(b, b.write, path, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// IsHung reports whether an error comes from a part that hangs.
func IsHung(err error) bool {
	var h *HungError
	return errors.As(err, &h)
}

func (b *Bounded) ReadFile(path string) ([]byte, error) {
	return bounded(b, b.read, path, func() ([]byte, error) { return b.Files.ReadFile(path) })
}

func (b *Bounded) Lstat(path string) (fs.FileInfo, error) {
	return bounded(b, b.read, path, func() (fs.FileInfo, error) { return b.Files.Lstat(path) })
}

func (b *Bounded) Stat(path string) (fs.FileInfo, error) {
	return bounded(b, b.read, path, func() (fs.FileInfo, error) { return b.Files.Stat(path) })
}

func (b *Bounded) ReadDir(path string) ([]fs.DirEntry, error) {
	return bounded(b, b.read, path, func() ([]fs.DirEntry, error) { return b.Files.ReadDir(path) })
}

func (b *Bounded) Readlink(path string) (string, error) {
	return bounded(b, b.read, path, func() (string, error) { return b.Files.Readlink(path) })
}

func (b *Bounded) WriteFile(path string, content []byte, mode fs.FileMode) error {
	return only(b, path, func() error { return b.Files.WriteFile(path, content, mode) })
}

func (b *Bounded) WriteDirect(path string, content []byte) error {
	return only(b, path, func() error { return b.Files.WriteDirect(path, content) })
}

func (b *Bounded) Append(path string, content []byte, mode fs.FileMode) error {
	return only(b, path, func() error { return b.Files.Append(path, content, mode) })
}

func (b *Bounded) Remove(path string) error {
	return only(b, path, func() error { return b.Files.Remove(path) })
}

func (b *Bounded) Rename(from, to string) error {
	return only(b, from, func() error { return b.Files.Rename(from, to) })
}

func (b *Bounded) Symlink(target, path string) error {
	return only(b, path, func() error { return b.Files.Symlink(target, path) })
}

func (b *Bounded) MkdirAll(path string, mode fs.FileMode) error {
	return only(b, path, func() error { return b.Files.MkdirAll(path, mode) })
}

func (b *Bounded) Mkdir(path string, mode fs.FileMode) error {
	return only(b, path, func() error { return b.Files.Mkdir(path, mode) })
}

func (b *Bounded) Chtimes(path string, at time.Time) error {
	return only(b, path, func() error { return b.Files.Chtimes(path, at) })
}

func (b *Bounded) Chmod(path string, mode fs.FileMode) error {
	return only(b, path, func() error { return b.Files.Chmod(path, mode) })
}

func (b *Bounded) Chown(path string, uid, gid int) error {
	return only(b, path, func() error { return b.Files.Chown(path, uid, gid) })
}
