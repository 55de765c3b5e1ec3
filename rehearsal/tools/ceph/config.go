package ceph

import (
	"strconv"
	"strings"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// cephConfigSet keeps an option, and cephConfigDump tells of all.
func cephConfigSet(c *sim.Call, _ *condition, words []string) (any, int) {
	if !Amend(c.Machine, func(s *Store) { s.Config[words[2]+" "+words[3]] = words[4] }) {
		return nil, c.Exit(1, "Cluster connection interrupted or timed out")
	}
	return nil, 0
}

func cephConfigDump(_ *sim.Call, k *condition, _ []string) (any, int) {
	out := []any{}
	for key, value := range k.store.Config {
		who, name, _ := strings.Cut(key, " ")
		section, mask, _ := strings.Cut(who, "/")
		kind, at, _ := strings.Cut(mask, ":")
		out = append(out, shell.Object{"section": section, "name": name, "value": value, "level": "basic", "can_update_at_runtime": true, "mask": mask, "location_type": kind, "location_value": at})
	}
	return out, 0
}

// Targets are what a pool is to fill of the storage, and what the OSDs of each node
// aim at, in bytes.
func Targets(m sim.Machine, name string) (ratio float64, memory map[string]int64) {
	memory = map[string]int64{}
	s, _, ok := OpenStore(m)
	if !ok {
		return 0, memory
	}
	if p := s.pool(name); p != nil {
		ratio = p.Ratio
	}
	for key, value := range s.Config {
		if node, is := strings.CutSuffix(strings.TrimPrefix(key, "osd/host:"), " osd_memory_target"); is {
			memory[node], _ = strconv.ParseInt(value, 10, 64)
		}
	}
	return ratio, memory
}
