package disk_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/rehearsal/disk"
)

// word is an error in one word, the same for both disks.
func word(err error) string {
	for word, errs := range map[string][]error{
		"none": {syscall.ENOENT, syscall.ENOTDIR}, "in the way": {syscall.ENOTEMPTY, syscall.EEXIST, syscall.EISDIR},
		"senseless": {syscall.EINVAL}, "a circle": {syscall.ELOOP}, "done": {nil},
	} {
		if slices.ContainsFunc(errs, func(e error) bool { return errors.Is(err, e) }) {
			return word
		}
	}
	return err.Error()
}

// whole is everything on a disk, as its files tell it.
func whole(f host.Files, dir string, out *strings.Builder) {
	list, _ := f.ReadDir(dir)
	for _, e := range list {
		at := path.Join(dir, e.Name())
		info, err := f.Lstat(at)
		if err != nil {
			fmt.Fprintf(out, "%s %v\n", at, err)
			continue
		}
		text := ""
		switch {
		case info.IsDir():
			whole(f, at, out)
		case info.Mode()&fs.ModeSymlink != 0:
			text, _ = f.Readlink(at)
		default:
			raw, _ := f.ReadFile(at)
			text = string(raw)
		}
		mode := info.Mode().Perm()
		if info.Mode()&fs.ModeSymlink != 0 {
			mode = 0
		}
		fmt.Fprintf(out, "%s %s %o %q\n", at, info.Mode().Type(), mode, text)
	}
}

// The disk in memory does what the files that ship do on a real one, whatever is
// asked of it, links that lead on, in circles and nowhere among it.
func TestTheDiskDoesWhatARealOneDoes(t *testing.T) {
	paths := []string{"/a", "/b", "/d", "/d/x", "/d/e", "/d/e/y", "/l", "/l/x", "/l/e/y", "/d/k", "/d/k/y"}
	targets := []string{"/d", "d", "../d/e", "x", "/nowhere", "l", "e"}
	for seed := range int64(20) {
		rnd := rand.New(rand.NewSource(seed))
		real, ours := host.New(t.TempDir()).Files, disk.New(time.Now)
		var done []string
		for i := range 60 {
			p, q := paths[rnd.Intn(len(paths))], paths[rnd.Intn(len(paths))]
			text, target, mode := []byte(fmt.Sprint(i)), targets[rnd.Intn(len(targets))], []fs.FileMode{0o600, 0o644}[rnd.Intn(2)]
			ops := []struct {
				name string
				do   func(host.Files) error
			}{
				{"write " + p, func(f host.Files) error { return f.WriteFile(p, text, mode) }},
				{"append " + p, func(f host.Files) error { return f.Append(p, text, 0o644) }},
				{"direct " + p, func(f host.Files) error { return f.WriteDirect(p, text) }},
				{"make " + p, func(f host.Files) error { return f.MkdirAll(p, 0o755) }},
				{"make one " + p, func(f host.Files) error { return f.Mkdir(p, 0o755) }},
				{"link " + target + " " + p, func(f host.Files) error { return f.Symlink(target, p) }},
				{"remove " + p, func(f host.Files) error { return f.Remove(p) }},
				{"read " + p, func(f host.Files) error { _, err := f.ReadFile(p); return err }},
				{"list " + p, func(f host.Files) error { _, err := f.ReadDir(p); return err }},
				{"stat " + p, func(f host.Files) error { _, err := f.Stat(p); return err }},
				{"chmod " + p, func(f host.Files) error {
					if i, err := f.Stat(p); err == nil && i.IsDir() {
						return nil
					}
					return f.Chmod(p, mode)
				}},
				{"rename " + p + " " + q, func(f host.Files) error { return f.Rename(p, q) }},
			}
			op := ops[rnd.Intn(len(ops))]
			done = append(done, op.name)
			if want, got := word(op.do(real)), word(op.do(ours)); want != got {
				t.Fatalf("seed %d: %s: a real disk says %s, this one %s, after\n%s", seed, op.name, want, got, strings.Join(done, "\n"))
			}
			var want, got strings.Builder
			whole(real, "/", &want)
			whole(ours, "/", &got)
			if want.String() != got.String() {
				t.Fatalf("seed %d: a real disk holds\n%sthis one\n%safter\n%s", seed, want.String(), got.String(), strings.Join(done, "\n"))
			}
		}
		ours.Sync()
		before := slices.Sorted(func(yield func(string) bool) {
			for p := range ours.Live {
				if !yield(p) {
					return
				}
			}
		})
		ours.Cut(disk.Lost, nil)
		if len(before) != len(ours.Live) {
			t.Errorf("seed %d: a flushed disk lost something", seed)
		}
	}
}
