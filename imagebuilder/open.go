package imagebuilder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ringboot/imagebuilder/fetch"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// ProfileFile is the profile that counts when none is named.
const ProfileFile = "ringboot.yaml"

// BuiltIn is what the profile is called that comes with the program.
const BuiltIn = "the built-in profile"

// ReadProfile reads the named profile, else the one of the current directory,
// else the built-in one. from says which it was. Key files that it names are
// not read yet: see profiles.Profile.Resolve and ReadKeyFile.
func ReadProfile(name string, read func(string) ([]byte, error)) (p *profiles.Profile, from string, err error) {
	if name == "" {
		if _, err := os.Stat(ProfileFile); err == nil {
			name = ProfileFile
		}
	}
	if name == "" {
		return profiles.Default(), BuiltIn, nil
	}
	text, err := read(name)
	if err != nil {
		return nil, name, fault.Precondition.Errorf("profile: %w: write one with mkimage init", err)
	}
	p, err = profiles.Load(name, text)
	return p, name, err
}

// ReadKeyFile reads a key file that a profile names; ~ is the builder's home.
func ReadKeyFile(name string) ([]byte, error) {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		name = filepath.Join(home, rest)
	}
	return os.ReadFile(name)
}

// ErrNoFile says that there is no stock ISO at a path.
var ErrNoFile = fault.Precondition.New("no ISO")

// Opened is a stock ISO that lies open in a file.
type Opened struct {
	*Base
	file *os.File
}

// File is the file itself, to read.
func (o *Opened) File() *os.File { return o.file }

// Close closes the file.
func (o *Opened) Close() error { return o.file.Close() }

// OpenFile opens the stock ISO at path for reading and takes its checksum,
// which is remembered in the directory sums. progress may be nil.
func OpenFile(ctx context.Context, path, sums string, progress func(done, total int64)) (*Opened, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s", ErrNoFile, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoFile, err)
	}
	o := &Opened{file: f}
	if o.Base, err = openBase(ctx, f, path, sums, progress); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return o, nil
}

func openBase(ctx context.Context, f *os.File, path, sums string, progress func(done, total int64)) (*Base, error) {
	is, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !is.Mode().IsRegular() {
		return nil, fmt.Errorf("%w at %s, which is no file", ErrNoFile, path)
	}
	// What the ISO is comes before its checksum, which takes seconds.
	if _, err := OpenBase(f, is.Size(), filepath.Base(path), ""); err != nil {
		return nil, err
	}
	sum, err := fetch.Sum(ctx, sums, path, progress)
	if err != nil {
		return nil, err
	}
	return OpenBase(f, is.Size(), filepath.Base(path), sum)
}

// Doubt says in a sentence that an ISO that bears the vendor's name is not what
// the vendor published; it is empty where nothing is known against it.
func (b *Base) Doubt() string {
	want, known := fetch.Pinned(b.Release)
	if !known || want == b.SHA256 || b.Name != fetch.FileName(b.Release) {
		return ""
	}
	return fmt.Sprintf("%s is not the ISO that Proxmox published as %s: its sha256 is %s, published is %s", b.Name, b.Release, b.SHA256, want)
}
