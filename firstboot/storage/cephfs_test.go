package storage

import (
	"testing"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// Every half state of metadata server and file system that a power cut leaves
// is gone on with, and none waits for a person.
func TestHalfACephFSIsMadeWhole(t *testing.T) {
	section, whole := []string{"mds.n1"}, pve.Daemon{Dir: true, Keyring: true}
	running := pve.Daemon{Dir: true, Keyring: true, Active: true}
	pools := func(names ...string) (out []pve.PoolState) {
		for _, n := range names {
			out = append(out, pve.PoolState{Name: n})
		}
		return out
	}
	for name, c := range map[string]struct {
		listed []string
		mds    pve.Daemon
		pools  []pve.PoolState
		fs     []string
		want   cephAct
	}{
		"nothing":                        {want: cephMakeMDS},
		"the section alone":              {listed: section, want: cephCleanMDS},
		"section and directory":          {listed: section, mds: pve.Daemon{Dir: true}, want: cephCleanMDS},
		"a directory that is not listed": {mds: whole, want: cephCleanMDS},
		"a server that is not listed":    {mds: running, want: cephCleanMDS},
		"the same behind a file system":  {mds: running, fs: []string{cephFSName}, want: cephAddFSStorage},
		"all, and not running":           {listed: section, mds: whole, want: cephStartMDS},
		"a running server":               {listed: section, mds: running, want: cephMakeFS},
		"the first pool alone":           {listed: section, mds: running, pools: pools("cephfs_data"), want: cephFinishFS},
		"the second pool alone":          {listed: section, mds: running, pools: pools("cephfs_metadata"), want: cephFinishFS},
		"both pools":                     {listed: section, mds: running, pools: pools("cephfs_data", "cephfs_metadata"), want: cephFinishFS},
		"a file system without an entry": {listed: section, mds: running, fs: []string{cephFSName}, want: cephAddFSStorage},
	} {
		p := clusterOf(1)
		p.Ceph = profiles.Ceph{CephFS: true}
		d, _ := cephFS(cephView{profile: p, node: p.Nodes[0], founder: true, conf: pve.Config{Sections: c.listed}, mds: c.mds, pools: c.pools, filesystems: c.fs})
		if d.act != c.want || d.verdict.State != step.Todo {
			t.Errorf("%s: act %d, want %d: %v %s", name, d.act, c.want, d.verdict.State, d.verdict.Reason)
		}
	}
}
