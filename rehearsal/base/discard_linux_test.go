package base

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ringboot/rehearsal/need"
)

// What an interrupted build has mounted is never removed with what it has written.
func TestNothingMountedIsRemoved(t *testing.T) {
	need.Root(t)
	dir := filepath.Join(t.TempDir(), "practice-root.new")
	at := filepath.Join(dir, "root", "proc")
	kept := filepath.Join(at, "kept")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", at, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(at, syscall.MNT_DETACH)
	if err := os.WriteFile(kept, []byte("of somebody else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := discard(dir); err == nil || !strings.Contains(err.Error(), "sudo umount "+at) {
		t.Errorf("a build with a mount in it: %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	if err := syscall.Unmount(at, 0); err != nil {
		t.Fatal(err)
	}
	if err := discard(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}
