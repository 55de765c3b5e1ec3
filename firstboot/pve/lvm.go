package pve

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Part is a volume in which an OSD keeps a part of itself on another disk.
type Part struct {
	Kind    string // db, wal
	FSID    string // of its cluster
	UUID    string // by which its OSD names it: of the volume, or of a partition
	Path    string // /dev/ceph-…/osd-db-…
	Devices []string

	of string // the OSD's own id, which is not its number
}

// Group is the volume group of a disk.
type Group struct {
	Name    string // "" where the disk has none
	Free    int64  // bytes of the disk that no volume has
	Volumes []LogicalVolume
}

// LogicalVolume is a volume of a group, as far as it lies on the disk.
type LogicalVolume struct {
	Name   string
	Tagged bool // Ceph, or somebody, has written on it whose it is
	Bytes  int64
}

// What pveceph calls a group and the volumes beside an OSD (PVE/API2/Ceph/OSD.pm).
var (
	cephGroup = regexp.MustCompile(`^ceph-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	cephPart  = regexp.MustCompile(`^osd-(db|wal)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// Unused are the volumes that pveceph made for an OSD that never came to be: a
// power cut came before ceph-volume wrote on them whose they are. ours is false
// where something else lies in the group.
func (g Group) Unused() (unused []LogicalVolume, ours bool) {
	for _, v := range g.Volumes {
		switch {
		case cephPart.MatchString(v.Name) && !v.Tagged:
			unused = append(unused, v)
		case !v.Tagged:
			return nil, false
		}
	}
	return unused, cephGroup.MatchString(g.Name)
}

// ParseGroup reads pvs --segments --reportformat json of one disk.
func ParseGroup(text []byte) (Group, error) {
	type row struct {
		Group  string `json:"vg_name"`
		Free   string `json:"pv_free"`
		Volume string `json:"lv_name"`
		Tags   string `json:"lv_tags"`
		Bytes  string `json:"lv_size"`
	}
	top, err := decode[struct {
		Report []struct {
			Rows []row `json:"pvseg"`
		} `json:"report"`
	}](text)
	if err != nil {
		return Group{}, fmt.Errorf("pvs: %w", err)
	}
	var out Group
	for _, r := range top.Report {
		for _, s := range r.Rows {
			free, err := strconv.ParseInt(s.Free, 10, 64)
			if err != nil {
				return Group{}, fmt.Errorf("pvs: free room %q", s.Free)
			}
			out.Name, out.Free = s.Group, free
			if s.Volume == "" || slices.ContainsFunc(out.Volumes, func(v LogicalVolume) bool { return v.Name == s.Volume }) {
				continue
			}
			size, _ := strconv.ParseInt(s.Bytes, 10, 64)
			out.Volumes = append(out.Volumes, LogicalVolume{Name: s.Volume, Tagged: s.Tags != "", Bytes: size})
		}
	}
	return out, nil
}

// Group looks at the volume group of a disk.
func (c Ceph) Group(ctx context.Context, device string) (Group, error) {
	r, err := c.read(ctx, "pvs", "--segments", "--reportformat", "json", "--units", "b", "--nosuffix", "-o", "vg_name,pv_free,lv_name,lv_tags,lv_size", device)
	if err != nil {
		return Group{}, err
	}
	return ParseGroup(r.Stdout)
}

// DropUnused removes an unused volume of a disk, after another look: it must
// still be one, and hold nothing.
func (c Ceph) DropUnused(ctx context.Context, d ListedDisk, volume string) error {
	if err := c.SameDisk(ctx, d); err != nil {
		return err
	}
	g, err := c.Group(ctx, d.Device)
	if err != nil {
		return err
	}
	at := path.Join("/dev", g.Name, volume)
	unused, ours := g.Unused()
	if !ours || !slices.ContainsFunc(unused, func(v LogicalVolume) bool { return v.Name == volume }) {
		return fmt.Errorf("%s %w: the volume %s has an owner by now", d.Device, ErrNotThatDisk, volume)
	}
	r, err := c.read(ctx, "wipefs", "--noheadings", "-O", "TYPE", at) // without -a it lists
	if err != nil {
		return err
	}
	if used := strings.Join(strings.Fields(string(r.Stdout)), " "); used != "" {
		return fmt.Errorf("%s belongs to no OSD and holds %s: look what it is for; lvremove %[1]s removes it", at, used)
	}
	_, err = c.change(ctx, time.Minute, "lvremove", "--yes", g.Name+"/"+volume)
	return err
}

// Beside is a disk that takes a part of an OSD.
type Beside struct {
	Kind string // db, wal
	Disk ListedDisk
	GiB  int // 0: as pveceph has it
}

// NewOSD is how an OSD is made.
type NewOSD struct {
	Encrypted bool
	Beside    []Beside
}

// args are the options of pveceph osd create.
func (o NewOSD) args() (argv []string) {
	for _, b := range o.Beside {
		argv = append(argv, "--"+b.Kind+"_dev", b.Disk.Device)
		if b.GiB > 0 {
			argv = append(argv, "--"+b.Kind+"_dev_size", strconv.Itoa(b.GiB))
		}
	}
	if o.Encrypted {
		argv = append(argv, "--encrypted", "1")
	}
	return argv
}
