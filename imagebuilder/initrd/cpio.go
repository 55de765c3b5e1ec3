package initrd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Layout of the "new ASCII" format: a magic number and 13 fields of eight
// hexadecimal digits, then the name and the content, each filled up to a
// multiple of four bytes (buffer-format.rst).
const (
	cpioMagic    = "070701"
	cpioMagicSum = "070702" // with a checksum, which the kernel does not look at
	cpioTrailer  = "TRAILER!!!"
	headerSize   = 110
	fieldSize    = 8
	maxName      = 4096 // PATH_MAX
)

// Numbers of the fields behind the magic number.
const (
	fieldMode  = 1
	fieldLinks = 4
	fieldSizeN = 6
	fieldNameN = 11
)

// Types of the mode field (POSIX stat).
const (
	typeMask = 0o170000
	typeDir  = 0o040000
	typeFile = 0o100000
	typeLink = 0o120000
	typeChar = 0o020000
)

// File is one entry of an archive.
type File struct {
	Name    string // without a leading slash
	Mode    uint32 // with its type, as in POSIX stat
	Content []byte // of a symbolic link: what it points to
	links   uint32
}

// Type is the part of the mode that says what the entry is.
func (f File) Type() uint32 { return f.Mode & typeMask }

// readArchives reads archives up to the end of r, or only one, and keeps the
// last /init. left is what may still be unpacked, in bytes.
func readArchives(r io.Reader, one bool, left *int64, init *File) error {
	c := &counter{r: r, left: left}
	for {
		ended, err := c.archive(init)
		if err != nil || ended || one {
			return err
		}
	}
}

// counter reads and knows how far it is, for the padding.
type counter struct {
	r    io.Reader
	at   int64
	left *int64
}

var errEndless = errors.New("it unpacks to more than any medium has")

func (c *counter) full(b []byte) error {
	n, err := io.ReadFull(c.r, b)
	c.at += int64(n)
	if *c.left -= int64(n); *c.left < 0 {
		return errEndless
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return err
}

func (c *counter) skip(n int64) error {
	done, err := io.CopyN(io.Discard, c.r, n)
	c.at += done
	if *c.left -= done; *c.left < 0 {
		return errEndless
	}
	if errors.Is(err, io.EOF) {
		return errCut
	}
	return err
}

func (c *counter) pad() error { return c.skip(-c.at & 3) }

// archive reads one archive. ended tells that there was none but zeros.
func (c *counter) archive(init *File) (ended bool, err error) {
	header := make([]byte, headerSize)
	for {
		n, err := io.ReadFull(c.r, header[:4]) // zeros come in multiples of four
		c.at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && bytes.Count(header[:n], []byte{0}) == n {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if !bytes.Equal(header[:4], make([]byte, 4)) {
			break
		}
	}
	rest := 4 // of the first header is read
	for {
		if err := c.full(header[rest:]); err != nil {
			return false, err
		}
		rest = 0
		last, err := c.entry(header, init)
		if err != nil || last {
			return false, err
		}
	}
}

// entry reads what follows a header.
func (c *counter) entry(header []byte, init *File) (last bool, err error) {
	if magic := string(header[:len(cpioMagic)]); magic != cpioMagic && magic != cpioMagicSum {
		return false, fmt.Errorf("%q begins no entry of a cpio archive", magic)
	}
	var fields [13]uint32
	for i := range fields {
		text := header[len(cpioMagic)+i*fieldSize:][:fieldSize]
		n, err := strconv.ParseUint(string(text), 16, 32)
		if err != nil {
			return false, fmt.Errorf("%q is no number of a cpio header", text)
		}
		fields[i] = uint32(n)
	}
	if fields[fieldNameN] == 0 || fields[fieldNameN] > maxName {
		return false, fmt.Errorf("a name of %d bytes", fields[fieldNameN])
	}
	name := make([]byte, fields[fieldNameN])
	if err := c.full(name); err != nil {
		return false, err
	}
	if err := c.pad(); err != nil {
		return false, err
	}
	f := File{Name: strings.TrimRight(string(name), "\x00"), Mode: fields[fieldMode], links: fields[fieldLinks]}
	if f.Name == cpioTrailer {
		return true, c.skip(int64(fields[fieldSizeN])) // as many bytes as nobody writes
	}
	if path.Clean("/"+f.Name) != "/init" {
		if err := c.skip(int64(fields[fieldSizeN])); err != nil {
			return false, err
		}
		return false, c.pad()
	}
	if fields[fieldSizeN] > maxProgram {
		return false, fmt.Errorf("its /init has %d bytes", fields[fieldSizeN])
	}
	f.Content = make([]byte, fields[fieldSizeN])
	if err := c.full(f.Content); err != nil {
		return false, err
	}
	f.Name = "init"
	*init = f
	return false, c.pad()
}

// Archive writes a cpio archive. The same entries give the same bytes.
type Archive struct {
	w     io.Writer
	inode int
	at    int64
	made  map[string]bool
	err   error
}

// NewArchive begins an archive that is written to w.
func NewArchive(w io.Writer) *Archive {
	return &Archive{w: w, made: map[string]bool{".": true, "/": true}}
}

// Dir adds a directory and those above it.
func (a *Archive) Dir(name string) {
	if a.made[name] {
		return
	}
	a.made[name] = true
	a.Dir(path.Dir(name))
	a.entry(File{Name: name, Mode: typeDir | 0o755}, 0, 0)
}

// File adds a file.
func (a *Archive) File(name string, mode fs.FileMode, content []byte) {
	a.add(File{Name: name, Mode: typeFile | uint32(mode.Perm()), Content: content})
}

// Link adds a symbolic link.
func (a *Archive) Link(name, target string) {
	a.add(File{Name: name, Mode: typeLink | 0o777, Content: []byte(target)})
}

// Device adds a character device.
func (a *Archive) Device(name string, major, minor int) {
	a.Dir(path.Dir(name))
	a.entry(File{Name: name, Mode: typeChar | 0o600}, major, minor)
}

func (a *Archive) add(f File) {
	a.Dir(path.Dir(f.Name))
	a.entry(f, 0, 0)
}

// Close ends the archive and returns the first error of all writes.
func (a *Archive) Close() error {
	a.entry(File{Name: cpioTrailer}, 0, 0)
	return a.err
}

func (a *Archive) entry(f File, major, minor int) {
	a.inode++
	a.write([]byte(fmt.Sprintf("%s%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		cpioMagic, a.inode, f.Mode, 0, 0, 1, 0, len(f.Content), 0, 0, major, minor, len(f.Name)+1, 0) + f.Name + "\x00"))
	a.pad()
	a.write(f.Content)
	a.pad()
}

func (a *Archive) write(b []byte) {
	if a.err != nil {
		return
	}
	n, err := a.w.Write(b)
	a.at += int64(n)
	a.err = err
}

// pad fills up to the next multiple of four bytes.
func (a *Archive) pad() { a.write(make([]byte, -a.at&3)) }
