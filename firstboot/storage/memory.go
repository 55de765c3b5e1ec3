package storage

import (
	"context"
	"fmt"

	"ringboot/firstboot/step"
	"ringboot/profiles"
)

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
	machine, much := profiles.MemoryOf(string(text)), false
	if machine == 0 {
		return fmt.Errorf("/proc/meminfo of %s does not say how much memory it has", s.o.Node)
	}
	if v.memory, much = s.o.Profile.Ceph.OSDMemoryTarget(machine, v.disks.expected()); much {
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
