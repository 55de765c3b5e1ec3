package base

import (
	"fmt"
	"io"
	"io/fs"
	"path"
)

// archive writes a cpio archive of the "new ASCII" format, which the kernel
// unpacks as its initial file system (Linux,
// Documentation/driver-api/early-userspace/buffer-format.rst).
type archive struct {
	w     io.Writer
	inode int
	at    int64
	made  map[string]bool
	err   error
}

// cpioMagic starts each header of the new ASCII format without checksums.
const cpioMagic = "070701"

// cpioTrailer is the name that ends the archive.
const cpioTrailer = "TRAILER!!!"

// Types of the mode field (POSIX stat).
const (
	modeDir  = 0o040000
	modeFile = 0o100000
	modeLink = 0o120000
	modeChar = 0o020000
)

func newArchive(w io.Writer) *archive {
	return &archive{w: w, made: map[string]bool{".": true, "/": true}}
}

// dir adds a directory and those above it.
func (a *archive) dir(name string) {
	if a.made[name] {
		return
	}
	a.made[name] = true
	a.dir(path.Dir(name))
	a.entry(name, modeDir|0o755, nil, 0, 0)
}

func (a *archive) file(name string, mode fs.FileMode, content []byte) {
	a.dir(path.Dir(name))
	a.entry(name, modeFile|int(mode.Perm()), content, 0, 0)
}

func (a *archive) link(name, target string) {
	a.dir(path.Dir(name))
	a.entry(name, modeLink|0o777, []byte(target), 0, 0)
}

func (a *archive) device(name string, major, minor int) {
	a.dir(path.Dir(name))
	a.entry(name, modeChar|0o600, nil, major, minor)
}

// close writes the trailer and returns the first error of all writes.
func (a *archive) close() error {
	a.entry(cpioTrailer, 0, nil, 0, 0)
	return a.err
}

func (a *archive) entry(name string, mode int, content []byte, major, minor int) {
	a.inode++
	header := fmt.Sprintf("%s%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		cpioMagic, a.inode, mode, 0, 0, 1, 0, len(content), 0, 0, major, minor, len(name)+1, 0)
	a.write([]byte(header + name + "\x00"))
	a.pad()
	a.write(content)
	a.pad()
}

func (a *archive) write(text []byte) {
	if a.err != nil {
		return
	}
	n, err := a.w.Write(text)
	a.at += int64(n)
	a.err = err
}

// pad fills up to the next multiple of four bytes.
func (a *archive) pad() { a.write(make([]byte, -a.at&3)) }
