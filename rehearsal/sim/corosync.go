package sim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"
)

// corosync is one running corosync.
type corosync struct {
	n        *Node
	conf     Conf
	key      []byte
	view     map[string]bool // its membership
	ring     int
	readyAt  time.Time // before this it is alone with itself
	syncAt   time.Time // pmxcfs of this node is ready to synchronise
	expected int       // 0: what the configuration says
	stuck    bool      // overtaken by a second join: only a restart cures it
	real     *Corosync // of a machine outside: what its own corosync says
}

// Observed times of corosync.
const (
	joinTime   = 5600 * time.Millisecond // start to membership
	lossTime   = 7 * time.Second         // all links dead to new membership
	linkDown   = 2500 * time.Millisecond // link dead to disconnected
	linkUp     = 2 * time.Second         // link back to connected
	foundTime  = 500 * time.Millisecond  // start of a cluster of one
	restartJam = 61 * time.Second        // restart of a stuck corosync
)

func (c *corosync) votes() int {
	if c.expected > 0 {
		return c.expected
	}
	all := 0
	for _, n := range c.conf.Nodes {
		all += n.Votes
	}
	return all
}

func (c *corosync) quorate() bool {
	if c.real != nil {
		return c.real.Quorate
	}
	here := 0
	for _, n := range c.conf.Nodes {
		if c.view[n.Name] {
			here += n.Votes
		}
	}
	return here >= c.votes()/2+1
}

// startCorosync is what the unit does.
func (n *Node) startCorosync() error {
	raw, ok := n.disk.Live[HostConf]
	if !ok {
		return nil // ConditionPathExists is not met: skipped, and no error
	}
	failed := fmt.Errorf("Job for corosync.service failed because the control process exited with error code.\nSee \"systemctl status corosync.service\" and \"journalctl -xeu corosync.service\" for details.") //nolint:staticcheck // the words of systemctl
	if n.failures >= 5 {
		return failed
	}
	conf, err := ParseConf(raw.Content)
	own, listed := conf.Node(n.name)
	key := n.disk.Live[KeyFile].Content
	if err != nil || !listed || len(own.Addr) == 0 || conf.DuplicateID() || len(key) < 128 {
		n.units["corosync"] = "failed"
		n.failures++
		return failed
	}
	w := n.w
	wait := joinTime
	if len(conf.Nodes) == 1 {
		wait = foundTime
	}
	n.coro = &corosync{n: n, conf: conf, key: key, view: map[string]bool{n.name: true}, ring: 5,
		readyAt: w.sim.now.Add(wait), syncAt: w.sim.now.Add(wait + syncTime)}
	n.units["corosync"] = "active"
	for _, o := range w.order { // a node of the same cluster is quorate with a newer configuration
		if o != n && o.coro != nil && o.coro.conf.Name == conf.Name && o.coro.conf.Version > conf.Version && bytes.Equal(o.coro.key, key) {
			w.note("stale-start", n.name)
		}
	}
	w.kick(wait)
	w.kick(wait + syncTime)
	return nil
}

func (n *Node) stopCorosync() {
	n.coro = nil
	n.pm.group = nil
	n.units["corosync"] = "inactive"
	n.w.kick(time.Second)
}

// kick looks at the membership again after d.
func (w *World) kick(d time.Duration) {
	if w.outside {
		return
	}
	w.sim.After(d, w.evaluate)
}

// evaluate forms the memberships that are due now.
func (w *World) evaluate() {
	var ready []*Node
	for _, n := range w.order {
		if n.coro != nil && !w.sim.now.Before(n.coro.readyAt) {
			ready = append(ready, n)
		}
	}
	// Those who are together stay together: larger memberships first.
	sort.SliceStable(ready, func(i, j int) bool { return len(ready[i].coro.view) > len(ready[j].coro.view) })
	placed := map[*Node]bool{}
	for _, n := range ready {
		if placed[n] {
			continue
		}
		ring := []*Node{n}
		placed[n] = true
		for pass := range 2 { // first the present members, then new ones
			for _, o := range ready {
				if placed[o] || (pass == 0) != n.coro.view[o.name] {
					continue
				}
				fits := true
				for _, m := range ring {
					fits = fits && w.together(m, o)
				}
				if fits {
					ring = append(ring, o)
					placed[o] = true
				}
			}
		}
		w.setView(ring)
	}
	w.syncFileSystems()
}

func (w *World) setView(ring []*Node) {
	view, number := map[string]bool{}, 0
	for _, n := range ring {
		view[n.name] = true
		number = max(number, n.coro.ring)
	}
	for _, n := range ring {
		if maps.Equal(view, n.coro.view) {
			continue
		}
		joined := len(view) > len(n.coro.view)
		n.coro.view, n.coro.ring = view, number+4
		if n.coro.expected > 0 { // forced: it follows the votes that are here
			n.coro.expected = len(view)
		}
		if joined {
			// the file systems follow the membership
			at := w.sim.now.Add(syncTime)
			if at.After(n.coro.syncAt) {
				n.coro.syncAt = at
			}
			w.kick(syncTime)
		} else {
			n.pm.narrow(func(name string) bool { return view[name] })
		}
	}
}

// together reports whether two corosyncs can be in one membership.
func (w *World) together(a, b *Node) bool {
	if !bytes.Equal(a.coro.key, b.coro.key) || a.coro.conf.Name != b.coro.conf.Name {
		return false
	}
	ea, ok1 := b.coro.conf.Node(a.name)
	eb, ok2 := a.coro.conf.Node(b.name)
	sa, _ := a.coro.conf.Node(a.name)
	sb, _ := b.coro.conf.Node(b.name)
	if !ok1 || !ok2 || sa.ID != ea.ID || sb.ID != eb.ID {
		return false
	}
	// A node that starts with an old configuration never gets in; one that is
	// in while the others move on stays.
	if a.coro.conf.Version != b.coro.conf.Version && !a.coro.view[b.name] {
		return false
	}
	for l := range a.coro.conf.Links {
		if l < len(ea.Addr) && l < len(eb.Addr) && a.owns(ea.Addr[l]) && b.owns(eb.Addr[l]) && w.linkAlive(a, b, l, lossTime) {
			return true
		}
	}
	return false
}

func (n *Node) owns(address string) bool { return slices.Contains(n.addrs, address) }

// reload gives every running corosync the configuration of its host.
func (w *World) reload() {
	for _, n := range w.order {
		if n.coro == nil || !n.pm.running() || !n.pm.cluster {
			continue
		}
		raw, ok := n.disk.Live[HostConf]
		if !ok {
			continue
		}
		conf, err := ParseConf(raw.Content)
		if err != nil || conf.Version <= n.coro.conf.Version {
			continue
		}
		if _, ok := conf.Node(n.name); !ok { // deleted: killed by the others
			n.coro = nil
			n.pm.group = nil
			n.units["corosync"] = "failed"
			continue
		}
		for name := range n.coro.view {
			if o := w.nodes[name]; o != n && o.coro != nil && !o.pm.group[o.name] {
				o.coro.stuck = true // in the ring but not yet synchronised: the reload passes it by
				w.note("overtaken", name)
			}
		}
		if n.coro.stuck {
			continue
		}
		n.coro.conf = conf
		n.coro.expected = 0
	}
	w.evaluate()
	w.kick(time.Second)
	w.kick(syncTime)
}

// view is what the tools show.
func (n *Node) corosyncView() (Corosync, bool) {
	c := n.coro
	if c == nil {
		return Corosync{}, false
	}
	own, _ := c.conf.Node(n.name)
	v := Corosync{NodeID: own.ID, Conf: c.conf, Quorate: c.quorate(), Expected: c.votes(), Quorum: c.votes()/2 + 1}
	for _, e := range c.conf.Nodes {
		if c.view[e.Name] {
			v.Members = append(v.Members, e.ID)
			if o := n.w.nodes[e.Name]; e.Name != n.name && o != nil {
				for i, l := range c.conf.Links {
					if i < len(e.Addr) && i < len(own.Addr) {
						mtu := 1397
						if l.Number > 0 {
							mtu = 65413
						}
						v.Links = append(v.Links, Link{Number: l.Number, NodeID: e.ID, From: own.Addr[i], To: e.Addr[i],
							Connected: n.w.linkAlive(n, o, i, linkDown), MTU: mtu})
					}
				}
			}
		}
	}
	sort.Ints(v.Members)
	v.RingID = fmt.Sprintf("%d.%x", v.Members[0], c.ring)
	return v, true
}
