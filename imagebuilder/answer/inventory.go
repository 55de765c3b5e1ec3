package answer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
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

// Inventory is a machine's disks and NICs as the installer sees them.
type Inventory struct {
	Disks []Device
	NICs  []Device
}

// ParseInventory reads "firstboot inventory --json" of a node, or the output
// of the official "proxmox-auto-install-assistant device-info".
func ParseInventory(text []byte) (Inventory, error) {
	var raw struct {
		Disks json.RawMessage `json:"disks"`
		NICs  json.RawMessage `json:"nics"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return Inventory{}, fmt.Errorf("the inventory is no JSON: %w; make it with firstboot inventory --json", err)
	}
	disks, errDisks := devices(raw.Disks, "DEVNAME")
	nics, errNICs := devices(raw.NICs, "INTERFACE")
	if err := errors.Join(errDisks, errNICs); err != nil {
		return Inventory{}, err
	}
	if len(disks)+len(nics) == 0 {
		return Inventory{}, errors.New(`the inventory has neither "disks" nor "nics"; make it with firstboot inventory --json`)
	}
	return Inventory{Disks: slices.DeleteFunc(disks, neverCandidate), NICs: nics}, nil
}

// devices reads a list of {path, name, properties} or a map of properties by index.
func devices(raw json.RawMessage, nameProperty string) ([]Device, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var out []Device
	var list []struct {
		Path       string            `json:"path"`
		Name       string            `json:"name"`
		Properties map[string]string `json:"properties"`
	}
	var byIndex map[string]map[string]string
	if json.Unmarshal(raw, &list) == nil {
		for i, d := range list {
			out = append(out, Device{Index: strconv.Itoa(i), Name: cmp.Or(d.Path, d.Name), Properties: d.Properties})
		}
	} else if err := json.Unmarshal(raw, &byIndex); err == nil {
		for i, p := range byIndex {
			out = append(out, Device{Index: i, Properties: p})
		}
	} else {
		return nil, fmt.Errorf("the inventory's devices are neither a list nor a table of properties: %w", err)
	}
	for i := range out {
		if out[i].Name == "" || nameProperty == "INTERFACE" && out[i].Properties[nameProperty] != "" {
			out[i].Name = cmp.Or(out[i].Properties[nameProperty], out[i].Index)
		}
	}
	slices.SortFunc(out, func(a, b Device) int { return strings.Compare(a.Index, b.Index) })
	return out, nil
}

// neverCandidate tells whether the installer never offers the disk.
func neverCandidate(d Device) bool {
	base := d.Name[strings.LastIndexByte(d.Name, '/')+1:]
	for _, prefix := range []string{"ram", "loop", "md", "dm-", "fd", "sr"} {
		if strings.HasPrefix(base, prefix) {
			return true
		}
	}
	return d.Properties["ID_CDROM"] != "" || d.Properties["ID_FS_TYPE"] == "iso9660"
}

// Selection is what the installer would take, and what else its rule fits.
type Selection struct {
	Taken   []Device // what is used
	Fitting []Device // every device that the rule fits, the taken ones among them
	Missing []string // names of a disk list that fit nothing
}

// selectDisks computes what the installer takes.
func selectDisks(filesystem string, list []string, filter map[string]string, match string, disks []Device) Selection {
	if len(list) > 0 {
		return selectByName(list, disks)
	}
	single := filesystem == "ext4" || filesystem == "xfs"
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
		if value, has := d.Properties[k]; has && matchGlob(pattern, value) {
			return true
		}
	}
	return false
}

// fitsAll leaves a device out only if it has a property with another value: a
// device without the property fits. That is the installer's rule, not a good one.
func fitsAll(filter map[string]string, d Device) bool {
	for k, pattern := range filter {
		if value, has := d.Properties[k]; has && !matchGlob(pattern, value) {
			return false
		}
	}
	return true
}

func selectNIC(filter map[string]string, nics []Device) Selection {
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
