package preflight

import (
	"strings"
	"testing"

	"ringboot/profiles"
	"ringboot/profiles/medium"
)

// nvme is a blank disk of 500 GB.
func nvme(name, serial string, holds ...string) Sighting {
	return Sighting{Name: name, Model: "Samsung SSD 980", Bytes: 500107862016, Holds: holds, Properties: map[string]string{
		"ID_SERIAL": "Samsung_SSD_980_" + serial, "ID_SERIAL_SHORT": serial, "ID_WWN": "eui.00" + serial,
	}}
}

func sized(d Sighting, bytes int64) Sighting { d.Bytes = bytes; return d }

func marked(d Sighting, node, cluster string) Sighting {
	d.Mark = &medium.Ticket{State: medium.TicketSpent, Node: node, ClusterID: cluster, Date: "2026-11-23", By: "installer"}
	d.Holds = []string{"partition table gpt", "vfat", "LVM2_member"}
	return d
}

func stick() Sighting {
	return Sighting{Name: "sda", Model: "Ultra", Bytes: 32e9, Medium: true, Holds: []string{"iso9660"}, Properties: map[string]string{"ID_SERIAL": "SanDisk_Ultra_1", "ID_FS_TYPE": "iso9660"}}
}

// plan is frege's medium; what a case changes it says.
func plan(change func(p *medium.Plan)) medium.Plan {
	p := medium.Plan{Version: 1, Kind: medium.KindOne, Cluster: "philosophers", ClusterID: "c0ffee", Node: "frege", After: "reboot",
		Nodes: []medium.Target{{Name: "frege", Single: true}, {Name: "russell", Single: true}, {Name: "wittgenstein", Single: true}}}
	if change != nil {
		change(&p)
	}
	return p
}

func all(p *medium.Plan) { p.Kind, p.Node = medium.KindAll, "" }

func serial(s string) func(p *medium.Plan) {
	return func(p *medium.Plan) {
		p.Nodes[0].Root = profiles.DiskName{Serial: s}
		p.Nodes[0].Filter, p.Nodes[0].Match = map[string]string{"ID_SERIAL": s, "ID_SERIAL_SHORT": s}, "any"
	}
}

var ms01 = medium.Identity{Vendor: "Micro Computer", Product: "Venus", Serial: "MH64", UUID: "uuid-1", MAC: "58:47:ca:00:00:01"}

func facts(disks ...Sighting) Facts {
	return Facts{Machine: ms01, MACs: []string{"58:47:ca:00:00:01", "58:47:ca:00:00:02"}, Writable: true, Disks: append(disks, stick())}
}

func with(f Facts, change func(f *Facts)) Facts { change(&f); return f }

func began(node string, m medium.Identity, d Sighting) medium.Entry {
	return medium.Entry{What: medium.Began, Node: node, Machine: m, Disk: d.Record()}
}

func TestDecide(t *testing.T) {
	windows := nvme("nvme0n1", "S1", "partition table gpt", "vfat", "ntfs (Windows)")
	other := medium.Identity{Vendor: "Micro Computer", Product: "Venus", Serial: "MH65", UUID: "uuid-2", MAC: "58:47:ca:00:00:09"}
	twin := nvme("nvme1n1", "S1")
	twin.Properties["ID_WWN"] = "eui.other"
	cases := []struct {
		name    string
		plan    medium.Plan
		facts   Facts
		outcome Outcome
		node    string
		disk    string
		says    string // a part of the sentence
	}{
		// Has this been done already?
		{"marked", plan(nil), facts(marked(nvme("nvme0n1", "S1"), "frege", "c0ffee")), Installed, "frege", "nvme0n1", "this is frege, installed 2026-11-23 (mark on nvme0n1): the installed system is started, nothing is installed"},
		{"marked, and another disk is blank", plan(nil), facts(nvme("nvme0n1", "S1"), marked(nvme("nvme1n1", "S2"), "frege", "c0ffee")), Installed, "frege", "nvme1n1", ""},
		{"marked and named", plan(serial("S1")), facts(marked(nvme("nvme0n1", "S1"), "frege", "c0ffee")), Installed, "frege", "nvme0n1", ""},
		{"another node's mark", plan(nil), facts(nvme("nvme0n1", "S1"), marked(nvme("nvme1n1", "S2"), "russell", "c0ffee")), Stopped, "russell", "nvme1n1", "this is russell, installed 2026-11-23 (mark on nvme1n1), and this medium installs frege"},
		{"another cluster's mark", plan(serial("S1")), facts(marked(nvme("nvme0n1", "S1"), "frege", "decaf")), Stopped, "frege", "nvme0n1", "nvme0n1 carries frege of another cluster, installed 2026-11-23: take the disk out, or wipe it"},
		{"any node's mark, stick for all", plan(all), facts(marked(nvme("nvme0n1", "S1"), "russell", "c0ffee")), Installed, "russell", "nvme0n1", ""},
		{"marked, but chosen again", plan(serial("S1")), with(facts(marked(nvme("nvme0n1", "S1"), "frege", "c0ffee")), func(f *Facts) { f.Again = true }), Asks, "frege", "nvme0n1", "nvme0n1 is not empty (the system of frege): type S1, the end of its serial number"},
		// Which medium?
		{"two media of one ISO", plan(nil), with(facts(nvme("nvme0n1", "S1")), func(f *Facts) { f.Others = []string{"sdb"} }), Stopped, "", "", "sdb is a medium of the same ISO, and the installer could take either for the other: pull one of them out"},
		// Which node?
		{"the wrong serial", plan(func(p *medium.Plan) { p.Nodes[0].Machine.Serial = "MH99" }), facts(nvme("nvme0n1", "S1")), Stopped, "", "", "this is not the machine of frege: the machine of frege has serial MH99, and this one has MH64"},
		{"the wrong UUID", plan(func(p *medium.Plan) { p.Nodes[0].Machine.UUID = "uuid-9" }), facts(nvme("nvme0n1", "S1")), Stopped, "", "", "the machine of frege has UUID uuid-9, and this one has uuid-1"},
		{"the wrong port", plan(func(p *medium.Plan) { p.Nodes[0].MACs = []string{"58:47:CA:00:00:99"} }), facts(nvme("nvme0n1", "S1")), Stopped, "", "", "the machine of frege has the port 58:47:ca:00:00:99, and this one has 58:47:ca:00:00:01 and 58:47:ca:00:00:02"},
		{"no port has a driver", plan(func(p *medium.Plan) { p.Nodes[0].MACs = []string{"58:47:ca:00:00:99"} }), with(facts(nvme("nvme0n1", "S1")), func(f *Facts) { f.MACs = nil }), Installs, "frege", "nvme0n1", ""},
		{"the machine of another", plan(func(p *medium.Plan) { p.Nodes[1].Machine.Serial = "MH64" }), facts(nvme("nvme0n1", "S1")), Stopped, "", "", "this is the machine of russell (Micro Computer Venus, serial MH64), and this medium installs frege: start it with the medium of russell"},
		{"the disk of another", plan(func(p *medium.Plan) { p.Nodes[1].Others = []profiles.DiskName{{Serial: "S2"}} }), facts(nvme("nvme0n1", "S1"), nvme("nvme1n1", "S2")), Stopped, "", "", "this is the machine of russell by its disk nvme1n1 (serial S2)"},
		{"the right machine", plan(func(p *medium.Plan) { p.Nodes[0].Machine = profiles.DMI{Serial: "MH64", UUID: "UUID-1"} }), facts(nvme("nvme0n1", "S1")), Installs, "frege", "nvme0n1", ""},
		// Which disk?
		{"blank", plan(nil), facts(nvme("nvme0n1", "S1")), Installs, "frege", "nvme0n1", "nvme0n1 is erased (500 GB, Samsung SSD 980, serial S1): the only blank disk of the smallest size"},
		{"the smallest of two", plan(nil), facts(sized(nvme("nvme0n1", "S1"), 2e12), nvme("nvme1n1", "S2")), Installs, "frege", "nvme1n1", ""},
		{"two of one size", plan(nil), facts(nvme("nvme0n1", "S1"), nvme("nvme1n1", "S2")), Stopped, "frege", "", "nvme0n1 and nvme1n1 are blank and of one size, so nothing says which of them is to be erased: name one by its serial"},
		{"the smallest is kept for ceph", plan(func(p *medium.Plan) { p.Nodes[0].Others = []profiles.DiskName{{Serial: "S1"}} }), facts(nvme("nvme0n1", "S1"), sized(nvme("nvme1n1", "S2"), 2e12)), Installs, "frege", "nvme1n1", ""},
		{"too small to count", plan(nil), facts(sized(nvme("nvme0n1", "S1"), 8e9), nvme("nvme1n1", "S2")), Installs, "frege", "nvme1n1", ""},
		{"windows, nothing named", plan(nil), facts(windows), Asks, "frege", "nvme0n1", "nvme0n1 is the only disk that is large enough, and it is not empty (partition table gpt, vfat, ntfs (Windows)): type S1"},
		{"windows beside a blank one", plan(nil), facts(windows, nvme("nvme1n1", "S2")), Installs, "frege", "nvme1n1", ""},
		{"windows and a used one", plan(nil), facts(windows, nvme("nvme1n1", "S2", "ext4")), Stopped, "frege", "", "no disk of this machine is blank and of at least 11 GB, and the profile names none"},
		{"windows, named by serial", plan(serial("S1")), facts(windows), Installs, "frege", "nvme0n1", "named in the profile"},
		{"windows, named by the long serial", plan(serial("Samsung_SSD_980_S1")), facts(windows), Installs, "frege", "nvme0n1", ""},
		{"windows, named by wwn", plan(func(p *medium.Plan) { p.Nodes[0].Root = profiles.DiskName{ByID: "nvme-eui.00S1"} }), facts(windows), Installs, "frege", "nvme0n1", ""},
		{"windows, named as the kernel counts", plan(func(p *medium.Plan) { p.Nodes[0].Root = profiles.DiskName{Kernel: "nvme0n1"} }), facts(windows), Asks, "frege", "nvme0n1", "nvme0n1 is not empty (partition table gpt, vfat, ntfs (Windows)), and the profile names it only as the kernel counts: type S1"},
		{"blank, named as the kernel counts", plan(func(p *medium.Plan) { p.Nodes[0].Root = profiles.DiskName{Kernel: "nvme0n1"} }), facts(nvme("nvme0n1", "S1")), Installs, "frege", "nvme0n1", ""},
		{"not there", plan(serial("S9")), facts(nvme("nvme0n1", "S1")), Stopped, "frege", "", "no disk of this machine is serial S9, which the plan of frege names"},
		{"twins", plan(serial("S1")), facts(nvme("nvme0n1", "S1"), twin), Stopped, "frege", "", "nvme0n1 and nvme1n1 both are serial S1: disks that share a number cannot be told apart"},
		{"one of two namespaces, by its own number", plan(func(p *medium.Plan) { p.Nodes[0].Root = profiles.DiskName{ByID: "nvme-eui.other"} }), facts(nvme("nvme0n1", "S1"), twin), Installs, "frege", "nvme1n1", ""},
		{"named and too small", plan(serial("S1")), facts(sized(nvme("nvme0n1", "S1"), 8e9)), Stopped, "frege", "", "nvme0n1 has 8 GB, and Proxmox VE needs at least 11 GB"},
		{"unreadable", plan(serial("S1")), facts(with2(nvme("nvme0n1", "S1"))), Stopped, "frege", "", "nvme0n1 cannot be read, so nothing is known of it"},
		{"used, without a serial", plan(nil), facts(Sighting{Name: "sdb", Bytes: 1e12, Holds: []string{"xfs"}, Properties: map[string]string{}}), Stopped, "frege", "", "it has no serial number by which you could agree: wipe it, or take another"},
		{"no disk", plan(nil), facts(), Stopped, "frege", "", "no disk is seen: look at the firmware's storage settings"},
		{"the stick is never a disk", plan(serial("SanDisk_Ultra_1")), facts(nvme("nvme0n1", "S1")), Stopped, "frege", "", "no disk of this machine is serial SanDisk_Ultra_1"},
		// A medium that cannot be written to.
		{"cd, named", plan(serial("S1")), with(facts(windows), func(f *Facts) { f.Writable = false }), Installs, "frege", "nvme0n1", ""},
		{"cd, nothing named", plan(nil), with(facts(nvme("nvme0n1", "S1")), func(f *Facts) { f.Writable = false }), Stopped, "frege", "", "this medium cannot be written to, so the answer on it cannot name nvme0n1"},
		{"cd, and the installer would take another", plan(func(p *medium.Plan) {
			serial("S1")(p)
			p.Nodes[0].Filter = map[string]string{"ID_SERIAL": "Samsung*"}
		}), with(facts(nvme("nvme0n1", "S0"), nvme("nvme1n1", "S1")), func(f *Facts) { f.Writable = false }), Stopped, "frege", "", "the installer would take nvme0n1 by the answer on this medium, and the plan of frege means nvme1n1"},
		{"cd for all", plan(all), with(facts(nvme("nvme0n1", "S1")), func(f *Facts) { f.Writable = false }), Stopped, "", "", "this medium cannot be written to, and one for all nodes must be"},
		// One for all.
		{"all, the first is free", plan(all), facts(nvme("nvme0n1", "S1")), Installs, "frege", "nvme0n1", ""},
		{"all, the next is free", plan(all), with(facts(nvme("nvme0n1", "S1")), func(f *Facts) { f.Spent = map[string]bool{"frege": true} }), Installs, "russell", "nvme0n1", ""},
		{"all, the machine of the third", plan(func(p *medium.Plan) { all(p); p.Nodes[2].MACs = []string{"58:47:ca:00:00:02"} }), facts(nvme("nvme0n1", "S1")), Installs, "wittgenstein", "nvme0n1", ""},
		{"all, the machine of two", plan(func(p *medium.Plan) {
			all(p)
			p.Nodes[0].Machine.Serial, p.Nodes[2].MACs = "MH64", []string{"58:47:ca:00:00:02"}
		}), facts(nvme("nvme0n1", "S1")), Stopped, "", "", "the profile says of this machine (Micro Computer Venus, serial MH64) that it is frege and that it is wittgenstein"},
		{"all, none is of this machine", plan(func(p *medium.Plan) {
			all(p)
			for i := range p.Nodes {
				p.Nodes[i].Machine.Serial = "MH9" + p.Nodes[i].Name
			}
		}), facts(nvme("nvme0n1", "S1")), Stopped, "", "", "no node is left for this machine (Micro Computer Venus, serial MH64): the machine of frege has serial MH9frege, and this one has MH64;"},
		{"all, begun here", plan(all), with(facts(nvme("nvme0n1", "S1", "partition table gpt")), func(f *Facts) {
			f.Log = []medium.Entry{began("frege", other, nvme("nvme0n1", "S7")), began("russell", ms01, nvme("nvme0n1", "S1"))}
		}), Installs, "russell", "nvme0n1", "the disk on which russell was begun"},
		{"all, begun elsewhere", plan(all), with(facts(nvme("nvme0n1", "S1")), func(f *Facts) {
			f.Log = []medium.Entry{began("frege", other, nvme("nvme0n1", "S7"))}
		}), Installs, "russell", "nvme0n1", ""},
		{"all, begun here, and the disk is another", plan(all), with(facts(nvme("nvme0n1", "S2", "ext4")), func(f *Facts) {
			f.Log = []medium.Entry{began("russell", ms01, nvme("nvme0n1", "S1"))}
		}), Asks, "russell", "nvme0n1", "it is not empty (ext4)"},
		{"all, none is left", plan(all), with(facts(nvme("nvme0n1", "S1")), func(f *Facts) {
			f.Spent = map[string]bool{"frege": true, "russell": true}
			f.Log = []medium.Entry{began("wittgenstein", other, nvme("nvme0n1", "S7"))}
		}), Stopped, "", "", "no node is left for this machine (Micro Computer Venus, serial MH64): frege is installed; russell is installed; wittgenstein was begun on another machine (Micro Computer Venus, serial MH65)"},
		{"all, spent and without a mark", plan(all), with(facts(nvme("nvme0n1", "S1")), func(f *Facts) {
			f.Spent = map[string]bool{"russell": true}
			f.Log = []medium.Entry{began("russell", ms01, nvme("nvme0n1", "S1"))}
		}), Stopped, "", "", "this machine is russell, which this medium has installed already, and none of its disks carries the mark"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := Decide(c.plan, c.facts)
			got := ""
			if len(v.Disks) > 0 {
				got = names(v.Disks)
			}
			if v.Outcome != c.outcome || v.Node != c.node || got != c.disk {
				t.Errorf("%s, node %q, disk %q; want %s, %q, %q: %s", v.Outcome, v.Node, got, c.outcome, c.node, c.disk, v.Says)
			}
			if !strings.Contains(v.Says, c.says) {
				t.Errorf("says %q, want %q in it", v.Says, c.says)
			}
			if screen := Screen(c.plan, c.facts, v, 80); !strings.Contains(screen, "Samsung SSD 980") && len(c.facts.Disks) > 1 && c.name != "used, without a serial" {
				t.Errorf("the screen does not show the disks:\n%s", screen)
			}
		})
	}
}

func with2(d Sighting) Sighting { d.Unreadable = true; return d }

// TestNothingUsedIsErasedUnlessItWasNamed walks all combinations of a few disks
// and profiles: whatever is installed over was blank, named by a number that only
// it has, or begun here.
func TestNothingUsedIsErasedUnlessItWasNamed(t *testing.T) {
	contents := []func(Sighting) Sighting{
		func(d Sighting) Sighting { return d },
		func(d Sighting) Sighting { d.Holds = []string{"ext4"}; return d },
		func(d Sighting) Sighting { return marked(d, "frege", "c0ffee") },
		func(d Sighting) Sighting { return marked(d, "russell", "decaf") },
		with2,
		func(d Sighting) Sighting { d.Properties = map[string]string{}; return d },
		func(d Sighting) Sighting { return sized(d, 2e12) },
	}
	roots := [][2]profiles.DiskName{{}, {{Serial: "S1"}}, {{ByID: "nvme-eui.00S2"}}, {{Kernel: "nvme1n1"}},
		{{Serial: "S1"}, {Serial: "S2"}}, {{Serial: "S1"}, {Kernel: "nvme1n1"}}, {{Kernel: "nvme1n1"}, {ByID: "nvme-eui.00S1"}}} // and a mirror's second
	tried := 0
	for _, kind := range []string{medium.KindOne, medium.KindAll} {
		for _, root := range roots {
			for _, first := range contents {
				for _, second := range contents {
					for flags := range 4 {
						p := plan(func(p *medium.Plan) {
							if kind == medium.KindAll {
								all(p)
							}
							p.Nodes[0].Root, p.Nodes[0].Mirror = root[0], root[1]
						})
						f := facts(first(nvme("nvme0n1", "S1")), second(nvme("nvme1n1", "S2")))
						f.Again = flags&1 > 0
						if flags&2 > 0 {
							f.Log = []medium.Entry{began("frege", ms01, f.Disks[1])}
						}
						v := Decide(p, f)
						tried++
						if v.Outcome != Installs {
							continue
						}
						for _, d := range v.Disks {
							exact := d.named(root[0]) && root[0].Kernel == "" || d.named(root[1]) && root[1].Kernel == ""
							ours := flags&2 > 0 && d.Name == "nvme1n1"
							if d.Medium || d.Unreadable || d.Mark != nil || !d.Blank() && !exact && !ours {
								t.Errorf("erases %+v for %+v, again %v, begun %v", d, root, f.Again, flags&2 > 0)
							}
						}
					}
				}
			}
		}
	}
	t.Logf("%d combinations", tried)
}

func TestTextFromADiskIsNoTerminalCode(t *testing.T) {
	d := nvme("nvme0n1", "S1\x1b[2J", "ext4 \x1b]0;x\x07")
	f := facts(d)
	if screen := Screen(plan(nil), f, Decide(plan(nil), f), 80); strings.ContainsAny(screen, "\x1b\x07") {
		t.Errorf("%q", screen)
	}
	for _, line := range strings.Split(Screen(plan(nil), f, Decide(plan(nil), f), 40), "\n") {
		if len(line) > 40 {
			t.Errorf("%q has %d columns", line, len(line))
		}
	}
}
