package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"

	ours "ringboot/imagebuilder/iso9660"
)

// secondReader is go-diskfs, which shares no line with our own reader.
type secondReader struct{ files *iso9660.FileSystem }

// openSecond opens the image with the second reader. It has no bounds of its
// own, so it is only shown images that our reader has accepted.
func openSecond(r io.ReaderAt, size int64) (s secondReader, err error) {
	defer recovered(&err)
	s.files, err = iso9660.Read(&storage{SectionReader: io.NewSectionReader(r, 0, size)}, 0, 0, 0)
	if err != nil {
		return s, fmt.Errorf("the second reader: %w", err)
	}
	return s, nil
}

// open opens a file. It takes the dot from the beginning of names, and does not
// know the Rock Ridge of every writer ("IEEE_1282"): then it shows plain names.
func (s secondReader) open(f ours.File) (r io.ReadCloser, size int64, err error) {
	defer recovered(&err)
	dir, base := path.Split(strings.TrimPrefix(f.Path, "/"))
	for _, name := range []string{dir + base, dir + strings.TrimPrefix(base, "."), strings.TrimPrefix(f.ISOPath, "/")} {
		file, openErr := s.files.Open(name)
		if openErr != nil {
			err = cmp.Or(err, openErr)
			continue
		}
		st, err := file.Stat()
		if err != nil {
			return nil, 0, errors.Join(err, file.Close())
		}
		return file, st.Size(), nil
	}
	return nil, 0, err
}

// recovered turns a panic of the second reader into an error: whatever is on
// the medium, the user gets a sentence.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the second reader gave up: %v", p)
	}
}

// storage lets go-diskfs read from any io.ReaderAt, and only read.
type storage struct{ *io.SectionReader }

var _ backend.Storage = (*storage)(nil)

func (s *storage) Stat() (fs.FileInfo, error)              { return stat{s.Size()}, nil }
func (s *storage) Close() error                            { return nil }
func (s *storage) Sys() (*os.File, error)                  { return nil, backend.ErrNotSuitable }
func (s *storage) Writable() (backend.WritableFile, error) { return nil, backend.ErrIncorrectOpenMode }
func (s *storage) Path() string                            { return "" }

type stat struct{ size int64 }

func (s stat) Name() string     { return "image" }
func (s stat) Size() int64      { return s.size }
func (stat) Mode() fs.FileMode  { return 0o400 }
func (stat) ModTime() time.Time { return time.Time{} }
func (stat) IsDir() bool        { return false }
func (stat) Sys() any           { return nil }
