package output

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"ringboot/imagebuilder/iso9660"
)

// Batch writes images that have contents in common, such as those of all nodes
// of a cluster. The zero value is ready. Its Close is called at the end.
type Batch struct {
	create func(string, fs.FileMode) (*pending, error) // nil: the system's way
	first  source
	all    []*Unfinished
	ahead  *ahead // of the first one; nil: its base is copied by Fill
}

// source is a filled file that others may share blocks with.
type source struct {
	file  *os.File // nil: there is none
	image *iso9660.Patched
}

// Unfinished is an image that is written and has no name yet.
type Unfinished struct {
	*pending
	dst     string
	image   *iso9660.Patched
	replace bool
}

// Fill writes p to a file that becomes dst with Finish. One Fill runs at a
// time, beside any number of Finishes: while one image is flushed to the disk the
// next one is written.
func (b *Batch) Fill(ctx context.Context, dst string, p *iso9660.Patched, o Options) (*Unfinished, error) {
	base, size := p.Base()
	dst, err := target(dst, baseFile(p), o)
	if err != nil {
		return nil, err
	}
	said := func(done int64) {
		if o.Progress != nil {
			o.Progress(done, p.Size())
		}
	}
	var tmp *pending
	begun := b.ahead.takes(dst, base, size)
	if begun {
		tmp, b.ahead.tmp = b.ahead.tmp, nil
	} else if tmp, err = b.pending(dst, o); err != nil {
		return nil, explain(dst, p, err)
	}
	u := &Unfinished{pending: tmp, dst: dst, image: p, replace: o.Replace}
	b.all = append(b.all, u)
	if begun {
		err = b.ahead.wait(ctx, said)
	} else {
		err = copyOrShare(ctx, tmp.File, base, size, said)
	}
	if err == nil {
		err = fill(ctx, tmp.File, p, b.first, said)
	}
	if err != nil {
		return nil, explain(dst, p, err)
	}
	if b.first.file == nil {
		b.first = source{tmp.File, p}
	}
	return u, nil
}

// Finish makes the image outlive a power cut, and then gives it its name, which
// outlives one, too. If ctx is done before that, nothing is left of it.
func (u *Unfinished) Finish(ctx context.Context) error {
	if err := u.Sync(); err != nil {
		return explain(u.dst, u.image, err)
	}
	if ctx.Err() != nil {
		return explain(u.dst, u.image, context.Cause(ctx))
	}
	if err := u.commit(u.dst, u.replace); err != nil {
		return explain(u.dst, u.image, err)
	}
	return syncDir(filepath.Dir(u.dst))
}

// Close discards what was not finished. No Finish runs any more.
func (b *Batch) Close() error {
	errs := []error{b.ahead.end()}
	for _, u := range b.all {
		errs = append(errs, u.discard())
	}
	b.all, b.first, b.ahead = nil, source{}, nil
	return errors.Join(errs...)
}

// file fills and finishes one image.
func (b *Batch) file(ctx context.Context, dst string, p *iso9660.Patched, o Options) error {
	u, err := b.Fill(ctx, dst, p, o)
	if err != nil {
		return err
	}
	return u.Finish(ctx)
}

// Blocks are shared in units of 4096 bytes, the block size of file systems
// that can, and only where it is worth a system call.
const (
	shareUnit  = 4096
	shareLeast = 1 << 20
)

// shareSegment makes w share the blocks of the same content in an earlier file.
// It returns how many bytes of the segment are there then.
func shareSegment(w *os.File, s iso9660.Segment, there source) int {
	length := len(s.Data) / shareUnit * shareUnit
	if there.file == nil || length < shareLeast || s.Off%shareUnit != 0 {
		return 0
	}
	for _, old := range there.image.Segments() {
		if old.Off%shareUnit != 0 || len(old.Data) < length || !bytes.Equal(old.Data[:length], s.Data[:length]) {
			continue
		}
		if shareRange(w, s.Off, there.file, old.Off, int64(length)) {
			return length
		}
	}
	return 0
}
