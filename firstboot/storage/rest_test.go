package storage

import (
	"strings"
	"testing"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// What becomes of the rest of the system's disk, from nothing to its OSD.
func TestTheRestOfTheSystemsDisk(t *testing.T) {
	n := profiles.Node{Name: "frege", RootDisk: profiles.DiskName{Serial: "ROOT"}, OSDDisks: profiles.DiskList{{Rest: true}}}
	root := pve.ListedDisk{Device: "/dev/nvme0n1", Serial: "ROOT", Bytes: 500e9, Used: "LVM", OSD: -1}
	part := func(begun bool, used string) rest {
		return rest{disk: root, part: "/dev/nvme0n1p4", begun: begun, bytes: 300e9, used: used}
	}
	on := func(fsid string) []pve.Volume {
		return []pve.Volume{{OSD: 3, FSID: fsid, Devices: []string{"/dev/nvme0n1p4"}}}
	}
	for name, c := range map[string]struct {
		rest    rest
		volumes []pve.Volume
		act     cephAct
		says    string
	}{
		"free":                       {rest{disk: root, bytes: 300e9}, nil, cephMakePart, "what the system leaves of its disk becomes a partition for Ceph, on the disk nvme0n1 (ROOT)"},
		"just enough":                {rest{disk: root, bytes: 100e9}, nil, cephMakePart, "becomes a partition for Ceph"},
		"too little":                 {rest{disk: root, bytes: 90e9}, nil, cephNothing, "the system leaves 90 GB of the disk nvme0n1 (ROOT) of frege, and an OSD wants at least 100"},
		"begun, an old file system":  {part(true, "ntfs"), nil, cephMakePart, "becomes a partition for Ceph"},
		"made":                       {part(false, ""), nil, cephMakeOSD, "the partition nvme0n1p4 (on ROOT) becomes an OSD"},
		"made, and somebody used it": {part(false, "ext4"), nil, cephNothing, "the partition nvme0n1p4 (on ROOT) of frege is in use, with ext4: wipefs -a /dev/nvme0n1p4 erases it"},
		"another cluster's":          {part(false, "LVM2_member"), on("other"), cephNothing, "holds OSD 3 of another Ceph cluster (fsid other)"},
		"its OSD was taken out":      {part(false, "LVM2_member"), on("fsid"), cephNothing, "holds OSD 3, whose number was taken out of the cluster meanwhile: ceph-volume lvm zap --destroy /dev/nvme0n1p4 has it made anew"},
	} {
		v := cephView{profile: &profiles.Profile{Nodes: []profiles.Node{n}}, node: n}
		v.health.Quorum = []string{"frege"}
		v.disks = judgeDisks(n, 1, "fsid", []pve.ListedDisk{root}, c.volumes, pve.Ceph{}.Is, func(pve.ListedDisk) string { return "" })
		v.disks.addRest(n, c.rest, "fsid", c.volumes)
		d, _ := cephDisks(v)
		if d.act != c.act || !strings.Contains(d.verdict.Reason, c.says) || d.act == cephNothing && d.verdict.State != step.Stopped {
			t.Errorf("%s: %v, %v: %s", name, d.act, d.verdict.State, d.verdict.Reason)
		}
	}
	if _, why := rootDisk(n, []pve.ListedDisk{root, root}, pve.Ceph{}.Is); !strings.HasPrefix(why, "2 disks of frege are the disk ROOT") {
		t.Errorf("twins: %q", why)
	}
}
