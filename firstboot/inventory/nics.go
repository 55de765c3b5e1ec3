package inventory

import (
	"path"
	"slices"
	"strings"

	"ringboot/firstboot/host"
)

// NIC is one physical network port.
type NIC struct {
	Name       string            `json:"name"`
	MAC        string            `json:"mac"` // permanent
	Driver     string            `json:"driver"`
	PCI        string            `json:"pci,omitempty"`        // 0000:57:00.0
	Device     string            `json:"pci_device,omitempty"` // 8086:125c
	SpeedMbit  int               `json:"speed_mbit,omitempty"` // of the link that is up
	Carrier    bool              `json:"carrier"`
	Master     string            `json:"master,omitempty"`
	Properties map[string]string `json:"properties"`
}

const netClass = "/sys/class/net"

func (r reader) nics() []NIC {
	out := []NIC{}
	for _, name := range r.names(netClass) {
		dir := netClass + "/" + name
		if !host.Exists(r.files, dir+"/device") {
			continue
		}
		properties, _ := r.udev("n" + r.word(dir, "ifindex"))
		properties["INTERFACE"] = name
		n := NIC{Name: name, MAC: strings.ToLower(r.word(dir, "address")), Driver: r.base(dir, "device/driver"), Properties: properties,
			Carrier: r.word(dir, "carrier") == "1", SpeedMbit: max(0, r.number(dir, "speed")), Master: r.base(dir, "master")}
		if perm := r.word(dir, "bonding_slave/perm_hwaddr"); perm != "" {
			n.MAC = strings.ToLower(perm)
		}
		if target, err := r.files.Readlink(dir); err == nil {
			n.PCI = lastPCI(target)
		}
		if vendor := r.word("/sys/bus/pci/devices", n.PCI, "vendor"); n.PCI != "" && vendor != "" {
			n.Device = strings.TrimPrefix(vendor, "0x") + ":" + strings.TrimPrefix(r.word("/sys/bus/pci/devices", n.PCI, "device"), "0x")
		}
		out = append(out, n)
	}
	return out
}

// lastPCI is the PCI address nearest to the device in a path of sysfs.
func lastPCI(target string) string {
	for _, part := range slices.Backward(strings.Split(target, "/")) {
		if len(part) == len("0000:00:00.0") && part[4] == ':' && part[7] == ':' && part[10] == '.' {
			return part
		}
	}
	return ""
}

// Thunderbolt is one controller with its port.
type Thunderbolt struct {
	Domain     string `json:"domain"`     // domain0; the number is not stable; empty without a driver
	PCI        string `json:"pci"`        // of the controller: stable
	Generation string `json:"generation"` // Thunderbolt 3, USB4 (Thunderbolt 4)
	Security   string `json:"security,omitempty"`
	IOMMU      bool   `json:"iommu_dma_protection"`
	Router     string `json:"router,omitempty"` // vendor and name
	NVM        string `json:"nvm_version,omitempty"`
	Peers      []Peer `json:"peers"`
}

// Peer is the machine at the other end of a cable.
type Peer struct {
	Port      string `json:"port"` // 0-1
	Vendor    string `json:"vendor"`
	Device    string `json:"device"` // name that it had when the link came up: a hint only
	UUID      string `json:"uuid"`   // random at each of its boots
	RxSpeed   string `json:"rx_speed"`
	TxSpeed   string `json:"tx_speed"`
	RxLanes   int    `json:"rx_lanes"`
	TxLanes   int    `json:"tx_lanes"`
	Interface string `json:"interface,omitempty"` // network port over this link
}

const thunderboltBus = "/sys/bus/thunderbolt/devices"

func (r reader) thunderbolt() []Thunderbolt {
	out := []Thunderbolt{}
	all := r.names(thunderboltBus)
	for _, name := range all {
		number, ok := strings.CutPrefix(name, "domain")
		if !ok {
			continue
		}
		dir, router := path.Join(thunderboltBus, name), path.Join(thunderboltBus, number+"-0")
		t := Thunderbolt{Domain: name, Generation: generation(r.word(router, "generation")), Security: r.word(dir, "security"),
			IOMMU: r.word(dir, "iommu_dma_protection") == "1", NVM: r.word(router, "nvm_version"), Peers: []Peer{},
			Router: strings.TrimSpace(r.word(router, "vendor_name") + " " + r.word(router, "device_name"))}
		if target, err := r.files.Readlink(dir); err == nil {
			t.PCI = lastPCI(target)
		}
		for _, port := range all {
			// A link to another machine has its maximum hop id; a device has not.
			if !strings.HasPrefix(port, number+"-") || strings.Contains(port, ".") || r.word(thunderboltBus, port, "maxhopid") == "" {
				continue
			}
			t.Peers = append(t.Peers, r.peer(port, all))
		}
		out = append(out, t)
	}
	return r.driverless(out)
}

// usb4Class is that of a USB4 host interface (PCI Code and ID Assignment, 1.13).
const usb4Class = "0x0c0340"

// driverless adds the controllers that no driver has taken: what looks before
// the installer has no driver for them, and their places are all that is asked.
func (r reader) driverless(known []Thunderbolt) []Thunderbolt {
	const bus = "/sys/bus/pci/devices"
	for _, pci := range r.names(bus) {
		taken := slices.ContainsFunc(known, func(t Thunderbolt) bool { return t.PCI == pci })
		if !taken && r.word(bus, pci, "class") == usb4Class {
			known = append(known, Thunderbolt{PCI: pci, Peers: []Peer{}})
		}
	}
	return known
}

func (r reader) peer(port string, all []string) Peer {
	dir := path.Join(thunderboltBus, port)
	p := Peer{Port: port, Vendor: r.word(dir, "vendor_name"), Device: r.word(dir, "device_name"), UUID: r.word(dir, "unique_id"),
		RxSpeed: r.word(dir, "rx_speed"), TxSpeed: r.word(dir, "tx_speed"), RxLanes: r.number(dir, "rx_lanes"), TxLanes: r.number(dir, "tx_lanes")}
	for _, service := range all {
		if strings.HasPrefix(service, port+".") {
			if nets := r.names(path.Join(thunderboltBus, service, "net")); len(nets) > 0 {
				p.Interface = nets[0]
			}
		}
	}
	return p
}

// generation names what the kernel numbers.
func generation(n string) string {
	switch n {
	case "":
		return ""
	case "4":
		return "USB4 (Thunderbolt 4)"
	}
	return "Thunderbolt " + n
}
