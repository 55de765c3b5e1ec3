package output

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/iso9660/isotest"
)

// edits are what is put into the images of these tests.
func edits() []iso9660.Edit {
	return []iso9660.Edit{
		{Path: "/answer.toml", Content: []byte("[global]\n")},
		{Path: "/proxmox/packages/ringboot_1_amd64.deb", Content: bytes.Repeat([]byte("agent"), 30_000)},
	}
}

// plan makes a patched image over a file or, if path is empty, over memory. big is
// the size of a file that makes it longer.
func plan(t testing.TB, path string, big int) *iso9660.Patched {
	t.Helper()
	files := append(isotest.Stock(), isotest.File{Path: "/pve-base.squashfs", Content: bytes.Repeat([]byte("filler!\n"), big/8)})
	b := isotest.Build(files, isotest.Options{Joliet: true})
	var r io.ReaderAt = bytes.NewReader(b)
	if path != "" {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		r = f
	}
	img, err := iso9660.Open(r, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := iso9660.Plan(img, edits())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// want is what the file must hold.
func want(t testing.TB, p *iso9660.Patched) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Stream(context.Background(), &b, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func checkHolds(t testing.TB, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes and not the %d that were planned", path, len(got), len(want))
	}
}

// checkOnly proves that a directory holds these names and nothing else.
func checkOnly(t testing.TB, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if strings.Join(have, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %q, want %q", dir, have, names)
	}
}

// ways are the two ways to make an unfinished file.
var ways = map[string]func(string, fs.FileMode) (*pending, error){"nameless": create, "named": createNamed}

// write is File with the way to make the unfinished file.
func write(ctx context.Context, dst string, p *iso9660.Patched, o Options, way func(string, fs.FileMode) (*pending, error)) error {
	b := Batch{create: way}
	return errors.Join(b.file(ctx, dst, p, o), b.Close())
}

func TestFileWritesTheWholeImageOrNothing(t *testing.T) {
	for name, way := range ways {
		for _, onFile := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				dir, base := t.TempDir(), ""
				if onFile {
					base = filepath.Join(t.TempDir(), "base.iso")
				}
				p := plan(t, base, 9<<20)
				dst := filepath.Join(dir, "out [1].iso")
				var last int64
				o := Options{Progress: func(done, total int64) {
					if done < last || total != p.Size() {
						t.Errorf("progress %d of %d after %d", done, total, last)
					}
					last = done
				}}
				if err := write(t.Context(), dst, p, o, way); err != nil {
					t.Fatal(err)
				}
				if last != p.Size() {
					t.Errorf("progress ended at %d of %d", last, p.Size())
				}
				checkHolds(t, dst, want(t, p))
				checkOnly(t, dir, "out [1].iso")
				st, err := os.Stat(dst)
				if err != nil || st.Mode() != 0o600 {
					t.Errorf("mode %v, %v; want 0600", st.Mode(), err)
				}

				err = write(t.Context(), dst, p, Options{}, way)
				if !errors.Is(err, fs.ErrExist) {
					t.Errorf("a second time without Replace: %v", err)
				}
				if err := os.WriteFile(dst, []byte("something else"), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := write(t.Context(), dst, p, Options{Replace: true}, way); err != nil {
					t.Fatal(err)
				}
				checkHolds(t, dst, want(t, p))
				checkOnly(t, dir, "out [1].iso")
			})
		}
	}
}

// A file that appears while the image is written is not replaced either.
func TestFileDoesNotReplaceWhatCameInBetween(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			dst := filepath.Join(dir, "out.iso")
			p := plan(t, "", 1<<20)
			o := Options{Progress: func(done, total int64) {
				if done == total {
					if err := os.WriteFile(dst, []byte("mine"), 0o644); err != nil {
						t.Error(err)
					}
				}
			}}
			if err := write(t.Context(), dst, p, o, way); !errors.Is(err, fs.ErrExist) {
				t.Errorf("got %v", err)
			}
			checkHolds(t, dst, []byte("mine"))
			checkOnly(t, dir, "out.iso")
		})
	}
}

func TestFileRefuses(t *testing.T) {
	dir := t.TempDir()
	base := filepath.Join(dir, "base.iso")
	p := plan(t, base, 1<<20)
	link := filepath.Join(dir, "link.iso")
	if err := os.Symlink(base, link); err != nil {
		t.Fatal(err)
	}
	for dst, want := range map[string]string{
		dir:         dir + " is not a regular file: name a file, or write a stick with --stick",
		os.DevNull:  os.DevNull + " is not a regular file: name a file, or write a stick with --stick",
		base:        base + " is the base image itself: name another output",
		link:        base + " is the base image itself: name another output",
		"/nowhere/": "writing /nowhere/: open /nowhere: no such file or directory",
	} {
		if err := File(t.Context(), dst, p, Options{Replace: true}); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", dst, err, want)
		}
	}
	checkOnly(t, dir, "base.iso", "link.iso")
}

// Reset in place: the way back is read from the file that is replaced.
func TestFileResetsInPlace(t *testing.T) {
	dir := t.TempDir()
	base := filepath.Join(dir, "base.iso")
	p := plan(t, base, 1<<20)
	stock, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.iso")
	if err := File(t.Context(), out, p, Options{}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	back, ok, err := iso9660.Original(f, p.Size())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := File(t.Context(), out, back, Options{Replace: true, OverBase: true}); err != nil {
		t.Fatal(err)
	}
	checkHolds(t, out, stock)
	checkOnly(t, dir, "base.iso", "out.iso")
}

// What a killed run left goes; what a living one writes stays.
func TestFileRemovesOnlyWhatIsAbandoned(t *testing.T) {
	dir := t.TempDir()
	dst := filepath.Join(dir, "out.iso")
	for _, name := range []string{".out.iso.123" + suffix, ".other.iso.123" + suffix} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("left"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	living, err := createNamed(dst, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := File(t.Context(), dst, plan(t, "", 1<<20), Options{}); err != nil {
		t.Fatal(err)
	}
	checkOnly(t, dir, ".other.iso.123"+suffix, filepath.Base(living.named), "out.iso")
	if err := living.discard(); err != nil {
		t.Fatal(err)
	}
}

func TestFileEndsWhenItIsCancelled(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			cause := errors.New("interrupted by the user")
			for _, at := range []int64{0, 4 << 20, 9 << 20} {
				dir := t.TempDir()
				p := plan(t, "", 12<<20)
				ctx, cancel := context.WithCancelCause(t.Context())
				if at == 0 {
					cancel(cause)
				}
				err := write(ctx, filepath.Join(dir, "out.iso"), p, Options{Progress: func(done, _ int64) {
					if done >= at {
						cancel(cause)
					}
				}}, way)
				if !errors.Is(err, cause) {
					t.Errorf("cancelled at %d: %v", at, err)
				}
				checkOnly(t, dir)
				cancel(nil)
			}
		})
	}
}

// shortWriter takes less than it is given and says nothing.
type shortWriter struct{}

func (shortWriter) WriteAt(b []byte, _ int64) (int, error) { return len(b) - 1, nil }

func TestShortWriteIsAnError(t *testing.T) {
	if err := writeAt(shortWriter{}, []byte("four"), 0); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v", err)
	}
}

func TestBaseThatShrinksIsAnError(t *testing.T) {
	dir := t.TempDir()
	base := filepath.Join(t.TempDir(), "base.iso")
	p := plan(t, base, 9<<20)
	if err := os.Truncate(base, 5<<20); err != nil {
		t.Fatal(err)
	}
	err := File(t.Context(), filepath.Join(dir, "out.iso"), p, Options{})
	if err == nil || !strings.Contains(err.Error(), "reading the base image at byte") || !strings.Contains(err.Error(), "it became shorter while it was read") {
		t.Errorf("got %v", err)
	}
	checkOnly(t, dir)
}
