package profiles

import (
	"slices"
	"strings"
)

// Transports of the ring.
const (
	TransportThunderbolt = "thunderbolt"
	TransportEthernet    = "ethernet"
	TransportMesh        = "mesh"
	TransportSwitch      = "switch"
	TransportNone        = "none"
)

// Transport is one row of the table of what can carry the ring: everything
// that follows from the choice. Whoever has to know a transport asks its row;
// nothing that lacks one is guessed. In a list, nil means that a column was
// forgotten and an empty one that there is none, which a test holds.
type Transport struct {
	Name  string
	Label string // in sentences
	Title string // what it is made of, for the reference
	Noun  string // what the nodes form
	Shape Shape

	MTU    int // bytes, what suits it
	MaxMTU int // bytes, the most that its ports carry
	MTUOf  string

	Driver         string   // of every port; empty: any driver
	Modules        []string // of the kernel, without which no port is born
	FindBy         []string // keys of a port that find it again after a reboot
	InstallerNames []string // devices for which the installer writes stanzas, and which get other names
	Interrupts     string   // word in /proc/interrupts that names those of its controllers; empty: not told apart
	Address        Address  // what sets the hardware address of a port
	Controllers    Controllers

	Ports    int // ports of each node, or PerPeer, or NoPorts
	Spare    int // further ones that it may have
	MinNodes int
	MaxNodes int
	Limits   Limits

	// Rehearsed is the transport that virtual machines have in its place.
	Rehearsed string
}

// Shape says how traffic finds its way from node to node.
type Shape string

// Shapes.
const (
	ShapeRing   Shape = "ring"   // a cable to each of two nodes, the keeper's routes, the third node is the way round
	ShapeMesh   Shape = "mesh"   // a cable to each other node, the keeper's routes, any third node is a way round
	ShapeSwitch Shape = "switch" // one device to all nodes, no routes: the switch knows the ways
	ShapeNone   Shape = "none"   // no network of its own: the management network carries all, and the keeper only asks over it
)

// Cabled reports whether each port leads to one node, so that the keeper sets
// routes and a node passes on what others send.
func (s Shape) Cabled() bool { return s == ShapeRing || s == ShapeMesh }

// Apart reports whether the ring is a network of its own.
func (s Shape) Apart() bool { return s != ShapeNone }

// Address says whose a port's hardware address is.
type Address string

// Kinds of hardware addresses.
const (
	AddressBurnt  Address = "burnt in"      // finds the port again
	AddressDriver Address = "by the driver" // another one at each boot, and no policy may change it in between
)

// Controllers says what the machine tells of a port without a network device.
type Controllers string

// Kinds of controllers.
const (
	ControllersNone Controllers = "none" // the device is all there is
	ControllersUSB4 Controllers = "usb4" // host controllers on the thunderbolt bus, which know cable, lanes and the far end
)

// Limits are thresholds of a transport, in Gbit/s for each direction.
type Limits struct {
	Accept float64 `json:"accept_gbit"` // and more: good
	Fail   float64 `json:"fail_gbit"`   // less: bad; between: slow
	// OneLane is the rate below which a Thunderbolt link probably runs on one
	// lane or on an efficiency core; 0 where there is no such thing.
	OneLane float64 `json:"one_lane_gbit,omitempty"`
}

// Transports returns the table.
func Transports() []Transport {
	return []Transport{
		{
			Name: TransportThunderbolt, Label: "Thunderbolt", Title: "USB4 cables", Noun: "a ring", Shape: ShapeRing,
			MTU: 65520, MaxMTU: 65520, MTUOf: "the driver thunderbolt-net",
			Driver: "thunderbolt-net", Modules: []string{"thunderbolt", "thunderbolt_net"}, FindBy: []string{"path", "interface"},
			InstallerNames: []string{"thunderbolt0", "thunderbolt1"}, Interrupts: "thunderbolt",
			Address: AddressDriver, Controllers: ControllersUSB4,
			Ports: 2, MinNodes: 3, MaxNodes: 3,
			// Thunderbolt 4 networking carries about 20 to 26 Gbit/s of its 40,
			// because the host interface has few DMA credits; 18 is what a sound
			// link reaches at its worst, 9 to 15 is what one lane or a slow core gives.
			Limits:    Limits{Accept: 18, Fail: 9, OneLane: 15},
			Rehearsed: TransportEthernet,
		},
		{
			Name: TransportEthernet, Label: "Ethernet", Title: "SFP+ DAC cables, and rehearsals", Noun: "a ring", Shape: ShapeRing,
			MTU: 9000, MaxMTU: 9702, MTUOf: "an X710", // i40e: 9728 bytes of buffer less the header
			Modules: []string{}, FindBy: []string{"path", "mac", "interface"}, InstallerNames: []string{},
			Address: AddressBurnt, Controllers: ControllersNone,
			Ports: 2, MinNodes: 3, MaxNodes: 3,
			Limits:    Limits{Accept: 9, Fail: 5}, // a 10 Gbit/s cable is sound from 9
			Rehearsed: TransportEthernet,
		},
		{
			Name: TransportMesh, Label: "Ethernet", Title: "a DAC cable from each node to each other one", Noun: "a mesh", Shape: ShapeMesh,
			MTU: 9000, MaxMTU: 9702, MTUOf: "an X710",
			Modules: []string{}, FindBy: []string{"path", "mac", "interface"}, InstallerNames: []string{},
			Address: AddressBurnt, Controllers: ControllersNone,
			Ports: PerPeer, MinNodes: 3, MaxNodes: 4,
			Limits:    Limits{Accept: 9, Fail: 5},
			Rehearsed: TransportMesh,
		},
		{
			Name: TransportSwitch, Label: "Ethernet", Title: "a port or two on a switch, perhaps in a VLAN", Noun: "a switch", Shape: ShapeSwitch,
			MTU: 9000, MaxMTU: 9702, MTUOf: "an X710",
			Modules: []string{}, FindBy: []string{"path", "mac", "interface"}, InstallerNames: []string{},
			Address: AddressBurnt, Controllers: ControllersNone,
			Ports: 1, Spare: 1, MinNodes: 3, MaxNodes: 16,
			Limits:    Limits{Accept: 2.2, Fail: 0.9}, // what 2.5 Gbit/s give; at less than one, Ceph is no pleasure
			Rehearsed: TransportSwitch,
		},
		{
			Name: TransportNone, Label: "management", Title: "nothing: all traffic goes over the management network, a risk", Noun: "the management network", Shape: ShapeNone,
			MTU: 1500, MaxMTU: 9702, MTUOf: "an X710",
			Modules: []string{}, FindBy: []string{}, InstallerNames: []string{},
			Address: AddressBurnt, Controllers: ControllersNone,
			Ports: NoPorts, MinNodes: 3, MaxNodes: 16,
			Limits:    Limits{Accept: 0.9, Fail: 0.5}, // what 1 Gbit/s give
			Rehearsed: TransportNone,
		},
	}
}

// TransportOf returns the row of that name. There is none for a name that no
// checked profile has.
func TransportOf(name string) (Transport, bool) {
	return rowOf(Transports(), func(t Transport) bool { return t.Name == name })
}

// Transport returns the row of the profile's transport; a profile that was
// loaded has one.
func (p *Profile) Transport() Transport {
	t, _ := TransportOf(p.Ring.Transport)
	return t
}

// PortsFor is how many ports each of so many nodes has.
func (t Transport) PortsFor(nodes int) int {
	switch t.Ports {
	case PerPeer:
		return nodes - 1
	case NoPorts:
		return 0
	}
	return t.Ports
}

// Numbers of ports that are none.
const (
	PerPeer = -1 // one port to each other node
	NoPorts = -2 // the ring has none of its own
)

// Finds reports whether a key of a port finds it again.
func (t Transport) Finds(key string) bool { return slices.Contains(t.FindBy, key) }

func transportNames() []string { return transportsThat(func(Transport) bool { return true }) }

// transportsThat lists those of which it holds.
func transportsThat(holds func(Transport) bool) []string {
	var out []string
	for _, t := range Transports() {
		if holds(t) {
			out = append(out, t.Name)
		}
	}
	return out
}

// transportTitles is the list for the reference: `name` (what it is), ...
func transportTitles() string {
	out := wordsOf(Transports(), func(t Transport) string { return "`" + t.Name + "` (" + t.Title + ")" })
	return strings.Join(out[:len(out)-1], ", ") + " or " + out[len(out)-1]
}

// ownerOfDriver is the transport whose ports all have the driver.
func ownerOfDriver(driver string) (Transport, bool) {
	return rowOf(Transports(), func(t Transport) bool { return t.Driver != "" && t.Driver == driver })
}
