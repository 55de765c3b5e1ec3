package storage

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"ringboot/firstboot/step"
	"ringboot/profiles"
)

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

// memoryOf is MemTotal of /proc/meminfo, in bytes; 0 where it does not say.
func memoryOf(meminfo string) int64 {
	for line := range strings.Lines(meminfo) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib * bytesOfKernel
		}
	}
	return 0
}

// memoryTarget is what each of so many OSDs of a machine with so many bytes of
// memory aims at, in bytes; 0: as Ceph has it. much is set where all of them take
// more than half of the machine's.
func memoryTarget(c profiles.Ceph, machine int64, osds int) (target int64, much bool) {
	if c.OSDMemory == "" || osds == 0 {
		return 0, false
	}
	gib, err := strconv.ParseInt(c.OSDMemory, 10, 64)
	if target = gib << 30; err != nil {
		target = min(max(machine/memoryShare/int64(osds)/memoryGrain*memoryGrain, leastMemory), mostMemory)
	}
	return target, target*int64(osds) > machine/memoryAtRisk
}

// lookMemory works out what the OSDs of this node are to aim at, and asks what
// they do.
func (s *Ceph) lookMemory(ctx context.Context, v *cephView) (err error) {
	if s.o.Profile.Ceph.OSDMemory == "" {
		return nil
	}
	text, err := s.o.Host.Files.ReadFile("/proc/meminfo")
	if err != nil {
		return fmt.Errorf("read how much memory %s has: %w", s.o.Node, err)
	}
	machine, much := memoryOf(string(text)), false
	if machine == 0 {
		return fmt.Errorf("/proc/meminfo of %s does not say how much memory it has", s.o.Node)
	}
	if v.memory, much = memoryTarget(s.o.Profile.Ceph, machine, v.disks.expected()); much {
		v.disks.risks = append(v.disks.risks, fmt.Sprintf("%s has %d GiB of memory, and its %s aim at %s each: make ceph.osd_memory_target smaller, or give it fewer of them", s.o.Node, machine>>30, count(v.disks.expected(), "OSD"), gibibytes(v.memory)))
	}
	v.asked = s.o.Profile.Ceph.OSDMemory != profiles.AutoMemory
	v.aims, err = s.ceph.OSDMemory(ctx)
	return err
}

func gibibytes(bytes int64) string { return fmt.Sprintf("%g GiB", float64(bytes)/(1<<30)) }

// cephMemory sets it, when all OSDs of this node are there. What a settled
// cluster has of it is its owner's.
func cephMemory(v cephView) (cephDecision, bool) {
	if v.memory == 0 || v.memory == v.aims || v.heir && v.aims != 0 {
		return cephDecision{}, true
	}
	return cephDo(cephSetMemory, "osd_memory_target of "+v.node.Name, gibibytes(v.memory), "the OSDs of %s are to aim at %s of memory each", v.node.Name, gibibytes(v.memory)), false
}

// memoryDrift is what became of it. What went by the machine's memory and disks
// when the cluster was formed stays, whatever was put in since.
func (v cephView) memoryDrift() []step.Change {
	if v.memory == 0 || v.memory == v.aims || !v.asked && v.aims != 0 {
		return nil
	}
	have := "as Ceph has it"
	if v.aims != 0 {
		have = gibibytes(v.aims)
	}
	return []step.Change{{Object: "osd_memory_target of " + v.node.Name, Have: have, Want: gibibytes(v.memory)}}
}
