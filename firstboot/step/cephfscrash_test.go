package step_test

import (
	"slices"
	"strings"
	"testing"

	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

// cephFSProfile is storageProfile with CephFS.
func cephFSProfile() *profiles.Profile {
	p := storageProfile()
	p.Ceph.CephFS = true
	return p
}

// A crash at points of every agent while the storage is made, with metadata
// servers and a file system on top.
func TestCephFSSurvivesACrashAtAnyPoint(t *testing.T) {
	need.Slow(t)
	undisturbed := proofRunOf(t, cephFSProfile(), 1, nil)
	if undisturbed.log != "" {
		t.Fatalf("undisturbed: %s %v %v\n%s", undisturbed.unwhole, undisturbed.harm, undisturbed.left, undisturbed.log)
	}
	every := proofEvery(t, 40, proofThin)
	var plans [][]crash
	turn := 0
	for _, n := range cephFSProfile().Nodes {
		// What comes after the storage, other tests disturb.
		made := slices.IndexFunc(undisturbed.traceOfRun[n.Name], func(name string) bool { return strings.Contains(name, "accept.") })
		if made < 0 {
			t.Fatalf("%s has no acceptance", n.Name)
		}
		for point := 1 + turn%every; point <= made; point += every {
			turn++
			plans = append(plans, []crash{{n.Name, point, crashModes[turn%len(crashModes)]}})
		}
	}
	m := &proofMatrix{t: t, profile: cephFSProfile}
	m.all(plans)
	need.Figure("proof.cephfs_crash_single", m.runs, "count")
	need.Figure("proof.cephfs_unwhole", m.unwhole, "count")
	need.Figure("proof.cephfs_violations", m.harmed, "count")
	need.Figure("proof.cephfs_leftovers", m.leftover, "count")
}
