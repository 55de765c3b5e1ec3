package stick

import "io"

// readerWriterAt is what Aligned wraps.
type readerWriterAt interface {
	io.ReaderAt
	io.WriterAt
}

// Unaligned lets a raw device be read and written at any byte: it turns every
// access into one of whole, aligned blocks. It is for a few small accesses.
type Unaligned struct{ device readerWriterAt }

// Aligned wraps an opened device, or a file.
func Aligned(device readerWriterAt) Unaligned { return Unaligned{device} }

// around reads the blocks that hold the range. At the end of a device there
// may be fewer bytes.
func (u Unaligned) around(at, n int64) (blocks []byte, begin int64, err error) {
	begin = at / alignment * alignment
	blocks = aligned(roundUp(at + n - begin))
	got, err := u.device.ReadAt(blocks, begin)
	if int64(got) >= at-begin+n {
		err = nil
	}
	return blocks[:got], begin, err
}

// ReadAt implements io.ReaderAt.
func (u Unaligned) ReadAt(p []byte, at int64) (int, error) {
	blocks, begin, err := u.around(at, int64(len(p)))
	if int64(len(blocks)) <= at-begin {
		if err == nil {
			err = io.EOF
		}
		return 0, err
	}
	return copy(p, blocks[at-begin:]), err
}

// WriteAt implements io.WriterAt.
func (u Unaligned) WriteAt(p []byte, at int64) (int, error) {
	blocks, begin, err := u.around(at, int64(len(p)))
	if err != nil {
		return 0, err
	}
	copy(blocks[at-begin:], p)
	if _, err := u.device.WriteAt(blocks, begin); err != nil {
		return 0, err
	}
	return len(p), nil
}
