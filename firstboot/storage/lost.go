package storage

import (
	"fmt"
	"slices"

	"ringboot/firstboot/pve"
	"ringboot/profiles"
)

// What a lost disk, a lost machine or a power cut has left in the cluster.

// lostMonitor: the cluster knows a monitor of this node, and its data is not
// here. A map of one monitor fewer needs no more votes than are there already.
func lostMonitor(v cephView, section string) cephDecision {
	alone := !slices.ContainsFunc(v.profile.Others(v.node.Name), func(n profiles.Node) bool { return v.conf.Has("mon." + n.Name) })
	switch {
	case alone:
		return cephStop("%s lists the monitor of %s alone, and its data is gone: bring the disk with %s back; if nothing was stored yet, move %s away and Ceph is made anew", pve.CephConf, v.node.Name, pve.MonitorDir, pve.CephConf)
	case !v.answers:
		return cephWait("the monitor of %s that %s lists was on a lost disk, and goes once the others are in quorum", v.node.Name, pve.CephConf)
	case slices.Contains(v.health.Quorum, v.node.Name):
		return cephStop("another machine runs the monitor of %s: switch it off, two machines of one name destroy the cluster", v.node.Name)
	}
	return cephDo(cephForgetMon, section, "gone, then made anew", "the monitor of %s that %s lists was on a lost disk", v.node.Name, pve.CephConf)
}

// halfOSD finds an OSD number of this run that no disk carries: the power went
// between the number and the disk. Only one without a host can be such a one,
// and the first node of the profile puts it away, when no node makes OSDs.
func halfOSD(v cephView) (cephDecision, bool) {
	if !v.founder || v.settled || len(v.mute) > 0 {
		return cephDecision{}, false
	}
	for _, n := range v.profile.Others(v.node.Name) {
		if p := v.peers[n.Name]; p.Expected == 0 && !n.WithoutOSDs() || p.Done < p.Expected {
			return cephDecision{}, false
		}
	}
	for _, o := range v.tree {
		carried := slices.ContainsFunc(v.volumes, func(x pve.Volume) bool { return x.OSD == o.ID && x.FSID == v.conf.FSID })
		if o.Host == "" && !o.Up && o.Weight == 0 && !carried {
			d := cephDo(cephPurgeOSD, fmt.Sprintf("osd.%d", o.ID), "gone", "OSD number %d was given out and never used", o.ID)
			d.osd = o.ID
			return d, true
		}
	}
	return cephDecision{}, false
}

// lostOSD finds an OSD of the machine whose place this one took, on a disk that
// did not come along. It is taken out, so that its copies are made elsewhere,
// and goes once all are there.
func lostOSD(v cephView) (cephDecision, bool) {
	if !v.replaces {
		return cephDecision{}, false
	}
	for _, o := range v.tree {
		carried := slices.ContainsFunc(v.volumes, func(x pve.Volume) bool { return x.OSD == o.ID && x.FSID == v.conf.FSID })
		if o.Host != v.node.Name || o.Up || carried {
			continue
		}
		object := fmt.Sprintf("osd.%d", o.ID)
		d := cephDo(cephPurgeOSD, object, "gone", "OSD %d was on a disk of the lost %s, and every copy is on another one now", o.ID, v.node.Name)
		switch {
		case o.In:
			d = cephDo(cephOutOSD, object, "out", "OSD %d was on a disk of the lost %s: its copies are made on other disks", o.ID, v.node.Name)
		case v.health.Clean < v.health.PGs:
			d = cephDo(cephSettle, object, "gone", "OSD %d of the lost %s goes once every copy is on another disk: %d of %d placement groups are clean", o.ID, v.node.Name, v.health.Clean, v.health.PGs)
		}
		d.osd = o.ID
		return d, true
	}
	return cephDecision{}, false
}
