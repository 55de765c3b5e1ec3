package profiles

import (
	"maps"
	"slices"

	"ringboot/profiles/diskname"
	"ringboot/profiles/form"
	"ringboot/profiles/spelling"
)

// AutoMemory is the word for OSDs whose memory goes by that of their machine.
const AutoMemory = "auto"

const (
	label    = `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`
	macForm  = `([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}`
	pathForm = `pci-[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7].*`
	nicForm  = `[a-zA-Z][a-zA-Z0-9_.-]{0,14}`
	hostPort = `([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?`
	netForm  = `ring|lan|[0-9.]+/[0-9]{1,2}`
	netSays  = "ring, lan, or the network of one of them"
	fileForm = `[^/\x00]+`
)

// keys returns the table of what a profile may hold: the one source of the checks of
// single values, of the JSON Schema and of the reference in docs/profile.md. It is in the order of the types.
func keys() []form.Key {
	return slices.Concat(clusterKeys(), networkKeys(), nodeKeys(), serviceKeys())
}

// clusterKeys are those of the cluster, of its packages, and of the installation.
func clusterKeys() []form.Key {
	locales := spelling.Shipped()
	return []form.Key{
		{Path: "version", Doc: "Version of this format.", Min: FormatVersion, Max: FormatVersion, Required: true},

		{Path: "cluster.name", Doc: "Name of the cluster. Corosync allows 15 characters.", Pattern: `[A-Za-z0-9]([A-Za-z0-9-]{0,13}[A-Za-z0-9])?`, Says: "1 to 15 letters, digits and inner dashes", Required: true},
		{Path: "cluster.domain", Doc: "DNS domain of the nodes; `frege` becomes `frege.<domain>`.", Pattern: label + `(\.` + label + `)*`, Says: "lower-case DNS labels joined by dots", Required: true},
		{Path: "cluster.timezone", Doc: "Zone, by its name in zone.tab of the tz database, or `UTC`. The installer takes no other name: not `Etc/UTC`, not `US/Pacific`.", Pattern: `[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}`, Says: "a name such as Europe/Berlin or UTC", Rule: locales.Zone},
		{Path: "cluster.keyboard", Doc: "Keyboard layout of the console.", Enum: slices.Sorted(maps.Keys(locales.Keyboards)), Rule: locales.Keyboard},
		{Path: "cluster.country", Doc: "Country, ISO 3166 alpha-2 in lower case; the installer picks mirrors and zones by it.", Pattern: `[a-z]{2}`, Says: "two lower-case letters", Rule: locales.Country},
		{Path: "cluster.mail", Doc: "Where the nodes send mail for root.", Pattern: spelling.MailForm, Says: "an address such as admin@example.org", Required: true, Taken: spelling.Mail},

		{Path: "cluster.smarthost", Doc: "Mail server that takes the mail of all nodes (Postfix's `relayhost`), without a password. Left out: each node sends it itself, or as you set it.", Pattern: hostPort, Says: "a host or host:port, such as mail.example.org:25"},

		{Path: "proxmox.version", Doc: "Release and ISO release of Proxmox VE, " + releaseNames() + ". A later 9.x is treated as the newest of them, and named as a risk. All nodes get the same.", Pattern: `9\.[0-9]+-[0-9]+`, Says: "a release and its ISO, such as 9.2-1", Rule: checkVersion},
		{Path: "proxmox.repository", Doc: "Where updates come from. `enterprise` needs a subscription; `none` leaves the repositories as they are.", Enum: []string{"no-subscription", "enterprise", "none"}},
		{Path: "proxmox.update", Doc: "Which packages the nodes form the cluster with. `latest`: each node first updates itself to what the repositories have, and stays with what it has, as a risk, where it cannot reach them. `installed`: what the medium brought. A node that is in the cluster is never updated by itself.", Enum: []string{UpdateLatest, UpdateInstalled}},

		{Path: "proxmox.proxy", Doc: "HTTP proxy, or a cache of packages, through which apt of every node and Proxmox VE go out. It takes no name and password: every node and every reader of the profile would know them.", Pattern: `http://` + hostPort + `/?`, Says: "such as http://10.203.3.5:3142"},
		{Path: "proxmox.mirror", Doc: "Mirror of Proxmox's packages in place of `http://download.proxmox.com/debian`: below it lie `pve` and, for Ceph, `ceph-squid` and `ceph-tentacle`. For `no-subscription`. Debian's own sources stay as the installer wrote them, and a mirror that the profile no longer names stays, too.", Pattern: `https?://` + hostPort + `(/[A-Za-z0-9._~-]+)*`, Says: "such as http://mirror.example.org/proxmox, without a slash at the end"},

		{Path: "install.filesystem", Doc: "File system of the system's disk. With `(raid1)` it is a mirror of two, `root_disk` and `mirror_disk`, each of which is enough to start from; both are erased. They may differ in size by a tenth.", Enum: layoutNames(anyLayout)},
		{Path: "install.size", Doc: "How much of its disk, or of each disk of a mirror, the system takes, GiB. What is left stays free: for an OSD with `osd_disks: [rest]`, or for you. Left out: the whole disk.", Min: 16, Max: 65536},
		{Path: "install.after_install", Doc: "What a machine does when it is installed. With `power-off` a stick that stays in cannot start a second installation.", Enum: []string{"reboot", "power-off"}},
	}
}

// networkKeys are those of both networks.
func networkKeys() []form.Key {
	return []form.Key{
		{Path: "management.prefix", Doc: "The management network (IPv4, CIDR). People, corosync's first link and updates use it.", Required: true},
		{Path: "management.gateway", Doc: "Default gateway, in `management.prefix`.", Required: true},
		{Path: "management.prefix6", Doc: "IPv6 network of the same cable (CIDR), where the nodes have such addresses as well. The cluster speaks IPv4; people and updates may use either."},
		{Path: "management.gateway6", Doc: "IPv6 gateway, in `management.prefix6` or link-local. Left out: the one that routers announce."},
		{Path: "management.dns", Doc: "Name servers.", Min: 1, Max: 3, Required: true},
		{Path: "management.allow_single_port", Doc: "Consent to a management bond of one port. The network is then not redundant, and the report says so."},
		{Path: "management.keep", Doc: "Consent to the network that the machines have, for machines that were installed by hand: the agent checks address and gateway and changes nothing. Whether it is redundant is then yours to know, and the report says so."},
		{Path: "management.ntp", Doc: "Time servers; none means Debian's pool. Each node also takes the founder's clock, so that nodes without a way out agree.", Pattern: `[A-Za-z0-9.:-]+`, Says: "a host name or an address", Taken: spelling.TimeServer},

		{Path: "management.vlan", Doc: "VLAN tag of the management network on the ports; 0 means untagged. The installer knows no tags, so a node reaches the network from its first start on. The bridge carries that VLAN alone; it does not go with `vlan_aware`.", Min: 0, Max: 4094},
		{Path: "management.vlan_aware", Doc: "Whether guests on the bridge may have tags of their own; the node's own address is untagged."},
		{Path: "management.bond", Doc: "How the ports form one: `active-backup` needs nothing at the switch, `802.3ad` (LACP) must be set there as well. Left out: `active-backup`.", Enum: bondModes()},
		{Path: "management.mtu", Doc: "MTU of ports, bond and bridge, bytes; the switch must pass it. Left out: as it is, which is 1500.", Min: 1280, Max: 9702},

		{Path: "ring.transport", Doc: "What the ring is made of: " + transportTitles() + ".", Enum: transportNames()},
		{Path: "ring.prefix", Doc: "The ring's network (IPv4, CIDR). Each node has one address of it: with cables a /32 on the loopback device and on all ring ports, on a switch an address on its port. With `none` it is left out: it is `management.prefix`.", Required: true},
		{Path: "ring.mtu", Doc: "MTU of every ring port, bytes. 65520 suits Thunderbolt, 9000 a DAC; it must be equal everywhere. With `none` it is that of the management network unless written.", Min: 1280, Max: 65520},
		{Path: "ring.routing", Doc: "`static`: routes kept by the agent. `openfabric`: FRR OpenFabric above them.", Enum: []string{"static", "openfabric"}},
		{Path: "ring.vlan", Doc: "For `switch`: the VLAN tag of the storage network; 0 means untagged. The switch must let it pass at the ports of all nodes.", Min: 0, Max: 4094},
		{Path: "ring.bond", Doc: "For `switch` with two ports: how they form one. `802.3ad` (LACP) must be set at the switch as well. Left out: `active-backup`.", Enum: bondModes()},
		{Path: "ring.chain", Doc: "For `thunderbolt` and `ethernet`: consent to a ring that lacks a cable, and the name of the node in its middle, which alone has two. Each of the others needs one port; a second one may stay free. There is then no way round: a dead cable cuts a node off, and Ceph stands still while the middle is down. Every command prints it as a risk.", Pattern: label, Says: "the name of a node"},
		{Path: "ring.keep_host", Doc: "Do not reset the Thunderbolt controllers when their driver is loaded (`thunderbolt.host_reset=0`). For machines whose ports stay dead after a restart until a cable is plugged anew. What the firmware made of them then stays as well, and a link may take 90 to 110 s to return."},
		{Path: "ring.ports", Doc: "The ring ports of each node: two in a ring (see `ring.chain` for fewer), one to each other node in a mesh, one or two on a switch, none with `none`. A node with other ports has its own `ring_ports`.", Max: 3},
		{Path: "ring.ports[].name", Doc: "Name that the port gets.", Pattern: `[a-z][a-z0-9]{1,14}`, Says: "2 to 15 lower-case letters and digits, a letter first", Required: true, Taken: spelling.PortName},
		{Path: "ring.ports[].path", Doc: "PCI path of the port as udev writes it. This is how Thunderbolt ports are found.", Pattern: pathForm, Says: "as udev's ID_PATH, such as pci-0000:00:0d.2", Taken: spelling.PortPath},
		{Path: "ring.ports[].port", Doc: "For a Thunderbolt controller that has two ports: 1 or 3, as `ls /sys/bus/thunderbolt/devices` shows it behind the dash (`0-1`, `0-3`). Both ports then have the same `path`.", Min: 1, Max: 15},
		{Path: "ring.ports[].mac", Doc: "Hardware address of the port. Thunderbolt addresses change, so it is for `ethernet` only.", Pattern: macForm, Says: "six hexadecimal pairs, such as 58:47:ca:00:00:01", Taken: spelling.MAC},
		{Path: "ring.ports[].interface", Doc: "Kernel's name of the port, for rehearsals.", Pattern: nicForm, Says: "a network device's name"},
		{Path: "ring.ports[].driver", Doc: "Kernel driver that the port must have.", Pattern: `[a-z0-9_-]{1,32}`, Says: "a driver's name, such as i40e"},
	}
}

// nodeKeys are those of machines and people.
func nodeKeys() []form.Key {
	return []form.Key{
		{Path: "nodes", Doc: "The machines, the founder first: three in a ring, three or four in a mesh, three to sixteen on a switch or with `none`. The founder creates the cluster; the order of the others is the order in which they join.", Min: fewestNodes, Max: 16, Required: true},
		{Path: "nodes[].name", Doc: "Host name.", Pattern: label, Says: "one lower-case DNS label of at most 63 characters, not all digits", Required: true, Taken: spelling.Host},
		{Path: "nodes[].address", Doc: "Address on the management network.", Required: true},
		{Path: "nodes[].address6", Doc: "IPv6 address on the management network beside `address`; all nodes have one, or none."},
		{Path: "nodes[].ring", Doc: "Address on the ring. Left out, it has the last byte of `address`."},
		{Path: "nodes[].machine", Doc: "The machine that this node is. Another machine is then never installed as this node."},
		{Path: "nodes[].machine.serial", Doc: "Serial number that the firmware gives the machine (`product_serial` of DMI), exact."},
		{Path: "nodes[].machine.uuid", Doc: "UUID that the firmware gives the machine (`product_uuid` of DMI).", Pattern: `[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}`, Says: "a UUID such as 03000200-0400-0500-0006-000700080009"},
		{Path: "nodes[].root_disk", Doc: "The disk that is erased and gets the system. Exactly one of its keys is set. Left out: the only blank disk of the smallest size, which is looked for on the machine before anything is erased."},
		{Path: "nodes[].root_disk.serial", Doc: "Serial number as `udevadm info` shows it (`ID_SERIAL_SHORT` or `ID_SERIAL`), exact. The safe way. No disk with another serial is erased; two disks behind cheap USB bridges, and two namespaces of one NVMe disk, can have the same.", Taken: spelling.Serial},
		{Path: "nodes[].root_disk.by_id", Doc: "Name below /dev/disk/by-id, of a whole disk. An NVMe disk may have its name with or without the `_1` of its namespace.", Pattern: fileForm, Says: "a file name without a slash", Rule: diskname.CheckByID},
		{Path: "nodes[].root_disk.kernel", Doc: "Kernel's name, such as `nvme0n1`. Weak: the kernel may count the disks differently next time. Every command prints it as a risk.", Pattern: diskname.KernelForm, Says: "a whole disk such as nvme0n1 or sda", Rule: diskname.CheckKernel},
		{Path: "nodes[].mirror_disk", Doc: "The second disk of a mirror, for an `install.filesystem` with `(raid1)`: it is erased as `root_disk` is, and both must be named."},
		{Path: "nodes[].mirror_disk.serial", Doc: "Serial number, exact.", Taken: spelling.Serial},
		{Path: "nodes[].mirror_disk.by_id", Doc: "As in `root_disk`.", Pattern: fileForm, Says: "a file name without a slash", Rule: diskname.CheckByID},
		{Path: "nodes[].mirror_disk.kernel", Doc: "As in `root_disk`; weak.", Pattern: diskname.KernelForm, Says: "a whole disk such as nvme1n1 or sdb", Rule: diskname.CheckKernel},
		{Path: "nodes[].osd_disks", Doc: "The disks that Ceph gets. Left out: every blank disk of at least 100 GB that is built in and not the root disk. Empty: none; at least three nodes must have some. The word `rest` among them is what `install.size` leaves of `root_disk`: it becomes a partition, and the partition an OSD.", Max: 16},
		{Path: "nodes[].osd_disks[].serial", Doc: "Serial number, exact.", Taken: spelling.Serial},
		{Path: "nodes[].osd_disks[].by_id", Doc: "Name below /dev/disk/by-id, of a whole disk. An NVMe disk may have its name with or without the `_1` of its namespace.", Pattern: fileForm, Says: "a file name without a slash", Rule: diskname.CheckByID},
		{Path: "nodes[].osd_disks[].kernel", Doc: "Kernel's name; weak.", Pattern: diskname.KernelForm, Says: "a whole disk such as nvme1n1 or sdb", Rule: diskname.CheckKernel},
		{Path: "nodes[].db_disk", Doc: "A faster disk that takes the databases (RocksDB, with its log) of this node's OSDs, a volume of `ceph.db_size` for each. All of them end with it. It must be blank, or on `wipe`; OSDs that are there already stay as they are."},
		{Path: "nodes[].db_disk.serial", Doc: "Serial number, exact.", Taken: spelling.Serial},
		{Path: "nodes[].db_disk.by_id", Doc: "As in `root_disk`.", Pattern: fileForm, Says: "a file name without a slash", Rule: diskname.CheckByID},
		{Path: "nodes[].db_disk.kernel", Doc: "As in `root_disk`; weak.", Pattern: diskname.KernelForm, Says: "a whole disk such as nvme1n1 or sdb", Rule: diskname.CheckKernel},
		{Path: "nodes[].wal_disk", Doc: "A disk that takes the write-ahead logs of this node's OSDs alone, where it is faster than `db_disk`, which has them otherwise. As with that, all of them end with it."},
		{Path: "nodes[].wal_disk.serial", Doc: "Serial number, exact.", Taken: spelling.Serial},
		{Path: "nodes[].wal_disk.by_id", Doc: "As in `root_disk`.", Pattern: fileForm, Says: "a file name without a slash", Rule: diskname.CheckByID},
		{Path: "nodes[].wal_disk.kernel", Doc: "As in `root_disk`; weak.", Pattern: diskname.KernelForm, Says: "a whole disk such as nvme1n1 or sdb", Rule: diskname.CheckKernel},
		{Path: "nodes[].ports", Doc: "Management ports, the preferred one first; they form a bond, as `management.bond` says.", Min: 1, Max: 4, Required: true},
		{Path: "nodes[].ports[].mac", Doc: "Hardware address. The safe way.", Pattern: macForm, Says: "six hexadecimal pairs, such as 58:47:ca:00:00:01", Taken: spelling.MAC},
		{Path: "nodes[].ports[].path", Doc: "PCI path as udev writes it.", Pattern: pathForm, Says: "as udev's ID_PATH, such as pci-0000:57:00.0", Taken: spelling.PortPath},
		{Path: "nodes[].ports[].interface", Doc: "Kernel's name. Bus numbers move with the number of NVMe disks; prefer `mac`.", Pattern: nicForm, Says: "a network device's name", Taken: spelling.Port},
		{Path: "nodes[].ports[].driver", Doc: "Every port of this driver, found by the node itself. For machines whose addresses are not known yet.", Pattern: `[a-z0-9_-]{1,32}`, Says: "a driver's name, such as igc"},
		{Path: "nodes[].ring_ports", Doc: "The ring ports of this node, where they differ from `ring.ports`.", Max: 3},
		{Path: "nodes[].ring_ports[].name", Doc: "As in `ring.ports`.", Pattern: `[a-z][a-z0-9]{1,14}`, Says: "2 to 15 lower-case letters and digits, a letter first", Required: true, Taken: spelling.PortName},
		{Path: "nodes[].ring_ports[].path", Doc: "As in `ring.ports`.", Pattern: pathForm, Says: "as udev's ID_PATH, such as pci-0000:00:0d.2", Taken: spelling.PortPath},
		{Path: "nodes[].ring_ports[].port", Doc: "As in `ring.ports`.", Min: 1, Max: 15},
		{Path: "nodes[].ring_ports[].mac", Doc: "As in `ring.ports`.", Pattern: macForm, Says: "six hexadecimal pairs, such as 58:47:ca:00:00:01", Taken: spelling.MAC},
		{Path: "nodes[].ring_ports[].interface", Doc: "As in `ring.ports`.", Pattern: nicForm, Says: "a network device's name"},
		{Path: "nodes[].ring_ports[].driver", Doc: "As in `ring.ports`.", Pattern: `[a-z0-9_-]{1,32}`, Says: "a driver's name, such as i40e"},
		{Path: "nodes[].subscription", Doc: "Key of this machine's subscription; it is entered while the node is formed. Where Proxmox's shop cannot be asked, or refuses it, the cluster is formed all the same, and the report says so.", Pattern: `pve[0-9]+[cbsp]-[0-9a-f]{10}`, Says: "such as pve2c-0123456789"},
		{Path: "nodes[].wipe", Doc: "Serial numbers of used disks that may be erased for Ceph. Without this consent a used disk is only named, never touched.", Max: 16},
		{Path: "nodes[].added", Doc: "Whether the node came to a cluster that had been formed. `mkimage add-node` writes it: the key of such a node counts once root on a member has admitted it. Take it out of a profile from which a whole cluster is made anew."},
		{Path: "nodes[].replace", Doc: "Consent: this machine takes the place of a lost one of the same name in a cluster that exists."},

		{Path: "users", Doc: "Accounts on every node, and in the cluster where they have a role.", Max: 32},
		{Path: "users[].name", Doc: "Account name.", Pattern: `[a-z_][a-z0-9_-]{0,31}`, Says: "1 to 32 lower-case letters, digits, _ and -, a letter or _ first", Required: true, Taken: spelling.Account},
		{Path: "users[].full_name", Doc: "For people.", Pattern: `[^:\n]*`, Says: "text without a colon"},
		{Path: "users[].sudo", Doc: "`password`: everything, with the account's own password (mkimage invents one and keeps it in the keyring if `password_hash` is empty). `nopasswd`: everything, unasked. `none`: nothing.", Enum: []string{"none", "password", "nopasswd"}},
		{Path: "users[].keys", Doc: "OpenSSH public keys, one a line. Accounts log in with a key only.", Max: 32},
		{Path: "users[].key_files", Doc: "Files with public keys on the builder; `~` is the home directory. mkimage reads them, nodes never see the names.", Max: 32},
		{Path: "users[].proxmox_role", Doc: "Role of `<name>@pam` on the whole cluster, such as `Administrator`; empty for none.", Pattern: `[A-Za-z][A-Za-z0-9_-]{0,63}`, Says: "the name of a role, such as Administrator"},
		{Path: "users[].password_hash", Doc: "crypt(3) hash of the account's password, for sudo and the web interface; never for SSH.", Pattern: `\$(y|7|6|5|2b)\$[./A-Za-z0-9$,=]+`, Says: "a crypt(3) hash such as mkpasswd prints; never the password itself"},
	}
}

// serviceKeys are those of what the nodes do together.
func serviceKeys() []form.Key {
	return []form.Key{
		{Path: "ceph.enabled", Doc: "Whether the nodes make a Ceph cluster of their OSD disks."},
		{Path: "ceph.encrypted", Doc: "Whether OSDs are made with dm-crypt. Their keys lie with the monitors, so a disk that leaves the house tells nothing, and a whole node that does tells all. OSDs that are there already stay as they are."},
		{Path: "ceph.version", Doc: "Ceph release. Left out, it is the one that the release of Proxmox VE has as its default: " + cephDefaults() + ".", Enum: []string{"squid", "tentacle"}},
		{Path: "ceph.repository", Doc: "Where Ceph's packages come from; `manual` leaves that to you, which 9.0 does not know.", Enum: []string{"no-subscription", "enterprise", "manual"}},
		{Path: "ceph.network", Doc: "Another word for `ceph.public_network`.", Enum: []string{NetworkRing, NetworkLAN}},
		{Path: "ceph.public_network", Doc: "Where clients reach monitors and OSDs: `ring` or `lan`, or that network as it stands in the profile. `ring`: the ring's full speed, and storage that ends with the ring. `lan`: as slow as the LAN, and storage that outlives a dead ring. Left out: `ring`.", Pattern: netForm, Says: netSays},
		{Path: "ceph.cluster_network", Doc: "Where OSDs make their copies, in the same words. Left out: `ring`. All of Ceph over the LAN is refused where there is a ring.", Pattern: netForm, Says: netSays},
		{Path: "ceph.pool", Doc: "Name of the pool for disks of guests, and of its storage.", Pattern: `[a-z][a-z0-9_-]{0,30}`, Says: "1 to 31 lower-case letters, digits, _ and -, a letter first", Taken: spelling.Pool},
		{Path: "ceph.pg_num", Doc: "Placement groups to begin with, a power of two; the autoscaler goes on from there.", Min: 1, Max: 256},
		{Path: "ceph.cephfs", Doc: "Whether to make a CephFS for ISO images and templates as well."},
		{Path: "ceph.min_osds", Doc: "OSDs on each node below which the step waits.", Min: 1, Max: 16},

		{Path: "ceph.target_size_ratio", Doc: "How much of the storage the pool will fill at last, at most 1: the autoscaler then gives it its placement groups at once, and does not move data for that later. Left out: it goes by what is stored.", Max: 1},
		{Path: "ceph.osd_memory_target", Doc: "How much memory each OSD aims at, GiB, 1 to 64, or `auto`: a fifth of the machine's memory shared by its OSDs, which is what Ceph advises where guests run on the same machine, from 2 GiB, below which Ceph advises against it, to 8. It is a target and no limit. Left out: Ceph's own 4 GiB. What is more than half of the machine's memory for all its OSDs is named as a risk.", Pattern: `auto|[1-9]|[1-5][0-9]|6[0-4]`, Says: "auto, or whole GiB from 1 to 64", Number: true},
		{Path: "ceph.db_size", Doc: "Size of each OSD's database on `db_disk`, GiB. Left out: a tenth of the OSD's disk, as `pveceph` has it; for guests' disks 1 to 4 % of it are enough.", Min: 1, Max: 65536},
		{Path: "ceph.wal_size", Doc: "Size of each OSD's log on `wal_disk`, GiB. Left out: a hundredth of the OSD's disk, as `pveceph` has it.", Min: 1, Max: 65536},

		{Path: "ha.enabled", Doc: "Whether to set the cluster's HA options."},
		{Path: "ha.shutdown_policy", Doc: "What happens to HA guests when a node is shut down.", Enum: []string{"migrate", "freeze", "failover", "conditional"}},
		{Path: "ha.migration", Doc: "How a guest moves from node to node: `secure` through an encrypted tunnel, `insecure` as it is, which is several times faster and lets whoever listens on that network read the guest's memory.", Enum: []string{"secure", "insecure"}},
		{Path: "ha.migration_network", Doc: "Over which network a guest moves: `ring` or `lan`, or that network as it stands in the profile. Left out: `ring`.", Pattern: netForm, Says: netSays},
		{Path: "ha.affinity", Doc: "Rules about guests that exist already.", Max: 64},
		{Path: "ha.affinity[].name", Doc: "Name of the rule.", Pattern: `[A-Za-z][A-Za-z0-9_-]{1,63}`, Says: "2 to 64 letters, digits, _ and -, a letter first", Required: true},
		{Path: "ha.affinity[].kind", Doc: "What the rule ties the guests to.", Enum: []string{"node", "resource"}, Required: true},
		{Path: "ha.affinity[].resources", Doc: "Guests.", Pattern: `(vm|ct):[1-9][0-9]{2,8}`, Says: "such as vm:100", Min: 1, Max: 64, Required: true},
		{Path: "ha.affinity[].nodes", Doc: "For kind `node`: nodes, each with an optional priority.", Pattern: label + `(:[0-9]{1,4})?`, Says: "such as frege or frege:2", Max: 16},
		{Path: "ha.affinity[].affinity", Doc: "For kind `resource`: together or apart.", Enum: []string{"positive", "negative"}},

		{Path: "acceptance.bandwidth", Doc: "Consent: measure each link of the ring both ways."},
		{Path: "acceptance.migration", Doc: "Consent: make a tiny guest on Ceph and move it around all nodes."},
		{Path: "acceptance.maintenance", Doc: "Consent: take one node into maintenance and out again."},
		{Path: "acceptance.power_cut", Doc: "Consent: reset one node without warning while it runs the tiny guest, once, in the first acceptance, on the empty cluster. `ask`: consoles, status pages and `peers` say for 60 s which node it is and when; `firstboot accept --no-power-cut` on any node or `peers --no-power-cut` leaves it out, and where nobody says no it is done. A playbook leaves it out.", Enum: []string{string(ConsentNo), string(ConsentYes), string(ConsentAsk)}},
		{Path: "acceptance.seconds", Doc: "Length of each bandwidth run, seconds.", Min: 1, Max: 60},
		{Path: "acceptance.victim", Doc: "Node of the power cut; left out: the last one.", Pattern: label, Says: "the name of a node"},

		{Path: "agent.port", Doc: "TCP port of the channel between the agents.", Min: 1024, Max: 65535},
		{Path: "agent.status_page", Doc: "Whether each node serves a read-only status page over HTTPS: how far it is to anybody, all of it after a login."},
		{Path: "agent.status_port", Doc: "TCP port of the status page.", Min: 1024, Max: 65535},
		{Path: "agent.metrics", Doc: "Whether each node serves metrics for Prometheus at `/metrics` on the port of the status page: ring, peers, drift, versions, clock, wear of disks."},
		{Path: "agent.notify", Doc: "Whether a node tells through Proxmox VE's notifications (as mail to root) when a cable dies or comes back, a peer is gone for five minutes, or something differs from the plan."},
		{Path: "agent.peers", Doc: "Further addresses at which peers are tried, for networks that eat multicast.", Pattern: `[A-Za-z0-9.:\[\]-]+`, Says: "host or host:port", Max: 32},

		{Path: "tuning.irq_affinity", Doc: "Move the ring's interrupts to performance cores."},
		{Path: "tuning.kernel_cmdline", Doc: "Words added to the kernel's command line, such as `intel_iommu=on`.", Pattern: `[A-Za-z0-9_.]+(=[A-Za-z0-9_.,:/=+-]+)?`, Says: "one word such as iommu=pt", Max: 32},
	}
}

func keyTable() map[string]form.Key {
	table := map[string]form.Key{}
	for _, k := range keys() {
		table[k.Path] = k
	}
	return table
}
