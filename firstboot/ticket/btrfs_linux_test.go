package ticket

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ringboot/rehearsal/need"
)

// A mount of a btrfs mirror names one of its disks; the mark belongs on all.
func TestAllDisksOfABtrfsMirrorAreFound(t *testing.T) {
	need.Root(t)
	need.Tools(t, "mkfs.btrfs:btrfs-progs", "losetup:mount")
	dir := t.TempDir()
	run := func(argv ...string) string {
		t.Helper()
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", argv, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	var devices, want []string
	for i := range 2 {
		file := filepath.Join(dir, fmt.Sprint("disk", i))
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, 256<<20); err != nil {
			t.Fatal(err)
		}
		device := run("losetup", "--find", "--show", file)
		t.Cleanup(func() { run("losetup", "-d", device) })
		devices, want = append(devices, device), append(want, filepath.Base(device))
	}
	run(append([]string{"mkfs.btrfs", "-q", "-f", "-d", "raid1", "-m", "raid1"}, devices...)...)
	at := filepath.Join(dir, "root")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	run("mount", "-t", "btrfs", devices[1], at)
	t.Cleanup(func() { run("umount", at) })
	var stat unix.Stat_t
	if err := unix.Stat(devices[0], &stat); err != nil {
		t.Fatal(err)
	}
	members, err := sysMembers("/sys", "btrfs", fmt.Sprintf("%d:%d", unix.Major(stat.Rdev), unix.Minor(stat.Rdev)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range members {
		below, err := disksBelow("/sys", m)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, below...)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the mirror lies on %v, want %v", got, want)
	}
}
