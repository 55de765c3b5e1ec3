package pve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"ringboot/profiles"
)

// Disk is one disk of the node as Proxmox VE lists it.
type Disk struct {
	Device string // /dev/nvme1n1
	Serial string
	Model  string
	Bytes  int64
	ByID   string // /dev/disk/by-id/nvme-…
	Used   string // "", or what holds it: partitions, LVM, mounted, ext4
	Type   string // nvme, ssd, hdd
	OSD    int    // -1: none
}

// Blank tells whether nothing is on the disk.
func (d Disk) Blank() bool { return d.Used == "" && d.OSD < 0 }

// ParseDisks reads GET /nodes/<node>/disks/list.
func ParseDisks(text []byte) ([]Disk, error) {
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
	}](text)
	if err != nil {
		return nil, fmt.Errorf("list of disks: %w", err)
	}
	var out []Disk
	for _, d := range list {
		disk := Disk{Device: d.Device, Serial: strings.TrimSpace(d.Serial), Model: strings.TrimSpace(d.Model), Bytes: d.Size, ByID: d.ByID, Used: d.Used, Type: d.Type, OSD: -1}
		if disk.Serial == "unknown" {
			disk.Serial = ""
		}
		// The id comes as a number, as a text or not at all.
		if id := strings.Trim(string(d.OSD), `"`); id != "" && id != "-1" && id != "null" {
			fmt.Sscanf(id, "%d", &disk.OSD)
		}
		if disk.Used == "" && d.Mount != 0 {
			disk.Used = "mounted"
		}
		out = append(out, disk)
	}
	slices.SortFunc(out, func(a, b Disk) int { return strings.Compare(a.Device, b.Device) })
	return out, nil
}

// Disks lists the disks of this node.
func (c Ceph) Disks(ctx context.Context) ([]Disk, error) {
	r, err := c.read(ctx, "pvesh", "get", "/nodes/"+c.Node+"/disks/list", "--output-format", "json")
	if err != nil {
		return nil, err
	}
	disks, err := ParseDisks(r.Stdout)
	if err != nil {
		return nil, err
	}
	return disks, nil
}

// Is tells whether a disk is the one that a profile names.
func (c Ceph) Is(d Disk, want profiles.Disk) bool {
	switch {
	case want.Serial != "":
		// The profile may hold ID_SERIAL (model and serial) or ID_SERIAL_SHORT.
		return d.Serial == want.Serial || d.Serial != "" && strings.HasSuffix(want.Serial, "_"+d.Serial)
	case want.ByID != "":
		if path.Base(d.ByID) == want.ByID {
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

// sameDisk asks once more, right before something is written, whether a device
// still is the disk that was judged, and whether it still is as it was.
func (c Ceph) sameDisk(ctx context.Context, want Disk) error {
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

// Wipe erases a used disk. The caller has the profile's consent for its serial.
func (c Ceph) Wipe(ctx context.Context, d Disk) error {
	if err := c.sameDisk(ctx, d); err != nil {
		return err
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
func (c Ceph) CreateOSD(ctx context.Context, d Disk) error {
	if !d.Blank() {
		return fmt.Errorf("%s holds %s and gets no OSD", d.Device, d.Used)
	}
	if err := c.sameDisk(ctx, d); err != nil {
		return err
	}
	if _, err := c.change(ctx, 10*time.Minute, "pveceph", "osd", "create", d.Device); err != nil {
		return err
	}
	return c.Host.Files.Sync()
}

// ActivateOSDs starts all OSDs that ceph-volume knows on this node.
func (c Ceph) ActivateOSDs(ctx context.Context) error {
	_, err := c.change(ctx, 5*time.Minute, "ceph-volume", "lvm", "activate", "--all")
	return err
}

// PurgeOSD removes the number of an OSD that never came to be. Ceph itself
// must say that no data depends on it.
func (c Ceph) PurgeOSD(ctx context.Context, id int) error {
	if _, err := c.read(ctx, "ceph", "--connect-timeout", "10", "osd", "safe-to-destroy", fmt.Sprint(id)); err != nil {
		return fmt.Errorf("osd.%d is half made and Ceph does not call it safe to destroy: look at ceph osd safe-to-destroy %d (%w)", id, id, err)
	}
	return c.cephChange(ctx, "osd", "purge", fmt.Sprint(id), "--yes-i-really-mean-it")
}
