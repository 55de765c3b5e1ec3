package output

import (
	"context"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// ahead is the copy of a base that began before the rest of the image was known.
type ahead struct {
	tmp  *pending
	dst  string
	base io.ReaderAt
	size int64
	at   atomic.Int64
	done chan struct{} // closed when err counts
	err  error
	stop context.CancelFunc
}

// Begin starts to copy the base of an image that is still being made into the
// file that the Fill for the same dst goes on with: packing and planning take
// place beside it. What is wrong is said by that Fill. It is called once, before
// the first Fill.
func (b *Batch) Begin(ctx context.Context, dst string, base io.ReaderAt, size int64, o Options) {
	file, _ := base.(*os.File)
	dst, err := target(dst, file, o)
	if err != nil || b.ahead != nil {
		return
	}
	tmp, err := b.pending(dst, o)
	if err != nil {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	a := &ahead{tmp: tmp, dst: dst, base: base, size: size, done: make(chan struct{}), stop: stop}
	b.ahead = a
	go func() { // Fill or Close waits for it
		defer close(a.done)
		a.err = copyOrShare(ctx, tmp.File, base, size, a.at.Store)
	}()
}

// takes reports whether a copy is the one that an image needs.
func (a *ahead) takes(dst string, base io.ReaderAt, size int64) bool {
	return a != nil && a.tmp != nil && a.dst == dst && a.base == base && a.size == size
}

// wait ends with the copy, and says how far it is until then.
func (a *ahead) wait(ctx context.Context, said func(int64)) error {
	const often = 100 * time.Millisecond
	tick := time.NewTicker(often)
	defer tick.Stop()
	for {
		select {
		case <-a.done:
			return a.err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			said(a.at.Load())
		}
	}
}

// end stops a copy and discards what nobody took.
func (a *ahead) end() error {
	if a == nil {
		return nil
	}
	a.stop()
	<-a.done
	if a.tmp == nil {
		return nil
	}
	return a.tmp.discard()
}

// pending makes the file that becomes dst.
func (b *Batch) pending(dst string, o Options) (*pending, error) {
	removeStale(dst)
	if b.create != nil {
		return b.create(dst, o.mode())
	}
	return create(dst, o.mode())
}
