package storage

import (
	"fmt"
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
	for _, k := range []struct {
		name string
		d    cephDecision
	}{
		{"install", cephDecision{act: cephInstall}},
		{"mean it", cephDecision{act: cephIntend}},
		{"init", cephDecision{act: cephInit}},
		{"write it down", cephDecision{act: cephRecord}},
		{"link", cephDecision{act: cephLinkConf}},
		{"make a part", cephDecision{act: cephMakePart, rest: &part}},
		{"make an OSD of it", cephDecision{act: cephMakeOSD, rest: &part}},
		{"make an OSD", cephDecision{act: cephMakeOSD, disk: v.disks.disks[0].disk}},
		{"start a monitor", cephDecision{act: cephStartMon, kind: "mon"}},
		{"make a manager", cephDecision{act: cephMakeMgr, kind: "mgr"}},
		{"ask for a monitor", cephDecision{act: cephAskMon, node: "russell"}},
		{"activate", cephDecision{act: cephActivate, osd: v.disks.disks[0].osd}},
		{"memory", cephDecision{act: cephSetMemory}},
		{"pool", cephDecision{act: cephMakePool}},
		{"CephFS", cephDecision{act: cephMakeFS}},
		{"forget the monitor", cephDecision{act: cephForgetMon}},
		{"clean the manager", cephDecision{act: cephCleanMgr, kind: "mgr"}},
	} {
		quiet, err := c.Sweep(func() error { return s.act(ctx, v, k.d) })
		fmt.Fprintf(&b, "== %s: %v\n%s", k.name, err, trial.Less(quiet, look))
	}
	c.golden("sweep", b.String())
}
