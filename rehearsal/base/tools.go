package base

import (
	"io/fs"
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
	link := func(path, target string) { p.Entries = append(p.Entries, deb.Entry{Path: path, Target: target}) }
	file := func(path string, mode fs.FileMode, content []byte) {
		p.Entries = append(p.Entries, deb.Entry{Path: path, Mode: mode, Content: content})
	}
	for _, name := range tools.Links() {
		if name != sqlitePath {
			link(name, tools.Program)
		}
	}
	if manager != "" {
		file(shell.VersionFile, 0o644, []byte(manager+"\n"))
	}
	units := tools.Units()
	for path, text := range settledNetwork {
		units[path] = []byte(text)
	}
	for _, path := range slices.Sorted(maps.Keys(units)) {
		file(path, 0o644, units[path])
	}
	for _, unit := range []string{"systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount"} {
		link("/etc/systemd/system/"+unit, "/dev/null") // the kernel here has no such module
	}
	file("/usr/sbin/proxmox-boot-tool", 0o755, bootTool)
	file("/usr/sbin/update-initramfs", 0o755, []byte(updateInitramfs))
	for _, service := range tools.Services {
		link("/etc/systemd/system/multi-user.target.wants/"+service+".service", "/usr/lib/systemd/system/"+service+".service")
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
