package rehearsal

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ringboot/profiles/fault"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/qemu"
)

// ErrPreflight says that this machine cannot rehearse.
var ErrPreflight = fault.Precondition.New("this machine cannot rehearse")

// Preflight is what a rehearsal will need and what is there.
type Preflight struct {
	Accel     qemu.Accel
	MemoryMiB int   // of all machines together
	FreeMiB   int   // memory that is free; 0: not known
	DiskBytes int64 // that images and disks will fill
	FreeBytes int64 // in the directory's file system; 0: not known
	Expect    time.Duration
	Missing   []string // sentences with remedies
}

// What the disks of one machine fill, and how long a trip to the report takes
// on two processors without KVM.
const (
	practiceFills = 1200 << 20
	realFills     = 6 << 30
	practiceTakes = 15 * time.Minute
	realTakes     = 45 * time.Minute
	kvmIsFaster   = 4
	spareMiB      = 512
)

// Check looks at the machine. machines is how many nodes the profile has,
// image the size of a stock ISO in bytes.
func Check(ctx context.Context, dir string, machines int, image int64, practice bool, firmware qemu.Firmware, accel qemu.Accel) Preflight {
	p := Preflight{Accel: accel, MemoryMiB: machines * realMemory, DiskBytes: int64(machines) * (realFills + image), Expect: realTakes}
	if practice {
		p.MemoryMiB, p.DiskBytes, p.Expect = machines*practiceMemory, int64(machines)*(practiceFills+image), practiceTakes
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		p.Missing = append(p.Missing, "there is no qemu-system-x86_64: apt install qemu-system-x86")
	} else if p.Accel == "" {
		p.Accel = qemu.TCG
		if kernel, err := base.FetchKernel(ctx); err == nil {
			p.Accel = qemu.Choose(ctx, kernel.Image())
		}
	}
	if p.Accel == qemu.KVM {
		p.Expect /= kvmIsFaster
	}
	if firmware == qemu.UEFI {
		if _, err := (qemu.Machine{Name: "x", Firmware: firmware}).Args("/"); err != nil {
			p.Missing = append(p.Missing, strings.TrimPrefix(err.Error(), "machine x: "))
		}
	}
	p.FreeMiB, p.FreeBytes = free(existing(dir))
	if p.FreeMiB > 0 && p.FreeMiB < p.MemoryMiB+spareMiB {
		p.Missing = append(p.Missing, fmt.Sprintf("%d MiB of memory are free, %d machines need %d: close what is large", p.FreeMiB, machines, p.MemoryMiB+spareMiB))
	}
	if p.FreeBytes > 0 && p.FreeBytes < p.DiskBytes {
		p.Missing = append(p.Missing, fmt.Sprintf("%d MiB are free in %s, images and disks need %d: give another place with --dir", p.FreeBytes>>20, dir, p.DiskBytes>>20))
	}
	return p
}

// Err is nil if the rehearsal can begin.
func (p Preflight) Err() error {
	if len(p.Missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrPreflight, strings.Join(p.Missing, "; "))
}

// existing is the nearest directory above path that is there.
func existing(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return "/"
	}
	for ; path != filepath.Dir(path); path = filepath.Dir(path) {
		if m, err := filepath.Glob(path); err == nil && len(m) == 1 {
			return path
		}
	}
	return path
}
