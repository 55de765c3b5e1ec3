package initrd

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Directory holds what the rider brings, in the root of the initial file
// system; Saved is the medium's own first program below it.
const (
	Directory = ".ringboot"
	Saved     = "init"
)

// leadIn comes before our archive: a kernel that unpacks lz4 takes the four
// bytes behind an archive for the length of another block unless they are
// zero. Every other packing is indifferent to zeros.
const leadIn = 8

// Ride makes the archive that follows the initrd: program becomes /init, the
// medium's own lies at Directory/Saved, and so do the files, by name.
func (i Initrd) Ride(program []byte, files map[string][]byte) ([]byte, error) {
	var out bytes.Buffer
	out.Write(make([]byte, leadIn))
	w, err := i.packer(&out)
	if err != nil {
		return nil, err
	}
	a := NewArchive(w)
	own := i.Init
	own.Name = path.Join(Directory, Saved)
	a.add(own)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Base(name) != name || name == Saved {
			return nil, fmt.Errorf("archive behind the initrd: %q is no name of a file beside %s", name, Saved)
		}
		a.File(path.Join(Directory, name), 0o600, files[name])
	}
	// Last: a medium cut off before it starts its own program, as ever.
	a.File("init", 0o755, program)
	if err := a.Close(); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// packer compresses as the medium does where that is written here as well. A
// plain archive is understood by every kernel.
func (i Initrd) packer(w io.Writer) (io.WriteCloser, error) {
	switch i.Packing {
	case Gzip:
		return gzip.NewWriterLevel(w, gzip.BestCompression)
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1))
	}
	return plain{w}, nil
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }
