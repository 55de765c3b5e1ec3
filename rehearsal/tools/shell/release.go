package shell

import (
	"regexp"
	"strings"

	"ringboot/profiles"
	"ringboot/rehearsal/sim"
)

var managerLine = regexp.MustCompile(`(?m)^pve-manager: ([0-9.]+)`)

// ManagerOf is the version of pve-manager that a machine says it has; "" if it does not say.
func ManagerOf(m sim.Machine) string {
	if raw, err := m.ReadFile(VersionFile); err == nil {
		return strings.TrimSpace(string(raw))
	}
	if n := sim.NodeOf(m); n != nil {
		if found := managerLine.FindStringSubmatch(strings.Join(n.Versions, "\n")); found != nil {
			return found[1]
		}
	}
	return ""
}

// ReleaseOf is the release whose words a machine's tools speak.
func ReleaseOf(m sim.Machine) profiles.Release {
	rows := profiles.Releases()
	newest := rows[len(rows)-1]
	parts := strings.SplitN(ManagerOf(m), ".", 3)
	if len(parts) < 3 {
		return newest
	}
	r, _, err := profiles.ReleaseOf(parts[0] + "." + parts[1])
	if err != nil {
		return newest
	}
	return r
}

// NotInEnumeration is what Proxmox VE says of a word that a parameter cannot have.
func NotInEnumeration(c *sim.Call, param, value string, words []string, usage string) int {
	return c.Usage(param, "value '"+value+"' does not have a value in the enumeration '"+strings.Join(words, ", ")+"'", usage)
}

// VersionFile may hold the version of pve-manager that a practice machine says it has.
const VersionFile = "/etc/ringboot-practice.version"
