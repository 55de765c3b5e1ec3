package storage

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/trial"
)

// took is how long something takes.
func (c *tried) took(do func() error) time.Duration {
	c.t.Helper()
	began := c.World.Sim().Now()
	if err := c.Do(do); err != nil {
		c.t.Error(err)
	}
	return c.World.Sim().Now().Sub(began)
}

// A new daemon is waited for until the others know it, and a storage that is not
// sound for a while: what is missing then, the next look says.
func TestHowLongIsWaited(t *testing.T) {
	c := stored(t, trial.Profile())
	s, ctx := c.cephs["russell"], t.Context()
	await := func(kind string) func() error { return func() error { return s.awaitDaemon(ctx, kind) } }
	for _, kind := range []string{"mon", "mgr", "mds"} {
		if got := c.took(await(kind)); got > 10*time.Second {
			t.Errorf("a %s that is there is waited for %v", kind, got)
		}
	}
	v, err := s.look(ctx)
	if err != nil {
		t.Fatal(err)
	}
	v.peers["frege"], v.peers["wittgenstein"] = cephLocal{Expected: 1}, cephLocal{Expected: 1}
	settle := func() error { return s.settle(ctx, v) }
	if got := c.took(settle); got < 2*time.Second || got > 10*time.Second {
		t.Errorf("a sound storage is waited for %v", got)
	}
	for _, unit := range []string{"ceph-mgr@russell", "ceph-mon@russell"} {
		if _, err := c.Type("russell", "systemctl stop "+unit); err != nil {
			t.Fatal(err)
		}
	}
	c.rest(time.Minute)
	for _, kind := range []string{"mon", "mgr"} {
		if got := c.took(await(kind)); got < 90*time.Second || got > 100*time.Second {
			t.Errorf("a %s that does not come is waited for %v", kind, got)
		}
	}
	if got := c.took(settle); got < 3*time.Minute || got > 3*time.Minute+30*time.Second {
		t.Errorf("a storage that is not sound is waited for %v", got)
	}
	// One that comes meanwhile is seen, and one that asks for a person ends the wait.
	c.World.Sim().After(20*time.Second, func() {
		c.World.Sim().Go("owner", func() {
			_, _ = c.World.Exec(ctx, "russell", []string{"systemctl", "start", "ceph-mon@russell"}, nil, nil, time.Minute)
		})
	})
	if got := c.took(await("mon")); got < 20*time.Second || got > time.Minute {
		t.Errorf("a monitor that comes after 20 s is seen after %v", got)
	}
}

// What else keeps a disk from being taken, on the machine.
func TestWhatLiesOnADisk(t *testing.T) {
	rest := func(c *tried) {
		c.Profile.Nodes[0].OSDDisks = profiles.DiskList{{Rest: true}}
	}
	for name, k := range map[string]struct {
		spoil func(c *tried)
		edit  func(d []ceph.BlockDevice) []ceph.BlockDevice
		state step.State
		says  string
	}{
		"a file system": {nil, func(d []ceph.BlockDevice) []ceph.BlockDevice { d[1].Used, d[1].Label = "ext4", "backup"; return d }, step.Stopped,
			`the disk nvme1n1 (OSD-frege) of frege is in use, with ext4 "backup" on nvme1n1: take the disk out, or put "OSD-frege" on the wipe list of frege to erase it`},
		"another cluster's OSD": {nil, func(d []ceph.BlockDevice) []ceph.BlockDevice {
			d[1].Used, d[1].OSD, d[1].FSID = "LVM", 4, "1111"
			return d
		}, step.Stopped,
			`the disk nvme1n1 (OSD-frege) of frege holds OSD 4 of another Ceph cluster (fsid 1111): take the disk out, or put "OSD-frege" on the wipe list of frege to erase it`},
		"no rest": {rest, func(d []ceph.BlockDevice) []ceph.BlockDevice { d[0].System = 450 << 30; return d[:1] }, step.Stopped,
			"the system leaves 16 GB of the disk nvme0n1 (ROOT-frege) of frege, and an OSD wants at least 100: install the node again with a smaller install.size, or name a disk of its own under osd_disks"},
		"no root disk": {func(c *tried) { rest(c); c.Profile.Nodes[0].RootDisk.Serial = "GONE" }, func(d []ceph.BlockDevice) []ceph.BlockDevice { return d[:1] }, step.Stopped,
			"0 disks of frege are the disk GONE, whose rest is for Ceph: name it by a number that it alone has, under root_disk"},
		"too few": {func(c *tried) { c.Profile.Ceph.MinOSDs = 2 }, func(d []ceph.BlockDevice) []ceph.BlockDevice { return d }, step.Waiting,
			"frege has 1 disk for Ceph, the profile wants 2: add blank disks of at least 100 GB, or name used ones and consent to erase them"},
	} {
		c := clustered(t, trial.Profile())
		if k.spoil != nil {
			k.spoil(c)
		}
		c.disks("frege", k.edit)
		before := ceph.Disks(c.World.Node("frege").Machine())
		c.Start()
		c.says("frege", "ceph", k.state, k.says)
		if k.state == step.Stopped {
			var l cephLocal
			if err := c.Do(func() error { return c.Machine("russell").Call(t.Context(), "frege", methodCephLocal, nil, &l) }); err != nil || l.Trouble != k.says || l.Node != "frege" || !l.Installed {
				t.Errorf("%s: russell is told %+v %v", name, l, err)
			}
		}
		after := ceph.Disks(c.World.Node("frege").Machine())
		if k.state == step.Waiting { // the one that is blank is taken
			if after[1].OSD < 0 || after[1].Used != "LVM" {
				t.Errorf("%s: %+v", name, after[1])
			}
			before, after = slices.Delete(before, 1, 2), slices.Delete(after, 1, 2)
		}
		if !reflect.DeepEqual(before, after) {
			t.Errorf("%s: something was made of it: %+v\nbefore: %+v", name, after, before)
		}
	}
	if err := pgLimit(nil, "x"); err != nil {
		t.Error(err)
	}
}

// What the kernel has not read yet is not emptied, and a disk without a name is none.
func TestAPartitionThatTheKernelDoesNotKnow(t *testing.T) {
	c := clustered(t, trial.Profile())
	c.disks("frege", func(d []ceph.BlockDevice) []ceph.BlockDevice { d[0].System = 200 << 30; return d[:1] })
	c.idle = true
	c.Start()
	s := c.cephs["frege"]
	if _, err := s.restOf(t.Context(), pve.ListedDisk{}); err == nil || err.Error() != "the system's disk has no name" {
		t.Errorf("%v", err)
	}
	disks, err := s.ceph.Disks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	free, err := s.restOf(t.Context(), disks[0])
	if err != nil || free.part != "" || free.bytes < 250e9 {
		t.Errorf("%+v %v", free, err)
	}
	if err := c.Do(func() error { return s.makeRest(t.Context(), free) }); err != nil {
		t.Fatal(err)
	}
	made, err := s.restOf(t.Context(), disks[0])
	if err != nil || made.part != "/dev/nvme0n1p4" || made.begun || made.used != "" {
		t.Errorf("%+v %v", made, err)
	}
	before := len(c.Machine("frege").Log)
	if err := c.Do(func() error { return s.makeRest(t.Context(), free) }); err != nil {
		t.Fatal(err)
	}
	if story := strings.Join(c.Machine("frege").Log[before:], "\n"); story != "$ partx -u /dev/nvme0n1" {
		t.Errorf("what is made is made again: %s", story)
	}
	for _, spoil := range []func(r *rest){func(r *rest) { r.part = "/dev/nvme0n1p5" }, func(r *rest) { r.bytes++ }} {
		other := made
		spoil(&other)
		if err := s.createOSDOf(t.Context(), other, pve.NewOSD{}); err == nil || !strings.Contains(err.Error(), "is no longer the disk of the plan: its partition for Ceph was ") {
			t.Errorf("%+v: %v", other, err)
		}
	}
}
