package pve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/profiles"
	"ringboot/profiles/diskname"
)

// ListedDisk is one disk of the node as Proxmox VE lists it.
type ListedDisk struct {
	Device string // /dev/nvme1n1
	Serial string
	Model  string
	Bytes  int64
	ByID   string // /dev/disk/by-id/nvme-…
	Used   string // "", or what holds it: partitions, LVM, mounted, ext4
	Type   string // nvme, ssd, hdd, usb
	// Apart is why the disk is never taken by itself: "" for one that is built in.
	Apart string
	OSD   int // -1: none
	Life  int // percent that is left, as the disk says it; -1: it does not
}

// Blank reports whether nothing is on the disk.
func (d ListedDisk) Blank() bool { return d.Used == "" && d.OSD < 0 }

// ParseDisks reads GET /nodes/<node>/disks/list.
func ParseDisks(text []byte) ([]ListedDisk, error) {
	list, err := decode[[]struct {
		Device string          `json:"devpath"`
		Serial string          `json:"serial"`
		Model  string          `json:"model"`
		Size   int64           `json:"size"`
		ByID   string          `json:"by_id_link"`
		Used   string          `json:"used"`
		Type   string          `json:"type"`
		GPT    int             `json:"gpt"`
		OSD    json.RawMessage `json:"osdid"`
		Mount  int             `json:"mounted"`
		Wear   json.RawMessage `json:"wearout"`
	}](text)
	if err != nil {
		return nil, fmt.Errorf("list of disks: %w", err)
	}
	var out []ListedDisk
	for _, d := range list {
		disk := ListedDisk{Device: d.Device, Serial: strings.TrimSpace(d.Serial), Model: strings.TrimSpace(d.Model), Bytes: d.Size, ByID: d.ByID, Used: d.Used, Type: d.Type, OSD: -1, Life: -1}
		if disk.Serial == "unknown" {
			disk.Serial = ""
		}
		// The id comes as a number, as a text or not at all.
		if id := strings.Trim(string(d.OSD), `"`); id != "" && id != "-1" && id != "null" {
			if n, err := strconv.Atoi(id); err == nil {
				disk.OSD = n
			}
		}
		// So does the life that is left, or as N/A.
		if left, err := strconv.Atoi(strings.Trim(string(d.Wear), `"`)); err == nil && left >= 0 && left <= 100 {
			disk.Life = left
		}
		if disk.Used == "" && d.Mount != 0 {
			disk.Used = "mounted"
		}
		out = append(out, disk)
	}
	slices.SortFunc(out, func(a, b ListedDisk) int { return strings.Compare(a.Device, b.Device) })
	return out, nil
}

// Disks lists the disks of this node.
func (c Ceph) Disks(ctx context.Context) ([]ListedDisk, error) {
	r, err := c.read(ctx, "pvesh", "get", "/nodes/"+c.Node+"/disks/list", "--output-format", "json")
	if err != nil {
		return nil, err
	}
	disks, err := ParseDisks(r.Stdout)
	if err != nil {
		return nil, err
	}
	for i, d := range disks {
		disks[i].Apart = c.apart(d)
	}
	return disks, nil
}

// apart tells what keeps a disk from being a part of the machine: it hangs on
// USB, can be taken out, or is a memory card.
func (c Ceph) apart(d ListedDisk) string {
	name := path.Base(d.Device)
	at, _ := c.Host.Files.Readlink("/sys/block/" + name) // where there is none, the type says it
	removable, _ := c.Host.Files.ReadFile("/sys/block/" + name + "/removable")
	switch {
	case d.Type == "usb" || strings.Contains(at, "/usb"):
		return "on USB"
	case strings.HasPrefix(name, "mmcblk"):
		return "an eMMC or a memory card"
	case strings.TrimSpace(string(removable)) == "1":
		return "removable"
	case d.Type != "nvme" && d.Type != "ssd" && d.Type != "hdd":
		return "of the kind " + d.Type
	}
	return ""
}

// Is reports whether a disk is the one that a profile names.
func (c Ceph) Is(d ListedDisk, want profiles.DiskName) bool {
	switch {
	case want.Serial != "":
		// The profile may hold ID_SERIAL (model and serial, of an NVMe disk perhaps
		// with its namespace) or ID_SERIAL_SHORT; the tool says the bare serial.
		return d.Serial != "" && (d.Serial == want.Serial || strings.HasSuffix(want.Serial, "_"+d.Serial) || strings.HasSuffix(want.Serial, "_"+d.Serial+diskname.FirstNamespace))
	case want.ByID != "":
		if diskname.SameByID(path.Base(d.ByID), want.ByID) {
			return true
		}
		target, err := c.Host.Files.Readlink("/dev/disk/by-id/" + want.ByID)
		return err == nil && path.Base(target) == path.Base(d.Device)
	case want.Kernel != "":
		return path.Base(d.Device) == want.Kernel
	}
	return false
}

// Content is what lies on a used disk, in words.
type Content struct {
	Words   []string // ext4 "data" on nvme1n1p1
	Mounted []string // where a part of it is mounted now
}

func (c Content) String() string {
	if len(c.Words) == 0 {
		return "something unknown"
	}
	return strings.Join(c.Words, ", ")
}

type blockDevice struct {
	Name     string        `json:"name"`
	Type     string        `json:"type"`
	FSType   string        `json:"fstype"`
	Label    string        `json:"label"`
	Mounts   []string      `json:"mountpoints"`
	Children []blockDevice `json:"children"`
}

// ParseContent reads lsblk -J -o NAME,TYPE,FSTYPE,LABEL,MOUNTPOINTS of one disk.
func ParseContent(text []byte) (Content, error) {
	top, err := decode[struct {
		Devices []blockDevice `json:"blockdevices"`
	}](text)
	if err != nil {
		return Content{}, fmt.Errorf("lsblk: %w", err)
	}
	var out Content
	var walk func(b blockDevice)
	walk = func(b blockDevice) {
		if b.FSType != "" {
			word := b.FSType
			if b.Label != "" {
				word += fmt.Sprintf(" %q", b.Label)
			}
			out.Words = append(out.Words, word+" on "+b.Name)
		} else if b.Type != "disk" && len(b.Children) == 0 {
			out.Words = append(out.Words, "a "+map[string]string{"part": "partition", "lvm": "logical volume"}[b.Type]+" "+b.Name)
		}
		for _, m := range b.Mounts {
			if m != "" {
				out.Mounted = append(out.Mounted, m)
			}
		}
		for _, child := range b.Children {
			walk(child)
		}
	}
	for _, b := range top.Devices {
		walk(b)
	}
	return out, nil
}

// Content says what lies on a disk.
func (c Ceph) Content(ctx context.Context, device string) (Content, error) {
	r, err := c.read(ctx, "lsblk", "-J", "-o", "NAME,TYPE,FSTYPE,LABEL,MOUNTPOINTS", device)
	if err != nil {
		return Content{}, err
	}
	return ParseContent(r.Stdout)
}

// ErrNotThatDisk stops a command that would have hit another disk than the plan's.
var ErrNotThatDisk = errors.New("is no longer the disk of the plan")

// SameDisk asks once more, right before something is written, whether a device
// still is the disk that was judged, and whether it still is as it was.
func (c Ceph) SameDisk(ctx context.Context, want ListedDisk) error {
	disks, err := c.Disks(ctx)
	if err != nil {
		return err
	}
	for _, d := range disks {
		if d.Device == want.Device {
			if d.Serial == want.Serial && d.Bytes == want.Bytes && d.Used == want.Used && d.OSD == want.OSD {
				return nil
			}
			return fmt.Errorf("%s %w: it was %q (%s), it is %q (%s)", d.Device, ErrNotThatDisk, want.Serial, orNothing(want.Used), d.Serial, orNothing(d.Used))
		}
	}
	return fmt.Errorf("%s %w: it is gone", want.Device, ErrNotThatDisk)
}

func orNothing(used string) string {
	if used == "" {
		return "blank"
	}
	return used
}

// Wipe erases a used disk. The caller has the profile's consent for its serial,
// which is for what lay there before: an OSD of the cluster with this FSID stays.
func (c Ceph) Wipe(ctx context.Context, d ListedDisk, fsid string) error {
	if err := c.SameDisk(ctx, d); err != nil {
		return err
	}
	volumes, err := c.Volumes(ctx)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if fsid != "" && v.FSID == fsid && slices.Contains(v.Devices, d.Device) {
			return fmt.Errorf("%s is osd.%d of this cluster and is not erased: take its serial off the profile's wipe list", d.Device, v.OSD)
		}
		if fsid != "" && v.FSID == fsid && slices.ContainsFunc(v.Parts, func(p Part) bool { return slices.Contains(p.Devices, d.Device) }) {
			return fmt.Errorf("%s holds a part of osd.%d of this cluster and is not erased: take its serial off the profile's wipe list", d.Device, v.OSD)
		}
	}
	content, err := c.Content(ctx, d.Device)
	if err != nil {
		return err
	}
	if len(content.Mounted) > 0 {
		return fmt.Errorf("%s is mounted at %s and is not erased: unmount it, or take its serial off the profile's wipe list", d.Device, strings.Join(content.Mounted, ", "))
	}
	_, err = c.change(ctx, 5*time.Minute, "ceph-volume", "lvm", "zap", "--destroy", d.Device)
	return err
}

// CreateOSD makes an OSD of a blank disk.
func (c Ceph) CreateOSD(ctx context.Context, d ListedDisk, how NewOSD) error {
	if !d.Blank() {
		return fmt.Errorf("%s holds %s and gets no OSD", d.Device, d.Used)
	}
	if err := c.SameDisk(ctx, d); err != nil {
		return err
	}
	return c.CreateOSDOn(ctx, d.Device, how)
}

// CreateOSDOn makes an OSD of a device that the caller has looked at.
func (c Ceph) CreateOSDOn(ctx context.Context, device string, how NewOSD) error {
	for _, b := range how.Beside {
		if err := c.SameDisk(ctx, b.Disk); err != nil {
			return err
		}
	}
	_, err := c.change(ctx, 10*time.Minute, append([]string{"pveceph", "osd", "create", device}, how.args()...)...)
	return err
}

// ActivateOSD starts one OSD and all others that ceph-volume knows on this node.
// A unit that failed three times within half an hour is started by nobody until
// that is forgotten.
func (c Ceph) ActivateOSD(ctx context.Context, id int) error {
	if _, err := c.run(ctx, host.Cmd{Argv: []string{"systemctl", "reset-failed", fmt.Sprintf("ceph-osd@%d.service", id)}}); err != nil {
		var refused *Refused
		if !errors.As(err, &refused) { // it has not failed
			return err
		}
	}
	_, err := c.change(ctx, 5*time.Minute, "ceph-volume", "lvm", "activate", "--all")
	return err
}

// OutOSD has the copies of an OSD made on others. One that is down loses nothing by it.
func (c Ceph) OutOSD(ctx context.Context, id int) error {
	return c.cephChange(ctx, "osd", "out", fmt.Sprint(id))
}

// SafeToDestroy is nil if Ceph says that no data depends on an OSD, else what it says.
func (c Ceph) SafeToDestroy(ctx context.Context, id int) error {
	_, err := c.read(ctx, "ceph", "--connect-timeout", "10", "osd", "safe-to-destroy", fmt.Sprint(id))
	return err
}

// DeviceID is the disk of an OSD as the monitors know it since it ran last:
// maker, model and serial, as Samsung_SSD_990_PRO_2TB_S7L9NJ0X100001.
func (c Ceph) DeviceID(ctx context.Context, id int) (string, error) {
	var m struct {
		Devices string `json:"device_ids"` // nvme1n1=Samsung_…; an OSD on several has a comma between
	}
	if err := c.ceph(ctx, &m, "osd", "metadata", fmt.Sprint(id)); err != nil {
		return "", err
	}
	var out []string
	for _, d := range strings.Split(m.Devices, ",") {
		if _, name, ok := strings.Cut(d, "="); ok {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", "), nil
}

// PurgeOSD removes an OSD for good. Ceph itself must say that no data depends on it.
func (c Ceph) PurgeOSD(ctx context.Context, id int) error {
	if err := c.SafeToDestroy(ctx, id); err != nil {
		return fmt.Errorf("osd.%d stays for as long as Ceph does not call it safe to destroy: look at ceph osd safe-to-destroy %d (%w)", id, id, err)
	}
	return c.cephChange(ctx, "osd", "purge", fmt.Sprint(id), "--yes-i-really-mean-it")
}
