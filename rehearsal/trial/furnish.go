package trial

import (
	"net/netip"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/tools/ceph"
)

// Profile is a cluster of three with all that a profile can ask of one.
func Profile() *profiles.Profile {
	p := &profiles.Profile{Version: 1, Cluster: profiles.Cluster{Name: "principia", Domain: "example.net", Keyboard: "de", Mail: "root@example.net"},
		Management: profiles.Management{Prefix: netip.MustParsePrefix("10.203.3.0/24")},
		Ring:       profiles.Ring{Prefix: netip.MustParsePrefix("10.203.4.0/24"), Transport: profiles.TransportThunderbolt, MTU: 65520},
		Users:      []profiles.User{{Name: "alice", FullName: "Alice", ProxmoxRole: "Administrator"}, {Name: "bob"}},
		Ceph:       profiles.Ceph{Enabled: true, Version: "tentacle", Repository: "no-subscription", Network: "ring", Pool: "vm", PGNum: 32, MinOSDs: 1},
		HA:         profiles.HA{Enabled: true, ShutdownPolicy: "migrate"},
		Acceptance: profiles.Acceptance{Bandwidth: true, Migration: true, Maintenance: true, PowerCut: profiles.ConsentYes, Seconds: 10}}
	for i, name := range []string{"frege", "russell", "wittgenstein"} {
		p.Nodes = append(p.Nodes, profiles.Node{Name: name, Address: netip.AddrFrom4([4]byte{10, 203, 3, byte(11 + i)}), Ring: netip.AddrFrom4([4]byte{10, 203, 4, byte(11 + i)}),
			RootDisk: profiles.DiskName{Serial: "ROOT-" + name}, OSDDisks: []profiles.DiskName{{Serial: "OSD-" + name}}})
	}
	return p
}

// Disks are those of a node as delivered: the system's, a blank one, and one that
// is its owner's.
func Disks(node string) []ceph.BlockDevice {
	return []ceph.BlockDevice{
		{Name: "nvme0n1", Serial: "ROOT-" + node, Model: "Samsung SSD 980 500GB", Bytes: 500107862016, Type: "nvme", Used: "mounted", Mount: "/", OSD: -1},
		{Name: "nvme1n1", Serial: "OSD-" + node, Model: "Samsung SSD 990 PRO 2TB", Bytes: 2000398934016, Type: "nvme", OSD: -1},
		{Name: "nvme2n1", Serial: "OTHER-" + node, Model: "WDC WDS500G", Bytes: 500107862016, Type: "nvme", Used: "ext4", Label: "photos", OSD: -1},
	}
}

// Furnish gives machines disks, and what they say of themselves.
func (t *Trial) Furnish(nodes ...string) error {
	for _, node := range nodes {
		ceph.SetDisks(t.World.Node(node).Machine(), Disks(node)...)
		for path, text := range map[string]string{
			"/sys/class/watchdog/watchdog0/identity": "Software Watchdog\n", "/sys/class/dmi/id/sys_vendor": "Micro Computer (HK)\n",
			"/sys/class/dmi/id/product_name": "Venus Series MS-01\n", "/sys/class/dmi/id/product_serial": "MF19-" + node + "\n",
			"/sys/class/dmi/id/bios_version": "1.26\n", "/proc/sys/kernel/osrelease": "6.17.2-1-pve\n",
			"/proc/cpuinfo": "processor\t: 0\nmodel name\t: 13th Gen Intel Core i9-13900H\nprocessor\t: 1\nmodel name\t: another\n",
			"/proc/meminfo": "MemFree:        1024 kB\nMemTotal:       98304000 kB\n",
		} {
			if err := t.World.Node(node).Files().WriteFile(path, []byte(text), 0o444); err != nil {
				return err
			}
		}
	}
	return nil
}

// Resets has a machine that resets itself start again after a while, with its agent.
func (t *Trial) Resets(away time.Duration) {
	t.World.OnReset = func(node string) {
		m := t.machines[node]
		m.End()
		m.Log = append(m.Log, "the machine resets itself")
		t.World.Sim().After(away, func() {
			t.World.Sim().Go(node+" boot", func() {
				t.World.Boot(node, nil)
				m.Start()
			})
		})
	}
}
