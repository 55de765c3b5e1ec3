package base

import (
	"fmt"
	"strings"
	"time"

	"ringboot/imagebuilder/deb"
)

// standinPath is the one program behind all the tools' names.
const standinPath = "/usr/libexec/ringboot-practice/standin"

// toolNames are the Proxmox tools that the practice system has: links to the
// stand-in, which knows by its name what it is.
var toolNames = []string{
	"/usr/bin/pvecm", "/usr/bin/pvesh", "/usr/bin/pveum", "/usr/bin/pveversion", "/usr/bin/pveceph", "/usr/bin/pvenode",
	"/usr/bin/pvesm", "/usr/bin/pmxcfs", "/usr/bin/pvedaemon", "/usr/bin/pveproxy", "/usr/bin/pvestatd",
	"/usr/bin/ceph", "/usr/sbin/ceph-volume", "/usr/sbin/ha-manager", "/usr/sbin/qm", "/usr/sbin/pct",
}

// toolUnits are the services of Proxmox VE that the practice system has, with
// the program of each.
var toolUnits = []string{"pve-cluster /usr/bin/pmxcfs", "pvedaemon /usr/bin/pvedaemon", "pveproxy /usr/bin/pveproxy"}

// toolsPackage is the package with the stand-ins.
func toolsPackage(standin []byte, at time.Time) deb.Package {
	p := deb.Package{
		Name: "pve-manager", Version: "9.2.2+practice", Architecture: "amd64", Section: "admin", Time: at,
		Summary:     "practice: stand-ins of the Proxmox tools",
		Description: "They imitate outputs and states for a rehearsal. They are not Proxmox VE.",
		Entries:     []deb.Entry{{Path: standinPath, Mode: 0o755, Content: standin}},
	}
	for _, name := range toolNames {
		p.Entries = append(p.Entries, deb.Entry{Path: name, Target: standinPath})
	}
	for _, line := range toolUnits {
		unit, program, _ := strings.Cut(line, " ")
		path := "/usr/lib/systemd/system/" + unit + ".service"
		p.Entries = append(p.Entries,
			deb.Entry{Path: path, Mode: 0o644, Content: []byte(toolUnit(unit, program))},
			deb.Entry{Path: "/etc/systemd/system/multi-user.target.wants/" + unit + ".service", Target: path})
	}
	return p
}

func toolUnit(unit, program string) string {
	order := "After=network-online.target"
	if unit != "pve-cluster" {
		order = "Wants=pve-cluster.service\nAfter=pve-cluster.service"
	} else {
		order += "\nBefore=corosync.service"
	}
	return fmt.Sprintf("[Unit]\nDescription=PRACTICE stand-in of %s\n%s\n\n[Service]\nExecStart=%s\nRestart=on-failure\nRestartSec=5\n\n[Install]\nWantedBy=multi-user.target\n",
		unit, order, program)
}
