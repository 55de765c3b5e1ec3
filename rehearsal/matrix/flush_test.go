package matrix_test

import (
	"slices"
	"testing"
)

// An agent that ends right after pveceph has made a metadata server, before
// anything is flushed, leaves a successor that finds it made. The power cut of
// the acceptance took the server's directory back, and Ceph waited for good.
func TestWhatAnEndedProcessMadeIsFlushed(t *testing.T) {
	p := cephFSProfile()
	undisturbed := proofRunOf(t, p, 1, nil)
	if undisturbed.log != "" {
		t.Fatalf("undisturbed: %s %v %v\n%s", undisturbed.unwhole, undisturbed.harm, undisturbed.left, undisturbed.log)
	}
	const made = "after pveceph mds"
	victim := "wittgenstein" // the power-cut drill's
	point := slices.Index(undisturbed.traceOfRun[victim], made) + 1
	if point == 0 {
		t.Fatalf("%s has no point %q: %v", victim, made, undisturbed.traceOfRun[victim])
	}
	for _, at := range []int{point, point + 1} {
		out := proofRunOf(t, cephFSProfile(), 1, []crash{{victim, at, killed}})
		if out.log != "" {
			t.Errorf("killed at point %d: %s, harm %v, left %v\n%s", at, out.unwhole, out.harm, out.left, out.log)
		}
	}
}
