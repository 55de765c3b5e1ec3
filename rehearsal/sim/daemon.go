package sim

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// wanted is where systemd finds that a unit is enabled.
const wanted = "/etc/systemd/system/"

// daemon is the service that a unit is an instance of.
func (w *World) daemon(unit string) (d Daemon, id string, ok bool) {
	name, id, at := strings.Cut(unit, "@")
	d, known := w.software.Daemons[name]
	return d, id, at && known
}

// Wanted is the link by which an instance of a service is enabled.
func Wanted(unit string) string {
	name, _, _ := strings.Cut(unit, "@")
	return wanted + name + ".target.wants/" + unit + ".service"
}

// instance does a verb of systemctl to an instance of a service.
func (m *machine) instance(verb, unit string) error {
	d, id, _ := m.n.w.daemon(unit)
	switch verb {
	case "enable":
		if _, err := m.Lstat(Wanted(unit)); err == nil {
			return nil
		}
		name, _, _ := strings.Cut(unit, "@")
		return m.Symlink("/usr/lib/systemd/system/"+name+"@.service", Wanted(unit))
	case "disable":
		return m.Remove(Wanted(unit))
	case "stop":
		m.n.units[unit] = "inactive"
	case "start", "restart":
		if !d.Starts(m, id) {
			return fmt.Errorf("Job for %s.service failed because the control process exited with error code.", unit) //nolint:staticcheck // the words of systemctl
		}
		m.n.units[unit] = "active"
	}
	return nil
}

// startEnabled starts the instances that are enabled, as a boot does.
func (n *Node) startEnabled() {
	for p, f := range n.disk.Live {
		unit := strings.TrimSuffix(path.Base(p), ".service")
		if d, id, ok := n.w.daemon(unit); ok && f.Mode&fs.ModeSymlink != 0 && p == Wanted(unit) && d.Starts(n.Machine(), id) {
			n.units[unit] = "active"
		}
	}
}

// answers reports whether a service of the node listens on a port.
func (n *Node) answers(port int) bool {
	for unit, state := range n.units {
		if d, id, ok := n.w.daemon(unit); ok && state == "active" && d.Port(id) == port {
			return true
		}
	}
	return false
}

func (m *machine) Alone(do func()) { do() }

func (m *machine) Reaches(address string, port int) bool {
	for _, o := range m.n.w.order {
		if link := slices.Index(o.addrs, address); link >= 0 {
			return o.powered && (o == m.n || m.n.w.routed(m.n, o, link)) && o.answers(port)
		}
	}
	return false
}

// routed reports whether packets find a way over one network, perhaps through
// other nodes: the ring is a ring.
func (w *World) routed(from, to *Node, link int) bool {
	seen := map[*Node]bool{from: true}
	for way := []*Node{from}; len(way) > 0; way = way[1:] {
		for _, o := range w.order {
			if _, dead := w.cuts[pair(way[0], o, link)]; dead || seen[o] || !o.powered || link >= len(o.addrs) {
				continue
			}
			seen[o] = true
			way = append(way, o)
		}
	}
	return seen[to]
}
