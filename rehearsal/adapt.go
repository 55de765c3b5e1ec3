package rehearsal

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ringboot/profiles"
	"ringboot/rehearsal/qemu"
)

// Plan is a rehearsal as a value: the profile that goes onto the images, and
// the machines.
type Plan struct {
	Profile  *profiles.Profile
	Machines []Hardware
	// Changed says what of the profile is not as it will be on hardware.
	Changed []string
}

// Hardware is one node's hardware.
type Hardware struct {
	Node  string
	Disks []DiskSpec
	NICs  []NIC
}

// DiskSpec is one disk of a machine.
type DiskSpec struct {
	Serial string
	Bytes  int64
	System bool
}

// NIC is one network card. Ring cards have a number from 0 and a cable to a
// card of another machine; the others hang on the switch.
type NIC struct {
	ID   string
	MAC  string
	Ring bool
	Peer string // node at the other end, when Ring
	To   string // its card's ID
}

// Sizes of disks. Files without content take no room; Ceph takes blank disks
// from 100 GB.
const (
	practiceSystem = 40 << 30 // the smallest on which the installer makes a pool for guests
	realSystem     = 64 << 30
	osdSize        = 120 << 30
)

// ringMTU is what an SFP+ ring has, and what virtio cards carry.
const ringMTU = 9000

// Adapt makes a rehearsal of a profile. The profile itself is not changed.
// practice reports whether the stock ISO is the practice one.
func Adapt(p *profiles.Profile, practice bool) (*Plan, error) {
	text, err := profiles.Marshal(p)
	if err != nil {
		return nil, err
	}
	q, err := profiles.Load("the profile of the rehearsal", text)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Profile: q}
	changed := func(format string, args ...any) { plan.Changed = append(plan.Changed, fmt.Sprintf(format, args...)) }
	if q.Transport().Shape != profiles.ShapeRing {
		return nil, fmt.Errorf("a rehearsal joins its machines by a ring of cables, and ring.transport is %s: rehearse with ring.transport: %s and three nodes", q.Ring.Transport, profiles.TransportEthernet)
	}
	if was := q.Transport(); was.Rehearsed != was.Name {
		q.Ring.Transport = was.Rehearsed
		changed("the ring is made of virtio network cards: there is no model of %s, so its driver, its tunnels and its speed are not rehearsed", was.Label)
	}
	if q.Ring.MTU > ringMTU {
		changed("the ring's MTU is %d, not %d", ringMTU, q.Ring.MTU)
		q.Ring.MTU = ringMTU
	}
	changed("all network cards are virtio, two for management and two for the ring, found by their hardware addresses")
	changed("time servers and name servers are a stand-in of the router at %s, which knows nothing but the time", q.Management.Gateway)
	q.Management.DNS, q.Management.NTP, q.Proxmox.Update = []netip.Addr{q.Management.Gateway}, nil, profiles.UpdateInstalled
	changed("the packages are those of the ISO: there is no way out to a repository")
	if q.Acceptance.PowerCut == profiles.ConsentAsk {
		q.Acceptance.PowerCut = profiles.ConsentNo
		changed("no machine is reset: the profile only proposes it, and acceptance.power_cut: true rehearses it")
	}
	q.Proxmox.Proxy, q.Proxmox.Mirror, q.Cluster.Smarthost = "", "", ""
	for i := range q.Nodes {
		q.Nodes[i].Subscription = ""
	}
	installs(q, practice, changed)
	for i := range q.Nodes {
		m := plan.machine(i, practice, changed)
		plan.Machines = append(plan.Machines, m)
	}
	for j := range q.Ring.Ports {
		// Every node has ports of its own; what all would share fits no node.
		q.Ring.Ports[j] = profiles.RingPort{Name: q.Ring.Ports[j].Name, Interface: fmt.Sprintf("ring%d", j)}
	}
	if err := q.Resolve(func(path string) ([]byte, error) {
		return nil, fmt.Errorf("%s: key files are read before a rehearsal is made", path)
	}); err != nil {
		return nil, err
	}
	// The nodes will read it as a file, and refuse what is wrong in it.
	if text, err = profiles.Marshal(q); err != nil {
		return nil, err
	}
	if _, err = profiles.Load("the profile of the rehearsal", text); err != nil {
		return nil, err
	}
	return plan, nil
}

// installs changes what the machines of a rehearsal cannot install.
func installs(q *profiles.Profile, practice bool, changed func(string, ...any)) {
	if l, _ := profiles.LayoutOf(q.Install.Filesystem); practice && l.FileSystem.Name == "zfs" {
		q.Install.Filesystem = "ext4"
		if l.Mirror() {
			q.Install.Filesystem = "btrfs (raid1)"
		}
		changed("the file system is %s, not %s, which the practice system's kernel does not have", q.Install.Filesystem, l.Name)
	}
	if practice && q.Proxmox.Version != "9.2-1" {
		changed("the version is that of the practice ISO, 9.2-1, not %s", q.Proxmox.Version)
		q.Proxmox.Version = "9.2-1"
	}
	if q.Install.AfterInstall != "reboot" {
		changed("the machines reboot after the installation, because nobody is there to switch them on again")
		q.Install.AfterInstall = "reboot"
	}
}

// named is the serial number of a disk, which gets one where its name is another.
func named(n *profiles.Node, d *profiles.DiskName, prefix, what string, changed func(string, ...any)) string {
	if d.Serial == "" || len(d.Serial) > maxSerial {
		serial := made(prefix, n.Name)
		changed("%s: %s is named by the serial %s, not as %s", n.Name, what, serial, diskName(*d))
		*d = profiles.DiskName{Serial: serial}
	}
	return d.Serial
}

// machine gives node i its hardware, and the profile the words for it.
func (plan *Plan) machine(i int, practice bool, changed func(string, ...any)) Hardware {
	p := plan.Profile
	n := &p.Nodes[i]
	m := Hardware{Node: n.Name}
	size := int64(realSystem)
	if practice {
		size = practiceSystem
	}
	size = max(size, int64(p.Install.Size)<<30, p.LeastRoot(*n)+osdSize-profiles.LeastOSD)
	for j, d := range []*profiles.DiskName{&n.RootDisk, &n.MirrorDisk} {
		if j > 0 && d.IsZero() {
			continue
		}
		serial := named(n, d, []string{"RBSYS", "RBTWIN"}[j], "the disk to erase", changed)
		m.Disks = append(m.Disks, DiskSpec{Serial: serial, Bytes: size, System: true})
	}
	if n.OSDDisks == nil {
		m.Disks = append(m.Disks, DiskSpec{Serial: made("RBOSD", n.Name), Bytes: osdSize})
	}
	for j := range n.OSDDisks {
		d := &n.OSDDisks[j]
		if d.Rest && !practice {
			continue // the system's disk has room for it
		}
		m.Disks = append(m.Disks, DiskSpec{Serial: named(n, d, fmt.Sprintf("RBOSD%d", j), "a disk for Ceph", changed), Bytes: osdSize})
	}
	for j, d := range []*profiles.DiskName{&n.DBDisk, &n.WALDisk} {
		if !d.IsZero() {
			serial := named(n, d, []string{"RBDB", "RBWAL"}[j], "a disk beside the OSDs", changed)
			m.Disks = append(m.Disks, DiskSpec{Serial: serial, Bytes: osdSize})
		}
	}
	ports := p.PortsOf(*n)
	n.Ports, n.RingPorts = nil, nil
	for j := range 2 {
		nic := NIC{ID: fmt.Sprintf("lan%d", j), MAC: address(i, j)}
		m.NICs = append(m.NICs, nic)
		n.Ports = append(n.Ports, profiles.Port{MAC: nic.MAC})
	}
	for j, nic := range ringCards(p, i) {
		nic.ID, nic.MAC, nic.Ring = fmt.Sprintf("ring%d", j), address(i, 8+j), true
		m.NICs = append(m.NICs, nic)
		n.RingPorts = append(n.RingPorts, profiles.RingPort{Name: ports[j].Name, MAC: nic.MAC})
	}
	return m
}

// ringCards are the cards of node i that have a cable: the first leads to the
// second of the next node. In a chain each end has one.
func ringCards(p *profiles.Profile, i int) []NIC {
	count, middle := len(p.Nodes), p.Ring.Chain
	if middle == "" {
		return []NIC{{Peer: p.Nodes[(i+1)%count].Name, To: "ring1"}, {Peer: p.Nodes[(i+count-1)%count].Name, To: "ring0"}}
	}
	var out []NIC
	for j, end := range p.Others(middle) {
		switch p.Nodes[i].Name {
		case middle:
			out = append(out, NIC{Peer: end.Name, To: "ring0"})
		case end.Name:
			return []NIC{{Peer: middle, To: fmt.Sprintf("ring%d", j)}}
		}
	}
	return out
}

// maxSerial is what a disk's serial number has room for.
const maxSerial = 20

func made(prefix, node string) string {
	s := prefix + "-" + strings.ToUpper(node)
	return s[:min(len(s), maxSerial)]
}

func diskName(d profiles.DiskName) string {
	if d.Rest {
		return "the rest of the system's disk"
	}
	for _, s := range []string{d.ByID, d.Kernel, d.Serial} {
		if s != "" {
			return s
		}
	}
	return "the only blank one of the smallest size"
}

// address is a hardware address of QEMU's own range.
func address(node, card int) string { return fmt.Sprintf("52:54:00:5b:%02x:%02x", node+1, card) }

// Differences lists in sentences what a rehearsal is not.
func (plan *Plan) Differences(practice bool) []string {
	out := slices.Clone(plan.Changed)
	if practice {
		out = append(out, "what is installed is a Debian system with stand-ins of the Proxmox tools: it shows that images, agent, ring and order of work fit together, and nothing about Proxmox VE itself",
			"its installer follows that of 9.2 step by step, and differs in this: no ZFS, no answers by DHCP, no mail server; the initial file system is fixed, "+
				"and the cluster file system has no database until it starts")
	}
	return append(out,
		"firmware is SeaBIOS or OVMF, without Secure Boot",
		"sticks are USB disks of QEMU, disks are files: a power cut loses what the guest has not written, and nothing that it has",
		"the images speak on the serial port, too; their kernels are told "+loud+", and "+emulated+" where the processor is emulated, and one that panics over its timer all the same is reset",
		"a boot menu that counts its ten seconds for longer than twenty, as GRUB does on a busy emulator, is sent a return key")
}

// hardware is a machine as QEMU starts it, without its network cards.
func (m Hardware) hardware(o Options, files paths) qemu.Machine {
	v := qemu.Machine{Name: m.Node, Firmware: o.Firmware, MemoryMiB: o.MemoryMiB, CPUs: o.CPUs, Accel: o.Accel}
	disk, stick := 1, 2
	if o.StickFirst {
		disk, stick = stick, disk
	}
	v.Media = []qemu.Medium{{Path: files.image(m.Node), Kind: qemu.Stick, BootIndex: stick, Writable: true}}
	for i, d := range m.Disks {
		serial := d.Serial
		if other := o.Serials[serial]; other != "" {
			serial = other
		}
		hw := qemu.Drive{Path: files.disk(m.Node, i), Serial: serial}
		if d.System && i == 0 { // the second one of a mirror starts nothing here
			hw.BootIndex = disk
		}
		v.Disks = append(v.Disks, hw)
	}
	return v
}
