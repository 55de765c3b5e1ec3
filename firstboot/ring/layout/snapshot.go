package layout

import (
	"net/netip"
	"strings"

	"ringboot/profiles"
)

// Link is one network device of the kernel.
type Link struct {
	Index     int
	Name      string
	AltNames  []string
	MAC       string // lower case, with colons
	PermMAC   string
	MTU       int
	Up        bool // administratively
	Carrier   bool
	Path      string // PCI path as udev writes it, or ""
	Driver    string
	Port      int // of its Thunderbolt controller; 0: not known, or none
	SpeedMbit int
}

// Route is one IPv4 route to a single address in the main table.
type Route struct {
	Dst    netip.Addr
	Link   int        // index of the device
	Via    netip.Addr // invalid: scope link
	Src    netip.Addr
	Metric uint32
	Onlink bool
}

// Snapshot is the kernel's state as far as the ring needs it, taken at once.
type Snapshot struct {
	Links   []Link
	Addrs   map[int][]netip.Prefix // by index of the device
	Routes  []Route                // those with a metric of ours
	Sysctls map[string]string      // by path below /proc/sys
	// Neighbours holds the devices and addresses that the kernel's neighbour
	// table knows to answer.
	Neighbours map[Neighbour]bool
}

// Neighbour is one entry of the kernel's neighbour table.
type Neighbour struct {
	Link int
	Addr netip.Addr
}

func (s Snapshot) byName(name string) (Link, bool) {
	for _, l := range s.Links {
		if l.Name == name {
			return l, true
		}
	}
	return Link{}, false
}

func (s Snapshot) hasAddr(index int, p netip.Prefix) bool {
	for _, a := range s.Addrs[index] {
		if a == p {
			return true
		}
	}
	return false
}

// FindPort returns the device that a port of the profile names. A device that
// already has the port's name is taken only if the rest fits too.
func FindPort(p profiles.RingPort, links []Link) (Link, bool) {
	for _, l := range links {
		if (p.Driver == "" || l.Driver == "" || p.Driver == l.Driver) && l.is(p) {
			return l, true
		}
	}
	return Link{}, false
}

// is reports whether a device is the port, where their drivers do not differ.
func (l Link) is(p profiles.RingPort) bool {
	switch {
	case p.Path != "":
		// Other devices live below the same PCI function, so the driver must
		// be known to fit as well.
		return (p.Port == 0 || l.Port == p.Port) && strings.EqualFold(l.Path, p.Path) && (p.Driver == "" || l.Driver == p.Driver)
	case p.MAC != "":
		// A port enslaved elsewhere shows another address than its own.
		return strings.EqualFold(l.PermMAC, p.MAC) || l.PermMAC == "" && strings.EqualFold(l.MAC, p.MAC)
	case p.Interface != "":
		return l.Name == p.Interface || l.Name == p.Name
	}
	return false
}
