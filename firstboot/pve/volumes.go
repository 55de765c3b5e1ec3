package pve

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"

	"ringboot/firstboot/host"
)

// Volume is one OSD that ceph-volume knows on this node. What nothing but parts are
// here of has neither FSID nor Devices; there may be another one of its number.
type Volume struct {
	OSD     int
	FSID    string   // of the cluster that it belongs to
	Devices []string // /dev/nvme1n1
	Parts   []Part   // of it, on other disks
	Lost    []string // kinds of parts that it was made with and that are not here: db, wal
}

// volumeRow is one row of ceph-volume lvm list.
type volumeRow struct {
	Devices []string `json:"devices"`
	Type    string   `json:"type"`
	Path    string   `json:"path"`
	UUID    string   `json:"lv_uuid"`
	Tags    struct {
		FSID      string `json:"ceph.cluster_fsid"`
		OSD       string `json:"ceph.osd_fsid"`
		DB        string `json:"ceph.db_uuid"`
		DBDevice  string `json:"ceph.db_device"`
		WAL       string `json:"ceph.wal_uuid"`
		WALDevice string `json:"ceph.wal_device"`
	} `json:"tags"`
}

// ParseVolumes reads ceph-volume lvm list --format json.
func ParseVolumes(text []byte) ([]Volume, error) {
	raw, err := decode[map[string][]volumeRow](text)
	if err != nil {
		return nil, fmt.Errorf("ceph-volume lvm list: %w", err)
	}
	var out []Volume
	for id, rows := range raw {
		n, err := strconv.Atoi(id)
		if err != nil {
			return nil, fmt.Errorf("ceph-volume lvm list: OSD %q", id)
		}
		out = append(out, volumesOf(n, rows)...)
	}
	sort.Slice(out, func(i, j int) bool {
		return out[i].OSD < out[j].OSD || out[i].OSD == out[j].OSD && out[i].FSID < out[j].FSID
	})
	return out, nil
}

// volumesOf are the OSDs of one number: two clusters number alike, and disks of
// both may be in one node; a number is given again, and a part of the OSD that had
// it before may still be here. So a part is that of the OSD whose own id it bears,
// as ceph-volume lvm activate takes it. The rows of partitions are not asked: of
// two there is one, and they bear no id; the OSD's own row names them.
func volumesOf(osd int, rows []volumeRow) (out []Volume) {
	isData := func(r volumeRow) bool { return r.Type == "block" || r.Type == "" }
	var alone []Part
	for _, r := range rows {
		if !isData(r) && r.UUID != "" {
			alone = append(alone, Part{Kind: r.Type, FSID: r.Tags.FSID, UUID: r.UUID, Path: r.Path, Devices: r.Devices, of: r.Tags.OSD})
		}
	}
	for _, r := range rows {
		if !isData(r) {
			continue
		}
		v := Volume{OSD: osd, FSID: r.Tags.FSID, Devices: r.Devices}
		for _, want := range []Part{{Kind: "db", UUID: r.Tags.DB, Path: r.Tags.DBDevice}, {Kind: "wal", UUID: r.Tags.WAL, Path: r.Tags.WALDevice}} {
			if want.UUID == "" {
				continue
			}
			found := len(v.Parts)
			for i := len(alone) - 1; i >= 0; i-- {
				if p := alone[i]; p.Kind == want.Kind && (p.of == r.Tags.OSD && p.of != "" || p.of == "" && p.UUID == want.UUID) {
					v.Parts, alone = append(v.Parts, p), slices.Delete(alone, i, i+1)
				}
			}
			if disk := diskOf(want.Path); disk != "" {
				want.FSID, want.Devices = r.Tags.FSID, []string{disk}
				v.Parts = append(v.Parts, want)
			}
			if len(v.Parts) == found {
				v.Lost = append(v.Lost, want.Kind)
			}
		}
		out = append(out, v)
	}
	if len(alone) > 0 {
		out = append(out, Volume{OSD: osd, Parts: alone})
	}
	return out
}

// partition is the path of a partition, and that of its disk.
var partition = regexp.MustCompile(`^(?:(/dev/(?:nvme[0-9]+n[0-9]+|mmcblk[0-9]+))p|(/dev/[a-z]+))[0-9]+$`)

// diskOf is the disk of a partition, "" for another path.
func diskOf(path string) string {
	m := partition.FindStringSubmatch(path)
	if m == nil {
		return ""
	}
	return m[1] + m[2]
}

// Volumes are the OSDs that ceph-volume knows on this node.
func (c Ceph) Volumes(ctx context.Context) ([]Volume, error) {
	r, err := c.read(ctx, "ceph-volume", "lvm", "list", "--format", "json")
	if err != nil {
		return nil, err
	}
	all, err := ParseVolumes(r.Stdout)
	for i := range all {
		v := &all[i]
		v.Parts = slices.DeleteFunc(v.Parts, func(p Part) bool {
			gone := diskOf(p.Path) != "" && !host.Exists(c.Host.Files, "/dev/disk/by-partuuid/"+p.UUID)
			if gone {
				v.Lost = append(v.Lost, p.Kind)
			}
			return gone
		})
	}
	return all, err
}
