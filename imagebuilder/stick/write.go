package stick

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"unsafe"

	"ringboot/profiles/fault"
)

const (
	// chunk is what is read and written at once: large enough for any stick,
	// and small enough that a slow one notices an interrupt within a second.
	chunk = 4 << 20
	// head is written last. MBR, GPT and the volume descriptor lie in it, so a
	// stick that was interrupted neither boots nor looks like a medium.
	head = 64 << 10
	// alignment serves devices with sectors of 512 and 4096 bytes, and the
	// memory that direct input and output wants.
	alignment = 4096
	// ahead is how many chunks are read while one is being written.
	ahead = 3
)

// Target is an opened device.
type Target interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	// DropCaches makes the next read come from the device itself.
	DropCaches() error
}

// Stages of a write, as progress is told them.
const (
	Writing   = "writing"
	Verifying = "verifying"
)

// Progress is told how many bytes of a stage are done.
type Progress func(stage string, done, total int64)

// ErrDiffers says that the device does not hold what was written.
var ErrDiffers = fault.Unverified.New("the device does not give back what was written to it")

// Write puts the image onto the target and proves that it is there. Until the
// end the target is not bootable; after an error it says so.
func Write(ctx context.Context, target Target, image io.ReaderAt, size int64, progress Progress) error {
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	if err := write(ctx, target, image, size, progress); err != nil {
		return fmt.Errorf("the stick is not bootable, write it again: %w", err)
	}
	return Verify(ctx, target, image, size, progress)
}

func write(ctx context.Context, target Target, image io.ReaderAt, size int64, progress Progress) error {
	first := min(size, head)
	if _, err := target.WriteAt(aligned(roundUp(first)), 0); err != nil {
		return err
	}
	if err := target.Sync(); err != nil {
		return err
	}
	err := stream(ctx, image, first, size, func(block []byte, at int64) error {
		if _, err := target.WriteAt(block[:roundUp(int64(len(block)))], at); err != nil {
			return err
		}
		progress(Writing, at+int64(len(block)), size)
		return nil
	})
	if err != nil {
		return err
	}
	if err := target.Sync(); err != nil {
		return err
	}
	begin := aligned(roundUp(first))
	if err := readFull(image, begin[:first], 0); err != nil {
		return err
	}
	if _, err := target.WriteAt(begin, 0); err != nil {
		return err
	}
	progress(Writing, size, size)
	return target.Sync()
}

// Verify reads the target and compares it with the image.
func Verify(ctx context.Context, target Target, image io.ReaderAt, size int64, progress Progress) error {
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	if err := target.DropCaches(); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	back := aligned(chunk)
	return stream(ctx, image, 0, size, func(want []byte, at int64) error {
		got := back[:roundUp(int64(len(want)))]
		if err := readFull(target, got, at); err != nil {
			return fmt.Errorf("read back at byte %d: %w", at, err)
		}
		if !bytes.Equal(got[:len(want)], want) {
			return fmt.Errorf("%w: first difference at byte %d; use another stick", ErrDiffers, at+firstDifference(got, want))
		}
		progress(Verifying, at+int64(len(want)), size)
		return nil
	})
}

func firstDifference(a, b []byte) int64 {
	for i := range b {
		if a[i] != b[i] {
			return int64(i)
		}
	}
	return int64(len(b))
}

// stream reads the image from byte from on while take works on what was read
// before. The chunks begin at multiples of the chunk size; each has room up to
// the next multiple of the alignment, filled with zeros.
func stream(ctx context.Context, image io.ReaderAt, from, size int64, take func(block []byte, at int64) error) error {
	type piece struct {
		block []byte
		at    int64
		err   error
	}
	ctx, cancel := context.WithCancelCause(ctx)
	free, full := make(chan []byte, ahead+1), make(chan piece, ahead)
	for range cap(free) {
		free <- aligned(chunk)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(full)
		for at := from; at < size; {
			var block []byte
			select {
			case block = <-free:
			case <-ctx.Done():
				return
			}
			n := min(chunk-at%chunk, size-at)
			clear(block[n:roundUp(n)])
			p := piece{block: block[:n], at: at, err: readFull(image, block[:n], at)}
			select {
			case full <- p:
			case <-ctx.Done():
				return
			}
			if p.err != nil {
				return
			}
			at += n
		}
	}()
	defer func() { cancel(nil); <-done }()
	for p := range full {
		if ctx.Err() != nil {
			break
		}
		if p.err != nil {
			return fmt.Errorf("read image at byte %d: %w", p.at, p.err)
		}
		if err := take(p.block, p.at); err != nil {
			return err
		}
		free <- p.block[:cap(p.block)]
	}
	return context.Cause(ctx)
}

func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func roundUp(n int64) int64 { return (n + alignment - 1) / alignment * alignment }

// aligned returns zeroed memory that begins at a multiple of the alignment.
func aligned(n int64) []byte {
	memory := make([]byte, n+alignment)
	skip := int64(0)
	if rest := int64(uintptr(unsafe.Pointer(&memory[0])) % alignment); rest != 0 {
		skip = alignment - rest
	}
	return memory[skip : skip+n : skip+n]
}
