package ticket

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// notMedia are kernel devices that hold no medium of their own.
var notMedia = []string{"loop", "ram", "zram", "dm-", "md", "nbd", "zd", "fd", "sr", "drbd", "rbd"}

// media returns the names of the whole disks that can be written to. An
// optical drive is none: its ticket cannot be burnt.
func media(sys string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(sys, "block"))
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	var names []string
	for _, e := range entries {
		if slices.ContainsFunc(notMedia, func(prefix string) bool { return strings.HasPrefix(e.Name(), prefix) }) {
			continue
		}
		if readWord(filepath.Join(sys, "block", e.Name(), "ro")) == "1" || readWord(filepath.Join(sys, "block", e.Name(), "size")) == "0" {
			continue
		}
		names = append(names, e.Name())
	}
	return names, nil
}

func readWord(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// rootMount returns the file system type and the source of the mount on /, from
// the text of /proc/self/mountinfo (proc_pid_mountinfo(5)).
func rootMount(mountinfo []byte) (fstype, source string, err error) {
	lines := bufio.NewScanner(bytes.NewReader(mountinfo))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		dash := slices.Index(fields, "-")
		if len(fields) < 5 || dash < 0 || dash+2 >= len(fields) || fields[4] != "/" {
			continue
		}
		fstype, source = fields[dash+1], fields[dash+2] // the last mount on / is the one that is seen
	}
	if source == "" {
		return "", "", fmt.Errorf("no file system is mounted on /")
	}
	return fstype, source, nil
}

// poolDevices picks the device paths out of "zpool list -vHPL".
func poolDevices(text []byte) []string {
	var devices []string
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		for field := range strings.FieldsSeq(lines.Text()) {
			if strings.HasPrefix(field, "/dev/") {
				devices = append(devices, field)
			}
			break // only the first column names a device
		}
	}
	return devices
}

// sysMembers returns the numbers of all devices of the file system that one of
// them belongs to, where the kernel lists them: a mount names only one.
func sysMembers(sys, fs, number string) ([]string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(sys, "dev", "block", number))
	if err != nil {
		return nil, fmt.Errorf("find block device %s: %w", number, err)
	}
	found, err := filepath.Glob(filepath.Join(sys, "fs", fs, "*", "devices", filepath.Base(dir)))
	if err != nil || len(found) == 0 {
		return []string{number}, err
	}
	members, err := filepath.Glob(filepath.Join(filepath.Dir(found[0]), "*"))
	if err != nil {
		return nil, err
	}
	var numbers []string
	for _, m := range members {
		if n := readWord(filepath.Join(m, "dev")); n != "" { // a missing disk has none
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// disksBelow follows a block device down to the whole disks that carry it:
// through device-mapper and RAID to partitions, and from them to their disks.
// sys is /sys; number is "major:minor".
func disksBelow(sys, number string) ([]string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(sys, "dev", "block", number))
	if err != nil {
		return nil, fmt.Errorf("find block device %s: %w", number, err)
	}
	slaves, err := os.ReadDir(filepath.Join(dir, "slaves"))
	if err == nil && len(slaves) > 0 {
		var disks []string
		for _, s := range slaves {
			below, err := disksBelow(sys, readWord(filepath.Join(dir, "slaves", s.Name(), "dev")))
			if err != nil {
				return nil, err
			}
			disks = append(disks, below...)
		}
		slices.Sort(disks)
		return slices.Compact(disks), nil
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		return []string{filepath.Base(filepath.Dir(dir))}, nil
	}
	return []string{filepath.Base(dir)}, nil
}

// partitionName is the kernel's name of a partition: sda2, nvme0n1p2.
func partitionName(disk string, number int) string {
	if last := disk[len(disk)-1]; last >= '0' && last <= '9' {
		return fmt.Sprintf("%sp%d", disk, number)
	}
	return fmt.Sprintf("%s%d", disk, number)
}
