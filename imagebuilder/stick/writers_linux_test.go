package stick

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Of the programs that have a stick open, those that may write to it keep it
// from being written; one that probes it does not.
func TestAProgramThatWritesIsSeen(t *testing.T) {
	for _, c := range []struct{ name, device, flags, want string }{
		{"a program that copies onto it", "/dev/sdb", "flags:\t0100001\n", "is in use by dd (process 7)"},
		{"a virtual machine that has a partition of it", "/dev/sdb1", "pos:\t0\nflags:\t02100002\n", "is in use by dd (process 7)"},
		{"a program that reads it", "/dev/sdb", "flags:\t0100000\n", ""},
		{"a program that writes to another disk", "/dev/sdc", "flags:\t0100001\n", ""},
		{"a program whose flags are hidden", "/dev/sdb", "", ""},
	} {
		s := tree(t, map[string]string{"proc/7/comm": "dd\n", "proc/7/fdinfo/3": c.flags, "proc/7/fd/0": ""})
		if err := os.Symlink(c.device, filepath.Join(s.root, "proc/7/fd/3")); err != nil {
			t.Fatal(err)
		}
		s, err := readSystem(s.root)
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.device("sdb")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := d.Refuse(1e9, true); err != nil {
			got = strings.TrimPrefix(err.Error(), "refused: /dev/sdb ")
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A stick that another program has open without O_EXCL is refused.
func TestAStickThatAProgramHasOpen(t *testing.T) {
	dev := loopDevice(t, 4*chunk)
	f, err := os.OpenFile(dev, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command("cat")
	other.ExtraFiles = []*os.File{f}
	wait, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	defer func() { wait.Close(); _ = other.Wait() }() // cat has nothing to say
	want := fmt.Sprintf("is in use by cat (process %d)", other.Process.Pid)
	found, err := Find(t.Context(), dev)
	if err != nil {
		t.Fatal(err)
	}
	if err := found.Refuse(0, true); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if target, err := Open(t.Context(), found, "mkimage", os.Stderr); err == nil {
		target.Close()
		t.Error("it is opened all the same")
	}
}
