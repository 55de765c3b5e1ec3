package hangfs_test

import (
	"os"
	"testing"
	"time"

	"ringboot/rehearsal/hangfs"
	"ringboot/rehearsal/need"
)

func TestMain(m *testing.M) {
	if hangfs.Serves() {
		return
	}
	os.Exit(m.Run())
}

// It answers, then it does not, and whoever waited is answered when it is back.
func TestItHangsAndComesBack(t *testing.T) {
	need.Root(t)
	need.Tools(t, "mount")
	need.File(t, "/dev/fuse", "a kernel that knows FUSE, as modprobe fuse loads it")
	dir := t.TempDir()
	fs := hangfs.Mount(t, 0, dir)
	look := func() <-chan error {
		done := make(chan error, 1)
		go func() { _, err := os.Stat(dir); done <- err }()
		return done
	}
	if err := <-look(); err != nil {
		t.Fatal(err)
	}
	fs.Hang()
	waits := look()
	select {
	case err := <-waits:
		t.Errorf("it answers while it hangs: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	if n := fs.Back(); n != 1 {
		t.Errorf("%d looks waited", n)
	}
	if err := <-waits; err != nil {
		t.Error(err)
	}
}
