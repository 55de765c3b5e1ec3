// Package profiles says what a cluster is: the types of a profile, its YAML
// form, its validation with positions, the embedded default and the JSON
// Schema for editors.
//
// It knows nothing of images, agents or networks: it is handed text and hands
// back a checked value, or every mistake that the text has.
package profiles

import (
	"fmt"
	"net/netip"
	"slices"
)

// FormatVersion is the value of the key "version" that this code reads.
const FormatVersion = 1

// Profile is one cluster: everything that the builder and the agent must know
// and cannot find out by themselves.
type Profile struct {
	Version    int        `yaml:"version" json:"version"`
	Cluster    Cluster    `yaml:"cluster" json:"cluster"`
	Proxmox    Proxmox    `yaml:"proxmox" json:"proxmox"`
	Install    Install    `yaml:"install" json:"install"`
	Management Management `yaml:"management" json:"management"`
	Ring       Ring       `yaml:"ring" json:"ring"`
	Nodes      []Node     `yaml:"nodes" json:"nodes"`
	Users      []User     `yaml:"users" json:"users"`
	Ceph       Ceph       `yaml:"ceph" json:"ceph"`
	HA         HA         `yaml:"ha" json:"ha"`
	Acceptance Acceptance `yaml:"acceptance" json:"acceptance"`
	Agent      Agent      `yaml:"agent" json:"agent"`
	Tuning     Tuning     `yaml:"tuning" json:"tuning"`
}

// Cluster names the whole.
type Cluster struct {
	Name     string `yaml:"name" json:"name"`         // corosync's cluster name, 1 to 15 characters
	Domain   string `yaml:"domain" json:"domain"`     // DNS domain of the nodes
	Timezone string `yaml:"timezone" json:"timezone"` // zone of the tz database, or UTC
	Keyboard string `yaml:"keyboard" json:"keyboard"` // layout name of the installer
	Country  string `yaml:"country" json:"country"`   // ISO 3166 alpha-2, lower case
	Mail     string `yaml:"mail" json:"mail"`         // where the nodes send mail
	// Smarthost takes the mail of the nodes: host or host:port; empty: they send it themselves.
	Smarthost string `yaml:"smarthost,omitempty" json:"smarthost"`
}

// Proxmox says which version is installed and where packages come from.
type Proxmox struct {
	Version    string `yaml:"version" json:"version"`         // "9.2-1": release and ISO release
	Repository string `yaml:"repository" json:"repository"`   // no-subscription | enterprise | none
	Update     string `yaml:"update" json:"update"`           // latest | installed
	Proxy      string `yaml:"proxy,omitempty" json:"proxy"`   // http://host:port that apt goes through
	Mirror     string `yaml:"mirror,omitempty" json:"mirror"` // in place of http://download.proxmox.com/debian
}

// Words of proxmox.update.
const (
	UpdateLatest    = "latest"    // the newest set that all nodes can reach
	UpdateInstalled = "installed" // what the medium brought
)

// Install is what the unattended installer is told, the same for every node.
type Install struct {
	Filesystem   string `yaml:"filesystem" json:"filesystem"`       // name of a row of Layouts
	Size         int    `yaml:"size,omitempty" json:"size"`         // GiB of each disk that the system takes; 0: all
	AfterInstall string `yaml:"after_install" json:"after_install"` // reboot | power-off
}

// Management is the network that people and corosync's first link use.
type Management struct {
	Prefix          netip.Prefix `yaml:"prefix" json:"prefix"` // 10.203.3.0/24
	Gateway         netip.Addr   `yaml:"gateway" json:"gateway"`
	Prefix6         netip.Prefix `yaml:"prefix6" json:"prefix6"`   // 2001:db8::/64; none: IPv4 alone
	Gateway6        netip.Addr   `yaml:"gateway6" json:"gateway6"` // none: as routers announce it
	DNS             []netip.Addr `yaml:"dns" json:"dns"`
	AllowSinglePort bool         `yaml:"allow_single_port" json:"allow_single_port"` // consent to a bond of one port
	Keep            bool         `yaml:"keep" json:"keep"`                           // consent to the network that the machines have: it is checked, never changed
	NTP             []string     `yaml:"ntp" json:"ntp"`                             // servers or pools; none: Debian's
	VLAN            int          `yaml:"vlan,omitempty" json:"vlan"`                 // tag on the ports, 1 to 4094; 0: untagged
	VLANAware       bool         `yaml:"vlan_aware,omitempty" json:"vlan_aware"`     // guests on the bridge may have tags
	Bond            string       `yaml:"bond,omitempty" json:"bond"`                 // active-backup | 802.3ad; empty: active-backup
	MTU             int          `yaml:"mtu,omitempty" json:"mtu"`                   // bytes; 0: as it is, which is 1500
}

// Ring is the network of cables between the nodes.
type Ring struct {
	Transport string       `yaml:"transport" json:"transport"`             // name of a row of Transports
	Prefix    netip.Prefix `yaml:"prefix" json:"prefix"`                   // 10.203.4.0/24; each node has one address of it
	MTU       int          `yaml:"mtu" json:"mtu"`                         // bytes, 1280 to 65520
	Routing   string       `yaml:"routing" json:"routing"`                 // static | openfabric
	KeepHost  bool         `yaml:"keep_host" json:"keep_host"`             // thunderbolt.host_reset=0
	VLAN      int          `yaml:"vlan" json:"vlan"`                       // on a switch: tag, 1 to 4094; 0: untagged
	Bond      string       `yaml:"bond" json:"bond"`                       // on a switch, of two ports: active-backup | 802.3ad
	Chain     string       `yaml:"chain,omitempty" json:"chain,omitempty"` // consent to two cables: the node that has both; empty: a ring
	Ports     []RingPort   `yaml:"ports" json:"ports"`                     // of each node, unless the node says otherwise
}

// RingPort names one port of the ring by what does not change at a reboot.
// Exactly one of Path, MAC and Interface finds it.
type RingPort struct {
	Name      string `yaml:"name" json:"name"`                     // name that the port gets, 2 to 15 characters: en05
	Path      string `yaml:"path" json:"path"`                     // PCI path as udev writes it: pci-0000:00:0d.2
	Port      int    `yaml:"port,omitempty" json:"port,omitempty"` // of a Thunderbolt controller that has two: 1 or 3
	MAC       string `yaml:"mac" json:"mac"`                       // hardware address; never for thunderbolt
	Interface string `yaml:"interface" json:"interface"`           // present kernel name; for rehearsals and tests
	Driver    string `yaml:"driver" json:"driver"`                 // kernel driver: thunderbolt-net, i40e
}

// Node is one machine.
type Node struct {
	Name         string     `yaml:"name" json:"name"`                         // host name, one DNS label
	Address      netip.Addr `yaml:"address" json:"address"`                   // on the management network
	Address6     netip.Addr `yaml:"address6" json:"address6"`                 // beside it, with management.prefix6
	Ring         netip.Addr `yaml:"ring" json:"ring"`                         // its /32 on the ring
	Machine      DMI        `yaml:"machine" json:"machine"`                   // the machine that it is, if it is known
	RootDisk     DiskName   `yaml:"root_disk" json:"root_disk"`               // the disk that is erased; not named: the only blank one of the smallest size
	MirrorDisk   DiskName   `yaml:"mirror_disk,omitempty" json:"mirror_disk"` // the second one that is erased, of a mirror
	OSDDisks     DiskList   `yaml:"osd_disks,omitempty" json:"osd_disks"`     // disks that Ceph gets; left out: every blank disk of at least 100 GB that is built in; empty: none
	DBDisk       DiskName   `yaml:"db_disk,omitempty" json:"db_disk"`         // on which its OSDs keep their databases
	WALDisk      DiskName   `yaml:"wal_disk,omitempty" json:"wal_disk"`       // on which its OSDs keep their write-ahead logs
	Ports        []Port     `yaml:"ports" json:"ports"`                       // management ports, the first one preferred
	RingPorts    []RingPort `yaml:"ring_ports" json:"ring_ports"`
	Subscription string     `yaml:"subscription,omitempty" json:"subscription"` // key of this machine
	Wipe         []string   `yaml:"wipe" json:"wipe"`                           // serials of used disks that may be erased for Ceph
	Replace      bool       `yaml:"replace" json:"replace"`                     // no longer asked for: read, so that older profiles stay good
	Added        bool       `yaml:"added,omitempty" json:"added"`               // it came to a cluster that had been formed
}

// DMI names a machine by what its firmware says. Either may be empty.
type DMI struct {
	Serial string `yaml:"serial" json:"serial"` // of the system, not of the board
	UUID   string `yaml:"uuid" json:"uuid"`
}

// DiskName names one disk. Exactly one field is set.
type DiskName struct {
	Serial string `yaml:"serial" json:"serial"` // ID_SERIAL_SHORT or ID_SERIAL of udev, exact
	ByID   string `yaml:"by_id" json:"by_id"`   // name below /dev/disk/by-id
	Kernel string `yaml:"kernel" json:"kernel"` // nvme0n1; weak, printed as a risk
	Rest   bool   `yaml:"-" json:"-"`           // among osd_disks, written as the word rest: what install.size leaves of root_disk
}

// DiskList is a list of which an empty one says something else than none.
type DiskList []DiskName

// IsZero reports whether the list is left out. One that is empty says: no disk.
func (l DiskList) IsZero() bool { return l == nil }

// IsZero reports whether the disk is not named at all.
func (d DiskName) IsZero() bool { return d == DiskName{} }

// RestWord stands among the disks for Ceph for what install.size leaves of the
// system's disk.
const RestWord = "rest"

// MarshalYAML writes the rest as its word.
func (d DiskName) MarshalYAML() (any, error) {
	if d.Rest {
		return RestWord, nil
	}
	type keys DiskName
	return keys(d), nil
}

// WantsRest reports whether a part of the system's disk becomes an OSD.
func (n Node) WantsRest() bool {
	return slices.ContainsFunc(n.OSDDisks, func(d DiskName) bool { return d.Rest })
}

// WithoutOSDs reports whether the profile says that a node gives Ceph no disk.
func (n Node) WithoutOSDs() bool { return n.OSDDisks != nil && len(n.OSDDisks) == 0 }

// LeastOSD is the least that becomes an OSD by itself, in bytes.
const LeastOSD = 100e9

// LeastRoot is how large a node's system disk must be for its plan, in bytes; 0:
// as large as the system needs.
func (p *Profile) LeastRoot(n Node) int64 {
	if !n.WantsRest() {
		return 0
	}
	const table = 16 << 20 // the partition table, and what is lost to whole MiB
	return int64(p.Install.Size)<<30 + LeastOSD + table
}

// SystemDisks are the disks that are erased for the system, as far as they are named.
func (n Node) SystemDisks() []DiskName {
	return slices.DeleteFunc([]DiskName{n.RootDisk, n.MirrorDisk}, DiskName.IsZero)
}

// Port names one management port, or with Driver every port of a driver.
// Exactly one field is set.
type Port struct {
	MAC       string `yaml:"mac" json:"mac"`
	Path      string `yaml:"path" json:"path"`
	Interface string `yaml:"interface" json:"interface"`
	Driver    string `yaml:"driver" json:"driver"` // igc: all its ports, found by the node itself; printed as a risk
}

// IsZero reports whether the port is not named at all.
func (p Port) IsZero() bool { return p == Port{} }

// User is one account, on every node and in the cluster.
type User struct {
	Name         string   `yaml:"name" json:"name"`
	FullName     string   `yaml:"full_name" json:"full_name"`
	Sudo         string   `yaml:"sudo" json:"sudo"`                   // none | password | nopasswd
	Keys         []string `yaml:"keys" json:"keys"`                   // OpenSSH public keys, as text
	KeyFiles     []string `yaml:"key_files" json:"key_files"`         // files on the builder; read by mkimage, never on a node
	ProxmoxRole  string   `yaml:"proxmox_role" json:"proxmox_role"`   // role on / of <name>@pam; empty: none
	PasswordHash string   `yaml:"password_hash" json:"password_hash"` // crypt(3); empty: no password, key only
}

// Ceph is the storage that the three nodes make together.
type Ceph struct {
	Enabled         bool    `yaml:"enabled" json:"enabled"`
	Encrypted       bool    `yaml:"encrypted,omitempty" json:"encrypted"`             // OSDs are made with dm-crypt
	Version         string  `yaml:"version" json:"version"`                           // squid | tentacle
	Repository      string  `yaml:"repository" json:"repository"`                     // no-subscription | enterprise | manual
	Network         string  `yaml:"network" json:"network"`                           // ring | lan: where clients reach monitors and OSDs
	PublicNetwork   string  `yaml:"public_network,omitempty" json:"public_network"`   // ring | lan; empty: as network says
	ClusterNetwork  string  `yaml:"cluster_network,omitempty" json:"cluster_network"` // ring | lan, between OSDs; empty: ring
	Pool            string  `yaml:"pool" json:"pool"`                                 // name of the RBD pool and of its storage entry
	PGNum           int     `yaml:"pg_num" json:"pg_num"`                             // power of two, 1 to 256
	CephFS          bool    `yaml:"cephfs" json:"cephfs"`
	MinOSDs         int     `yaml:"min_osds" json:"min_osds"`                             // OSDs per node below which the step waits
	TargetSizeRatio float64 `yaml:"target_size_ratio,omitempty" json:"target_size_ratio"` // share of the storage that the pool will fill, 0 to 1; 0: not said
	OSDMemory       string  `yaml:"osd_memory_target,omitempty" json:"osd_memory_target"` // GiB of each OSD, or auto; empty: as Ceph has it
	DBSize          int     `yaml:"db_size,omitempty" json:"db_size"`                     // GiB of each OSD's database on db_disk; 0: a tenth of the OSD
	WALSize         int     `yaml:"wal_size,omitempty" json:"wal_size"`                   // GiB of each OSD's log on wal_disk; 0: a hundredth of the OSD
}

// HA is what the cluster does when a node goes.
type HA struct {
	Enabled          bool       `yaml:"enabled" json:"enabled"`
	ShutdownPolicy   string     `yaml:"shutdown_policy" json:"shutdown_policy"`               // migrate | freeze | failover | conditional
	Migration        string     `yaml:"migration" json:"migration"`                           // secure | insecure
	MigrationNetwork string     `yaml:"migration_network,omitempty" json:"migration_network"` // ring | lan; empty: ring
	Affinity         []Affinity `yaml:"affinity" json:"affinity"`
}

// Affinity is one rule of ha-manager about guests that exist already.
type Affinity struct {
	Name      string   `yaml:"name" json:"name"`
	Kind      string   `yaml:"kind" json:"kind"` // node | resource
	Resources []string `yaml:"resources" json:"resources"`
	Nodes     []string `yaml:"nodes" json:"nodes"`       // kind node: frege:2
	Affinity  string   `yaml:"affinity" json:"affinity"` // kind resource: positive | negative
}

// Acceptance lists the consents to the drills of step 10.
type Acceptance struct {
	Bandwidth   bool    `yaml:"bandwidth" json:"bandwidth"`
	Migration   bool    `yaml:"migration" json:"migration"`
	Maintenance bool    `yaml:"maintenance" json:"maintenance"`
	PowerCut    Consent `yaml:"power_cut" json:"power_cut"` // resets one node without warning
	Seconds     int     `yaml:"seconds" json:"seconds"`     // length of each bandwidth run, 1 to 60
	Victim      string  `yaml:"victim" json:"victim"`       // node of the power cut; empty: the last of the profile
}

// Agent is how the agents speak to each other and to people.
type Agent struct {
	Port       int      `yaml:"port" json:"port"`               // TCP, the trusted channel
	StatusPage bool     `yaml:"status_page" json:"status_page"` // read-only HTTPS page
	StatusPort int      `yaml:"status_port" json:"status_port"`
	Metrics    bool     `yaml:"metrics" json:"metrics"` // Prometheus metrics on the port of the page
	Notify     bool     `yaml:"notify" json:"notify"`   // tell through Proxmox VE's notifications what goes wrong
	Peers      []string `yaml:"peers" json:"peers"`     // further addresses to try: host or host:port
}

// Tuning is off unless asked for.
type Tuning struct {
	IRQAffinity   bool     `yaml:"irq_affinity" json:"irq_affinity"`     // ring interrupts to performance cores
	KernelCmdline []string `yaml:"kernel_cmdline" json:"kernel_cmdline"` // words added to the kernel's command line
}

// StorageBond is the device that the two ports of a node on a switch form.
const StorageBond = "stor0"

// ManagementBridge is the device that carries a node's address on the management network.
const ManagementBridge = "vmbr0"

// ManagementBond is the device that a node's management ports form.
const ManagementBond = "bond0"

// Uplink is the port of the management bridge: the bond, or the VLAN on it.
func (m Management) Uplink() string {
	if m.VLAN != 0 {
		return vlanName(ManagementBond, m.VLAN)
	}
	return ManagementBond
}

// maxDeviceName is the longest name of a network device (IFNAMSIZ less its end).
const maxDeviceName = 15

func vlanName(device string, tag int) string { return fmt.Sprintf("%s.%d", device, tag) }

// RingDevice is the device that carries a node's ring address where it hangs on
// a switch: its port, the bond of two, or the VLAN on either. Without a ring it
// is that of the management network.
func (p *Profile) RingDevice(n Node) string {
	if !p.Transport().Shape.Apart() {
		return ManagementBridge
	}
	ports := p.PortsOf(n)
	device := StorageBond
	if len(ports) == 1 {
		device = ports[0].Name
	}
	if p.Ring.VLAN != 0 {
		return vlanName(device, p.Ring.VLAN)
	}
	return device
}

// Node returns the node of that name.
func (p *Profile) Node(name string) (Node, bool) {
	return rowOf(p.Nodes, func(n Node) bool { return n.Name == name })
}

// Founder is the first node of the profile: the one that creates the cluster.
// It is fixed by the profile and never elected.
func (p *Profile) Founder() Node { return p.Nodes[0] }

// NodeID is corosync's number of a node: its place in the profile, from 1.
// It is 0 for a name that the profile does not have.
func (p *Profile) NodeID(name string) int {
	return slices.IndexFunc(p.Nodes, func(n Node) bool { return n.Name == name }) + 1
}

// NodeNames are the names of the nodes, in the order of the profile.
func (p *Profile) NodeNames() []string {
	var out []string
	for _, n := range p.Nodes {
		out = append(out, n.Name)
	}
	return out
}

// Links are a node's addresses for corosync, by the number of the link: on the
// management network, and on the ring where that is a network of its own.
func (p *Profile) Links(n Node) []netip.Addr {
	if !p.Transport().Shape.Apart() {
		return []netip.Addr{n.Address}
	}
	return []netip.Addr{n.Address, n.Ring}
}

// Monitors are the nodes that get a monitor and a manager of Ceph, the founder
// first: three, from five nodes on five. More would only make agreement slower.
func (p *Profile) Monitors() []Node {
	const few, many = 3, 5
	n := few
	if len(p.Nodes) >= many {
		n = many
	}
	return p.Nodes[:min(n, len(p.Nodes))]
}

// Others returns all nodes but the named one, in the profile's order.
func (p *Profile) Others(name string) []Node {
	return slices.DeleteFunc(slices.Clone(p.Nodes), func(n Node) bool { return n.Name == name })
}

// PortsOf returns the ring ports of a node: its own, or the ring's.
func (p *Profile) PortsOf(n Node) []RingPort {
	if len(n.RingPorts) > 0 {
		return n.RingPorts
	}
	return p.Ring.Ports
}
