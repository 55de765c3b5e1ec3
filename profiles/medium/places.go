package medium

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Files of a medium, in its root.
const (
	// PlacesFile holds the table of places and the log.
	PlacesFile = "/ringboot.bin"
	// StoreFile holds the answers and seeds of a medium for all nodes.
	StoreFile = "/ringboot-nodes.bin"
)

// Sizes in bytes.
const (
	TableSize = 8 << 10
	unit      = 4 << 10 // places are multiples of it, and so are sectors of a stick
)

// tableMagic begins the table of places.
const tableMagic = "Ringboot places, format 1\n"

// ErrNone says that a device is no medium with places.
var ErrNone = errors.New("no medium of Ringboot with places that are written")

// Place is a run of bytes of the medium that may be written again.
type Place struct {
	Off int64 `json:"off"`
	Len int64 `json:"len"`
}

// Pair are a node's answer and seed in the store.
type Pair struct {
	Answer Place `json:"answer"`
	Seed   Place `json:"seed"`
}

// Table says where the places are, in bytes from the beginning of the medium.
type Table struct {
	Image  string           `json:"image"`
	Log    Place            `json:"log"`
	Answer Place            `json:"answer"`
	Seed   Place            `json:"seed"`              // the package that the installer reads
	Store  map[string]Pair  `json:"store,omitempty"`   // KindAll: by node
	Ticket map[string]Place `json:"tickets,omitempty"` // by node
}

// Room is the length of a place for n bytes that may grow by a little.
func Room(n int) int64 {
	const slack = 512
	return (int64(n) + slack + unit - 1) / unit * unit
}

// Encode gives the table, TableSize bytes long.
func (t Table) Encode() ([]byte, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	if len(b)+len(tableMagic) > TableSize {
		return nil, fmt.Errorf("the table of places has no room for %d nodes", len(t.Store))
	}
	out := bytes.Repeat([]byte{'\n'}, TableSize)
	copy(out[copy(out, tableMagic):], b)
	return out, nil
}

// FindTable looks for the table of places among the files in the root
// directory of a medium. It returns ErrNone for anything else.
func FindTable(r io.ReaderAt) (Table, error) {
	var t Table
	head := make([]byte, TableSize)
	for _, f := range RootFiles(r) {
		if f.Len < TableSize {
			continue
		}
		if _, err := r.ReadAt(head, f.Off); err != nil || !bytes.HasPrefix(head, []byte(tableMagic)) {
			continue
		}
		if err := json.Unmarshal(bytes.TrimRight(head[len(tableMagic):], "\n"), &t); err != nil {
			return t, fmt.Errorf("table of places: %w", err)
		}
		if t.Log.Off != f.Off+TableSize || t.Log.Len != f.Len-TableSize {
			return t, errors.New("table of places: it is that of another medium")
		}
		return t, nil
	}
	return t, ErrNone
}

// Device is a medium that can be written.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
}

// Fill writes a text into a place, filled up with ends of lines, and reads it back.
func (p Place) Fill(d Device, text []byte) error {
	if int64(len(text)) > p.Len {
		return fmt.Errorf("%d bytes do not fit a place of %d", len(text), p.Len)
	}
	return p.write(d, append(slices.Clone(text), bytes.Repeat([]byte{'\n'}, int(p.Len)-len(text))...))
}

// Wipe overwrites a place, and reads it back.
func (p Place) Wipe(d Device) error { return p.write(d, make([]byte, p.Len)) }

// Wiped reports whether nothing is in a place.
func (p Place) Wiped(r io.ReaderAt) (bool, error) {
	b, err := p.Read(r)
	return err == nil && bytes.Count(b, []byte{0}) == len(b), err
}

// Read returns what is in a place.
func (p Place) Read(r io.ReaderAt) ([]byte, error) {
	const limit = 64 << 20
	if p.Len < 0 || p.Len > limit || p.Off < 0 {
		return nil, fmt.Errorf("a place of %d bytes at %d", p.Len, p.Off)
	}
	b := make([]byte, p.Len)
	if _, err := r.ReadAt(b, p.Off); err != nil {
		return nil, fmt.Errorf("read the medium at byte %d: %w", p.Off, err)
	}
	return b, nil
}

func (p Place) write(d Device, b []byte) error {
	if _, err := d.WriteAt(b, p.Off); err != nil {
		return fmt.Errorf("write the medium at byte %d: %w", p.Off, err)
	}
	if err := d.Sync(); err != nil {
		return fmt.Errorf("write the medium: %w", err)
	}
	again, err := p.Read(d)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("the medium took %d bytes at byte %d and gives others back: it is worn, take another", len(b), p.Off)
	}
	return nil
}

// NoAnswer is what the place of the answer holds while no node was chosen: the
// installer stops at it.
const NoAnswer = "# No node was chosen yet: what looks at the machine first does that.\n"
