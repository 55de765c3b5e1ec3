// Package inventory reads what a machine is made of: mainboard, processor,
// memory, disks, network ports and Thunderbolt. It changes nothing and judges
// nothing.
//
// Its JSON form is what "firstboot inventory --json" prints and "mkimage lint
// --inventory" reads. Each disk is {"path", "properties", ...} and each port
// {"name", "properties", ...}; properties are those of udev, which the
// installer's filters match (ID_SERIAL, ID_NET_NAME_MAC). The other keys are
// for people: "used_by" is empty for a blank disk, "wear_percent" counts up to
// 100 and is missing where the disk does not tell, "power_loss_protection" is
// "yes" where the disk has no volatile write cache, else "not claimed".
package inventory

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"ringboot/firstboot/host"
)

// Inventory is one machine.
type Inventory struct {
	Version     int           `json:"version"` // 1
	Machine     Mainboard     `json:"machine"`
	CPU         CPU           `json:"cpu"`
	MemoryMiB   int           `json:"memory_mib"`
	Disks       []Disk        `json:"disks"`
	NICs        []NIC         `json:"nics"`
	Thunderbolt []Thunderbolt `json:"thunderbolt"`
}

// Mainboard is a machine as its firmware describes it (DMI).
type Mainboard struct {
	Vendor      string `json:"vendor"`
	Product     string `json:"product"`
	Serial      string `json:"serial,omitempty"` // readable by root only
	UUID        string `json:"uuid,omitempty"`
	Board       string `json:"board"`
	BIOSVersion string `json:"bios_version"`
	BIOSDate    string `json:"bios_date"`
	Firmware    string `json:"firmware"` // uefi | bios
}

// CPU is the processor. Hybrid ones have performance and efficient threads.
type CPU struct {
	Model       string `json:"model"`
	Threads     int    `json:"threads"`
	Performance int    `json:"performance_threads,omitempty"`
	Efficient   int    `json:"efficient_threads,omitempty"`
}

// Read looks at the machine. What cannot be read is left empty: an inventory
// with gaps is worth more than none. commands may be nil; it is only asked for
// the wear of disks.
func Read(ctx context.Context, h host.Host) Inventory {
	r := reader{h.Files}
	inv := Inventory{Version: 1, Machine: r.machine(), CPU: r.cpu(), MemoryMiB: r.memory(),
		Disks: r.disks(), NICs: r.nics(), Thunderbolt: r.thunderbolt()}
	if h.Commands != nil {
		for i := range inv.Disks {
			readWear(ctx, h.Commands, &inv.Disks[i])
		}
	}
	return inv
}

// reader reads pseudo files, of which any may be missing.
type reader struct{ files host.Files }

// word is the text of a small file without space around it; "" if there is none.
func (r reader) word(parts ...string) string {
	text, err := r.files.ReadFile(path.Join(parts...))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (r reader) number(parts ...string) int {
	n, err := strconv.Atoi(r.word(parts...))
	if err != nil {
		return 0
	}
	return n
}

// names lists a directory, sorted.
func (r reader) names(dir string) []string {
	entries, err := r.files.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	slices.Sort(out)
	return out
}

// base is the last element that a link points to.
func (r reader) base(parts ...string) string {
	target, err := r.files.Readlink(path.Join(parts...))
	if err != nil {
		return ""
	}
	return path.Base(target)
}

// udev reads udev's record of a device: its properties and its links.
func (r reader) udev(id string) (properties map[string]string, links []string) {
	properties = map[string]string{}
	text, err := r.files.ReadFile("/run/udev/data/" + id)
	if err != nil {
		return properties, nil
	}
	for line := range strings.Lines(string(text)) {
		kind, rest, _ := strings.Cut(strings.TrimRight(line, "\n"), ":")
		switch kind {
		case "E":
			if k, v, ok := strings.Cut(rest, "="); ok {
				properties[k] = v
			}
		case "S":
			links = append(links, "/dev/"+rest)
		}
	}
	slices.Sort(links)
	return properties, links
}

func (r reader) machine() Mainboard {
	const dmi = "/sys/class/dmi/id"
	m := Mainboard{Vendor: r.word(dmi, "sys_vendor"), Product: r.word(dmi, "product_name"), Serial: r.word(dmi, "product_serial"),
		UUID: r.word(dmi, "product_uuid"), Board: r.word(dmi, "board_name"), BIOSVersion: r.word(dmi, "bios_version"), BIOSDate: r.word(dmi, "bios_date"), Firmware: "bios"}
	if host.Exists(r.files, "/sys/firmware/efi") {
		m.Firmware = "uefi"
	}
	return m
}

func (r reader) cpu() CPU {
	var c CPU
	for line := range strings.Lines(r.word("/proc/cpuinfo")) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "processor":
			c.Threads++
		case "model name":
			c.Model = strings.TrimSpace(value)
		}
	}
	c.Performance = countList(r.word("/sys/devices/cpu_core/cpus"))
	c.Efficient = countList(r.word("/sys/devices/cpu_atom/cpus"))
	return c
}

// countList counts the members of a kernel list such as "0-11,14".
func countList(list string) int {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		if err != nil {
			continue
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(last); err != nil || b < a {
				continue
			}
		}
		n += b - a + 1
	}
	return n
}

func (r reader) memory() int {
	for line := range strings.Lines(r.word("/proc/meminfo")) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err == nil {
				return kib / 1024
			}
		}
	}
	return 0
}
