//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ringboot/rehearsal/need"
)

// Three images at once are interrupted at many moments: each one is whole, with
// its manifest, or not there at all, and the exit code says how many there are.
func TestInterruptedAllLeavesWholeImagesOrNone(t *testing.T) {
	need.Slow(t)
	need.Tools(t, "grub-mkrescue:grub-common", "xorriso", "mformat:mtools")
	needAgent(t)
	s := &stocks{t: t, made: map[string]string{}}
	stock, err := s.iso("9.2-1")
	if err != nil {
		t.Fatal(err)
	}
	home, whole := t.TempDir(), t.TempDir()
	all := func(out string) *exec.Cmd {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		return &exec.Cmd{Path: self, Args: []string{"mkimage", "--all", "--iso", stock, "--out", out}, Stderr: &bytes.Buffer{},
			Env: append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CACHE_HOME="+home)}
	}
	first := all(whole) // makes the keyring, and takes the checksum
	if err := first.Run(); err != nil {
		t.Fatalf("%v: %s", err, first.Stderr)
	}
	begin := time.Now()
	if err := all(t.TempDir()).Run(); err != nil {
		t.Fatal(err)
	}
	const moments = 30
	step := time.Since(begin) / moments
	left := 0
	for i := range moments {
		out := filepath.Join(t.TempDir(), "images")
		cmd := all(out)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		moment := time.AfterFunc(time.Duration(i)*step, func() { _ = cmd.Process.Signal(syscall.SIGINT) }) // it may be done
		_ = cmd.Wait()                                                                                     // the state says more
		moment.Stop()
		finished, debris := lookAt(t, out, whole)
		left += debris
		if code, want := cmd.ProcessState.ExitCode(), []int{130, 8, 8, 0}[finished]; code != want && code != -1 {
			t.Errorf("at moment %d, %d images are finished and the exit code is %d: %s", i, finished, code, cmd.Stderr)
		}
	}
	need.Figure("image.interrupts_of_all_tried", moments, "count")
	need.Figure("image.interrupts_of_all_left_debris", left, "count")
}

// lookAt counts whole images with their manifests, and everything else.
func lookAt(t *testing.T, out, whole string) (finished, debris int) {
	t.Helper()
	entries, err := os.ReadDir(out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		got, err := os.ReadFile(filepath.Join(out, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(whole, e.Name()))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is left with %d bytes (%v)", e.Name(), len(got), err)
			debris++
			continue
		}
		finished++
	}
	if finished%2 != 0 {
		t.Errorf("an image without its manifest, or the other way round: %v", entries)
	}
	return finished / 2, debris
}
