package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ringboot/firstboot/blockdb"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/trial"
)

// wholeView is what a node sees of a storage that is whole.
func wholeView(node string) cephView {
	p := full()
	n, _ := p.Node(node)
	others := slices.DeleteFunc([]string{"frege", "russell", "wittgenstein"}, func(o string) bool { return o == node })
	v := cephView{profile: p, node: n, founder: node == "frege", public: "10.203.4.0/24", cluster: "10.203.4.0/24",
		install: pve.Installation{Programs: true, Release: "20.2"}, meant: true, made: "fsid", hasConf: true, linked: true, admin: true, answers: true,
		mon: running, mgr: running, mds: running, memory: 8 << 30, aims: 8 << 30, filesystems: []string{cephFSName},
		storages: map[string]string{"vm": "rbd", cephFSName: "cephfs"}, peers: map[string]cephLocal{}, mute: map[string]error{}}
	v.conf = pve.Config{FSID: "fsid", PublicNetwork: v.public, ClusterNetwork: v.cluster}
	for _, o := range []string{"frege", "russell", "wittgenstein"} {
		v.conf.Sections = append(v.conf.Sections, "mon."+o, "mds."+o)
	}
	v.health = sound()
	v.health.Checks = nil
	v.managers = pve.Managers{Active: "frege", Standby: []string{"russell", "wittgenstein"}}
	v.pools = []pve.PoolState{{Name: "vm", Size: 3, MinSize: 2, Autoscale: "on", Ratio: 0.8, Apps: []string{"rbd"}}}
	for i, o := range append([]string{node}, others...) {
		v.tree = append(v.tree, pve.TreeOSD{ID: 3 + i, Host: o, Weight: 1, Up: true, In: true})
	}
	v.disks.disks = []osdDisk{{disk: pve.ListedDisk{Device: "/dev/nvme1n1", Serial: "OSD-" + node}, want: n.OSDDisks[0], osd: 3}}
	if v.founder {
		for _, o := range others {
			v.peers[o] = cephLocal{Node: o, Installed: true, Release: "20.2", FSID: "fsid", Expected: 1, Done: 1}
		}
	}
	return v
}

// What comes next where one thing is not as it should be.
func TestWhatComesNext(t *testing.T) {
	type change = func(v *cephView)
	for name, k := range map[string]struct {
		node   string
		change change
		act    cephAct
		state  step.State
		says   string
	}{
		"all is well":            {"frege", func(*cephView) {}, cephNothing, step.Done, "Ceph is healthy: frege, russell, wittgenstein, 3 OSDs, pool vm"},
		"a manager made by half": {"russell", func(v *cephView) { v.managers.Standby, v.mgr = nil, pve.Daemon{Dir: true} }, cephCleanMgr, step.Todo, "the manager of russell was made by half"},
		"a manager that is down": {"russell", func(v *cephView) { v.managers.Standby = nil }, cephStartMgr, step.Todo, "the manager of russell does not run"},
		"no manager":             {"russell", func(v *cephView) { v.managers.Standby, v.mgr = nil, pve.Daemon{} }, cephMakeMgr, step.Todo, "russell gets its manager"},
		"an OSD is down":         {"frege", func(v *cephView) { v.tree[0].Up = false }, cephActivate, step.Todo, "OSD 3 on the disk nvme1n1 (OSD-frege) is not up"},
		"an OSD without weight":  {"frege", func(v *cephView) { v.tree[0].Weight = 0 }, cephActivate, step.Todo, "OSD 3 on the disk nvme1n1 (OSD-frege) is not up"},
		"an OSD of another node": {"frege", func(v *cephView) { v.tree[0].Host = "russell" }, cephActivate, step.Todo, "OSD 3 on the disk nvme1n1 (OSD-frege) is not up"},
		"an OSD that somebody stops": {"frege", func(v *cephView) {
			v.tree[0].Up = false
			v.health.Checks = []pve.Check{{Code: "OSDMAP_FLAGS", Message: "noout flag(s) set"}}
		}, cephNothing, step.Waiting, "OSD 3 on the disk nvme1n1 (OSD-frege) is not up, and noout is set, as by somebody who works on it: start it, or ceph osd unset noout"},
		"an OSD that is no more": {"frege", func(v *cephView) { v.disks.disks[0].osd = 7 }, cephNothing, step.Stopped, `the disk nvme1n1 (OSD-frege) of frege holds OSD 7, whose number was taken out of the cluster meanwhile: put "OSD-frege" on the wipe list of frege to make it anew, or take the disk out`},
		"a disk to be erased":    {"frege", func(v *cephView) { v.disks.disks[0].wipe = true }, cephWipe, step.Todo, "the disk nvme1n1 (OSD-frege) is erased as the profile says"},
		"a disk without an OSD":  {"frege", func(v *cephView) { v.disks.disks[0].osd = -1 }, cephMakeOSD, step.Todo, "the disk nvme1n1 (OSD-frege) becomes an OSD"},
		"a part on another disk": {"frege", func(v *cephView) {
			v.disks.disks[0].osd, v.disks.beside = -1, []blockdb.Disk{{Beside: pve.Beside{Kind: "db", Disk: pve.ListedDisk{Device: "/dev/sdx", Serial: "DB"}}}}
		}, cephMakeOSD, step.Todo, "the disk nvme1n1 (OSD-frege) becomes an OSD, with its db on the disk sdx (DB)"},
		"that disk is to be erased": {"frege", func(v *cephView) {
			v.disks.beside = []blockdb.Disk{{Beside: pve.Beside{Kind: "db", Disk: pve.ListedDisk{Device: "/dev/sdx", Serial: "DB"}}, Wipe: true}}
		}, cephWipe, step.Todo, "the disk sdx (DB) is erased as the profile says"},
		"a volume that nobody uses": {"frege", func(v *cephView) {
			v.disks.beside = []blockdb.Disk{{Beside: pve.Beside{Kind: "db", Disk: pve.ListedDisk{Device: "/dev/sdx", Serial: "DB"}}, Unused: []string{"vg/lv"}}}
		}, cephDropUnused, step.Todo, "the volume vg/lv on the disk sdx (DB) was made for an OSD that never came to be"},
		"that disk is missing":       {"frege", func(v *cephView) { v.disks.noBeside = "frege lacks the disk DB" }, cephNothing, step.Waiting, "frege lacks the disk DB"},
		"a person must decide":       {"frege", func(v *cephView) { v.disks.stop = "it is in use" }, cephNothing, step.Stopped, "it is in use"},
		"a disk is missing":          {"frege", func(v *cephView) { v.disks.wait = "frege lacks a disk" }, cephNothing, step.Waiting, "frege lacks a disk"},
		"memory":                     {"frege", func(v *cephView) { v.aims = 4 << 30 }, cephSetMemory, step.Todo, "the OSDs of frege are to aim at 8 GiB of memory each"},
		"memory that was never set":  {"frege", func(v *cephView) { v.aims, v.heir = 0, true }, cephSetMemory, step.Todo, "the OSDs of frege are to aim at 8 GiB of memory each"},
		"memory that is its owner's": {"frege", func(v *cephView) { v.aims, v.heir = 4<<30, true }, cephNothing, step.Done, "Ceph is healthy: frege, russell, wittgenstein, 3 OSDs, pool vm"},
		"no wish about memory":       {"frege", func(v *cephView) { v.memory, v.aims = 0, 4<<30 }, cephNothing, step.Done, "Ceph is healthy: frege, russell, wittgenstein, 3 OSDs, pool vm"},
		"no pool":                    {"frege", func(v *cephView) { v.pools = nil }, cephMakePool, step.Todo, "the pool vm is to be made"},
		"no pool, and not the first": {"russell", func(v *cephView) { v.pools = nil }, cephNothing, step.Waiting, "waits for frege to make the pool vm"},
		"no pool, and an heir":       {"frege", func(v *cephView) { v.pools, v.heir = nil, true }, cephNothing, step.Done, "Ceph is healthy: frege, russell, wittgenstein, 3 OSDs, pool vm"},
		"half a pool":                {"frege", func(v *cephView) { v.pools[0].MinSize = 1 }, cephMendPool, step.Todo, "the pool vm was made by half"},
		"a pool without an entry":    {"frege", func(v *cephView) { delete(v.storages, "vm") }, cephAddStorage, step.Todo, "the pool vm has no storage entry"},
		"a name that is taken":       {"frege", func(v *cephView) { v.storages["vm"] = "dir" }, cephNothing, step.Stopped, "there is a storage vm of type dir already: give ceph.pool another name"},
		"one is silent": {"frege", func(v *cephView) {
			v.pools = nil
			delete(v.peers, "russell")
			v.mute["russell"] = errors.New("no route")
		}, cephNothing, step.Waiting, "the pool comes once all nodes can be asked: russell does not answer (no route)"},
		"one has trouble":   {"frege", func(v *cephView) { v.pools = nil; v.peers["russell"] = cephLocal{Trouble: "a used disk"} }, cephNothing, step.Waiting, "the pool waits for the disks of russell: a used disk"},
		"one is not so far": {"frege", func(v *cephView) { v.pools = nil; v.peers["russell"] = cephLocal{Expected: 2, Done: 1} }, cephNothing, step.Waiting, "waits for the OSDs of russell: 1 of 2 are up"},
		"one has none yet":  {"frege", func(v *cephView) { v.pools = nil; v.peers["russell"] = cephLocal{} }, cephNothing, step.Waiting, "waits for the OSDs of russell: 0 of 0 are up"},
		"one is to have none": {"frege", func(v *cephView) {
			v.pools = nil
			v.profile.Nodes[1].OSDDisks = profiles.DiskList{}
			v.peers["russell"] = cephLocal{}
		}, cephMakePool, step.Todo, "the pool vm is to be made"},
		"the builders have left":  {"frege", func(v *cephView) { v.pools, v.settled, v.peers = nil, true, map[string]cephLocal{} }, cephMakePool, step.Todo, "the pool vm is to be made"},
		"a silent one at the end": {"frege", func(v *cephView) { v.mute["russell"] = errors.New("no route") }, cephNothing, step.Waiting, "Ceph is judged once all nodes can be asked: russell does not answer (no route)"},
		"a manager is missing":    {"frege", func(v *cephView) { v.managers.Standby = []string{"wittgenstein"} }, cephSettle, step.Todo, "the manager of russell is not there"},
		"an OSD that others lack": {"frege", func(v *cephView) { v.peers["russell"] = cephLocal{Expected: 2, Done: 2} }, cephSettle, step.Todo, "3 of 4 OSDs are up and 3 are in"},
		"full": {"frege", func(v *cephView) {
			v.health.Checks = []pve.Check{{Code: "OSD_FULL", Severity: "HEALTH_ERR", Message: "1 full osd(s)"}}
		}, cephNothing, step.Stopped, "Ceph: an OSD is full and nothing can be written: add disks or delete data (1 full osd(s))"},
		"a warning and no manager": {"frege", func(v *cephView) { v.managers.Standby = nil; v.health.Clean = 30 }, cephSettle, step.Todo, "30 of 33 placement groups are clean"},
		"a monitor in no quorum":   {"frege", func(v *cephView) { v.health.Quorum = []string{"frege", "russell"} }, cephNothing, step.Waiting, "OSDs come once all monitors are in quorum: wittgenstein is missing"},
		"no file system":           {"frege", func(v *cephView) { v.filesystems = nil }, cephMakeFS, step.Todo, "CephFS is to be made"},
		"no file system, and heir": {"frege", func(v *cephView) { v.filesystems, v.heir = nil, true }, cephNothing, step.Done, "Ceph is healthy: frege, russell, wittgenstein, 3 OSDs, pool vm"},
		"no file system yet":       {"russell", func(v *cephView) { v.filesystems = nil }, cephNothing, step.Waiting, "waits for frege to make CephFS"},
		"a server is missing":      {"frege", func(v *cephView) { v.filesystems = nil; v.conf.Sections = v.conf.Sections[:3] }, cephNothing, step.Waiting, "CephFS waits for the metadata server of russell"},
		"an earlier server":        {"wittgenstein", func(v *cephView) { v.conf.Sections, v.mds = []string{"mon.wittgenstein", "mds.frege"}, pve.Daemon{} }, cephNothing, step.Waiting, "waits for the metadata server of russell"},
		"no entry of CephFS":       {"frege", func(v *cephView) { v.storages[cephFSName] = "dir" }, cephAddFSStorage, step.Todo, "CephFS has no storage entry"},
		"its only monitor is lost": {"frege", func(v *cephView) { v.answers, v.mon, v.conf.Sections = false, pve.Daemon{}, []string{"mon.frege"} }, cephNothing, step.Stopped,
			"/etc/pve/ceph.conf lists the monitor of frege alone, and its data is gone: bring the disk with /var/lib/ceph/mon back; if nothing was stored yet, move /etc/pve/ceph.conf away and Ceph is made anew"},
		"its monitor is lost":    {"frege", func(v *cephView) { v.mon, v.health.Quorum = pve.Daemon{}, []string{"russell", "wittgenstein"} }, cephForgetMon, step.Todo, "the monitor of frege that /etc/pve/ceph.conf lists was on a lost disk"},
		"nobody answers":         {"frege", func(v *cephView) { v.mon, v.answers = pve.Daemon{}, false }, cephNothing, step.Waiting, "the monitor of frege that /etc/pve/ceph.conf lists was on a lost disk, and goes once the others are in quorum"},
		"another machine has it": {"frege", func(v *cephView) { v.mon = pve.Daemon{} }, cephNothing, step.Stopped, "another machine runs the monitor of frege: switch it off, two machines of one name destroy the cluster"},
		"an added node's turn": {"wittgenstein", func(v *cephView) {
			v.heir, v.profile.Nodes[2].Added, v.node.Added = true, true, true
			v.conf.Sections, v.mon, v.health.Quorum, v.answers = []string{"mon.russell"}, pve.Daemon{}, []string{"russell"}, true
		}, cephAskMon, step.Todo, "3 nodes have 3 monitors, and frege, which has none, is asked to make its own"},
		"an added node waits": {"wittgenstein", func(v *cephView) {
			v.heir, v.node.Added = true, true
			v.conf.Sections, v.mon, v.health.Quorum = []string{"mon.frege", "mon.russell"}, pve.Daemon{}, []string{"russell"}
		}, cephNothing, step.Waiting, "waits for its turn: the monitor of frege is not in quorum yet"},
		"a number without a disk":  {"frege", func(v *cephView) { v.tree = append(v.tree, pve.TreeOSD{ID: 9}) }, cephPurgeOSD, step.Todo, "OSD number 9 was given out and never used"},
		"a number of another node": {"russell", func(v *cephView) { v.tree = append(v.tree, pve.TreeOSD{ID: 9}) }, cephNothing, step.Done, "Ceph is healthy: frege, russell, wittgenstein, 3 OSDs, pool vm"},
		"a number that is up":      {"frege", func(v *cephView) { v.tree = append(v.tree, pve.TreeOSD{ID: 9, Up: true}) }, cephNothing, step.Done, "Ceph is healthy: frege, russell, wittgenstein, 3 OSDs, pool vm"},
		"a number with weight":     {"frege", func(v *cephView) { v.tree = append(v.tree, pve.TreeOSD{ID: 9, Weight: 1}) }, cephNothing, step.Done, "Ceph is healthy: frege, russell, wittgenstein, 3 OSDs, pool vm"},
		"a number on a disk": {"frege", func(v *cephView) {
			v.tree, v.volumes = append(v.tree, pve.TreeOSD{ID: 9}), []pve.Volume{{OSD: 9, FSID: "fsid"}}
		}, cephNothing, step.Done, "Ceph is healthy: frege, russell, wittgenstein, 3 OSDs, pool vm"},
		"another cluster's disk": {"frege", func(v *cephView) {
			v.tree, v.volumes = append(v.tree, pve.TreeOSD{ID: 9}), []pve.Volume{{OSD: 9, FSID: "x"}}
		}, cephPurgeOSD, step.Todo, "OSD number 9 was given out and never used"},
		"a number, and one at work": {"frege", func(v *cephView) {
			v.tree = append(v.tree, pve.TreeOSD{ID: 9})
			v.peers["russell"] = cephLocal{Expected: 2, Done: 1}
		}, cephSettle, step.Todo, "3 of 4 OSDs are up and 3 are in"},
		"a number, settled": {"frege", func(v *cephView) { v.tree, v.settled = append(v.tree, pve.TreeOSD{ID: 9}), true }, cephNothing, step.Done, "Ceph is healthy: frege, russell, wittgenstein, 3 OSDs, pool vm"},
		"the lost machine's OSD": {"frege", func(v *cephView) {
			v.replaces, v.tree = true, append(v.tree, pve.TreeOSD{ID: 9, Host: "frege", Weight: 1, In: true})
		}, cephOutOSD, step.Todo, "OSD 9 was on a disk of the lost frege: its copies are made on other disks"},
		"its copies are made": {"frege", func(v *cephView) {
			v.replaces, v.health.Clean, v.tree = true, 30, append(v.tree, pve.TreeOSD{ID: 9, Host: "frege", Weight: 1})
		}, cephSettle, step.Todo, "OSD 9 of the lost frege goes once every copy is on another disk: 30 of 33 placement groups are clean"},
		"all copies are there": {"frege", func(v *cephView) {
			v.replaces, v.tree = true, append(v.tree, pve.TreeOSD{ID: 9, Host: "frege", Weight: 1})
		}, cephPurgeOSD, step.Todo, "OSD 9 was on a disk of the lost frege, and every copy is on another one now"},
		"no place was taken": {"frege", func(v *cephView) { v.tree = append(v.tree, pve.TreeOSD{ID: 9, Host: "frege", Weight: 1, In: true}) }, cephNothing, step.Done, "Ceph is healthy: frege, russell, wittgenstein, 3 OSDs, pool vm"},
		"its OSD came along": {"frege", func(v *cephView) {
			v.replaces, v.volumes, v.tree = true, []pve.Volume{{OSD: 9, FSID: "fsid"}}, append(v.tree, pve.TreeOSD{ID: 9, Host: "frege", Weight: 1, In: true})
		}, cephNothing, step.Done, "Ceph is healthy: frege, russell, wittgenstein, 3 OSDs, pool vm"},
	} {
		v := wholeView(k.node)
		v.disks.risks = []string{"a weak disk"}
		k.change(&v)
		d := decideCeph(v)
		if on, ok := map[cephAct]string{cephCleanMgr: "mgr", cephStartMgr: "mgr", cephMakeMgr: "mgr", cephForgetMon: "mon", cephActivate: "osd 3", cephOutOSD: "osd 9", cephPurgeOSD: "osd 9",
			cephMakeOSD: "/dev/nvme1n1", cephDropUnused: "/dev/sdx vg/lv", cephAskMon: "frege"}[d.act]; ok {
			got := strings.TrimSpace(d.kind + " " + d.disk.Device + " " + d.volume + d.node)
			if got == "" {
				got = fmt.Sprintf("osd %d", d.osd)
			}
			if got != on {
				t.Errorf("%s: it would do that with %s, not with %s", name, got, on)
			}
		}
		if d.act != k.act || d.verdict.State != k.state || d.verdict.Reason != k.says || !slices.Contains(d.verdict.Risks, "a weak disk") {
			t.Errorf("%s: act %d, %v: %s %q\nnot act %d, %v: %s", name, d.act, d.verdict.State, d.verdict.Reason, d.verdict.Risks, k.act, k.state, k.says)
		}
	}
}

// What became of it is told in a line for each thing.
func TestWhatBecameOfIt(t *testing.T) {
	for want, k := range map[string]struct {
		node   string
		change func(v *cephView)
	}{
		"":                                      {"frege", func(*cephView) {}},
		"monitor of russell: gone, not running": {"russell", func(v *cephView) { v.mon = pve.Daemon{} }},
		"manager of russell: running, and apart from the others, not with the others": {"russell", func(v *cephView) { v.managers.Standby = nil }},
		"monitor of russell: running, and apart from the others, not with the others": {"russell", func(v *cephView) { v.health.Quorum = []string{"frege", "wittgenstein"} }},
		"osd.3: taken out of the cluster, not up and in":                              {"russell", func(v *cephView) { v.tree = v.tree[1:] }},
		"osd.3: down, not up and in":                                                  {"russell", func(v *cephView) { v.tree[0].Up = false }},
		"osd.3: out, not up and in":                                                   {"russell", func(v *cephView) { v.tree[0].In = false }},
		"disk OSD-russell: without an OSD, not an OSD":                                {"russell", func(v *cephView) { v.disks.disks[0].osd, v.tree = -1, v.tree[1:] }},
		"disk OSD-russell: missing, not an OSD":                                       {"russell", func(v *cephView) { v.disks.disks, v.tree = nil, v.tree[1:] }},
		"osd.9: an OSD of russell, not no such OSD, beyond":                           {"russell", func(v *cephView) { v.tree = append(v.tree, pve.TreeOSD{ID: 9, Host: "russell"}) }},
		"osd_memory_target of russell: as Ceph has it, not 8 GiB":                     {"russell", func(v *cephView) { v.aims = 0 }},
		"osd_memory_target of russell: 6 GiB, not 8 GiB":                              {"russell", func(v *cephView) { v.aims, v.asked = 6<<30, true }},
		"pool vm: gone, not 3 copies, 2 to write":                                     {"frege", func(v *cephView) { v.pools = nil }},
		"pool vm target_size_ratio: 0.5, not 0.8":                                     {"frege", func(v *cephView) { v.pools[0].Ratio = 0.5 }},
		"pool vm size: 2, not 3":                                                      {"frege", func(v *cephView) { v.pools[0].Size, v.pools[0].Ratio = 2, 0.5 }},
		"storage vm: dir, not rbd":                                                    {"frege", func(v *cephView) { v.storages["vm"] = "dir" }},
		"storage vm: gone, not rbd":                                                   {"frege", func(v *cephView) { delete(v.storages, "vm") }},
		"pools: vm, a, b, not vm, beyond": {"frege", func(v *cephView) {
			v.pools = append(v.pools, pve.PoolState{Name: "b"}, pve.PoolState{Name: ".mgr"}, pve.PoolState{Name: "cephfs_data"}, pve.PoolState{Name: "a"})
		}},
		"pools: vm, cephfs_data, not vm, beyond": {"frege", func(v *cephView) {
			v.profile.Ceph.CephFS, v.pools = false, append(v.pools, pve.PoolState{Name: "cephfs_data"})
		}},
	} {
		v := wholeView(k.node)
		k.change(&v)
		var got []string
		for _, c := range slices.Concat(v.daemonDrift(), v.diskDrift(), v.memoryDrift(), v.poolDrift()) {
			got = append(got, fmt.Sprintf("%s: %s, not %s%s", c.Object, c.Have, c.Want, map[bool]string{true: ", beyond"}[c.Beyond]))
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s\nnot: %s", strings.Join(got, "\n"), want)
		}
	}
	// What is its owner's: a blank disk that came later, an OSD where no disk was
	// named, memory that went by what the machine had, and on another node the pools.
	for name, k := range map[string]struct {
		node   string
		change func(v *cephView)
	}{
		"a blank disk":  {"russell", func(v *cephView) { v.disks.disks = append(v.disks.disks, osdDisk{osd: -1}) }},
		"an OSD":        {"russell", func(v *cephView) { v.node.OSDDisks, v.tree = nil, append(v.tree, pve.TreeOSD{ID: 9, Host: "russell"}) }},
		"memory":        {"russell", func(v *cephView) { v.aims = 6 << 30 }},
		"another one's": {"russell", func(v *cephView) { v.pools, v.storages = nil, nil }},
		"a node of no vote": {"russell", func(v *cephView) {
			v.profile = grownBy(v.profile, "a", "b", "russell")
			v.mon, v.mgr = pve.Daemon{}, pve.Daemon{}
		}},
	} {
		v := wholeView(k.node)
		k.change(&v)
		if got := slices.Concat(v.daemonDrift(), v.diskDrift(), v.memoryDrift(), v.poolDrift()); len(got) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// grownBy is a profile of four in which the last one has no monitor.
func grownBy(p *profiles.Profile, names ...string) *profiles.Profile {
	out := *p
	out.Nodes = slices.Clone(p.Nodes[:1])
	for _, n := range names {
		out.Nodes = append(out.Nodes, profiles.Node{Name: n})
	}
	return &out
}

// The flag that somebody has set who works on the disks, and no other one.
func TestWhoWorksOnTheDisks(t *testing.T) {
	for want, c := range map[string]pve.Check{
		"noout": {Code: "OSDMAP_FLAGS", Message: "noout flag(s) set"}, "noup": {Code: "OSD_FLAGS", Message: "osd.1 has flags noup"},
		"": {Code: "OSDMAP_FLAGS", Message: "nodeep-scrub flag(s) set"}, "norecover": {Code: "OSDMAP_FLAGS", Message: "norecover flag(s) set"},
	} {
		if got := frozen(sound(pve.Check{Code: "SLOW_OPS", Message: "noout"}, c)); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	for code, risk := range map[string]bool{"POOL_NEARFULL": true, "OSD_FULL": false, "BRAND_NEW": true} {
		if why, ok := Passes(code); ok != risk || why == "" {
			t.Errorf("%s: %v %q", code, ok, why)
		}
	}
}

// A settled node makes a monitor for a node that was added, and for nobody else.
func TestWhoIsGivenAMonitor(t *testing.T) {
	c := stored(t, trial.Profile())
	asked := func() error {
		return c.Do(func() error { return c.Machine("russell").Call(t.Context(), "frege", methodCephMonitor, nil, nil) })
	}
	says := func(err error, want string) {
		t.Helper()
		if err == nil && want != "" || err != nil && !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v\nnot: %s", err, want)
		}
	}
	says(asked(), "russell was not added to this cluster")
	c.Profile.Nodes[1].Added = true
	says(asked(), "")
	if log := c.Machine("frege").Log; len(log) > 0 {
		t.Errorf("what has its monitor got another: %q", log)
	}
	c.cephs["frege"].growing.Lock()
	says(asked(), "its monitor is being made")
	c.cephs["frege"].growing.Unlock()
	if _, err := c.Type("frege", "systemctl stop ceph-mon@frege"); err != nil {
		t.Fatal(err)
	}
	c.rest(10 * 1e9)
	says(asked(), "")
	c.golden("monitor", c.Story("frege"))
	if err := c.World.Node("frege").Files().Remove("/var/lib/ceph/mon/ceph-frege/keyring"); err != nil {
		t.Fatal(err)
	}
	says(asked(), "the monitor of frege is its owner's to mend: it is in ceph.conf, and not whole")
	if err := c.Peers.Node("goedel").Call(t.Context(), "frege", methodCephLocal, nil, nil); err == nil || !strings.HasSuffix(err.Error(), "goedel is no node of this cluster") {
		t.Errorf("%v", err)
	}
}
