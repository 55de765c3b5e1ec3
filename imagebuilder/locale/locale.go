// Package locale reads the lists that an installer checks countries, time zones
// and keyboards against out of the file system that it runs from.
//
// It judges nothing: that is for profiles and answer. Where the lists cannot be
// read, the caller has those that this program ships with.
package locale

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/filesystem/squashfs"

	"ringboot/profiles/spelling"
)

// Medium is the file of a stock ISO that the installer runs from, and List the
// file in it that holds the lists.
const (
	Medium = "/pve-installer.squashfs"
	List   = "/var/lib/proxmox-installer/locale-info.json"
)

const (
	blockSize = 4096    // what squashfs aligns to; the superblock has the real one
	maxList   = 4 << 20 // the real list has 60 KiB
)

// Read returns the lists of an installer's file system.
func Read(medium *io.SectionReader) (l spelling.Lists, err error) {
	// The library panics on some damaged media instead of returning an error.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("read the installer's lists: %v", p)
		}
	}()
	f, err := squashfs.Read(storage{medium}, medium.Size(), 0, blockSize)
	if err != nil {
		return spelling.Lists{}, fmt.Errorf("read the installer's file system: %w", err)
	}
	file, err := f.OpenFile(strings.TrimPrefix(List, "/"), os.O_RDONLY)
	if err != nil {
		return spelling.Lists{}, fmt.Errorf("read the installer's lists: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxList+1))
	if err != nil {
		return spelling.Lists{}, fmt.Errorf("read the installer's lists: %w", err)
	}
	if len(text) > maxList {
		return spelling.Lists{}, errors.New("the installer's lists are larger than lists can be")
	}
	return parse(text)
}

// parse reads the installer's JSON. Of a country only the code counts, of a
// keyboard its name in the cluster's options.
func parse(text []byte) (spelling.Lists, error) {
	var raw struct {
		Zones     map[string]map[string]json.RawMessage `json:"cczones"`
		Countries map[string]json.RawMessage            `json:"country"`
		Keyboards map[string]struct {
			Cluster string `json:"kvm"`
		} `json:"kmap"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return spelling.Lists{}, fmt.Errorf("the installer's lists have another form: %w", err)
	}
	l := spelling.Lists{Countries: map[string]bool{}, Zones: map[string]string{}, Keyboards: map[string]string{}, From: "the ISO's lists"}
	for code := range raw.Countries {
		l.Countries[code] = true
	}
	for country, zones := range raw.Zones {
		for zone := range zones {
			l.Zones[zone] = country
		}
	}
	for name, k := range raw.Keyboards {
		l.Keyboards[name] = k.Cluster
	}
	if len(l.Countries) == 0 || len(l.Zones) == 0 || len(l.Keyboards) == 0 {
		return spelling.Lists{}, errors.New("the installer's lists lack countries, zones or keyboards")
	}
	return l, nil
}

// storage lets the library read from a part of an ISO, and only read.
type storage struct{ *io.SectionReader }

var _ backend.Storage = storage{}

func (s storage) Stat() (fs.FileInfo, error)            { return stat{s.Size()}, nil }
func (storage) Close() error                            { return nil }
func (storage) Sys() (*os.File, error)                  { return nil, backend.ErrNotSuitable }
func (storage) Writable() (backend.WritableFile, error) { return nil, backend.ErrIncorrectOpenMode }
func (storage) Path() string                            { return "" }

type stat struct{ size int64 }

func (stat) Name() string       { return "installer" }
func (s stat) Size() int64      { return s.size }
func (stat) Mode() fs.FileMode  { return 0o400 }
func (stat) ModTime() time.Time { return time.Time{} }
func (stat) IsDir() bool        { return false }
func (stat) Sys() any           { return nil }
