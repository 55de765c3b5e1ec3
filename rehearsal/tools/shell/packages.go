package shell

import (
	"regexp"
	"slices"
	"strings"

	"ringboot/rehearsal/sim"
)

// Where the stand-in of apt and dpkg keeps what it knows, a line for each
// package: installed with its one version, sources and lists with all of them,
// the oldest first. One with the mark of what is gone can be had no more.
const (
	PackagesFile = "/var/lib/dpkg/standin"
	SourcesFile  = "/var/lib/pvestandin/sources"
	ListsFile    = "/var/lib/apt/lists/standin"
	Gone         = "!"
)

// Table reads such a file.
func Table(m sim.Machine, path string) (names []string, values map[string][]string) {
	raw, _ := m.ReadFile(path)
	values = map[string][]string{}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) > 1 {
			names, values[f[0]] = append(names, f[0]), f[1:]
		}
	}
	return names, values
}

// Pinned are the versions that a file of apt_preferences(5) names.
func Pinned(m sim.Machine, path string) map[string]string {
	out := map[string]string{}
	raw, _ := m.ReadFile(path)
	name := ""
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "Package: "); ok {
			name = v
		} else if v, ok := strings.CutPrefix(strings.TrimSpace(line), "Pin: version "); ok {
			out[name] = v
		}
	}
	return out
}

// AptConfig is the file of apt.conf(5) that a call names.
func AptConfig(c *sim.Call) string {
	for _, e := range c.Env {
		if file, ok := strings.CutPrefix(e, "APT_CONFIG="); ok {
			raw, _ := c.ReadFile(file)
			return string(raw)
		}
	}
	return ""
}

// preferences is the line of apt.conf(5) that names a file of pins.
var preferences = regexp.MustCompile(`(?m)^Dir::Etc::preferences "(.*)";$`)

// InstallCeph is what apt does for pveceph, where the machine has sources:
// all that they have of Ceph, each in its pinned version or else the newest. What
// would go back to an older one only does where that is allowed.
func InstallCeph(c *sim.Call, config string) bool {
	raw, err := c.ReadFile(SourcesFile)
	if err != nil {
		return true // nothing is told of this machine's packages
	}
	_ = c.WriteDirect(ListsFile, raw)
	pinned := map[string]string{}
	if m := preferences.FindStringSubmatch(config); m != nil {
		pinned = Pinned(c, m[1])
	}
	offered, lists := Table(c, ListsFile)
	names, have := Table(c, PackagesFile)
	for _, name := range offered {
		if !OfCeph(name) {
			continue
		}
		to := lists[name][len(lists[name])-1]
		if slices.Contains(lists[name], pinned[name]) {
			to = pinned[name]
		}
		switch old := have[name]; {
		case len(old) == 0:
			names = append(names, name)
		case slices.Index(lists[name], to) < slices.Index(lists[name], old[0]) && !strings.Contains(config, `APT::Get::allow-downgrades "true"`):
			c.Errf("E: Packages were downgraded and -y was used without --allow-downgrades.\n")
			return false
		}
		have[name] = []string{to}
	}
	SetPackages(c, names, have)
	return true
}

// SetPackages writes down what is installed, and flushes it as dpkg does.
func SetPackages(c *sim.Call, names []string, have map[string][]string) {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name + " " + strings.Join(have[name], " ") + "\n")
	}
	_ = c.WriteDirect(PackagesFile, []byte(b.String()))
	_ = c.Sync()
}

// OfCeph reports whether a package is made of Ceph's source.
func OfCeph(name string) bool {
	return name == "ceph" || strings.HasPrefix(name, "ceph-") || name == "librados2"
}
