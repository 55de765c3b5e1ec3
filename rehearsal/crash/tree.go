package crash

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"
)

// entry is one file, link or directory in memory.
type entry struct {
	mode    fs.FileMode
	content []byte // of a file, or a link's target
	mtime   time.Time
}

// capture reads a path with all that is below it; nothing there is an empty map.
func capture(at string) map[string]entry {
	tree := map[string]entry{}
	filepath.WalkDir(at, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		e := entry{mode: info.Mode(), mtime: info.ModTime()}
		switch {
		case info.Mode().IsRegular():
			e.content, _ = os.ReadFile(path)
		case info.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			e.content = []byte(target)
		case !info.IsDir():
			return nil // a socket belongs to a process
		}
		tree[path] = e
		return nil
	})
	return tree
}

// restore makes a path look as it was captured.
func restore(at string, tree map[string]entry) {
	now := capture(at)
	paths := slices.Sorted(maps.Keys(now))
	for _, path := range slices.Backward(paths) {
		old, stays := tree[path]
		if !stays || old.mode.Type() != now[path].mode.Type() {
			os.RemoveAll(path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(tree)) {
		e := tree[path]
		is, there := now[path]
		switch {
		case e.mode.IsDir():
			os.MkdirAll(path, 0o755)
			os.Chmod(path, e.mode.Perm())
		case e.mode&fs.ModeSymlink != 0:
			if !there || string(is.content) != string(e.content) || is.mode.Type() != e.mode.Type() {
				os.Remove(path)
				os.Symlink(string(e.content), path)
			}
		default:
			if !there || string(is.content) != string(e.content) || !is.mode.IsRegular() {
				os.WriteFile(path, e.content, 0o600)
			}
			os.Chmod(path, e.mode.Perm())
		}
	}
}

// Tree is a picture of the machine's files: by path, mode and content. Two
// equal pictures are two equal outcomes.
type Tree map[string]string

// Picture takes a picture of everything below root but the paths that skip
// names (relative to root, with all that is below them). Left-over temporary
// files of atomic writes are no part of an outcome, and neither are times.
func Picture(root string, skip ...string) Tree {
	tree := Tree{}
	for path, e := range capture(root) {
		rel := strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
		if rel == "" || strings.HasSuffix(rel, ".ringboot-new") {
			continue
		}
		if slices.ContainsFunc(skip, func(s string) bool {
			s = strings.TrimPrefix(s, "/")
			return rel == s || strings.HasPrefix(rel, s+"/")
		}) {
			continue
		}
		sum := sha256.Sum256(e.content)
		line := e.mode.String()
		if !e.mode.IsDir() {
			line += " " + hex.EncodeToString(sum[:8])
		}
		tree[rel] = line
	}
	return tree
}

// Times adds the times of change to a picture, for a test that nothing at all
// was written.
func (t Tree) Times(root string) Tree {
	out := Tree{}
	for path, line := range t {
		if info, err := os.Lstat(filepath.Join(root, path)); err == nil {
			line += " " + info.ModTime().Format(time.RFC3339Nano)
		}
		out[path] = line
	}
	return out
}

// Diff lists how two pictures differ, sorted.
func (t Tree) Diff(other Tree) []string {
	var out []string
	for path, line := range t {
		if o, ok := other[path]; !ok {
			out = append(out, fmt.Sprintf("%s: only in the first (%s)", path, line))
		} else if o != line {
			out = append(out, fmt.Sprintf("%s: %s, then %s", path, line, o))
		}
	}
	for path, line := range other {
		if _, ok := t[path]; !ok {
			out = append(out, fmt.Sprintf("%s: only in the second (%s)", path, line))
		}
	}
	sort.Strings(out)
	return out
}
