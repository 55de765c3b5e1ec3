package storage

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ringboot/firstboot/blockdb"
	"ringboot/firstboot/pve"
	"ringboot/profiles"
)

// osdDisk is one disk of the plan and what is to be done with it.
type osdDisk struct {
	disk pve.ListedDisk
	want profiles.DiskName // as the profile names it; zero where it names none
	osd  int               // on it already, -1: none
	wipe bool              // used, and the profile consents
	rest *rest             // of the system's disk
}

// osdPlan is what this node's disks become.
type osdPlan struct {
	disks []osdDisk
	// beside are the disks that take parts of the OSDs that are yet to be made.
	beside   []blockdb.Disk
	noBeside string   // one of them is missing
	stop     string   // a person must decide
	wait     string   // a disk is missing
	risks    []string // named weaknesses
}

func (p osdPlan) expected() int { return len(p.disks) }

// judgeDisks decides what each disk becomes. is tells whether a disk is the
// one that the profile names. It is pure: what it says is what happens.
func judgeDisks(n profiles.Node, minOSDs int, fsid string, disks []pve.ListedDisk, volumes []pve.Volume, is func(pve.ListedDisk, profiles.DiskName) bool, content func(pve.ListedDisk) string) osdPlan {
	var p osdPlan
	on := judge{n, fsid, map[string]pve.Volume{}, is, content}
	for _, v := range volumes {
		for _, d := range v.Devices {
			on.owner[d] = v
		}
	}
	p.disks = p.choose(n, disks, on.fits, is)
	if why := twins(n, disks, p.disks, on.root); why != "" {
		return osdPlan{stop: why, wait: p.wait}
	}
	for i := range p.disks {
		if why := on.becomes(&p.disks[i]); why != "" {
			p.stop = why
		}
		p.risks = append(p.risks, p.disks[i].weaknesses(n)...)
	}
	has := len(p.disks)
	if n.WantsRest() {
		has++
	}
	if p.stop == "" && p.wait == "" && !n.WithoutOSDs() && has < max(1, minOSDs) {
		p.wait = fmt.Sprintf("%s has %s for Ceph, the profile wants %d: add blank disks of at least 100 GB, or name used ones and consent to erase them", n.Name, count(has, "disk"), max(1, minOSDs))
	}
	return p
}

// judge is what one node's disks are judged by.
type judge struct {
	n       profiles.Node
	fsid    string
	owner   map[string]pve.Volume // device to what Ceph has on it
	is      func(pve.ListedDisk, profiles.DiskName) bool
	content func(pve.ListedDisk) string
}

// root reports whether the system runs from a disk.
func (j judge) root(d pve.ListedDisk) bool {
	return slices.ContainsFunc(j.n.SystemDisks(), func(by profiles.DiskName) bool { return j.is(d, by) }) || strings.Contains(d.Used, "mounted")
}

// own reports whether an OSD of this cluster lies on a disk.
func (j judge) own(d pve.ListedDisk) bool {
	v, owned := j.owner[d.Device]
	return owned && v.FSID == j.fsid && j.fsid != ""
}

// fits reports whether a disk that nobody named may become an OSD.
func (j judge) fits(d pve.ListedDisk) bool {
	return !j.root(d) && !blockdb.Named(j.n, d, j.is) && d.Apart == "" && d.Bytes >= profiles.LeastOSD && (d.Blank() || j.own(d))
}

// becomes settles what is done with a disk that was chosen, or says why a person must.
func (j judge) becomes(c *osdDisk) (stop string) {
	n := j.n
	v, owned := j.owner[c.disk.Device]
	switch {
	case j.root(c.disk):
		return fmt.Sprintf("%s of %s is the disk that the system runs from and never becomes an OSD: correct osd_disks", label(c.disk), n.Name)
	case j.own(c.disk):
		c.osd = v.OSD
	case c.disk.Blank() && !owned:
	case slices.Contains(n.Wipe, c.disk.Serial) && c.disk.Serial != "":
		c.wipe = true
	default:
		return inUse(n, c.disk, v, owned, j.content)
	}
	return ""
}

// inUse says whose a disk is that nobody consented to erase, and what to do.
func inUse(n profiles.Node, d pve.ListedDisk, v pve.Volume, owned bool, content func(pve.ListedDisk) string) string {
	switch {
	case d.Serial == "":
		return fmt.Sprintf("%s of %s is in use, with %s, and has no serial that a wipe list could name: erase it by hand with wipefs -a %s, or take it out",
			label(d), n.Name, content(d), d.Device)
	case owned:
		return fmt.Sprintf("%s of %s holds OSD %d of another Ceph cluster (fsid %s): take the disk out, or put %q on the wipe list of %s to erase it",
			label(d), n.Name, v.OSD, v.FSID, d.Serial, n.Name)
	}
	return fmt.Sprintf("%s of %s is in use, with %s: take the disk out, or put %q on the wipe list of %s to erase it",
		label(d), n.Name, content(d), d.Serial, n.Name)
}

// weaknesses are what is to be known of a disk that becomes an OSD, or is one.
func (c osdDisk) weaknesses(n profiles.Node) (risks []string) {
	if c.want.IsZero() && c.osd < 0 {
		risks = append(risks, fmt.Sprintf("%s of %s is blank and becomes an OSD though the profile does not name it: name the disks for Ceph under osd_disks", label(c.disk), n.Name))
	}
	if c.want.Kernel != "" {
		risks = append(risks, fmt.Sprintf("%s of %s is named by its kernel name, which may change at the next start: name it by serial", c.disk.Device, n.Name))
	}
	if !Protected(c.disk.Model) {
		risks = append(risks, fmt.Sprintf("%s of %s (%s) has no known power-loss protection: writes wait for the flash, and Ceph is slower than the disk's data sheet", label(c.disk), n.Name, c.disk.Model))
	}
	return risks
}

// choose takes the disks that the profile names, or where it names none at all,
// those that fit. An empty list is a name: none.
func (p *osdPlan) choose(n profiles.Node, disks []pve.ListedDisk, fits func(pve.ListedDisk) bool, is func(pve.ListedDisk, profiles.DiskName) bool) []osdDisk {
	var chosen []osdDisk
	for _, want := range n.OSDDisks {
		if want.Rest {
			continue
		}
		at := slices.IndexFunc(disks, func(d pve.ListedDisk) bool { return is(d, want) })
		if at >= 0 && slices.ContainsFunc(disks[at+1:], func(d pve.ListedDisk) bool {
			return is(d, want) && (want.ByID != "" || d.Serial != disks[at].Serial) // of one serial twins tells
		}) {
			p.stop = fmt.Sprintf("two disks of %s are %s of osd_disks: take one of them out", n.Name, nameOf(want))
			continue
		}
		if at < 0 {
			p.wait = fmt.Sprintf("%s lacks the disk %s of the plan: put it in, or name another one in the profile", n.Name, nameOf(want))
			continue
		}
		chosen = append(chosen, osdDisk{disk: disks[at], want: want, osd: -1})
	}
	if n.OSDDisks != nil {
		return chosen
	}
	for _, d := range disks {
		if fits(d) {
			chosen = append(chosen, osdDisk{disk: d, osd: -1})
		}
	}
	return chosen
}

// twins names two disks that share a serial, where one of them would be taken
// or carries the system: which of them was meant, nobody can tell.
func twins(n profiles.Node, disks []pve.ListedDisk, chosen []osdDisk, root func(pve.ListedDisk) bool) string {
	for i, a := range disks {
		for _, b := range disks[i+1:] {
			if a.Serial == "" || a.Serial != b.Serial {
				continue
			}
			meant := func(d pve.ListedDisk) bool {
				return slices.ContainsFunc(chosen, func(c osdDisk) bool {
					return c.disk.Device == d.Device && (c.want.ByID == "" || c.want.Serial != "")
				})
			}
			if meant(a) || meant(b) || len(chosen) > 0 && (root(a) || root(b)) {
				return fmt.Sprintf("two disks of %s have the serial %s, %s and %s: take one out, or name the right one by by_id under osd_disks", n.Name, a.Serial, path.Base(a.Device), path.Base(b.Device))
			}
		}
	}
	return ""
}

func nameOf(d profiles.DiskName) string {
	if d.Rest {
		return "the rest of the system's disk"
	}
	return d.Serial + d.ByID + d.Kernel
}

func label(d pve.ListedDisk) string {
	if d.Type == partition {
		return fmt.Sprintf("the partition %s (on %s)", path.Base(d.Device), d.Serial)
	}
	if d.Serial == "" {
		return "the disk " + path.Base(d.Device)
	}
	return fmt.Sprintf("the disk %s (%s)", path.Base(d.Device), d.Serial)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// protectedModels begin the names of disk families whose makers document
// power-loss protection. Any other disk is called a risk, which is the safe error.
var protectedModels = []string{"SAMSUNG MZ1L", "SAMSUNG MZQL", "SAMSUNG MZWL", "SAMSUNG PM9A3", "MICRON_7", "MICRON 7", "MICRON_5", "INTEL SSDPE2", "INTEL SSDPF2", "INTEL SSDSC2K",
	"SOLIDIGM SSDPF2", "KINGSTON SEDC", "KIOXIA KCD", "KIOXIA KCM", "WUS4", "WDC WUS"}

func Protected(model string) bool {
	m := strings.ToUpper(model)
	return m == "" || slices.ContainsFunc(protectedModels, func(p string) bool { return strings.HasPrefix(m, p) })
}
