package learn

import (
	"fmt"
	"slices"
	"strings"

	"ringboot/profiles"
	"ringboot/profiles/draft"
)

// minRoot is the smallest disk that is taken for the system's, in bytes.
const minRoot = 10 << 30

// management are drivers of ports that are for people, in MS-01s and others: of
// a faster port the ring may be made.
var management = []string{"igc", "igb", "e1000e", "e1000", "r8169", "tg3", "virtio_net"}

// Into puts into a draft what a profile can say of the machines, in the order in
// which they were seen. notes are sentences about what was guessed, or could not be.
func Into(d *draft.Known, machines []Seen) (notes []string) {
	nodes := d.Nodes
	var known []draft.Hardware
	for i, m := range machines[:min(len(machines), len(nodes))] {
		note := func(format string, args ...any) {
			notes = append(notes, nodes[i]+": "+fmt.Sprintf(format, args...))
		}
		h := draft.Hardware{Machine: profiles.DMI{Serial: m.Machine.Serial, UUID: strings.ToLower(m.Machine.UUID)}}
		note("is %s, in the order in which machines were seen", m)
		if disk := m.root(); disk != nil {
			h.Serial, h.Disk = disk.Serial, disk.describe()
			if len(disk.UsedBy) > 0 {
				note("its smallest disk, %s, is NOT EMPTY (%s), and a disk that is named is erased without a question", h.Disk, strings.Join(disk.UsedBy, ", "))
			}
		} else {
			note("two disks are the smallest, or none has a serial number: name its system disk yourself")
		}
		if h.MACs = m.ports(); len(h.MACs) < 2 {
			note("no two ports of a kind for people were seen: name them yourself")
		}
		known = append(known, h)
	}
	d.Hardware = known
	notes = append(notes, ring(d, machines[:len(known)])...)
	for _, n := range nodes[len(known):] {
		notes = append(notes, n+": no machine was seen for it, so nothing is known of it")
	}
	for _, m := range machines[len(known):] {
		notes = append(notes, fmt.Sprintf("%s: it is one machine more than there are nodes, and is left out", m))
	}
	return notes
}

// root is the only built-in disk of the smallest size.
func (s Seen) root() *SeenDisk {
	var fit []SeenDisk
	for _, d := range s.Disks {
		if d.Bytes < minRoot || d.Transport == "usb" || d.Transport == "mmc" || d.Removable {
			continue
		}
		if len(fit) > 0 && d.Bytes < fit[0].Bytes {
			fit = nil
		}
		if len(fit) == 0 || d.Bytes == fit[0].Bytes {
			fit = append(fit, d)
		}
	}
	if len(fit) != 1 || fit[0].Serial == "" {
		return nil
	}
	return &fit[0]
}

func (s Seen) ports() []string {
	var out []string
	for _, n := range s.NICs {
		if n.MAC != "" && slices.Contains(management, n.Driver) {
			out = append(out, strings.ToLower(n.MAC))
		}
	}
	return out
}

// fast are the places of each machine's Thunderbolt controllers, and of its
// network ports that are not for people.
func fast(machines []Seen) (controllers, ports [][]string) {
	controllers, ports = make([][]string, len(machines)), make([][]string, len(machines))
	for i, m := range machines {
		for _, t := range m.Thunderbolt {
			controllers[i] = append(controllers[i], t.PCI)
		}
		for _, n := range m.NICs {
			if n.PCI != "" && n.Driver != "" && !slices.Contains(management, n.Driver) {
				ports[i] = append(ports[i], n.PCI)
			}
		}
	}
	return controllers, ports
}

// ring says where the ring's ports are. The first machine's are those of all, and
// a node with others gets its own. Network ports make the ring only where every
// machine has two that are not for people.
func ring(d *draft.Known, machines []Seen) (notes []string) {
	controllers, ports := fast(machines)
	usual, found := profiles.Default().Ring.Ports, controllers
	two := func(pci []string) bool {
		slices.Sort(pci)
		return len(slices.Compact(slices.Clone(pci))) == len(usual) && len(pci) == len(usual)
	}
	fewer := func(pci []string) bool { return !two(pci) }
	if !slices.ContainsFunc(controllers, two) && !slices.ContainsFunc(ports, fewer) {
		found = ports
		d.Transport = draft.Guess[string]{Value: profiles.TransportEthernet, From: "two fast network ports were seen, and no two Thunderbolt controllers"}
		notes = append(notes, "no machine has two Thunderbolt controllers, and each has two fast network ports: the ring is made of them")
		for i := range usual {
			usual[i].Driver = ""
		}
	}
	for i, pci := range found {
		if !two(pci) {
			notes = append(notes, d.Nodes[i]+": no two ports for a ring were seen: they are taken to be where the others, or an MS-01, have them")
			continue
		}
		own := slices.Clone(usual)
		for j := range own {
			own[j].Path = "pci-" + pci[j]
		}
		switch {
		case d.Ring.Value == nil:
			d.Ring = draft.Guess[[]profiles.RingPort]{Value: own, From: "where " + d.Nodes[i] + " has them"}
		case !slices.Equal(own, d.Ring.Value):
			d.Hardware[i].Ring = own
		}
	}
	return notes
}
