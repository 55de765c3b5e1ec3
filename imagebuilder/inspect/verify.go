package inspect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"
	"strings"

	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/manifest"
	"ringboot/profiles/fault"
)

// ErrNotPrepared says that there is nothing to verify: the image was not made
// by mkimage.
var ErrNotPrepared = fault.Precondition.New("the image was not made by mkimage, so there is no manifest to prove it against")

// Result is what Verify found.
type Result struct {
	Version int    `json:"version"`
	Node    string `json:"node"`
	Cluster string `json:"cluster"`
	// Files are all files of the manifest, sorted by path.
	Files []Proof `json:"files"`
	// StockProven says that everything else was compared, too, by the hash of
	// the stock image: boot code, partition tables, installer, packages.
	StockProven bool `json:"stock_proven"`
	// Problems are sentences; none means that the image is sound.
	Problems []string `json:"problems"`
}

// Proof is what was found out about one file.
type Proof struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	Secret bool   `json:"secret,omitempty"`
	Sound  bool   `json:"sound"`
}

// Sound reports whether nothing is wrong.
func (r Result) Sound() bool { return len(r.Problems) == 0 }

// Options of Verify.
type Options struct {
	// Quick leaves out the hash of the stock image, which reads everything.
	Quick bool
	// Progress, if not nil, hears how much of the stock image was hashed.
	Progress func(done, total int64)
}

// Verify proves the image in r, which may be a stick, against the manifest that
// it carries. What is wrong with the image is in the result; the error says why
// it could not be judged.
func Verify(ctx context.Context, r io.ReaderAt, size int64, o Options) (Result, error) {
	res := Result{Version: FormatVersion, Problems: []string{}}
	img, err := iso9660.Open(r, size)
	if err != nil {
		return res, err
	}
	if !img.Prepared() {
		return res, ErrNotPrepared
	}
	m, err := readManifest(img)
	if err != nil {
		return res, err
	}
	res.Node, res.Cluster = m.Node, m.Cluster
	v := &verifier{ctx: ctx, img: img, manifest: m, res: &res}
	if v.second, err = openSecond(r, img.VolumeSize()); err != nil {
		v.problem("%v", err)
	}
	v.joliet = map[string]iso9660.File{}
	if err := img.WalkJoliet(func(f iso9660.File) error { v.joliet[f.Path] = f; return nil }); err != nil {
		return res, err
	}
	for _, f := range m.Files {
		proof, err := v.file(f)
		if err != nil {
			return res, err
		}
		res.Files = append(res.Files, proof)
	}
	slices.SortFunc(res.Files, func(a, b Proof) int { return strings.Compare(a.Path, b.Path) })
	if err := v.stock(o); err != nil {
		return res, err
	}
	return res, nil
}

type verifier struct {
	ctx      context.Context
	img      *iso9660.Image
	second   secondReader
	joliet   map[string]iso9660.File
	manifest manifest.Manifest
	res      *Result
}

func (v *verifier) problem(format string, args ...any) {
	v.res.Problems = append(v.res.Problems, fmt.Sprintf(format, args...))
}

// file proves one file through every tree and reader. The error is that of a
// context that is done.
func (v *verifier) file(want manifest.File) (Proof, error) {
	before := len(v.res.Problems)
	have, err := v.img.Lookup(want.Path)
	if err != nil {
		v.problem("%s: it is missing", want.Path)
	} else {
		v.judge(want, "our reader", v.img.Content(have), have.Size)
		if j, ok := v.joliet[want.Path]; v.img.HasJoliet() && (!ok || !slices.Equal(j.Extents, have.Extents)) {
			v.problem("%s: the Joliet tree shows something else", want.Path)
		}
		v.again(want, have)
	}
	if v.ctx.Err() != nil {
		return Proof{}, context.Cause(v.ctx)
	}
	return Proof{Path: want.Path, Size: want.Size, Secret: want.Secret, Sound: len(v.res.Problems) == before}, nil
}

// again proves a file through the second reader.
func (v *verifier) again(want manifest.File, have iso9660.File) {
	if v.second.files == nil {
		return
	}
	f, size, err := v.second.open(have)
	if err != nil {
		v.problem("%s: the second reader: %v", want.Path, err)
		return
	}
	v.judge(want, "the second reader", f, size)
	if err := f.Close(); err != nil {
		v.problem("%s: the second reader: %v", want.Path, err)
	}
}

// judge compares what one reader gives with the manifest.
func (v *verifier) judge(want manifest.File, who string, r io.Reader, size int64) {
	if size != want.Size {
		v.problem("%s: %s finds %d bytes, the manifest says %d", want.Path, who, size, want.Size)
		return
	}
	h := sha256.New()
	n, err := io.Copy(h, &untilDone{v.ctx, r})
	switch {
	case err != nil:
		v.problem("%s: %s: %v", want.Path, who, err)
	case n != size:
		v.problem("%s: %s reads %d of its %d bytes", want.Path, who, n, size)
	case !want.Changes && hex.EncodeToString(h.Sum(nil)) != want.SHA256:
		v.problem("%s: %s finds another content than the manifest says", want.Path, who)
	}
}

// stock proves what the manifest does not list: nothing was added, and the
// stock image under the changes is the one that it was made from.
func (v *verifier) stock(o Options) error {
	stock, _, err := v.img.Original()
	if err != nil {
		v.problem("%v", err)
		return nil
	}
	base, err := iso9660.Open(stock, stock.Size())
	if err != nil {
		v.problem("the stock image under the changes: %v", err)
		return nil
	}
	listed := map[string]bool{manifest.Path: true}
	for _, f := range v.manifest.Files {
		listed[f.Path] = true
	}
	err = v.img.Walk(func(f iso9660.File) error {
		old, err := base.Lookup(f.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !listed[f.Path]:
			v.problem("%s: neither the stock image nor the manifest has it", f.Path)
		case err == nil && !listed[f.Path] && !f.Mode.IsDir() && (old.Size != f.Size || !slices.Equal(old.Extents, f.Extents)):
			v.problem("%s: it is not the stock image's, and the manifest does not have it", f.Path)
		}
		return nil
	})
	if err != nil || o.Quick {
		return err
	}
	return v.sameStock(stock, o)
}

// sameStock reads the whole stock image under the changes.
func (v *verifier) sameStock(stock *iso9660.Patched, o Options) error {
	if want := v.manifest.Base.Size; stock.Size() != want {
		v.problem("the stock image under the changes has %d bytes, the manifest says %d", stock.Size(), want)
		return nil
	}
	h := sha256.New()
	if err := stock.Stream(v.ctx, h, o.Progress); err != nil {
		return err
	}
	if got := sum(h); got != v.manifest.Base.SHA256 {
		v.problem("the stock image under the changes is not the one of the manifest: its SHA-256 is %s instead of %s", got, v.manifest.Base.SHA256)
		return nil
	}
	v.res.StockProven = true
	return nil
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// untilDone ends a read when the context does.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}
