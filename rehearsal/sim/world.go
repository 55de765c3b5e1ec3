package sim

import (
	"maps"
	"math/rand"
	"time"

	"ringboot/rehearsal/disk"
)

// World is a cluster in one process: nodes with a disk each, a network, and
// the Proxmox software on virtual time.
type World struct {
	sim      *Clock
	nodes    map[string]*Node
	order    []*Node
	tools    map[string]Tool
	software Software
	rnd      *rand.Rand
	cuts     map[cable]time.Time // link between two nodes is dead since
	backs    map[cable]time.Time // and was restored at
	notes    map[string][]string
	rounds   map[string]bool // what runs again and again on every node, by name
	synced   map[string]bool // nodes that were once synchronised with another
	// Versions are what an installation leaves, as pveversion -v says it; nil: the newest.
	Versions []string
	// OnReset, if set, hears of a node that reset itself, in place of its boot.
	OnReset func(node string)
	// outside: systemd, corosync and time are those of real machines.
	outside bool
}

type cable struct {
	a, b string // a < b
	link int
}

// Node is one machine of a World.
type Node struct {
	w        *World
	name     string
	addrs    []string // by link
	disk     *disk.Disk
	pm       *pmxcfs
	coro     *corosync
	units    map[string]string
	failures int // of corosync since reset-failed
	powered  bool
	boots    int
	locks    map[string]time.Time
	Versions []string // what pveversion -v says, line by line
	blocked  bool     // UDP to and from it is dropped
	deaf     map[string]bool
	pid      int
}

// NodeSpec is a node to be made.
type NodeSpec struct {
	Name      string
	Addresses []string // by link: management, ring
}

// Software is what the nodes of a World have installed.
type Software struct {
	Tools map[string]Tool
	// Begin is what an installation does on its first start.
	Begin func(Machine)
	// Daemons are the services that have an instance for each thing they
	// serve, by the name before the @ of their unit.
	Daemons map[string]Daemon
}

// Daemon is such a service.
type Daemon struct {
	// Starts reports whether an instance has what it needs to start.
	Starts func(m Machine, id string) bool
	// Port is where an instance listens.
	Port func(id string) int
}

// New makes nodes as the installer leaves them, powered on and unclustered.
// The same seed gives the same world.
func New(seed int64, software Software, specs ...NodeSpec) *World {
	start := time.Date(2026, 11, 23, 0, 28, 0, 0, time.UTC)
	w := &World{sim: NewClock(start), nodes: map[string]*Node{}, tools: maps.Clone(software.Tools), software: software, rnd: rand.New(rand.NewSource(seed)),
		cuts: map[cable]time.Time{}, backs: map[cable]time.Time{}, notes: map[string][]string{}, rounds: map[string]bool{}, synced: map[string]bool{}}
	for _, s := range specs {
		n := w.Join(s.Name)
		n.addrs = s.Addresses
		n.install()
	}
	return w
}

// Sim is the world's time.
func (w *World) Sim() *Clock { return w.sim }

// Node finds a node.
func (w *World) Node(name string) *Node { return w.nodes[name] }

// Names are the nodes in the order in which they were made.
func (w *World) Names() []string {
	var names []string
	for _, n := range w.order {
		names = append(names, n.name)
	}
	return names
}

func (w *World) note(kind, text string) { w.notes[kind] = append(w.notes[kind], text) }

// Notes are what happened that a test may want to assert: "create" (a cluster
// was founded), "expected" (votes were forced), "overlap" (addnode while an
// earlier joiner had not synced), "overtaken" (and it took harm),
// "database-lost" (config.db removed without a backup), "gave-up" (and it was a
// member's), "stale-start"
// (corosync started with an old configuration).
func (w *World) Notes(kind string) []string { return w.notes[kind] }

// Tool finds a tool.
func (w *World) Tool(name string) (Tool, bool) { t, ok := w.tools[name]; return t, ok }

// SetLink cuts or restores one link (0 management, 1 ring) between two nodes.
func (w *World) SetLink(a, b string, link int, alive bool) {
	if a > b {
		a, b = b, a
	}
	c := cable{a, b, link}
	if alive {
		if _, dead := w.cuts[c]; dead {
			delete(w.cuts, c)
			w.backs[c] = w.sim.now
			w.kick(linkUp)
			w.kick(linkUp + syncTime)
		}
		return
	}
	if _, dead := w.cuts[c]; !dead {
		w.cuts[c] = w.sim.now
		w.kick(lossTime)
	}
}

// BlockUDP drops corosync's packets to and from a node; TCP still works.
func (w *World) BlockUDP(node string, blocked bool) {
	w.nodes[node].blocked = blocked
	w.kick(lossTime)
	w.kick(linkUp)
	w.kick(linkUp + syncTime)
}

// SetChannel cuts or restores the agents' channel between two nodes.
func (w *World) SetChannel(a, b string, open bool) {
	w.nodes[a].deaf[b] = !open
	w.nodes[b].deaf[a] = !open
}

// Reachable reports whether one node can open a TCP connection to another: the
// management network or the ring carries it.
func (w *World) Reachable(from, to string) bool {
	a, b := w.nodes[from], w.nodes[to]
	if a == nil || b == nil || !a.powered || !b.powered || a.deaf[to] {
		return false
	}
	if from == to {
		return true
	}
	for l := range min(len(a.addrs), len(b.addrs)) {
		if _, dead := w.cuts[pair(a, b, l)]; !dead {
			return true
		}
	}
	return false
}

func pair(a, b *Node, link int) cable {
	if a.name > b.name {
		a, b = b, a
	}
	return cable{a.name, b.name, link}
}

// linkAlive tells what corosync believes of a link: dead only after a while,
// alive again only after a while.
func (w *World) linkAlive(a, b *Node, link int, after time.Duration) bool {
	if a.blocked || b.blocked || !a.powered || !b.powered || b.coro == nil || a.coro == nil {
		return false
	}
	c := pair(a, b, link)
	if since, dead := w.cuts[c]; dead {
		return w.sim.now.Sub(since) < after
	}
	back, was := w.backs[c]
	return !was || w.sim.now.Sub(back) >= linkUp
}

// Rounds runs round again and again on every powered node on which the unit is
// active, the nodes one after the other. A second call with the same unit
// changes nothing.
func (w *World) Rounds(unit string, every time.Duration, round func(Machine)) {
	if w.rounds[unit] {
		return
	}
	w.rounds[unit] = true
	for i, n := range w.order {
		var again func()
		again = func() {
			if n.powered && n.units[unit] == "active" {
				round(n.Machine())
			}
			w.sim.After(every, again)
		}
		w.sim.After(time.Duration(i+1)*every/4, again)
	}
}
