package containers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Asked is a program whose output is part of a system's state, by a name.
type Asked struct {
	Name string
	Argv []string
}

// State is what a system has become: every file below the directories that
// differs from the system that all were started from, with owner, mode and
// content, and what programs say, line by line. skip names paths that are left
// out, with all below them.
func (s *System) State(ctx context.Context, dirs, skip []string, asked []Asked) (map[string]string, error) {
	out := map[string]string{}
	upper := filepath.Join(s.dir, "upper")
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(upper, dir), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			name := strings.TrimPrefix(path, upper)
			if slices.Contains(skip, name) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			out["file "+name], err = describe(path, d)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("state of %s: %w", s.Name, err)
		}
	}
	for _, a := range asked {
		text, err := s.Run(ctx, a.Argv...)
		if err != nil {
			return nil, fmt.Errorf("state of %s: %w", s.Name, err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		slices.Sort(lines)
		for _, line := range lines {
			out[a.Name+" "+strings.TrimSpace(line)] = "there"
		}
	}
	return out, nil
}

// describe is all of a file that two systems can have in common.
func describe(path string, d fs.DirEntry) (string, error) {
	info, err := d.Info()
	if err != nil {
		return "", err
	}
	owner := ""
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = fmt.Sprintf("%d:%d", st.Uid, st.Gid)
	}
	text := fmt.Sprintf("%s %s", info.Mode(), owner)
	switch {
	case info.Mode().IsRegular():
		content, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(content)
		return fmt.Sprintf("%s %d bytes %s", text, len(content), hex.EncodeToString(sum[:6])), nil
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return text + " -> " + target, err
	}
	return text, nil // a directory, or the mark of overlayfs for what was removed
}
