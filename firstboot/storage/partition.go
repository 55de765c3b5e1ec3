package storage

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
)

// rest is what the system leaves of its disk, and the partition that is made of
// it for Ceph.
type rest struct {
	disk  pve.ListedDisk // the whole disk
	part  string         // /dev/nvme0n1p4; "" while there is none
	begun bool           // the partition is ours and not known to be empty yet
	bytes int64          // of the partition; without one, what is free behind the last
	used  string         // what lies on the partition
}

// Names of the partition in the table, by which it is known again. The first one
// says that nobody has looked yet what of an earlier life lies where it was made.
const (
	restBegun = "ringboot-osd-new"
	restName  = "ringboot-osd"
)

var (
	// What sgdisk -p says of the disk, and of one partition: number, first and last
	// sector, size, code, name.
	sectorSize = regexp.MustCompile(`(?m)^Sector size \(logical[^)]*\): ([0-9]+)`)
	lastSector = regexp.MustCompile(`last usable sector is ([0-9]+)`)
	tableRow   = regexp.MustCompile(`(?m)^ +([0-9]+) +([0-9]+) +([0-9]+) +[0-9.]+ [A-Za-z]+ +[0-9A-Fa-f]{4} *(.*)$`)
)

// parseRest reads sgdisk -p of the disk. It reads the disk itself, as wipefs does,
// where lsblk tells what udev has made of an earlier look.
func parseRest(text string, d pve.ListedDisk) (rest, error) {
	number := func(m []string, at int) int64 {
		if len(m) <= at {
			return -1
		}
		n, err := strconv.ParseInt(m[at], 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	sector, last := number(sectorSize.FindStringSubmatch(text), 1), number(lastSector.FindStringSubmatch(text), 1)
	const largest = 1 << 20 // bytes of a sector, far above any; keeps the product in bounds
	if sector <= 0 || sector > largest || last < 0 || last > d.Bytes/sector {
		return rest{}, fmt.Errorf("%s has no partition table that can be read", d.Device)
	}
	out, end := rest{disk: d}, int64(0)
	for _, row := range tableRow.FindAllStringSubmatch(text, -1) {
		from, to := number(row, 2), number(row, 3)
		if from < 0 || to < from || to > last {
			return rest{}, fmt.Errorf("%s has a partition %s beyond its end", d.Device, row[1])
		}
		end = max(end, to+1)
		if name := strings.TrimSpace(row[4]); name == restName || name == restBegun {
			out.part, out.begun, out.bytes = partitionOf(d.Device, row[1]), name == restBegun, (to-from+1)*sector
		}
	}
	if out.part == "" {
		out.bytes = (last + 1 - end) * sector
	}
	return out, nil
}

// partitionOf is the kernel's name of a partition: sda4, nvme0n1p4.
func partitionOf(device, number string) string {
	if last := device[len(device)-1:]; strings.ContainsAny(last, "0123456789") {
		return device + "p" + number
	}
	return device + number
}

// restOf looks at what the system leaves of its disk.
func (s *Ceph) restOf(ctx context.Context, d pve.ListedDisk) (rest, error) {
	if d.Device == "" {
		return rest{}, errors.New("the system's disk has no name")
	}
	table, err := s.ask(ctx, "sgdisk", "-p", d.Device)
	if err != nil {
		return rest{}, err
	}
	out, err := parseRest(table, d)
	if err != nil || out.part == "" {
		return out, err
	}
	if !host.Exists(s.o.Host.Files, "/sys/class/block/"+path.Base(out.part)) {
		out.begun = true // the kernel has yet to read the table
		return out, nil
	}
	used, err := s.ask(ctx, "wipefs", "--noheadings", "-O", "TYPE", out.part) // without -a it lists
	out.used = strings.Join(strings.Fields(used), " ")
	return out, err
}

func (s *Ceph) ask(ctx context.Context, argv ...string) (string, error) {
	return host.Run(ctx, s.o.Host.Commands, host.Cmd{Argv: argv, ReadOnly: true, Timeout: time.Minute})
}

func (s *Ceph) change(ctx context.Context, argv ...string) error {
	_, err := host.Run(ctx, s.o.Host.Commands, host.Cmd{Argv: argv, Timeout: time.Minute})
	return err
}

// makeRest makes the partition in the free space behind all others, and empties
// it. Only there nothing of the owner's can lie: the installer has wiped the
// disk's table by his consent, and what an earlier one left in this space would
// be taken for a file system.
func (s *Ceph) makeRest(ctx context.Context, want rest) error {
	if err := s.ceph.SameDisk(ctx, want.disk); err != nil {
		return err
	}
	device := want.disk.Device
	now, err := s.reread(ctx, want.disk) // an earlier try may have ended here
	if err != nil {
		return err
	}
	if now.part == "" {
		// On whole MiB: sgdisk goes by the partitions that are there, and the
		// installer's first one lies on an odd sector. 8300: a Linux file system;
		// pveceph gives it the type of LVM.
		if err := s.change(ctx, "sgdisk", "-a", "2048", "-n", "0:0:0", "-t", "0:8300", "-c", "0:"+restBegun, device); err != nil {
			return err
		}
		if now, err = s.reread(ctx, want.disk); err != nil {
			return err
		}
	}
	number := strings.TrimLeft(strings.TrimPrefix(path.Base(now.part), path.Base(device)), "p")
	switch {
	case now.part == "" || number == "" || !host.Exists(s.o.Host.Files, "/sys/class/block/"+path.Base(now.part)):
		return fmt.Errorf("the kernel does not know the partition %s of %s though sgdisk made it: restart the node, so that the table is read again", restBegun, device)
	case !now.begun:
		return nil
	}
	if err := s.change(ctx, "wipefs", "-a", now.part); err != nil {
		return err
	}
	if err := s.change(ctx, "sgdisk", "-c", number+":"+restName, device); err != nil {
		return err
	}
	return s.settled(ctx)
}

// reread has the kernel read a disk's table, which it does not by itself where
// the system runs from the disk, and looks.
func (s *Ceph) reread(ctx context.Context, d pve.ListedDisk) (rest, error) {
	if err := s.change(ctx, "partx", "-u", d.Device); err != nil {
		return rest{}, err
	}
	if err := s.settled(ctx); err != nil {
		return rest{}, err
	}
	return s.restOf(ctx, d)
}

// settled waits until udev has seen what was changed: pveceph asks udev what
// lies on a partition. Where it is not done in time, the next pass finds out.
func (s *Ceph) settled(ctx context.Context) error {
	_, err := s.o.Host.Commands.Run(ctx, host.Cmd{Argv: []string{"udevadm", "settle", "-t", "30"}, ReadOnly: true, Timeout: time.Minute})
	return err
}

// createOSDOf makes an OSD of the partition.
func (s *Ceph) createOSDOf(ctx context.Context, want rest, how pve.NewOSD) error {
	now, err := s.restOf(ctx, want.disk)
	switch {
	case err != nil:
		return err
	case now.part == "" || now.begun || now.used != "" || now.part != want.part || now.bytes != want.bytes:
		return fmt.Errorf("%s %w: its partition for Ceph was %s, it is %s (%q)", want.disk.Device, pve.ErrNotThatDisk, want.part, now.part, now.used)
	}
	return s.ceph.CreateOSDOn(ctx, now.part, how)
}
