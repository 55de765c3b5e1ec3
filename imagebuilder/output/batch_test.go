package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/iso9660/isotest"
)

// siblings are images of one base that differ in a small file, so that the
// large one lies at another place in each.
func siblings(t *testing.T, path string, agent []byte) []*iso9660.Patched {
	t.Helper()
	if err := os.WriteFile(path, isotest.Build(isotest.Stock(), isotest.Options{}), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	img, err := iso9660.Open(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	var out []*iso9660.Patched
	for i := range 3 {
		p, err := iso9660.Plan(img, []iso9660.Edit{
			{Path: "/answer.toml", Content: bytes.Repeat([]byte{byte('a' + i)}, 3000*(i+1))},
			{Path: "/proxmox/packages/ringboot_1_amd64.deb", Content: agent},
		})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func TestABatchWritesEachImageWhole(t *testing.T) {
	dir := t.TempDir()
	images := siblings(t, filepath.Join(t.TempDir(), "base.iso"), bytes.Repeat([]byte("agent"), 400_001))
	var b Batch
	var wait sync.WaitGroup
	errs := make([]error, len(images))
	for i, p := range images {
		u, err := b.Fill(t.Context(), filepath.Join(dir, fmt.Sprintf("%d.iso", i)), p, Options{})
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() { errs[i] = u.Finish(t.Context()) })
	}
	wait.Wait()
	if err := errors.Join(append(errs, b.Close())...); err != nil {
		t.Fatal(err)
	}
	checkOnly(t, dir, "0.iso", "1.iso", "2.iso")
	for i, p := range images {
		checkHolds(t, filepath.Join(dir, fmt.Sprintf("%d.iso", i)), want(t, p))
	}
}

func TestABatchKeepsWhatIsFinishedAndNothingElse(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			images := siblings(t, filepath.Join(t.TempDir(), "base.iso"), []byte("agent"))
			b := Batch{create: way}
			first, err := b.Fill(t.Context(), filepath.Join(dir, "0.iso"), images[0], Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := first.Finish(t.Context()); err != nil {
				t.Fatal(err)
			}
			cause := errors.New("interrupted by the user")
			ctx, cancel := context.WithCancelCause(t.Context())
			second, err := b.Fill(ctx, filepath.Join(dir, "1.iso"), images[1], Options{})
			if err != nil {
				t.Fatal(err)
			}
			cancel(cause)
			if err := second.Finish(ctx); !errors.Is(err, cause) {
				t.Errorf("finished after the interrupt: %v", err)
			}
			if _, err := b.Fill(ctx, filepath.Join(dir, "2.iso"), images[2], Options{}); !errors.Is(err, cause) {
				t.Errorf("filled after the interrupt: %v", err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			checkOnly(t, dir, "0.iso")
			checkHolds(t, filepath.Join(dir, "0.iso"), want(t, images[0]))
		})
	}
}

// A base that is copied before the rest of its image is known makes the same
// file, and leaves nothing where it is not taken.
func TestABaseIsCopiedAhead(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			image := siblings(t, filepath.Join(t.TempDir(), "base.iso"), bytes.Repeat([]byte("agent"), 400_001))[0]
			base, size := image.Base()
			dst, other := filepath.Join(dir, "0.iso"), filepath.Join(dir, "1.iso")
			b := Batch{create: way}
			b.Begin(t.Context(), dst, base, size, Options{})
			var at int64
			u, err := b.Fill(t.Context(), dst, image, Options{Progress: func(done, _ int64) { at = done }})
			if err != nil || at != image.Size() {
				t.Fatalf("%v, at %d", err, at)
			}
			if err := errors.Join(u.Finish(t.Context()), b.Close()); err != nil {
				t.Fatal(err)
			}
			checkHolds(t, dst, want(t, image))

			// Another place, another image, or none at all.
			b.Begin(t.Context(), other, base, size, Options{})
			if _, err := b.Fill(t.Context(), filepath.Join(dir, "2.iso"), image, Options{}); err != nil {
				t.Fatal(err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			checkOnly(t, dir, "0.iso")
			stopped, stop := context.WithCancel(t.Context())
			b.Begin(stopped, other, base, size, Options{})
			stop()
			if _, err := b.Fill(stopped, other, image, Options{}); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			checkOnly(t, dir, "0.iso")
			// A file that must not be replaced is refused by Fill, in its own words.
			b.Begin(t.Context(), dst, base, size, Options{})
			if _, err := b.Fill(t.Context(), dst, image, Options{}); !errors.Is(err, os.ErrExist) {
				t.Errorf("%v", err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
