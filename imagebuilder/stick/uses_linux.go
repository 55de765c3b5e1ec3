package stick

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// partsOf are the partitions of a disk.
func (s *system) partsOf(name string) (parts []string) {
	entries, _ := os.ReadDir(filepath.Join(s.root, "sys/block", name))
	for _, e := range entries {
		if s.word("sys/block", name, e.Name(), "partition") != "" {
			parts = append(parts, e.Name())
		}
	}
	return parts
}

// uses collects mounts, swap, holders and writers of the disk and of all its parts.
func (s *system) uses(d *Device, name string) {
	parts := append([]string{name}, s.partsOf(name)...)
	seen := map[string]bool{}
	for i := 0; i < len(parts); i++ { // grows while it is walked
		part := parts[i]
		if seen[part] {
			continue
		}
		seen[part] = true
		number := s.word("sys/class/block", part, "dev")
		d.Mounted = append(d.Mounted, s.mounts[number]...)
		if s.swaps["/dev/"+part] {
			d.InUse = append(d.InUse, "swap")
			d.System = true
		}
		for _, h := range s.holders(part, number) {
			d.InUse = append(d.InUse, firstOf(s.word("sys/class/block", h, "dm/name"), h))
			parts = append(append(parts, h), s.partsOf(h)...)
		}
		d.InUse = append(d.InUse, s.writers["/dev/"+part]...)
		if pool := s.pool(number); pool != "" {
			d.InUse = append(d.InUse, "the ZFS pool "+pool)
		}
	}
	slices.Sort(d.Mounted)
	d.Mounted = slices.Compact(d.Mounted)
	for _, where := range d.Mounted {
		if slices.Contains([]string{"/", "/boot", "/boot/efi", "/efi", "/usr", "/var", "/home"}, where) {
			d.System = true
		}
	}
}

// holders are the block devices that lie on one: device-mapper, md and bcache,
// which the kernel lists, and loop devices, which open it like a file.
func (s *system) holders(part, number string) (names []string) {
	listed, _ := os.ReadDir(filepath.Join(s.root, "sys/class/block", part, "holders"))
	for _, h := range listed {
		names = append(names, h.Name())
	}
	disks, _ := os.ReadDir(filepath.Join(s.root, "sys/block"))
	for _, b := range disks {
		if file := s.word("sys/block", b.Name(), "loop/backing_file"); strings.HasPrefix(file, "/dev/") && number != "" && s.numberOf(file) == number {
			names = append(names, b.Name())
		}
	}
	return names
}

// pool is the imported ZFS pool to which a device belongs, "" for none. ZFS holds
// its devices without an entry in sysfs; its label is the pool's name.
func (s *system) pool(number string) string {
	udev := s.udev(number)
	if label := udev["ID_FS_LABEL"]; udev["ID_FS_TYPE"] == "zfs_member" && label != "" && filepath.IsLocal(label) {
		if _, err := os.Stat(filepath.Join(s.root, "proc/spl/kstat/zfs", label)); err == nil {
			return printable(label)
		}
	}
	return ""
}

// content collects what lies on a disk. An installation medium, as an earlier
// image on the stick, is nobody's data.
func (s *system) content(d *Device, name string, udev map[string]string) {
	if udev["ID_FS_TYPE"] == "iso9660" {
		return
	}
	parts := s.partsOf(name)
	if udev["ID_FS_TYPE"] != "" {
		parts = append(parts, name)
	}
	for _, part := range parts {
		is := s.udev(s.word("sys/class/block", part, "dev"))
		kind := firstOf(is["ID_FS_TYPE"], "a partition")
		if label := is["ID_FS_LABEL"]; label != "" {
			kind += fmt.Sprintf(" %q", printable(label))
		}
		d.Content = append(d.Content, fmt.Sprintf("%s (%s)", printable(kind), part))
	}
}

// printable keeps what a disk calls itself from steering a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, text)
}
