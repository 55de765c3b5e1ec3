package profiles

import (
	"reflect"
	"regexp"
	"strings"
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
	required bool   // must be in the text and not empty
}

const (
	label    = `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`
	macForm  = `([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}`
	pathForm = `pci-[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7].*`
	nicForm  = `[a-zA-Z][a-zA-Z0-9_.-]{0,14}`
	fileForm = `[^/\x00]+`
)

var keyboards = strings.Fields("de de-ch dk en-gb en-us es fi fr fr-be fr-ca fr-ch hu is it jp lt mk nl no pl pt pt-br se si tr")

// keys returns the table, in the order of the types.
func keys() []key {
	return []key{
		{path: "version", doc: "Version of this format.", min: FormatVersion, max: FormatVersion, required: true},

		{path: "cluster.name", doc: "Name of the cluster. Corosync allows 15 characters.", pattern: `[A-Za-z0-9]([A-Za-z0-9-]{0,13}[A-Za-z0-9])?`, says: "1 to 15 letters, digits and inner dashes", required: true},
		{path: "cluster.domain", doc: "DNS domain of the nodes; `frege` becomes `frege.<domain>`.", pattern: label + `(\.` + label + `)*`, says: "lower-case DNS labels joined by dots", required: true},
		{path: "cluster.timezone", doc: "Zone of the tz database, or `UTC`.", pattern: `[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}`, says: "a name such as Europe/Berlin or UTC"},
		{path: "cluster.keyboard", doc: "Keyboard layout of the console.", enum: keyboards},
		{path: "cluster.country", doc: "Country, ISO 3166 alpha-2 in lower case; the installer picks mirrors and zones by it.", pattern: `[a-z]{2}`, says: "two lower-case letters"},
		{path: "cluster.mail", doc: "Where the nodes send mail for root.", pattern: `[^@\s]+@[^@\s]+\.[^@\s.]+`, says: "an address such as admin@example.org", required: true},

		{path: "proxmox.version", doc: "Release and ISO release of Proxmox VE, 8.4-1 to 9.x. All nodes get the same; nodes of another version are never joined.", pattern: `(8\.4|9\.[0-9]+)-[0-9]+`, says: "8.4-1 to 9.x, such as 9.2-1"},
		{path: "proxmox.repository", doc: "Where updates come from. `enterprise` needs a subscription; `none` leaves the repositories as they are.", enum: []string{"no-subscription", "enterprise", "none"}},

		{path: "install.filesystem", doc: "File system of the root disk.", enum: []string{"ext4", "xfs", "zfs", "btrfs"}},
		{path: "install.after_install", doc: "What a machine does when it is installed. With `power-off` a stick that stays in cannot start a second installation.", enum: []string{"reboot", "power-off"}},

		{path: "management.prefix", doc: "The management network (IPv4, CIDR). People, corosync's first link and updates use it.", required: true},
		{path: "management.gateway", doc: "Default gateway, in `management.prefix`.", required: true},
		{path: "management.dns", doc: "Name servers.", min: 1, max: 3, required: true},
		{path: "management.allow_single_port", doc: "Consent to a management bond of one port. The network is then not redundant, and the report says so."},
		{path: "management.keep", doc: "Consent to the network that the machines have, for machines that were installed by hand: the agent checks address and gateway and changes nothing. Whether it is redundant is then yours to know, and the report says so."},
		{path: "management.ntp", doc: "Time servers; none means Debian's pool. Each node also takes the founder's clock, so that nodes without a way out agree.", pattern: `[A-Za-z0-9.:-]+`, says: "a host name or an address"},

		{path: "ring.transport", doc: "What the ring is made of: `thunderbolt` (USB4 cables) or `ethernet` (SFP+ DAC cables, and rehearsals).", enum: []string{TransportThunderbolt, TransportEthernet}},
		{path: "ring.prefix", doc: "The ring's network (IPv4, CIDR). Each node has one /32 of it on the loopback device and on both ports.", required: true},
		{path: "ring.mtu", doc: "MTU of every ring port, bytes. 65520 suits Thunderbolt, 9000 a DAC; it must be equal everywhere.", min: 1280, max: 65520},
		{path: "ring.routing", doc: "`static`: routes kept by the agent. `openfabric`: FRR OpenFabric above them.", enum: []string{"static", "openfabric"}},
		{path: "ring.ports", doc: "The two ring ports of each node. A node with other ports has its own `ring_ports`.", min: 2, max: 2},
		{path: "ring.ports[].name", doc: "Name that the port gets.", pattern: `[a-z][a-z0-9]{1,14}`, says: "2 to 15 lower-case letters and digits, a letter first", required: true},
		{path: "ring.ports[].path", doc: "PCI path of the port as udev writes it. This is how Thunderbolt ports are found.", pattern: pathForm, says: "as udev's ID_PATH, such as pci-0000:00:0d.2"},
		{path: "ring.ports[].mac", doc: "Hardware address of the port. Thunderbolt addresses change, so it is for `ethernet` only.", pattern: macForm, says: "six hexadecimal pairs, such as 58:47:ca:00:00:01"},
		{path: "ring.ports[].interface", doc: "Kernel's name of the port, for rehearsals.", pattern: nicForm, says: "a network device's name"},
		{path: "ring.ports[].driver", doc: "Kernel driver that the port must have.", pattern: `[a-z0-9_-]{1,32}`, says: "a driver's name, such as i40e"},

		{path: "nodes", doc: "The three machines, the founder first. The founder creates the cluster; the order of the others is the order in which they join.", min: 3, max: 3, required: true},
		{path: "nodes[].name", doc: "Host name.", pattern: label, says: "one lower-case DNS label of at most 63 characters, not all digits", required: true},
		{path: "nodes[].address", doc: "Address on the management network.", required: true},
		{path: "nodes[].ring", doc: "Address on the ring. Left out, it has the last byte of `address`."},
		{path: "nodes[].root_disk", doc: "The disk that is erased and gets the system. Exactly one of its keys is set.", required: true},
		{path: "nodes[].root_disk.serial", doc: "Serial number as `udevadm info` shows it (`ID_SERIAL_SHORT` or `ID_SERIAL`), exact. The safe way."},
		{path: "nodes[].root_disk.by_id", doc: "Name below /dev/disk/by-id.", pattern: fileForm, says: "a file name without a slash"},
		{path: "nodes[].root_disk.kernel", doc: "Kernel's name, such as `nvme0n1`. Weak: the kernel may count the disks differently next time. Every command prints it as a risk.", pattern: `(nvme[0-9]+n[0-9]+|[svh]d[a-z]+|mmcblk[0-9]+)`, says: "a whole disk such as nvme0n1 or sda"},
		{path: "nodes[].osd_disks", doc: "The disks that Ceph gets. Left out: every blank disk of at least 100 GB that is not the root disk.", max: 16},
		{path: "nodes[].osd_disks[].serial", doc: "Serial number, exact."},
		{path: "nodes[].osd_disks[].by_id", doc: "Name below /dev/disk/by-id.", pattern: fileForm, says: "a file name without a slash"},
		{path: "nodes[].osd_disks[].kernel", doc: "Kernel's name; weak.", pattern: `(nvme[0-9]+n[0-9]+|[svh]d[a-z]+|mmcblk[0-9]+)`, says: "a whole disk such as nvme1n1 or sdb"},
		{path: "nodes[].ports", doc: "Management ports, the preferred one first; they form an active-backup bond.", min: 1, max: 4, required: true},
		{path: "nodes[].ports[].mac", doc: "Hardware address. The safe way.", pattern: macForm, says: "six hexadecimal pairs, such as 58:47:ca:00:00:01"},
		{path: "nodes[].ports[].path", doc: "PCI path as udev writes it.", pattern: pathForm, says: "as udev's ID_PATH, such as pci-0000:57:00.0"},
		{path: "nodes[].ports[].interface", doc: "Kernel's name. Bus numbers move with the number of NVMe disks; prefer `mac`.", pattern: nicForm, says: "a network device's name"},
		{path: "nodes[].ports[].driver", doc: "Every port of this driver, found by the node itself. For machines whose addresses are not known yet.", pattern: `[a-z0-9_-]{1,32}`, says: "a driver's name, such as igc"},
		{path: "nodes[].ring_ports", doc: "The two ring ports of this node, where they differ from `ring.ports`.", max: 2},
		{path: "nodes[].ring_ports[].name", doc: "As in `ring.ports`.", pattern: `[a-z][a-z0-9]{1,14}`, says: "2 to 15 lower-case letters and digits, a letter first", required: true},
		{path: "nodes[].ring_ports[].path", doc: "As in `ring.ports`.", pattern: pathForm, says: "as udev's ID_PATH, such as pci-0000:00:0d.2"},
		{path: "nodes[].ring_ports[].mac", doc: "As in `ring.ports`.", pattern: macForm, says: "six hexadecimal pairs, such as 58:47:ca:00:00:01"},
		{path: "nodes[].ring_ports[].interface", doc: "As in `ring.ports`.", pattern: nicForm, says: "a network device's name"},
		{path: "nodes[].ring_ports[].driver", doc: "As in `ring.ports`.", pattern: `[a-z0-9_-]{1,32}`, says: "a driver's name, such as i40e"},
		{path: "nodes[].wipe", doc: "Serial numbers of used disks that may be erased for Ceph. Without this consent a used disk is only named, never touched.", max: 16},
		{path: "nodes[].replace", doc: "Consent: this machine takes the place of a lost one of the same name in a cluster that exists."},

		{path: "users", doc: "Accounts on every node, and in the cluster where they have a role.", max: 32},
		{path: "users[].name", doc: "Account name.", pattern: `[a-z_][a-z0-9_-]{0,31}`, says: "1 to 32 lower-case letters, digits, _ and -, a letter or _ first", required: true},
		{path: "users[].full_name", doc: "For people.", pattern: `[^:\n]*`, says: "text without a colon"},
		{path: "users[].sudo", doc: "`password`: everything, with the account's own password (mkimage invents one and keeps it in the keyring if `password_hash` is empty). `nopasswd`: everything, unasked. `none`: nothing.", enum: []string{"none", "password", "nopasswd"}},
		{path: "users[].keys", doc: "OpenSSH public keys, one a line. Accounts log in with a key only.", max: 32},
		{path: "users[].key_files", doc: "Files with public keys on the builder; `~` is the home directory. mkimage reads them, nodes never see the names.", max: 32},
		{path: "users[].proxmox_role", doc: "Role of `<name>@pam` on the whole cluster, such as `Administrator`; empty for none.", pattern: `[A-Za-z][A-Za-z0-9_-]{0,63}`, says: "the name of a role, such as Administrator"},
		{path: "users[].password_hash", doc: "crypt(3) hash of the account's password, for sudo and the web interface; never for SSH.", pattern: `\$(y|7|6|5|2b)\$[./A-Za-z0-9$,=]+`, says: "a crypt(3) hash such as mkpasswd prints; never the password itself"},

		{path: "ceph.enabled", doc: "Whether the nodes make a Ceph cluster of their OSD disks."},
		{path: "ceph.version", doc: "Ceph release.", enum: []string{"squid", "tentacle"}},
		{path: "ceph.repository", doc: "Where Ceph's packages come from; `manual` leaves that to you.", enum: []string{"no-subscription", "enterprise", "manual"}},
		{path: "ceph.network", doc: "Where clients reach monitors and OSDs. `ring`: the ring's full speed, and storage that ends with the ring. `lan`: as slow as the LAN, and storage that outlives a dead ring.", enum: []string{"ring", "lan"}},
		{path: "ceph.pool", doc: "Name of the pool for disks of guests, and of its storage.", pattern: `[a-z][a-z0-9_-]{0,30}`, says: "1 to 31 lower-case letters, digits, _ and -, a letter first"},
		{path: "ceph.pg_num", doc: "Placement groups to begin with, a power of two; the autoscaler goes on from there.", min: 1, max: 256},
		{path: "ceph.cephfs", doc: "Whether to make a CephFS for ISO images and templates as well."},
		{path: "ceph.min_osds", doc: "OSDs on each node below which the step waits.", min: 1, max: 16},

		{path: "ha.enabled", doc: "Whether to set the cluster's HA options."},
		{path: "ha.shutdown_policy", doc: "What happens to HA guests when a node is shut down.", enum: []string{"migrate", "freeze", "failover", "conditional"}},
		{path: "ha.affinity", doc: "Rules about guests that exist already.", max: 64},
		{path: "ha.affinity[].name", doc: "Name of the rule.", pattern: `[A-Za-z][A-Za-z0-9_-]{1,63}`, says: "2 to 64 letters, digits, _ and -, a letter first", required: true},
		{path: "ha.affinity[].kind", doc: "What the rule ties the guests to.", enum: []string{"node", "resource"}, required: true},
		{path: "ha.affinity[].resources", doc: "Guests.", pattern: `(vm|ct):[1-9][0-9]{2,8}`, says: "such as vm:100", min: 1, max: 64, required: true},
		{path: "ha.affinity[].nodes", doc: "For kind `node`: nodes, each with an optional priority.", pattern: label + `(:[0-9]{1,4})?`, says: "such as frege or frege:2", max: 3},
		{path: "ha.affinity[].affinity", doc: "For kind `resource`: together or apart.", enum: []string{"positive", "negative"}},

		{path: "acceptance.bandwidth", doc: "Consent: measure each link of the ring both ways."},
		{path: "acceptance.migration", doc: "Consent: make a tiny guest on Ceph and move it around all nodes."},
		{path: "acceptance.maintenance", doc: "Consent: take one node into maintenance and out again."},
		{path: "acceptance.power_cut", doc: "Consent: reset one node without warning while it runs the tiny guest. Off unless you ask for it."},
		{path: "acceptance.seconds", doc: "Length of each bandwidth run, seconds.", min: 1, max: 60},
		{path: "acceptance.victim", doc: "Node of the power cut; left out: the last one.", pattern: label, says: "the name of a node"},

		{path: "agent.port", doc: "TCP port of the channel between the agents.", min: 1024, max: 65535},
		{path: "agent.status_page", doc: "Whether each node serves a read-only status page over HTTPS."},
		{path: "agent.status_port", doc: "TCP port of the status page.", min: 1024, max: 65535},
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
	if len(k.enum) > 0 {
		for _, e := range k.enum {
			if e == value {
				return ""
			}
		}
		text := quote(value) + " is not known; allowed: " + strings.Join(k.enum, ", ")
		if near := Nearest(value, k.enum); near != "" {
			text += "; did you mean " + near + "?"
		}
		return text
	}
	if k.pattern != "" && !regexp.MustCompile(`^(?:`+k.pattern+`)$`).MatchString(value) {
		return quote(value) + " is not allowed; write " + k.says
	}
	return ""
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
