// Package change says which keys of a profile may change, and when: on nodes
// that are settled, only while they are being formed, or never.
//
// It compares two profiles and judges the difference. It reads no file and
// changes nothing; what a change would do on a node is its steps' to say.
package change

import (
	"slices"
	"strings"
)

// When is until when a key may change.
type When int

// The kinds of keys. The zero value is none of them: a row says which.
const (
	Always  When = iota + 1 // on settled nodes too
	Forming                 // until the node is settled
	Grows                   // on settled nodes, by the one node that is added
	Never
)

func (w When) String() string {
	switch w {
	case Always:
		return "may change"
	case Forming:
		return "only while forming"
	case Grows:
		return "may grow by one node"
	case Never:
		return "never"
	}
	return "unknown"
}

// Row is a key, or several that go together.
type Row struct {
	Keys string // as in the reference, nodes[].address; separated by spaces
	When When
	Why  string // follows "because", or for a key that may change: what comes of it
}

// What several keys share.
const (
	nextInstall = "counts for a machine that is installed later; this one stays as it is"
	laterOSDs   = "counts for OSDs that are made later"
	nextAccept  = "counts for the next acceptance"
	ownMachine  = "it is this machine's own, and goes with it"
	atOnce      = "nodes with one value and nodes with another do not hear each other, and they cannot all change at once"
	forLife     = "members, certificates and Ceph have it for life"
	byFloor     = "the ring's floor, its names and its routes are made of it, on all nodes alike, and Ceph runs over them"
	onDisk      = "it is made once, and guests' disks lie on it"
	byKeeper    = "the keeper goes by it after firstboot settle"
)

// Rows is the table, in the order of the profile. Every key has a row.
func Rows() []Row {
	return []Row{
		{"version", Never, "it is the form of the file, not a wish"},

		{"cluster.name", Never, "corosync, the certificates and the keyring have it for life"},
		{"cluster.domain", Forming, "the installer wrote it into the names of the machine, and certificates have it"},
		{"cluster.timezone", Always, nextInstall},
		{"cluster.keyboard", Always, "the cluster's option follows; the console stays as it was installed"},
		{"cluster.country", Always, nextInstall},
		{"cluster.mail", Always, "the cluster's sender follows; where root's mail goes stays as it was installed"},

		{"cluster.smarthost", Always, "the nodes' mail goes that way; left out, it stays as it is"},

		{"proxmox.version", Always, "names the ISO of the next stick; installed packages are brought further by firstboot upgrade"},
		{"proxmox.repository", Always, "the package sources follow; with none they stay as they are"},
		{"proxmox.update", Always, "counts for a machine that takes a node's place"},

		{"proxmox.proxy", Always, "apt goes out that way, or straight where it is left out"},
		{"proxmox.mirror", Always, "the package sources follow"},

		{"install.filesystem", Always, nextInstall},
		{"install.size", Always, nextInstall},
		{"install.after_install", Always, nextInstall},

		{"management.prefix", Never, forLife},
		{"management.gateway", Always, "the network follows, on trial: it comes back by itself if nothing answers"},
		{"management.prefix6 management.gateway6", Always, "the network follows, on trial: it comes back by itself if nothing answers"},
		{"management.dns", Always, nextInstall},
		{"management.allow_single_port", Always, "a consent"},
		{"management.keep", Always, "a consent; taken back, the network is made as the profile says, on trial"},
		{"management.ntp", Always, "the time servers follow"},
		{"management.vlan", Forming, atOnce},
		{"management.vlan_aware", Always, "switched on, the bridge follows, on trial; switched off, it is left as it is"},
		{"management.bond", Always, "the bond follows, on trial: it comes back by itself if nothing answers"},
		{"management.mtu", Forming, atOnce},

		{"ring.transport", Forming, byFloor},
		{"ring.prefix", Never, forLife},
		{"ring.mtu", Forming, atOnce},
		{"ring.routing", Forming, byFloor},
		{"ring.vlan", Forming, atOnce},
		{"ring.bond", Forming, byFloor},
		{"ring.chain", Always, "the floor follows, and " + byKeeper + "; plug the third cable in before you take it out"},
		{"ring.keep_host", Always, "switched on, a word for the kernel from its next start on; switched off, take /etc/modprobe.d/ringboot-ring.conf away by hand"},
		{"ring.ports", Grows, "a mesh has a port for each other node; what else changes there, the ring's floor, its names and its routes are made of"},
		{"ring.ports[].name ring.ports[].path ring.ports[].port ring.ports[].mac ring.ports[].interface ring.ports[].driver", Forming, byFloor},

		{"nodes", Grows, "one is added behind the others, as mkimage add-node writes it; none is taken away, and their order is that of members, votes and monitors"},
		{"nodes[].name", Never, forLife},
		{"nodes[].address", Never, forLife},
		{"nodes[].ring", Never, forLife},
		{"nodes[].address6", Always, "the network follows, on trial; left out, the address that is there stays"},
		{"nodes[].machine nodes[].machine.serial nodes[].machine.uuid", Always, ownMachine},
		{"nodes[].root_disk nodes[].root_disk.serial nodes[].root_disk.by_id nodes[].root_disk.kernel nodes[].mirror_disk nodes[].mirror_disk.serial nodes[].mirror_disk.by_id nodes[].mirror_disk.kernel", Always, ownMachine},
		{"nodes[].osd_disks nodes[].osd_disks[].serial nodes[].osd_disks[].by_id nodes[].osd_disks[].kernel", Always, "a disk that is named anew becomes an OSD if it is blank; one that is named no more stays an OSD"},
		{"nodes[].db_disk nodes[].db_disk.serial nodes[].db_disk.by_id nodes[].db_disk.kernel nodes[].wal_disk nodes[].wal_disk.serial nodes[].wal_disk.by_id nodes[].wal_disk.kernel", Always, laterOSDs},
		{"nodes[].ports nodes[].ports[].mac nodes[].ports[].path nodes[].ports[].interface nodes[].ports[].driver", Always, ownMachine},
		{"nodes[].ring_ports nodes[].ring_ports[].name nodes[].ring_ports[].path nodes[].ring_ports[].port nodes[].ring_ports[].mac nodes[].ring_ports[].interface nodes[].ring_ports[].driver", Always, ownMachine},
		{"nodes[].subscription", Always, "the key is entered, in place of another one; left out, it stays"},
		{"nodes[].wipe", Always, "a consent"},
		{"nodes[].added", Never, "which nodes founded the cluster, and whose keys they agreed on then, does not change"},
		{"nodes[].replace", Always, "no longer asked for"},

		{"users users[].name", Always, "a new account is made; one that is named no more stays until you remove it, without sudo"},
		{"users[].full_name", Always, "counts for an account that is made later"},
		{"users[].sudo", Always, "the account's rights follow"},
		{"users[].password_hash", Always, "set where the account has no password; one that it has is left alone"},
		{"users[].keys", Always, "a new key is added; take one that is named no more out of authorized_keys by hand"},
		{"users[].key_files", Always, "mkimage reads them; nodes never see the names"},
		{"users[].proxmox_role", Always, "a new right is given; take an old one away by hand"},

		{"ceph.enabled", Forming, onDisk},
		{"ceph.version", Forming, "a release of Ceph is changed by its own way, daemon by daemon"},
		{"ceph.repository", Always, "the package sources follow"},
		{"ceph.network ceph.public_network ceph.cluster_network", Forming, "monitors have their addresses for life"},
		{"ceph.pool", Forming, onDisk},
		{"ceph.pg_num", Forming, "it is where the autoscaler began, and it has gone on since"},
		{"ceph.target_size_ratio", Forming, "it is where the autoscaler began; pveceph pool set POOL --target_size_ratio changes it later"},
		{"ceph.osd_memory_target", Forming, "it is set while the cluster is formed; ceph config set osd/host:NODE osd_memory_target changes it later"},
		{"ceph.cephfs", Forming, "it is made while the cluster is formed; pveceph fs create makes one later"},
		{"ceph.encrypted ceph.db_size ceph.wal_size", Always, laterOSDs},
		{"ceph.min_osds", Always, "counts for a machine that takes a node's place"},

		{"ha.enabled", Always, "switched on, options and rules follow; switched off, they stay and are left alone"},
		{"ha.shutdown_policy", Always, "the cluster's option follows"},
		{"ha.migration ha.migration_network", Always, "the cluster's option follows"},
		{"ha.affinity ha.affinity[].name", Always, "a new rule is made; one that is named no more stays until you remove it"},
		{"ha.affinity[].kind ha.affinity[].resources ha.affinity[].nodes ha.affinity[].affinity", Always, "counts for a rule that is not there yet; one of that name is left as it is"},

		{"acceptance.bandwidth", Always, nextAccept},
		{"acceptance.migration", Always, nextAccept},
		{"acceptance.maintenance", Always, nextAccept},
		{"acceptance.power_cut", Always, nextAccept},
		{"acceptance.seconds", Always, nextAccept},
		{"acceptance.victim", Always, nextAccept},

		{"agent.port", Forming, atOnce},
		{"agent.status_page", Always, byKeeper},
		{"agent.status_port", Always, byKeeper},
		{"agent.metrics", Always, byKeeper},
		{"agent.notify", Always, byKeeper},
		{"agent.peers", Always, byKeeper},

		{"tuning.irq_affinity", Always, "switched on, the interrupts follow; switched off, from the next start on"},
		{"tuning.kernel_cmdline", Always, "words for the kernel, from its next start on; without any word, take /etc/default/grub.d/ringboot.cfg away by hand"},
	}
}

// Of is the row of a key.
func Of(key string) (Row, bool) {
	for _, r := range Rows() {
		if slices.Contains(strings.Fields(r.Keys), key) {
			return r, true
		}
	}
	return Row{}, false
}
