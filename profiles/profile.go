// Package profiles says what a cluster is: the types of a profile, its YAML
// form, its validation with positions, the embedded default and the JSON
// Schema for editors.
//
// It knows nothing of images, agents or networks: it is handed text and hands
// back a checked value, or every mistake that the text has.
package profiles

import (
	"net/netip"
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
}

// Proxmox says which version is installed and where packages come from.
type Proxmox struct {
	Version    string `yaml:"version" json:"version"`       // "9.2-1": release and ISO release
	Repository string `yaml:"repository" json:"repository"` // no-subscription | enterprise | none
}

// Install is what the unattended installer is told, the same for every node.
type Install struct {
	Filesystem   string `yaml:"filesystem" json:"filesystem"`       // ext4 | xfs | zfs | btrfs
	AfterInstall string `yaml:"after_install" json:"after_install"` // reboot | power-off
}

// Management is the network that people and corosync's first link use.
type Management struct {
	Prefix          netip.Prefix `yaml:"prefix" json:"prefix"` // 10.203.3.0/24
	Gateway         netip.Addr   `yaml:"gateway" json:"gateway"`
	DNS             []netip.Addr `yaml:"dns" json:"dns"`
	AllowSinglePort bool         `yaml:"allow_single_port" json:"allow_single_port"` // consent to a bond of one port
	Keep            bool         `yaml:"keep" json:"keep"`                           // consent to the network that the machines have: it is checked, never changed
	NTP             []string     `yaml:"ntp" json:"ntp"`                             // servers or pools; none: Debian's
}

// Transports of the ring.
const (
	TransportThunderbolt = "thunderbolt"
	TransportEthernet    = "ethernet"
)

// Ring is the network of cables between the nodes.
type Ring struct {
	Transport string       `yaml:"transport" json:"transport"` // thunderbolt | ethernet
	Prefix    netip.Prefix `yaml:"prefix" json:"prefix"`       // 10.203.4.0/24; each node has one /32 of it
	MTU       int          `yaml:"mtu" json:"mtu"`             // bytes, 1280 to 65520
	Routing   string       `yaml:"routing" json:"routing"`     // static | openfabric
	Ports     []RingPort   `yaml:"ports" json:"ports"`         // the two ports of each node, unless the node says otherwise
}

// RingPort names one port of the ring by what does not change at a reboot.
// Exactly one of Path, MAC and Interface finds it.
type RingPort struct {
	Name      string `yaml:"name" json:"name"`           // name that the port gets, 2 to 15 characters: en05
	Path      string `yaml:"path" json:"path"`           // PCI path as udev writes it: pci-0000:00:0d.2
	MAC       string `yaml:"mac" json:"mac"`             // hardware address; never for thunderbolt
	Interface string `yaml:"interface" json:"interface"` // present kernel name; for rehearsals and tests
	Driver    string `yaml:"driver" json:"driver"`       // kernel driver: thunderbolt-net, i40e
}

// Node is one machine.
type Node struct {
	Name      string     `yaml:"name" json:"name"`           // host name, one DNS label
	Address   netip.Addr `yaml:"address" json:"address"`     // on the management network
	Ring      netip.Addr `yaml:"ring" json:"ring"`           // its /32 on the ring
	RootDisk  Disk       `yaml:"root_disk" json:"root_disk"` // the only disk that is erased
	OSDDisks  []Disk     `yaml:"osd_disks" json:"osd_disks"` // disks that Ceph gets; empty: every blank disk of at least 100 GB
	Ports     []Port     `yaml:"ports" json:"ports"`         // management ports, the first one preferred
	RingPorts []RingPort `yaml:"ring_ports" json:"ring_ports"`
	Wipe      []string   `yaml:"wipe" json:"wipe"`       // serials of used disks that may be erased for Ceph
	Replace   bool       `yaml:"replace" json:"replace"` // consent: this machine takes the place of a lost one of the same name
}

// Disk names one disk. Exactly one field is set.
type Disk struct {
	Serial string `yaml:"serial" json:"serial"` // ID_SERIAL_SHORT or ID_SERIAL of udev, exact
	ByID   string `yaml:"by_id" json:"by_id"`   // name below /dev/disk/by-id
	Kernel string `yaml:"kernel" json:"kernel"` // nvme0n1; weak, printed as a risk
}

// IsZero tells whether the disk is not named at all.
func (d Disk) IsZero() bool { return d == Disk{} }

// Port names one management port, or with Driver every port of a driver.
// Exactly one field is set.
type Port struct {
	MAC       string `yaml:"mac" json:"mac"`
	Path      string `yaml:"path" json:"path"`
	Interface string `yaml:"interface" json:"interface"`
	Driver    string `yaml:"driver" json:"driver"` // igc: all its ports, found by the node itself; printed as a risk
}

// IsZero tells whether the port is not named at all.
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
	Enabled    bool   `yaml:"enabled" json:"enabled"`
	Version    string `yaml:"version" json:"version"`       // squid | tentacle
	Repository string `yaml:"repository" json:"repository"` // no-subscription | enterprise | manual
	Network    string `yaml:"network" json:"network"`       // ring | lan: where clients reach monitors and OSDs
	Pool       string `yaml:"pool" json:"pool"`             // name of the RBD pool and of its storage entry
	PGNum      int    `yaml:"pg_num" json:"pg_num"`         // power of two, 1 to 256
	CephFS     bool   `yaml:"cephfs" json:"cephfs"`
	MinOSDs    int    `yaml:"min_osds" json:"min_osds"` // OSDs per node below which the step waits
}

// HA is what the cluster does when a node goes.
type HA struct {
	Enabled        bool       `yaml:"enabled" json:"enabled"`
	ShutdownPolicy string     `yaml:"shutdown_policy" json:"shutdown_policy"` // migrate | freeze | failover | conditional
	Affinity       []Affinity `yaml:"affinity" json:"affinity"`
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
	Bandwidth   bool   `yaml:"bandwidth" json:"bandwidth"`
	Migration   bool   `yaml:"migration" json:"migration"`
	Maintenance bool   `yaml:"maintenance" json:"maintenance"`
	PowerCut    bool   `yaml:"power_cut" json:"power_cut"` // resets one node without warning
	Seconds     int    `yaml:"seconds" json:"seconds"`     // length of each bandwidth run, 1 to 60
	Victim      string `yaml:"victim" json:"victim"`       // node of the power cut; empty: the last of the profile
}

// Agent is how the agents speak to each other and to people.
type Agent struct {
	Port       int      `yaml:"port" json:"port"`               // TCP, the trusted channel
	StatusPage bool     `yaml:"status_page" json:"status_page"` // read-only HTTPS page
	StatusPort int      `yaml:"status_port" json:"status_port"`
	Peers      []string `yaml:"peers" json:"peers"` // further addresses to try: host or host:port
}

// Tuning is off unless asked for.
type Tuning struct {
	IRQAffinity   bool     `yaml:"irq_affinity" json:"irq_affinity"`     // ring interrupts to performance cores
	KernelCmdline []string `yaml:"kernel_cmdline" json:"kernel_cmdline"` // words added to the kernel's command line
}

// Node returns the node of that name.
func (p *Profile) Node(name string) (Node, bool) {
	for _, n := range p.Nodes {
		if n.Name == name {
			return n, true
		}
	}
	return Node{}, false
}

// Founder is the first node of the profile: the one that creates the cluster.
// It is fixed by the profile and never elected.
func (p *Profile) Founder() Node { return p.Nodes[0] }

// NodeID is corosync's number of a node: its place in the profile, from 1.
// It is 0 for a name that the profile does not have.
func (p *Profile) NodeID(name string) int {
	for i, n := range p.Nodes {
		if n.Name == name {
			return i + 1
		}
	}
	return 0
}

// Others returns all nodes but the named one, in the profile's order.
func (p *Profile) Others(name string) []Node {
	var out []Node
	for _, n := range p.Nodes {
		if n.Name != name {
			out = append(out, n)
		}
	}
	return out
}

// PortsOf returns the two ring ports of a node: its own, or the ring's.
func (p *Profile) PortsOf(n Node) []RingPort {
	if len(n.RingPorts) > 0 {
		return n.RingPorts
	}
	return p.Ring.Ports
}
