package base

import (
	"maps"
	"slices"
	"time"

	"ringboot/imagebuilder/deb"
	"ringboot/rehearsal/tools"
	"ringboot/rehearsal/tools/shell"
)

// toolsPackage is the package with the stand-ins of the Proxmox tools: one
// program, a link for each tool, and the services, enabled.
func toolsPackage(program []byte, manager string, at time.Time) deb.Package {
	p := deb.Package{
		Name: "pve-manager", Version: "9.2.2+practice", Architecture: "amd64", Section: "admin", Time: at,
		Summary:     "practice: stand-ins of the Proxmox tools",
		Description: "They imitate outputs and states for a rehearsal. They are not Proxmox VE.",
		Entries:     []deb.Entry{{Path: tools.Program, Mode: 0o755, Content: program}},
	}
	for _, name := range tools.Links() {
		if name == sqlitePath {
			continue
		}
		p.Entries = append(p.Entries, deb.Entry{Path: name, Target: tools.Program})
	}
	if manager != "" {
		p.Entries = append(p.Entries, deb.Entry{Path: shell.VersionFile, Mode: 0o644, Content: []byte(manager + "\n")})
	}
	units := tools.Units()
	for _, path := range slices.Sorted(maps.Keys(units)) {
		p.Entries = append(p.Entries, deb.Entry{Path: path, Mode: 0o644, Content: units[path]})
	}
	for _, path := range slices.Sorted(maps.Keys(settledNetwork)) {
		p.Entries = append(p.Entries, deb.Entry{Path: path, Mode: 0o644, Content: []byte(settledNetwork[path])})
	}
	for _, unit := range []string{"systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount"} {
		// The kernel here has no such module.
		p.Entries = append(p.Entries, deb.Entry{Path: "/etc/systemd/system/" + unit, Target: "/dev/null"})
	}
	p.Entries = append(p.Entries, deb.Entry{Path: "/usr/sbin/proxmox-boot-tool", Mode: 0o755, Content: bootTool})
	p.Entries = append(p.Entries, deb.Entry{Path: "/usr/sbin/update-initramfs", Mode: 0o755, Content: []byte(updateInitramfs)})
	for _, service := range tools.Services {
		p.Entries = append(p.Entries, deb.Entry{
			Path:   "/etc/systemd/system/multi-user.target.wants/" + service + ".service",
			Target: "/usr/lib/systemd/system/" + service + ".service",
		})
	}
	return p
}

// updateInitramfs stands in for the real one, which takes minutes on an
// emulated processor.
const updateInitramfs = `#!/bin/sh
# PRACTICE: the initrd of this system is fixed. It loads no network card, so
# nothing that names one belongs into it.
echo "update-initramfs: nothing to do on a practice system"
`

// settledNetwork makes the network wait until udev has found and named the
// cards, as Proxmox's build of ifupdown2 does and Debian's does not.
var settledNetwork = map[string]string{
	"/usr/lib/systemd/system/ifupdown2-pre.service": "[Unit]\nDescription=Helper to synchronize boot up for ifupdown\nDefaultDependencies=no\n" +
		"Wants=systemd-udevd.service systemd-udev-trigger.service\nAfter=systemd-udevd.service systemd-udev-trigger.service\nBefore=network.target\n\n" +
		"[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutSec=600\nExecStart=/usr/bin/udevadm settle --timeout=600\n",
	"/usr/lib/systemd/system/networking.service.d/settled.conf": "[Unit]\nWants=ifupdown2-pre.service\n" +
		"After=local-fs.target network-pre.target systemd-sysctl.service ifupdown2-pre.service\nBefore=network.target network-online.target\n",
}

// sqlitePath is a tool that has a package of its own, as on a real node.
const sqlitePath = "/usr/bin/sqlite3"

func sqlitePackage(at time.Time) deb.Package {
	return deb.Package{
		Name: "sqlite3", Version: "3.46.1+practice", Architecture: "amd64", Section: "database", Time: at,
		Summary: "practice: reads the database of the stand-in",
		Entries: []deb.Entry{{Path: sqlitePath, Target: tools.Program}},
	}
}
