package iso9660_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"

	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/iso9660/isotest"
)

// bent is an image that the fuzzer bends: which says the image, bends are
// triples of a place behind the system area (two bytes) and a value. Whole
// images as input would be so long that the fuzzer spends its time on making
// them shorter. With which beyond the images, bends are the descriptors as such.
type bent struct{ images [][]byte }

func newBent(f *testing.F) bent {
	f.Helper()
	var x bent
	for _, o := range []isotest.Options{{}, {Joliet: true}, {RRIP12: true}, {Plain: true}} {
		x.images = append(x.images, isotest.Build(isotest.Stock(), o))
	}
	x.images = append(x.images, isotest.Build([]isotest.File{{Path: "/a/b/c/d", Content: []byte("x")}}, isotest.Options{Joliet: true}))
	p, err := iso9660.Plan(open(f, small(isotest.Options{})), []iso9660.Edit{{Path: "/answer.toml", Content: []byte("x")}})
	if err != nil {
		f.Fatal(err)
	}
	x.images = append(x.images, all(f, p))
	return x
}

func (x bent) image(which byte, bends []byte) []byte {
	if int(which) >= len(x.images) {
		return append(make([]byte, 16*block), bends...)
	}
	b := bytes.Clone(x.images[which])
	rest := b[16*block:]
	for ; len(bends) >= 3; bends = bends[3:] {
		rest[int(binary.LittleEndian.Uint16(bends))%len(rest)] = bends[2]
	}
	return b
}

// seeds bend what matters: fields of the descriptors, directory records and
// Rock Ridge entries.
func (x bent) seeds(add func(which byte, bends []byte)) {
	for which, b := range x.images {
		add(byte(which), nil)
		for _, mark := range []string{"\x01CD001", "\x02CD001", "NM", "PX", "CE", "SP", "TF", "SL", "F000000", "D000000"} {
			if at := bytes.Index(b[16*block:], []byte(mark)); at >= 0 {
				for _, off := range []int{2, 4, 10, 25, 32, 80, 132, 158} {
					place := binary.LittleEndian.AppendUint16(nil, uint16(at+off))
					add(byte(which), append(place, 0xff))
				}
			}
		}
	}
	add(255, []byte("\x01CD001\x01"))
}

const fuzzLimit = 1 << 20

// FuzzRead opens whatever comes and looks at all of it.
func FuzzRead(f *testing.F) {
	x := newBent(f)
	x.seeds(func(which byte, bends []byte) { f.Add(which, bends) })
	f.Fuzz(func(t *testing.T, which byte, bends []byte) {
		b := x.image(which, bends)
		img, err := iso9660.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a sentence")
			}
			return
		}
		visit := func(file iso9660.File) error {
			for _, x := range file.Extents {
				if x.Off < 0 || x.Len <= 0 || x.Off+x.Len > int64(len(b)) {
					t.Errorf("%s lies at %v in an image of %d bytes", file.Path, x, len(b))
				}
			}
			if _, err := io.Copy(io.Discard, io.LimitReader(img.Content(file), fuzzLimit)); err != nil {
				t.Errorf("%s: %v", file.Path, err)
			}
			return nil
		}
		if err := errors.Join(img.Walk(visit), img.WalkJoliet(visit)); err != nil {
			t.Error(err)
		}
		if err := img.Walk(func(file iso9660.File) error {
			found, err := img.Lookup(file.Path)
			if err == nil && found.Path != file.Path {
				err = fmt.Errorf("looking for %q finds %q", file.Path, found.Path)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
		if stock, ok, err := img.Original(); ok && err == nil && stock.Size() > int64(len(b)) {
			t.Errorf("the stock image has %d bytes, the prepared one %d", stock.Size(), len(b))
		}
	})
}

// FuzzPlan edits whatever comes. An image that comes out has the edits, is the
// base everywhere else, and leads back to it.
func FuzzPlan(f *testing.F) {
	x := newBent(f)
	for which := range x.images {
		f.Add(byte(which), []byte{}, "/answer.toml", []byte("text"), false, false)
		f.Add(byte(which), []byte{}, "/boot/grub/grub.cfg", []byte("text"), true, true)
	}
	f.Add(byte(1), []byte{}, "/proxmox/packages/base-files_13_amd64.deb", []byte("text"), true, false)
	f.Fuzz(func(t *testing.T, which byte, bends []byte, path string, content []byte, replace, inPlace bool) {
		b := x.image(which, bends)
		img, err := iso9660.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		edits := []iso9660.Edit{{Path: path, Content: content, Replace: replace, InPlace: inPlace}}
		for i := range 20 { // enough to make the directories move
			edits = append(edits, iso9660.Edit{Path: fmt.Sprintf("/another-file-to-fill-the-root-directory-%02d", i)})
		}
		for _, some := range [][]iso9660.Edit{edits[:1], edits} {
			p, err := iso9660.Plan(img, some)
			if err != nil {
				continue
			}
			after := all(t, p)
			if !bytes.Equal(after[:16*block], b[:16*block]) {
				t.Error("the system area changed")
			}
			again, err := iso9660.Open(bytes.NewReader(after), int64(len(after)))
			if err != nil {
				t.Fatalf("the planned image: %v", err)
			}
			got, err := again.ReadFile(path, fuzzLimit)
			if err != nil || !bytes.HasPrefix(got, content) || (!inPlace && len(got) != len(content)) {
				t.Errorf("%q: %d bytes, %v", path, len(got), err)
			}
			stock, ok, err := again.Original()
			if err != nil || !ok {
				t.Fatalf("no way back: %v", err)
			}
			if !bytes.Equal(all(t, stock), b) {
				t.Error("the way back leads elsewhere")
			}
		}
	})
}
