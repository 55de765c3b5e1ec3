package stick

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// fake is a device in memory that writes down what happens to it.
type fake struct {
	content []byte
	order   []int64 // offsets of the writes
	fail    func(at int64) error
	flip    int64 // a byte that comes back wrong, or -1
	dropped bool
}

func newFake(size int64) *fake {
	return &fake{content: bytes.Repeat([]byte{0xff}, int(size)), flip: -1}
}

func (f *fake) WriteAt(p []byte, at int64) (int, error) {
	if len(p)%alignment != 0 || at%alignment != 0 {
		return 0, fmt.Errorf("write of %d bytes at %d is not aligned", len(p), at)
	}
	if f.fail != nil {
		if err := f.fail(at); err != nil {
			return 0, err
		}
	}
	f.order = append(f.order, at)
	return copy(f.content[at:], p), nil
}

func (f *fake) ReadAt(p []byte, at int64) (int, error) {
	n := copy(p, f.content[at:])
	if f.flip >= at && f.flip < at+int64(n) {
		p[f.flip-at] ^= 1
	}
	return n, nil
}

func (f *fake) Sync() error       { return nil }
func (f *fake) DropCaches() error { f.dropped = true; return nil }

func image(size int64) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

func TestWriteInOnePassFirstBlockLast(t *testing.T) {
	for _, size := range []int64{2048, head, head + 2048, chunk, chunk + 2048, 3*chunk + 6144} {
		want := image(size)
		dev := newFake(size + 8192)
		var last int64
		stages := map[string]int64{}
		err := Write(t.Context(), dev, bytes.NewReader(want), size, func(stage string, done, total int64) {
			if total != size {
				t.Fatalf("total is %d, want %d", total, size)
			}
			stages[stage], last = done, done
		})
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(dev.content[:size], want) {
			t.Errorf("%d bytes: the device holds something else", size)
		}
		if dev.order[len(dev.order)-1] != 0 {
			t.Errorf("%d bytes: the last write went to %d, want the first block", size, dev.order[len(dev.order)-1])
		}
		if stages[Writing] != size || stages[Verifying] != size || last != size || !dev.dropped {
			t.Errorf("%d bytes: progress ended at %v, caches dropped: %v", size, stages, dev.dropped)
		}
		if end := dev.content[roundUp(size):]; bytes.ContainsFunc(end, func(r rune) bool { return r == 0 }) {
			t.Errorf("%d bytes: the device was written behind the image", size)
		}
	}
}

func TestAnInterruptedStickDoesNotBoot(t *testing.T) {
	const size = 4 * chunk
	broken := errors.New("unplugged")
	tests := map[string]func(ctx context.CancelCauseFunc, dev *fake){
		"unplugged": func(_ context.CancelCauseFunc, dev *fake) {
			dev.fail = func(at int64) error {
				if at == 2*chunk {
					return broken
				}
				return nil
			}
		},
		"interrupted": func(cancel context.CancelCauseFunc, dev *fake) {
			dev.fail = func(at int64) error {
				if at == chunk {
					cancel(broken)
				}
				return nil
			}
		},
	}
	for name, harm := range tests {
		ctx, cancel := context.WithCancelCause(t.Context())
		dev := newFake(size)
		harm(cancel, dev)
		err := Write(ctx, dev, bytes.NewReader(image(size)), size, nil)
		if !errors.Is(err, broken) || err.Error() != "the stick is not bootable, write it again: unplugged" {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(dev.content[:head], make([]byte, head)) {
			t.Errorf("%s: the first blocks are not empty", name)
		}
		cancel(nil)
	}
}

func TestAStickThatLies(t *testing.T) {
	const size = 2*chunk + 2048
	dev := newFake(size + 2048)
	dev.flip = chunk + 77
	err := Write(t.Context(), dev, bytes.NewReader(image(size)), size, nil)
	if !errors.Is(err, ErrDiffers) || err.Error() != fmt.Sprintf("the device does not give back what was written to it: first difference at byte %d; use another stick", chunk+77) {
		t.Errorf("a bit that flips: %v", err)
	}
}

func TestAnImageThatEndsTooEarly(t *testing.T) {
	err := Write(t.Context(), newFake(4*chunk), bytes.NewReader(image(chunk)), 2*chunk, nil)
	if err == nil || err.Error() != fmt.Sprintf("the stick is not bootable, write it again: read image at byte %d: unexpected EOF", chunk) {
		t.Errorf("a short image: %v", err)
	}
}
