// Package preflight judges a machine before anything on it is erased: has this
// been done already, which node is it, and which disk may be erased. It is a
// set of functions from what was seen to a verdict: it opens no device, and
// the only thing that it can permit is what it proved.
package preflight

import (
	"cmp"
	"slices"

	"ringboot/profiles"
	"ringboot/profiles/diskname"
	"ringboot/profiles/medium"
	"ringboot/profiles/pick"
)

// Sighting is one whole disk as it was seen.
type Sighting struct {
	Name       string // as the kernel counts in this boot: nvme0n1
	Model      string
	Bytes      int64
	Properties map[string]string // those of udev by which the installer chooses
	Holds      []string          // what is on it, for people; none: blank
	Unreadable bool              // it could not be looked at
	Medium     bool              // the medium that was started from
	Mark       *medium.Ticket    // that of an installed node, on one of its partitions
}

// Blank reports whether nothing at all is on a disk.
func (d Sighting) Blank() bool { return len(d.Holds) == 0 && !d.Unreadable && d.Mark == nil }

// Serial is the number that is printed on the disk.
func (d Sighting) Serial() string {
	return cmp.Or(d.Properties["ID_SERIAL_SHORT"], d.Properties["ID_SERIAL"])
}

// WWN is the number that the disk's maker promises to give once only.
func (d Sighting) WWN() string { return d.Properties["ID_WWN"] }

// Record is the disk as the log has it.
func (d Sighting) Record() *medium.DiskLabel {
	return &medium.DiskLabel{Model: d.Model, Serial: d.Serial(), WWN: d.WWN(), Bytes: d.Bytes}
}

// is reports whether a record is of this disk. A disk without any number is
// never recognised.
func (d Sighting) is(r *medium.DiskLabel) bool {
	return r != nil && (r.Serial != "" || r.WWN != "") && *r == *d.Record()
}

// named reports whether a profile's words name this disk.
func (d Sighting) named(by profiles.DiskName) bool {
	switch {
	case by.Serial != "":
		long := d.Properties["ID_SERIAL"]
		return by.Serial == d.Properties["ID_SERIAL_SHORT"] || by.Serial == long || by.Serial+diskname.FirstNamespace == long
	case by.ByID != "":
		made, err := diskname.Properties(by.ByID)
		return err == nil && slices.ContainsFunc(made, func(p diskname.Property) bool { return d.Properties[p.Name] == p.Value })
	case by.Kernel != "":
		return by.Kernel == d.Name
	}
	return false
}

// Facts are all that was seen.
type Facts struct {
	Machine medium.Identity
	MACs    []string // of the Ethernet ports that have a driver
	Disks   []Sighting
	// Writable: the medium that was started from takes writes.
	Writable bool
	// Others are further media of the same ISO, by name: the installer could
	// take any of them for the one that was started from.
	Others []string
	// Log is what the medium remembers, Spent the nodes whose tickets are spent.
	Log   []medium.Entry
	Spent map[string]bool
	// Again: a person chose in the menu to install once more.
	Again bool
}

// candidates are the disks that the installer would consider.
func (f Facts) candidates() []Sighting {
	var out []Sighting
	for _, d := range f.Disks {
		if !d.Medium && !pick.Never(d.device()) {
			out = append(out, d)
		}
	}
	return out
}

func (d Sighting) device() pick.Device {
	return pick.Device{Name: "/dev/" + d.Name, Properties: d.Properties}
}

// Takes returns the disks that the installer takes by the answer that lies on
// the medium, in its order and by its rules.
func Takes(n medium.Target, disks []Sighting) []Sighting {
	var devices []pick.Device
	for _, d := range disks {
		devices = append(devices, d.device())
	}
	var out []Sighting
	for _, taken := range pick.Disks(n.Single, n.List, n.Filter, n.Match, pick.Order(devices)).Taken {
		i := slices.IndexFunc(disks, func(d Sighting) bool { return "/dev/"+d.Name == taken.Name })
		out = append(out, disks[i])
	}
	return out
}
