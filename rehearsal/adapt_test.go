package rehearsal

import (
	"net/netip"
	"strings"
	"testing"

	"ringboot/profiles"
)

func TestAdaptCablesARingAndNamesEveryDisk(t *testing.T) {
	p := profiles.Default()
	p.Nodes[1].RootDisk = profiles.DiskName{Serial: "S649NX0R123456"}
	plan, err := Adapt(p, true)
	if err != nil {
		t.Fatal(err)
	}
	if p.Ring.Transport != profiles.TransportThunderbolt || !p.Nodes[0].RootDisk.IsZero() {
		t.Error("the profile itself was changed")
	}
	q := plan.Profile
	if q.Ring.Transport != profiles.TransportEthernet || q.Nodes[1].RootDisk.Serial != "S649NX0R123456" || q.Nodes[0].RootDisk.Serial != "RBSYS-FREGE" {
		t.Errorf("the profile of the rehearsal has ring %s, disks %+v and %+v", q.Ring.Transport, q.Nodes[0].RootDisk, q.Nodes[1].RootDisk)
	}
	if q.Management.DNS[0] != netip.MustParseAddr("10.203.3.1") {
		t.Errorf("name server %s", q.Management.DNS)
	}
	macs := map[string]bool{}
	cards := map[string]NIC{}
	for _, m := range plan.Machines {
		for _, n := range m.NICs {
			if macs[n.MAC] {
				t.Errorf("two cards have the address %s", n.MAC)
			}
			macs[n.MAC] = true
			cards[m.Node+"."+n.ID] = n
		}
	}
	wantBothEnds(t, cards)
	if all := strings.Join(plan.Differences(true), "\n"); !strings.Contains(all, "there is no model of Thunderbolt") || !strings.Contains(all, "nothing about Proxmox VE itself") {
		t.Errorf("the differences are\n%s", all)
	}
}

// wantBothEnds follows each cable there and back.
func wantBothEnds(t *testing.T, cards map[string]NIC) {
	t.Helper()
	for name, n := range cards {
		if !n.Ring {
			continue
		}
		node, id, _ := strings.Cut(name, ".")
		if back := cards[n.Peer+"."+n.To]; back.Peer != node || back.To != id {
			t.Errorf("the cable from %s leads to %s.%s, and from there to %s.%s", name, n.Peer, n.To, back.Peer, back.To)
		}
	}
}

// A chain has two cables, whatever ports its ends have.
func TestAdaptAChain(t *testing.T) {
	for i, middle := range []string{"frege", "russell", "wittgenstein"} {
		p := profiles.Default()
		p.Ring.Chain = middle
		p.Nodes[(i+1)%3].RingPorts = []profiles.RingPort{{Name: "tb0", Path: "pci-0000:00:0d.2", Driver: "thunderbolt-net"}}
		plan, err := Adapt(p, true)
		if err != nil {
			t.Fatal(err)
		}
		cards, ends := map[string]NIC{}, map[string]int{}
		for _, m := range plan.Machines {
			for _, n := range m.NICs {
				cards[m.Node+"."+n.ID] = n
				if n.Ring {
					ends[m.Node]++
				}
			}
		}
		wantBothEnds(t, cards)
		for _, n := range plan.Profile.Nodes {
			if want := map[bool]int{true: 2, false: 1}[n.Name == middle]; ends[n.Name] != want || len(n.RingPorts) != want {
				t.Errorf("by %s: %s has %d cables and the ports %+v", middle, n.Name, ends[n.Name], n.RingPorts)
			}
		}
		if got := plan.Profile.Nodes[(i+1)%3].RingPorts[0].Name; got != "tb0" {
			t.Errorf("the one port is called %s", got)
		}
	}
}

// A mirror has two disks for the system, and what lies on them is rehearsed as
// far as the practice system can.
func TestAdaptAMirror(t *testing.T) {
	p := profiles.Default()
	p.Install.Filesystem, p.Install.Size = "zfs (raid1)", 48
	for i := range p.Nodes {
		n := &p.Nodes[i]
		n.RootDisk, n.MirrorDisk = profiles.DiskName{Serial: "ONE-" + n.Name}, profiles.DiskName{Kernel: "sdb"}
	}
	for practice, want := range map[bool]string{true: "btrfs (raid1)", false: "zfs (raid1)"} {
		plan, err := Adapt(p, practice)
		if err != nil {
			t.Fatal(err)
		}
		m, n := plan.Machines[0], plan.Profile.Nodes[0]
		if plan.Profile.Install.Filesystem != want || len(m.Disks) != 3 || !m.Disks[0].System || !m.Disks[1].System || m.Disks[2].System {
			t.Errorf("practice %v: %s on %+v", practice, plan.Profile.Install.Filesystem, m.Disks)
		}
		if m.Disks[0].Serial != "ONE-frege" || m.Disks[1].Serial != n.MirrorDisk.Serial || m.Disks[0].Bytes < 48<<30 {
			t.Errorf("practice %v: the disks are %+v, the profile has %+v", practice, m.Disks, n)
		}
		started := 0
		for _, d := range m.hardware(Options{}, paths(t.TempDir())).Disks {
			if d.BootIndex != 0 {
				started++
			}
		}
		if started != 1 {
			t.Errorf("the firmware is given %d disks to start from", started)
		}
	}
}
