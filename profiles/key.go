package profiles

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"ringboot/profiles/diskname"
	"ringboot/profiles/spelling"
)

// key says what one key of a profile may hold. The table of keys is the one
// source of the checks of single values, of the JSON Schema and of the reference in docs/profile.md.
type key struct {
	path     string // nodes[].address
	doc      string // one or two sentences for the reference
	enum     []string
	pattern  string // regular expression of the whole value
	says     string // the pattern in words, for the message
	min, max int    // of a number; both 0: no limit. Of a list: its length
	number   bool   // a word that may be a number as well
	required bool   // must be in the text and not empty
	// rule says what is wrong with a value that has the pattern's form, or "";
	// it replaces the pattern's own message.
	rule func(string) string
	// taken says what is wrong with a value that has the right form, or "".
	taken func(string) string
}

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

// keys returns the table, in the order of the types.
func keys() []key {
	return slices.Concat(clusterKeys(), networkKeys(), nodeKeys(), serviceKeys())
}

// clusterKeys are those of the cluster, of its packages, and of the installation.
func clusterKeys() []key {
	locales := spelling.Shipped()
	return []key{
		{path: "version", doc: "Version of this format.", min: FormatVersion, max: FormatVersion, required: true},

		{path: "cluster.name", doc: "Name of the cluster. Corosync allows 15 characters.", pattern: `[A-Za-z0-9]([A-Za-z0-9-]{0,13}[A-Za-z0-9])?`, says: "1 to 15 letters, digits and inner dashes", required: true},
		{path: "cluster.domain", doc: "DNS domain of the nodes; `frege` becomes `frege.<domain>`.", pattern: label + `(\.` + label + `)*`, says: "lower-case DNS labels joined by dots", required: true},
		{path: "cluster.timezone", doc: "Zone, by its name in zone.tab of the tz database, or `UTC`. The installer takes no other name: not `Etc/UTC`, not `US/Pacific`.", pattern: `[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}`, says: "a name such as Europe/Berlin or UTC", rule: locales.Zone},
		{path: "cluster.keyboard", doc: "Keyboard layout of the console.", enum: slices.Sorted(maps.Keys(locales.Keyboards)), rule: locales.Keyboard},
		{path: "cluster.country", doc: "Country, ISO 3166 alpha-2 in lower case; the installer picks mirrors and zones by it.", pattern: `[a-z]{2}`, says: "two lower-case letters", rule: locales.Country},
		{path: "cluster.mail", doc: "Where the nodes send mail for root.", pattern: spelling.MailForm, says: "an address such as admin@example.org", required: true, taken: spelling.Mail},

		{path: "cluster.smarthost", doc: "Mail server that takes the mail of all nodes (Postfix's `relayhost`), without a password. Left out: each node sends it itself, or as you set it.", pattern: hostPort, says: "a host or host:port, such as mail.example.org:25"},

		{path: "proxmox.version", doc: "Release and ISO release of Proxmox VE, " + releaseNames() + ". A later 9.x is treated as the newest of them, and named as a risk. All nodes get the same.", pattern: `9\.[0-9]+-[0-9]+`, says: "a release and its ISO, such as 9.2-1", rule: checkVersion},
		{path: "proxmox.repository", doc: "Where updates come from. `enterprise` needs a subscription; `none` leaves the repositories as they are.", enum: []string{"no-subscription", "enterprise", "none"}},
		{path: "proxmox.update", doc: "Which packages the nodes form the cluster with. `latest`: each node first updates itself to what the repositories have, and stays with what it has, as a risk, where it cannot reach them. `installed`: what the medium brought. A node that is in the cluster is never updated by itself.", enum: []string{UpdateLatest, UpdateInstalled}},

		{path: "proxmox.proxy", doc: "HTTP proxy, or a cache of packages, through which apt of every node and Proxmox VE go out. It takes no name and password: every node and every reader of the profile would know them.", pattern: `http://` + hostPort + `/?`, says: "such as http://10.203.3.5:3142"},
		{path: "proxmox.mirror", doc: "Mirror of Proxmox's packages in place of `http://download.proxmox.com/debian`: below it lie `pve` and, for Ceph, `ceph-squid` and `ceph-tentacle`. For `no-subscription`. Debian's own sources stay as the installer wrote them, and a mirror that the profile no longer names stays, too.", pattern: `https?://` + hostPort + `(/[A-Za-z0-9._~-]+)*`, says: "such as http://mirror.example.org/proxmox, without a slash at the end"},

		{path: "install.filesystem", doc: "File system of the system's disk. With `(raid1)` it is a mirror of two, `root_disk` and `mirror_disk`, each of which is enough to start from; both are erased. They may differ in size by a tenth.", enum: layoutNames(anyLayout)},
		{path: "install.size", doc: "How much of its disk, or of each disk of a mirror, the system takes, GiB. What is left stays free: for an OSD with `osd_disks: [rest]`, or for you. Left out: the whole disk.", min: 16, max: 65536},
		{path: "install.after_install", doc: "What a machine does when it is installed. With `power-off` a stick that stays in cannot start a second installation.", enum: []string{"reboot", "power-off"}},
	}
}

// networkKeys are those of both networks.
func networkKeys() []key {
	return []key{
		{path: "management.prefix", doc: "The management network (IPv4, CIDR). People, corosync's first link and updates use it.", required: true},
		{path: "management.gateway", doc: "Default gateway, in `management.prefix`.", required: true},
		{path: "management.prefix6", doc: "IPv6 network of the same cable (CIDR), where the nodes have such addresses as well. The cluster speaks IPv4; people and updates may use either."},
		{path: "management.gateway6", doc: "IPv6 gateway, in `management.prefix6` or link-local. Left out: the one that routers announce."},
		{path: "management.dns", doc: "Name servers.", min: 1, max: 3, required: true},
		{path: "management.allow_single_port", doc: "Consent to a management bond of one port. The network is then not redundant, and the report says so."},
		{path: "management.keep", doc: "Consent to the network that the machines have, for machines that were installed by hand: the agent checks address and gateway and changes nothing. Whether it is redundant is then yours to know, and the report says so."},
		{path: "management.ntp", doc: "Time servers; none means Debian's pool. Each node also takes the founder's clock, so that nodes without a way out agree.", pattern: `[A-Za-z0-9.:-]+`, says: "a host name or an address", taken: spelling.TimeServer},

		{path: "management.vlan", doc: "VLAN tag of the management network on the ports; 0 means untagged. The installer knows no tags, so a node reaches the network from its first start on. The bridge carries that VLAN alone; it does not go with `vlan_aware`.", min: 0, max: 4094},
		{path: "management.vlan_aware", doc: "Whether guests on the bridge may have tags of their own; the node's own address is untagged."},
		{path: "management.bond", doc: "How the ports form one: `active-backup` needs nothing at the switch, `802.3ad` (LACP) must be set there as well. Left out: `active-backup`.", enum: bondModes()},
		{path: "management.mtu", doc: "MTU of ports, bond and bridge, bytes; the switch must pass it. Left out: as it is, which is 1500.", min: 1280, max: 9702},

		{path: "ring.transport", doc: "What the ring is made of: " + transportTitles() + ".", enum: transportNames()},
		{path: "ring.prefix", doc: "The ring's network (IPv4, CIDR). Each node has one address of it: with cables a /32 on the loopback device and on all ring ports, on a switch an address on its port. With `none` it is left out: it is `management.prefix`.", required: true},
		{path: "ring.mtu", doc: "MTU of every ring port, bytes. 65520 suits Thunderbolt, 9000 a DAC; it must be equal everywhere. With `none` it is that of the management network unless written.", min: 1280, max: 65520},
		{path: "ring.routing", doc: "`static`: routes kept by the agent. `openfabric`: FRR OpenFabric above them.", enum: []string{"static", "openfabric"}},
		{path: "ring.vlan", doc: "For `switch`: the VLAN tag of the storage network; 0 means untagged. The switch must let it pass at the ports of all nodes.", min: 0, max: 4094},
		{path: "ring.bond", doc: "For `switch` with two ports: how they form one. `802.3ad` (LACP) must be set at the switch as well. Left out: `active-backup`.", enum: bondModes()},
		{path: "ring.chain", doc: "For `thunderbolt` and `ethernet`: consent to a ring that lacks a cable, and the name of the node in its middle, which alone has two. Each of the others needs one port; a second one may stay free. There is then no way round: a dead cable cuts a node off, and Ceph stands still while the middle is down. Every command prints it as a risk.", pattern: label, says: "the name of a node"},
		{path: "ring.keep_host", doc: "Do not reset the Thunderbolt controllers when their driver is loaded (`thunderbolt.host_reset=0`). For machines whose ports stay dead after a restart until a cable is plugged anew. What the firmware made of them then stays as well, and a link may take 90 to 110 s to return."},
		{path: "ring.ports", doc: "The ring ports of each node: two in a ring (see `ring.chain` for fewer), one to each other node in a mesh, one or two on a switch, none with `none`. A node with other ports has its own `ring_ports`.", max: 3},
		{path: "ring.ports[].name", doc: "Name that the port gets.", pattern: `[a-z][a-z0-9]{1,14}`, says: "2 to 15 lower-case letters and digits, a letter first", required: true, taken: spelling.PortName},
		{path: "ring.ports[].path", doc: "PCI path of the port as udev writes it. This is how Thunderbolt ports are found.", pattern: pathForm, says: "as udev's ID_PATH, such as pci-0000:00:0d.2", taken: spelling.PortPath},
		{path: "ring.ports[].port", doc: "For a Thunderbolt controller that has two ports: 1 or 3, as `ls /sys/bus/thunderbolt/devices` shows it behind the dash (`0-1`, `0-3`). Both ports then have the same `path`.", min: 1, max: 15},
		{path: "ring.ports[].mac", doc: "Hardware address of the port. Thunderbolt addresses change, so it is for `ethernet` only.", pattern: macForm, says: "six hexadecimal pairs, such as 58:47:ca:00:00:01", taken: spelling.MAC},
		{path: "ring.ports[].interface", doc: "Kernel's name of the port, for rehearsals.", pattern: nicForm, says: "a network device's name"},
		{path: "ring.ports[].driver", doc: "Kernel driver that the port must have.", pattern: `[a-z0-9_-]{1,32}`, says: "a driver's name, such as i40e"},
	}
}

// nodeKeys are those of machines and people.
func nodeKeys() []key {
	return []key{
		{path: "nodes", doc: "The machines, the founder first: three in a ring, three or four in a mesh, three to sixteen on a switch or with `none`. The founder creates the cluster; the order of the others is the order in which they join.", min: fewestNodes, max: 16, required: true},
		{path: "nodes[].name", doc: "Host name.", pattern: label, says: "one lower-case DNS label of at most 63 characters, not all digits", required: true, taken: spelling.Host},
		{path: "nodes[].address", doc: "Address on the management network.", required: true},
		{path: "nodes[].address6", doc: "IPv6 address on the management network beside `address`; all nodes have one, or none."},
		{path: "nodes[].ring", doc: "Address on the ring. Left out, it has the last byte of `address`."},
		{path: "nodes[].machine", doc: "The machine that this node is. Another machine is then never installed as this node."},
		{path: "nodes[].machine.serial", doc: "Serial number that the firmware gives the machine (`product_serial` of DMI), exact."},
		{path: "nodes[].machine.uuid", doc: "UUID that the firmware gives the machine (`product_uuid` of DMI).", pattern: `[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}`, says: "a UUID such as 03000200-0400-0500-0006-000700080009"},
		{path: "nodes[].root_disk", doc: "The disk that is erased and gets the system. Exactly one of its keys is set. Left out: the only blank disk of the smallest size, which is looked for on the machine before anything is erased."},
		{path: "nodes[].root_disk.serial", doc: "Serial number as `udevadm info` shows it (`ID_SERIAL_SHORT` or `ID_SERIAL`), exact. The safe way. No disk with another serial is erased; two disks behind cheap USB bridges, and two namespaces of one NVMe disk, can have the same.", taken: spelling.Serial},
		{path: "nodes[].root_disk.by_id", doc: "Name below /dev/disk/by-id, of a whole disk. An NVMe disk may have its name with or without the `_1` of its namespace.", pattern: fileForm, says: "a file name without a slash", rule: diskname.CheckByID},
		{path: "nodes[].root_disk.kernel", doc: "Kernel's name, such as `nvme0n1`. Weak: the kernel may count the disks differently next time. Every command prints it as a risk.", pattern: diskname.KernelForm, says: "a whole disk such as nvme0n1 or sda", rule: diskname.CheckKernel},
		{path: "nodes[].mirror_disk", doc: "The second disk of a mirror, for an `install.filesystem` with `(raid1)`: it is erased as `root_disk` is, and both must be named."},
		{path: "nodes[].mirror_disk.serial", doc: "Serial number, exact.", taken: spelling.Serial},
		{path: "nodes[].mirror_disk.by_id", doc: "As in `root_disk`.", pattern: fileForm, says: "a file name without a slash", rule: diskname.CheckByID},
		{path: "nodes[].mirror_disk.kernel", doc: "As in `root_disk`; weak.", pattern: diskname.KernelForm, says: "a whole disk such as nvme1n1 or sdb", rule: diskname.CheckKernel},
		{path: "nodes[].osd_disks", doc: "The disks that Ceph gets. Left out: every blank disk of at least 100 GB that is built in and not the root disk. Empty: none; at least three nodes must have some. The word `rest` among them is what `install.size` leaves of `root_disk`: it becomes a partition, and the partition an OSD.", max: 16},
		{path: "nodes[].osd_disks[].serial", doc: "Serial number, exact.", taken: spelling.Serial},
		{path: "nodes[].osd_disks[].by_id", doc: "Name below /dev/disk/by-id, of a whole disk. An NVMe disk may have its name with or without the `_1` of its namespace.", pattern: fileForm, says: "a file name without a slash", rule: diskname.CheckByID},
		{path: "nodes[].osd_disks[].kernel", doc: "Kernel's name; weak.", pattern: diskname.KernelForm, says: "a whole disk such as nvme1n1 or sdb", rule: diskname.CheckKernel},
		{path: "nodes[].db_disk", doc: "A faster disk that takes the databases (RocksDB, with its log) of this node's OSDs, a volume of `ceph.db_size` for each. All of them end with it. It must be blank, or on `wipe`; OSDs that are there already stay as they are."},
		{path: "nodes[].db_disk.serial", doc: "Serial number, exact.", taken: spelling.Serial},
		{path: "nodes[].db_disk.by_id", doc: "As in `root_disk`.", pattern: fileForm, says: "a file name without a slash", rule: diskname.CheckByID},
		{path: "nodes[].db_disk.kernel", doc: "As in `root_disk`; weak.", pattern: diskname.KernelForm, says: "a whole disk such as nvme1n1 or sdb", rule: diskname.CheckKernel},
		{path: "nodes[].wal_disk", doc: "A disk that takes the write-ahead logs of this node's OSDs alone, where it is faster than `db_disk`, which has them otherwise. As with that, all of them end with it."},
		{path: "nodes[].wal_disk.serial", doc: "Serial number, exact.", taken: spelling.Serial},
		{path: "nodes[].wal_disk.by_id", doc: "As in `root_disk`.", pattern: fileForm, says: "a file name without a slash", rule: diskname.CheckByID},
		{path: "nodes[].wal_disk.kernel", doc: "As in `root_disk`; weak.", pattern: diskname.KernelForm, says: "a whole disk such as nvme1n1 or sdb", rule: diskname.CheckKernel},
		{path: "nodes[].ports", doc: "Management ports, the preferred one first; they form a bond, as `management.bond` says.", min: 1, max: 4, required: true},
		{path: "nodes[].ports[].mac", doc: "Hardware address. The safe way.", pattern: macForm, says: "six hexadecimal pairs, such as 58:47:ca:00:00:01", taken: spelling.MAC},
		{path: "nodes[].ports[].path", doc: "PCI path as udev writes it.", pattern: pathForm, says: "as udev's ID_PATH, such as pci-0000:57:00.0", taken: spelling.PortPath},
		{path: "nodes[].ports[].interface", doc: "Kernel's name. Bus numbers move with the number of NVMe disks; prefer `mac`.", pattern: nicForm, says: "a network device's name", taken: spelling.Port},
		{path: "nodes[].ports[].driver", doc: "Every port of this driver, found by the node itself. For machines whose addresses are not known yet.", pattern: `[a-z0-9_-]{1,32}`, says: "a driver's name, such as igc"},
		{path: "nodes[].ring_ports", doc: "The ring ports of this node, where they differ from `ring.ports`.", max: 3},
		{path: "nodes[].ring_ports[].name", doc: "As in `ring.ports`.", pattern: `[a-z][a-z0-9]{1,14}`, says: "2 to 15 lower-case letters and digits, a letter first", required: true, taken: spelling.PortName},
		{path: "nodes[].ring_ports[].path", doc: "As in `ring.ports`.", pattern: pathForm, says: "as udev's ID_PATH, such as pci-0000:00:0d.2", taken: spelling.PortPath},
		{path: "nodes[].ring_ports[].port", doc: "As in `ring.ports`.", min: 1, max: 15},
		{path: "nodes[].ring_ports[].mac", doc: "As in `ring.ports`.", pattern: macForm, says: "six hexadecimal pairs, such as 58:47:ca:00:00:01", taken: spelling.MAC},
		{path: "nodes[].ring_ports[].interface", doc: "As in `ring.ports`.", pattern: nicForm, says: "a network device's name"},
		{path: "nodes[].ring_ports[].driver", doc: "As in `ring.ports`.", pattern: `[a-z0-9_-]{1,32}`, says: "a driver's name, such as i40e"},
		{path: "nodes[].subscription", doc: "Key of this machine's subscription; it is entered while the node is formed. Where Proxmox's shop cannot be asked, or refuses it, the cluster is formed all the same, and the report says so.", pattern: `pve[0-9]+[cbsp]-[0-9a-f]{10}`, says: "such as pve2c-0123456789"},
		{path: "nodes[].wipe", doc: "Serial numbers of used disks that may be erased for Ceph. Without this consent a used disk is only named, never touched.", max: 16},
		{path: "nodes[].added", doc: "Whether the node came to a cluster that had been formed. `mkimage add-node` writes it: the key of such a node counts once root on a member has admitted it. Take it out of a profile from which a whole cluster is made anew."},
		{path: "nodes[].replace", doc: "Consent: this machine takes the place of a lost one of the same name in a cluster that exists."},

		{path: "users", doc: "Accounts on every node, and in the cluster where they have a role.", max: 32},
		{path: "users[].name", doc: "Account name.", pattern: `[a-z_][a-z0-9_-]{0,31}`, says: "1 to 32 lower-case letters, digits, _ and -, a letter or _ first", required: true, taken: spelling.Account},
		{path: "users[].full_name", doc: "For people.", pattern: `[^:\n]*`, says: "text without a colon"},
		{path: "users[].sudo", doc: "`password`: everything, with the account's own password (mkimage invents one and keeps it in the keyring if `password_hash` is empty). `nopasswd`: everything, unasked. `none`: nothing.", enum: []string{"none", "password", "nopasswd"}},
		{path: "users[].keys", doc: "OpenSSH public keys, one a line. Accounts log in with a key only.", max: 32},
		{path: "users[].key_files", doc: "Files with public keys on the builder; `~` is the home directory. mkimage reads them, nodes never see the names.", max: 32},
		{path: "users[].proxmox_role", doc: "Role of `<name>@pam` on the whole cluster, such as `Administrator`; empty for none.", pattern: `[A-Za-z][A-Za-z0-9_-]{0,63}`, says: "the name of a role, such as Administrator"},
		{path: "users[].password_hash", doc: "crypt(3) hash of the account's password, for sudo and the web interface; never for SSH.", pattern: `\$(y|7|6|5|2b)\$[./A-Za-z0-9$,=]+`, says: "a crypt(3) hash such as mkpasswd prints; never the password itself"},
	}
}

// serviceKeys are those of what the nodes do together.
func serviceKeys() []key {
	return []key{
		{path: "ceph.enabled", doc: "Whether the nodes make a Ceph cluster of their OSD disks."},
		{path: "ceph.encrypted", doc: "Whether OSDs are made with dm-crypt. Their keys lie with the monitors, so a disk that leaves the house tells nothing, and a whole node that does tells all. OSDs that are there already stay as they are."},
		{path: "ceph.version", doc: "Ceph release. Left out, it is the one that the release of Proxmox VE has as its default: `squid` on 9.0 and 9.1, which know no other, and `tentacle` on 9.2.", enum: []string{"squid", "tentacle"}},
		{path: "ceph.repository", doc: "Where Ceph's packages come from; `manual` leaves that to you, which 9.0 does not know.", enum: []string{"no-subscription", "enterprise", "manual"}},
		{path: "ceph.network", doc: "Another word for `ceph.public_network`.", enum: []string{NetworkRing, NetworkLAN}},
		{path: "ceph.public_network", doc: "Where clients reach monitors and OSDs: `ring` or `lan`, or that network as it stands in the profile. `ring`: the ring's full speed, and storage that ends with the ring. `lan`: as slow as the LAN, and storage that outlives a dead ring. Left out: `ring`.", pattern: netForm, says: netSays},
		{path: "ceph.cluster_network", doc: "Where OSDs make their copies, in the same words. Left out: `ring`. All of Ceph over the LAN is refused where there is a ring.", pattern: netForm, says: netSays},
		{path: "ceph.pool", doc: "Name of the pool for disks of guests, and of its storage.", pattern: `[a-z][a-z0-9_-]{0,30}`, says: "1 to 31 lower-case letters, digits, _ and -, a letter first", taken: spelling.Pool},
		{path: "ceph.pg_num", doc: "Placement groups to begin with, a power of two; the autoscaler goes on from there.", min: 1, max: 256},
		{path: "ceph.cephfs", doc: "Whether to make a CephFS for ISO images and templates as well."},
		{path: "ceph.min_osds", doc: "OSDs on each node below which the step waits.", min: 1, max: 16},

		{path: "ceph.target_size_ratio", doc: "How much of the storage the pool will fill at last, at most 1: the autoscaler then gives it its placement groups at once, and does not move data for that later. Left out: it goes by what is stored.", max: 1},
		{path: "ceph.osd_memory_target", doc: "How much memory each OSD aims at, GiB, 1 to 64, or `auto`: a fifth of the machine's memory shared by its OSDs, which is what Ceph advises where guests run on the same machine, from 2 GiB, below which Ceph advises against it, to 8. It is a target and no limit. Left out: Ceph's own 4 GiB. What is more than half of the machine's memory for all its OSDs is named as a risk.", pattern: `auto|[1-9]|[1-5][0-9]|6[0-4]`, says: "auto, or whole GiB from 1 to 64", number: true},
		{path: "ceph.db_size", doc: "Size of each OSD's database on `db_disk`, GiB. Left out: a tenth of the OSD's disk, as `pveceph` has it; for guests' disks 1 to 4 % of it are enough.", min: 1, max: 65536},
		{path: "ceph.wal_size", doc: "Size of each OSD's log on `wal_disk`, GiB. Left out: a hundredth of the OSD's disk, as `pveceph` has it.", min: 1, max: 65536},

		{path: "ha.enabled", doc: "Whether to set the cluster's HA options."},
		{path: "ha.shutdown_policy", doc: "What happens to HA guests when a node is shut down.", enum: []string{"migrate", "freeze", "failover", "conditional"}},
		{path: "ha.migration", doc: "How a guest moves from node to node: `secure` through an encrypted tunnel, `insecure` as it is, which is several times faster and lets whoever listens on that network read the guest's memory.", enum: []string{"secure", "insecure"}},
		{path: "ha.migration_network", doc: "Over which network a guest moves: `ring` or `lan`, or that network as it stands in the profile. Left out: `ring`.", pattern: netForm, says: netSays},
		{path: "ha.affinity", doc: "Rules about guests that exist already.", max: 64},
		{path: "ha.affinity[].name", doc: "Name of the rule.", pattern: `[A-Za-z][A-Za-z0-9_-]{1,63}`, says: "2 to 64 letters, digits, _ and -, a letter first", required: true},
		{path: "ha.affinity[].kind", doc: "What the rule ties the guests to.", enum: []string{"node", "resource"}, required: true},
		{path: "ha.affinity[].resources", doc: "Guests.", pattern: `(vm|ct):[1-9][0-9]{2,8}`, says: "such as vm:100", min: 1, max: 64, required: true},
		{path: "ha.affinity[].nodes", doc: "For kind `node`: nodes, each with an optional priority.", pattern: label + `(:[0-9]{1,4})?`, says: "such as frege or frege:2", max: 16},
		{path: "ha.affinity[].affinity", doc: "For kind `resource`: together or apart.", enum: []string{"positive", "negative"}},

		{path: "acceptance.bandwidth", doc: "Consent: measure each link of the ring both ways."},
		{path: "acceptance.migration", doc: "Consent: make a tiny guest on Ceph and move it around all nodes."},
		{path: "acceptance.maintenance", doc: "Consent: take one node into maintenance and out again."},
		{path: "acceptance.power_cut", doc: "Consent: reset one node without warning while it runs the tiny guest, once, in the first acceptance, on the empty cluster. `ask`: consoles, status pages and `peers` say for 60 s which node it is and when; `firstboot accept --no-power-cut` on any node or `peers --no-power-cut` leaves it out, and where nobody says no it is done. A playbook leaves it out.", enum: []string{string(ConsentNo), string(ConsentYes), string(ConsentAsk)}},
		{path: "acceptance.seconds", doc: "Length of each bandwidth run, seconds.", min: 1, max: 60},
		{path: "acceptance.victim", doc: "Node of the power cut; left out: the last one.", pattern: label, says: "the name of a node"},

		{path: "agent.port", doc: "TCP port of the channel between the agents.", min: 1024, max: 65535},
		{path: "agent.status_page", doc: "Whether each node serves a read-only status page over HTTPS: how far it is to anybody, all of it after a login."},
		{path: "agent.status_port", doc: "TCP port of the status page.", min: 1024, max: 65535},
		{path: "agent.metrics", doc: "Whether each node serves metrics for Prometheus at `/metrics` on the port of the status page: ring, peers, drift, versions, clock, wear of disks."},
		{path: "agent.notify", doc: "Whether a node tells through Proxmox VE's notifications (as mail to root) when a cable dies or comes back, a peer is gone for five minutes, or something differs from the plan."},
		{path: "agent.peers", doc: "Further addresses at which peers are tried, for networks that eat multicast.", pattern: `[A-Za-z0-9.:\[\]-]+`, says: "host or host:port", max: 32},

		{path: "tuning.irq_affinity", doc: "Move the ring's interrupts to performance cores."},
		{path: "tuning.kernel_cmdline", doc: "Words added to the kernel's command line, such as `intel_iommu=on`.", pattern: `[A-Za-z0-9_.]+(=[A-Za-z0-9_.,:/=+-]+)?`, says: "one word such as iommu=pt", max: 32},
	}
}

func keyTable() map[string]key {
	table := map[string]key{}
	for _, k := range keys() {
		table[k.path] = k
	}
	return table
}

// check returns what is wrong with a scalar value, or "".
func (k key) check(value string) string {
	if value == "" {
		return ""
	}
	if k.rule != nil {
		return k.rule(value)
	}
	if len(k.enum) > 0 {
		for _, e := range k.enum {
			if e == value {
				return ""
			}
		}
		text := quote(value) + " is not known; allowed: " + strings.Join(k.enum, ", ")
		if near := spelling.Nearest(value, k.enum); near != "" {
			text += "; did you mean " + near + "?"
		}
		return text
	}
	if k.pattern != "" && !matches(k.pattern, value) {
		return quote(value) + " is not allowed; write " + k.says
	}
	if k.taken != nil {
		return k.taken(value)
	}
	return ""
}

// compiled are the patterns that were asked for, by their text: a profile is read
// more often than there are keys.
var compiled sync.Map

// matches reports whether a pattern is that of the whole value.
func matches(pattern, value string) bool {
	re, ok := compiled.Load(pattern)
	if !ok {
		re, _ = compiled.LoadOrStore(pattern, regexp.MustCompile(`^(?:`+pattern+`)$`))
	}
	return re.(*regexp.Regexp).MatchString(value)
}

func quote(s string) string { return `"` + s + `"` }

var index = regexp.MustCompile(`\[\d+\]`)

// generic turns nodes[2].address into nodes[].address.
func generic(path string) string { return index.ReplaceAllString(path, "[]") }

// yamlName is the key of a struct's field.
func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

// fields are those of a struct that have a key, in their order.
func fields(t reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return yamlName(f) == "-" })
}
