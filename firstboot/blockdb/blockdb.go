// Package blockdb judges the disks on which the OSDs of a node keep a part of
// themselves: their databases, or their write-ahead logs.
//
// It is pure, and gives nobody's data away: such a disk is taken only where it is
// blank, holds nothing but parts of this cluster's OSDs, or its owner consents.
package blockdb

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"ringboot/firstboot/pve"
	"ringboot/profiles"
)

// Disk is one such disk, and what is to be done with it.
type Disk struct {
	pve.Beside
	Wipe   bool     // used, and the profile consents
	Unused []string // volumes that an OSD which was cut off left in it
}

// Sight is what is judged by.
type Sight struct {
	Node    profiles.Node
	Ceph    profiles.Ceph
	FSID    string // of this cluster
	Disks   []pve.ListedDisk
	Volumes []pve.Volume
	Groups  map[string]pve.Group // of the disks that Looked asked for, by device
	Is      func(pve.ListedDisk, profiles.DiskName) bool
	Content func(pve.ListedDisk) string
	Data    []pve.ListedDisk // that are, or become, OSDs themselves
	New     []int64          // bytes of those of them that become OSDs now
}

// kinds are the parts with the profile's words for them.
func (s Sight) kinds() []kind {
	return []kind{{"db", "database", "db_disk", "db_size", s.Node.DBDisk, s.Ceph.DBSize, 10}, {"wal", "write-ahead log", "wal_disk", "wal_size", s.Node.WALDisk, s.Ceph.WALSize, 100}}
}

type kind struct {
	name, word, key, sizeKey string
	want                     profiles.DiskName
	gib                      int
	share                    int64 // of the OSD, where no size is written
}

func (k kind) bytes(osd int64) int64 {
	if k.gib > 0 {
		return int64(k.gib) << 30
	}
	return osd / k.share
}

// Named reports whether a disk is one that the profile names for parts of OSDs.
func Named(n profiles.Node, d pve.ListedDisk, is func(pve.ListedDisk, profiles.DiskName) bool) bool {
	return slices.ContainsFunc(n.BesideDisks(), func(want profiles.DiskName) bool { return is(d, want) })
}

// Groups looks at the volume groups of the disks that the profile names.
func Groups(ctx context.Context, c pve.Ceph, n profiles.Node, disks []pve.ListedDisk) (map[string]pve.Group, error) {
	out := map[string]pve.Group{}
	for _, d := range disks {
		if d.Used != lvm || !Named(n, d, c.Is) {
			continue
		}
		g, err := c.Group(ctx, d.Device)
		if no := (*pve.Refused)(nil); errors.As(err, &no) { // LVM on a partition: whose it is, nobody can tell
			g, err = pve.Group{}, nil
		}
		if err != nil {
			return nil, err
		}
		out[d.Device] = g
	}
	return out, nil
}

// lvm is what Proxmox VE calls a disk of a volume group.
const lvm = "LVM"

// Judge says which disks the new OSDs of a node get beside their own, or why
// somebody must decide, or what is waited for.
func Judge(s Sight) (out []Disk, stop, wait string) {
	if why := s.lost(); why != "" {
		return nil, why, ""
	}
	if len(s.New) == 0 {
		return nil, "", ""
	}
	for _, k := range s.kinds() {
		if k.want.IsZero() {
			continue
		}
		var fits []pve.ListedDisk
		for _, d := range s.Disks {
			if s.Is(d, k.want) {
				fits = append(fits, d)
			}
		}
		switch {
		case len(fits) > 1 && (k.want.ByID != "" || fits[0].Serial != fits[1].Serial):
			return nil, fmt.Sprintf("%s and %s of %s are both %s, which %s names: take one of them out", label(fits[0]), label(fits[1]), s.Node.Name, k.want.Serial+k.want.ByID+k.want.Kernel, k.key), ""
		case len(fits) == 0:
			return nil, "", fmt.Sprintf("%s lacks the disk %s, which %s names for parts of its OSDs: put it in, or name another one in the profile", s.Node.Name, k.want.Serial+k.want.ByID+k.want.Kernel, k.key)
		}
		d := Disk{Beside: pve.Beside{Kind: k.name, Disk: fits[0], GiB: k.gib}}
		if stop := s.take(&d, k); stop != "" {
			return nil, stop, ""
		}
		out = append(out, d)
	}
	if len(out) == 2 && out[0].Disk.Device == out[1].Disk.Device {
		return nil, fmt.Sprintf("db_disk and wal_disk of %s are one disk, %s: a database has its log with it; take wal_disk out", s.Node.Name, label(out[0].Disk)), ""
	}
	return out, "", ""
}

// lost names an OSD of this cluster whose part on another disk is gone.
func (s Sight) lost() string {
	for _, v := range s.Volumes {
		if v.FSID == s.FSID && s.FSID != "" && len(v.Lost) > 0 {
			return fmt.Sprintf("OSD %d on %s of %s has its %s on another disk, which is not here%s: put that disk back; without it the OSD is lost: ceph-volume lvm zap --destroy %[2]s makes its own disk blank, and firstboot replace-disk osd.%[1]d SERIAL goes on from there",
				v.OSD, strings.Join(v.Devices, " "), s.Node.Name, strings.Join(v.Lost, " and "), s.earlier(v.OSD))
		}
	}
	return ""
}

// earlier names what an OSD that had the number before left here, "" if nothing:
// somebody who looks for the part of the present one finds it first.
func (s Sight) earlier(osd int) string {
	for _, v := range s.Volumes {
		if v.OSD == osd && len(v.Devices) == 0 {
			return fmt.Sprintf(" (%s is of an earlier OSD %d)", v.Parts[0].Path, osd)
		}
	}
	return ""
}

// take says why a disk is not taken, "" if it is.
func (s Sight) take(d *Disk, k kind) string {
	disk, n := d.Disk, s.Node
	twin := func(o pve.ListedDisk) bool {
		return o.Device != disk.Device && o.Serial == disk.Serial && disk.Serial != ""
	}
	switch {
	case slices.ContainsFunc(n.SystemDisks(), func(by profiles.DiskName) bool { return s.Is(disk, by) }) || strings.Contains(disk.Used, "mounted"):
		return fmt.Sprintf("%s of %s is the disk that the system runs from, and takes no part of an OSD: correct %s", label(disk), n.Name, k.key)
	case k.want.ByID == "" && slices.ContainsFunc(s.Disks, twin):
		return fmt.Sprintf("two disks of %s have the serial %s: take one out, or name the right one by by_id under %s", n.Name, disk.Serial, k.key)
	case slices.ContainsFunc(s.Data, func(o pve.ListedDisk) bool { return o.Device == disk.Device }):
		return fmt.Sprintf("%s of %s is an OSD itself, and %s names it for parts of others: correct one of them", label(disk), n.Name, k.key)
	case slices.ContainsFunc(s.Volumes, func(v pve.Volume) bool {
		return s.FSID != "" && v.FSID == s.FSID && slices.Contains(v.Devices, disk.Device)
	}):
		return fmt.Sprintf("%s of %s is an OSD of this cluster, and %s names it for parts of others: correct it, or take that OSD out first", label(disk), n.Name, k.key)
	}
	return s.clear(d, k)
}

// clear says what on a disk keeps it from being taken, "" if nothing does; what
// goes first is written down in d.
func (s Sight) clear(d *Disk, k kind) string {
	disk, n := d.Disk, s.Node
	ours, others := s.parts(disk.Device)
	group := s.Groups[disk.Device]
	unused, clean := group.Unused()
	switch {
	case disk.Blank() && ours+others == 0:
	case others == 0 && disk.Used == lvm && clean && (ours > 0 || len(unused) == len(group.Volumes)):
		for _, v := range unused {
			d.Unused = append(d.Unused, v.Name)
		}
	case ours == 0 && disk.Serial != "" && slices.Contains(n.Wipe, disk.Serial):
		d.Wipe = true
	case ours > 0:
		return fmt.Sprintf("%s of %s holds parts of this cluster's OSDs and something else beside them (%s): nothing is made on it; look at it with lvs and ceph-volume lvm list", label(disk), n.Name, s.Content(disk))
	default:
		return fmt.Sprintf("%s of %s, which %s names, is in use, with %s: take another one, or put %q on the wipe list of %s to erase it", label(disk), n.Name, k.key, s.Content(disk), disk.Serial, n.Name)
	}
	return s.room(*d, k, group, unused)
}

// parts counts the volumes of OSDs on a disk.
func (s Sight) parts(device string) (ours, others int) {
	for _, v := range s.Volumes {
		if slices.Contains(v.Devices, device) {
			others++ // an OSD itself
		}
		for _, p := range v.Parts {
			switch {
			case !slices.Contains(p.Devices, device):
			case p.FSID == s.FSID && s.FSID != "":
				ours++
			default:
				others++
			}
		}
	}
	return ours, others
}

// extent is what LVM gives room in.
const extent = 4 << 20

// room says that a disk has not enough of it for all OSDs that are to be made.
func (s Sight) room(d Disk, k kind, group pve.Group, unused []pve.LogicalVolume) string {
	free := (d.Disk.Bytes - 1<<20) / extent * extent // the first MiB is LVM's own
	if d.Disk.Used == lvm && !d.Wipe {
		free = group.Free
		for _, v := range unused {
			free += v.Bytes
		}
	}
	var need int64
	for _, osd := range s.New {
		need += (k.bytes(osd) + extent - 1) / extent * extent
	}
	if need <= free {
		return ""
	}
	held := ""
	for _, v := range s.Volumes {
		for _, p := range v.Parts {
			if len(v.Devices) == 0 && slices.Contains(p.Devices, d.Disk.Device) {
				held = fmt.Sprintf("; %s is left of OSD %d, whose own disk is gone: ceph-volume lvm zap --destroy %[1]s frees it once that disk is given up", p.Path, v.OSD)
			}
		}
	}
	return fmt.Sprintf("%s of %s has %d GiB free, and the %ss of its new OSDs want %d: make ceph.%s smaller, or name a larger disk as %s%s",
		label(d.Disk), s.Node.Name, free>>30, k.word, (need+1<<30-1)>>30, k.sizeKey, k.key, held)
}

func label(d pve.ListedDisk) string {
	if d.Serial == "" {
		return "the disk " + path.Base(d.Device)
	}
	return fmt.Sprintf("the disk %s (%s)", path.Base(d.Device), d.Serial)
}

// Of are the disks as pveceph is told of them.
func Of(disks []Disk) (out []pve.Beside) {
	for _, d := range disks {
		out = append(out, d.Beside)
	}
	return out
}
