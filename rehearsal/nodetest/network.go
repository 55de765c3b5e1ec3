package nodetest

import (
	"cmp"
	"slices"
	"strings"
)

// plug makes the sysfs entries of a port.
func (m *Machine) plug(n NIC) {
	device := "/sys/devices/pci0000:00/" + n.PCI
	dir := n.dir()
	carrier := "0\n"
	if n.Carrier {
		carrier = "1\n"
	}
	for name, text := range map[string]string{"address": n.MAC + "\n", "carrier": carrier, "speed": "2500\n", "ifindex": "2\n"} {
		m.put(dir+"/"+name, text)
	}
	m.Remove(dir + "/master")
	m.RemoveAll(dir + "/bonding_slave")
	for path, target := range map[string]string{
		"/sys/class/net/" + n.Name: "../../devices/pci0000:00/" + n.PCI + "/net/" + n.Name,
		dir + "/device":            "../../../" + n.PCI,
		device + "/driver":         "../../../bus/pci/drivers/" + n.Driver,
	} {
		m.link(target, path)
	}
	if n.Master != "" {
		m.link("../"+n.Master, dir+"/master")
	}
}

// dir is where the kernel shows a port.
func (n NIC) dir() string { return "/sys/devices/pci0000:00/" + n.PCI + "/net/" + n.Name }

func (m *Machine) link(target, path string) {
	if old, err := m.Readlink(path); err != nil || old != target {
		m.Remove(path)
		m.need(m.Symlink(target, path))
	}
}

// stanzas reads the interfaces file as ifupdown2 does, far enough for a bond
// under a bridge.
func (m *Machine) stanzas() map[string]map[string]string {
	out := map[string]map[string]string{}
	var at map[string]string
	for line := range strings.Lines(m.read("/etc/network/interfaces")) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || strings.HasPrefix(f[0], "#"):
		case f[0] == "iface":
			// Two stanzas of one name, of IPv4 and IPv6, are one interface.
			if at = out[f[1]]; at == nil {
				at = map[string]string{}
				out[f[1]] = at
			}
		case f[0] == "auto" || f[0] == "source":
			at = nil
		case at != nil && f[0] == "address" && len(f) > 1 && strings.Contains(f[1], ":"):
			at["address6"] = strings.TrimSpace(at["address6"] + " " + f[1])
		case at != nil && f[0] == "gateway" && len(f) > 1 && strings.Contains(f[1], ":"):
		case at != nil && f[0] == "address" && at["address"] != "": // one more beside the node's own
		case at != nil:
			at[f[0]] = strings.Join(f[1:], " ")
		}
	}
	return out
}

// bringUp applies the interfaces file to the kernel, or with part below 1 only
// its first half.
func (m *Machine) bringUp(part float64) {
	want := m.stanzas()
	for _, name := range []string{"bond0", "vmbr0"} {
		m.RemoveAll("/sys/class/net/" + name)
	}
	for _, n := range m.o.NICs {
		n.Master = strings.TrimSuffix(n.Master, "vmbr0")
		m.plug(n)
	}
	bond, isBond := want["bond0"]
	if isBond {
		m.put("/sys/class/net/bond0/bonding/mode", bond["bond-mode"]+" 1\n")
		if part < 1 {
			return // the bridge has gone and the bond has no ports yet
		}
		var slaves []string
		for _, name := range strings.Fields(bond["bond-slaves"]) {
			i := slices.IndexFunc(m.o.NICs, func(n NIC) bool { return n.Name == name })
			if i < 0 {
				continue // ifupdown2 warns and goes on
			}
			n := m.o.NICs[i]
			m.link("../bond0", n.dir()+"/master")
			m.put(n.dir()+"/bonding_slave/perm_hwaddr", n.MAC+"\n")
			slaves = append(slaves, name)
		}
		m.put("/sys/class/net/bond0/bonding/slaves", strings.Join(slaves, " ")+"\n")
	}
	bridge, ok := want["vmbr0"]
	if !ok || part < 1 {
		return
	}
	for _, port := range strings.Fields(bridge["bridge-ports"]) {
		m.put("/sys/class/net/vmbr0/brif/"+port+"/state", "3\n")
		if i := slices.IndexFunc(m.o.NICs, func(n NIC) bool { return n.Name == port }); i >= 0 {
			m.link("../vmbr0", m.o.NICs[i].dir()+"/master")
		}
	}
	m.put("/sys/class/net/vmbr0/mtu", cmp.Or(bridge["mtu"], "1500")+"\n")
	m.put("/sys/class/net/vmbr0/.address6", bridge["address6"])
	m.put("/sys/class/net/vmbr0/.address", bridge["address"])
}

// wired reports whether anything leaves the bridge towards the management network.
func (m *Machine) wired() bool {
	if m.read("/sys/class/net/vmbr0/.address") == "" {
		return false
	}
	slaves := strings.Fields(m.read("/sys/class/net/bond0/bonding/slaves"))
	for _, n := range m.o.NICs {
		direct := m.there("/sys/class/net/vmbr0/brif/" + n.Name)
		bonded := m.there("/sys/class/net/vmbr0/brif/bond0") || m.tagged()
		bonded = bonded && slices.Contains(slaves, n.Name)
		if n.Carrier && n.Wired && (direct || bonded) {
			return true
		}
	}
	return false
}

// tagged reports whether a VLAN of the bond is a port of the bridge.
func (m *Machine) tagged() bool {
	return len(m.Glob("/sys/class/net/vmbr0/brif/bond0.*")) > 0
}
