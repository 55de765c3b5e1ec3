package ceph

import (
	"slices"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// refusedCeph checks what pveceph install is asked for.
func refusedCeph(c *sim.Call, opt map[string]string) (code int, refused bool) {
	r := shell.ReleaseOf(c.Machine)
	const usage = "pveceph install  [OPTIONS]"
	var names []string
	for _, known := range r.Ceph {
		names = append(names, known.Name)
	}
	slices.Sort(names)
	if v, set := opt["version"]; set && !slices.Contains(names, v) {
		return shell.NotInEnumeration(c, "version", v, names, usage), true
	}
	words := []string{"enterprise", "no-subscription", "test"}
	if slices.Contains(r.CephRepositories, "manual") {
		words = append(words, "manual")
	}
	if v, set := opt["repository"]; set && !slices.Contains(words, v) {
		return shell.NotInEnumeration(c, "repository", v, words, usage), true
	}
	return 0, false
}
