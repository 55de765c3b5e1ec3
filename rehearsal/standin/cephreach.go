package standin

import (
	"net/netip"
	"slices"
	"time"
)

// CephHost is a machine on which the daemons of Ceph are processes: systemd
// starts them, and only what answers on Ceph's network runs. A World has no
// processes; there a daemon is marks on a disk.
type CephHost interface {
	// CephUnit starts ("enable") a daemon now and at every boot, or stops it
	// for good ("disable").
	CephUnit(verb, unit string)
	// CephDaemon is the disk of a daemon as the daemon itself shows it, nil if
	// nothing answers on that address and port.
	CephDaemon(node, address string, port int) Machine
	// Claim takes the right to change the store at one monitor, or gives it
	// back. It goes by itself when its holder dies.
	Claim(monitor Machine, take bool) bool
}

// under is the machine below the calls.
func under(m Machine) Machine {
	for {
		c, ok := m.(*Call)
		if !ok {
			return m
		}
		m = c.Machine
	}
}

func cephHost(m Machine) (CephHost, bool) {
	h, ok := under(m).(CephHost)
	return h, ok
}

// CephPort is where a daemon listens: monitors where the real ones do, the
// others in the range that the real ones choose from.
func CephPort(kind, id string) int {
	switch kind {
	case "mon":
		return 3300
	case "mgr":
		return 6800
	case "mds":
		return 6801
	}
	return 6802 + max(osdNumber(id), 0)
}

// CephAddress is where a daemon of a node listens: a monitor where ceph.conf
// says, any other at the node's address in the public network. "" if the node
// has none there.
func CephAddress(m Machine, node, kind, id string) string {
	sections, _ := ini(m)
	if kind == "mon" {
		return sections["mon."+id]["public_addr"]
	}
	network, err := netip.ParsePrefix(sections["global"]["public_network"])
	conf, err2 := readConf(m)
	if err != nil || err2 != nil {
		return ""
	}
	n, _ := conf.Node(node)
	for _, a := range n.Addr {
		if ip, err := netip.ParseAddr(a); err == nil && network.Contains(ip) {
			return a
		}
	}
	return ""
}

// daemonAt is the machine of a daemon that runs and is reached, nil if not.
func daemonAt(m Machine, node, kind, id string) Machine {
	h, ok := cephHost(m)
	if !ok {
		if r := remote(m, node); daemonUp(r, kind, id) {
			return r
		}
		return nil
	}
	address := CephAddress(m, node, kind, id)
	if address == "" {
		return nil
	}
	r := h.CephDaemon(node, address, CephPort(kind, id))
	if r == nil || !exists(r, daemonDir(kind, id)) {
		return nil
	}
	return r
}

// enable lets a daemon run now and after every start of the machine.
func enable(m Machine, kind, id string) {
	if h, ok := cephHost(m); ok {
		h.CephUnit("enable", unitName(kind, id))
		return
	}
	_ = m.Symlink("/usr/lib/systemd/system/ceph-"+kind+"@.service", wantsPath(kind, id))
}

func disable(m Machine, kind, id string) {
	if h, ok := cephHost(m); ok {
		h.CephUnit("disable", unitName(kind, id))
		return
	}
	_ = m.Remove(wantsPath(kind, id))
}

// claim takes the store for one change: more than half of the monitors must
// grant it, so that two changes never cross. In a World one tool runs at a time.
func claim(m Machine) (release func(), ok bool) {
	h, real := cephHost(m)
	if !real {
		return func() {}, true
	}
	for range 100 {
		var held []Machine
		for _, p := range monitorsUp(m) {
			if h.Claim(p.at, true) {
				held = append(held, p.at)
			}
		}
		release = func() {
			for _, at := range slices.Backward(held) {
				h.Claim(at, false)
			}
		}
		if len(held) > len(monitors(m))/2 {
			return release, true
		}
		release()
		m.Sleep(time.Duration(20+m.Random(180)) * time.Millisecond)
	}
	return nil, false
}

// within asks again and again, as the clients do, until something holds.
func within(m Machine, limit time.Duration, holds func() bool) bool {
	for ; !holds(); limit -= time.Second {
		if limit <= 0 {
			return false
		}
		m.Sleep(min(limit, time.Second))
	}
	return true
}

// heardWithin waits for a quorum of the monitors.
func heardWithin(m Machine, limit time.Duration) bool {
	return within(m, limit, func() bool { return quorum(m) != nil })
}

// judgeWithin is judge, once the monitors are heard.
func judgeWithin(m Machine, limit time.Duration) (k *condition, ok bool) {
	within(m, limit, func() bool { k, ok = judge(m); return ok })
	return k, ok
}

// amend does one change to the store, on what the monitors agree on now.
// false: too few of them are heard.
func amend(m Machine, do func(s *store)) bool {
	release, ok := claim(m)
	if !ok {
		return false
	}
	defer release()
	s, _, ok := openStore(m)
	if !ok {
		return false
	}
	do(s)
	s.save(m)
	return true
}
