package sim

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"ringboot/rehearsal/disk"
)

// Outside makes a world whose nodes are real machines: virtual machines or
// containers with a systemd, a corosync and files of their own. What of such a
// node is in this world is its pmxcfs, because that is one file system on all
// of them. Who drives it says what time it is and what corosync says.
func Outside() *World {
	w := New(time.Now().UnixNano(), Software{})
	w.outside = true
	return w
}

// Join adds a node, which runs no pmxcfs yet, or finds the one of that name.
func (w *World) Join(name string) *Node {
	if n := w.nodes[name]; n != nil {
		return n
	}
	n := &Node{w: w, name: name, units: map[string]string{}, powered: true, locks: map[string]time.Time{}, deaf: map[string]bool{}}
	n.pm = &pmxcfs{n: n}
	n.disk = n.newDisk()
	w.nodes[name] = n
	w.order = append(w.order, n)
	return n
}

// SetTime says what time it is outside.
func (w *World) SetTime(now time.Time) { w.sim.now = now }

// Mount starts the pmxcfs of a node outside on what lies on its disk: the
// database and the configuration of corosync, nil where there is none. Where
// there is neither, the installer has just left.
func (n *Node) Mount(database, conf []byte) {
	n.disk.Wipe()
	for p, content := range map[string][]byte{Database: database, HostConf: conf} {
		if content != nil {
			n.disk.Live[p] = disk.Inode{Mode: 0o600, Content: content}
		}
	}
	n.units["pve-cluster"] = "active"
	n.pm.start()
	if database != nil || conf != nil {
		return
	}
	maps.Copy(n.pm.tree, firstFiles(n.name, n.w.sim.now))
	n.pm.persist()
}

// Unmount stops it.
func (n *Node) Unmount() {
	n.units["pve-cluster"] = "inactive"
	n.pm.group = nil
	n.w.leaveGroup(n)
}

// OnDisk is what the pmxcfs of a node outside has last written to a file:
// Database or HostConf.
func (n *Node) OnDisk(p string) []byte { return n.disk.Live[p].Text() }

// syncOutside is from a membership to synchronised file systems there.
const syncOutside = 500 * time.Millisecond

// Regroup takes over what corosync says on the nodes outside, nil where none
// runs, and brings the file systems of each membership together. A node that
// was asked after a change of the membership, and others before it, takes no
// writes until all say the same: they would be its own, and be lost.
func (w *World) Regroup(says map[string]*Corosync) {
	for _, n := range w.order {
		real := says[n.name]
		if real == nil || len(real.Members) == 0 || real.torn(says) {
			if n.coro = nil; n.pm.group != nil {
				n.pm.group = nil
				n.pm.version++
			}
			continue
		}
		view := map[string]bool{}
		for _, e := range real.Conf.Nodes {
			if o := says[e.Name]; o != nil && o.RingID == real.RingID && slices.Contains(real.Members, e.ID) {
				view[e.Name] = true
			}
		}
		c := &corosync{n: n, conf: real.Conf, view: view, expected: real.Expected, real: real, syncAt: w.sim.now.Add(syncOutside)}
		if n.coro != nil && maps.Equal(n.coro.view, view) {
			c.syncAt = n.coro.syncAt
		}
		n.coro = c
	}
	w.syncFileSystems()
}

// torn reports whether a member was heard in another membership.
func (c *Corosync) torn(says map[string]*Corosync) bool {
	return slices.ContainsFunc(c.Conf.Nodes, func(e ConfNode) bool {
		o := says[e.Name]
		return slices.Contains(c.Members, e.ID) && o != nil && len(o.Members) > 0 && o.RingID != c.RingID
	})
}

// Entry is one path of a node's /etc/pve.
type Entry struct {
	Dir     bool   `json:",omitempty"`
	Content []byte `json:",omitempty"`
	Target  string `json:",omitempty"` // of a link
}

// Shown is a node's /etc/pve by path relative to it, and whether it takes
// writes; nothing where no pmxcfs runs.
func (n *Node) Shown() (tree map[string]Entry, writable bool) {
	tree = map[string]Entry{}
	if !n.pm.running() {
		return tree, false
	}
	for rel, i := range n.pm.tree {
		tree[rel] = Entry{Dir: i.Mode.IsDir(), Content: i.Content}
	}
	for rel, target := range n.pm.links() {
		tree[rel] = Entry{Target: target}
	}
	for _, rel := range []string{".members", ".vmlist"} {
		i, _ := n.pm.Get("read", rel)
		tree[rel] = Entry{Content: i.Content}
	}
	return tree, n.pm.writable()
}

// Change does what was done to a path of /etc/pve on the node itself; nil
// removed it.
func (n *Node) Change(rel string, e *Entry) error {
	f, p := n.Files(), EtcPVE+"/"+rel
	switch {
	case e == nil:
		return f.Remove(p)
	case e.Dir:
		return f.MkdirAll(p, fs.ModeDir|0o755)
	case e.Target != "":
		return fmt.Errorf("%s: pmxcfs keeps no links", p)
	}
	return f.WriteDirect(p, e.Content)
}

// InCluster reports whether the node's pmxcfs was started with a configuration
// of corosync.
func (n *Node) InCluster() bool { return n.pm.running() && n.pm.cluster }
