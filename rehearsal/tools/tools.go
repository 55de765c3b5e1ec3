package tools

import (
	"maps"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/tools/debian"
)

// NewWorld makes nodes with all stand-ins on them, as the installer leaves them.
func NewWorld(seed int64, specs ...sim.NodeSpec) *sim.World {
	begin := func(m sim.Machine) {
		makeAuthority(m, func() {})
		issueCertificate(m, true)
	}
	all := Tools()
	maps.Copy(all, debian.Tools())
	return sim.New(seed, sim.Software{Tools: all, Begin: begin, Daemons: ceph.Daemons()}, specs...)
}

// Tools are all stand-ins by the name that they are called by.
func Tools() map[string]sim.Tool {
	all := map[string]sim.Tool{
		"pvecm":               pvecm,
		"pvesh":               pvesh,
		"pveum":               pveum,
		"pveversion":          pveversion,
		"corosync-quorumtool": quorumtool,
		"corosync-cfgtool":    cfgtool,
		"systemctl":           systemctl,
		"sqlite3":             sqlite3,
		"sync":                syncTool,
		"true":                func(*sim.Call) int { return 0 },
		"ha-manager":          haManager,
		"qm":                  qm,
	}
	maps.Copy(all, ceph.Tools())
	return all
}
