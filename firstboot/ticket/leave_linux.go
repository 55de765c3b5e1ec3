package ticket

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/profiles"
	"ringboot/profiles/medium"

	"golang.org/x/sys/unix"
)

// poolTimeout bounds the question to zpool: a pool that hangs must not hold up
// an installation.
const poolTimeout = 20 * time.Second

// Leave does both: it leaves the mark on the EFI system partitions of the
// disks that carry /, and burns the tickets of this node on all media that are
// there. It reports each thing done, goes on after an error, and returns all errors.
func Leave(ctx context.Context, who Who, report func(string)) error {
	return errors.Join(LeaveMarks(ctx, who, report), BurnAll(ctx, who, report))
}

// BurnAll burns the tickets of this node on all media that are there.
func BurnAll(ctx context.Context, who Who, report func(string)) error {
	return onMedia(ctx, func(path string) error { return burnDevice(path, who, report) })
}

// ForgetAll has all media that are there forget this node.
func ForgetAll(ctx context.Context, who Who, report func(string)) error {
	return onMedia(ctx, func(path string) error { return forgetDevice(path, who, report) })
}

// onMedia does something with each medium, goes on after an error, and returns all.
func onMedia(ctx context.Context, do func(path string) error) error {
	names, err := media("/sys")
	if err != nil {
		return err
	}
	var problems []error
	for _, name := range names {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := do("/dev/" + name); err != nil {
			problems = append(problems, fmt.Errorf("/dev/%s: %w", name, err))
		}
	}
	return errors.Join(problems...)
}

func burnDevice(path string, who Who, report func(string)) error {
	// The first look is read-only: a disk that is no medium of ours is never
	// opened for writing.
	look, err := os.Open(path)
	if err != nil {
		return nil // no medium in a card reader, a device that went away
	}
	found, err := Find(look, who)
	look.Close()
	if err != nil {
		return nil
	}
	if found.Ticket.State == medium.TicketSpent || found.Ticket.Node != who.Node || found.Ticket.ClusterID != who.ClusterID {
		report(fmt.Sprintf("%s carries a ticket that is %s: left alone", path, found.Ticket))
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_SYNC, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	t, err := Burn(f, who)
	if err != nil {
		return err
	}
	report(fmt.Sprintf("%s: ticket is now %s", path, t))
	return nil
}

// forgetDevice looks without the right to write, and opens for writing only what
// carries a ticket of this node.
func forgetDevice(path string, who Who, report func(string)) error {
	look, err := os.Open(path)
	if err != nil {
		return nil // no medium in a card reader, a device that went away
	}
	found, err := Find(look, who)
	look.Close()
	if err != nil || found.Ticket.Node != who.Node || found.Ticket.ClusterID != who.ClusterID {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_SYNC, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	done, err := Forget(f, who)
	if done {
		report(fmt.Sprintf("%s: seed, answer and password of %s are overwritten: the stick opens nothing any more", path, who.Node))
	}
	return err
}

// LeaveMarks writes the mark on the EFI system partitions of the disks that carry /.
func LeaveMarks(ctx context.Context, who Who, report func(string)) error {
	disks, err := rootDisks(ctx)
	if err != nil {
		return err
	}
	var problems []error
	marked := 0
	for _, disk := range disks {
		partitions, err := espOf(disk)
		if err != nil {
			problems = append(problems, fmt.Errorf("/dev/%s: %w", disk, err))
			continue
		}
		for _, p := range partitions {
			if err := markPartition("/dev/"+p, who); err != nil {
				problems = append(problems, fmt.Errorf("/dev/%s: %w", p, err))
				continue
			}
			marked++
			report(fmt.Sprintf("/dev/%s carries the mark of %s", p, who.Node))
		}
	}
	if marked == 0 && len(problems) == 0 {
		return fmt.Errorf("no EFI system partition on %s: without a mark only the ticket of the medium keeps it from installing again", strings.Join(disks, ", "))
	}
	return errors.Join(problems...)
}

func rootDisks(ctx context.Context) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find the root disk: %w", err)
	}
	fstype, source, err := rootMount(text)
	if err != nil {
		return nil, err
	}
	devices := []string{source}
	fs, _ := profiles.FileSystemOf(fstype) // one that the installer does not make lies where its mount says
	if fs.Members == profiles.MembersPool {
		pool, _, _ := strings.Cut(source, "/")
		ctx, cancel := context.WithTimeout(ctx, poolTimeout)
		defer cancel()
		out, err := exec.CommandContext(ctx, "zpool", "list", "-vHPL", pool).Output()
		if err != nil {
			return nil, fmt.Errorf("find the disks of pool %s: %w", pool, err)
		}
		devices = poolDevices(out)
	}
	var disks []string
	for _, d := range devices {
		var stat unix.Stat_t
		if err := unix.Stat(d, &stat); err != nil {
			return nil, fmt.Errorf("find the disk of %s: %w", d, err)
		}
		number := fmt.Sprintf("%d:%d", unix.Major(stat.Rdev), unix.Minor(stat.Rdev))
		members := []string{number}
		if fs.Members == profiles.MembersSys {
			if members, err = sysMembers("/sys", fs.Name, number); err != nil {
				return nil, err
			}
		}
		for _, m := range members {
			below, err := disksBelow("/sys", m)
			if err != nil {
				return nil, err
			}
			disks = append(disks, below...)
		}
	}
	slices.Sort(disks)
	return slices.Compact(disks), nil
}

func espOf(disk string) ([]string, error) {
	sector, err := strconv.ParseInt(readWord("/sys/block/"+disk+"/queue/logical_block_size"), 10, 64)
	if err != nil {
		sector = 512
	}
	f, err := os.Open("/dev/" + disk)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	numbers, err := espNumbers(f, sector)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range numbers {
		names = append(names, partitionName(disk, n))
	}
	return names, nil
}

// markPartition mounts the partition privately and writes the mark. It is not
// mounted anywhere else while packages are configured.
func markPartition(device string, who Who) (err error) {
	dir, err := os.MkdirTemp("", "ringboot-esp-")
	if err != nil {
		return err
	}
	defer os.Remove(dir)
	if err := unix.Mount(device, dir, "vfat", unix.MS_NOATIME, ""); err != nil {
		return fmt.Errorf("mount EFI system partition: %w", err)
	}
	defer func() {
		if unmount := unix.Unmount(dir, 0); unmount != nil && err == nil {
			err = fmt.Errorf("unmount EFI system partition: %w", unmount)
		}
	}()
	return writeMark(dir, who)
}
