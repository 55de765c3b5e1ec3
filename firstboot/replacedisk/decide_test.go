package replacedisk

import (
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

const fsid = "aaaaaaaa-0000-0000-0000-000000000000"

// after is a cluster after osd.2 of wittgenstein died and a blank disk was put in.
func after() sight {
	return sight{
		health: pve.Health{FSID: fsid, Status: "HEALTH_WARN", OSDs: 3, Up: 2, In: 3, PGs: 33},
		tree: []pve.TreeOSD{{ID: 0, Host: "frege", Up: true, In: true}, {ID: 1, Host: "russell", Up: true, In: true},
			{ID: 2, Host: "wittgenstein", In: true}},
		disks: []pve.ListedDisk{{Device: "/dev/nvme0n1", Serial: "ROOT", Used: "mounted", OSD: -1, Bytes: 500e9}, {Device: "/dev/nvme1n1", Serial: "NEW", Model: "Data", OSD: -1, Bytes: 2000e9}},
	}
}

// carried is what it looks like when the new disk carries osd.3.
func (s sight) carried(up bool, clean int) sight {
	s.tree = append(append([]pve.TreeOSD{}, s.tree[:2]...), pve.TreeOSD{ID: 2, Host: "wittgenstein"}, pve.TreeOSD{ID: 3, Host: "wittgenstein", Up: up, In: up})
	s.volumes = []pve.Volume{{OSD: 3, FSID: fsid, Devices: []string{"/dev/nvme1n1"}}}
	s.disks = []pve.ListedDisk{s.disks[0], {Device: "/dev/nvme1n1", Serial: "NEW", Used: "LVM", OSD: 3, Bytes: 2000e9}}
	s.health.Clean = clean
	return s
}

// fastDB is a node whose databases lie on one fast disk.
func fastDB() profiles.Node {
	return profiles.Node{Name: "wittgenstein", RootDisk: profiles.DiskName{Serial: "ROOT"}, DBDisk: profiles.DiskName{Serial: "FAST"}}
}

// withDB is what it looks like where OSDs share a disk for their databases.
func (s sight) withDB(free int64, parts []pve.Volume) sight {
	s.node, s.is, s.volumes = fastDB(), pve.Ceph{}.Is, append(parts, pve.Volume{OSD: 4, FSID: fsid, Devices: []string{"/dev/sdx"}, Parts: []pve.Part{{Kind: "db", FSID: fsid, Devices: []string{"/dev/nvme2n1"}}}})
	s.disks = append(s.disks, pve.ListedDisk{Device: "/dev/nvme2n1", Serial: "FAST", Used: "LVM", OSD: -1, Bytes: 800e9})
	s.groups = map[string]pve.Group{"/dev/nvme2n1": {Name: "ceph-0a0a0a0a-0000-4000-a000-000000000000", Free: free, Volumes: []pve.LogicalVolume{{Name: "osd-db-0b0b0b0b-0000-4000-a000-000000000000", Tagged: true}}}}
	return s
}

func TestWhatComesNext(t *testing.T) {
	with := func(alter func(s *sight, o *Order)) func() (sight, *Order) {
		return func() (sight, *Order) {
			s, o := after(), &Order{Version: 1, Node: "wittgenstein", OSD: 2, Serial: "NEW"}
			alter(&s, o)
			return s, o
		}
	}
	out := func(s *sight) { s.tree[2].In = false }
	for name, c := range map[string]struct {
		case_ func() (sight, *Order)
		act   act
		says  string
	}{
		"it died":                     {with(func(*sight, *Order) {}), actOut, "osd.2 gets no more data"},
		"it is out":                   {with(func(s *sight, _ *Order) { out(s) }), actMake, "the disk NEW (nvme1n1, Data, 2000 GB) gets an OSD"},
		"Ceph is mute":                {with(func(s *sight, _ *Order) { s.blind = "Ceph does not answer (x)" }), actWait, "Ceph does not answer (x)"},
		"it lives again":              {with(func(s *sight, _ *Order) { s.tree[2].Up = true }), actStop, "osd.2 runs again: its disk is not dead"},
		"the new disk is gone":        {with(func(s *sight, _ *Order) { out(s); s.disks = s.disks[:1] }), actStop, "wittgenstein has no disk with the serial NEW"},
		"the new disk was used":       {with(func(s *sight, _ *Order) { out(s); s.disks[1].Used = "ext4" }), actStop, "is not blank, it holds ext4"},
		"made by half":                {with(func(s *sight, o *Order) { out(s); s.disks[1].Used, o.Tries = "LVM", 1 }), actStop, "was made by half"},
		"made too often":              {with(func(s *sight, o *Order) { out(s); o.Tries = 3 }), actStop, "got no OSD in 3 tries"},
		"it does not come up":         {with(func(s *sight, _ *Order) { *s = s.carried(false, 0) }), actWait, "osd.3 on the disk NEW is to come up"},
		"copies are made":             {with(func(s *sight, _ *Order) { *s = s.carried(true, 20) }), actWait, "20 of 33 placement groups are clean"},
		"clean, and not safe":         {with(func(s *sight, _ *Order) { *s = s.carried(true, 33); s.unsafe = "EAGAIN" }), actWait, "osd.2 is to be safe to destroy: EAGAIN"},
		"clean and safe":              {with(func(s *sight, _ *Order) { *s = s.carried(true, 33) }), actPurge, "osd.2 is safe to destroy"},
		"gone":                        {with(func(s *sight, _ *Order) { *s = s.carried(true, 33); s.tree = append(s.tree[:2:2], s.tree[3]) }), actDone, "osd.3 on the disk NEW is in the place of osd.2, and all 33 placement groups are clean"},
		"its database's disk is gone": {with(func(s *sight, _ *Order) { out(s); s.node, s.is = fastDB(), pve.Ceph{}.Is }), actStop, "lacks the disk FAST, which db_disk names for parts of its OSDs"},
		"a database beside":           {with(func(s *sight, _ *Order) { *s = s.withDB(600e9, nil); out(s) }), actMake, "gets an OSD"},
		"no room for its database": {with(func(s *sight, _ *Order) {
			*s = s.withDB(0, []pve.Volume{{OSD: 2, Parts: []pve.Part{{Kind: "db", FSID: fsid, Path: "/dev/ceph-x/osd-db-y", Devices: []string{"/dev/nvme2n1"}}}}})
			out(s)
		}), actStop,
			"has 0 GiB free, and the databases of its new OSDs want 187: make ceph.db_size smaller, or name a larger disk as db_disk; /dev/ceph-x/osd-db-y is left of OSD 2, whose own disk is gone: ceph-volume lvm zap --destroy /dev/ceph-x/osd-db-y frees it"},
		"gone, and its database not": {with(func(s *sight, _ *Order) {
			*s = s.carried(true, 33)
			s.tree = append(s.tree[:2:2], s.tree[3])
			s.volumes = append(s.volumes, pve.Volume{OSD: 2, Parts: []pve.Part{{Kind: "db", FSID: fsid, Path: "/dev/ceph-x/osd-db-y"}}})
		}), actDone,
			"its db still has room on another disk, which ceph-volume lvm zap --destroy /dev/ceph-x/osd-db-y frees"},
		"removed by hand": {with(func(s *sight, _ *Order) { s.tree = s.tree[:2] }), actMake, "gets an OSD"},
		"another cluster's disk": {with(func(s *sight, _ *Order) {
			out(s)
			s.volumes = []pve.Volume{{OSD: 7, FSID: "other", Devices: []string{"/dev/nvme1n1"}}}
		}), actStop, "carries osd.7 of the cluster other: it is not blank"},
	} {
		s, o := c.case_()
		if d := decide(o, s); d.act != c.act || !strings.Contains(d.reason, c.says) {
			t.Errorf("%s: act %d, %q", name, d.act, d.reason)
		}
	}
}

// Nothing that is not clean is ever a reason to remove, whatever else is seen.
func TestNothingIsRemovedBeforeAllIsClean(t *testing.T) {
	o := &Order{Node: "wittgenstein", OSD: 2, Serial: "NEW"}
	for clean := range 33 {
		for _, up := range []bool{false, true} {
			for _, unsafe := range []string{"", "EBUSY"} {
				s := after().carried(up, clean)
				s.unsafe = unsafe
				if d := decide(o, s); d.act == actPurge || d.act == actDone {
					t.Errorf("with %d of 33 clean, up %v: %q", clean, up, d.reason)
				}
			}
		}
	}
}

func TestWhatIsNotBegun(t *testing.T) {
	for name, c := range map[string]struct {
		alter func(s *sight, o *Order)
		kind  fault.Kind
		want  string
	}{
		"no such OSD":     {func(_ *sight, o *Order) { o.OSD = 9 }, fault.Usage, "osd.9 is no OSD of this cluster; those of wittgenstein: osd.2"},
		"elsewhere":       {func(_ *sight, o *Order) { o.OSD = 1 }, fault.Refused, "osd.1 is on russell and this is wittgenstein: type it there"},
		"it runs":         {func(s *sight, _ *Order) { s.tree[2].Up = true }, fault.Refused, "osd.2 runs, so its disk is not dead: if you mean it, stop it first with systemctl stop ceph-osd@2"},
		"another is down": {func(s *sight, _ *Order) { s.tree[0].Up = false }, fault.Refused, "osd.0 of frege is down as well"},
		"somebody is at work": {func(s *sight, _ *Order) {
			s.health.Checks = []pve.Check{{Code: "OSDMAP_FLAGS", Message: "noout flag(s) set"}}
		}, fault.Refused, "somebody is at work (noout is set): end that first"},
		"data is not there": {func(s *sight, _ *Order) {
			s.health.Checks = []pve.Check{{Code: "PG_AVAILABILITY", Severity: "HEALTH_WARN", Message: "Reduced data availability: 3 pgs inactive"}}
		}, fault.Refused, "Ceph says Reduced data availability: 3 pgs inactive (PG_AVAILABILITY): data may be on no other disk"},
		"an error": {func(s *sight, _ *Order) {
			s.health.Checks = []pve.Check{{Code: "OSD_FULL", Severity: "HEALTH_ERR", Message: "1 full osd(s)"}}
		}, fault.Refused, "Ceph says 1 full osd(s) (OSD_FULL)"},
		"two of the serial": {func(s *sight, _ *Order) { s.disks[0].Serial = "NEW" }, fault.Refused, "2 disks of wittgenstein have the serial NEW: which is meant nobody can tell"},
		"no serial":         {func(_ *sight, o *Order) { o.Serial = "" }, fault.Precondition, "has no disk with the serial"},
		"the root disk":     {func(_ *sight, o *Order) { o.Serial = "ROOT" }, fault.Refused, "is not blank, it holds mounted"},
		"too small":         {func(s *sight, _ *Order) { s.disks[1].Bytes = 64e9 }, fault.Refused, "the disk NEW has 64 GB, an OSD wants 100 at least"},
	} {
		s, o := after(), &Order{Version: 1, Node: "wittgenstein", OSD: 2, Serial: "NEW"}
		c.alter(&s, o)
		if err := refused(o, s); err == nil || fault.Of(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := refused(&Order{Node: "wittgenstein", OSD: 2, Serial: "NEW"}, after()); err != nil {
		t.Errorf("a dead disk is not replaced: %v", err)
	}
}

// The command of another replacement does not take over the one under way.
func TestOneReplacementAtATime(t *testing.T) {
	h := host.New(t.TempDir())
	o := &Order{Version: 1, Node: "wittgenstein", OSD: 2, Serial: "NEW", Stopped: "a doubt"}
	if err := o.Write(h.Files); err != nil {
		t.Fatal(err)
	}
	r := New(Options{Host: h, Node: profiles.Node{Name: "wittgenstein"}, Log: func(string) {}})
	if _, err := r.Begin(t.Context(), 3, "NEWER"); fault.Of(err) != fault.Refused || !strings.Contains(err.Error(), "another replacement is under way, of osd.2 of wittgenstein") {
		t.Error(err)
	}
	if got, err := r.Begin(t.Context(), 2, "NEW"); err != nil || got.Stopped != "" {
		t.Errorf("the same command does not go on: %+v, %v", got, err)
	}
}
