package iso9660_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/iso9660/isotest"
)

const block = iso9660.BlockSize

// small is an image of a few kilobytes.
func small(o isotest.Options, more ...isotest.File) []byte {
	return isotest.Build(append(isotest.Stock(), more...), o)
}

func both(v uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, v), v)
}

func TestHostileImagesGetOneSentence(t *testing.T) {
	for _, c := range isotest.Damaged() {
		t.Run(c.Name, func(t *testing.T) {
			_, err := iso9660.Open(bytes.NewReader(c.Bytes), int64(len(c.Bytes)))
			if err == nil || err.Error() != c.Want {
				t.Errorf("got  %v\nwant %s", err, c.Want)
			}
		})
	}
}

// Continuation areas of a name that is put together from several, looping.
func TestContinuationAreasThatLoop(t *testing.T) {
	b := small(isotest.Options{})
	// The first PX entry of grub.cfg becomes a CE that leads to itself.
	r := isotest.RecordOf(b, "grub.cfg")
	at := bytes.Index(b, r)
	px := at + bytes.Index(r, []byte("PX"))
	copy(b[px:], slices.Concat([]byte("CE\x24\x01"), both(uint32(px/block)), both(uint32(px%block)), both(36)))
	_, err := iso9660.Open(bytes.NewReader(b), int64(len(b)))
	want := "directory /boot/grub: entry F000000.;1: its Rock Ridge continuation areas loop, or are more than 32"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	for _, c := range []struct {
		block, offset, length uint32
		want                  string
	}{
		{1 << 20, 0, 10, "a Rock Ridge continuation area at block 1048576 lies behind the end of the image"},
		{20, 2000, 100, "a Rock Ridge continuation area at byte 2000 with 100 bytes leaves its block"},
		{20, 0xffffffff, 2, "a Rock Ridge continuation area at byte 4294967295 with 2 bytes leaves its block"},
	} {
		copy(b[px+4:], slices.Concat(both(c.block), both(c.offset), both(c.length)))
		_, err := iso9660.Open(bytes.NewReader(b), int64(len(b)))
		if want := "directory /boot/grub: entry F000000.;1: " + c.want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestDirectoriesThatAreTooDeep(t *testing.T) {
	b := small(isotest.Options{}, isotest.File{Path: "/" + strings.Repeat("d/", 70) + "leaf"})
	_, err := iso9660.Open(bytes.NewReader(b), int64(len(b)))
	if err == nil || !strings.HasSuffix(err.Error(), "it is more than 64 levels deep") {
		t.Errorf("got %v", err)
	}
}

// endless is an image that goes on with zeros.
type endless struct{ b []byte }

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off < int64(len(e.b)) {
		copy(p, e.b[off:])
	}
	return len(p), nil
}

// A file of more than 4 GiB has several extents. It is read, and can be replaced.
func TestMultiExtentFile(t *testing.T) {
	const part = 0xfffff800
	b := small(isotest.Options{}, isotest.File{Path: "/big", Content: []byte("x")})
	r := isotest.RecordOf(b, "big")
	first := uint32(len(b) / block)
	r[25] = 0x80
	copy(r[2:], slices.Concat(both(first), both(part)))
	second := slices.Clone(r)
	second[25] = 0
	copy(second[2:], slices.Concat(both(first+part/block), both(5000)))
	at := bytes.Index(b, r) + len(r)
	root := b[:int(rootExtent(b)+1)*block]
	copy(root[at+len(second):], slices.Clone(root[at:len(root)-len(second)]))
	copy(root[at:], second)
	size := (int64(first)+part/block+3)*block + 0
	copy(b[16*block+80:], both(uint32(size/block)))
	e := endless{b}
	img, err := iso9660.Open(e, size)
	if err != nil {
		t.Fatal(err)
	}
	f, err := img.Lookup("/big")
	if err != nil || f.Size != part+5000 || len(f.Extents) != 2 {
		t.Fatalf("%+v, %v", f, err)
	}
	buf := make([]byte, 100)
	if n, err := img.Content(f).ReadAt(buf, part-50); n != 100 || err != nil {
		t.Errorf("reading over the border of two extents: %d, %v", n, err)
	}
	if n, err := img.Content(f).ReadAt(buf, f.Size-50); n != 50 || !errors.Is(err, io.EOF) {
		t.Errorf("reading over the end: %d, %v", n, err)
	}
	p, err := iso9660.Plan(img, []iso9660.Edit{{Path: "/big", Content: []byte("small now"), Replace: true}})
	if err != nil {
		t.Fatal(err)
	}
	img, err = iso9660.Open(p, p.Size())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := img.ReadFile("/big", 100); err != nil || string(got) != "small now" {
		t.Errorf("replaced: %q, %v", got, err)
	}
}

func TestPlanRefuses(t *testing.T) {
	add := func(path string) []iso9660.Edit { return []iso9660.Edit{{Path: path, Content: []byte("x")}} }
	replace := func(path, content string, inPlace bool) []iso9660.Edit {
		return []iso9660.Edit{{Path: path, Content: []byte(content), Replace: true, InPlace: inPlace}}
	}
	for _, c := range []struct {
		name  string
		b     []byte
		edits []iso9660.Edit
		want  string
	}{
		{"relative", small(isotest.Options{}), add("answer.toml"), "answer.toml: not an absolute path of a file"},
		{"root", small(isotest.Options{}), add("/"), "/: not an absolute path of a file"},
		{"steps up", small(isotest.Options{}), add("/boot/../x"), "/boot/../x: not an absolute path of a file"},
		{"no directory", small(isotest.Options{}), add("/nowhere/x"), "/nowhere/x: the image has no directory /nowhere"},
		{"directory is a file", small(isotest.Options{}), add("/.cd-info/x"), "/.cd-info/x: the image has no directory /.cd-info"},
		{"there already", small(isotest.Options{}), add("/.cd-info"), "/.cd-info: it is in the image already"},
		{"nothing to replace", small(isotest.Options{}), replace("/x", "", false), "/x: it is not in the image, so it cannot be replaced"},
		{"a directory", small(isotest.Options{}), replace("/boot", "", false), "/boot: it is not a regular file"},
		{"a link", small(isotest.Options{}), replace("/debian", "", false), "/debian: it is not a regular file"},
		{"too long for its place", small(isotest.Options{}), replace("/.cd-info", strings.Repeat("x", 200), true), "/.cd-info: 200 bytes do not fit over the 106 that are there"},
		{"in place of nothing", small(isotest.Options{}), []iso9660.Edit{{Path: "/x", InPlace: true}}, "/x: only a file that is replaced can be written in place"},
		{"twice", small(isotest.Options{}), append(add("/x"), add("/x")...), "/x: is edited twice"},
		{"several at once", small(isotest.Options{}), append(add("/boot"), add("/nowhere/x")...), "/boot: it is in the image already\n/nowhere/x: the image has no directory /nowhere"},
		{"long name", small(isotest.Options{}), add("/" + strings.Repeat("n", 129)), "/" + strings.Repeat("n", 119) + "...: its name has 129 bytes, more than 128"},
		{"long Joliet name", small(isotest.Options{Joliet: true}), add("/" + strings.Repeat("n", 65)), "/" + strings.Repeat("n", 65) + ": its name has 65 characters, more than the 64 of Joliet"},
		{"Joliet character", small(isotest.Options{Joliet: true}), add("/a:b"), `/a:b: its name has a character that Joliet forbids: one of */:;?\`},
		{"control character", small(isotest.Options{}), add("/a\nb"), `"/a\nb": "a\nb" cannot be the name of a file`},
		{"no Rock Ridge", small(isotest.Options{Plain: true}), nil, "the image cannot be edited: it has no Rock Ridge names, so it is no installation image of Proxmox"},
		{"UDF bridge", bridge(), nil, "the image cannot be edited: it holds a UDF tree too, which would go on showing the old files"},
		{"two primary descriptors", twice(), nil, "the image cannot be edited: it has two primary volume descriptors"},
		{"another supplementary tree", supplementary(), nil, "the image cannot be edited: it holds a supplementary tree that is not Joliet, which would go on showing the old files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := iso9660.Plan(open(t, c.b), c.edits)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if p != nil {
				t.Error("there is a plan nevertheless")
			}
		})
	}
}

// bridge has UDF's recognition sequence behind the descriptors.
func bridge() []byte {
	b := small(isotest.Options{Joliet: true})
	copy(b[18*block:], "\xffCD001\x01")
	copy(b[19*block:], "\x00BEA01\x01")
	return b
}

func twice() []byte {
	b := small(isotest.Options{Joliet: true})
	copy(b[18*block:19*block], b[16*block:17*block])
	return b
}

func supplementary() []byte {
	b := small(isotest.Options{Joliet: true})
	copy(b[18*block+88:], "   ")
	return b
}

// Boot images and the catalog are found by their place: they cannot be replaced.
func TestPlanKeepsTheBootImages(t *testing.T) {
	b := small(isotest.Options{})
	img := open(t, b)
	entries, catalog := img.Boot()
	for what, lba := range map[string]uint32{"boot image": entries[0].LBA, "boot catalog": catalog} {
		c := slices.Clone(b)
		copy(isotest.RecordOf(c, "grub.cfg")[2:], slices.Concat(both(lba), both(100)))
		for _, inPlace := range []bool{true, false} {
			_, err := iso9660.Plan(open(t, c), []iso9660.Edit{{Path: "/boot/grub/grub.cfg", Replace: true, InPlace: inPlace}})
			if want := fmt.Sprintf("/boot/grub/grub.cfg: it is the %s, which firmware finds by its place", what); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		}
	}
	// A file that claims the partition tables.
	copy(isotest.RecordOf(b, "grub.cfg")[2:], slices.Concat(both(0), both(100)))
	_, err := iso9660.Plan(open(t, b), []iso9660.Edit{{Path: "/boot/grub/grub.cfg", Replace: true, InPlace: true}})
	if want := "/boot/grub/grub.cfg: block 0 would have to change, but it belongs to the system area"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestDamagedTrailers(t *testing.T) {
	p, err := iso9660.Plan(open(t, small(isotest.Options{})), []iso9660.Edit{{Path: "/x", Content: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	sound := all(t, p)
	for _, c := range []struct {
		name   string
		damage func(b []byte)
		want   string
	}{
		{"the trailer", func(b []byte) { b[len(b)-block+33] ^= 1 }, "the image is prepared, but its trailer is damaged: start from the stock image"},
		{"what it keeps", func(b []byte) { b[bytes.LastIndex(b, []byte("CD001"))] ^= 1 }, "the blocks that lead back to the stock image are damaged: start from the stock image"},
	} {
		b := slices.Clone(sound)
		c.damage(b)
		if _, _, err := iso9660.Original(bytes.NewReader(b), int64(len(b))); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	if _, ok, err := iso9660.Original(bytes.NewReader(small(isotest.Options{})), int64(len(small(isotest.Options{})))); ok || err != nil {
		t.Errorf("a stock image: %v, %v", ok, err)
	}
}
