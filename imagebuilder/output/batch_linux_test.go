package output

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"ringboot/rehearsal/need"
)

// Where blocks can be shared, three images need room for one agent.
func TestABatchStoresTheAgentOnce(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "mkfs.btrfs:btrfs-progs")
	disk, dir := filepath.Join(t.TempDir(), "disk"), t.TempDir()
	if out, err := exec.Command("sh", "-c", "truncate -s 300M "+disk+" && mkfs.btrfs -q "+disk+" && mount -o loop "+disk+" "+dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	agent := bytes.Repeat([]byte("an agent"), 2<<20+97)
	images := siblings(t, filepath.Join(dir, "base.iso"), agent)
	before := taken(t, dir)
	var b Batch
	for i, p := range images {
		if err := b.file(t.Context(), filepath.Join(dir, fmt.Sprintf("%d.iso", i)), p, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if more := taken(t, dir) - before; more < int64(len(agent)) || more > int64(len(agent))*3/2 {
		t.Errorf("three images need %d bytes, the agent has %d", more, len(agent))
	}
	for i, p := range images {
		checkHolds(t, filepath.Join(dir, fmt.Sprintf("%d.iso", i)), want(t, p))
	}
}

// taken is how much of a file system is used, in bytes.
func taken(t *testing.T, dir string) int64 {
	t.Helper()
	if out, err := exec.Command("sync", "-f", dir).CombinedOutput(); err != nil {
		t.Fatalf("sync: %v\n%s", err, out)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize
}
