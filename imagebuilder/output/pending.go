package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// suffix of temporary files, which are named ".DST.RANDOM.partial".
const suffix = ".partial"

// pending is a file that has no name yet, or a temporary one.
type pending struct {
	*os.File
	named string // the temporary name, empty if there is none
}

// createNamed makes a temporary file beside dst and locks it, so that another
// run can tell it from one that was left behind.
func createNamed(dst string, mode fs.FileMode) (*pending, error) {
	f, err := os.CreateTemp(filepath.Dir(dst), "."+filepath.Base(dst)+".*"+suffix)
	if err != nil {
		return nil, err
	}
	p := &pending{f, f.Name()}
	_ = lock(f) // a file system without locks is no reason to stop: stale files stay there
	if err := f.Chmod(mode); err != nil {
		return nil, errors.Join(err, p.discard())
	}
	return p, nil
}

// discard closes the file; unless it was committed it is gone then.
func (p *pending) discard() error {
	err := p.Close()
	if p.named != "" {
		err = errors.Join(err, os.Remove(p.named))
		p.named = ""
	}
	return err
}

// commitNamed gives a file with a temporary name its own.
func (p *pending) commitNamed(dst string, replace bool) error {
	if !replace {
		// A link, unlike a rename, never replaces what came in between.
		err := os.Link(p.named, dst)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
		if _, err := os.Lstat(dst); err == nil { // FAT knows no links
			return fmt.Errorf("%s: %w", dst, fs.ErrExist)
		}
	}
	if err := os.Rename(p.named, dst); err != nil {
		return err
	}
	p.named = ""
	return nil
}

// removeStale removes what runs that were killed left of dst. What cannot be
// removed is left: it only costs room.
func removeStale(dst string) {
	names, err := filepath.Glob(filepath.Join(globEscape(filepath.Dir(dst)), "."+globEscape(filepath.Base(dst))+".*"+suffix))
	if err != nil {
		return
	}
	for _, name := range names {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		abandoned := lock(f) == nil
		_ = f.Close() // it was opened only to see whether someone holds it
		if abandoned {
			_ = os.Remove(name)
		}
	}
}

// globEscape makes a path stand for itself in a pattern.
func globEscape(path string) string {
	var out []rune
	for _, r := range path {
		switch r {
		case '*', '?', '[':
			out = append(out, '[', r, ']')
			continue
		case '\\':
			if os.PathSeparator != '\\' {
				out = append(out, '\\')
			}
		}
		out = append(out, r)
	}
	return string(out)
}
