package imagebuilder

import (
	"fmt"
	"strings"

	"ringboot/imagebuilder/answer"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// Erases says in a few words which disk a name means.
func Erases(d profiles.DiskName) string {
	switch {
	case d.Serial != "":
		return "disk with serial " + d.Serial
	case d.ByID != "":
		return "disk " + d.ByID
	case d.Kernel != "":
		return "disk " + d.Kernel
	case d.Rest:
		return "what the system leaves of its disk, as a partition"
	}
	return "the only blank disk of the smallest size"
}

// ErasesAll says in a few words what the installation of a node erases.
func ErasesAll(n profiles.Node) string {
	all := []string{Erases(n.RootDisk)}
	if !n.MirrorDisk.IsZero() {
		all = append(all, Erases(n.MirrorDisk))
	}
	return strings.Join(all, " and ")
}

// Keeps says in a few words which disks the installation of a node keeps. It
// promises no more than the names of the disks to erase do.
func Keeps(n profiles.Node) string {
	if !n.MirrorDisk.IsZero() {
		return "every disk but these two; where another has the number of one of them, preflight erases none"
	}
	d := n.RootDisk
	switch {
	case d.Serial != "":
		return "every disk with another serial number; where two have this one, all"
	case d.IsZero():
		return "every disk that has anything on it, and every larger one"
	case d.ByID != "":
		return "every disk with another name below /dev/disk/by-id"
	}
	return "every disk that the installer's kernel does not name " + d.Kernel
}

// unaimed refuses an image on which nothing would name the disks to erase.
func unaimed(p *profiles.Profile, n profiles.Node) error {
	choice, err := answer.ChoiceOf(p, n)
	switch {
	case err != nil || choice.Chosen():
		return err
	case n.RootDisk.IsZero():
		return fault.Refused.Errorf("%s: no disk is named, and nothing looks for it on the machine: write root_disk into the profile, or make the image with preflight", n.Name)
	}
	return fault.Refused.Errorf("%s: an answer file can name each property of disks once, and both disks of the mirror are named by the same one: make the image with preflight, which names them on the machine", n.Name)
}

// Beside says which disks take parts of a node's OSDs, and how much of each.
func Beside(p *profiles.Profile, n profiles.Node) []string {
	var out []string
	for _, d := range []struct {
		what, share string
		disk        profiles.DiskName
		size        int
	}{{"databases", "a tenth", n.DBDisk, p.Ceph.DBSize}, {"write-ahead logs", "a hundredth", n.WALDisk, p.Ceph.WALSize}} {
		share := d.share + " of each OSD"
		if d.size > 0 {
			share = fmt.Sprintf("%d GiB for each OSD", d.size)
		}
		if !d.disk.IsZero() && p.Ceph.Enabled {
			out = append(out, fmt.Sprintf("%s on %s, %s", d.what, Erases(d.disk), share))
		}
	}
	return out
}
