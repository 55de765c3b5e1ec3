// Package agent holds the binaries for the nodes (linux/amd64), embedded
// when mkimage was built, so that a Mac builds images too.
package agent

import (
	"embed"
	"io"

	"ringboot/profiles/fault"
)

// The directory always has this package's source, so that the repository
// builds before the agent does; the binary itself is made by "make" and never committed.
//
//go:embed *
var files embed.FS

// ErrMissing says that mkimage was built without the agent.
var ErrMissing = fault.Precondition.New("this mkimage was built without the agent: build it with make, not with go build")

// Open returns the agent where it lies in this program: nothing is copied.
func Open() (*io.SectionReader, error) { return open("firstboot") }

// Preflight returns the program that looks at a machine before the installer
// does, as Open returns the agent.
func Preflight() (*io.SectionReader, error) { return open("preflight") }

func open(name string) (*io.SectionReader, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, ErrMissing
	}
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil, ErrMissing // embed promises that it is one
	}
	is, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(r, 0, is.Size()), nil
}
