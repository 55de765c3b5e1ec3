package iso9660

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// A prepared image ends with one block that leads back to the stock image:
//
//	0   magic, 32 bytes
//	32  length of the stock image in bytes, 64 bits
//	40  first block of the index, 32 bits
//	44  number of saved blocks, 32 bits
//	48  SHA-256 of the index and the saved blocks
//	80  SHA-256 of the bytes before it
//
// The index is one 32-bit block number for each saved block, rounded up to whole
// blocks; the saved blocks follow in the same order. All numbers are
// little-endian.
const (
	trailerMagic = "Ringboot patched image, format 1"

	trSize     = 32
	trIndex    = 40
	trCount    = 44
	trSaved    = 48
	trChecksum = 80

	maxSaved = 1 << 16 // 128 MiB of changed blocks: far more than any directory tree
)

type trailer struct {
	size  int64 // of the stock image
	index uint32
	count uint32
	saved [sha256.Size]byte
}

func (t trailer) encode() []byte {
	b := make([]byte, BlockSize)
	copy(b, trailerMagic)
	binary.LittleEndian.PutUint64(b[trSize:], uint64(t.size))
	binary.LittleEndian.PutUint32(b[trIndex:], t.index)
	binary.LittleEndian.PutUint32(b[trCount:], t.count)
	copy(b[trSaved:], t.saved[:])
	sum := sha256.Sum256(b[:trChecksum])
	copy(b[trChecksum:], sum[:])
	return b
}

// readTrailer looks into the last block of the volume. No trailer is no error;
// a damaged one is.
func readTrailer(r io.ReaderAt, volume int64) (*trailer, error) {
	b := make([]byte, BlockSize)
	if volume < BlockSize {
		return nil, nil
	}
	if err := readFull(r, b, volume-BlockSize); err != nil {
		return nil, fmt.Errorf("last block of the volume: %w", err)
	}
	if !bytes.HasPrefix(b, []byte(trailerMagic)) {
		return nil, nil
	}
	t := &trailer{size: int64(binary.LittleEndian.Uint64(b[trSize:])), index: binary.LittleEndian.Uint32(b[trIndex:]), count: binary.LittleEndian.Uint32(b[trCount:])}
	copy(t.saved[:], b[trSaved:])
	if sum := sha256.Sum256(b[:trChecksum]); !bytes.Equal(sum[:], b[trChecksum:trChecksum+sha256.Size]) {
		return nil, fmt.Errorf("the image is prepared, but its trailer is damaged: start from the stock image")
	}
	end := (int64(t.index) + indexBlocks(int(t.count)) + int64(t.count)) * BlockSize
	if t.count > maxSaved || t.size < 0 || t.size > int64(t.index)*BlockSize || end > volume {
		return nil, fmt.Errorf("the image is prepared, but its trailer contradicts itself: start from the stock image")
	}
	return t, nil
}

func indexBlocks(count int) int64 { return blocks(int64(count) * 4) }

// blocks is how many blocks n bytes take.
func blocks(n int64) int64 { return (n + BlockSize - 1) / BlockSize }

// Original is the stock image under a prepared one, bit for bit. ok is false if
// r was not made by Plan. The error says that r cannot be read, or that it was
// damaged since.
func Original(r io.ReaderAt, size int64) (stock *Patched, ok bool, err error) {
	img, err := Open(r, size)
	if err != nil {
		return nil, false, err
	}
	return img.Original()
}

// Original is the function of the same name for an image that was opened.
func (img *Image) Original() (stock *Patched, ok bool, err error) {
	t := img.trailer
	if t == nil {
		return nil, false, nil
	}
	head := indexBlocks(int(t.count)) * BlockSize
	saved := make([]byte, head+int64(t.count)*BlockSize)
	if err := img.readAt(saved, int64(t.index)*BlockSize); err != nil {
		return nil, true, fmt.Errorf("the blocks of the stock image: %w", err)
	}
	if sha256.Sum256(saved) != t.saved {
		return nil, true, fmt.Errorf("the blocks that lead back to the stock image are damaged: start from the stock image")
	}
	var segs []Segment
	last := int64(-1)
	for i := range int(t.count) {
		lba := int64(binary.LittleEndian.Uint32(saved[4*i:]))
		data := saved[head+int64(i)*BlockSize:][:BlockSize]
		data = data[:min(BlockSize, max(t.size-lba*BlockSize, 0))]
		if lba <= last || len(data) == 0 {
			return nil, true, fmt.Errorf("the list of saved blocks contradicts itself: start from the stock image")
		}
		last = lba
		segs = append(segs, Segment{Off: lba * BlockSize, Data: slices.Clip(data)})
	}
	return newPatched(img.r, t.size, segs, t.size), true, nil
}
