package storage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/trial"
)

// Each part hands on whatever fails in it, but for what is listed.
func TestEachPartHandsOnWhatFails(t *testing.T) {
	p := full()
	apart := p.HA.Affinity
	p.HA.Affinity = nil
	for i := range p.Nodes { // one more disk, of which the system takes a part
		p.Nodes[i].OSDDisks = append(p.Nodes[i].OSDDisks, profiles.DiskName{Rest: true})
	}
	c := clustered(t, p)
	for _, n := range c.World.Names() {
		c.disks(n, func(d []ceph.BlockDevice) []ceph.BlockDevice { d[0].System = 200 << 30; return d })
	}
	c.Start()
	c.done(2 * time.Hour)
	c.halt()
	p.HA.Affinity = apart
	for _, line := range []string{"qm create 100 --name a --memory 128", "qm create 101 --name b --memory 128", "ha-manager add vm:100", "ha-manager add vm:101"} {
		if _, err := c.Type("frege", line); err != nil {
			t.Fatal(err)
		}
	}
	s, ha, ctx := c.cephs["frege"], c.has["frege"], t.Context()
	look, err := c.Sweep(func() error { _, err := s.look(ctx); return err })
	var b strings.Builder
	fmt.Fprintf(&b, "== look: %v\n%s", err, look)
	for _, k := range []struct {
		name string
		do   func() error
	}{
		{"check", func() error { _, err := s.Check(ctx); return err }},
		{"apply", func() error { return s.Apply(ctx) }},
		{"observe", func() error { _, err := s.Observe(ctx); return err }},
		{"local", func() error { _, err := s.local(ctx); return err }},
		{"packages", func() error { _, err := s.packages(ctx); return err }},
		{"wait for a monitor", func() error { return s.awaitDaemon(ctx, "mon") }},
		{"check of high availability", func() error { _, err := ha.Check(ctx); return err }},
		{"high availability", func() error {
			for _, line := range []string{"pvesh set /cluster/options --ha shutdown_policy=freeze", "ha-manager rules remove apart"} {
				if _, err := c.World.Exec(ctx, "frege", strings.Fields(line), nil, nil, time.Minute); err != nil {
					t.Error(err)
				}
			}
			return ha.Apply(ctx)
		}},
		{"observe high availability", func() error { _, err := ha.Observe(ctx); return err }},
		{"intent", func() error { return s.intend(intent{FSID: "x"}) }},
	} {
		quiet, err := c.Sweep(k.do)
		fmt.Fprintf(&b, "== %s: %v\n%s", k.name, err, trial.Less(quiet, look))
	}
	v, err := s.look(ctx)
	if err != nil {
		t.Fatal(err)
	}
	part := *v.disks.disks[1].rest
	bare := v.disks.disks[0].disk
	part.used, part.disk.OSD, bare.Used, bare.OSD = "", -1, "", -1 // as they were before
	for _, k := range []struct {
		name  string
		d     cephDecision
		clear func() // makes it as it was before each try
	}{
		{"install", cephDecision{act: cephInstall}, nil},
		{"mean it", cephDecision{act: cephIntend}, nil},
		{"init", cephDecision{act: cephInit}, nil},
		{"write it down", cephDecision{act: cephRecord}, nil},
		{"link", cephDecision{act: cephLinkConf}, nil},
		{"make a part", cephDecision{act: cephMakePart, rest: &part}, func() { c.blank("nvme0n1p4", true) }},
		{"make an OSD of it", cephDecision{act: cephMakeOSD, rest: &part}, func() { c.blank("nvme0n1p4", false) }},
		{"make an OSD", cephDecision{act: cephMakeOSD, disk: bare}, func() { c.blank("nvme1n1", false) }},
		{"start a monitor", cephDecision{act: cephStartMon, kind: "mon"}, func() { c.types("frege", "systemctl stop ceph-mon@frege") }},
		{"make a manager", cephDecision{act: cephMakeMgr, kind: "mgr"}, c.noManager},
		{"ask for a monitor", cephDecision{act: cephAskMon, node: "russell"}, func() {
			p.Nodes[0].Added = true // it asks only then
			c.noMonitor("russell")
		}},
		{"activate", cephDecision{act: cephActivate, osd: v.disks.disks[0].osd}, nil},
		{"memory", cephDecision{act: cephSetMemory}, nil},
		{"pool", cephDecision{act: cephMakePool}, nil},
		{"CephFS", cephDecision{act: cephMakeFS}, c.noFS},
		{"forget the monitor", cephDecision{act: cephForgetMon}, nil},
		{"clean the manager", cephDecision{act: cephCleanMgr, kind: "mgr"}, nil},
	} {
		quiet, err := c.Sweep(func() error {
			if hold := c.Trouble; k.clear != nil {
				c.Trouble = nil
				k.clear()
				c.Trouble = hold
			}
			return s.act(ctx, v, k.d)
		})
		if err != nil {
			t.Errorf("%s ends with %v", k.name, err)
		}
		fmt.Fprintf(&b, "== %s: %v\n%s", k.name, err, trial.Less(quiet, look))
	}
	c.golden("sweep", b.String())
}

// types types lines on a node from within what is swept.
func (c *tried) types(node string, lines ...string) {
	for _, line := range lines {
		if r, err := c.World.Exec(c.t.Context(), node, strings.Fields(line), nil, nil, time.Minute); err != nil || r.Code != 0 {
			c.t.Errorf("%s on %s: %s %v", line, node, r.Stderr, err)
		}
	}
}

// blank empties a disk of frege, or a partition, whose OSD goes; a partition goes
// altogether if it is to be made.
func (c *tried) blank(name string, gone bool) {
	m := c.World.Node("frege").Machine()
	list := ceph.Disks(m)
	at := slices.IndexFunc(list, func(d ceph.BlockDevice) bool { return d.Name == name })
	switch {
	case at < 0:
		return
	case list[at].OSD >= 0:
		id := fmt.Sprint(list[at].OSD)
		c.types("frege", "systemctl stop ceph-osd@"+id, "ceph osd purge "+id+" --yes-i-really-mean-it")
	}
	if list[at].Used, list[at].OSD, list[at].FSID, list[at].OSDUUID = "", -1, "", ""; gone {
		list = slices.Delete(list, at, at+1)
		c.remove("/sys/class/block/"+name+"/partition", "/sys/class/block/"+name)
	}
	ceph.SetDisks(m, list...)
}

// noManager takes frege's manager away.
func (c *tried) noManager() {
	c.types("frege", "systemctl disable --now ceph-mgr@frege")
	c.remove("/var/lib/ceph/mgr/ceph-frege/keyring", "/var/lib/ceph/mgr/ceph-frege")
}

// remove removes files of frege.
func (c *tried) remove(paths ...string) {
	for _, at := range paths {
		if err := c.World.Node("frege").Files().Remove(at); err != nil {
			c.t.Error(err)
		}
	}
}

// noMonitor takes a node's monitor away, if it has one.
func (c *tried) noMonitor(node string) {
	m := c.World.Node(node).Machine()
	if slices.Contains(ceph.Monitors(m), node) {
		c.types(node, "pveceph mon destroy "+node)
	}
}

// noFS takes CephFS away, with its pools and its storage.
func (c *tried) noFS() {
	m := c.World.Node("frege").Machine()
	ceph.Amend(m, func(s *ceph.Store) {
		s.FS = nil
		for i := len(s.Pools) - 1; i >= 0; i-- {
			if strings.HasPrefix(s.Pools[i].Name, cephFSName) {
				s.Pools = slices.Delete(s.Pools, i, i+1)
			}
		}
	})
	files := c.World.Node("frege").Files()
	text, err := files.ReadFile("/etc/pve/storage.cfg")
	if err != nil {
		c.t.Error(err)
	}
	text = regexp.MustCompile(`(?m)^cephfs: .*\n(\t.*\n)*`).ReplaceAll(text, nil)
	if err := files.WriteDirect("/etc/pve/storage.cfg", text); err != nil {
		c.t.Error(err)
	}
}
