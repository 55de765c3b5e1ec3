package iso9660

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf16"
)

const (
	maxJolietName = 64 // characters; what every reader takes (Joliet specification, "directory record")
	maxNewName    = 128

	isoStem = 8 // ECMA-119 level 1: what every reader takes
	isoExt  = 3
)

// dialect writes new records the way that the image's own writer did: which
// Rock Ridge entries there are, in which order and length, whether names end
// in a version number.
type dialect struct {
	t       *tree
	version bool   // names of files end in ";1"
	serial  uint32 // the last file serial number in use, RRIP 1.12
}

func newDialect(t *tree) *dialect {
	d := &dialect{t: t, serial: t.lastSerial}
	for _, dir := range t.dirs {
		for _, c := range dir.children {
			if !c.isDir() {
				id := c.recs[0].identifier()
				d.version = bytes.HasSuffix(id, []byte(";1")) || bytes.HasSuffix(id, []byte("\x00;\x001"))
				return d
			}
		}
	}
	d.version = !t.vol.joliet
	return d
}

// insert puts a record for a new file where it belongs among the others.
func (d *dialect) insert(dir *node, recs []record, f placed) ([]record, error) {
	name := path.Base(f.Path)
	id, err := d.identifier(recs, name)
	if err != nil {
		return nil, err
	}
	model := d.model(dir)
	use, err := d.systemUse(model, f, name)
	if err != nil {
		return nil, err
	}
	n := drName + len(id)
	n += n % 2 // the name is padded so that what follows starts at an even byte
	n += len(use)
	n += n % 2
	if n > drMaximum {
		return nil, fmt.Errorf("its name is too long for one directory record: %d bytes instead of %d at most", n, drMaximum)
	}
	r := make(record, n)
	copy(r, model[:drName]) // date, volume sequence number
	r[drLength] = byte(n)
	r[drAttrLength], r[drFlags], r[drUnitSize], r[drGapSize] = 0, 0, 0, 0
	r[drNameLength] = byte(len(id))
	copy(r[drName:], id)
	copy(r.systemUse(), use)
	r.place(f.extent, f.length)
	if !f.ModTime.IsZero() {
		putDate7(r[drDate:], f.ModTime)
	}
	at := 2
	for at < len(recs) && d.compare(recs[at].identifier(), id) < 0 {
		at++
	}
	return slices.Insert(recs, at, r), nil
}

// model is the record that a new one takes after: a file beside it, else any
// file, else the directory itself.
func (d *dialect) model(dir *node) record {
	for _, in := range append([]*node{dir}, d.t.dirs...) {
		for _, c := range in.children {
			if c.mode.IsRegular() {
				return c.recs[0]
			}
		}
	}
	return dir.records[0]
}

// systemUse makes the Rock Ridge entries of a new file in the order of the
// model's: attributes, dates, name. It is empty in a Joliet tree.
func (d *dialect) systemUse(model record, f placed, name string) ([]byte, error) {
	if !d.t.susp {
		return nil, nil
	}
	area := model.systemUse()
	skip := min(d.t.suspSkip, len(area))
	if d.t.isRootDot(model) {
		skip = 0
	}
	own := bytes.Clone(area[skip:])
	entries, err := d.t.suspEntries(own)
	if err != nil {
		return nil, err
	}
	use := make([]byte, d.t.suspSkip)
	copy(use, area[:skip])
	named := false
	for _, e := range entries {
		switch e.sig() {
		case "RR": // RRIP 1.09: which entries there are
			use = append(use, e...)
		case "PX":
			use = append(use, d.attributes(e, f)...)
		case "TF":
			use = append(use, dates(e, f)...)
		case "NM":
			if !named {
				use = append(use, nameEntry(name)...)
			}
			named = true
		}
	}
	if !named {
		use = append(use, nameEntry(name)...)
	}
	return use, nil
}

// attributes is a PX entry as long as the model's (RRIP 4.1.1).
func (d *dialect) attributes(model suspEntry, f placed) []byte {
	e := bytes.Clone(model)
	mode := f.Mode.Perm()
	if mode == 0 {
		mode = 0o444
	}
	putBoth(e[pxMode:], modeRegular|uint32(mode))
	putBoth(e[pxLinks:], 1)
	putBoth(e[pxUID:], 0)
	putBoth(e[pxGID:], 0)
	if len(e) >= pxSize12 {
		d.serial++
		putBoth(e[pxSerial:], d.serial)
	}
	return e
}

// dates is a TF entry with the model's stamps, all of them the file's date if
// it has one (RRIP 4.1.6).
func dates(model suspEntry, f placed) []byte {
	e := bytes.Clone(model)
	if f.ModTime.IsZero() || len(e) < tfStamps {
		return e
	}
	size, put := 7, putDate7
	if e[tfFlags]&tfLongForm != 0 {
		size, put = 17, putDate17
	}
	for at := tfStamps; at+size <= len(e); at += size {
		put(e[at:at+size], f.ModTime)
	}
	return e
}

func nameEntry(name string) []byte {
	return append([]byte{'N', 'M', byte(nmName + len(name)), 1, 0}, name...)
}

// identifier is the name in the record itself.
func (d *dialect) identifier(recs []record, name string) ([]byte, error) {
	if name == "." || name == ".." || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, fmt.Errorf("%s cannot be the name of a file", shown(name))
	}
	if len(name) > maxNewName {
		return nil, fmt.Errorf("its name has %d bytes, more than %d", len(name), maxNewName)
	}
	if !d.t.vol.joliet {
		return d.isoName(recs, name)
	}
	units := utf16.Encode([]rune(name))
	if len(units) > maxJolietName {
		return nil, fmt.Errorf("its name has %d characters, more than the %d of Joliet", len(units), maxJolietName)
	}
	if strings.ContainsAny(name, `*/:;?\`) {
		return nil, fmt.Errorf("its name has a character that Joliet forbids: one of %s", `*/:;?\`)
	}
	if d.version {
		units = append(units, ';', '1')
	}
	var id []byte
	for _, u := range units {
		id = append(id, byte(u>>8), byte(u))
	}
	return id, nil
}

// isoName makes a name of capitals, digits and underscores that no other
// record of the directory has.
func (d *dialect) isoName(recs []record, name string) ([]byte, error) {
	stem, ext := name, ""
	if at := strings.LastIndexByte(name, '.'); at > 0 {
		stem, ext = name[:at], name[at+1:]
	}
	stem, ext = isoChars(stem, isoStem), isoChars(ext, isoExt)
	taken := map[string]bool{}
	for _, r := range recs {
		n, x := splitISO(r.identifier())
		taken[n+"."+x] = true
	}
	version := ""
	if d.version {
		version = ";1"
	}
	try := stem
	for i := 1; taken[try+"."+ext]; i++ {
		digits := fmt.Sprint(i)
		if len(digits) > 5 {
			return nil, fmt.Errorf("its directory has no ISO 9660 name left for it")
		}
		try = stem[:min(len(stem), isoStem-len(digits))] + digits
	}
	return []byte(try + "." + ext + version), nil
}

func isoChars(s string, most int) string {
	var b strings.Builder
	for _, r := range strings.ToUpper(s) {
		if b.Len() == most {
			break
		}
		if (r < 'A' || r > 'Z') && (r < '0' || r > '9') {
			r = '_'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// splitISO divides an identifier at its dot and forgets the version.
func splitISO(id []byte) (stem, ext string) {
	s, _, _ := strings.Cut(string(id), ";")
	stem, ext, _ = strings.Cut(s, ".")
	return stem, ext
}

// compare orders two identifiers as ECMA-119 9.3 wants it: name, then
// extension, both as if padded with spaces. Joliet orders alike, by UCS-2 units
// padded with zero.
func (d *dialect) compare(a, b []byte) int {
	if d.t.vol.joliet {
		return bytes.Compare(a, b)
	}
	as, ax := splitISO(a)
	bs, bx := splitISO(b)
	return cmp.Or(comparePadded(as, bs), comparePadded(ax, bx))
}

func comparePadded(a, b string) int {
	n := max(len(a), len(b))
	pad := func(s string) string { return s + strings.Repeat(" ", n-len(s)) }
	return cmp.Compare(pad(a), pad(b))
}
