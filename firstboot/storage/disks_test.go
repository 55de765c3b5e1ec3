package storage

import (
	"strings"
	"testing"

	"ringboot/firstboot/pve"
	"ringboot/profiles"
)

// Which disks become OSDs, and which never do by themselves.
func TestWhichDisksAreTaken(t *testing.T) {
	const big = 2e12
	root := pve.ListedDisk{Device: "/dev/nvme0n1", Serial: "ROOT", Bytes: big, Type: "nvme", Used: "mounted", OSD: -1}
	blank := func(name, serial string) pve.ListedDisk {
		return pve.ListedDisk{Device: "/dev/" + name, Serial: serial, Model: "SAMSUNG MZ1L", Bytes: big, Type: "nvme", OSD: -1}
	}
	apart := func(d pve.ListedDisk, why string) pve.ListedDisk { d.Apart = why; return d }
	byID := func(d pve.ListedDisk) pve.ListedDisk { d.ByID = "/dev/disk/by-id/nvme-A"; return d }
	small := func(d pve.ListedDisk, bytes int64) pve.ListedDisk { d.Bytes = bytes; return d }
	used := func(d pve.ListedDisk) pve.ListedDisk { d.Used = "ext4"; return d }
	named := func(serials ...string) profiles.DiskList {
		out := profiles.DiskList{}
		for _, s := range serials {
			out = append(out, profiles.DiskName{Serial: s})
		}
		return out
	}
	for name, c := range map[string]struct {
		want  profiles.DiskList
		wipe  []string
		disks []pve.ListedDisk
		taken string // their serials
		say   string // of what stops or waits
	}{
		"all that are blank and built in":  {nil, nil, []pve.ListedDisk{root, blank("nvme1n1", "A"), blank("nvme2n1", "B")}, "A B", ""},
		"a backup disk on USB":             {nil, nil, []pve.ListedDisk{root, blank("nvme1n1", "A"), apart(blank("sda", "USB"), "on USB")}, "A", ""},
		"nothing but a USB disk":           {nil, nil, []pve.ListedDisk{root, apart(blank("sda", "USB"), "on USB")}, "", "frege has 0 disks for Ceph, the profile wants 1"},
		"USB by name: its owner's wish":    {named("USB"), nil, []pve.ListedDisk{root, apart(blank("sda", "USB"), "on USB")}, "USB", ""},
		"an empty list is none":            {named(), nil, []pve.ListedDisk{root, blank("nvme1n1", "A")}, "", ""},
		"two of one serial, named":         {named("A"), nil, []pve.ListedDisk{root, blank("sda", "A"), blank("sdb", "A")}, "", "two disks of frege have the serial A, sda and sdb"},
		"two of one serial, not named":     {nil, nil, []pve.ListedDisk{root, blank("sda", "A"), blank("sdb", "A")}, "", "two disks of frege have the serial A, sda and sdb"},
		"one name for two, by id":          {profiles.DiskList{{ByID: "nvme-A"}}, nil, []pve.ListedDisk{byID(blank("sda", "A")), byID(blank("sdb", "B")), root}, "-", "two disks of frege are nvme-A of osd_disks: take one of them out"},
		"one kernel name for two":          {profiles.DiskList{{Kernel: "sda"}}, nil, []pve.ListedDisk{root, blank("sda", "A"), blank("sda", "B")}, "-", "two disks of frege are sda of osd_disks: take one of them out"},
		"too small by itself":              {nil, nil, []pve.ListedDisk{root, small(blank("sda", "A"), 100e9-1), small(blank("sdb", "B"), 100e9)}, "B", ""},
		"the rest of the system's disk":    {profiles.DiskList{{Rest: true}}, nil, []pve.ListedDisk{root, blank("sda", "A")}, "", ""},
		"the twin of the system's disk":    {nil, nil, []pve.ListedDisk{root, blank("sda", "ROOT"), blank("sdb", "B")}, "", "two disks of frege have the serial ROOT"},
		"used, without a serial":           {profiles.DiskList{{Kernel: "sda"}}, []string{"A"}, []pve.ListedDisk{root, used(blank("sda", ""))}, "-", "has no serial that a wipe list could name: erase it by hand with wipefs -a /dev/sda"},
		"used, and its owner does consent": {named("A"), []string{"A"}, []pve.ListedDisk{root, used(blank("sda", "A"))}, "A", ""},
		"the system's disk, by name":       {named("ROOT"), nil, []pve.ListedDisk{root, blank("sda", "A")}, "-", "is the disk that the system runs from and never becomes an OSD"},
		"the system's disk, with consent":  {named("ROOT"), []string{"ROOT"}, []pve.ListedDisk{root, blank("sda", "A")}, "-", "is the disk that the system runs from and never becomes an OSD"},
		"used, and nobody consents":        {named("A"), nil, []pve.ListedDisk{root, used(blank("sda", "A"))}, "-", `put "A" on the wipe list of frege`},
	} {
		n := profiles.Node{Name: "frege", RootDisk: profiles.DiskName{Serial: "ROOT"}, OSDDisks: c.want, Wipe: c.wipe}
		p := judgeDisks(n, 1, "fsid", c.disks, nil, pve.Ceph{}.Is, func(pve.ListedDisk) string { return "ext4" })
		var taken []string
		for _, d := range p.disks {
			taken = append(taken, d.disk.Serial)
		}
		if said := p.stop + p.wait; !strings.Contains(said, c.say) || c.say == "" && said != "" {
			t.Errorf("%s: it says %q", name, said)
		}
		if got := strings.Join(taken, " "); p.stop == "" && got != c.taken {
			t.Errorf("%s: taken are %q", name, got)
		}
		if c.want == nil && p.stop == "" && len(p.risks) != len(p.disks) {
			t.Errorf("%s: a disk that nobody named is a risk: %q", name, p.risks)
		}
	}
}
