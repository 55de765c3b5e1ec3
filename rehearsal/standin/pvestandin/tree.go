package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

const (
	pveDir  = "/etc/pve"
	backing = "/run/pmxcfs/tree"
	dbFile  = "/var/lib/pve-cluster/config.db"
	hostCnf = "/etc/corosync/corosync.conf"
	keyFile = "/etc/corosync/authkey"

	controlSocket = "/run/pmxcfs/control"
)

// item is one path of the tree. The later clock wins; of equal ones the
// greater node name.
type item struct {
	Dir     bool   `json:",omitempty"`
	Content []byte `json:",omitempty"`
	Gone    bool   `json:",omitempty"`
	Clock   uint64
	Node    string
}

func (a item) beats(b item) bool {
	return a.Clock > b.Clock || a.Clock == b.Clock && a.Node > b.Node
}

func (a item) same(b item) bool {
	return a.Dir == b.Dir && a.Gone == b.Gone && bytes.Equal(a.Content, b.Content)
}

// tree is the content of /etc/pve: what the database holds.
type tree struct {
	Items map[string]item
	Clock uint64
}

// digest identifies a tree.
func (t *tree) digest() string {
	h := sha256.New()
	for _, p := range t.paths() {
		raw, _ := json.Marshal(t.Items[p])
		h.Write([]byte(p))
		h.Write(raw)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (t *tree) paths() []string {
	list := make([]string, 0, len(t.Items))
	for p := range t.Items {
		list = append(list, p)
	}
	sort.Strings(list)
	return list
}

// load reads the database; found is false where there is none.
func (t *tree) load(file string) (found bool) {
	t.Items, t.Clock = map[string]item{}, 0
	raw, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	_ = json.Unmarshal(raw, t)
	if t.Items == nil {
		t.Items = map[string]item{}
	}
	return true
}

// save writes the database and syncs nothing, as pmxcfs.
func (t *tree) save(file string) error {
	raw, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file+".tmp", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".tmp", file)
}

// made are the paths that pmxcfs makes up.
func made(rel string) bool {
	switch rel {
	case ".members", ".vmlist", ".version", "local", "lxc", "qemu-server", "openvz":
		return true
	}
	return false
}

// scan takes up what tools and agents have changed in the directory.
func (t *tree) scan(dir, node string) (changed bool) {
	found := map[string]item{}
	_ = filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, p)
		if err != nil || rel == "." || made(rel) || strings.HasSuffix(rel, ".pmxcfs-new") {
			return nil //nolint:nilerr // gone while we looked
		}
		if e.IsDir() {
			found[rel] = item{Dir: true}
		} else if e.Type().IsRegular() {
			if raw, err := os.ReadFile(p); err == nil {
				found[rel] = item{Content: raw}
			}
		}
		return nil
	})
	set := func(rel string, i item) {
		if old, ok := t.Items[rel]; ok && old.same(i) {
			return
		}
		if !changed {
			t.Clock++
		}
		changed = true
		i.Clock, i.Node = t.Clock, node
		t.Items[rel] = i
	}
	for rel, i := range found {
		set(rel, i)
	}
	for rel, old := range t.Items {
		if _, here := found[rel]; !here && !old.Gone {
			set(rel, item{Dir: old.Dir, Gone: true})
		}
	}
	return changed
}

// show writes the tree to the directory.
func (t *tree) show(dir string) { t.showSome(dir, t.paths()) }

// showSome writes these paths, which are sorted. The others are left alone: a
// tool may have written there since the last scan.
func (t *tree) showSome(dir string, list []string) {
	for _, rel := range list { // parents come first
		t.showOne(dir, rel)
	}
	for i := len(list) - 1; i >= 0; i-- { // children go first
		if t.Items[list[i]].Gone {
			_ = os.Remove(filepath.Join(dir, list[i]))
		}
	}
}

func (t *tree) showOne(dir, rel string) {
	i, p := t.Items[rel], filepath.Join(dir, rel)
	switch {
	case i.Gone:
	case i.Dir:
		_ = os.MkdirAll(p, 0o755)
	default:
		if old, err := os.ReadFile(p); err == nil && bytes.Equal(old, i.Content) {
			return
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
		_ = os.MkdirAll(filepath.Dir(p), 0o755)
		if os.WriteFile(p+".pmxcfs-new", i.Content, 0o640) == nil {
			_ = os.Rename(p+".pmxcfs-new", p)
		}
	}
}

// merge takes over what is newer in another tree, and lists it.
func (t *tree) merge(other map[string]item, clock uint64) (taken []string, changed bool) {
	for rel, i := range other {
		if made(rel) || !filepath.IsLocal(rel) {
			continue
		}
		if old, ok := t.Items[rel]; !ok || i.beats(old) {
			t.Items[rel] = i
			taken = append(taken, rel)
		}
	}
	sort.Strings(taken)
	changed = len(taken) > 0
	if clock > t.Clock {
		t.Clock = clock
		changed = true
	}
	return taken, changed
}

// begin fills a new tree for a fresh installation, or with the host's
// configuration for a joiner.
func (t *tree) begin(first map[string]item, host []byte) {
	if host != nil {
		t.Items["corosync.conf"] = item{Content: host}
		return
	}
	for rel, i := range first {
		t.Items[rel] = i
	}
	t.Clock = uint64(time.Now().Unix() % 1000) // two installations differ
}
