package installer

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// group is the volume group of the installed system.
const group = "pve"

// extent is the physical extent that sizes are rounded to, in KiB.
const extent = 4 << 10

const (
	kibPerMiB = 1 << 10
	kibPerGiB = 1 << 20
)

// volumes are the sizes of the logical volumes in KiB. data is 0 where there is
// no room for guests, and metadata is what its thin pool needs beside it.
type volumes struct{ swap, root, data, metadata int64 }

// lvmOptions are what an answer may say about the volumes, in GiB; nil is the
// installer's own choice.
type lvmOptions struct{ swap, maxroot, maxvz, minfree *float64 }

// kib is a size of an answer in KiB.
func kib(gib float64) int64 { return int64(gib * kibPerGiB) }

func down(size int64) int64 { return size - size%extent }

// swapSize is the swap volume of a disk of that many KiB with that much memory.
func swapSize(disk, memoryMiB int64, o lvmOptions) int64 {
	if o.swap != nil {
		return kib(*o.swap)
	}
	gib, size := disk/kibPerGiB, memoryMiB
	if size < 4096 && gib >= 64 {
		size = 4096
	}
	if size < 2048 && gib >= 32 {
		size = 2048
	}
	if size >= 2048 && gib <= 16 {
		size = 1024
	}
	size = min(max(size, 512), gib*128, 8192)
	return down(size * kibPerMiB)
}

// divide divides a partition of that many KiB between swap, root and guests.
func divide(disk, memoryMiB int64, o lvmOptions) volumes {
	v := volumes{swap: swapSize(disk, memoryMiB, o)}
	rest := disk - v.swap
	root := int64(0)
	switch restMiB := rest / kibPerMiB; {
	case restMiB < 12<<10:
		root = (restMiB - 4) &^ 3 * kibPerMiB
	case restMiB < 48<<10:
		root = (restMiB / 2) &^ 3 * kibPerMiB
	default:
		root = rest/4 + 12*kibPerGiB
	}
	most := int64(96 * kibPerGiB)
	if o.maxroot != nil && *o.maxroot > 0 {
		most = kib(*o.maxroot)
	}
	v.root = down(min(root, most))
	rest -= v.root
	rest = down(max(0, rest-unused(disk, rest, o)))
	if o.maxvz != nil {
		rest = min(rest, kib(*o.maxvz))
	}
	if rest <= 4*kibPerGiB {
		return v
	}
	v.metadata = down(min(max(rest/100, kibPerGiB), 16*kibPerGiB))
	v.data = rest - 2*v.metadata - extent
	return v
}

// unused is what stays free in the volume group.
func unused(disk, rest int64, o lvmOptions) int64 {
	gib := disk / kibPerGiB
	free := int64(4 * kibPerMiB)
	if gib > 32 {
		free = int64(math.Min(16, float64(gib)/8) * kibPerGiB)
	}
	if o.minfree != nil && kib(*o.minfree) < rest {
		free = kib(*o.minfree)
	}
	return free
}

// createVolumes makes the volume group and what is in it.
func (s *session) createVolumes(ctx context.Context, partition string, size int64) error {
	if err := s.renameForeign(ctx); err != nil {
		return err
	}
	memory, err := memoryMiB()
	if err != nil {
		return err
	}
	v := divide(size, memory, s.answer.LVM)
	steps := [][]string{
		{"pvcreate", "--metadatasize", "250k", "-y", "-ff", partition},
		{"vgcreate", group, partition},
	}
	if v.swap > 0 {
		steps = append(steps, []string{"lvcreate", "-Wy", "--yes", fmt.Sprintf("-L%dK", v.swap), "-nswap", group})
	}
	steps = append(steps, []string{"lvcreate", "-Wy", "--yes", fmt.Sprintf("-L%dK", v.root), "-nroot", group})
	if v.data > 0 {
		steps = append(steps,
			[]string{"lvcreate", "-Wy", "--yes", fmt.Sprintf("-L%dK", v.data), "-ndata", group},
			[]string{"lvconvert", "--yes", "--type", "thin-pool", "--poolmetadatasize", fmt.Sprintf("%dK", v.metadata), group + "/data"})
	} else {
		s.say("no thin pool for guests: the disk has no room for it, or the answer wants none")
	}
	steps = append(steps, []string{"vgchange", "-a", "y", group})
	if err := s.all(ctx, steps...); err != nil {
		return err
	}
	s.root = "/dev/" + group + "/root"
	if v.swap > 0 {
		s.swap = "/dev/" + group + "/swap"
	}
	return nil
}

// renameForeign gives a volume group of our name on another disk another one,
// without asking: as the real installer does.
func (s *session) renameForeign(ctx context.Context) error {
	out, err := s.run(ctx, nil, "pvs", "--noheadings", "-o", "vg_uuid", "-S", "vg_name="+group)
	if err != nil {
		return nil // no volume group at all
	}
	seen := map[string]bool{}
	for _, id := range strings.Fields(string(out)) {
		if seen[id] {
			continue
		}
		seen[id] = true
		name := fmt.Sprintf("%s-OLD-%08X", group, rand.Uint32())
		s.say("renaming the volume group %s that is there to %s", group, name)
		if _, err := s.run(ctx, nil, "vgrename", id, name); err != nil {
			return err
		}
	}
	return nil
}
