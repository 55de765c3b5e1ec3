package inventory

import (
	"cmp"
	"context"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/profiles"
)

// Disk is one whole disk.
type Disk struct {
	Path       string            `json:"path"` // /dev/nvme0n1
	ByID       []string          `json:"by_id"`
	Model      string            `json:"model"`
	Serial     string            `json:"serial"`
	Bytes      int64             `json:"bytes"`
	Rotational bool              `json:"rotational"`
	Transport  string            `json:"transport"` // nvme, sata, usb, virtio, scsi
	Removable  bool              `json:"removable"`
	Link       string            `json:"link,omitempty"` // 16.0 GT/s PCIe x4
	Root       bool              `json:"root"`           // / is on it
	UsedBy     []string          `json:"used_by"`        // empty: blank
	Wear       *int              `json:"wear_percent,omitempty"`
	PowerLoss  string            `json:"power_loss_protection,omitempty"` // yes | not claimed
	Properties map[string]string `json:"properties"`
}

// sectorBytes is the unit of size in sysfs, whatever the disk's own sectors are.
const sectorBytes = 512

// noDisk are the prefixes of block devices that are no disks.
var noDisk = [...]string{"loop", "ram", "zram", "dm-", "md", "nbd", "zd", "fd", "sr", "drbd", "rbd"}

func (r reader) disks() []Disk {
	mounts := r.mounts()
	out := []Disk{}
	for _, name := range r.names("/sys/block") {
		if slices.ContainsFunc(noDisk[:], func(p string) bool { return strings.HasPrefix(name, p) }) || strings.Contains(name, "boot") && strings.HasPrefix(name, "mmcblk") {
			continue
		}
		if r.word("/sys/block", name, "size") == "0" {
			continue // a card reader without a card
		}
		out = append(out, r.disk(name, mounts))
	}
	return out
}

func (r reader) disk(name string, mounts map[string][]string) Disk {
	sys := "/sys/block/" + name
	properties, links := r.udev("b" + r.word(sys, "dev"))
	d := Disk{Path: "/dev/" + name, Properties: properties, Rotational: r.word(sys, "queue/rotational") == "1", Removable: r.word(sys, "removable") == "1",
		Model:  cmp.Or(properties["ID_MODEL"], r.word(sys, "device/model")),
		Serial: cmp.Or(properties["ID_SERIAL_SHORT"], properties["ID_SCSI_SERIAL"], r.word(sys, "device/serial"), r.word(sys, "serial"))}
	properties["DEVNAME"] = d.Path
	for _, l := range links {
		if strings.HasPrefix(l, "/dev/disk/by-id/") {
			d.ByID = append(d.ByID, path.Base(l))
		}
	}
	sectors, _ := strconv.ParseInt(r.word(sys, "size"), 10, 64)
	d.Bytes = sectors * sectorBytes
	d.Transport = transport(name, properties)
	if speed := r.word(sys, "device/device/current_link_speed"); speed != "" {
		d.Link = speed + " x" + r.word(sys, "device/device/current_link_width")
	}
	switch r.word(sys, "queue/write_cache") {
	case "write through": // nothing that is acknowledged lies in memory only
		d.PowerLoss = "yes"
	case "write back":
		d.PowerLoss = "not claimed"
	}
	d.UsedBy = r.users(name, mounts)
	d.Root = slices.Contains(d.UsedBy, "mounted on /")
	return d
}

// transport is how the disk is attached.
func transport(name string, properties map[string]string) string {
	switch {
	case properties["ID_BUS"] == "usb" || properties["ID_USB_DRIVER"] != "":
		return "usb"
	case strings.HasPrefix(name, "nvme"):
		return "nvme"
	case strings.HasPrefix(name, "vd"):
		return "virtio"
	case properties["ID_BUS"] == "ata":
		return "sata"
	case strings.HasPrefix(name, "mmcblk"):
		return "mmc"
	}
	return "scsi"
}

// mounts maps the name of a block device, or of a ZFS pool, to its mount points.
func (r reader) mounts() map[string][]string {
	out := map[string][]string{}
	text, err := r.files.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(text)) {
		// proc_pid_mountinfo(5): id, parent, major:minor, root, mount point, ...
		// " - ", type, source.
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if len(f) < 5 || len(g) < 2 {
			continue
		}
		key := r.base("/sys/dev/block", f[2])
		switch {
		case key != "" && key != ".":
		case g[0] == "zfs":
			key, _, _ = strings.Cut("zfs:"+g[1], "/")
		case strings.HasPrefix(g[1], "/dev/"): // btrfs has no number of its own
			key = path.Base(g[1])
		default:
			continue
		}
		for _, member := range r.members(g[0], key) {
			out[member] = append(out[member], f[4])
		}
	}
	return out
}

// members are the devices of the file system that is mounted from one of them:
// it may have several, and a mount names only one.
func (r reader) members(fstype, key string) []string {
	if f, _ := profiles.FileSystemOf(fstype); f.Members != profiles.MembersSys {
		return []string{key}
	}
	all := path.Join("/sys/fs", fstype)
	for _, id := range r.names(all) {
		devices := path.Join(all, id, "devices")
		if all := r.names(devices); slices.Contains(all, key) {
			return all
		}
	}
	return []string{key}
}

// users says what a disk and everything on it is used for.
func (r reader) users(name string, mounts map[string][]string) []string {
	out := []string{}
	var walk func(dev string)
	walk = func(dev string) {
		sys := "/sys/class/block/" + dev
		properties, _ := r.udev("b" + r.word(sys, "dev"))
		if t := properties["ID_FS_TYPE"]; t != "" {
			out = append(out, t)
			if t == "zfs_member" {
				for _, m := range mounts["zfs:"+properties["ID_FS_LABEL"]] {
					out = append(out, "mounted on "+m)
				}
			}
		}
		for _, m := range mounts[dev] {
			out = append(out, "mounted on "+m)
		}
		for _, h := range r.names(sys + "/holders") {
			if dm := r.word("/sys/class/block", h, "dm/name"); dm != "" {
				out = append(out, "mapped as "+dm)
			} else {
				out = append(out, "held by "+h)
			}
			walk(h)
		}
	}
	if properties, _ := r.udev("b" + r.word("/sys/block", name, "dev")); properties["ID_PART_TABLE_TYPE"] != "" {
		out = append(out, "partition table "+properties["ID_PART_TABLE_TYPE"])
	}
	walk(name)
	for _, part := range r.names("/sys/block/" + name) {
		if host.Exists(r.files, "/sys/block/"+name+"/"+part+"/partition") {
			walk(part)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// readWear asks the disk how worn it is. smartctl's exit status is a set of
// warnings, so the answer alone counts.
func readWear(ctx context.Context, c host.Commands, d *Disk) {
	if d.Transport != "nvme" && d.Transport != "sata" {
		return
	}
	r, err := c.Run(ctx, host.Cmd{Argv: []string{"smartctl", "--json", "-A", d.Path}, ReadOnly: true, Timeout: 20 * time.Second})
	if err != nil {
		return // not installed, or the disk hangs: there is no answer
	}
	d.Wear = wear(r.Stdout)
}

// wear finds the percentage in smartctl's answer; nil where there is none.
func wear(text []byte) *int {
	var a struct {
		NVMe struct {
			Used *int `json:"percentage_used"`
		} `json:"nvme_smart_health_information_log"`
		ATA struct {
			Table []struct {
				ID    int `json:"id"`
				Value int `json:"value"`
			} `json:"table"`
		} `json:"ata_smart_attributes"`
	}
	if json.Unmarshal(text, &a) != nil {
		return nil
	}
	if a.NVMe.Used != nil {
		return a.NVMe.Used
	}
	for _, t := range a.ATA.Table {
		// Attributes that count down from 100: wear levelling, life left.
		if t.ID == 177 || t.ID == 202 || t.ID == 231 || t.ID == 233 {
			used := 100 - t.Value
			return &used
		}
	}
	return nil
}

// RootDisks are the disks that carry /; none if that cannot be told.
func RootDisks(f host.Files) []Disk {
	return slices.DeleteFunc(reader{f}.disks(), func(d Disk) bool { return !d.Root })
}
