package ceph

import (
	"net"
	"net/netip"
	"strconv"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// CephPort is where a daemon listens: monitors where the real ones do, the
// others in the range that the real ones choose from.
func Port(kind, id string) int {
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
func Address(m sim.Machine, node, kind, id string) string {
	sections, _ := ini(m)
	if kind == "mon" {
		return sections["mon."+id]["public_addr"]
	}
	network, err := netip.ParsePrefix(sections["global"]["public_network"])
	conf, err2 := sim.ReadConf(m)
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

// daemonAt is the machine of a daemon that runs and is reached on Ceph's
// network, nil if not.
func daemonAt(m sim.Machine, node, kind, id string) sim.Machine {
	address := Address(m, node, kind, id)
	if address == "" || !m.Reaches(address, Port(kind, id)) {
		return nil
	}
	r := shell.Remote(m, node)
	if r == nil || !shell.Exists(r, daemonDir(kind, id)) {
		return nil
	}
	return r
}

// enable lets a daemon run now and after every start of the machine.
func enable(m sim.Machine, kind, id string) {
	_ = m.Unit("enable", unitName(kind, id))
	_ = m.Unit("start", unitName(kind, id))
}

// within asks again and again, as the clients do, until something holds.
func within(m sim.Machine, limit time.Duration, holds func() bool) bool {
	for ; !holds(); limit -= time.Second {
		if limit <= 0 {
			return false
		}
		m.Sleep(min(limit, time.Second))
	}
	return true
}

// HeardWithin waits for a quorum of the monitors.
func HeardWithin(m sim.Machine, limit time.Duration) bool {
	return within(m, limit, func() bool { return quorate(m) != nil })
}

// judgeWithin is judge, once the monitors are heard.
func judgeWithin(m sim.Machine, limit time.Duration) (k *condition, ok bool) {
	within(m, limit, func() bool { k, ok = judge(m); return ok })
	return k, ok
}

// Amend does one change to the store, on what the monitors agree on now.
// false: too few of them are heard.
func Amend(m sim.Machine, do func(s *Store)) (done bool) {
	m.Alone(func() {
		s, _, ok := OpenStore(m)
		if !ok {
			return
		}
		do(s)
		s.save(m)
		done = true
	})
	return done
}

// CephListens is called as a tool by a daemon of Ceph that starts, with its
// kind and id: it prints where the daemon is to listen.
const Listens = "ceph-listens"

func ListensAt(c *sim.Call) int {
	kind, id := c.Argv[1], c.Argv[2]
	if at := Address(c, c.Name(), kind, id); at != "" {
		c.Outf("%s\n", net.JoinHostPort(at, strconv.Itoa(Port(kind, id))))
	}
	return 0
}
