package profiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

// box is one set-up that somebody has described in public, in the words of a profile.
type box struct {
	name    string
	nodes   int
	node    string            // keys of each node, with %d for its number
	keys    map[string]string // sections
	refused []string          // what the message says of each thing that cannot be said; none: it can be said
}

const (
	oneDisk  = "root_disk: {serial: ROOT%[1]d}, ports: [{mac: '58:47:ca:00:00:0%[1]d'}]"
	twoPorts = "root_disk: {serial: ROOT%[1]d}, osd_disks: [{serial: DATA%[1]d}], ports: [{mac: '58:47:ca:00:01:0%[1]d'}, {mac: '58:47:ca:00:02:0%[1]d'}]"
	lan      = "prefix: 192.168.178.0/24, gateway: 192.168.178.1, dns: [192.168.178.1]"
	tb4      = "{transport: thunderbolt, prefix: 10.0.0.0/24, mtu: 65520, ports: [{name: en05, path: 'pci-0000:00:0d.2', driver: thunderbolt-net}, {name: en06, path: 'pci-0000:00:0d.3', driver: thunderbolt-net}]}"
)

func boxes() []box {
	onSwitch := func(more string) string {
		return "{transport: switch, prefix: 10.0.0.0/24, mtu: 9000, ports: [{name: sfp0, interface: sfp0}" + more + "}"
	}
	return []box{
		{"three boxes with Thunderbolt 4", 3, twoPorts, map[string]string{"ring": tb4}, nil},
		{"USB4 of another maker, other PCI paths, MTU 4000", 3, twoPorts, map[string]string{"ring": "{prefix: 10.0.0.0/24, mtu: 4000, ports: [{name: en05, path: 'pci-0000:ca:00.5', driver: thunderbolt-net}, {name: en06, path: 'pci-0000:ca:00.6', driver: thunderbolt-net}]}"}, nil},
		{"one Titan Ridge controller with two ports", 3, twoPorts, map[string]string{"ring": "{prefix: 10.0.0.0/24, mtu: 65520, ports: [{name: en05, path: 'pci-0000:05:00.0', port: 1, driver: thunderbolt-net}, {name: en06, path: 'pci-0000:05:00.0', port: 3, driver: thunderbolt-net}]}"}, nil},
		{"a management port on USB", 3, "root_disk: {serial: ROOT%[1]d}, osd_disks: [{serial: DATA%[1]d}], ports: [{path: 'pci-0000:00:14.0-usb-0:3:1.0'}, {mac: '58:47:ca:00:02:0%[1]d'}]", map[string]string{"ring": tb4}, nil},
		{"four boxes, each with a cable to each other", 4, twoPorts, map[string]string{"ring": "{transport: mesh, prefix: 10.0.0.0/24, mtu: 9000, ports: [{name: sfp0, interface: sfp0}, {name: sfp1, interface: sfp1}, {name: sfp2, interface: sfp2}]}"}, nil},
		{"five boxes on a switch", 5, twoPorts, map[string]string{"ring": onSwitch("]")}, nil},
		{"four boxes, LACP and a VLAN for storage", 4, twoPorts, map[string]string{"ring": onSwitch(", {name: sfp1, interface: sfp1}], vlan: 432, bond: 802.3ad")}, nil},
		{"four boxes with one network for everything", 4, twoPorts, map[string]string{"ring": "{transport: none}"}, nil},
		{"one management port, by consent", 3, "root_disk: {serial: ROOT%[1]d}, osd_disks: [{serial: DATA%[1]d}], ports: [{interface: enp3s0}]", map[string]string{"ring": tb4, "management": "{" + lan + ", allow_single_port: true}"}, nil},
		{"insecure migration over the ring", 3, twoPorts, map[string]string{"ring": tb4, "ha": "{migration: insecure}"}, nil},
		{"VLAN-tagged management, LACP", 3, twoPorts, map[string]string{"ring": tb4, "management": "{" + lan + ", vlan: 16, bond: 802.3ad, mtu: 9000}"}, nil},
		{"a VLAN-aware bridge for guests", 3, twoPorts, map[string]string{"ring": tb4, "management": "{" + lan + ", vlan_aware: true}"}, nil},
		{"a VLAN-aware bridge with a tagged address", 3, twoPorts, map[string]string{"ring": tb4, "management": "{" + lan + ", vlan: 16, vlan_aware: true}"},
			[]string{"management.vlan_aware: does not go with management.vlan, whose bridge carries that VLAN alone"}},
		{"one disk of 200 GB and the rest for system and OSD", 3, "root_disk: {serial: ROOT%[1]d}, osd_disks: [rest], ports: [{mac: '58:47:ca:00:01:0%[1]d'}, {mac: '58:47:ca:00:02:0%[1]d'}]",
			map[string]string{"ring": tb4, "install": "{size: 186}", "ceph": "{encrypted: true}"}, nil},
		{"one disk for system and OSD, by its number", 3, "root_disk: {serial: ROOT%[1]d}, osd_disks: [{serial: ROOT%[1]d}], ports: [{mac: '58:47:ca:00:01:0%[1]d'}, {mac: '58:47:ca:00:02:0%[1]d'}]", map[string]string{"ring": tb4},
			[]string{"nodes[0].osd_disks[0].serial: serial"}},
		{"a ZFS mirror of 200 GB", 3, "root_disk: {serial: ROOT%[1]d}, mirror_disk: {serial: TWIN%[1]d}, osd_disks: [{serial: DATA%[1]d}], ports: [{mac: '58:47:ca:00:01:0%[1]d'}, {mac: '58:47:ca:00:02:0%[1]d'}]",
			map[string]string{"ring": tb4, "install": "{filesystem: zfs (raid1), size: 200}"}, nil},
		{"a ZFS mirror in other words, Ceph on networks apart", 3, twoPorts, map[string]string{"ring": tb4, "install": "{filesystem: zfs, raid: mirror, hdsize: 200}", "ceph": "{public_network: 10.10.0.0/16, cluster_network: 20.20.1.0/24}"},
			[]string{"install.raid: unknown key: is written as install.filesystem: zfs (raid1) or btrfs (raid1), with mirror_disk", "install.hdsize: unknown key: is written as install.size", "ceph.public_network: 10.10.0.0/16 is no network of this profile; write ring (10.0.0.0/24) or lan (192.168.178.0/24)"}},
		{"Ceph on networks apart, guests moving over the LAN", 3, twoPorts, map[string]string{"ring": tb4, "ceph": "{public_network: 192.168.178.0/24, cluster_network: 10.0.0.0/24}", "ha": "{migration: insecure, migration_network: lan}"}, nil},
		{"three boxes in a row, the outer ones with one Thunderbolt port", 3, "ring_ports: [{name: en05, path: 'pci-0000:00:0d.2', driver: thunderbolt-net}], " + twoPorts,
			map[string]string{"ring": tb4},
			[]string{"nodes[0].ring_ports: has one port; a ring needs 2 on each node; or consent to a chain of two cables with ring.chain: and the name of the node in the middle: it knows no way round, and Ceph stands still while that node is down"}},
		{"three boxes in a row, by consent", 3, twoPorts, map[string]string{"ring": strings.TrimSuffix(tb4, "}") + ", chain: pve2}"}, nil},
		{"two boxes", 2, twoPorts, map[string]string{"ring": tb4}, []string{"nodes: has 2 entries, at least 3 are needed"}},
		{"five boxes in a ring", 5, twoPorts, map[string]string{"ring": tb4}, []string{"nodes: has 5 entries, and the transport thunderbolt joins 3 nodes; write ring.transport: switch"}},
		{"a proxy, a mirror, subscription keys, a smarthost, IPv6", 3, "subscription: pve4c-012345678%[1]d, address6: '2001:db8::1%[1]d', " + twoPorts,
			map[string]string{"ring": tb4, "management": "{" + lan + ", prefix6: 2001:db8::/64}", "proxmox": "{proxy: 'http://192.168.178.5:3142', mirror: 'http://192.168.178.5/proxmox'}", "cluster": "{name: gtr, domain: example.org, mail: a@example.org, smarthost: 'mail.example.org:25'}"}, nil},
		{"addresses by DHCP", 3, strings.Replace(twoPorts, "root_disk", "ring: dhcp, root_disk", 1), map[string]string{"ring": tb4},
			[]string{`nodes[0].ring: "dhcp" is not allowed, because corosync, Ceph and the certificates know a node by an address that never changes`}},
		{"DHCP, and one subscription key", 3, twoPorts, map[string]string{"ring": tb4, "management": "{" + lan + ", dhcp: true}", "proxmox": "{subscription_key: pve4c-0123456789}"},
			[]string{"management.dhcp: unknown key: corosync, Ceph and the certificates know a node by an address that never changes", "proxmox.subscription_key: unknown key: a subscription key belongs to one machine; write it as subscription of each node"}},
	}
}

// text is the box as a profile.
func (b box) text() string {
	sections := map[string]string{"cluster": "{name: gtr, domain: example.org, mail: a@example.org}", "management": "{" + lan + "}"}
	for k, v := range b.keys {
		sections[k] = v
	}
	var out strings.Builder
	out.WriteString("version: 1\n")
	for _, k := range []string{"cluster", "proxmox", "install", "management", "ring", "ceph", "ha"} {
		if sections[k] != "" {
			fmt.Fprintf(&out, "%s: %s\n", k, sections[k])
		}
	}
	out.WriteString("nodes:\n")
	for i := 1; i <= b.nodes; i++ {
		fmt.Fprintf(&out, "  - {name: pve%d, address: 192.168.178.%d, "+b.node+"}\n", i, 10+i, i)
	}
	return out.String()
}

// TestBoxesOfOthers takes set-ups that people have described in public: each is
// said, or refused with the reason, and nothing is passed over.
func TestBoxesOfOthers(t *testing.T) {
	said, refused, silent := 0, 0, 0
	for _, b := range boxes() {
		b.written(t)
		p, err := Load("box.yaml", []byte(b.text()))
		switch {
		case len(b.refused) == 0 && err != nil:
			t.Errorf("%s: %v\n%s", b.name, err, b.text())
			silent++
			continue
		case len(b.refused) == 0:
			if len(p.Nodes) != b.nodes {
				t.Errorf("%s: %d nodes", b.name, len(p.Nodes))
			}
			said++
			continue
		case err == nil:
			t.Errorf("%s: taken without a word", b.name)
			silent++
			continue
		}
		for _, want := range b.refused {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s:\n%v\nlacks\n%s", b.name, err, want)
			}
		}
		refused++
	}
	if kept, err := filepath.Glob(filepath.Join(boxDir, "*.yaml")); err != nil || len(kept) != len(boxes()) {
		t.Errorf("%d files in %s, of %d set-ups (%v): remove it, and go test ./profiles -run BoxesOfOthers -update", len(kept), boxDir, len(boxes()), err)
	}
	need.Figure("boxes.profiles_said", said, "profiles")
	need.Figure("boxes.profiles_refused_with_reason", refused, "profiles")
	need.Figure("boxes.silent", silent, "profiles")
}

// boxDir has the set-ups as files, with which mkimage goes on to plan and image.
const boxDir = "testdata/boxes"

// written holds a set-up against its file.
func (b box) written(t *testing.T) {
	t.Helper()
	words := regexp.MustCompile("[^a-z0-9]+").ReplaceAllString(strings.ToLower(b.name), "-")
	path, text := filepath.Join(boxDir, words+".yaml"), "# "+b.name+"\n"
	for _, why := range b.refused {
		text += "# refused: " + why + "\n"
	}
	text += b.text()
	if *update {
		if err := errors.Join(os.MkdirAll(boxDir, 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != text {
		t.Errorf("%s is not the set-up %q (%v): go test ./profiles -run BoxesOfOthers -update", path, b.name, err)
	}
}

func TestRefusedKeysAreNone(t *testing.T) {
	table := keyTable()
	for path, why := range refusals() {
		if _, there := table[path]; there {
			t.Errorf("%s is refused, and there is such a key", path)
		}
		if len(why) < 20 {
			t.Errorf("%s is refused for no reason: %q", path, why)
		}
	}
	for other, path := range spellings() {
		if _, there := table[other]; there || refusals()[path] == "" {
			t.Errorf("%s is another word for %s, which is not refused", other, path)
		}
	}
}

// What a mirror needs is said where it lacks.
func TestMirrors(t *testing.T) {
	disks := "root_disk: {serial: ROOT%[1]d}, mirror_disk: {serial: TWIN%[1]d}, osd_disks: [{serial: OSD%[1]d}], "
	for name, c := range map[string]struct{ filesystem, disks, says string }{
		"both named":        {"btrfs (raid1)", disks, ""},
		"one disk":          {"zfs (raid1)", "root_disk: {serial: ROOT%[1]d}, ", "nodes[0].mirror_disk: is missing; zfs (raid1) takes two disks, and both are named"},
		"none named":        {"zfs (raid1)", "", "nodes[0].root_disk: is missing; both disks of a mirror are named"},
		"no mirror":         {"zfs", disks, "nodes[0].mirror_disk: is the second disk of a mirror, and install.filesystem is zfs; write install.filesystem: zfs (raid1) or btrfs (raid1), or take it out"},
		"the same disk":     {"zfs (raid1)", "root_disk: {serial: ROOT%[1]d}, mirror_disk: {serial: ROOT%[1]d}, ", `nodes[0].mirror_disk.serial: serial "ROOT1" stands at nodes[0].root_disk.serial too`},
		"Ceph's disk":       {"zfs (raid1)", strings.Replace(disks, "OSD", "TWIN", 1), `nodes[0].osd_disks[0].serial: serial "TWIN1" stands at nodes[0].mirror_disk.serial too`},
		"one kernel's name": {"zfs (raid1)", "root_disk: {kernel: sda}, mirror_disk: {kernel: sda}, ", `disk "sda" stands at nodes[0].root_disk.kernel too`},
		"of no kind":        {"zfs (raid10)", disks, `"zfs (raid10)" is not known`},
	} {
		b := box{nodes: 3, node: c.disks + "ports: [{mac: '58:47:ca:00:01:0%[1]d'}, {mac: '58:47:ca:00:02:0%[1]d'}]", keys: map[string]string{"ring": tb4, "install": "{filesystem: " + c.filesystem + "}"}}
		_, err := Load("box.yaml", []byte(b.text()))
		if got := fmt.Sprint(err); c.says == "" && err != nil || !strings.Contains(got, c.says) {
			t.Errorf("%s: %s\nlacks %q", name, got, c.says)
		}
	}
}

// The rest of the system's disk is one word among the disks for Ceph, which is
// read back as it was written, and needs what it is the rest of.
func TestTheRestOfADisk(t *testing.T) {
	const root, rest = "root_disk: {serial: ROOT%[1]d}, ", "osd_disks: [rest], "
	for name, c := range map[string]struct{ install, disks, says string }{
		"said":              {"size: 96", root + rest, ""},
		"beside another":    {"size: 96", root + "osd_disks: [rest, {serial: DATA%[1]d}], ", ""},
		"by the other name": {"size: 96", "root_disk: {by_id: nvme-eui.%[1]d}, " + rest, ""},
		"the whole disk":    {"filesystem: ext4", root + rest, "nodes[0].osd_disks[0]: is what install.size leaves of the system's disk"},
		"of a mirror":       {"filesystem: zfs (raid1), size: 96", root + "mirror_disk: {serial: TWIN%[1]d}, " + rest, "nodes[0].osd_disks[0]: is what is left of one disk, and zfs (raid1) lies on two"},
		"of any disk":       {"size: 96", rest, "nodes[0].osd_disks[0]: is a part of the system's disk, which must be named by its number for that; write nodes[0].root_disk: {serial: ...}"},
		"of a weak name":    {"size: 96", "root_disk: {kernel: sda}, " + rest, "must be named by its number"},
		"twice":             {"size: 96", root + "osd_disks: [rest, rest], ", "nodes[0].osd_disks[1]: stands here for the second time"},
		"another word":      {"size: 96", root + "osd_disks: [all], ", `nodes[0].osd_disks[0]: keys and values are expected here, not the value "all"`},
		"elsewhere":         {"size: 96", "root_disk: rest, ", `nodes[0].root_disk: keys and values are expected here, not the value "rest"`},
		"too little":        {"size: 8", root + rest, "install.size: 8 is not allowed; write 16 to 65536"},
		"no OSD anywhere":   {"size: 96", root + "osd_disks: [], ", "ceph.enabled: keeps 3 copies, each on another node, and osd_disks gives it disks on 0"},
	} {
		b := box{nodes: 3, node: c.disks + "ports: [{mac: '58:47:ca:00:01:0%[1]d'}, {mac: '58:47:ca:00:02:0%[1]d'}]", keys: map[string]string{"ring": tb4, "install": "{" + c.install + "}"}}
		p, err := Load("box.yaml", []byte(b.text()))
		if got := fmt.Sprint(err); c.says == "" && err != nil || !strings.Contains(got, c.says) {
			t.Errorf("%s: %s\nlacks %q", name, got, c.says)
		}
		if err != nil {
			continue
		}
		text, err := Marshal(p)
		if err != nil || !strings.Contains(string(text), "- rest\n") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		again, err := Load("again.yaml", text)
		if err != nil || !again.Nodes[0].WantsRest() || len(again.Nodes[0].OSDDisks) != len(p.Nodes[0].OSDDisks) {
			t.Errorf("%s: read back %v", name, err)
		}
		if p.LeastRoot(p.Nodes[0]) != 96<<30+100e9+16<<20 {
			t.Errorf("%s: the disk must have %d bytes", name, p.LeastRoot(p.Nodes[0]))
		}
	}
}

// The disks that take parts of OSDs are named, and refused where they cannot be meant.
func TestDisksBesideOSDs(t *testing.T) {
	const root, data = "root_disk: {serial: ROOT%[1]d}, ", "osd_disks: [{serial: DATA%[1]d}], "
	for name, c := range map[string]struct{ ceph, disks, says string }{
		"said":                {"db_size: 60, wal_size: 2", root + data + "db_disk: {serial: FAST%[1]d}, wal_disk: {by_id: nvme-eui.%[1]d}, ", ""},
		"without a size":      {"pool: vm", root + data + "db_disk: {serial: FAST%[1]d}, ", ""},
		"beside the rest":     {"db_size: 60", root + "osd_disks: [rest], db_disk: {serial: FAST%[1]d}, wipe: [FAST%[1]d], ", ""},
		"of any OSD":          {"db_size: 60", root + "db_disk: {serial: FAST%[1]d}, wipe: [FAST%[1]d], ", ""},
		"the system's":        {"pool: vm", root + data + "db_disk: {serial: ROOT%[1]d}, ", `nodes[0].db_disk.serial: serial "ROOT1" stands at nodes[0].root_disk.serial too`},
		"an OSD's":            {"pool: vm", root + data + "db_disk: {serial: DATA%[1]d}, ", `nodes[0].db_disk.serial: serial "DATA1" stands at nodes[0].osd_disks[0].serial too`},
		"one for both":        {"pool: vm", root + data + "db_disk: {serial: FAST%[1]d}, wal_disk: {serial: FAST%[1]d}, ", `nodes[0].wal_disk.serial: serial "FAST1" stands at nodes[0].db_disk.serial too`},
		"a size for nothing":  {"db_size: 60", root + data, "ceph.db_size: has no disk to lie on; name db_disk of a node, or take it out"},
		"of no OSD":           {"pool: vm", root + "osd_disks: [], db_disk: {serial: FAST%[1]d}, ", "nodes[0].db_disk: is for parts of this node's OSDs, and osd_disks says that it has none"},
		"named twice":         {"pool: vm", root + data + "db_disk: {serial: FAST%[1]d, by_id: nvme-x}, ", "nodes[0].db_disk: has 2 of the keys serial, by_id, kernel; write exactly one"},
		"too little":          {"db_size: 0.5", root + data + "db_disk: {serial: FAST%[1]d}, ", "ceph.db_size: "},
		"in the tool's words": {"pool: vm, db_device: nvme1n1", root + data, "ceph.db_device: unknown key: is written as db_disk of each node, with ceph.db_size"},
		"by the node":         {"pool: vm", root + data + "wal_device: nvme1n1, ", "nodes[0].wal_device: unknown key: is written as wal_disk of each node, with ceph.wal_size"},
	} {
		b := box{nodes: 3, node: c.disks + "ports: [{mac: '58:47:ca:00:00:0%[1]d'}, {mac: '58:47:ca:00:02:0%[1]d'}]", keys: map[string]string{"ring": tb4, "install": "{size: 96}", "ceph": "{" + c.ceph + "}"}}
		p, err := Load("box.yaml", []byte(b.text()))
		if got := fmt.Sprint(err); c.says == "" && err != nil || !strings.Contains(got, c.says) {
			t.Errorf("%s: %s\nlacks %q", name, got, c.says)
		}
		if err != nil {
			continue
		}
		text, err := Marshal(p)
		if again, e := Load("again.yaml", text); err != nil || e != nil || len(again.Nodes[0].BesideDisks()) != len(p.Nodes[0].BesideDisks()) {
			t.Errorf("%s: read back %v %v", name, err, e)
		}
		if risks := strings.Join(p.Risks("pve1"), " "); !strings.Contains(risks, "keep a part of themselves on one other disk") {
			t.Errorf("%s: no risk: %s", name, risks)
		}
	}
}

// Ceph and moving guests are given to a network that the profile has, and never
// all of Ceph to that of management where there is a ring.
func TestNetworksOfStorage(t *testing.T) {
	for name, c := range map[string]struct{ ring, ceph, ha, says, public, cluster string }{
		"left out":              {tb4, "", "", "", "10.0.0.0/24", "10.0.0.0/24"},
		"by the older word":     {tb4, "network: lan", "", "", "192.168.178.0/24", "10.0.0.0/24"},
		"in words":              {tb4, "public_network: lan, cluster_network: ring", "migration_network: lan", "", "192.168.178.0/24", "10.0.0.0/24"},
		"as networks":           {tb4, "public_network: 10.0.0.0/24, cluster_network: 192.168.178.0/24", "migration_network: 10.0.0.0/24", "", "10.0.0.0/24", "192.168.178.0/24"},
		"one for all":           {"{transport: none}", "public_network: lan, cluster_network: lan", "", "", "192.168.178.0/24", "192.168.178.0/24"},
		"without the ring":      {tb4, "public_network: lan, cluster_network: lan", "", "ceph.cluster_network: leaves all of Ceph to the management network, and the ring to nobody; write ring, or ring.transport: none", "", ""},
		"another network":       {tb4, "cluster_network: 10.9.0.0/24", "", "ceph.cluster_network: 10.9.0.0/24 is no network of this profile; write ring (10.0.0.0/24) or lan (192.168.178.0/24)", "", ""},
		"a part of one":         {tb4, "", "migration_network: 10.0.0.0/25", "ha.migration_network: 10.0.0.0/25 is no network of this profile", "", ""},
		"two words that differ": {tb4, "network: ring, public_network: lan", "", "ceph.public_network: is lan, and ceph.network, an older word for it, ring; take ceph.network out", "", ""},
		"no word":               {tb4, "public_network: wifi", "", `ceph.public_network: "wifi" is not allowed; write ring, lan, or the network of one of them`, "", ""},
	} {
		b := box{nodes: 3, node: twoPorts, keys: map[string]string{"ring": c.ring, "ceph": "{" + c.ceph + "}", "ha": "{" + c.ha + "}"}}
		p, err := Load("box.yaml", []byte(b.text()))
		if got := fmt.Sprint(err); c.says == "" && err != nil || !strings.Contains(got, c.says) {
			t.Errorf("%s: %s\nlacks %q", name, got, c.says)
		}
		if err != nil {
			continue
		}
		text, err := Marshal(p)
		again, e := Load("again.yaml", text)
		if err != nil || e != nil {
			t.Errorf("%s: read back %v %v", name, err, e)
			continue
		}
		if public, cluster := again.CephNetworks(); again.Prefix(public).String() != c.public || again.Prefix(cluster).String() != c.cluster || again.HA.MigrationNetwork != p.HA.MigrationNetwork {
			t.Errorf("%s: %s and %s", name, public, cluster)
		}
	}
}

// How much of the storage a pool is for, and of the memory an OSD, is a number with
// a range, and by itself it goes by the machine.
func TestTargets(t *testing.T) {
	for text, says := range map[string]string{
		"target_size_ratio: 0.8": "", "target_size_ratio: 1": "", "target_size_ratio: 1.1": "ceph.target_size_ratio: \"1.1\" is not allowed; write a number from 0 to 1, such as 0.8", "target_size_ratio: most": "write a number",
		"target_size_ratio: 8e-1": "write a number", "osd_memory_target: auto": "", "osd_memory_target: 4": "", "osd_memory_target: 64": "",
		"osd_memory_target: 0": "auto, or whole GiB from 1 to 64", "osd_memory_target: 65": "auto, or whole GiB", "osd_memory_target: 4GiB": "auto, or whole GiB",
	} {
		p, err := Load("box.yaml", []byte(box{nodes: 3, node: twoPorts, keys: map[string]string{"ring": tb4, "ceph": "{" + text + "}"}}.text()))
		if got := fmt.Sprint(err); says == "" && err != nil || !strings.Contains(got, says) {
			t.Errorf("%s: %s\nlacks %q", text, got, says)
		}
		if err != nil {
			continue
		}
		again, err := Marshal(p)
		if q, e := Load("again.yaml", again); err != nil || e != nil || q.Ceph != p.Ceph {
			t.Errorf("%s: read back %v %v", text, err, e)
		}
	}
}

// The ways out are said, or refused with what is wrong.
func TestWaysOut(t *testing.T) {
	for name, c := range map[string]struct{ cluster, proxmox, says string }{
		"a cache":                  {"", "proxy: 'http://10.0.3.5:3142'", ""},
		"with a slash":             {"", "proxy: 'http://cache.lan:3142/'", ""},
		"by IPv6":                  {"", "proxy: 'http://[fd00::5]:3142'", ""},
		"with a password":          {"", "proxy: 'http://me:secret@cache.lan:3142'", "proxmox.proxy:"},
		"by https":                 {"", "proxy: 'https://cache.lan:3142'", "write such as http://10.203.3.5:3142"},
		"what ends a line of apt":  {"", "proxy: 'http://x\";DPkg::Pre-Invoke{\"rm\"}'", "proxmox.proxy:"},
		"a mirror":                 {"", "mirror: 'https://mirror.example.org/proxmox/debian'", ""},
		"a mirror of the paid":     {"", "mirror: 'http://mirror.example.org', repository: enterprise", "proxmox.mirror: is one of the packages for everybody, and proxmox.repository is enterprise"},
		"a mirror, and 9.0's Ceph": {"", "mirror: 'http://mirror.example.org', version: 9.0-1", "proxmox.mirror: has Ceph as well, and Proxmox VE 9.0 installs it from Proxmox alone"},
		"a smarthost":              {"smarthost: 'mail.example.org:587'", "", ""},
		"one by its address":       {"smarthost: 10.0.3.6", "", ""},
		"one that takes options":   {"smarthost: 'mail.example.org -x'", "", "cluster.smarthost:"},
	} {
		keys := map[string]string{"ring": tb4, "proxmox": "{" + c.proxmox + "}"}
		if c.cluster != "" {
			keys["cluster"] = "{name: gtr, domain: example.org, mail: a@example.org, " + c.cluster + "}"
		}
		_, err := Load("box.yaml", []byte(box{nodes: 3, node: twoPorts, keys: keys}.text()))
		if got := fmt.Sprint(err); c.says == "" && err != nil || !strings.Contains(got, c.says) {
			t.Errorf("%s: %s\nlacks %q", name, got, c.says)
		}
	}
}
