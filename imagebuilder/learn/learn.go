// Package learn makes use of what was seen on machines: it fills a profile with
// their numbers, and says of a profile what it means on them.
//
// It reads inventories, asks no machine, and guesses nothing that it does not name.
package learn

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"ringboot/profiles/fault"
	"ringboot/profiles/medium"
)

// SeenDisk is what an inventory says of a disk, as far as it matters here.
type SeenDisk struct {
	Path       string            `json:"path"`
	Model      string            `json:"model"`
	Serial     string            `json:"serial"`
	Bytes      int64             `json:"bytes"`
	Transport  string            `json:"transport"`
	Removable  bool              `json:"removable"`
	UsedBy     []string          `json:"used_by"`
	Properties map[string]string `json:"properties"`
}

// NIC is what an inventory says of a network port.
type NIC struct {
	Name   string `json:"name"`
	MAC    string `json:"mac"`
	Driver string `json:"driver"`
	PCI    string `json:"pci"`
}

// Seen is one machine.
type Seen struct {
	From    string // file or device, for messages
	Machine struct {
		Vendor  string `json:"vendor"`
		Product string `json:"product"`
		Serial  string `json:"serial"`
		UUID    string `json:"uuid"`
	} `json:"machine"`
	Disks       []SeenDisk `json:"disks"`
	NICs        []NIC      `json:"nics"`
	Thunderbolt []struct {
		PCI string `json:"pci"` // of the controller
	} `json:"thunderbolt"`
	JSON []byte `json:"-"` // the inventory itself
}

// String is the machine in a few words.
func (s Seen) String() string {
	m := medium.Identity{Vendor: s.Machine.Vendor, Product: s.Machine.Product, Serial: s.Machine.Serial, UUID: s.Machine.UUID}
	if len(s.NICs) > 0 {
		m.MAC = s.NICs[0].MAC
	}
	return m.String()
}

// Parse reads an inventory as "firstboot inventory --json" prints it.
func Parse(from string, text []byte) (Seen, error) {
	s := Seen{From: from, JSON: text}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fault.Precondition.Errorf("%s: the inventory is no JSON: %w: make it with firstboot inventory --json", from, err)
	}
	if len(s.Disks)+len(s.NICs) == 0 {
		return s, fault.Precondition.Errorf("%s: the inventory has neither disks nor ports: make it with firstboot inventory --json", from)
	}
	return s, nil
}

// Read reads machines from files with inventories, and from sticks and images
// that were started on them.
func Read(names []string) ([]Seen, error) {
	var out []Seen
	for _, name := range names {
		seen, err := read(name)
		if err != nil {
			return nil, err
		}
		out = append(out, seen...)
	}
	return out, nil
}

// maxInventory is many times what a machine has to say, in bytes.
const maxInventory = 16 << 20

func read(name string) ([]Seen, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.Precondition.Wrap(err)
	}
	defer f.Close()
	first := make([]byte, 1)
	if _, err := f.ReadAt(first, 0); err != nil || first[0] != '{' {
		return OnMedium(name, f)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxInventory))
	if err != nil {
		return nil, fault.Precondition.Wrap(err)
	}
	one, err := Parse(name, text)
	return []Seen{one}, err
}

// isMedium reports whether a name is that of an installation medium or image.
func isMedium(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	return medium.Volume(f) != ""
}

// OnMedium returns the machines that a medium was started on, in that order,
// each as it was seen last.
func OnMedium(from string, r io.ReaderAt) ([]Seen, error) {
	t, err := medium.FindTable(r)
	if err != nil {
		return nil, fault.Precondition.Errorf("%s: %w", from, err)
	}
	log, err := t.ReadLog(r)
	if err != nil {
		return nil, fault.Precondition.Errorf("%s: %w", from, err)
	}
	var entries []medium.Entry
	for _, e := range log {
		if e.What != medium.Seen || e.Inventory == nil {
			continue
		}
		if i := slices.IndexFunc(entries, func(old medium.Entry) bool { return old.Machine.Same(e.Machine) }); i >= 0 {
			entries[i] = e
			continue
		}
		entries = append(entries, e)
	}
	var out []Seen
	for _, e := range entries {
		s, err := Parse(from, e.Inventory)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, fault.Precondition.Errorf("%s: it was started on no machine yet", from)
	}
	return out, nil
}

// describe is a disk in a few words.
func (d SeenDisk) describe() string {
	text := fmt.Sprintf("%s (%s, serial %s)", strings.TrimPrefix(d.Path, "/dev/"), d.Model, d.Serial)
	// It comes from a disk, and goes into a comment and onto a terminal.
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
}
