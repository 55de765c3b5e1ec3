package tools

import (
	"bytes"
	"fmt"
	"sort"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/ceph"
)

// Program is where the stand-in of all tools lies on a practice machine.
const Program = "/usr/libexec/ringboot-practice/standin"

// real are the names that a practice machine has programs of its own for.
var realPrograms = map[string]bool{"systemctl": true, "sync": true, "true": true, "dpkg": true, "lsblk": true, "sgdisk": true, "partx": true, "wipefs": true, "pvs": true, "lvremove": true, "udevadm": true, "corosync-quorumtool": true, "corosync-cfgtool": true}

// superuser tools lie in /usr/sbin.
var superuser = map[string]bool{"qm": true, "pct": true, "ha-manager": true, "ceph-volume": true, "pvesm": true}

// Services are the units that a practice machine gets, with what they run.
var Services = []string{"practice-link", "pve-cluster", "pvedaemon", "pveproxy", "pvestatd", "pve-ha-crm", "pve-ha-lrm", "watchdog-mux"}

// Links are the paths that must lead to Program on a practice machine: every
// tool that is not real there, and the programs of the services. sqlite3 is
// one of them because the database of this pmxcfs is none of SQLite's.
func Links() []string {
	list := []string{"/usr/bin/pmxcfs"}
	for name := range Tools() {
		switch {
		case realPrograms[name]:
		case superuser[name]:
			list = append(list, "/usr/sbin/"+name)
		default:
			list = append(list, "/usr/bin/"+name)
		}
	}
	for _, s := range Services[2:] {
		list = append(list, "/usr/bin/"+s)
	}
	sort.Strings(list)
	return list
}

// Units are the unit files of a practice machine, by path. All of Services
// are to be enabled in multi-user.target; corosync.service is Debian's own, not
// enabled to start without /etc/corosync/corosync.conf (it has the condition).
func Units() map[string][]byte {
	units := map[string][]byte{}
	for _, s := range Services {
		units["/usr/lib/systemd/system/"+s+".service"] = []byte(unitText(s))
	}
	for _, kind := range ceph.Kinds {
		units["/usr/lib/systemd/system/ceph-"+kind+"@.service"] = fmt.Appendf(nil,
			"[Unit]\nDescription=PRACTICE stand-in of ceph-%s\nAfter=network-online.target pve-cluster.service\nStartLimitIntervalSec=0\n\n[Service]\nType=notify\nTimeoutStartSec=infinity\nExecStart=%s ceph-%s %%i\nRestart=on-failure\nRestartSec=2\n\n[Install]\nWantedBy=multi-user.target\n", kind, Program, kind)
	}
	// The condition that Proxmox's build of corosync has.
	units["/usr/lib/systemd/system/corosync.service.d/pve.conf"] = []byte("[Unit]\nAfter=pve-cluster.service\nConditionPathExists=/etc/corosync/corosync.conf\n")
	return units
}

func unitText(s string) string {
	head := "After=pve-cluster.service\nWants=pve-cluster.service"
	service := "ExecStart=/usr/bin/" + s
	switch s {
	case "practice-link":
		head = "Before=pve-cluster.service"
		service = "Type=notify\nTimeoutStartSec=infinity\nExecStart=" + Program + " practice-link"
	case "pve-cluster":
		head = "After=network.target practice-link.service\nRequires=practice-link.service\nBefore=corosync.service\nWants=corosync.service"
		service = "Type=notify\nExecStart=/usr/bin/pmxcfs\nTimeoutStopSec=20"
	case "watchdog-mux":
		head = "Before=pve-ha-crm.service pve-ha-lrm.service"
	case "pveproxy":
		service = "ExecStartPre=-/usr/bin/pvecm updatecerts --silent\n" + service + "\nTimeoutStartSec=100"
	}
	return fmt.Sprintf("[Unit]\nDescription=PRACTICE stand-in of %s\n%s\n\n[Service]\n%s\nRestart=on-failure\nRestartSec=2\n\n[Install]\nWantedBy=multi-user.target\n", s, head, service)
}

// Run runs a tool on a machine.
func Run(m sim.Machine, argv []string, stdin []byte, env []string) (stdout, stderr []byte, code int) {
	tool, ok := Tools()[argv[0]]
	switch {
	case argv[0] == ceph.Listens && len(argv) == 3:
		tool = ceph.ListensAt
	case !ok:
		return nil, fmt.Appendf(nil, "pvestandin: no such stand-in: %s\n", argv[0]), 127
	}
	c := &sim.Call{Machine: m, Argv: argv, Stdin: stdin, Env: env}
	code = tool(c)
	return bytes.Clone(c.Stdout.Bytes()), bytes.Clone(c.Stderr.Bytes()), code
}
