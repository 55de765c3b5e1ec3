package storage

import (
	"slices"
)

// cephMDS is the metadata server of this node, after those of the nodes before it.
func cephMDS(v cephView, listed bool) cephDecision {
	for _, name := range v.before() {
		if !v.conf.Has("mds." + name) { // its creation takes no lock on ceph.conf
			return cephWait("waits for the metadata server of %s", name)
		}
	}
	section := "mds." + v.node.Name
	switch {
	case listed && v.mds.Keyring:
		return cephDo(cephStartMDS, section, "running", "the metadata server of %s does not run", v.node.Name)
	case listed || v.mds.Dir: // nothing lies in it but a key, which is made anew
		return cephDo(cephCleanMDS, section, "gone, then made anew", "the metadata server of %s was made by half", v.node.Name)
	}
	return cephDo(cephMakeMDS, section, "running", "%s gets its metadata server", v.node.Name)
}

func cephFS(v cephView) (cephDecision, bool) {
	if !v.profile.Ceph.CephFS {
		return cephDecision{}, true
	}
	listed, there := v.conf.Has("mds."+v.node.Name), slices.Contains(v.filesystems, cephFSName)
	if v.watches() && (!v.mds.Active || !listed && !there) {
		d := cephMDS(v, listed)
		d.kind = "mds"
		return d, false
	}
	if v.heir || there && v.storages[cephFSName] == "cephfs" {
		return cephDecision{}, true
	}
	if !v.founder {
		return cephWait("waits for %s to make CephFS", v.profile.Founder().Name), false
	}
	for _, n := range v.profile.Monitors() {
		if !there && !v.conf.Has("mds."+n.Name) {
			return cephWait("CephFS waits for the metadata server of %s", n.Name), false
		}
	}
	_, data := v.pool(cephFSName + "_data")
	_, meta := v.pool(cephFSName + "_metadata")
	switch {
	case there:
		return cephDo(cephAddFSStorage, "storage "+cephFSName, "cephfs", "CephFS has no storage entry"), false
	case data || meta:
		return cephDo(cephFinishFS, "CephFS "+cephFSName, "made", "CephFS was made by half"), false
	}
	return cephDo(cephMakeFS, "CephFS "+cephFSName, "made", "CephFS is to be made"), false
}
