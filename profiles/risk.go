package profiles

import (
	"fmt"
	"slices"
	"strings"
)

// Risks names the weaknesses that a profile has by consent or by ignorance,
// for one node: each is one sentence that ends with the remedy.
func (p *Profile) Risks(node string) []string {
	n, ok := p.Node(node)
	if !ok {
		return nil
	}
	var out []string
	if n.RootDisk.Kernel != "" {
		out = append(out, fmt.Sprintf("%s: the disk to erase is named as the kernel counts (%s), and another disk may have that name next time: name it by serial, or build with --root-disk SERIAL", n.Name, n.RootDisk.Kernel))
	}
	if n.MirrorDisk.Kernel != "" {
		out = append(out, fmt.Sprintf("%s: the second disk to erase is named as the kernel counts (%s), and another disk may have that name next time: name it by serial", n.Name, n.MirrorDisk.Kernel))
	}
	if n.RootDisk.IsZero() {
		out = append(out, fmt.Sprintf("%s: no disk is named, so the only blank one of the smallest size is erased: name it by serial to be independent of what else is blank", n.Name))
	}
	for _, d := range append(n.BesideDisks(), n.OSDDisks...) {
		if d.Kernel != "" {
			out = append(out, fmt.Sprintf("%s: a disk for Ceph is named as the kernel counts (%s): name it by serial", n.Name, d.Kernel))
		}
	}
	if n.OSDDisks == nil && p.Ceph.Enabled {
		out = append(out, fmt.Sprintf("%s: every blank disk of at least 100 GB that is built in becomes an OSD while the cluster is formed: name those that shall, under osd_disks", n.Name))
	}
	out = append(out, n.portRisks()...)
	if n.WantsRest() {
		out = append(out, fmt.Sprintf("%s: an OSD shares the system's disk: both end with it, and a busy Ceph makes the system slow: give Ceph a disk of its own", n.Name))
	}
	if len(n.Wipe) > 0 {
		out = append(out, fmt.Sprintf("%s: used disks may be erased for Ceph, by your consent: serials %v", n.Name, n.Wipe))
	}
	for _, r := range p.RingRisks() {
		out = append(out, fmt.Sprintf("%s: %s", n.Name, r))
	}
	out = append(out, p.storageRisks(n)...)
	if n.Replace {
		out = append(out, fmt.Sprintf("%s: replace is not asked for any more, firstboot admit alone lets a new machine in: take it out", n.Name))
	}
	return out
}

// RingRisks are those of the network that all nodes share. The report names them, too.
func (p *Profile) RingRisks() (out []string) {
	if p.Ring.KeepHost {
		out = append(out, "the Thunderbolt controllers are not reset when their driver is loaded, so a link may take two minutes to return after a restart: take ring.keep_host out if ports do not stay dead without it")
	}
	if p.Ring.Chain != "" {
		out = append(out, p.chainRisk())
	}
	if !p.Transport().Shape.Apart() {
		out = append(out, fmt.Sprintf("corosync, Ceph and migration share the management network and end with it, and a busy Ceph can make corosync late: write ring.transport: %s, with a port for it", TransportSwitch))
	}
	return out
}

// portRisks are those of the management network's ports.
func (n Node) portRisks() (out []string) {
	drivers := 0
	for _, port := range n.Ports {
		if port.Driver != "" {
			drivers++
			out = append(out, fmt.Sprintf("%s: the management ports are found by their driver (%s), and the installer takes the first that it meets: name them by mac", n.Name, port.Driver))
		}
	}
	if drivers == 0 && len(n.Ports) == 1 {
		out = append(out, fmt.Sprintf("%s: the management network hangs on one port: add a second", n.Name))
	}
	return out
}

// storageRisks are those of Ceph, and of guests that move.
func (p *Profile) storageRisks(n Node) (out []string) {
	if len(n.BesideDisks()) > 0 && p.Ceph.Enabled {
		out = append(out, fmt.Sprintf("%s: its OSDs keep a part of themselves on one other disk, and all of them end with it: leave db_disk and wal_disk out where the OSDs' own disks are fast", n.Name))
	}
	if p.HA.Enabled && !p.Ceph.Enabled {
		out = append(out, fmt.Sprintf("%s: there is no shared storage, so the guests of a node that dies stay dead until it is back, whatever HA would do: write ceph.enabled: true, or keep copies of them elsewhere", n.Name))
	}
	if public, cluster := p.CephNetworks(); p.Ceph.Enabled && cluster == NetworkLAN && public == NetworkRing && p.Transport().Shape.Apart() {
		out = append(out, fmt.Sprintf("%s: OSDs make their copies over the management network, and a busy Ceph can make corosync late there: write ceph.cluster_network: ring", n.Name))
	}
	if p.HA.Migration == "insecure" {
		out = append(out, fmt.Sprintf("%s: guests move as they are, and whoever listens on %s can read their memory: write ha.migration: secure if that may not be", n.Name, p.NetworkTitle(p.HA.MigrationNetwork)))
	}
	return out
}

// SharedRisks are the risks that are the same of all of some nodes, without the
// name in front: they are said once. Of one node alone there are none.
func (p *Profile) SharedRisks(nodes []string) (out []string) {
	if len(nodes) < 2 {
		return nil
	}
	for _, r := range p.Risks(nodes[0]) {
		rest, ok := strings.CutPrefix(r, nodes[0])
		for _, n := range nodes {
			ok = ok && slices.Contains(p.Risks(n), n+rest)
		}
		if ok {
			out = append(out, rest)
		}
	}
	return out
}
