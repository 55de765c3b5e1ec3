package profiles

import (
	"slices"
	"strconv"
	"strings"
)

// AutoMemory is the word for OSDs whose memory goes by that of their machine.
const AutoMemory = "auto"

// What an OSD gets of the machine's memory where it goes by that: a fifth, shared
// by all (Ceph's autotune_memory_target_ratio of 0.2, for machines that run guests
// as well), and never less than Ceph advises.
const (
	memoryShare   = 5
	leastMemory   = 2 << 30
	mostMemory    = 8 << 30
	memoryGrain   = 256 << 20
	memoryAtRisk  = 2 // one part of the machine's memory in so many
	bytesOfKernel = 1024
)

// MemoryOf is MemTotal of /proc/meminfo, in bytes; 0 where it does not say.
func MemoryOf(meminfo string) int64 {
	for line := range strings.Lines(meminfo) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib * bytesOfKernel
		}
	}
	return 0
}

// OSDMemoryTarget is what each of so many OSDs of a machine with so many bytes of
// memory aims at, in bytes; 0: as Ceph has it. much is set where all of them take
// more than half of the machine's.
func (c Ceph) OSDMemoryTarget(machine int64, osds int) (target int64, much bool) {
	if c.OSDMemory == "" || osds == 0 {
		return 0, false
	}
	gib, err := strconv.ParseInt(c.OSDMemory, 10, 64)
	if target = gib << 30; err != nil {
		target = min(max(machine/memoryShare/int64(osds)/memoryGrain*memoryGrain, leastMemory), mostMemory)
	}
	return target, target*int64(osds) > machine/memoryAtRisk
}

// BesideDisks are the disks on which OSDs keep a part of themselves, as far as
// they are named.
func (n Node) BesideDisks() []DiskName {
	return slices.DeleteFunc([]DiskName{n.DBDisk, n.WALDisk}, DiskName.IsZero)
}
