package medium

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Layout of the medium as far as the way to its root directory goes.
const (
	blockSize      = 2048            // logical block, ECMA-119 6.1.2
	descriptorAt   = 16 * blockSize  // primary volume descriptor, ECMA-119 6.2.1
	descriptorID   = "\x01CD001\x01" // type, identifier, version, ECMA-119 8.4.1
	rootRecordAt   = 156             // record of the root directory, ECMA-119 8.4.18
	datesAt        = 813             // creation date and what follows, ECMA-119 8.4.26
	datesLen       = 68
	recordExtentAt = 2  // location of extent, both-endian, ECMA-119 9.1.3
	recordLengthAt = 10 // length of extent, both-endian, ECMA-119 9.1.4
	recordFlagsAt  = 25 // ECMA-119 9.1.6
	recordMin      = 34 // shortest record, ECMA-119 9.1
	flagDirectory  = 1 << 1
	maxRootExtent  = 1 << 20 // a root directory larger than this is not one of ours
)

// descriptor reads the primary volume descriptor; nil if there is none.
func descriptor(r io.ReaderAt) []byte {
	b := make([]byte, blockSize)
	if _, err := r.ReadAt(b, descriptorAt); err != nil || !bytes.HasPrefix(b, []byte(descriptorID)) {
		return nil
	}
	return b
}

// Volume is what tells a medium from those of another ISO: the dates of its
// volume, by which boot loaders find it; "" for what is no medium. All media
// that were made from one ISO have the same.
func Volume(r io.ReaderAt) string {
	b := descriptor(r)
	if b == nil {
		return ""
	}
	return string(b[datesAt : datesAt+datesLen])
}

// RootFiles returns where the files in the root directory of an ISO 9660
// medium lie, in the directory's order: nothing for whatever is none or is
// damaged. Names are not looked at: what is looked for says itself what it is.
func RootFiles(r io.ReaderAt) []Place {
	b := descriptor(r)
	if b == nil {
		return nil
	}
	root := extentOf(b[rootRecordAt:])
	if root.Len == 0 || root.Len > maxRootExtent {
		return nil
	}
	directory, err := root.Read(r)
	if err != nil {
		return nil
	}
	var out []Place
	for at := 0; at < len(directory); {
		size := int(directory[at])
		if size == 0 { // no record crosses a block: the rest of this one is empty
			at = (at/blockSize + 1) * blockSize
			continue
		}
		if size < recordMin || at+size > len(directory) {
			return out
		}
		record := directory[at : at+size]
		at += size
		if record[recordFlagsAt]&flagDirectory == 0 {
			out = append(out, extentOf(record))
		}
	}
	return out
}

func extentOf(record []byte) Place {
	return Place{
		Off: int64(binary.LittleEndian.Uint32(record[recordExtentAt:])) * blockSize,
		Len: int64(binary.LittleEndian.Uint32(record[recordLengthAt:])),
	}
}
