package iso9660

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
)

// Segment is a run of bytes that a Patched has instead of its base's, or
// behind its base's end.
type Segment struct {
	Off  int64
	Data []byte
}

// Patched is an image as a value: a base of which a few blocks are replaced,
// and what follows its end. It is an io.ReaderAt and can be opened, hashed,
// written to a file or streamed to a stick. The base must not change while the
// value is used. It is safe for concurrent use if the base is.
type Patched struct {
	base     io.ReaderAt
	baseSize int64
	segs     []Segment // sorted, not overlapping
	size     int64
}

// Base returns what lies under the segments and how much of it is used.
func (p *Patched) Base() (r io.ReaderAt, size int64) { return p.base, p.baseSize }

// Size is the length in bytes.
func (p *Patched) Size() int64 { return p.size }

// Segments returns what differs from the base, sorted, not overlapping. Bytes
// behind the base's end that no segment covers are zero. The caller must not
// change them.
func (p *Patched) Segments() []Segment { return p.segs }

// ReadAt implements io.ReaderAt.
func (p *Patched) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off >= p.size {
		return 0, io.EOF
	}
	short := false
	if left := p.size - off; int64(len(b)) > left {
		b, short = b[:left], true
	}
	fromBase := min(max(p.baseSize-off, 0), int64(len(b)))
	if fromBase > 0 && !p.covered(off, fromBase) {
		if err := readFull(p.base, b[:fromBase], off); err != nil {
			return 0, fmt.Errorf("reading the base image at byte %d: %w", off, err)
		}
	}
	clear(b[fromBase:])
	first := sort.Search(len(p.segs), func(i int) bool { return p.segs[i].Off+int64(len(p.segs[i].Data)) > off })
	for _, s := range p.segs[first:] {
		if s.Off >= off+int64(len(b)) {
			break
		}
		copy(b[max(s.Off-off, 0):], s.Data[max(off-s.Off, 0):])
	}
	if short {
		return len(b), io.EOF
	}
	return len(b), nil
}

// covered reports whether one segment covers the whole range.
func (p *Patched) covered(off, n int64) bool {
	i := sort.Search(len(p.segs), func(i int) bool { return p.segs[i].Off+int64(len(p.segs[i].Data)) > off })
	return i < len(p.segs) && p.segs[i].Off <= off && p.segs[i].Off+int64(len(p.segs[i].Data)) >= off+n
}

// streamChunk is how much Stream reads and writes at once.
const streamChunk = 1 << 20

// Stream writes the whole image once, in order. progress, if not nil, hears how
// many bytes are written, from the same goroutine. It ends within one chunk
// when ctx is done.
func (p *Patched) Stream(ctx context.Context, w io.Writer, progress func(done, total int64)) error {
	buf := make([]byte, streamChunk)
	for off := int64(0); off < p.size; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		n := min(int64(len(buf)), p.size-off)
		if err := readFull(p, buf[:n], off); err != nil {
			return err
		}
		wrote, err := w.Write(buf[:n])
		if err == nil && int64(wrote) < n {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
		off += n
		if progress != nil {
			progress(off, p.size)
		}
	}
	return nil
}

// newPatched sorts segments and joins those that touch.
func newPatched(base io.ReaderAt, baseSize int64, segs []Segment, size int64) *Patched {
	slices.SortFunc(segs, func(a, b Segment) int {
		switch {
		case a.Off < b.Off:
			return -1
		case a.Off > b.Off:
			return 1
		}
		return 0
	})
	var joined []Segment
	for _, s := range segs {
		if len(s.Data) == 0 {
			continue
		}
		if n := len(joined); n > 0 && len(s.Data) <= BlockSize {
			// A large one stays as it is: it is not copied, and may be shared.
			if last := &joined[n-1]; last.Off+int64(len(last.Data)) == s.Off && len(last.Data) < sharedSize {
				last.Data = append(slices.Clip(last.Data), s.Data...)
				continue
			}
		}
		joined = append(joined, s)
	}
	return &Patched{base: base, baseSize: baseSize, segs: joined, size: size}
}
