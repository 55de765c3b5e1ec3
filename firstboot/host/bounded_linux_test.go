package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// A directory that hangs costs nobody more than its limit, whatever is done to
// it and however often; what is beside it goes on; and when it answers again, so
// does all that asks it.
func TestADirectoryThatHangs(t *testing.T) {
	root := t.TempDir()
	plain := New(root).Files
	if err := plain.WriteFile("/etc/hangs/well", []byte("well"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := plain.WriteFile("/etc/beside", []byte("beside"), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(root, "etc/hangs/pipe") // blocks whoever opens it for reading
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	const limit = 50 * time.Millisecond
	f := Bound(plain, limit, limit, "mend it", "/etc/hangs")
	if text, err := f.ReadFile("/etc/hangs/well"); string(text) != "well" || err != nil || Hung(f) != nil {
		t.Fatalf("%s %v", text, err)
	}
	before := time.Now()
	_, err := f.ReadFile("/etc/hangs/pipe")
	if want := "/etc/hangs/pipe has not answered since " + before.Local().Format(time.TimeOnly) + ": mend it"; err == nil || err.Error() != want || !IsHung(err) || Hung(f) == nil {
		t.Fatalf("%v, want %s", err, want)
	}
	goroutines := runtime.NumGoroutine()
	began := time.Now()
	for range 1000 {
		if _, err := f.ReadFile("/etc/hangs/well"); !IsHung(err) {
			t.Fatalf("%v", err)
		}
		for _, err := range []error{f.WriteFile("/etc/hangs/x", nil, 0o600), f.WriteDirect("/etc/hangs/x", nil), f.Append("/etc/hangs/x", nil, 0o600), f.Remove("/etc/hangs/well"),
			f.Rename("/etc/hangs/well", "/etc/x"), f.Symlink("/x", "/etc/hangs/y"), f.MkdirAll("/etc/hangs/z", 0o755), f.Chmod("/etc/hangs/well", 0o644), f.Chown("/etc/hangs/well", 1, 1)} {
			if !IsHung(err) {
				t.Fatalf("%v", err)
			}
		}
	}
	if took := time.Since(began); took > 5*time.Second || runtime.NumGoroutine() > goroutines {
		t.Errorf("10,000 calls took %s and left %d goroutines", took, runtime.NumGoroutine()-goroutines)
	}
	for _, look := range []func() error{
		func() error { _, err := f.Lstat("/etc/hangs"); return err },
		func() error { _, err := f.Stat("/etc/hangs/well"); return err },
		func() error { _, err := f.ReadDir("/etc/hangs/"); return err },
		func() error { _, err := f.Readlink("/etc/hangs/well"); return err },
	} {
		if err := look(); !IsHung(err) {
			t.Errorf("%v", err)
		}
	}
	if text, err := f.ReadFile("/etc/beside"); string(text) != "beside" || err != nil {
		t.Errorf("what is beside it: %s %v", text, err)
	}
	if Hung(plain) != nil {
		t.Error("files that are not bounded hang")
	}
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Close() // whoever waited reads the end of the file
	for end := time.Now().Add(10 * time.Second); Hung(f) != nil && time.Now().Before(end); {
		runtime.Gosched()
	}
	if text, err := f.ReadFile("/etc/hangs/well"); string(text) != "well" || err != nil {
		t.Errorf("when it answers again: %s %v", text, err)
	}
}

// A program that does not die when it is killed keeps nobody waiting: a
// directory that hangs holds those that read it.
func TestAProgramThatCannotBeKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	never := make(chan error)
	if err := ended(ctx, never, 20*time.Millisecond); !errors.Is(err, errUnkillable) {
		t.Errorf("%v", err)
	}
	late := make(chan error, 1)
	context.AfterFunc(ctx, func() { late <- nil })
	if err := ended(ctx, late, 10*time.Second); err != nil {
		t.Errorf("one that ends when it is killed: %v", err)
	}
}
