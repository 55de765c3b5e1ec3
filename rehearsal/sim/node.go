package sim

import (
	"slices"
	"strings"
	"time"

	"ringboot/rehearsal/disk"
)

// install makes the node as the installer leaves it.
func (n *Node) install() {
	n.disk.Wipe()
	n.units = map[string]string{"pve-cluster": "active", "pvedaemon": "active", "pveproxy": "active", "corosync": "inactive",
		"pve-ha-crm": "active", "pve-ha-lrm": "active", "pvestatd": "active", "chrony": "active"}
	n.powered, n.failures, n.coro = true, 0, nil
	n.locks, n.deaf = map[string]time.Time{}, map[string]bool{}
	n.Versions = []string{"proxmox-ve: 9.2.0 (running kernel: 6.17.2-1-pve)", "pve-manager: 9.2.11 (running version: 9.2.11/0000000000000000)",
		"corosync: 3.1.10-pve3", "libknet1: 1.31-pve1", "pve-cluster: 9.1.6", "pve-ha-manager: 5.2.0"}
	if n.w.Versions != nil {
		n.Versions = slices.Clone(n.w.Versions)
	}
	*n.pm = pmxcfs{n: n}
	n.pm.tree, n.pm.seen, n.pm.inUse = firstFiles(n.name, n.w.sim.now), map[string]bool{}, true
	n.w.software.Begin(n.Machine())
	n.pm.persist()
	n.disk.Flush()
}

// Reinstall puts a fresh system on the node, as after a repair with a new disk.
func (w *World) Reinstall(name string) {
	n := w.nodes[name]
	n.die()
	deaf := n.deaf
	n.install()
	n.deaf = deaf
	delete(w.synced, name)
	n.boots++
}

// Files are the node's files, in the shape that the agent's host wants.
func (n *Node) Files() *disk.Disk { return n.disk }

// FillDisk makes every further write fail for want of space.
func (n *Node) FillDisk(full bool) { n.disk.Full = full }

// World is the world that the node is in.
func (n *Node) World() *World { return n.w }

// Overtaken reports whether a second join has overtaken the node's corosync: it
// takes no configuration any more until it is restarted.
func (n *Node) Overtaken() bool { return n.coro != nil && n.coro.stuck }

// Powered reports whether the node runs.
func (n *Node) Powered() bool { return n.powered }

// AddGuest puts a guest's configuration on the node.
func (n *Node) AddGuest(id string) {
	n.pm.tree["nodes/"+n.name+"/qemu-server/"+id+".conf"] = disk.Inode{Mode: 0o640, Content: []byte("name: old\n")}
	n.pm.rev++
	n.pm.persist()
	n.disk.Flush()
}

func (n *Node) die() {
	n.powered = false
	n.coro = nil
	n.pm.group = nil
	for u := range n.units {
		n.units[u] = "inactive"
	}
	clear(n.locks)
	n.w.kick(time.Second)
	n.w.kick(lossTime)
}

// PowerCut takes a node's power away.
func (w *World) PowerCut(name string, mode CutMode) {
	n := w.nodes[name]
	if !n.powered {
		return
	}
	n.die()
	n.disk.Cut(mode, w.rnd.Intn)
}

// Boot starts a node again: first what before does (a unit ordered before
// corosync), then pve-cluster, corosync and the rest.
func (w *World) Boot(name string, before func()) {
	n := w.nodes[name]
	n.powered, n.failures = true, 0
	n.boots++
	n.units["pve-cluster"] = "active"
	n.pm.start()
	if before != nil {
		before()
	}
	if !n.powered {
		return
	}
	if n.units["corosync"] != "active" {
		_ = n.startCorosync()
	}
	for _, u := range []string{"pvedaemon", "pveproxy", "pve-ha-crm", "pve-ha-lrm", "pvestatd", "chrony"} {
		n.units[u] = "active"
	}
	n.startEnabled()
	w.kick(time.Second)
}

// noteRemoval watches for a database that is removed without a copy.
func (n *Node) noteRemoval(p string) {
	if p != Database {
		return
	}
	n.pm.inUse = false
	raw := n.disk.Live[p].Text()
	if n.w.synced[n.name] && n.units["pve-cluster"] != "active" && holdsConf(raw) {
		n.w.note("gave-up", n.name+" set aside what it had as a member")
	}
	for name, f := range n.disk.Live {
		if strings.HasPrefix(name, "/var/lib/pve-cluster/backup/") && unpackedEquals(f.Text(), raw) {
			return
		}
	}
	n.w.note("database-lost", n.name)
}

// bootTime is from a reset to the start of the first services.
const bootTime = 35 * time.Second

// sysrq obeys "b": the machine resets at once, and nothing is synced.
func (w *World) sysrq(n *Node, order []byte) {
	if len(order) == 0 || order[0] != 'b' || !n.powered {
		return
	}
	w.note("reset", n.name)
	w.PowerCut(n.name, Lost)
	if w.OnReset != nil {
		w.OnReset(n.name)
		return
	}
	w.sim.After(bootTime, func() { w.Boot(n.name, nil) })
}
