package matrix_test

import (
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/report"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/trial"
)

// shape is what a set-up has of disks.
type shape struct {
	name  string
	of    formation
	plan  func(p *profiles.Profile)
	disks func(node string) []ceph.BlockDevice
	roles map[string]string // in the report, by the start of a serial number; "osd.N" is any
	osds  int
}

const gib = 1 << 30

func shapes() []shape {
	three := formation{transport: profiles.TransportThunderbolt, nodes: 3, monitors: 3, links: 3}
	root := func(node string) ceph.BlockDevice { return trial.Disks(node)[0] }
	return []shape{
		{
			name: "one disk for system and OSD", of: three, osds: 3,
			plan: func(p *profiles.Profile) {
				p.Install.Size, p.Ceph.Encrypted = 200, true
				p.Proxmox.Proxy, p.Proxmox.Mirror = "http://10.203.3.5:3142", "http://10.203.3.5/proxmox"
				for i := range p.Nodes {
					p.Nodes[i].OSDDisks = profiles.DiskList{{Rest: true}}
				}
			},
			disks: func(node string) []ceph.BlockDevice {
				d := root(node)
				d.System, d.Beneath = 200*gib, "ntfs"
				return []ceph.BlockDevice{d, trial.Disks(node)[2]}
			},
			roles: map[string]string{"ROOT": "root and osd.N", "OTHER": "kept as it is"},
		},
		{
			name: "a mirror for the system", of: three, osds: 3,
			plan: func(p *profiles.Profile) {
				p.Install.Filesystem = "zfs (raid1)"
				for i := range p.Nodes {
					p.Nodes[i].MirrorDisk = profiles.DiskName{Serial: "TWIN-" + p.Nodes[i].Name}
				}
			},
			disks: func(node string) []ceph.BlockDevice {
				a, b := root(node), root(node)
				a.Used, a.Mount, b.Used, b.Mount = "ZFS", "", "ZFS", ""
				b.Name, b.Serial = "nvme3n1", "TWIN-"+node
				return append(trial.Disks(node)[1:], a, b)
			},
			roles: map[string]string{"ROOT": "root", "TWIN": "root", "OSD": "osd.N", "OTHER": "kept as it is"},
		},
		{
			name: "a node without disks for Ceph", of: formation{transport: profiles.TransportSwitch, nodes: 4, monitors: 3, links: 4}, osds: 3,
			plan: func(p *profiles.Profile) {
				p.Nodes[1].OSDDisks = profiles.DiskList{}
				p.Ceph.PublicNetwork, p.HA.MigrationNetwork = profiles.NetworkLAN, profiles.NetworkLAN
				p.Ceph.OSDMemory, p.Ceph.TargetSizeRatio = "6", 0.8
			},
			disks: trial.Disks,
			roles: map[string]string{"ROOT": "root", "OTHER": "kept as it is"},
		},
		{
			name: "databases of two OSDs on a faster disk", of: three, osds: 6,
			plan: func(p *profiles.Profile) {
				p.Ceph.DBSize, p.Ceph.MinOSDs, p.Ceph.OSDMemory = 60, 2, profiles.AutoMemory
				for i := range p.Nodes {
					n := &p.Nodes[i]
					n.OSDDisks, n.DBDisk = append(n.OSDDisks, profiles.DiskName{Serial: "SECOND-" + n.Name}), profiles.DiskName{Serial: "DB-" + n.Name}
				}
			},
			disks: func(node string) []ceph.BlockDevice {
				second := ceph.BlockDevice{Name: "sda", Serial: "SECOND-" + node, Model: "Data", Bytes: 4e12, Type: "hdd", OSD: -1}
				db := ceph.BlockDevice{Name: "nvme3n1", Serial: "DB-" + node, Model: "Fast", Bytes: 200e9, Type: "nvme", OSD: -1}
				if node == "node02" { // where the power went while an OSD was made
					db.Used, db.Group = "LVM", "ceph-0a0a0a0a-0000-4000-a000-000000000000"
					db.Volumes = []ceph.LogicalVolume{{Name: "osd-db-0b0b0b0b-0000-4000-a000-000000000000", Kind: "db", Bytes: 60 * gib, OSD: -1}}
				}
				return append(trial.Disks(node), second, db)
			},
			roles: map[string]string{"ROOT": "root", "OSD": "osd.N", "SECOND": "osd.N", "DB": "parts of OSDs", "OTHER": "kept as it is"},
		},
	}
}

// Boxes with other disks come to a report that passed: what is on them is what
// the profile says, nothing else was touched, and nothing differs from the plan then.
func TestShapesOfDisks(t *testing.T) {
	for _, c := range shapes() {
		t.Run(c.name, func(t *testing.T) { c.form(t) })
	}
}

func (c shape) begin(t *testing.T, seed int64) *bench {
	p := c.of.profile()
	c.plan(p)
	b := newBench(t, seed, p)
	b.gate, b.verb = true, testing.Verbose()
	for _, n := range b.w.Names() {
		ceph.SetDisks(b.w.Node(n).Machine(), c.disks(n)...)
	}
	return b
}

func (c shape) form(t *testing.T) {
	b := c.begin(t, 1)
	defer b.close()
	b.startAll()
	if !b.finish(3 * time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(80))
	}
	if err := b.whole(); err != nil {
		t.Error(err)
	}
	c.right(t, b)
	d := b.settle()
	for _, n := range b.w.Names() {
		d.operate(func() {
			for _, found := range d.begin(n).look(t.Context()) {
				t.Errorf("%s, right after the report: %s", n, found.Text)
			}
		})
	}
}

// right compares the report and the disks with what was asked for.
func (c shape) right(t *testing.T, b *bench) {
	r := b.reportOf(b.p.Nodes[0].Name)
	if r.Verdict.Outcome != report.Passed || len(r.Ceph.OSDs) != c.osds {
		t.Errorf("%d OSDs, want %d: %+v", len(r.Ceph.OSDs), c.osds, r.Verdict)
	}
	for _, n := range r.Cluster.Nodes {
		for _, d := range n.Disks {
			kind, _, _ := strings.Cut(d.Serial, "-")
			role := d.Role
			if at := strings.Index(role, "osd."); at >= 0 {
				role = role[:at] + "osd.N"
			}
			if want := c.roles[kind]; want != "" && role != want {
				t.Errorf("%s of %s is %q, want %q", d.Serial, n.Name, d.Role, want)
			}
		}
	}
	for _, n := range b.p.Nodes {
		carried := 0
		for _, d := range ceph.Disks(b.w.Node(n.Name).Machine()) {
			for _, v := range d.Volumes {
				if v.OSD < 0 || v.Bytes != int64(b.p.Ceph.DBSize)*gib {
					t.Errorf("%s has the volume %+v", n.Name, v)
				}
			}
			if d.OSD < 0 {
				continue
			}
			carried++
			if len(d.Beside) != len(n.BesideDisks()) {
				t.Errorf("the OSD of %s has its parts in %v", n.Name, d.Beside)
			}
			if d.Encrypted != b.p.Ceph.Encrypted || (d.Parent != "") != n.WantsRest() {
				t.Errorf("the OSD of %s is %+v", n.Name, d)
			}
		}
		if want := len(n.OSDDisks); carried != want {
			t.Errorf("%s carries %d OSDs, want %d", n.Name, carried, want)
		}
	}
	for _, kind := range []string{"erased", "wiped"} {
		for _, note := range b.w.Notes(kind) {
			if !strings.HasSuffix(note, " rest") && (kind == "erased" || !strings.Contains(note, " OSD-") && !strings.Contains(note, " SECOND-")) {
				t.Errorf("%s: %s", kind, note)
			}
		}
	}
	// Of 93.75 GiB a fifth is 18.75, which two OSDs share: 9.25 each, and 8 at most.
	memory := map[string]int64{"": 0, "6": 6 * gib, profiles.AutoMemory: 8 * gib}[b.p.Ceph.OSDMemory]
	ratio, targets := ceph.Targets(b.w.Node(b.p.Nodes[0].Name).Machine(), b.p.Ceph.Pool)
	if ratio != b.p.Ceph.TargetSizeRatio {
		t.Errorf("the pool is for %g of the storage, want %g", ratio, b.p.Ceph.TargetSizeRatio)
	}
	for _, n := range b.p.Nodes {
		if got := targets[n.Name]; got != memory && !n.WithoutOSDs() || n.WithoutOSDs() && got != 0 {
			t.Errorf("the OSDs of %s aim at %d bytes, want %d", n.Name, got, memory)
		}
	}
	public, cluster := b.p.CephNetworks()
	conf, err := b.w.Node(b.p.Nodes[0].Name).Files().ReadFile("/etc/pve/ceph.conf")
	for key, want := range map[string]string{"public_network": b.p.Prefix(public).String(), "cluster_network": b.p.Prefix(cluster).String(), "mon_host": strings.TrimSuffix(b.p.Prefix(public).String(), "0/24")} {
		if !strings.Contains(string(conf), "\t"+key+" = "+want) {
			t.Errorf("ceph.conf lacks %s = %s (%v)\n%s", key, want, err, conf)
		}
	}
	options, err := b.w.Node(b.p.Nodes[0].Name).Files().ReadFile("/etc/pve/datacenter.cfg")
	if err != nil || b.p.Proxmox.Proxy != "" && !strings.Contains(string(options), "http_proxy: "+b.p.Proxmox.Proxy+"\n") {
		t.Errorf("the cluster's options are (%v)\n%s", err, options)
	}
	if want := ",network=" + b.p.Prefix(b.p.HA.MigrationNetwork).String(); !strings.Contains(string(options), want) {
		t.Errorf("the cluster's options lack %s\n%s", want, options)
	}
	if got := b.leftovers(); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
	for _, v := range b.violations() {
		t.Error(v)
	}
}

// A node that is cut off while it makes a partition and an OSD of the rest of
// its disk goes on from what it finds, and makes one of each.
func TestTheRestIsMadeThroughCrashes(t *testing.T) {
	shapes()[0].throughCrashes(t, "boxes.rest_crashes", 5, budget(4, 3, 12), "sgdisk", "partx", "wipefs", "pveceph osd")
}

// One that is cut off while its OSDs get their databases on a disk that they share
// makes each OSD with its database, and leaves none behind that is nobody's.
func TestDatabasesAreMadeThroughCrashes(t *testing.T) {
	shapes()[3].throughCrashes(t, "boxes.database_crashes", 4, budget(2, 2, 8), "lvremove", "pveceph osd")
}

// throughCrashes cuts node02 off around each call of some tools, of which there
// are so many at least.
func (c shape) throughCrashes(t *testing.T, figure string, least, few int, tools ...string) {
	try := func(plan []crash) *bench {
		b := c.begin(t, 1)
		defer b.close()
		b.proven(plan)
		if !b.settled(3 * time.Hour) {
			t.Errorf("%v: no report:\n%s", plan, b.tail(60))
			return b
		}
		c.right(t, b)
		for _, d := range ceph.Disks(b.w.Node("node02").Machine()) {
			if d.Parent != "" && d.Name != "nvme0n1p4" {
				t.Errorf("%v: a second partition, %s", plan, d.Name)
			}
		}
		return b
	}
	calm := try(nil)
	var all []run
	for point, name := range calm.agents["node02"].trace {
		for _, tool := range tools {
			if strings.Contains(name, tool) {
				for i, mode := range crashModes {
					all = append(all, run{int64(point*10 + i), []crash{{"node02", point + 1, mode}}})
				}
			}
		}
	}
	if len(all) < least*len(crashModes) {
		t.Fatalf("the points are %d: %v", len(all), calm.agents["node02"].trace)
	}
	tried := sampled(t, all, few)
	hit := 0
	for _, r := range tried {
		hit += try(r.plan).hit
	}
	if hit < len(tried) {
		t.Errorf("%d of %d crashes happened", hit, len(tried))
	}
	need.Figure(figureName(figure, len(tried), len(all)), len(tried), "count")
}
