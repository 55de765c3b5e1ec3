package ring

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// nhiClass is the PCI class of a USB4 host interface (PCI Code and ID
// Assignment 1.15: base class 0c, sub-class 03, interface 40).
const nhiClass = "0x0c0340"

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
	UUID       string   `json:"uuid"`
	DeviceName string   `json:"device_name"` // host name when the machine introduced itself; a hint
	Vendor     string   `json:"vendor"`
	RxLanes    int      `json:"rx_lanes"`
	TxLanes    int      `json:"tx_lanes"`
	RxSpeed    string   `json:"rx_speed"` // per lane: 20.0 Gb/s
	Networks   []string `json:"networks"` // services of the key "network"
	Netdevs    []string `json:"netdevs"`
}

var (
	pciAddress  = regexp.MustCompile(`^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$`)
	xdomainName = regexp.MustCompile(`^[0-9]+-[1-9a-f][0-9a-f]*$`)
)

// ReadThunderbolt reads all host controllers from the file system below /sys,
// sorted by PCI address. A part that is not there is left empty.
func ReadThunderbolt(sys fs.FS) ([]Controller, error) {
	entries, err := fs.ReadDir(sys, "bus/pci/devices")
	if err != nil {
		return nil, nil // no PCI bus, no controller
	}
	var out []Controller
	for _, e := range entries {
		base := "bus/pci/devices/" + e.Name()
		if !strings.EqualFold(attr(sys, base, "class"), nhiClass) {
			continue
		}
		c := Controller{PCI: e.Name(), Path: "pci-" + e.Name(), Driver: path.Base(readLink(sys, base+"/driver")),
			Device: strings.TrimPrefix(attr(sys, base, "vendor"), "0x") + ":" + strings.TrimPrefix(attr(sys, base, "device"), "0x")}
		if c.Driver == "." {
			c.Driver = ""
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
		if lastPCI(readLink(sys, base)) != c.PCI {
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
	x := XDomain{Name: name, UUID: attr(sys, base, "unique_id"), DeviceName: attr(sys, base, "device_name"),
		Vendor: attr(sys, base, "vendor_name"), RxSpeed: attr(sys, base, "rx_speed")}
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

// wireAt is what the controllers say of the port with the given path.
func wireAt(all []Controller, udevPath string) Thunderbolt {
	own := map[string]bool{}
	for _, c := range all {
		own[c.UUID] = c.UUID != ""
	}
	for _, c := range all {
		if !strings.EqualFold(c.Path, udevPath) {
			continue
		}
		w := Thunderbolt{Controller: true, Driver: c.Driver != ""}
		for _, x := range c.Peers {
			w.Cable, w.Name, w.Lanes = true, x.DeviceName, min(x.RxLanes, x.TxLanes)
			w.Service, w.Loop = len(x.Networks) > 0, own[x.UUID]
		}
		return w
	}
	return Thunderbolt{}
}

// deviceOf reads what sysfs says of one network device: its path as udev writes
// it, its driver and its speed.
func deviceOf(sys fs.FS, name string) (udevPath, driver string, speed int) {
	base := "class/net/" + name
	at := readLink(sys, base)
	if at == "" {
		return "", "", 0
	}
	if pci := lastPCI(at); pci != "" {
		udevPath = "pci-" + pci
	}
	// class/net/<name> points to ../../devices/.../net/<name>.
	device := path.Join("class/net", at, "../..")
	if d := readLink(sys, device+"/driver"); d != "" {
		driver = path.Base(d)
	}
	speed, _ = strconv.Atoi(attr(sys, base, "speed"))
	return udevPath, driver, max(speed, 0)
}

// lastPCI is the PCI function that a device of sysfs hangs on.
func lastPCI(at string) string {
	last := ""
	for _, part := range strings.Split(at, "/") {
		if pciAddress.MatchString(part) {
			last = part
		}
	}
	return last
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
