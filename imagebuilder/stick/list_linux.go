package stick

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// List returns the devices that may be sticks: whole disks with a medium that
// are removable.
func List(ctx context.Context) ([]Device, error) {
	s, err := readSystem("/")
	if err != nil {
		return nil, err
	}
	return s.candidates()
}

// Find returns the device of that path, which may be a link such as those
// below /dev/disk/by-id. It finds any whole disk, not only candidates.
func Find(ctx context.Context, path string) (Device, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Device{}, fmt.Errorf("no such device: %w", err)
	}
	s, err := readSystem("/")
	if err != nil {
		return Device{}, err
	}
	name := strings.TrimPrefix(real, "/dev/")
	if _, err := os.Stat(filepath.Join("/sys/block", name)); err != nil {
		if whole := wholeDisk("/sys", name); whole != "" {
			return Device{}, fmt.Errorf("%s is a part of /dev/%s: an image goes onto the whole device", path, whole)
		}
		return Device{}, fmt.Errorf("%s is no disk: mkimage sticks lists what is there", path)
	}
	return s.device(name)
}

// wholeDisk is the disk of a partition, or "".
func wholeDisk(sys, partition string) string {
	dir, err := filepath.EvalSymlinks(filepath.Join(sys, "class/block", partition))
	if err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err != nil {
		return ""
	}
	return filepath.Base(filepath.Dir(dir))
}

// system is what /sys, /proc and udev say. root lets a test put a directory in
// their place.
type system struct {
	root    string
	mounts  map[string][]string // by "major:minor"
	swaps   map[string]bool     // by device path
	writers map[string][]string // by device path
}

func readSystem(root string) (*system, error) {
	s := &system{root: root, mounts: map[string][]string{}, swaps: map[string]bool{}}
	mountinfo, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	for line := range strings.Lines(string(mountinfo)) {
		// proc_pid_mountinfo(5): id, parent, major:minor, root, mount point ... - type source options
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		where := unescape(fields[4])
		s.mounts[fields[2]] = append(s.mounts[fields[2]], where)
		// Btrfs and ZFS mount under an anonymous number: the source names the device.
		if dash := slices.Index(fields, "-"); dash > 0 && dash+2 < len(fields) && strings.HasPrefix(fields[dash+2], "/dev/") {
			if number := s.numberOf(fields[dash+2]); number != "" && number != fields[2] {
				s.mounts[number] = append(s.mounts[number], where)
			}
		}
	}
	if swaps, err := os.ReadFile(filepath.Join(root, "proc/swaps")); err == nil {
		for line := range strings.Lines(string(swaps)) {
			if device, _, _ := strings.Cut(line, " "); strings.HasPrefix(device, "/dev/") {
				s.swaps[device] = true
			}
		}
	}
	s.writers = writers(root)
	return s, nil
}

// unescape undoes \040 and its like (proc_pid_mountinfo(5)).
func unescape(s string) string {
	for _, code := range [][2]string{{`\040`, " "}, {`\011`, "\t"}, {`\012`, "\n"}, {`\134`, `\`}} {
		s = strings.ReplaceAll(s, code[0], code[1])
	}
	return s
}

func (s *system) word(elements ...string) string {
	text, err := os.ReadFile(filepath.Join(append([]string{s.root}, elements...)...))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (s *system) numberOf(device string) string {
	real, err := filepath.EvalSymlinks(filepath.Join(s.root, device))
	if err != nil {
		return ""
	}
	return s.word("sys/class/block", filepath.Base(real), "dev")
}

func (s *system) candidates() ([]Device, error) {
	entries, err := os.ReadDir(filepath.Join(s.root, "sys/block"))
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	var out []Device
	for _, e := range entries {
		d, err := s.device(e.Name())
		if errors.Is(err, os.ErrNotExist) {
			continue // pulled out meanwhile
		}
		if err != nil {
			return nil, err
		}
		if d.Removable && d.Size > 0 && !slices.Contains([]string{"loop", "optical"}, d.Bus) {
			out = append(out, d)
		}
	}
	return out, nil
}

// sectorBytes is the unit of /sys/block/*/size, whatever the device's own is.
const sectorBytes = 512

func (s *system) device(name string) (Device, error) {
	dir := filepath.Join("sys/block", name)
	number := s.word(dir, "dev")
	if number == "" {
		return Device{}, fmt.Errorf("/dev/%s: %w", name, os.ErrNotExist)
	}
	sectors, err := strconv.ParseInt(s.word(dir, "size"), 10, 64)
	if err != nil {
		return Device{}, fmt.Errorf("/dev/%s: size: %w", name, err)
	}
	udev := s.udev(number)
	d := Device{
		Path: "/dev/" + name, Size: sectors * sectorBytes,
		Model:    strings.TrimSpace(strings.ReplaceAll(firstOf(udev["ID_MODEL"], s.word(dir, "device/model")), "_", " ")),
		Serial:   firstOf(udev["ID_SERIAL_SHORT"], s.word(dir, "device/serial")),
		Bus:      firstOf(udev["ID_BUS"], s.bus(name)),
		ReadOnly: s.word(dir, "ro") == "1",
		Sequence: s.word(dir, "diskseq"), // since Linux 5.15
	}
	d.Removable = s.word(dir, "removable") == "1" || d.Bus == "usb" || strings.HasPrefix(name, "mmcblk") && s.word(dir, "device/type") == "SD"
	if strings.HasPrefix(name, "sr") {
		d.Bus = "optical"
	}
	s.uses(&d, name)
	s.content(&d, name, udev)
	return d, nil
}

func firstOf(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// udev reads what udev knows of a block device (its database, "E:KEY=value" lines).
func (s *system) udev(number string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(s.word("run/udev/data", "b"+number)) {
		if entry, ok := strings.CutPrefix(strings.TrimSpace(line), "E:"); ok {
			key, value, _ := strings.Cut(entry, "=")
			out[key] = value
		}
	}
	return out
}

// bus guesses from the device's place in /sys where udev does not run.
func (s *system) bus(name string) string {
	real, err := filepath.EvalSymlinks(filepath.Join(s.root, "sys/block", name))
	if err != nil {
		return ""
	}
	for _, sign := range []struct{ in, bus string }{
		{"/usb", "usb"}, {"/nvme", "nvme"}, {"/mmc", "mmc"}, {"/ata", "ata"}, {"/virtio", "virtio"}, {"/loop", "loop"},
	} {
		if strings.Contains(real, sign.in) {
			return sign.bus
		}
	}
	return ""
}
