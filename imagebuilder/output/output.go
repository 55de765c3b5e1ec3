// Package output writes a patched image to a file: completely or not at all.
//
// The bytes go to a file without a name, or with a temporary one in the same
// directory, and only a finished and synced image gets its name. Where the file
// system can share blocks (Btrfs, XFS) the base costs neither time nor room, and
// what several images of a Batch have in common is stored once; else the kernel
// copies it. The source is only read. The
// package writes no device: that is the job of stick.
package output

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"ringboot/imagebuilder/iso9660"
	"ringboot/profiles/fault"
)

// chunk is how many bytes are copied between two looks at the context.
const chunk = 4 << 20

// Options say how File deals with what is there. The zero value is the careful
// choice.
type Options struct {
	// Replace allows a regular file of that name to be replaced. Without it
	// File ends with fs.ErrExist.
	Replace bool
	// OverBase allows that file to be the very one that the image is made from,
	// as when an image is reset.
	OverBase bool
	// Mode is the permission of the new file before the umask, 0600 if zero: an
	// image holds a node's key.
	Mode fs.FileMode
	// Progress, if not nil, hears how many bytes are there, from the goroutine
	// that called File.
	Progress func(done, total int64)
}

func (o Options) mode() fs.FileMode {
	if o.Mode == 0 {
		return 0o600
	}
	return o.Mode
}

// ErrNoRoom says that the file system is full.
var ErrNoRoom = fault.Precondition.New("not enough room")

// File writes p to dst. After an error, also that of a context that is done,
// dst is what it was and nothing else is left behind. Only a process that is
// killed can leave a temporary file, and only on a file system without files
// that have no name; the next File for the same dst removes it.
func File(ctx context.Context, dst string, p *iso9660.Patched, o Options) (err error) {
	var b Batch
	defer func() { err = errors.Join(err, b.Close()) }()
	return b.file(ctx, dst, p, o)
}

// target says where to write: links are followed, what is no file is refused.
func target(dst string, base *os.File, o Options) (string, error) {
	if real, err := filepath.EvalSymlinks(dst); err == nil {
		dst = real
	}
	have, err := os.Lstat(dst)
	if errors.Is(err, fs.ErrNotExist) {
		return dst, nil
	}
	if err != nil {
		return "", err
	}
	if !have.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file: name a file, or write a stick with --stick", dst)
	}
	if base != nil && !o.OverBase {
		if st, err := base.Stat(); err == nil && os.SameFile(st, have) {
			return "", fmt.Errorf("%s is the base image itself: name another output", dst)
		}
	}
	if !o.Replace {
		return "", fmt.Errorf("%s: %w", dst, fs.ErrExist)
	}
	return dst, nil
}

// baseFile is the file under a patched image, nil if it is none.
func baseFile(p *iso9660.Patched) *os.File {
	base, _ := p.Base()
	f, _ := base.(*os.File)
	return f
}

// explain puts the file's name and, if it helps, a remedy to an error.
func explain(dst string, p *iso9660.Patched, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("writing %s: %w: the image has %d bytes: make room, or name another place: %w", dst, ErrNoRoom, p.Size(), err)
	}
	return fmt.Errorf("writing %s: %w", dst, err)
}

// copyOrShare writes the base, which shares its blocks where that is possible.
func copyOrShare(ctx context.Context, w *os.File, base io.ReaderAt, size int64, said func(int64)) error {
	if src, ok := base.(*os.File); ok && shareBlocks(w, src, size) {
		return nil
	}
	return copyBase(ctx, w, base, size, said)
}

// fill writes what differs from the base.
func fill(ctx context.Context, w *os.File, p *iso9660.Patched, there source, said func(int64)) error {
	_, size := p.Base()
	for _, s := range p.Segments() {
		if err := fillSegment(ctx, w, s, there); err != nil {
			return err
		}
		if end := s.Off + int64(len(s.Data)); end > size {
			said(end)
		}
	}
	said(p.Size())
	return w.Truncate(p.Size())
}

// fillSegment writes a segment, or what of it does not lie in an earlier file.
func fillSegment(ctx context.Context, w *os.File, s iso9660.Segment, there source) error {
	from := shareSegment(w, s, there)
	for at := from; at < len(s.Data); at += chunk {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		part := s.Data[at:min(at+chunk, len(s.Data))]
		if err := writeAt(w, part, s.Off+int64(at)); err != nil {
			return err
		}
	}
	return nil
}

// copyBase copies without a detour through this process where the kernel can.
func copyBase(ctx context.Context, w *os.File, base io.ReaderAt, size int64, said func(int64)) error {
	src, _ := base.(*os.File)
	var buf []byte
	for done := int64(0); done < size; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		want := min(chunk, size-done)
		if src != nil {
			n, ok, err := copyInKernel(w, src, done, want)
			if err != nil {
				return err
			}
			if ok {
				startWriting(w, done, n)
				done += n
				said(done)
				continue
			}
			src = nil
		}
		if buf == nil {
			buf = make([]byte, chunk)
		}
		if n, err := base.ReadAt(buf[:want], done); int64(n) < want {
			if err == nil || errors.Is(err, io.EOF) {
				err = errShrunk
			}
			return fmt.Errorf("reading the base image at byte %d: %w", done, err)
		}
		if err := writeAt(w, buf[:want], done); err != nil {
			return err
		}
		startWriting(w, done, want)
		done += want
		said(done)
	}
	return nil
}

var errShrunk = errors.New("it became shorter while it was read")

// writeAt is the last place that looks at how much was written.
func writeAt(w io.WriterAt, b []byte, off int64) error {
	n, err := w.WriteAt(b, off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}
