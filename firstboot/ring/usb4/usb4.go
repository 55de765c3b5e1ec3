// Package usb4 reads what the machine says of its Thunderbolt and USB4 ports:
// the host controllers, who is at the other end of each cable, how many lanes
// it has, and which network device goes over it.
//
// It reads /sys and nothing else, and judges nothing.
package usb4

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ringboot/firstboot/host"
	"ringboot/profiles"
)

// nhiClass is the PCI class of a USB4 host interface (PCI Code and ID
// Assignment 1.15: base class 0c, sub-class 03, interface 40).
const nhiClass = "0x0c0340"

// olderNHIs are Intel's host controllers of Thunderbolt 3, and of the first
// built-in ones, which are of the class "other system peripheral", as many other
// devices are (Linux, drivers/thunderbolt/nhi.h).
const olderNHIs = "8086:1575 8086:1577 8086:15bf 8086:15d2 8086:15d9 8086:15dc 8086:15dd 8086:15de 8086:15e8 8086:15eb 8086:8a0d 8086:8a17"

// thunderboltDriver is what is bound to each of them.
const thunderboltDriver = "thunderbolt"

// isController reports whether a PCI device is a host controller: by the driver
// that is bound to it, or by what it says of itself.
func isController(driver, class, device string) bool {
	return driver == thunderboltDriver || strings.EqualFold(class, nhiClass) || strings.Contains(olderNHIs, device)
}

// Controller is one USB4/Thunderbolt host controller and what its port leads to.
type Controller struct {
	PCI       string    `json:"pci"`    // 0000:00:0d.2
	Path      string    `json:"path"`   // pci-0000:00:0d.2, as udev writes it
	Driver    string    `json:"driver"` // thunderbolt; empty: not bound
	Device    string    `json:"device"` // PCI ids: 8086:a73e
	Domain    string    `json:"domain,omitempty"`
	Security  string    `json:"security,omitempty"`
	UUID      string    `json:"uuid,omitempty"`       // of the controller's own router; may change at every boot
	Version   int       `json:"generation,omitempty"` // 3: Thunderbolt 3, 4: USB4
	Peers     []XDomain `json:"peers"`
	Authority string    `json:"iommu_dma_protection,omitempty"`
}

// XDomain is another machine at the other end of a cable. Its UUID names the
// controller there, not the machine: a machine with two controllers has two.
type XDomain struct {
	Name       string   `json:"name"` // 0-1
	Port       int      `json:"port"` // of the controller: 1, or 3 for the second one
	UUID       string   `json:"uuid"`
	DeviceName string   `json:"device_name"` // host name when the machine introduced itself; a hint
	Vendor     string   `json:"vendor"`
	RxLanes    int      `json:"rx_lanes"`
	TxLanes    int      `json:"tx_lanes"`
	RxSpeed    string   `json:"rx_speed"` // per lane: 20.0 Gb/s
	TxSpeed    string   `json:"tx_speed"`
	Networks   []string `json:"networks"` // services of the key "network"
	Netdevs    []string `json:"netdevs"`
}

var (
	// xdomainName is a machine at a port of a domain, the route in hexadecimal digits.
	xdomainName = regexp.MustCompile(`^[0-9]+-([1-9a-f][0-9a-f]*)$`)
	serviceName = regexp.MustCompile(`^[0-9]+-([1-9a-f][0-9a-f]*)\.[0-9]+$`)
)

// portOf is the port of the controller that a name of the thunderbolt bus leads
// over, or 0.
func portOf(name string, form *regexp.Regexp) int {
	m := form.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	port, err := strconv.ParseUint(m[1], 16, 8)
	if err != nil {
		return 0 // behind another device: no port of the controller itself
	}
	return int(port)
}

// Read reads all host controllers from the file system below /sys,
// sorted by PCI address. A part that is not there is left empty.
func Read(sys fs.FS) ([]Controller, error) {
	entries, err := fs.ReadDir(sys, "bus/pci/devices")
	if err != nil {
		return nil, nil // no PCI bus, no controller
	}
	var out []Controller
	for _, e := range entries {
		base := "bus/pci/devices/" + e.Name()
		c := Controller{PCI: e.Name(), Path: "pci-" + e.Name(), Driver: path.Base(readLink(sys, base+"/driver")),
			Device: strings.TrimPrefix(attr(sys, base, "vendor"), "0x") + ":" + strings.TrimPrefix(attr(sys, base, "device"), "0x")}
		if c.Driver == "." {
			c.Driver = ""
		}
		if !isController(c.Driver, attr(sys, base, "class"), c.Device) {
			continue
		}
		readDomain(sys, &c)
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Controller) int { return strings.Compare(a.PCI, b.PCI) })
	return out, nil
}

// readDomain adds what the thunderbolt bus knows below one controller. The
// number of a domain follows the order of probing, so it is looked up by the
// controller, never assumed.
func readDomain(sys fs.FS, c *Controller) {
	const bus = "bus/thunderbolt/devices"
	entries, err := fs.ReadDir(sys, bus)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		base := bus + "/" + name
		if host.PCIFunction(readLink(sys, base)) != c.PCI {
			continue
		}
		switch {
		case strings.HasPrefix(name, "domain"):
			c.Domain, c.Security = name, attr(sys, base, "security")
			c.Authority = attr(sys, base, "iommu_dma_protection")
		case strings.HasSuffix(name, "-0"):
			c.UUID = attr(sys, base, "unique_id")
			c.Version, _ = strconv.Atoi(attr(sys, base, "generation"))
		case xdomainName.MatchString(name) && isXDomain(sys, base):
			c.Peers = append(c.Peers, readXDomain(sys, name, entries))
		}
	}
}

// isXDomain tells another machine from a device such as a dock.
func isXDomain(sys fs.FS, base string) bool {
	return strings.Contains(attr(sys, base, "uevent"), "DEVTYPE=thunderbolt_xdomain") || attr(sys, base, "maxhopid") != ""
}

func readXDomain(sys fs.FS, name string, devices []fs.DirEntry) XDomain {
	base := "bus/thunderbolt/devices/" + name
	x := XDomain{Name: name, Port: portOf(name, xdomainName), UUID: attr(sys, base, "unique_id"), DeviceName: attr(sys, base, "device_name"),
		Vendor: attr(sys, base, "vendor_name"), RxSpeed: attr(sys, base, "rx_speed")}
	x.TxSpeed = attr(sys, base, "tx_speed")
	x.RxLanes, _ = strconv.Atoi(attr(sys, base, "rx_lanes"))
	x.TxLanes, _ = strconv.Atoi(attr(sys, base, "tx_lanes"))
	for _, e := range devices {
		service := "bus/thunderbolt/devices/" + e.Name()
		if !strings.HasPrefix(e.Name(), name+".") || attr(sys, service, "key") != "network" {
			continue
		}
		x.Networks = append(x.Networks, e.Name())
		nets, _ := fs.ReadDir(sys, service+"/net")
		for _, n := range nets {
			x.Netdevs = append(x.Netdevs, n.Name())
		}
	}
	return x
}

// Port is what sysfs says of the controller behind one port.
type Port struct {
	Controller bool    // the controller is on the PCI bus
	Driver     bool    // its driver is bound
	Cable      bool    // another machine is at the other end
	Service    bool    // that machine offers a network
	Lanes      int     // in use; 0: not known
	LaneGbit   float64 // speed of each; 0: not known, or of a controller that knows no faster one
	Name       string
	Loop       bool // the machine at the other end is this one
}

// Slow reports whether the lanes run below what the controller can.
func (w Port) Slow() bool { return w.LaneGbit > 0 && w.LaneGbit < FullLane }

// PortAt is what the controllers say of a port of the profile.
func PortAt(all []Controller, p profiles.RingPort) Port {
	own := map[string]bool{}
	for _, c := range all {
		own[c.UUID] = c.UUID != ""
	}
	for _, c := range all {
		if !strings.EqualFold(c.Path, p.Path) {
			continue
		}
		w := Port{Controller: true, Driver: c.Driver != ""}
		for _, x := range c.Peers {
			if p.Port != 0 && p.Port != x.Port {
				continue
			}
			w.Cable, w.Name, w.Lanes = true, x.DeviceName, min(x.RxLanes, x.TxLanes)
			w.Service, w.Loop = len(x.Networks) > 0, own[x.UUID]
			if c.Version == 0 || c.Version >= thunderbolt3 {
				w.LaneGbit = min(laneGbit(x.RxSpeed), laneGbit(x.TxSpeed))
			}
			break
		}
		return w
	}
	return Port{}
}

// Speeds of lanes.
const (
	thunderbolt3 = 3  // the first generation with lanes of 20 Gbit/s
	FullLane     = 20 // Gbit/s, of one that runs as fast as it can
)

// laneGbit reads the speed of a lane, such as "20.0 Gb/s"; 0 if it is not told.
func laneGbit(text string) float64 {
	number, _, _ := strings.Cut(text, " ")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0
	}
	return v
}

// DeviceOf reads what sysfs says of one network device: its path as udev writes
// it, its driver, its speed, and the port of a Thunderbolt controller that it
// goes over.
func DeviceOf(sys fs.FS, name string) (udevPath, driver string, speed, port int) {
	base := "class/net/" + name
	at := readLink(sys, base)
	if at == "" {
		return "", "", 0, 0
	}
	udevPath = host.BusPath(at)
	// class/net/<name> points to ../../devices/.../net/<name>.
	device := path.Join("class/net", at, "../..")
	if d := readLink(sys, device+"/driver"); d != "" {
		driver = path.Base(d)
	}
	speed, _ = strconv.Atoi(attr(sys, base, "speed"))
	return udevPath, driver, max(speed, 0), portOf(path.Base(path.Dir(path.Dir(at))), serviceName)
}

func attr(sys fs.FS, dir, name string) string {
	text, err := fs.ReadFile(sys, dir+"/"+name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func readLink(sys fs.FS, name string) string {
	target, err := fs.ReadLink(sys, name)
	if err != nil {
		return ""
	}
	return target
}
