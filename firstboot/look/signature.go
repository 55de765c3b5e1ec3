// Package look sees what a machine is made of before any of its own software
// runs: disks, what lies on them, and the medium that was started from. There
// is no udev yet, so it works out the properties that udev will give the disks,
// by which the installer chooses.
//
// It reads and never writes, and it judges nothing.
package look

import (
	"bytes"
	"fmt"
	"io"
	"slices"
)

// signature is one mark by which a content is known (util-linux, libblkid).
type signature struct {
	kind  string // as blkid calls it
	at    int64  // from the beginning, in bytes; negative: from the end
	magic string
}

// signatures are the contents that are told by name. What is not among them is
// still seen: a disk is blank only if its first and last MiB are zero.
var signatures = []signature{
	{"ext4", 0x438, "\x53\xef"},
	{"xfs", 0, "XFSB"},
	{"btrfs", 0x10040, "_BHRfS_M"},
	{"btrfs", 0x4000040, "_BHRfS_M"}, // its first copy
	{"ntfs (Windows)", 3, "NTFS    "},
	{"BitLocker (Windows)", 3, "-FVE-FS-"},
	{"ReFS (Windows)", 3, "ReFS\x00\x00\x00\x00"},
	{"exfat", 3, "EXFAT   "},
	{"vfat", 82, "FAT32   "},
	{"vfat", 54, "FAT16   "},
	{"vfat", 54, "FAT12   "},
	{"LVM2_member", 0x218, "LVM2 001"},
	{"LVM2_member", 0x018, "LVM2 001"},
	{"crypto_LUKS", 0, "LUKS\xba\xbe"},
	{"linux_raid_member", 0x1000, "\xfc\x4e\x2b\xa9"},
	{"linux_raid_member", 0, "\xfc\x4e\x2b\xa9"},
	{"linux_raid_member", -0x2000, "\xfc\x4e\x2b\xa9"},
	{"ceph_bluestore", 0, "bluestore block device"},
	{"swap", 0xff6, "SWAPSPACE2"},
	{"swap", 0xff6, "SWAP-SPACE"},
	{"iso9660", 0x8001, "CD001"},
	{"udf", 0x8801, "NSR0"},
	{"apfs", 32, "NXSB"},
	{"hfsplus", 1024, "H+"},
	{"f2fs", 1024, "\x10\x20\xf5\xf2"},
	{"squashfs", 0, "hsqs"},
	{"VMFS", 0x200000, "\x0d\xd0\x01\xc0"},
	{"bcache", 0x1018, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"},
	{"isw_raid_member", -1024, "Intel Raid ISM Cfg Sig. "},
	{"ddf_raid_member", -512, "\xde\x11\xde\x11"},
	{"DRBD", -4096 + 60, "\x83\x74\x02\x6b"},
}

// zfsLabels are where the four labels of a ZFS member hold their uberblocks: the
// first two at the beginning, the others at the end, 256 KiB each.
const (
	zfsLabel     = 256 << 10
	zfsUber      = 128 << 10
	zfsUberMagic = "\x0c\xb1\xba\x00\x00\x00\x00\x00" // 0x00bab10c
	zfsUberStep  = 1 << 10
)

// contents names what lies at the beginning and the end of a device.
func contents(r io.ReaderAt, size int64) []string {
	var out []string
	for _, s := range signatures {
		at := s.at
		if at < 0 {
			at += size
		}
		b := make([]byte, len(s.magic))
		if at < 0 || at+int64(len(b)) > size {
			continue
		}
		if _, err := r.ReadAt(b, at); err == nil && string(b) == s.magic && !slices.Contains(out, s.kind) {
			out = append(out, s.kind)
		}
	}
	if zfs(r, size) {
		out = append(out, "zfs_member")
	}
	return out
}

func zfs(r io.ReaderAt, size int64) bool {
	end := size / zfsLabel * zfsLabel
	for _, label := range []int64{0, zfsLabel, end - 2*zfsLabel, end - zfsLabel} {
		ring := make([]byte, zfsUber)
		if label < 0 {
			continue
		}
		if _, err := r.ReadAt(ring, label+zfsUber); err != nil {
			continue
		}
		for at := 0; at < len(ring); at += zfsUberStep {
			if bytes.HasPrefix(ring[at:], []byte(zfsUberMagic)) {
				return true
			}
		}
	}
	return false
}

// edge is how much of the beginning and of the end of a blank disk is zero, bytes.
const edge = 1 << 20

// Holds says what is on a disk, for people; nothing means that it is blank: no
// partition table, no content that is known, its first and last MiB zero.
func Holds(r io.ReaderAt, size, sector int64) ([]string, []Partition, error) {
	var out []string
	for _, at := range []int64{0, max(0, size-edge)} {
		b := make([]byte, min(edge, size))
		if _, err := r.ReadAt(b, at); err != nil {
			return nil, nil, fmt.Errorf("read at byte %d: %w", at, err)
		}
		if len(out) == 0 && bytes.Count(b, []byte{0}) != len(b) {
			out = append(out, "not empty")
		}
	}
	parts, table := partitions(r, size, sector)
	names := contents(r, size)
	if table != "" {
		names = append([]string{"partition table " + table}, names...)
	}
	for i, p := range parts {
		if i == maxNamed {
			names = append(names, fmt.Sprintf("and %d more", len(parts)-i))
			break
		}
		what := contents(io.NewSectionReader(r, p.Off, p.Len), p.Len)
		if len(what) == 0 {
			what = []string{"unknown content"}
		}
		text := fmt.Sprintf("%d: %s", p.Number, what[0])
		if p.Label != "" {
			text += " \"" + p.Label + "\""
		}
		names = append(names, text)
	}
	if len(names) > 0 {
		return names, parts, nil
	}
	return out, parts, nil
}

// maxNamed bounds how many partitions are named.
const maxNamed = 8
