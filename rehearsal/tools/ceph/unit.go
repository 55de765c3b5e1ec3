package ceph

import (
	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// cephKinds are the daemons of Ceph.
var Kinds = []string{"mon", "mgr", "osd", "mds"}

// cephDaemons are their units.
func Daemons() map[string]sim.Daemon {
	all := map[string]sim.Daemon{}
	for _, kind := range Kinds {
		all["ceph-"+kind] = sim.Daemon{
			Starts: func(m sim.Machine, id string) bool {
				key := daemonDir(kind, id) + "/keyring" // without its key none of them starts
				return shell.Exists(m, daemonDir(kind, id)) && (kind == "osd" || shell.Exists(m, key))
			},
			Port: func(id string) int { return Port(kind, id) },
		}
	}
	return all
}

// unitName is the unit of a daemon.
func unitName(kind, id string) string { return "ceph-" + kind + "@" + id }

func wantsPath(kind, id string) string { return sim.Wanted(unitName(kind, id)) }

func daemonDir(kind, id string) string { return "/var/lib/ceph/" + kind + "/ceph-" + id }

// cephTools are the stand-ins of Ceph and of what Proxmox VE has around it.
func Tools() map[string]sim.Tool {
	return map[string]sim.Tool{
		"pveceph": pveceph, "ceph": cephTool, "ceph-volume": cephVolume, "rbd": rbd, "rados": rados, "pvesm": pvesm,
		"lsblk": lsblk, "dpkg": dpkg, "sgdisk": sgdisk, "partx": partx, "wipefs": wipefs, "pvs": pvs, "lvremove": lvremove,
		"udevadm": func(*sim.Call) int { return 0 }, // settle: nothing here takes its time
	}
}
