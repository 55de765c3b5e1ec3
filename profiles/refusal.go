package profiles

import (
	"strings"

	"ringboot/profiles/form"
)

// refusals are keys that people look for and a profile does not have: each with
// the reason, and with what to do instead. A key that comes to be leaves it.
func refusals() map[string]string {
	return map[string]string{
		"management.dhcp":      "corosync, Ceph and the certificates know a node by an address that never changes; keep the address out of the DHCP server's range, and write it",
		"management.address6":  "is written as management.prefix6, with address6 of each node",
		"management.slaac":     "an address that a router gives changes with its prefix; write management.prefix6, with address6 of each node",
		"proxmox.subscription": "a subscription key belongs to one machine; write it as subscription of each node",
		"cluster.relay":        "is written as cluster.smarthost",
		"proxmox.apt_proxy":    "is written as proxmox.proxy",
		"install.raid":         "is written as install.filesystem: " + strings.Join(layoutNames(Layout.Mirror), " or ") + ", with mirror_disk of each node; other levels are not made",
		"install.hdsize":       "is written as install.size",
		"install.maxroot":      "how the installer divides the system's disk is left to it; write install.size for how much of the disk it has",
		"ceph.db_disks":        "is written as db_disk of each node, with ceph.db_size",
		"ceph.wal_disks":       "is written as wal_disk of each node, with ceph.wal_size",
		"ring.cluster_network": "is written as ceph.cluster_network",
	}
}

// spellings are other words for keys of the table.
func spellings() map[string]string {
	return map[string]string{
		"management.address":       "management.dhcp",
		"management.ipv6":          "management.address6",
		"management.gateway_v6":    "management.address6",
		"management.apt_proxy":     "proxmox.apt_proxy",
		"management.proxy":         "proxmox.apt_proxy",
		"proxmox.subscription_key": "proxmox.subscription",
		"cluster.relayhost":        "cluster.relay",
		"install.swapsize":         "install.maxroot",
		"install.maxvz":            "install.maxroot",
		"install.mirror":           "install.raid",
		"ceph.db_device":           "ceph.db_disks",
		"ceph.db_disk":             "ceph.db_disks",
		"nodes[].db_device":        "ceph.db_disks",
		"ceph.wal_device":          "ceph.wal_disks",
		"ceph.wal_disk":            "ceph.wal_disks",
		"nodes[].wal_device":       "ceph.wal_disks",
	}
}

// refusal is why there is no such key, or "".
func refusal(path string) string {
	path = form.Generic(path)
	if other, ok := spellings()[path]; ok {
		path = other
	}
	return refusals()[path]
}
