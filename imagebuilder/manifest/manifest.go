// Package manifest is the list that lies in every image and beside it: what
// went in, what came out, and the hashes of both. The builder writes it,
// inspect proves an image against it. It reads and writes no file itself and
// holds no secret: of secret files it has the hash only where that gives
// nothing away.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

const (
	// Version of the format. A reader refuses a newer one.
	Version = 1
	// Path of the manifest in an image.
	Path = "/ringboot-manifest.json"
	// Limit is the most that a manifest may have, in bytes.
	Limit = 1 << 20
)

// Manifest says what an image is made of.
type Manifest struct {
	Version int    `json:"version"`
	Builder string `json:"builder"` // version of mkimage
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	// Plan is the hash of the cluster's part of the plan, NodePlan of the node's own.
	Plan     string `json:"plan"`
	NodePlan string `json:"node_plan"`

	Base   Input   `json:"base"`   // the stock image
	Inputs []Input `json:"inputs"` // whatever else went in: profile, agent
	Files  []File  `json:"files"`  // what is in the image because of us, sorted by path
}

// Input is something that the image was made from.
type Input struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // lower-case hexadecimal
}

// File is a file of the image. The manifest itself is not among them.
type File struct {
	Path   string `json:"path"` // absolute, in the image
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Secret files hold keys or password hashes: readers say that they are
	// there and sound, and never show them.
	Secret bool `json:"secret,omitempty"`
	// Changes is set for a file that is written again during the image's life
	// (the ticket): its size is proven, its content is not.
	Changes bool `json:"changes,omitempty"`
}

// Encode gives the manifest as it is written: sorted, indented, the same bytes
// for the same content.
func (m Manifest) Encode() ([]byte, error) {
	m.Files = slices.Clone(m.Files)
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	m.Inputs = slices.Clone(m.Inputs)
	slices.SortFunc(m.Inputs, func(a, b Input) int { return strings.Compare(a.Name, b.Name) })
	if err := m.check(); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return append(b, '\n'), nil
}

// Load reads the manifest in a file.
func Load(name string) (Manifest, error) {
	f, err := os.Open(name)
	if err != nil {
		return Manifest{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, Limit+1))
	if err != nil {
		return Manifest{}, err
	}
	return Decode(text)
}

// Decode reads a manifest strictly.
func Decode(b []byte) (Manifest, error) {
	var m Manifest
	if len(b) > Limit {
		return m, fmt.Errorf("manifest: %d bytes are more than the %d that are allowed", len(b), Limit)
	}
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return m, fmt.Errorf("manifest: %w", err)
	}
	if v.Version != Version {
		return m, fmt.Errorf("manifest: version %d is not the version %d that this program reads: use the mkimage that made the image", v.Version, Version)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("manifest: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, errors.New("manifest: something follows its end")
	}
	return m, m.check()
}

func (m Manifest) check() error {
	if m.Version != Version {
		return fmt.Errorf("manifest: version %d instead of %d", m.Version, Version)
	}
	if err := m.Base.check(); err != nil {
		return err
	}
	for _, in := range m.Inputs {
		if err := in.check(); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, f := range m.Files {
		if !strings.HasPrefix(f.Path, "/") || seen[f.Path] || f.Path == Path {
			return fmt.Errorf("manifest: file %q is not an absolute path that occurs once", f.Path)
		}
		seen[f.Path] = true
		if err := (Input{f.Path, f.Size, f.SHA256}).check(); err != nil {
			return err
		}
	}
	return nil
}

func (in Input) check() error {
	if in.Name == "" || in.Size < 0 || len(in.SHA256) != 64 || strings.Trim(in.SHA256, "0123456789abcdef") != "" {
		return fmt.Errorf("manifest: %q has no name, a size below zero, or a sha256 that is not 64 lower-case hexadecimal digits", in.Name)
	}
	return nil
}
