package sim

import (
	"encoding/json"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"ringboot/rehearsal/disk"
)

// pmxcfs is the cluster file system of one node.
type pmxcfs struct {
	n       *Node
	tree    map[string]disk.Inode // relative to /etc/pve; links and status files are made up
	rev     int                   // grows with each write; the highest wins a sync
	cluster bool                  // started with a corosync.conf
	group   map[string]bool       // nodes that it is synchronised with, itself included; nil: none
	seen    map[string]bool       // nodes that were ever in the group since the start
	version int                   // of .members
	inUse   bool                  // the database file on disk is the one that it has open
	locked  time.Time             // since when it counts the age of the locks that it found
}

// database is the form in which config.db lies on a disk.
type database struct {
	Rev  int
	Tree map[string]dbEntry
}

// holdsConf reports whether a database is that of a cluster.
func holdsConf(raw []byte) bool {
	var db database
	return json.Unmarshal(raw, &db) == nil && len(db.Tree[confName].Content) > 0
}

type dbEntry struct {
	Dir     bool   `json:",omitempty"`
	Content []byte `json:",omitempty"`
	When    int64
}

const (
	confName = "corosync.conf"
	// syncTime is from corosync's membership to synchronised file systems (observed 2.4 s and less).
	syncTime = 2400 * time.Millisecond
)

func (p *pmxcfs) running() bool { return p.n.units["pve-cluster"] == "active" }

// writable is what the owner's write bits say.
func (p *pmxcfs) writable() bool {
	if !p.running() {
		return false
	}
	return !p.cluster || (p.group[p.n.name] && p.n.coro != nil && p.n.coro.quorate())
}

// start reads the database, or makes a new one; without one it takes over a
// corosync.conf of the host.
func (p *pmxcfs) start() {
	p.tree, p.rev, p.group, p.seen, p.version = map[string]disk.Inode{}, 0, nil, map[string]bool{}, 0
	p.inUse, p.locked = true, p.n.w.sim.now
	if raw, ok := p.n.disk.Live[Database]; ok {
		p.load(raw.Text())
	} else {
		if host, ok := p.n.disk.Live[HostConf]; ok {
			p.tree[confName] = disk.Inode{Mode: 0o640, Content: host.Content, When: p.n.w.sim.now}
		}
		p.persist()
	}
	conf, cluster := p.tree[confName]
	p.cluster = cluster
	if cluster {
		p.hostConf(conf.Content)
	}
}

func (p *pmxcfs) load(raw []byte) {
	var db database
	if json.Unmarshal(raw, &db) != nil {
		return
	}
	p.rev = db.Rev
	for name, e := range db.Tree {
		n := disk.Inode{Mode: 0o640, Content: e.Content, When: time.Unix(e.When, 0).UTC()}
		if e.Dir {
			n.Mode = fs.ModeDir | 0o755
		}
		p.tree[name] = n
	}
}

// persist writes the database without a sync.
func (p *pmxcfs) persist() {
	if !p.inUse {
		return
	}
	_ = p.n.disk.Put(Database, disk.Inode{Mode: 0o600, Rows: &snapshot{p.rev, maps.Clone(p.tree)}, When: p.n.w.sim.now, Atomic: true})
}

// snapshot is the tree at one moment.
type snapshot struct {
	rev  int
	tree map[string]disk.Inode
}

// Encode is the snapshot as it lies on a disk.
func (s *snapshot) Encode() []byte {
	db := database{Rev: s.rev, Tree: map[string]dbEntry{}}
	for name, n := range s.tree {
		db.Tree[name] = dbEntry{Dir: n.Mode.IsDir(), Content: n.Content, When: n.When.Unix()}
	}
	raw, _ := json.Marshal(db)
	return raw
}

// hostConf copies the configuration to where corosync reads it.
func (p *pmxcfs) hostConf(content []byte) {
	if old, ok := p.n.disk.Live[HostConf]; !ok || string(old.Content) != string(content) {
		_ = p.n.disk.Put(HostConf, disk.Inode{Mode: 0o644, Content: content, When: p.n.w.sim.now, Atomic: true})
	}
}

func (p *pmxcfs) bits(n disk.Inode) disk.Inode {
	if !p.writable() {
		n.Mode &^= 0o222
	}
	return n
}

// links are not in the database: pmxcfs makes them up, and dangling ones too.
func (p *pmxcfs) links() map[string]string {
	own := "nodes/" + p.n.name
	return map[string]string{"local": own, "lxc": own + "/lxc", "openvz": own + "/openvz", "qemu-server": own + "/qemu-server"}
}

func (p *pmxcfs) Get(op, rel string) (disk.Inode, error) {
	full := strings.TrimSuffix(EtcPVE+"/"+rel, "/")
	if rel == "" {
		return disk.Inode{Mode: fs.ModeDir | 0o755}, nil
	}
	if !p.running() {
		return disk.Inode{}, pathErr(op, full, syscall.ENOENT)
	}
	if target, ok := p.links()[rel]; ok {
		return p.bits(disk.Inode{Mode: fs.ModeSymlink | 0o755, Target: target}), nil
	}
	switch rel {
	case ".members":
		return disk.Inode{Mode: 0o440, Content: p.members()}, nil
	case ".vmlist":
		return disk.Inode{Mode: 0o440, Content: []byte("{\n\"version\": 1\n}\n")}, nil
	}
	n, ok := p.tree[rel]
	if !ok {
		return disk.Inode{}, pathErr(op, full, syscall.ENOENT)
	}
	return p.bits(n), nil
}

func (p *pmxcfs) Children(rel string) []string {
	if !p.running() {
		return nil
	}
	names := disk.Children(p.tree, rel)
	if rel == "" {
		names = slices.DeleteFunc(slices.Collect(maps.Keys(p.tree)), func(name string) bool { return strings.Contains(name, "/") })
		for name := range p.links() {
			names = append(names, name)
		}
		names = append(names, ".members", ".vmlist")
		sort.Strings(names)
	}
	return names
}

// change does a write on every member of the group.
func (p *pmxcfs) change(rel string, do func(tree map[string]disk.Inode)) error {
	full := EtcPVE + "/" + rel
	if !p.running() {
		return pathErr("open", full, syscall.ENOENT)
	}
	if !p.writable() {
		return pathErr("open", full, syscall.EACCES)
	}
	for _, o := range p.n.w.order {
		if o == p.n || (p.cluster && p.group[o.name] && o.pm.running() && o.pm.group[p.n.name]) {
			do(o.pm.tree)
			o.pm.rev++
			o.pm.persist()
			if rel == confName {
				o.pm.confChanged()
			}
		}
	}
	return nil
}

// confChanged happens on each member when the configuration changes.
func (p *pmxcfs) confChanged() {
	conf, ok := p.tree[confName]
	if !ok || !p.cluster {
		return
	}
	p.hostConf(conf.Content)
	w := p.n.w
	if w.outside {
		return
	}
	// corosync reloads about a second later; on all nodes at once
	w.sim.After(time.Second, func() { w.reload() })
}

func (p *pmxcfs) Write(rel string, n disk.Inode) error {
	n.When = p.n.w.sim.now
	if !n.Mode.IsDir() {
		n.Mode = 0o640
	}
	if dir := path.Dir(rel); dir != "." && p.running() {
		d, resolved, err := p.n.disk.Follow("open", EtcPVE+"/"+dir)
		if err != nil || !d.Mode.IsDir() {
			return pathErr("open", EtcPVE+"/"+rel, syscall.ENOENT)
		}
		dir, _ = inPve(resolved)
		rel = path.Join(dir, path.Base(rel))
	}
	return p.change(rel, func(tree map[string]disk.Inode) { tree[rel] = n })
}

func (p *pmxcfs) Mkdir(rel string) error {
	if _, ok := p.tree[rel]; ok || rel == "" {
		return nil
	}
	now := p.n.w.sim.now
	return p.change(rel, func(tree map[string]disk.Inode) {
		for d := rel; d != "."; d = path.Dir(d) {
			if _, ok := tree[d]; !ok {
				tree[d] = disk.Inode{Mode: fs.ModeDir | 0o755, When: now}
			}
		}
	})
}

// lockLife is how old a lock gets before pmxcfs drops it, if somebody asks.
const lockLife = 2 * time.Minute

// Touch sets the time of an entry. Of a lock it goes forward only; with the
// beginning of time it is the request to drop one that is too old, which the
// member with the lowest number decides.
func (p *pmxcfs) Touch(rel string, n disk.Inode) error {
	old := p.tree[rel].When
	if path.Dir(rel) != "priv/lock" || !n.Mode.IsDir() || !n.When.Before(old) {
		return p.change(rel, func(tree map[string]disk.Inode) { tree[rel] = n })
	}
	since := old
	for _, o := range p.n.w.order {
		if o == p.n || p.group[o.name] {
			if o.pm.locked.After(since) {
				since = o.pm.locked
			}
			break
		}
	}
	if n.When.Unix() == 0 && p.n.w.sim.now.Sub(since) > lockLife {
		return p.Remove(rel)
	}
	return pathErr("utimes", EtcPVE+"/"+rel, syscall.EACCES)
}

func (p *pmxcfs) Remove(rel string) error {
	return p.change(rel, func(tree map[string]disk.Inode) { delete(tree, rel) })
}

// members is the content of .members.
func (p *pmxcfs) members() []byte {
	c := p.n.coro
	if !p.cluster || c == nil || p.group == nil {
		return membersText(p.n.name, 0, "", 0, false, nil)
	}
	var list []Member
	for _, n := range slices.SortedFunc(slices.Values(c.conf.Nodes), func(a, b ConfNode) int { return a.ID - b.ID }) {
		m := Member{Name: n.Name, ID: n.ID, Online: p.group[n.Name]}
		if p.seen[n.Name] && len(n.Addr) > 0 {
			m.IP = n.Addr[0]
		}
		list = append(list, m)
	}
	return membersText(p.n.name, p.version, c.conf.Name, c.conf.Version, c.quorate(), list)
}

// newer reports whether the last change of a tree came after another's.
func (p *pmxcfs) newer(o *pmxcfs) bool { return p.last().After(o.last()) }

func (p *pmxcfs) last() time.Time {
	var last time.Time
	for _, n := range p.tree {
		if n.When.After(last) {
			last = n.When
		}
	}
	return last
}

// narrow takes out of the group whom it does not keep.
func (p *pmxcfs) narrow(keep func(name string) bool) {
	group := maps.Clone(p.group)
	maps.DeleteFunc(group, func(name string, _ bool) bool { return !keep(name) })
	if len(group) < len(p.group) {
		p.group = group
		p.version++
	}
}

// same reports whether two trees hold the same.
func (p *pmxcfs) same(o *pmxcfs) bool {
	return maps.EqualFunc(p.tree, o.tree, func(a, b disk.Inode) bool { return a.Mode == b.Mode && string(a.Content) == string(b.Content) })
}

// syncs reports whether a node's file system takes part in a membership now.
func (w *World) syncs(n *Node) bool {
	return n.pm.running() && n.pm.cluster && n.coro != nil && !w.sim.now.Before(n.coro.syncAt)
}

// syncFileSystems brings the file systems of each corosync membership together: the
// highest revision wins, of equal ones the later change, and replaces the
// others; two trees of one revision may differ, and never stay so.
func (w *World) syncFileSystems() {
	for _, n := range w.order {
		if !w.syncs(n) {
			continue
		}
		names := map[string]bool{}
		leader := n
		for _, o := range w.order {
			if !n.coro.view[o.name] || !w.syncs(o) {
				continue
			}
			names[o.name] = true
			if o.pm.rev > leader.pm.rev || o.pm.rev == leader.pm.rev && o.pm.newer(leader.pm) {
				leader = o
			}
		}
		for name := range names {
			if len(names) > 1 {
				w.synced[name] = true
			}
		}
		if maps.Equal(names, n.pm.group) {
			continue
		}
		n.pm.group = names
		n.pm.version++
		n.pm.locked = w.sim.now
		maps.Copy(n.pm.seen, names)
		if leader != n && (leader.pm.rev > n.pm.rev || !n.pm.same(leader.pm)) {
			n.pm.tree, n.pm.rev = maps.Clone(leader.pm.tree), leader.pm.rev
			n.pm.persist()
			n.pm.confChanged()
		}
	}
}
