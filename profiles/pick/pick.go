// Package pick chooses disks and network ports as the unattended installer
// does: by patterns over the properties of udev, in its order, with its
// exceptions. The linter says with it what an answer would do, and preflight
// proves with it that an answer means the one disk that may be erased.
//
// Its rules are the installer's, not good ones (proxmox-auto-installer/src/utils.rs).
package pick

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Device is one disk or NIC with its udev properties.
type Device struct {
	Index      string // the installer walks devices in the string order of this
	Name       string // /dev/nvme0n1 or enp87s0
	Properties map[string]string
}

// Order drops what the installer never offers and gives the disks the order in
// which it walks them: it numbers them by name, and compares the numbers as text,
// so that the eleventh comes before the third. Numbers that stand in the
// inventory are the installer's own.
func Order(disks []Device) []Device {
	if disks == nil {
		return nil
	}
	numbered := true
	for i, d := range disks {
		disks[i].Name = cmp.Or(d.Properties["DEVNAME"], d.Name)
		_, err := strconv.Atoi(d.Index)
		numbered = numbered && err == nil
	}
	disks = slices.DeleteFunc(disks, Never)
	if !numbered {
		slices.SortFunc(disks, func(a, b Device) int { return strings.Compare(a.Name, b.Name) })
		for i := range disks {
			disks[i].Index = strconv.Itoa(i)
		}
	}
	slices.SortFunc(disks, byIndex)
	return disks
}

// Sort puts devices into the order in which the installer walks them.
func Sort(devices []Device) { slices.SortFunc(devices, byIndex) }

func byIndex(a, b Device) int { return strings.Compare(a.Index, b.Index) }

// never are the kernel's names of what the installer leaves out.
var never = regexp.MustCompile(`^(ram[0-9]+|loop[0-9]+|md[0-9]+|dm-.*|fd[0-9]+|sr[0-9]+)$`)

// Never reports whether the installer never offers the disk.
func Never(d Device) bool {
	base := d.Name[strings.LastIndexByte(d.Name, '/')+1:]
	kind, known := d.Properties["DEVTYPE"]
	_, cd := d.Properties["ID_CDROM"]
	return never.MatchString(base) || known && kind != "disk" || cd || strings.HasPrefix(d.Properties["ID_FS_TYPE"], "iso9660")
}

// Selection is what the installer would take, and what else its rule fits.
type Selection struct {
	Taken   []Device // what is used
	Fitting []Device // every device that the rule fits, the taken ones among them
	Missing []string // names of a disk list that fit nothing
}

// Disks computes what the installer takes.
func Disks(single bool, list []string, filter map[string]string, match string, disks []Device) Selection {
	if len(list) > 0 {
		return selectByName(list, disks)
	}
	var s Selection
	for _, d := range disks {
		fits := fitsAny(filter, d)
		if !single && match == "all" {
			fits = fitsAll(filter, d)
		}
		if fits {
			s.Fitting = append(s.Fitting, d)
		}
	}
	s.Taken = s.Fitting
	if single && len(s.Taken) > 1 {
		s.Taken = s.Taken[:1]
	}
	return s
}

// selectByName fits names as the installer does: by the end of the path, so
// that "a" means /dev/sda. Names that fit nothing are passed over.
func selectByName(list []string, disks []Device) Selection {
	var s Selection
	for _, name := range list {
		found := false
		for _, d := range disks {
			if !strings.HasSuffix(d.Name, name) {
				continue
			}
			if !found {
				s.Taken = append(s.Taken, d)
			}
			found = true
			s.Fitting = append(s.Fitting, d)
		}
		if !found {
			s.Missing = append(s.Missing, name)
		}
	}
	return s
}

func fitsAny(filter map[string]string, d Device) bool {
	for k, pattern := range filter {
		if value, has := d.Properties[k]; has && Match(pattern, value) {
			return true
		}
	}
	return false
}

// fitsAll leaves a device out only if it has a property with another value: a
// device without the property fits. That is the installer's rule, not a good one.
func fitsAll(filter map[string]string, d Device) bool {
	for k, pattern := range filter {
		if value, has := d.Properties[k]; has && !Match(pattern, value) {
			return false
		}
	}
	return true
}

// NIC computes which port the installer takes: the first that fits.
func NIC(filter map[string]string, nics []Device) Selection {
	var s Selection
	for _, n := range nics {
		if fitsAny(filter, n) {
			s.Fitting = append(s.Fitting, n)
		}
	}
	if len(s.Fitting) > 0 {
		s.Taken = s.Fitting[:1]
	}
	return s
}
