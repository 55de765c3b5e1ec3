package sim

import (
	"context"
	"time"
)

// Spawn runs a command as a unit of the node's own, as systemd-run does: it goes
// on when whoever asked for it is gone, and ends with the machine.
func (n *Node) Spawn(unit string, argv []string) {
	boots := n.boots
	n.units[unit] = "active"
	n.w.sim.Go(n.name+" "+unit, func() {
		_, _ = n.w.Exec(context.Background(), n.name, argv, nil, nil, 0)
		if n.boots == boots && n.powered {
			n.units[unit] = "inactive"
		}
	})
}

// Reboot stops the machine in order, and starts it again.
func (n *Node) Reboot() {
	boots := n.boots
	n.w.note("reboot", n.name)
	n.w.sim.After(2*time.Second, func() {
		if !n.powered || n.boots != boots {
			return
		}
		n.disk.Flush()
		n.w.PowerCut(n.name, Kept)
		if n.w.OnReset != nil {
			n.w.OnReset(n.name)
			return
		}
		n.w.sim.After(bootTime, func() { n.w.Boot(n.name, nil) })
	})
}
