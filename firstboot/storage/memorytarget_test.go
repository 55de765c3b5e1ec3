package storage

import (
	"testing"

	"ringboot/profiles"
)

// What OSDs aim at is what the profile says, or a share of the machine's memory.
func TestMemoryOfOSDs(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		word    string
		machine int64
		osds    int
		target  int64
		much    bool
	}{
		{"", 64 * gib, 2, 0, false}, {"4", 64 * gib, 2, 4 * gib, false}, {"16", 64 * gib, 3, 16 * gib, true}, {"auto", 64 * gib, 0, 0, false},
		{"auto", 64 * gib, 2, 6*gib + gib/4, false}, {"auto", 64 * gib, 4, 3 * gib, false}, {"auto", 256 * gib, 1, 8 * gib, false}, {"auto", 16 * gib, 1, 3 * gib, false}, {"auto", 16 * gib, 4, 2 * gib, false}, {"auto", 15 * gib, 4, 2 * gib, true},
	} {
		if target, much := memoryTarget(profiles.Ceph{OSDMemory: c.word}, c.machine, c.osds); target != c.target || much != c.much {
			t.Errorf("%q, %d GiB, %d OSDs: %d, %v", c.word, c.machine>>30, c.osds, target, much)
		}
	}
	if got := memoryOf("MemTotal:       98304000 kB\nMemFree: 1 kB\n"); got != 98304000<<10 || memoryOf("x") != 0 {
		t.Errorf("MemTotal is %d", got)
	}
}
