package blockdb

import (
	"strings"
	"testing"

	"ringboot/firstboot/pve"
	"ringboot/profiles"
)

const fsid = "fsid"

// at is a node with a disk for databases, before its two OSDs are made.
func at(db pve.ListedDisk) Sight {
	a := pve.ListedDisk{Device: "/dev/sda", Serial: "A", Bytes: 4e12, OSD: -1}
	b := pve.ListedDisk{Device: "/dev/sdb", Serial: "B", Bytes: 4e12, OSD: -1}
	root := pve.ListedDisk{Device: "/dev/nvme0n1", Serial: "ROOT", Bytes: 5e11, Used: "mounted", OSD: -1}
	return Sight{
		Node: profiles.Node{Name: "frege", RootDisk: profiles.DiskName{Serial: "ROOT"}, DBDisk: profiles.DiskName{Serial: db.Serial}}, Ceph: profiles.Ceph{DBSize: 60},
		FSID: fsid, Disks: []pve.ListedDisk{root, a, b, db}, Groups: map[string]pve.Group{}, Is: pve.Ceph{}.Is, Content: func(d pve.ListedDisk) string { return d.Used },
		Data: []pve.ListedDisk{a, b}, New: []int64{4e12, 4e12},
	}
}

const (
	group = "ceph-0a0a0a0a-0000-4000-a000-000000000000"
	part  = "osd-db-0b0b0b0b-0000-4000-a000-000000000000"
)

// Which disks take databases: what is blank, what holds nothing but this
// cluster's, and what its owner has consented to erase.
func TestWhichDisksTakeDatabases(t *testing.T) {
	fast := pve.ListedDisk{Device: "/dev/nvme1n1", Serial: "FAST", Bytes: 2e11, Type: "nvme", OSD: -1}
	used := func(d pve.ListedDisk, what string) pve.ListedDisk { d.Used = what; return d }
	with := func(d pve.ListedDisk, alter func(s *Sight)) Sight { s := at(d); alter(&s); return s }
	inGroup := func(s *Sight, free int64, tagged bool) {
		s.Groups["/dev/nvme1n1"] = pve.Group{Name: group, Free: free, Volumes: []pve.LogicalVolume{{Name: part, Tagged: tagged, Bytes: 60 << 30}}}
	}
	of := func(s *Sight, id string) {
		s.Volumes = []pve.Volume{{OSD: 0, FSID: id, Devices: []string{"/dev/sdz"}, Parts: []pve.Part{{Kind: "db", FSID: id, Path: "/dev/" + group + "/" + part, Devices: []string{"/dev/nvme1n1"}}}}}
	}
	for name, c := range map[string]struct {
		sight  Sight
		unused int
		wipe   bool
		says   string
	}{
		"blank":                     {at(fast), 0, false, ""},
		"nothing to be made":        {with(used(fast, "ext4"), func(s *Sight) { s.New = nil }), -1, false, ""},
		"somebody's":                {at(used(fast, "ext4")), 0, false, `the disk nvme1n1 (FAST) of frege, which db_disk names, is in use, with ext4: take another one, or put "FAST" on the wipe list of frege`},
		"somebody's, with consent":  {with(used(fast, "ext4"), func(s *Sight) { s.Node.Wipe = []string{"FAST"} }), 0, true, ""},
		"this cluster's":            {with(used(fast, lvm), func(s *Sight) { inGroup(s, 130e9, true); of(s, fsid) }), 0, false, ""},
		"this cluster's, consented": {with(used(fast, lvm), func(s *Sight) { inGroup(s, 130e9, true); of(s, fsid); s.Node.Wipe = []string{"FAST"} }), 0, false, ""},
		"this cluster's, and full":  {with(used(fast, lvm), func(s *Sight) { inGroup(s, 0, true); of(s, fsid) }), 0, false, "has 0 GiB free, and the databases of its new OSDs want 120: make ceph.db_size smaller, or name a larger disk as db_disk"},
		"another cluster's":         {with(used(fast, lvm), func(s *Sight) { inGroup(s, 130e9, true); of(s, "other") }), 0, false, "is in use, with LVM"},
		"cut off":                   {with(used(fast, lvm), func(s *Sight) { inGroup(s, 70e9, false) }), 1, false, ""},
		"another's volumes": {with(used(fast, lvm), func(s *Sight) {
			s.Groups["/dev/nvme1n1"] = pve.Group{Name: "vg0", Volumes: []pve.LogicalVolume{{Name: "photos"}}}
		}), 0, false, "is in use, with LVM"},
		"both in one group": {with(used(fast, lvm), func(s *Sight) {
			of(s, fsid)
			s.Groups["/dev/nvme1n1"] = pve.Group{Name: group, Volumes: []pve.LogicalVolume{{Name: part, Tagged: true}, {Name: "photos"}}}
		}), 0, false, "holds parts of this cluster's OSDs and something else beside them"},
		"both in one group, consented": {with(used(fast, lvm), func(s *Sight) {
			of(s, fsid)
			s.Node.Wipe = []string{"FAST"}
			s.Groups["/dev/nvme1n1"] = pve.Group{Name: group, Volumes: []pve.LogicalVolume{{Name: part, Tagged: true}, {Name: "photos"}}}
		}), 0, false, "holds parts of this cluster's OSDs and something else beside them"},
		"unused volumes of a group that is somebody's": {with(used(fast, lvm), func(s *Sight) {
			s.Groups["/dev/nvme1n1"] = pve.Group{Name: "vg0", Free: 150e9, Volumes: []pve.LogicalVolume{{Name: part}}}
		}), 0, false, "is in use, with LVM"},
		"too small":     {with(fast, func(s *Sight) { s.Ceph.DBSize = 0 }), 0, false, "has 186 GiB free, and the databases of its new OSDs want 746"},
		"the system's":  {with(fast, func(s *Sight) { s.Node.DBDisk = profiles.DiskName{Kernel: "nvme0n1"} }), 0, false, "is the disk that the system runs from, and takes no part of an OSD"},
		"an OSD itself": {with(fast, func(s *Sight) { s.Node.DBDisk = profiles.DiskName{Kernel: "sda"} }), 0, false, "is an OSD itself, and db_disk names it for parts of others"},
		"an OSD of before": {with(used(fast, lvm), func(s *Sight) {
			s.Volumes, s.Node.Wipe = []pve.Volume{{OSD: 2, FSID: fsid, Devices: []string{"/dev/nvme1n1"}}}, []string{"FAST"}
		}), 0, false, "is an OSD of this cluster, and db_disk names it for parts of others"},
		"two by one name": {with(used(fast, "ext4"), func(s *Sight) {
			s.Is = func(d pve.ListedDisk, want profiles.DiskName) bool {
				return want.ByID != "" && (d.Serial == "FAST" || d.Serial == "A")
			}
			s.Node.DBDisk, s.Node.Wipe = profiles.DiskName{ByID: "ata-M_S"}, []string{"FAST"}
		}), 0, false, "are both ata-M_S, which db_disk names: take one of them out"},
		"LVM of nobody knows whom": {with(used(fast, lvm), func(s *Sight) { s.Groups["/dev/nvme1n1"] = pve.Group{} }), 0, false, "is in use, with LVM"},
		"not there":                {with(fast, func(s *Sight) { s.Node.DBDisk = profiles.DiskName{Serial: "NONE"} }), 0, false, "frege lacks the disk NONE, which db_disk names"},
		"two of that number":       {with(fast, func(s *Sight) { s.Disks[1].Serial = "FAST" }), 0, false, "two disks of frege have the serial FAST"},
		"one disk for both":        {with(fast, func(s *Sight) { s.Node.WALDisk = profiles.DiskName{Kernel: "nvme1n1"} }), 0, false, "db_disk and wal_disk of frege are one disk"},
		"a database that is gone, and that of an earlier one is here": {with(fast, func(s *Sight) {
			of(s, fsid)
			alone := pve.Volume{OSD: 0, Parts: s.Volumes[0].Parts}
			s.Volumes[0].Parts, s.Volumes[0].Lost, s.New = nil, []string{"db"}, nil
			s.Volumes = append(s.Volumes, alone)
		}), 0, false, "has its db on another disk, which is not here (/dev/" + group + "/" + part + " is of an earlier OSD 0): put that disk back"},
		"a database that is gone": {with(fast, func(s *Sight) { of(s, fsid); s.Volumes[0].Lost = []string{"db"} }), 0, false, "OSD 0 on /dev/sdz of frege has its db on another disk, which is not here: put that disk back; without it the OSD is lost: ceph-volume lvm zap --destroy /dev/sdz makes"},
	} {
		got, stop, wait := Judge(c.sight)
		if said := stop + wait; !strings.Contains(said, c.says) || c.says == "" && said != "" {
			t.Errorf("%s: it says %q", name, said)
		}
		if c.says == "" && c.unused >= 0 && (len(got) != 1 || len(got[0].Unused) != c.unused || got[0].Wipe != c.wipe || got[0].GiB != 60) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
