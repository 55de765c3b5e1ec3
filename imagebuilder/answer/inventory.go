package answer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"ringboot/profiles/pick"
)

// Device is one disk or NIC with its udev properties.
type Device = pick.Device

// Selection is what the installer would take, and what else its rule fits.
type Selection = pick.Selection

// Inventory is a machine's disks and NICs as the installer sees them. A part
// that is nil was not looked at, and proves nothing.
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
	disks, errDisks := devices(raw.Disks)
	nics, errNICs := devices(raw.NICs)
	if err := errors.Join(errDisks, errNICs); err != nil {
		return Inventory{}, err
	}
	if disks == nil && nics == nil {
		return Inventory{}, errors.New(`the inventory has neither "disks" nor "nics"; make it with firstboot inventory --json`)
	}
	for i, n := range nics {
		nics[i].Name = cmp.Or(n.Properties["INTERFACE"], n.Name)
		nics[i].Index = nics[i].Name // the installer walks ports by name
	}
	pick.Sort(nics)
	return Inventory{Disks: pick.Order(disks), NICs: nics}, nil
}

// devices reads a list of {path, name, properties} or a map of properties by
// index or name.
func devices(raw json.RawMessage) ([]Device, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	out := []Device{}
	var list []struct {
		Path       string            `json:"path"`
		Name       string            `json:"name"`
		Properties map[string]string `json:"properties"`
	}
	var named map[string]map[string]string
	if json.Unmarshal(raw, &list) == nil {
		for _, d := range list {
			out = append(out, Device{Name: cmp.Or(d.Path, d.Name), Properties: d.Properties})
		}
	} else if err := json.Unmarshal(raw, &named); err == nil {
		for name, p := range named {
			out = append(out, Device{Index: name, Name: name, Properties: p})
		}
	} else {
		return nil, fmt.Errorf("the inventory's devices are neither a list nor a table of properties: %w", err)
	}
	return out, nil
}
