package base

import (
	"maps"
	"slices"
	"time"

	"ringboot/imagebuilder/deb"
	"ringboot/rehearsal/standin"
)

// toolsPackage is the package with the stand-ins of the Proxmox tools: one
// program, a link for each tool, and the services, enabled.
func toolsPackage(program []byte, manager string, at time.Time) deb.Package {
	p := deb.Package{
		Name: "pve-manager", Version: "9.2.2+practice", Architecture: "amd64", Section: "admin", Time: at,
		Summary:     "practice: stand-ins of the Proxmox tools",
		Description: "They imitate outputs and states for a rehearsal. They are not Proxmox VE.",
		Entries:     []deb.Entry{{Path: standin.Program, Mode: 0o755, Content: program}},
	}
	for _, name := range standin.Links() {
		if name == sqlitePath {
			continue
		}
		p.Entries = append(p.Entries, deb.Entry{Path: name, Target: standin.Program})
	}
	if manager != "" {
		p.Entries = append(p.Entries, deb.Entry{Path: standin.VersionFile, Mode: 0o644, Content: []byte(manager + "\n")})
	}
	units := standin.Units()
	for _, path := range slices.Sorted(maps.Keys(units)) {
		p.Entries = append(p.Entries, deb.Entry{Path: path, Mode: 0o644, Content: units[path]})
	}
	for _, service := range standin.Services {
		p.Entries = append(p.Entries, deb.Entry{
			Path:   "/etc/systemd/system/multi-user.target.wants/" + service + ".service",
			Target: "/usr/lib/systemd/system/" + service + ".service",
		})
	}
	return p
}

// sqlitePath is a tool that has a package of its own, as on a real node.
const sqlitePath = "/usr/bin/sqlite3"

func sqlitePackage(at time.Time) deb.Package {
	return deb.Package{
		Name: "sqlite3", Version: "3.46.1+practice", Architecture: "amd64", Section: "database", Time: at,
		Summary: "practice: reads the database of the stand-in",
		Entries: []deb.Entry{{Path: sqlitePath, Target: standin.Program}},
	}
}
