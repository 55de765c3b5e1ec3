package ceph

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// LogicalVolume is a part of an OSD on a disk that several share.
type LogicalVolume struct {
	Name    string // osd-db-…
	Kind    string // db, wal
	Bytes   int64
	OSD     int // -1: ceph-volume has not written on it whose it is
	FSID    string
	OSDUUID string
}

// gigabyte is what pveceph takes sizes in.
const gigabyte = 1 << 30

// free is what no volume of a disk's group has, in whole extents.
func (d BlockDevice) free() int64 {
	const extent = 4 * mib
	free := d.Bytes/extent*extent - extent
	for _, v := range d.Volumes {
		free -= v.Bytes
	}
	return free
}

// beside is a disk that pveceph osd create puts a part of the OSD on.
type beside struct {
	kind   string
	name   string
	bytes  int64
	volume string // that was made
}

// besides reads the options and refuses as the tool does.
func besides(c *sim.Call, list []BlockDevice, data BlockDevice, opt map[string]string) (out []beside, code int) {
	names := []string{data.Name}
	for kind, share := range map[string]int64{"db": 10, "wal": 100} {
		device, size := opt[kind+"_dev"], opt[kind+"_dev_size"]
		switch {
		case device == "" && size != "":
			return nil, c.Exit(255, "400 Parameter verification failed.\n%s_dev_size: missing property - '%[1]s_dev' requires this property", kind)
		case device == "":
			continue
		}
		at := slices.IndexFunc(list, func(d BlockDevice) bool { return d.Name == path.Base(device) })
		if at < 0 {
			return nil, c.Exit(2, "not a valid block device")
		}
		d := list[at]
		b := beside{kind: kind, name: d.Name, bytes: data.Bytes / share}
		if n, err := strconv.ParseInt(size, 10, 64); err == nil {
			b.bytes = n * gigabyte
		}
		switch {
		case slices.Contains(names, d.Name):
			return nil, c.Exit(255, "400 Parameter verification failed.\n%s_dev: cannot chose '/dev/%s' for more than one type.", kind, d.Name)
		case d.Used != "" && d.Used != "LVM":
			return nil, c.Die("device '/dev/%s' is already in use and has no LVM on it", d.Name)
		}
		names, out = append(names, d.Name), append(out, b)
	}
	slices.SortFunc(out, func(a, b beside) int { return strings.Compare(a.kind, b.kind) })
	return out, 0
}

// makeParts makes the volumes of one OSD.
func makeParts(c *sim.Call, list []BlockDevice, data BlockDevice, parts []beside) int {
	c.Outf("create OSD on /dev/%s (bluestore)\n", data.Name)
	for i := range parts {
		if code := makePart(c, list, &parts[i]); code != 0 {
			return code
		}
	}
	c.Outf("wiping block device /dev/%s\n", data.Name)
	return 0
}

// makePart makes a group where the disk has none, and a volume that is nobody's yet.
func makePart(c *sim.Call, list []BlockDevice, b *beside) int {
	d := &list[slices.IndexFunc(list, func(d BlockDevice) bool { return d.Name == b.name })]
	c.Outf("creating block.%s on '/dev/%s'\n", b.kind, d.Name)
	switch {
	case d.Bytes < b.bytes:
		return c.Die("'/dev/%s' is smaller than requested size '%d' bytes", d.Name, b.bytes)
	case d.Used == "LVM" && !strings.HasPrefix(d.Group, "ceph-"):
		return c.Die("no ceph vg found on '/dev/%s'", d.Name)
	}
	if d.Used == "" {
		c.Work(200 * time.Millisecond)
		d.Used, d.Group = "LVM", "ceph-"+randomUUID(c)
		SetDisks(c, list...)
		c.Outf("  Physical volume \"/dev/%s\" successfully created.\n  Volume group \"%s\" successfully created\n", d.Name, d.Group)
	}
	if d.free() < b.bytes {
		return c.Die("vg '%s' has not enough free space", d.Group)
	}
	c.Work(200 * time.Millisecond)
	b.volume = "osd-" + b.kind + "-" + randomUUID(c)
	d.Volumes = append(d.Volumes, LogicalVolume{Name: b.volume, Kind: b.kind, Bytes: b.bytes, OSD: -1})
	SetDisks(c, list...)
	c.Outf("  Logical volume \"%s\" created.\nusing '%s/%[1]s' for block.%s\n", b.volume, d.Group, b.kind)
	return 0
}

// tag writes on the volumes whose they are.
func tag(list []BlockDevice, parts []beside, data *BlockDevice) {
	for i := range list {
		for j := range list[i].Volumes {
			v := &list[i].Volumes[j]
			if slices.ContainsFunc(parts, func(b beside) bool { return b.volume == v.Name }) {
				v.OSD, v.FSID, v.OSDUUID = data.OSD, data.FSID, data.OSDUUID
				data.Beside = append(data.Beside, v.Name)
			}
		}
	}
}

// partRows are the parts of OSDs as ceph-volume lists them.
func partRows(out shell.Object, list []BlockDevice) {
	for _, d := range list {
		for _, v := range d.Volumes {
			if v.OSD < 0 {
				continue
			}
			rows, _ := out[fmt.Sprint(v.OSD)].([]any)
			out[fmt.Sprint(v.OSD)] = append(rows, shell.Object{"devices": []any{"/dev/" + d.Name}, "type": v.Kind, "lv_uuid": v.Name, "path": "/dev/" + d.Group + "/" + v.Name, "lv_path": "/dev/" + d.Group + "/" + v.Name,
				"tags": shell.Object{"ceph.cluster_fsid": v.FSID, "ceph.osd_id": fmt.Sprint(v.OSD), "ceph.osd_fsid": v.OSDUUID, "ceph.type": v.Kind}})
		}
	}
}

// whole reports whether all parts of an OSD are on the machine.
func whole(list []BlockDevice, d BlockDevice) bool {
	return !slices.ContainsFunc(d.Beside, func(name string) bool { _, v := findVolume(list, name); return v < 0 })
}

// findVolume finds a volume by its name or by the path to it.
func findVolume(list []BlockDevice, at string) (disk, volume int) {
	for i, d := range list {
		for j, v := range d.Volumes {
			if v.Name == path.Base(at) {
				return i, j
			}
		}
	}
	return -1, -1
}

// pvs knows --segments of one disk, as JSON.
func pvs(c *sim.Call) int {
	device := c.Argv[len(c.Argv)-1]
	_, d := findDisk(c, device)
	if d == nil || d.Used != "LVM" {
		return c.Exit(5, "  Failed to find physical volume \"%s\".", device)
	}
	c.Work(100 * time.Millisecond)
	group, volumes := d.Group, d.Volumes
	switch {
	case d.OSD >= 0:
		group, volumes = "ceph-"+d.OSDUUID, []LogicalVolume{{Name: "osd-block-" + d.OSDUUID, Bytes: d.Bytes, OSD: d.OSD, FSID: d.FSID}}
	case group == "":
		group, volumes = "vg0", []LogicalVolume{{Name: "data", Bytes: d.Bytes, OSD: -1}}
	}
	rows := []any{}
	row := func(name, tags, size string) {
		rows = append(rows, shell.Object{"vg_name": group, "pv_free": fmt.Sprint(max(0, d.free())), "lv_name": name, "lv_tags": tags, "lv_size": size})
	}
	for _, v := range volumes {
		tags := ""
		if v.OSD >= 0 {
			tags = fmt.Sprintf("ceph.cluster_fsid=%s,ceph.osd_id=%d,ceph.type=%s", v.FSID, v.OSD, v.Kind)
		}
		row(v.Name, tags, fmt.Sprint(v.Bytes))
	}
	row("", "", "")
	c.Outf("  ")
	return c.JSON(shell.Object{"report": []any{shell.Object{"pvseg": rows}}})
}

// lvremove knows --yes GROUP/VOLUME.
func lvremove(c *sim.Call) int {
	at := c.Argv[len(c.Argv)-1]
	list := Disks(c)
	i, j := findVolume(list, at)
	if i < 0 {
		return c.Exit(5, "  Failed to find logical volume \"%s\"", at)
	}
	if v := list[i].Volumes[j]; v.OSD >= 0 {
		c.Note("erased", c.Name()+" "+v.Name)
	}
	list[i].Volumes = slices.Delete(list[i].Volumes, j, j+1)
	SetDisks(c, list...)
	c.Outf("  Logical volume \"%s\" successfully removed.\n", path.Base(at))
	return 0
}
