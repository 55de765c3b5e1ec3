package standin

import (
	"bytes"
	"fmt"
	"io/fs"
	"sort"
)

// Program is where the stand-in of all tools lies on a practice machine.
const Program = "/usr/libexec/ringboot-practice/standin"

// VersionFile may hold the version of pve-manager that a practice machine says it has.
const VersionFile = "/etc/ringboot-practice.version"

// real are the names that a practice machine has programs of its own for.
var realPrograms = map[string]bool{"systemctl": true, "sync": true, "true": true, "dpkg": true, "lsblk": true, "corosync-quorumtool": true, "corosync-cfgtool": true}

// superuser tools lie in /usr/sbin.
var superuser = map[string]bool{"qm": true, "pct": true, "ha-manager": true, "ceph-volume": true, "pvesm": true}

// Services are the units that a practice machine gets, with what they run.
var Services = []string{"pve-cluster", "pvedaemon", "pveproxy", "pvestatd", "pve-ha-crm", "pve-ha-lrm", "watchdog-mux"}

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
	for _, s := range Services[1:] {
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
	for _, kind := range []string{"mon", "mgr", "osd", "mds"} {
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
	case "pve-cluster":
		head = "After=network.target\nBefore=corosync.service\nWants=corosync.service"
		service = "Type=notify\nExecStart=/usr/bin/pmxcfs\nTimeoutStopSec=20"
	case "watchdog-mux":
		head = "Before=pve-ha-crm.service pve-ha-lrm.service"
	case "pveproxy":
		service = "ExecStartPre=-/usr/bin/pvecm updatecerts --silent\n" + service + "\nTimeoutStartSec=100"
	}
	return fmt.Sprintf("[Unit]\nDescription=PRACTICE stand-in of %s\n%s\n\n[Service]\n%s\nRestart=on-failure\nRestartSec=2\n\n[Install]\nWantedBy=multi-user.target\n", s, head, service)
}

// MembersText is /etc/pve/.members.
func MembersText(self string, version int, conf Conf, quorate bool, list []Member) []byte {
	return membersText(self, version, conf.Name, conf.Version, quorate, list)
}

// BareMembersText is .members of a node that is not in cluster mode.
func BareMembersText(self string) []byte { return membersText(self, 0, "", 0, false, nil) }

// Run runs a tool on a machine.
func Run(m Machine, argv []string, stdin []byte, env []string) (stdout, stderr []byte, code int) {
	tool, ok := Tools()[argv[0]]
	if !ok {
		return nil, fmt.Appendf(nil, "pvestandin: no such stand-in: %s\n", argv[0]), 127
	}
	c := &Call{Machine: m, Argv: argv, Stdin: stdin, Env: env}
	code = tool(c)
	return bytes.Clone(c.Stdout.Bytes()), bytes.Clone(c.Stderr.Bytes()), code
}

// FirstFiles are what a new installation has in /etc/pve, relative to it; a
// directory has no content and the mode of one.
func FirstFiles(node string) map[string]struct {
	Mode    fs.FileMode
	Content []byte
} {
	type file = struct {
		Mode    fs.FileMode
		Content []byte
	}
	all := map[string]file{}
	for _, d := range []string{"nodes", "nodes/" + node, "nodes/" + node + "/qemu-server", "nodes/" + node + "/lxc", "priv", "priv/lock", "ha", "sdn", "mapping", "firewall", "virtual-guest"} {
		all[d] = file{Mode: fs.ModeDir | 0o755}
	}
	all["user.cfg"] = file{0o640, []byte("user:root@pam:1:0:::::\n")}
	all["storage.cfg"] = file{0o640, []byte("dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n\n")}
	all["datacenter.cfg"] = file{0o640, []byte("keyboard: en-us\n")}
	return all
}
