package main

import (
	"fmt"
	"strings"

	"ringboot/imagebuilder"
	"ringboot/profiles"
)

func osds(p *profiles.Profile, n profiles.Node) []string {
	if !p.Ceph.Enabled {
		return []string{}
	}
	if n.OSDDisks == nil {
		return []string{"every blank disk of at least 100 GB"}
	}
	if n.WithoutOSDs() {
		return []string{"no disk"}
	}
	var out []string
	for _, d := range n.OSDDisks {
		out = append(out, imagebuilder.Erases(d))
	}
	return out
}

func management(p *profiles.Profile, n profiles.Node) string {
	var ports []string
	for _, port := range n.Ports {
		switch {
		case port.MAC != "":
			ports = append(ports, port.MAC)
		case port.Path != "":
			ports = append(ports, port.Path)
		case port.Interface != "":
			ports = append(ports, port.Interface)
		default:
			ports = append(ports, "driver "+port.Driver)
		}
	}
	m := p.Management
	text := fmt.Sprintf("%s/%d by %s, ", n.Address, m.Prefix.Bits(), m.Gateway)
	if n.Address6.IsValid() {
		by := "the router that announces itself"
		if m.Gateway6.IsValid() {
			by = m.Gateway6.String()
		}
		text += fmt.Sprintf("and %s/%d by %s, ", n.Address6, m.Prefix6.Bits(), by)
	}
	text += "on " + strings.Join(ports, " and ")
	if m.Bond != "" {
		text += ", " + m.Bond
	}
	if m.VLAN != 0 {
		text += fmt.Sprintf(", in VLAN %d from the first start on (the installer has no network)", m.VLAN)
	}
	if m.VLANAware {
		text += ", VLAN-aware for guests"
	}
	if m.MTU != 0 {
		text += fmt.Sprintf(", MTU %d", m.MTU)
	}
	return text
}

// subscription tells a key from others; whoever reads a plan has no use for it.
func subscription(n profiles.Node) string {
	kind, number, ok := strings.Cut(n.Subscription, "-")
	if !ok {
		return ""
	}
	const shown = 4
	return fmt.Sprintf("%s, the key that ends in %s", kind, number[max(0, len(number)-shown):])
}

func ring(p *profiles.Profile, n profiles.Node) string {
	var ports []string
	for _, port := range p.PortsOf(n) {
		ports = append(ports, port.Name)
	}
	on := strings.Join(ports, " and ")
	if !p.Transport().Shape.Apart() {
		return fmt.Sprintf("%s over %s (%s, MTU %d): the management network carries all", n.Ring, p.RingDevice(n), p.Ring.Transport, p.Ring.MTU)
	}
	if middle := p.Ring.Chain; middle != "" {
		if n.Name != middle {
			on = strings.Join(ports, " or ")
		}
		return fmt.Sprintf("%s on %s (%s, MTU %d, %s), in a chain through %s", n.Ring, on, p.Ring.Transport, p.Ring.MTU, p.Ring.Routing, middle)
	}
	if p.Transport().Shape.Cabled() {
		return fmt.Sprintf("%s on %s (%s, MTU %d, %s)", n.Ring, on, p.Ring.Transport, p.Ring.MTU, p.Ring.Routing)
	}
	if device := p.RingDevice(n); device != on {
		on = device + " of " + on
	}
	how := ""
	if len(ports) > 1 {
		how = ", " + profiles.BondOf(p.Ring.Bond).Mode
	}
	return fmt.Sprintf("%s/%d on %s (%s, MTU %d%s)", n.Ring, p.Ring.Prefix.Bits(), on, p.Ring.Transport, p.Ring.MTU, how)
}

func systemPlan(p *profiles.Profile) string {
	r := p.Release()
	on := "on the disk to erase"
	if p.Mirrored() {
		on = "on the two disks to erase, each of which is enough"
	}
	if p.Install.Size > 0 {
		on = fmt.Sprintf("on %d GiB of ", p.Install.Size) + strings.TrimPrefix(on, "on ")
	}
	return fmt.Sprintf("%s %s, Debian %s with pve-manager %s or later", p.Install.Filesystem, on, r.Suite, r.Manager)
}

func localePlan(p *profiles.Profile) string {
	text := fmt.Sprintf("zone %s, country %s, keyboard %s, mail to %s", p.Cluster.Timezone, p.Cluster.Country, p.Cluster.Keyboard, p.Cluster.Mail)
	if p.Cluster.Smarthost != "" {
		text += " by " + p.Cluster.Smarthost
	}
	return text
}

func sourcesPlan(p *profiles.Profile) string {
	out := "Proxmox " + p.Proxmox.Repository
	if p.Ceph.Enabled {
		out += fmt.Sprintf(", Ceph %s", p.Ceph.Repository)
	}
	for _, way := range []struct{ how, to string }{{", from the mirror ", p.Proxmox.Mirror}, {", through the proxy ", p.Proxmox.Proxy}} {
		if way.to != "" {
			out += way.how + way.to
		}
	}
	return out
}

func haPlan(p *profiles.Profile) string {
	if !p.HA.Enabled {
		return "none"
	}
	text := "on, shutdown policy " + p.HA.ShutdownPolicy
	if p.HA.MigrationNetwork == profiles.NetworkLAN {
		text += ", guests move over " + p.NetworkTitle(p.HA.MigrationNetwork)
	}
	return text
}

func drills(a profiles.Acceptance) []string {
	out := []string{}
	for _, d := range []struct {
		name string
		on   bool
	}{{"bandwidth", a.Bandwidth}, {"migration", a.Migration}, {"maintenance", a.Maintenance}, {"power cut", a.PowerCut == profiles.ConsentYes}, {"power cut unless somebody says no", a.PowerCut == profiles.ConsentAsk}} {
		if d.on {
			out = append(out, d.name)
		}
	}
	return out
}
