package step

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ringboot/firstboot/pve"
	"ringboot/profiles"
)

// minOSDBytes is the smallest disk that is taken for Ceph where the profile
// names none.
const minOSDBytes = 100e9

// osdDisk is one disk of the plan and what is to be done with it.
type osdDisk struct {
	disk pve.Disk
	want profiles.Disk // as the profile names it; zero where it names none
	osd  int           // on it already, -1: none
	wipe bool          // used, and the profile consents
}

// osdPlan is what this node's disks become.
type osdPlan struct {
	disks []osdDisk
	stop  string   // a person must decide
	wait  string   // a disk is missing
	risks []string // named weaknesses
}

// create lists the disks that get an OSD now; adopt tells whether an OSD of
// this cluster lies on a disk already.
func (p osdPlan) expected() int { return len(p.disks) }

// judgeDisks decides what each disk becomes. is tells whether a disk is the
// one that the profile names. It is pure: what it says is what happens.
func judgeDisks(n profiles.Node, minOSDs int, fsid string, disks []pve.Disk, volumes []pve.Volume, is func(pve.Disk, profiles.Disk) bool, content func(pve.Disk) string) osdPlan {
	var p osdPlan
	owner := map[string]pve.Volume{}
	for _, v := range volumes {
		for _, d := range v.Devices {
			owner[d] = v
		}
	}
	root := func(d pve.Disk) bool { return is(d, n.RootDisk) || strings.Contains(d.Used, "mounted") }
	var chosen []osdDisk
	if len(n.OSDDisks) > 0 {
		for _, want := range n.OSDDisks {
			at := slices.IndexFunc(disks, func(d pve.Disk) bool { return is(d, want) })
			if at < 0 {
				p.wait = fmt.Sprintf("%s lacks the disk %s of the plan: put it in, or name another one in the profile", n.Name, nameOf(want))
				continue
			}
			chosen = append(chosen, osdDisk{disk: disks[at], want: want, osd: -1})
		}
	} else {
		for _, d := range disks {
			v, owned := owner[d.Device]
			if !root(d) && d.Bytes >= minOSDBytes && (d.Blank() || owned && v.FSID == fsid && fsid != "") {
				chosen = append(chosen, osdDisk{disk: d, osd: -1})
			}
		}
	}
	for i := range chosen {
		c := &chosen[i]
		v, owned := owner[c.disk.Device]
		switch {
		case root(c.disk):
			p.stop = fmt.Sprintf("%s of %s is the disk that the system runs from and never becomes an OSD: correct osd_disks", label(c.disk), n.Name)
		case owned && v.FSID == fsid && fsid != "":
			c.osd = v.OSD
		case c.disk.Blank() && !owned:
		case slices.Contains(n.Wipe, c.disk.Serial) && c.disk.Serial != "":
			c.wipe = true
		case owned:
			p.stop = fmt.Sprintf("%s of %s holds OSD %d of another Ceph cluster (fsid %s): take the disk out, or put %q on the wipe list of %s to erase it",
				label(c.disk), n.Name, v.OSD, v.FSID, c.disk.Serial, n.Name)
		default:
			p.stop = fmt.Sprintf("%s of %s is in use, with %s: take the disk out, or put %q on the wipe list of %s to erase it",
				label(c.disk), n.Name, content(c.disk), c.disk.Serial, n.Name)
		}
		if c.want.Kernel != "" {
			p.risks = append(p.risks, fmt.Sprintf("%s of %s is named by its kernel name, which may change at the next start: name it by serial", c.disk.Device, n.Name))
		}
		if !protected(c.disk.Model) {
			p.risks = append(p.risks, fmt.Sprintf("%s of %s (%s) has no known power-loss protection: writes wait for the flash, and Ceph is slower than the disk's data sheet", label(c.disk), n.Name, c.disk.Model))
		}
	}
	p.disks = chosen
	if p.stop == "" && p.wait == "" && len(chosen) < max(1, minOSDs) {
		p.wait = fmt.Sprintf("%s has %s for Ceph, the profile wants %d: add blank disks of at least 100 GB, or name used ones and consent to erase them", n.Name, count(len(chosen), "disk"), max(1, minOSDs))
	}
	return p
}

func nameOf(d profiles.Disk) string { return d.Serial + d.ByID + d.Kernel }

func label(d pve.Disk) string {
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

func protected(model string) bool {
	m := strings.ToUpper(model)
	return m == "" || slices.ContainsFunc(protectedModels, func(p string) bool { return strings.HasPrefix(m, p) })
}
