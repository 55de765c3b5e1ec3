package installer

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// bootDisk is one disk of the installed system, and its partitions.
type bootDisk struct {
	name      string // /dev/sda
	esp, root string
	size      int64 // of root's partition in KiB
}

// Types of the partition that carries the system, as sgdisk names them.
const (
	typeLVM   = "8E00"
	typeLinux = "8300"
)

// partitionName is how the installer names partitions. Disks that fit no
// pattern it cannot install to, and it notices that after wiping them.
func partitionName(disk string, number int) (string, error) {
	switch {
	case plainDisk.MatchString(disk):
		return fmt.Sprintf("%s%d", disk, number), nil
	case numberedDisk.MatchString(disk):
		return fmt.Sprintf("%sp%d", disk, number), nil
	}
	return "", fmt.Errorf("unable to get device for partition %d on device %s", number, disk)
}

var (
	plainDisk    = regexp.MustCompile(`^/dev/(sd([a-h]?[a-z]|i[a-v])|xvd[a-z]|[hxev]d[a-z])$`)
	numberedDisk = regexp.MustCompile(`^/dev/(nvme\d+n\d+|[^/]+/c?\d*d\d+)$`)
)

// partition wipes the disks, divides them, and makes the file systems.
func (s *session) partition(ctx context.Context) error {
	// It takes every group down, whosever it is, so that wiping meets nothing in use.
	if _, err := s.run(ctx, nil, "vgchange", "-an"); err != nil {
		s.say("vgchange: %v", err)
	}
	kind := typeLVM
	if s.answer.Filesystem == "btrfs" {
		kind = typeLinux
	}
	for _, d := range s.disks {
		s.wipe(ctx, d.Name)
	}
	for _, d := range s.disks {
		b, err := s.divideDisk(ctx, d, kind)
		if err != nil {
			return err
		}
		s.boot = append(s.boot, b)
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	if s.answer.Filesystem == "btrfs" {
		return s.makeBtrfs(ctx)
	}
	if err := s.createVolumes(ctx, s.boot[0].root, s.boot[0].size); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	return s.makeFilesystems(ctx)
}

// wipe takes away what is on a disk. Its errors are ignored, as the real one's
// are: what is left shows when the disk is divided.
func (s *session) wipe(ctx context.Context, disk string) {
	out, err := s.run(ctx, nil, "lsblk", "--output", "kname", "--noheadings", "--path", "--list", disk)
	if err != nil {
		s.say("wiping %s: %v", disk, err)
	}
	parts := strings.Fields(string(out))
	slices.SortStableFunc(parts, func(a, b string) int { return len(b) - len(a) })
	for _, part := range parts {
		if part == disk || !strings.HasPrefix(part, disk) {
			continue
		}
		for _, argv := range [][]string{
			{"pvremove", "-ff", "-y", part},
			{"dd", "if=/dev/zero", "of=" + part, "bs=1M", "count=16"},
		} {
			s.run(ctx, nil, argv...) //nolint:errcheck // most parts hold neither
		}
	}
	if _, err := s.run(ctx, nil, append([]string{"wipefs", "-a"}, parts...)...); err != nil {
		s.say("wiping %s: %v", disk, err)
	}
}

// Sizes of the EFI system partition, and of disks: of more than largeDisk GiB
// the partition is large, of less than smallDisk none is taken.
const (
	largeESP  = 1024 // MiB
	smallESP  = 512
	largeDisk = 100
	smallDisk = 8
)

// espSize is how many MiB a disk of that many KiB gets for it.
func espSize(disk int64) int64 {
	if disk > largeDisk*kibPerGiB {
		return largeESP
	}
	return smallESP
}

// divideDisk makes three partitions: BIOS boot, EFI system partition, the rest.
func (s *session) divideDisk(ctx context.Context, d Device, kind string) (bootDisk, error) {
	size, err := diskSize(d.Name)
	if err != nil {
		return bootDisk{}, err
	}
	esp, end := espSize(size), ""
	if s.answer.HDSize != nil && kib(*s.answer.HDSize) < size {
		size = kib(*s.answer.HDSize)
		end = fmt.Sprintf("%dM", size/kibPerMiB)
	}
	if gib := size / kibPerGiB; gib < smallDisk {
		// It would ask a person; unattended the question is refused.
		return bootDisk{}, fmt.Errorf("root disk '%s' too small (%d GB < %d GB), and warning not accepted", d.Name, gib, smallDisk)
	}
	if _, err := s.run(ctx, nil, "sgdisk", "-Z", d.Name); err != nil {
		s.say("clearing the tables of %s: %v", d.Name, err)
	}
	b := bootDisk{name: d.Name, size: size - (esp+1)*kibPerMiB}
	if b.esp, err = partitionName(d.Name, 2); err != nil {
		return b, err
	}
	if b.root, err = partitionName(d.Name, 3); err != nil {
		return b, err
	}
	err = s.all(ctx,
		[]string{"sgdisk", fmt.Sprintf("-n2:1M:+%dM", esp), "-t2:EF00", fmt.Sprintf("-n3:%dM:%s", esp+1, end), "-t3:" + kind, d.Name},
		[]string{"sgdisk", "-a1", "-n1:34:2047", "-t1:EF02", d.Name},
	)
	if err != nil {
		return b, err
	}
	if err := s.settle(ctx); err != nil {
		return b, err
	}
	for _, part := range []string{b.esp, b.root} {
		// It ends with "no space left" on a part that is smaller.
		s.run(ctx, nil, "dd", "if=/dev/zero", "of="+part, "bs=1M", "count=256") //nolint:errcheck
	}
	return b, nil
}

// diskSize is a disk's size in KiB.
func diskSize(disk string) (int64, error) {
	text, err := os.ReadFile("/sys/class/block/" + strings.TrimPrefix(disk, "/dev/") + "/size")
	if err != nil {
		return 0, err
	}
	sectors, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return sectors / 2, err
}

func memoryMiB() (int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	var kibibytes int64
	if _, err := fmt.Sscanf(string(text), "MemTotal: %d kB", &kibibytes); err != nil {
		return 0, fmt.Errorf("memory of this machine: %w", err)
	}
	return kibibytes / kibPerMiB, nil
}

// settle waits for udev to know what is on the disks, which takes more than half
// a minute on an emulated machine whose host is busy.
func (s *session) settle(ctx context.Context) error {
	return s.all(ctx,
		[]string{"udevadm", "trigger", "--subsystem-match", "block"},
		[]string{"udevadm", "settle", "--timeout=120"},
	)
}

// onVolume are the file systems that lie on LVM: how each is made, mounted by
// the installer, and named in fstab.
var onVolume = map[string]struct {
	mkfs         []string
	mount, fstab string
}{
	"ext4": {[]string{"mkfs.ext4", "-q", "-F"}, "noatime,nobarrier", "errors=remount-ro"},
	"xfs":  {[]string{"mkfs.xfs", "-q", "-f"}, "noatime", "defaults"},
}

// makeFilesystems formats and mounts what lies on LVM.
func (s *session) makeFilesystems(ctx context.Context) error {
	var steps [][]string
	if s.swap != "" {
		steps = append(steps, []string{"mkswap", "-f", s.swap})
	}
	steps = append(steps, []string{"mkfs.vfat", "-F32", s.boot[0].esp})
	made := onVolume[s.answer.Filesystem]
	steps = append(steps, append(made.mkfs[:len(made.mkfs):len(made.mkfs)], s.root))
	steps = append(steps, []string{"mkdir", "-p", target}, []string{"mount", "-n", s.root, "-o", made.mount, target})
	return s.all(ctx, steps...)
}

// makeBtrfs makes one file system of all disks, and mounts it.
func (s *session) makeBtrfs(ctx context.Context) error {
	argv := []string{"mkfs.btrfs", "-q", "-f", "-d", s.answer.Raid, "-m", s.answer.Raid}
	for _, b := range s.boot {
		argv = append(argv, b.root)
	}
	s.root = s.boot[0].root
	steps := [][]string{argv}
	for _, b := range s.boot {
		steps = append(steps, []string{"mkfs.vfat", "-F32", b.esp})
	}
	return s.all(ctx, append(steps,
		[]string{"mkdir", "-p", target},
		[]string{"mount", "-n", s.root, "-o", "noatime,nobarrier", target},
		[]string{"mkdir", "-p", target + "/var/lib/pve"},
		[]string{"btrfs", "subvolume", "create", target + "/var/lib/pve/local-btrfs"})...)
}
