package machine

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ringboot/rehearsal/sim"
)

// backing is where Link writes what is seen at /etc/pve.
const backing = "/run/pmxcfs/tree"

// view is /etc/pve of this machine: a tmpfs, and a second mount of it for
// everybody else, which is read-only when the cluster takes no writes.
type view struct {
	node     string
	mounted  bool
	writable bool
	known    map[string]*sim.Entry // what the world and this machine agree on
}

// parentsFirst are the paths of a tree in an order in which they can be made.
func parentsFirst(tree map[string]*sim.Entry) []string {
	list := make([]string, 0, len(tree))
	for rel := range tree {
		list = append(list, rel)
	}
	slices.Sort(list)
	// What is removed goes last, children before their parents.
	slices.SortStableFunc(list, func(a, b string) int {
		switch gone := tree[a] == nil; {
		case gone != (tree[b] == nil):
			if gone {
				return 1
			}
			return -1
		case gone:
			return strings.Compare(b, a)
		}
		return 0
	})
	return list
}

// show makes /etc/pve look like what the world says.
func (v *view) show(tree map[string]*sim.Entry, writable bool) error {
	if !v.mounted {
		if err := mountTree(backing, sim.EtcPVE); err != nil {
			return err
		}
		v.mounted, v.writable, v.known = true, true, map[string]*sim.Entry{}
	}
	for _, rel := range parentsFirst(tree) {
		e, p := tree[rel], filepath.Join(backing, rel)
		if !filepath.IsLocal(rel) {
			continue
		}
		v.known[rel] = e
		switch {
		case e == nil:
			delete(v.known, rel)
			_ = os.Remove(p)
		case e.Dir:
			_ = os.MkdirAll(p, 0o755)
		case e.Target != "":
			_ = os.Remove(p)
			_ = os.Symlink(e.Target, p)
		default:
			mode := fs.FileMode(0o640)
			if made(rel) {
				mode = 0o440
			}
			if os.WriteFile(p+beingWritten, e.Content, mode) == nil {
				_ = os.Rename(p+beingWritten, p)
			}
		}
	}
	// The agent looks at write bits, and a bind mount changes none.
	bits := fs.FileMode(0o755)
	if !writable {
		bits = 0o555
	}
	_ = os.Chmod(filepath.Join(backing, "nodes", v.node), bits)
	if writable != v.writable {
		protect(sim.EtcPVE, !writable)
	}
	v.writable = writable
	return nil
}

// beingWritten ends the names of files that are not whole yet.
const beingWritten = ".pmxcfs-new"

// made are the files that pmxcfs makes up.
func made(rel string) bool { return rel == ".members" || rel == ".vmlist" }

// changes are what tools and agents have done to /etc/pve since it was last looked at.
func (v *view) changes() map[string]*sim.Entry {
	diff := map[string]*sim.Entry{}
	if !v.mounted || !v.writable {
		return diff
	}
	found := map[string]bool{}
	_ = filepath.WalkDir(backing, func(p string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(backing, p)
		if err != nil || rel == "." || strings.HasSuffix(rel, beingWritten) {
			return nil //nolint:nilerr // gone while we looked
		}
		found[rel] = true
		old := v.known[rel]
		switch {
		case e.IsDir():
			if old == nil || !old.Dir {
				diff[rel] = &sim.Entry{Dir: true}
			}
		case e.Type().IsRegular() && !made(rel):
			raw, err := os.ReadFile(p)
			if err == nil && (old == nil || old.Dir || !bytes.Equal(old.Content, raw)) {
				diff[rel] = &sim.Entry{Content: raw}
			}
		}
		return nil
	})
	for rel := range v.known {
		if !found[rel] {
			diff[rel] = nil
		}
	}
	for rel, e := range diff {
		if v.known[rel] = e; e == nil {
			delete(v.known, rel)
		}
	}
	return diff
}

// unmount leaves an empty directory.
func (v *view) unmount() {
	unmountTree(backing, sim.EtcPVE)
	v.mounted = false
}
