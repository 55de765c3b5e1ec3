package profiles

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ringboot/profiles/spelling"
)

func (c *checker) exactlyOne(path string, values map[string]string, allowed string) {
	set := 0
	for _, v := range values {
		if v != "" {
			set++
		}
	}
	if set != 1 && !c.Broken(path) {
		c.At(path, "has %d of the keys %s; write exactly one", set, allowed)
	}
}

func (c *checker) disk(path string, d DiskName) {
	c.exactlyOne(path, map[string]string{"serial": d.Serial, "by_id": d.ByID, "kernel": d.Kernel}, "serial, by_id, kernel")
}

// registry finds values that must be unique across the profile.
type registry map[string]string

func (r registry) add(c *checker, path, value, what string) {
	if value == "" {
		return
	}
	low := strings.ToLower(value)
	if first, taken := r[low]; taken {
		c.At(path, "%s %q stands at %s too; each needs its own", what, value, first)
		return
	}
	r[low] = path
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func (c *checker) nodes() {
	names, addresses, rings, disks, macs, machines := registry{}, registry{}, registry{}, registry{}, registry{}, registry{}
	addresses.add(c, "management.gateway", addrText(c.p.Management.Gateway), "address")
	for i, n := range c.p.Nodes {
		at := fmt.Sprintf("nodes[%d]", i)
		names.add(c, at+".name", n.Name, "name")
		if n.Name != "" && strings.Trim(n.Name, "0123456789") == "" {
			c.At(at+".name", "%q is all digits, which the installer refuses; add a letter", n.Name)
		} else if wrong := spelling.FQDN(n.Name + "." + c.p.Cluster.Domain); wrong != "" && !c.Broken(at+".name") && !c.Broken("cluster.domain") && n.Name != "" && c.p.Cluster.Domain != "" {
			c.At(at+".name", "with cluster.domain %s", wrong)
		}
		c.host(at+".address", n.Address, c.p.Management.Prefix, "management.prefix")
		c.host(at+".ring", n.Ring, c.p.Ring.Prefix, "ring.prefix")
		addresses.add(c, at+".address", addrText(n.Address), "address")
		rings.add(c, at+".ring", addrText(n.Ring), "ring address")
		machines.add(c, at+".machine.serial", n.Machine.Serial, "serial")
		machines.add(c, at+".machine.uuid", n.Machine.UUID, "UUID")
		c.nodeDisks(at, n, disks)
		c.ports(at, n, macs)
		c.added(i)
	}
}

// nodeDisks checks the disks of one node. disks are the numbers of all nodes'.
func (c *checker) nodeDisks(at string, n Node, disks registry) {
	kernel := registry{}
	one := func(path string, d DiskName) {
		c.disk(path, d)
		disks.add(c, path+".serial", d.Serial, "serial")
		disks.add(c, path+".by_id", d.ByID, "disk")
		kernel.add(c, path+".kernel", d.Kernel, "disk")
	}
	if !n.RootDisk.IsZero() {
		one(at+".root_disk", n.RootDisk)
	}
	mirrors := strings.Join(layoutNames(Layout.Mirror), " or ")
	switch {
	case !c.p.Mirrored() && !n.MirrorDisk.IsZero():
		c.At(at+".mirror_disk", "is the second disk of a mirror, and install.filesystem is %s; write install.filesystem: %s, or take it out", c.p.Install.Filesystem, mirrors)
	case c.p.Mirrored() && n.RootDisk.IsZero():
		c.At(at+".root_disk", "is missing; both disks of a mirror are named, so that no third one is taken for either")
	case c.p.Mirrored() && n.MirrorDisk.IsZero():
		c.At(at+".mirror_disk", "is missing; %s takes two disks, and both are named", c.p.Install.Filesystem)
	}
	if !n.MirrorDisk.IsZero() {
		one(at+".mirror_disk", n.MirrorDisk)
	}
	for j, d := range n.OSDDisks {
		path := fmt.Sprintf("%s.osd_disks[%d]", at, j)
		if d.Rest {
			c.leftover(at, path, n, slices.Index(n.OSDDisks, d) < j)
			continue
		}
		one(path, d)
	}
	c.besideDisks(at, n, one)
	if len(n.Wipe) > 0 && len(n.OSDDisks) == 0 && len(n.BesideDisks()) == 0 {
		c.At(at+".wipe", "consents to erase used disks, and osd_disks names none for Ceph: name them there, too")
	}
}

// besideDisks checks the disks on which OSDs keep their databases and logs.
func (c *checker) besideDisks(at string, n Node, one func(path string, d DiskName)) {
	for _, d := range []struct {
		key  string
		disk DiskName
	}{{"db_disk", n.DBDisk}, {"wal_disk", n.WALDisk}} {
		path := at + "." + d.key
		switch {
		case d.disk.IsZero():
			continue
		case n.WithoutOSDs():
			c.At(path, "is for parts of this node's OSDs, and osd_disks says that it has none; take one of them out")
		}
		one(path, d.disk)
	}
}

// leftover checks the word rest among the disks for Ceph.
func (c *checker) leftover(at, path string, n Node, twice bool) {
	switch {
	case twice:
		c.At(path, "stands here for the second time; there is one rest")
	case c.p.Mirrored():
		c.At(path, "is what is left of one disk, and %s lies on two; name disks for Ceph of their own", c.p.Install.Filesystem)
	case c.p.Install.Size == 0:
		c.At(path, "is what install.size leaves of the system's disk, and without that key the system takes it whole; write install.size: 96, or what the system shall have")
	case n.RootDisk.Serial == "" && n.RootDisk.ByID == "":
		c.At(path, "is a part of the system's disk, which must be named by its number for that; write %s.root_disk: {serial: ...}", at)
	}
}

// osdNodes refuses a Ceph cluster whose copies have no room.
func (c *checker) osdNodes() {
	const copies = 3
	with, db, wal := 0, c.p.Ceph.DBSize == 0, c.p.Ceph.WALSize == 0
	for _, n := range c.p.Nodes {
		db, wal = db || !n.DBDisk.IsZero(), wal || !n.WALDisk.IsZero()
		if !n.WithoutOSDs() {
			with++
		}
	}
	for key, used := range map[string]bool{"db": db, "wal": wal} {
		if !used {
			c.At("ceph."+key+"_size", "has no disk to lie on; name %s_disk of a node, or take it out", key)
		}
	}
	if c.p.Ceph.Enabled && with < copies && len(c.p.Nodes) >= copies {
		c.At("ceph.enabled", "keeps %d copies, each on another node, and osd_disks gives it disks on %d; name disks on %d nodes, or write ceph.enabled: false", copies, with, copies)
	}
}

func (c *checker) ports(at string, n Node, macs registry) {
	byDriver := false
	for j, p := range n.Ports {
		pp := fmt.Sprintf("%s.ports[%d]", at, j)
		c.exactlyOne(pp, map[string]string{"mac": p.MAC, "path": p.Path, "interface": p.Interface, "driver": p.Driver}, "mac, path, interface, driver")
		macs.add(c, pp+".mac", p.MAC, "hardware address")
		byDriver = byDriver || p.Driver != ""
	}
	if len(n.Ports) == 1 && !byDriver && !c.p.Management.AllowSinglePort {
		c.At(at+".ports", "has one port, so the management network is not redundant; add a second, or consent with management.allow_single_port: true")
	}
}
