package storage

import (
	"fmt"
	"path"
	"slices"

	"ringboot/firstboot/pve"
	"ringboot/profiles"
)

// partition is the type of what is a part of a disk.
const partition = "partition"

// rootDisk is the system's disk, of those that fit its name; why it cannot be told.
func rootDisk(n profiles.Node, disks []pve.ListedDisk, is func(pve.ListedDisk, profiles.DiskName) bool) (pve.ListedDisk, string) {
	var fit []pve.ListedDisk
	for _, d := range disks {
		if is(d, n.RootDisk) {
			fit = append(fit, d)
		}
	}
	if len(fit) != 1 {
		return pve.ListedDisk{}, fmt.Sprintf("%s of %s are the disk %s, whose rest is for Ceph: name it by a number that it alone has, under root_disk", count(len(fit), "disk"), n.Name, nameOf(n.RootDisk))
	}
	return fit[0], ""
}

// addRest decides what becomes of the rest of the system's disk.
func (p *osdPlan) addRest(n profiles.Node, r rest, fsid string, volumes []pve.Volume) {
	part := r.disk
	part.Type, part.Used, part.Bytes = partition, r.used, r.bytes
	one := osdDisk{disk: part, want: profiles.DiskName{Rest: true}, osd: -1, rest: &r}
	if r.part != "" {
		one.disk.Device = r.part
	}
	at := slices.IndexFunc(volumes, func(v pve.Volume) bool { return slices.Contains(v.Devices, r.part) })
	switch {
	case r.part == "" && r.bytes < profiles.LeastOSD:
		p.stop = fmt.Sprintf("the system leaves %d GB of the disk %s (%s) of %s, and an OSD wants at least 100: install the node again with a smaller install.size, or name a disk of its own under osd_disks",
			r.bytes/1e9, path.Base(r.disk.Device), r.disk.Serial, n.Name)
	case at >= 0 && volumes[at].FSID == fsid && fsid != "":
		one.osd = volumes[at].OSD
	case at >= 0:
		p.stop = fmt.Sprintf("%s of %s holds OSD %d of another Ceph cluster (fsid %s): ceph-volume lvm zap --destroy %s erases it", label(one.disk), n.Name, volumes[at].OSD, volumes[at].FSID, r.part)
	case r.used != "" && !r.begun:
		p.stop = fmt.Sprintf("%s of %s is in use, with %s: wipefs -a %s erases it", label(one.disk), n.Name, r.used, r.part)
	}
	if !Protected(r.disk.Model) {
		p.risks = append(p.risks, fmt.Sprintf("%s of %s (%s) has no known power-loss protection: writes wait for the flash, and Ceph is slower than the disk's data sheet", label(r.disk), n.Name, r.disk.Model))
	}
	p.disks = append(p.disks, one)
}

// half reports whether the partition is yet to be made, or to be emptied.
func (d osdDisk) half() bool {
	return d.rest != nil && d.osd < 0 && (d.rest.part == "" || d.rest.begun)
}

// besideOSDs makes the disks ready that take parts of the OSDs, or waits for one
// that is not there: an OSD gets its parts when it is made, or never.
func besideOSDs(v cephView) (cephDecision, bool) {
	for _, b := range v.disks.beside {
		switch {
		case b.Wipe:
			out := cephDo(cephWipe, b.Disk.Device, "blank", "%s is erased as the profile says", label(b.Disk))
			out.disk = b.Disk
			return out, true
		case len(b.Unused) > 0:
			out := cephDo(cephDropUnused, b.Unused[0], "gone", "the volume %s on %s was made for an OSD that never came to be", b.Unused[0], label(b.Disk))
			out.disk, out.volume = b.Disk, b.Unused[0]
			return out, true
		}
	}
	if v.disks.noBeside != "" {
		return cephWait("%s", v.disks.noBeside), true
	}
	return cephDecision{}, false
}

// withParts says where an OSD gets what it has beside its own disk.
func (p osdPlan) withParts() (words string) {
	for _, b := range p.beside {
		words += fmt.Sprintf(", with its %s on %s", b.Kind, label(b.Disk))
	}
	return words
}
