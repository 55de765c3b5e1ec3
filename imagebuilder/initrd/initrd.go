// Package initrd reads the initial file system of an installation medium and
// makes the archive that rides behind it: the first program of the medium is
// taken along under another name, and one of ours takes its place.
//
// The kernel unpacks an initrd as a sequence of cpio archives, each plain or
// compressed, and lets later ones replace what earlier ones hold (Linux,
// Documentation/driver-api/early-userspace/buffer-format.rst; init/initramfs.c).
// So the medium's own initrd is never changed. The package does no I/O, and
// what it does not know for sure it refuses.
package initrd

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"

	"ringboot/profiles/fault"
)

// ErrUnknown says that an initrd is none that the package understands.
var ErrUnknown = fault.Refused.New("the initrd of the medium is none that is understood")

// Limits against a medium that unpacks without end.
const (
	maxUnpacked = 4 << 30
	maxProgram  = 64 << 20
)

// Packing is how an archive is compressed.
type Packing string

// Packings that the kernel knows and Read understands.
const (
	Plain Packing = "plain"
	Gzip  Packing = "gzip"
	XZ    Packing = "xz"
	Zstd  Packing = "zstd"
	LZ4   Packing = "lz4"
)

// magic numbers by which the kernel tells packings apart (lib/decompress.c).
var magics = map[Packing]string{
	Plain: "0707",
	Gzip:  "\x1f\x8b",
	XZ:    "\xfd7zXZ\x00",
	Zstd:  "\x28\xb5\x2f\xfd",
	LZ4:   "\x02\x21\x4c\x18", // the legacy frame
}

// Initrd is what is known of a medium's initrd.
type Initrd struct {
	// Init is the file that the kernel would start.
	Init File
	// Packing is that of the last archive: the medium's kernel can unpack it.
	Packing Packing
}

// Read finds the first program of an initrd. All archives are read, because a
// later one may replace what an earlier one holds.
func Read(data []byte) (Initrd, error) {
	var found Initrd
	left := int64(maxUnpacked)
	for at := 0; at < len(data); {
		if data[at] == 0 { // the kernel skips zeros between archives
			at++
			continue
		}
		packing, ok := packingOf(data[at:])
		if !ok {
			return found, fmt.Errorf("%w: byte %d begins no archive and no packing that is known (cpio, gzip, xz, zstd, lz4)", ErrUnknown, at)
		}
		if packing == Plain && at%4 != 0 {
			return found, fmt.Errorf("%w: an archive begins at byte %d, which is not a multiple of 4", ErrUnknown, at)
		}
		n, err := unpack(packing, data[at:], func(r io.Reader) error { return readArchives(r, packing == Plain, &left, &found.Init) })
		if err != nil {
			return found, fmt.Errorf("%w: the %s archive at byte %d: %w", ErrUnknown, packing, at, err)
		}
		found.Packing = packing
		at += n
	}
	switch {
	case found.Init.Mode == 0:
		return found, fmt.Errorf("%w: it has no /init", ErrUnknown)
	case found.Init.links > 1:
		return found, fmt.Errorf("%w: its /init is the same file as another, so it cannot be replaced alone", ErrUnknown)
	case found.Init.Type() != typeFile && found.Init.Type() != typeLink:
		return found, fmt.Errorf("%w: its /init is neither a file nor a link", ErrUnknown)
	}
	return found, nil
}

func packingOf(b []byte) (Packing, bool) {
	for p, magic := range magics {
		if bytes.HasPrefix(b, []byte(magic)) {
			return p, true
		}
	}
	return "", false
}

// unpack hands the content of the archive that data begins with to read, and
// returns how many bytes the archive takes.
func unpack(p Packing, data []byte, read func(io.Reader) error) (int, error) {
	in := bytes.NewReader(data) // an io.ByteReader: nothing is read ahead
	var out io.Reader
	end := func() int { return len(data) - in.Len() }
	switch p {
	case Plain:
		out = in
	case Gzip:
		z, err := gzip.NewReader(in)
		if err != nil {
			return 0, err
		}
		z.Multistream(false)
		out = z
	case XZ:
		n, err := xzStream(data)
		if err != nil {
			return 0, err
		}
		z, err := xz.NewReader(bytes.NewReader(data[:n]))
		if err != nil {
			return 0, err
		}
		out, end = z, func() int { return n }
	case Zstd:
		n, err := zstdFrame(data)
		if err != nil {
			return 0, err
		}
		z, err := zstd.NewReader(bytes.NewReader(data[:n]))
		if err != nil {
			return 0, err
		}
		defer z.Close()
		out, end = z, func() int { return n }
	case LZ4:
		n, err := lz4Frame(data)
		if err != nil {
			return 0, err
		}
		out, end = lz4.NewReader(bytes.NewReader(data[:n])), func() int { return n }
	}
	if err := read(out); err != nil {
		return 0, err
	}
	return end(), nil
}

var errCut = errors.New("it is cut off")

// xzStream is the length of the stream that b begins with. Its blocks do not
// say how long they are, so its end is looked for: a footer whose checksum is
// right, behind an index whose checksum is right (The .xz File Format, 2.1.2, 4).
func xzStream(b []byte) (int, error) {
	const (
		magic      = "YZ"
		footerSize = 12
		headerSize = 12
	)
	for at := headerSize; ; at += len(magic) {
		found := bytes.Index(b[min(at, len(b)):], []byte(magic))
		if found < 0 {
			return 0, errCut
		}
		at += found
		end := at + len(magic)
		if end%4 != 0 || end < headerSize+footerSize {
			continue
		}
		footer := b[end-footerSize : end]
		if crc32.ChecksumIEEE(footer[4:10]) != binary.LittleEndian.Uint32(footer) {
			continue
		}
		size := (int(binary.LittleEndian.Uint32(footer[4:])) + 1) * 4
		if first := end - footerSize - size; first >= headerSize {
			index := b[first : end-footerSize]
			if index[0] == 0 && crc32.ChecksumIEEE(index[:size-4]) == binary.LittleEndian.Uint32(index[size-4:]) {
				return end, nil
			}
		}
	}
}

// zstdFrame is the length of the frame that b begins with (RFC 8878, 3.1.1).
func zstdFrame(b []byte) (int, error) {
	const descriptor = 4 // behind the magic number
	if len(b) < descriptor+1 {
		return 0, errCut
	}
	d := b[descriptor]
	single := d>>5&1 == 1
	at := descriptor + 1
	if !single {
		at++ // window descriptor
	}
	at += [4]int{0, 1, 2, 4}[d&3] // dictionary id
	switch sizeFlag := d >> 6; {
	case sizeFlag > 0:
		at += 1 << sizeFlag
	case single:
		at++
	}
	for last := false; !last; {
		if at+3 > len(b) {
			return 0, errCut
		}
		header := int(b[at]) | int(b[at+1])<<8 | int(b[at+2])<<16
		at += 3
		last = header&1 == 1
		switch size := header >> 3; header >> 1 & 3 {
		case 1: // one byte, repeated
			at++
		case 3:
			return 0, errors.New("a block of a reserved kind")
		default:
			at += size
		}
	}
	if d>>2&1 == 1 {
		at += 4 // checksum
	}
	if at > len(b) {
		return 0, errCut
	}
	return at, nil
}

// lz4Frame is the length of the legacy frame that b begins with: blocks, each
// behind its length, up to one of no length or the end of b (lz4 frame format,
// "Legacy frame"; lib/decompress_unlz4.c).
func lz4Frame(b []byte) (int, error) {
	const blockMax = 8<<20 + 8<<20/255 + 16 // 8 MiB that does not compress
	at := 4
	for at+4 <= len(b) {
		n := int(binary.LittleEndian.Uint32(b[at:]))
		if n == 0 {
			break
		}
		if n > blockMax || at+4+n > len(b) {
			return 0, errCut
		}
		at += 4 + n
	}
	return at, nil
}
