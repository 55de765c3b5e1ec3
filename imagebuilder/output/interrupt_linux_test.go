package output

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ringboot/imagebuilder/iso9660/isotest"
	"ringboot/rehearsal/need"
)

// smallBase writes a base image of a few chunks.
func smallBase(t testing.TB, path string) {
	t.Helper()
	files := append(isotest.Stock(), isotest.File{Path: "/pve-base.squashfs", Content: bytes.Repeat([]byte("filler!\n"), 5*chunk/8)})
	if err := os.WriteFile(path, isotest.Build(files, isotest.Options{}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// debris counts what is in dir that is neither allowed nor a whole image.
func debris(t testing.TB, dir, dst string, whole int64) (left int, finished bool) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		st, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() == filepath.Base(dst) && st.Size() == whole {
			finished = true
			continue
		}
		t.Errorf("%s is left with %d bytes", e.Name(), st.Size())
		left++
	}
	return left, finished
}

// Each writer is ended at another point of its work, by every signal, in both
// ways of making unfinished files. What is there afterwards is a whole image
// or nothing.
func TestInterruptsLeaveNothing(t *testing.T) {
	need.Slow(t)
	base := filepath.Join(t.TempDir(), "base.iso")
	smallBase(t, base)
	reference := filepath.Join(t.TempDir(), "out.iso")
	cmd, lines := start(t, base, "nameless", reference)
	points := 0
	for lines.Scan() {
		points++
	}
	if code := exitOf(cmd); code != 0 {
		t.Fatalf("the undisturbed writer ended with %d: %s", code, cmd.Stderr)
	}
	st, err := os.Stat(reference)
	if err != nil {
		t.Fatal(err)
	}
	tried, left, cut := 0, 0, 0
	for _, c := range []struct {
		way    string
		signal syscall.Signal
	}{
		{"nameless", syscall.SIGINT}, {"nameless", syscall.SIGKILL}, {"named", syscall.SIGINT}, {"named", syscall.SIGKILL},
	} {
		for point := 1; point <= points; point++ {
			dir := t.TempDir()
			dst := filepath.Join(dir, "out.iso")
			cmd, lines := start(t, base, c.way, dst)
			for i := 0; i < point && lines.Scan(); i++ {
			}
			if err := cmd.Process.Signal(c.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			for lines.Scan() {
			}
			code := exitOf(cmd)
			tried++
			if c.way == "named" && c.signal == syscall.SIGKILL {
				// Nobody can clean up after this but the next run.
				if err := prepare(t.Context(), base, dst, create); err != nil {
					t.Fatal(err)
				}
			}
			n, finished := debris(t, dir, dst, st.Size())
			left += n
			if !finished {
				cut++
			}
			if code == 0 && !finished {
				t.Errorf("%v at point %d: it said that it was done, and is not", c, point)
			}
		}
	}
	if cut < points {
		t.Errorf("only %d of %d writers were ended before they were done: the test proves too little", cut, tried)
	}
	need.Figure("image.interrupts_tried", tried, "count")
	need.Figure("image.interrupts_left_debris", left, "count")
}

// A full file system leaves what was there, and nothing else.
func TestFullFileSystemLeavesWhatWasThere(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	base := filepath.Join(t.TempDir(), "base.iso")
	smallBase(t, base)
	for _, mib := range []int{1, 9, 18, 22} { // the first fills up in the base, the last in what follows it
		for way := range ways {
			t.Run(fmt.Sprintf("%d MiB, %s", mib, way), func(t *testing.T) {
				dir := t.TempDir()
				if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", mib), "ringboot-test", dir).CombinedOutput(); err != nil {
					t.Fatalf("mount: %v\n%s", err, out)
				}
				t.Cleanup(func() {
					if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
						t.Errorf("umount: %v\n%s", err, out)
					}
				})
				dst := filepath.Join(dir, "out.iso")
				if err := os.WriteFile(dst, []byte("an older image"), 0o600); err != nil {
					t.Fatal(err)
				}
				err := prepare(t.Context(), base, dst, ways[way])
				if !errors.Is(err, ErrNoRoom) || !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("got %v", err)
				}
				if want := "writing " + dst + ": not enough room: the image has "; !strings.HasPrefix(err.Error(), want) || strings.Count(err.Error(), "\n") > 0 {
					t.Errorf("got %q, want one line that begins with %q", err, want)
				}
				checkHolds(t, dst, []byte("an older image"))
				checkOnly(t, dir, "out.iso")
			})
		}
	}
}
