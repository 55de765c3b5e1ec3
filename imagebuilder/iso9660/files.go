package iso9660

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
	"time"
)

// File is a file, directory or link of an image.
type File struct {
	Path    string // absolute: "/boot/grub/grub.cfg"
	ISOPath string // as readers without Rock Ridge see it: "/BOOT/GRUB/GRUB.CFG"
	Mode    fs.FileMode
	Size    int64
	ModTime time.Time
	Target  string   // of a symbolic link
	Extents []Extent // where the content lies, in order; none if it is empty
}

func (n *node) file() File {
	return File{Path: n.path(), ISOPath: n.isoPath(), Mode: n.mode, Size: n.size, ModTime: n.mod, Target: n.target, Extents: n.extents}
}

// Lookup finds a file by its absolute path, as Rock Ridge (or ISO 9660, where
// there is none) names it. Links are not followed. The error is fs.ErrNotExist
// if there is none.
func (img *Image) Lookup(path string) (File, error) {
	n := img.primary.lookup(path)
	if n == nil {
		return File{}, fmt.Errorf("%s: %w in the image", shown(path), fs.ErrNotExist)
	}
	return n.file(), nil
}

// Exists reports whether the image has something at an absolute path.
func (img *Image) Exists(path string) bool { return img.primary.lookup(path) != nil }

// Walk calls visit for everything in the image, directories before what they
// hold, in the order of the records. It ends at the first error of visit.
func (img *Image) Walk(visit func(File) error) error { return img.primary.walk(visit) }

// WalkJoliet is Walk for the Joliet tree. Without one it visits nothing.
func (img *Image) WalkJoliet(visit func(File) error) error {
	if img.joliet == nil {
		return nil
	}
	return img.joliet.walk(visit)
}

func (t *tree) walk(visit func(File) error) error {
	if err := visit(t.root.file()); err != nil {
		return err
	}
	var down func(d *node) error // no deeper than maxDepth
	down = func(d *node) error {
		for _, c := range d.children {
			if err := visit(c.file()); err != nil {
				return err
			}
			if c.isDir() {
				if err := down(c); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return down(t.root)
}

// Content reads a file's bytes in place, without a copy.
func (img *Image) Content(f File) *io.SectionReader {
	return io.NewSectionReader(&extentReader{img.r, f.Extents, ends(f.Extents)}, 0, f.Size)
}

// ReadFile reads a whole regular file that has at most limit bytes.
func (img *Image) ReadFile(path string, limit int64) ([]byte, error) {
	f, err := img.Lookup(path)
	if err != nil {
		return nil, err
	}
	if !f.Mode.IsRegular() {
		return nil, fmt.Errorf("%s in the image is not a regular file", shown(path))
	}
	if f.Size > limit {
		return nil, fmt.Errorf("%s in the image has %d bytes, more than the %d that are allowed", shown(path), f.Size, limit)
	}
	b := make([]byte, f.Size)
	if _, err := io.ReadFull(img.Content(f), b); err != nil {
		return nil, fmt.Errorf("%s: %w", shown(path), err)
	}
	return b, nil
}

// extentReader is the content of a file, put together from its extents.
type extentReader struct {
	r       io.ReaderAt
	extents []Extent
	ends    []int64 // ends[i] is where extents[i] ends in the file
}

func ends(extents []Extent) []int64 {
	out := make([]int64, len(extents))
	var sum int64
	for i, e := range extents {
		sum += e.Len
		out[i] = sum
	}
	return out
}

func (x *extentReader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	for n < len(p) {
		i := sort.Search(len(x.ends), func(i int) bool { return x.ends[i] > off })
		if i == len(x.ends) {
			return n, io.EOF
		}
		e := x.extents[i]
		within := e.Len - (x.ends[i] - off)
		part := p[n:min(int64(len(p)), int64(n)+e.Len-within)]
		if err := readFull(x.r, part, e.Off+within); err != nil {
			return n, err
		}
		n += len(part)
		off += int64(len(part))
	}
	return n, nil
}
