package storage

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringboot/firstboot/apt"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// cephAct is what this node can do next.
type cephAct int

const (
	cephNothing cephAct = iota
	cephInstall
	cephIntend
	cephInit
	cephRecord
	cephLinkConf
	cephForgetMon
	cephCleanMon
	cephStartMon
	cephMakeMon
	cephAskMon
	cephCleanMgr
	cephStartMgr
	cephMakeMgr
	cephWipe
	cephMakePart
	cephDropUnused
	cephMakeOSD
	cephActivate
	cephOutOSD
	cephPurgeOSD
	cephSetMemory
	cephMakePool
	cephMendPool
	cephAddStorage
	cephCleanMDS
	cephStartMDS
	cephMakeMDS
	cephMakeFS
	cephFinishFS
	cephAddFSStorage
	cephSettle
)

// cephDecision is a verdict with what to do about it.
type cephDecision struct {
	verdict step.Verdict
	act     cephAct
	kind    string // of a daemon
	disk    pve.ListedDisk
	rest    *rest  // the disk is a part of it
	volume  string // on the disk, that goes
	osd     int
	node    string // that is asked for its monitor
}

func cephDo(act cephAct, object, want, format string, args ...any) cephDecision {
	return cephDecision{act: act, verdict: step.Do(fmt.Sprintf(format, args...), step.Change{Object: object, Want: want})}
}

func cephWait(format string, args ...any) cephDecision {
	return cephDecision{verdict: step.Wait(fmt.Sprintf(format, args...))}
}

func cephStop(format string, args ...any) cephDecision {
	return cephDecision{verdict: step.Stop(fmt.Sprintf(format, args...))}
}

// decideCeph says what comes next. It is pure; every half state of an
// interrupted run is one of its cases.
func decideCeph(v cephView) cephDecision {
	for _, part := range []func(cephView) (cephDecision, bool){cephPackages, cephConfig, cephMonitor, cephManager, cephDisks, cephMemory, cephPool, cephFS} {
		if d, more := part(v); !more {
			d.verdict.Risks = append(d.verdict.Risks, v.disks.risks...)
			return d
		}
	}
	d := cephHealthy(v)
	d.verdict.Risks = append(d.verdict.Risks, v.disks.risks...)
	return d
}

func cephPackages(v cephView) (cephDecision, bool) {
	if v.install.Whole() {
		return cephDecision{}, true
	}
	why := "Ceph is not installed yet"
	if v.install.Half || v.install.Flag {
		why = "the installation of Ceph was interrupted and goes on"
	}
	for _, c := range v.profile.Release().Ceph {
		if have := v.manager; c.Name == v.profile.Ceph.Version && have != "" && apt.Compare(have, c.Since) < 0 {
			return cephStop("Ceph %s is known to fit from pve-manager %s on, and %s has %s: run apt full-upgrade on all nodes, or choose another ceph.version", c.Name, c.Since, v.node.Name, have), false
		}
	}
	return cephDo(cephInstall, "packages of Ceph", v.profile.Ceph.Version, "%s", why), false
}

func cephConfig(v cephView) (cephDecision, bool) {
	switch {
	case v.hasConf && v.conf.FSID != "" && !v.meant:
		return cephStop("%s holds a Ceph cluster (fsid %s) that this agent did not make: remove it if it is not needed, or set ceph.enabled: false", pve.CephConf, v.conf.FSID), false
	case v.hasConf && v.made != "" && v.conf.FSID != v.made:
		return cephStop("%s names the Ceph cluster %s, this cluster's is %s: put the right file back", pve.CephConf, v.conf.FSID, v.made), false
	case v.heir && (!v.hasConf || v.conf.FSID == ""):
		return cephStop("%s is gone from the finished cluster: if its owner took Ceph out, set ceph.enabled: false in the profile of %s; else bring the file back", pve.CephConf, v.node.Name), false
	case !v.hasConf || v.conf.FSID == "" || !v.admin:
		return cephBegins(v), false
	case v.conf.PublicNetwork != v.public || v.conf.ClusterNetwork != v.cluster:
		return cephStop("Ceph runs on %s and %s, the profile wants %s and %s: the addresses of monitors do not change by themselves, set ceph.public_network and ceph.cluster_network as they are",
			v.conf.PublicNetwork, v.conf.ClusterNetwork, v.public, v.cluster), false
	case v.founder && v.made == "":
		return cephDo(cephRecord, pve.CephIntent, v.conf.FSID, "the new Ceph cluster is to be written down"), false
	case !v.linked:
		return cephDo(cephLinkConf, pve.CephLink, "a link to "+pve.CephConf, "%s is missing", pve.CephLink), false
	}
	return cephDecision{}, true
}

// cephBegins is for the founder to do, once all nodes have the same Ceph.
func cephBegins(v cephView) cephDecision {
	if !v.founder {
		return cephWait("waits for %s to initialise Ceph", v.profile.Founder().Name)
	}
	for _, name := range slices.Sorted(maps.Keys(v.mute)) {
		return cephWait("Ceph is initialised once all nodes can be asked: %s does not answer (%v)", name, v.mute[name])
	}
	for _, n := range v.profile.Others(v.node.Name) {
		p := v.peers[n.Name]
		if !p.Installed {
			return cephWait("waits until Ceph is installed on %s", n.Name)
		}
		if p.Release != v.install.Release {
			return cephStop("%s has Ceph %s, %s has %s: install the same version on all nodes", n.Name, p.Release, v.node.Name, v.install.Release)
		}
	}
	if !v.meant {
		return cephDo(cephIntend, pve.CephIntent, "written", "Ceph is about to be initialised")
	}
	return cephDo(cephInit, pve.CephConf, "networks "+v.public+" and "+v.cluster, "Ceph is to be initialised")
}

// before are the nodes with a monitor whose turn comes before this node's.
func (v cephView) before() []string {
	var out []string
	for _, n := range v.profile.Monitors() {
		if n.Name == v.node.Name {
			break
		}
		out = append(out, n.Name)
	}
	return out
}

// watches reports whether this node gets a monitor and what goes with it.
func (v cephView) watches() bool {
	return slices.ContainsFunc(v.profile.Monitors(), func(n profiles.Node) bool { return n.Name == v.node.Name })
}

// cephMonitor: monitors come strictly one after the other, in the order of the
// profile, because two that are made at once can leave both without quorum.
func cephMonitor(v cephView) (cephDecision, bool) {
	section := "mon." + v.node.Name
	if v.answers && (!v.watches() || slices.Contains(v.health.Quorum, v.node.Name) && v.mon.Active) {
		return cephDecision{}, true
	}
	of := func(d cephDecision) (cephDecision, bool) { d.kind = "mon"; return d, false }
	switch {
	case !v.watches():
		return of(cephWait("waits for the monitors of %s", strings.Join(v.before(), ", ")))
	case v.conf.Has(section) && !v.mon.Whole():
		return of(lostMonitor(v, section))
	case v.conf.Has(section) && !v.mon.Active:
		return of(cephDo(cephStartMon, section, "running", "the monitor of %s does not run", v.node.Name))
	case v.conf.Has(section):
		return of(cephWait("the monitor of %s runs and is not in quorum with the others: TCP ports 3300 and 6789 must be open on %s between all nodes", v.node.Name, v.public))
	}
	if d, ok := v.turn(); !ok {
		return d, false
	}
	if v.mon.Dir {
		return of(cephDo(cephCleanMon, section, "gone, then made anew", "the monitor of %s was made by half", v.node.Name))
	}
	return of(cephDo(cephMakeMon, section, "in quorum", "%s gets its monitor", v.node.Name))
}

// turn reports whether it is this node's turn to make a monitor, else what comes
// before it.
func (v cephView) turn() (d cephDecision, ok bool) {
	for _, name := range v.before() {
		if v.answers && v.heir && v.node.Added && !slices.Contains(v.health.Quorum, name) && !v.conf.Has("mon."+name) {
			d = cephDo(cephAskMon, "mon."+name, "in quorum", "%d nodes have %d monitors, and %s, which has none, is asked to make its own", len(v.profile.Nodes), len(v.profile.Monitors()), name)
			d.node = name
			return d, false
		}
		if !v.answers || !slices.Contains(v.health.Quorum, name) {
			return cephWait("waits for its turn: the monitor of %s is not in quorum yet", name), false
		}
		if !v.managers.Has(name) {
			return cephWait("waits for its turn: the manager of %s is not there yet", name), false
		}
	}
	return cephDecision{}, true
}

func cephManager(v cephView) (cephDecision, bool) {
	if !v.watches() || v.managers.Has(v.node.Name) {
		return cephDecision{}, true
	}
	of := func(d cephDecision) (cephDecision, bool) { d.kind = "mgr"; return d, false }
	object := "mgr." + v.node.Name
	switch {
	case v.mgr.Dir && !v.mgr.Keyring:
		return of(cephDo(cephCleanMgr, object, "gone, then made anew", "the manager of %s was made by half", v.node.Name))
	case v.mgr.Dir:
		return of(cephDo(cephStartMgr, object, "running", "the manager of %s does not run", v.node.Name))
	}
	return of(cephDo(cephMakeMgr, object, "running", "%s gets its manager", v.node.Name))
}

// cephDisks: the OSDs of one node come one after the other, those of the nodes
// at the same time.
func cephDisks(v cephView) (cephDecision, bool) {
	for _, n := range v.profile.Monitors() {
		if !slices.Contains(v.health.Quorum, n.Name) {
			return cephWait("OSDs come once all monitors are in quorum: %s is missing", n.Name), false
		}
	}
	if v.disks.stop != "" {
		return cephStop("%s", v.disks.stop), false
	}
	if d, ok := besideOSDs(v); ok {
		return d, false
	}
	for _, d := range v.disks.disks {
		switch {
		case d.wipe:
			out := cephDo(cephWipe, d.disk.Device, "blank", "%s is erased as the profile says", label(d.disk))
			out.disk = d.disk
			return out, false
		case d.half():
			out := cephDo(cephMakePart, d.disk.Device, "a partition for Ceph", "what the system leaves of its disk becomes a partition for Ceph, on %s", label(d.rest.disk))
			out.rest = d.rest
			return out, false
		case d.osd < 0:
			out := cephDo(cephMakeOSD, d.disk.Device, "an OSD", "%s becomes an OSD%s", label(d.disk), v.disks.withParts())
			out.disk, out.rest = d.disk, d.rest
			return out, false
		}
	}
	if v.disks.wait != "" {
		return cephWait("%s", v.disks.wait), false
	}
	for _, open := range []func(cephView) (cephDecision, bool){downOSD, halfOSD, lostOSD} {
		if d, ok := open(v); ok {
			return d, false
		}
	}
	return cephDecision{}, true
}

// downOSD is what there is to do for the first OSD on a disk here that is not up.
func downOSD(v cephView) (out cephDecision, down bool) {
	for _, d := range v.disks.disks {
		known := slices.ContainsFunc(v.tree, func(o pve.TreeOSD) bool { return o.ID == d.osd })
		if !known && d.rest != nil {
			return cephStop("%s of %s holds OSD %d, whose number was taken out of the cluster meanwhile: ceph-volume lvm zap --destroy %s has it made anew",
				label(d.disk), v.node.Name, d.osd, d.disk.Device), true
		}
		if !known {
			return cephStop("%s of %s holds OSD %d, whose number was taken out of the cluster meanwhile: put %q on the wipe list of %s to make it anew, or take the disk out",
				label(d.disk), v.node.Name, d.osd, d.disk.Serial, v.node.Name), true
		}
		if !slices.ContainsFunc(v.tree, func(o pve.TreeOSD) bool { return o.ID == d.osd && o.Host == v.node.Name && o.Up && o.Weight > 0 }) {
			if flag := frozen(v.health); flag != "" {
				return cephWait("OSD %d on %s is not up, and %s is set, as by somebody who works on it: start it, or ceph osd unset %s", d.osd, label(d.disk), flag, flag), true
			}
			out = cephDo(cephActivate, fmt.Sprintf("osd.%d", d.osd), "up", "OSD %d on %s is not up", d.osd, label(d.disk))
			out.osd = d.osd
			return out, true
		}
	}
	return out, false
}

func cephPool(v cephView) (cephDecision, bool) {
	if v.heir { // its owner may have other pools by now
		return cephDecision{}, true
	}
	name := v.profile.Ceph.Pool
	pool, there := v.pool(name)
	if there && pool.Sound(v.profile.Ceph.TargetSizeRatio) && v.storages[name] == "rbd" {
		return cephDecision{}, true
	}
	if !v.founder {
		return cephWait("waits for %s to make the pool %s", v.profile.Founder().Name, name), false
	}
	for _, n := range v.profile.Others(v.node.Name) {
		p, ok := v.peers[n.Name]
		switch {
		case v.settled:
		case !ok:
			return cephWait("the pool comes once all nodes can be asked: %s does not answer (%v)", n.Name, v.mute[n.Name]), false
		case p.Trouble != "":
			return cephWait("the pool waits for the disks of %s: %s", n.Name, p.Trouble), false
		case p.Done < p.Expected || p.Expected == 0 && !n.WithoutOSDs():
			return cephWait("waits for the OSDs of %s: %d of %d are up", n.Name, p.Done, p.Expected), false
		}
	}
	switch {
	case v.storages[name] != "" && v.storages[name] != "rbd":
		return cephStop("there is a storage %s of type %s already: give ceph.pool another name", name, v.storages[name]), false
	case !there:
		return cephDo(cephMakePool, "pool "+name, "3 copies, 2 to write", "the pool %s is to be made", name), false
	case !pool.Sound(v.profile.Ceph.TargetSizeRatio):
		return cephDo(cephMendPool, "pool "+name, "3 copies, 2 to write, autoscaled", "the pool %s was made by half", name), false
	}
	return cephDo(cephAddStorage, "storage "+name, "rbd", "the pool %s has no storage entry", name), false
}

func cephHealthy(v cephView) cephDecision {
	if len(v.mute) > 0 {
		name := slices.Sorted(maps.Keys(v.mute))[0]
		return cephWait("Ceph is judged once all nodes can be asked: %s does not answer (%v)", name, v.mute[name])
	}
	now := JudgeHealth(v.health, v.allOSDs())
	wait, stop := now.Wait, now.Stop
	for _, n := range v.profile.Monitors() { // that all are in quorum was asked before the OSDs
		if !v.managers.Has(n.Name) && wait == "" {
			wait = fmt.Sprintf("the manager of %s is not there", n.Name)
		}
	}
	switch {
	case stop != "":
		return cephStop("%s", stop)
	case wait != "":
		return cephDo(cephSettle, "health of Ceph", "HEALTH_OK", "%s", wait)
	}
	d := cephDecision{verdict: step.IsDone(fmt.Sprintf("Ceph is healthy: %s, %d OSDs, pool %s", strings.Join(v.health.Quorum, ", "), v.health.Up, v.profile.Ceph.Pool))}
	d.verdict.Risks = append(d.verdict.Risks, now.Risks...)
	return d
}
