package matrix_test

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
	all := inTurn(cephFSProfile(), func(node string) int {
		// What comes after the storage, other tests disturb.
		made := slices.IndexFunc(undisturbed.traceOfRun[node], func(name string) bool { return strings.Contains(name, "accept.") })
		if made < 0 {
			t.Fatalf("%s has no acceptance", node)
		}
		return made
	})
	m := &proofMatrix{t: t, profile: cephFSProfile}
	m.all(sampled(t, all, budget(20, 4, 60)))
	m.figures(len(all), "proof.cephfs_", "crash_single", "unwhole", "violations", "leftovers")
}
