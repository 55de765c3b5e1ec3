package iso9660

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"strings"
	"time"
	"unicode/utf16"
)

// What one image may cost, whatever it says. A stock image has about two
// thousand entries and 400 KiB of directories.
const (
	maxEntries   = 100_000
	maxDirectory = 64 << 20 // bytes of directories and continuation areas, per tree
	maxDepth     = 64
)

// tree is one directory hierarchy of an image.
type tree struct {
	img  *Image
	vol  *volume
	root *node
	dirs []*node // all directories, parents first, in the order of the records

	susp       bool // names and modes come from Rock Ridge
	suspSkip   int
	relocated  bool // uses CL, PL and RE
	lastSerial uint32

	entries int
	spent   int64
}

// node is a file or directory of a tree.
type node struct {
	parent  *node
	name    string
	recs    []record // in the parent; more than one for a multi-extent file
	mode    fs.FileMode
	mod     time.Time
	target  string
	size    int64
	extents []Extent

	// Directories only.
	extent, length uint32
	depth          int
	records        []record // all, "." and ".." first, as they lie there
	children       []*node
	byName         map[string]*node
}

// Extent is a run of bytes of the image.
type Extent struct{ Off, Len int64 }

func (n *node) isDir() bool { return n.mode.IsDir() }

// path is built on demand: kept for every entry it would cost memory that an
// image could drive up.
func (n *node) path() string { return n.pathBy(func(n *node) string { return n.name }) }

// isoPath is the path without Rock Ridge.
func (n *node) isoPath() string {
	return n.pathBy(func(n *node) string { return strings.TrimSuffix(withoutVersion(string(n.recs[0].identifier())), ".") })
}

func (n *node) pathBy(name func(*node) string) string {
	if n.parent == nil {
		return "/"
	}
	var parts []string
	for ; n.parent != nil; n = n.parent {
		parts = append(parts, name(n))
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteByte('/')
		b.WriteString(parts[i])
	}
	return b.String()
}

// spend counts what was read against what one tree may cost.
func (t *tree) spend(n int64) error {
	if t.spent += n; t.spent > maxDirectory {
		return fmt.Errorf("the %s tree has more than %d MiB of directories", t.vol.kind(), maxDirectory>>20)
	}
	return nil
}

// readTree reads all directories that the descriptor's root leads to.
func readTree(img *Image, v *volume) (*tree, error) {
	t := &tree{img: img, vol: v}
	if v.root[drLength] < drMinimum || !v.root.isDir() {
		return nil, fmt.Errorf("the %s volume descriptor has no root directory", v.kind())
	}
	if n := both(v.raw[vdPathTableSize:]); n > maxPathTable {
		return nil, fmt.Errorf("the %s volume descriptor promises a path table of %d bytes, more than the %d that are believed", v.kind(), n, maxPathTable)
	}
	t.root = &node{mode: fs.ModeDir | 0o555, extent: v.root.extent(), length: v.root.size()}
	seen := map[uint32]*node{t.root.extent: t.root}
	t.dirs = []*node{t.root}
	for i := 0; i < len(t.dirs); i++ {
		d := t.dirs[i]
		if err := t.readDirectory(d); err != nil {
			return nil, fmt.Errorf("%s: %w", t.where(d), err)
		}
		for _, c := range d.children {
			if !c.isDir() {
				continue
			}
			if first := seen[c.extent]; first != nil {
				return nil, fmt.Errorf("%s: it lies where %s lies, so the directories loop", t.where(c), shown(first.path()))
			}
			if c.depth = d.depth + 1; c.depth > maxDepth {
				return nil, fmt.Errorf("%s: it is more than %d levels deep", t.where(c), maxDepth)
			}
			seen[c.extent] = c
			t.dirs = append(t.dirs, c)
		}
	}
	return t, nil
}

// where names a node in an error.
func (t *tree) where(n *node) string {
	what := "file"
	if n.isDir() {
		what = "directory"
	}
	if t.vol.joliet {
		what = "joliet " + what
	}
	return what + " " + shown(n.path())
}

// readDirectory reads the records of d and makes nodes of them.
func (t *tree) readDirectory(d *node) error {
	if err := t.readRecords(d); err != nil {
		return err
	}
	if d == t.root && !t.vol.joliet {
		t.suspSkip, t.susp = rockRidgeSkip(d.records[0])
	}
	d.byName = map[string]*node{}
	var open *node // a multi-extent file of which more records follow
	for _, r := range d.records[2:] {
		if r.flags()&flagAssociated != 0 {
			continue // ECMA-119 9.1.6: not a file of its own
		}
		if open != nil {
			var err error
			if open, err = t.goOn(open, r); err != nil {
				return err
			}
			continue
		}
		n, err := t.node(d, r)
		if err != nil {
			return fmt.Errorf("entry %s: %w", shown(string(r.identifier())), err)
		}
		if n == nil {
			continue
		}
		if d.byName[n.name] != nil {
			return fmt.Errorf("two entries are named %s", shown(n.name))
		}
		d.byName[n.name] = n
		d.children = append(d.children, n)
		if r.flags()&flagMultiExtent != 0 && !n.isDir() {
			open = n
		}
	}
	if open != nil {
		return unended(open)
	}
	return nil
}

func unended(n *node) error {
	return fmt.Errorf("the multi-extent file %s ends without its last record", shown(n.name))
}

// goOn adds a record to a multi-extent file, which is nil behind its last one.
func (t *tree) goOn(open *node, r record) (*node, error) {
	if !bytes.Equal(r.identifier(), open.recs[0].identifier()) || r.isDir() {
		return nil, unended(open)
	}
	if err := t.addExtent(open, r); err != nil || r.flags()&flagMultiExtent == 0 {
		return nil, err
	}
	return open, nil
}

// readRecords splits the extent of a directory into its records.
func (t *tree) readRecords(d *node) error {
	if d.length == 0 {
		return fmt.Errorf("its length is zero")
	}
	if end := int64(d.extent)*BlockSize + int64(d.length); end > int64(t.vol.blocks)*BlockSize {
		return fmt.Errorf("it ends at byte %d, behind the end of the image at %d", end, int64(t.vol.blocks)*BlockSize)
	}
	if err := t.spend(int64(d.length)); err != nil {
		return err
	}
	buf := make([]byte, d.length)
	if err := t.img.readAt(buf, int64(d.extent)*BlockSize); err != nil {
		return err
	}
	for at := 0; at < len(buf); {
		n := int(buf[at])
		room := min(BlockSize-at%BlockSize, len(buf)-at)
		if n == 0 {
			at += room
			continue
		}
		if n < drMinimum || n > room {
			return fmt.Errorf("the record at byte %d says that it has %d bytes where between %d and %d fit", at, n, drMinimum, room)
		}
		r := record(buf[at : at+n : at+n])
		if drName+int(r[drNameLength]) > n || r[drNameLength] == 0 {
			return fmt.Errorf("the record at byte %d has a name of %d bytes in %d", at, r[drNameLength], n)
		}
		if t.entries++; t.entries > maxEntries {
			return fmt.Errorf("the image has more than %d entries", maxEntries)
		}
		d.records = append(d.records, r)
		at += n
	}
	// ECMA-119 6.8.2.2: the first two are the directory itself and its parent.
	for i, id := range []byte{0, 1} {
		if len(d.records) <= i || !bytes.Equal(d.records[i].identifier(), []byte{id}) {
			return fmt.Errorf("its records do not begin with %q and %q", ".", "..")
		}
	}
	return nil
}

// node makes a file or directory of a record; nil if it is shown elsewhere.
func (t *tree) node(d *node, r record) (*node, error) {
	n := &node{parent: d, mod: date7(r[drDate:])}
	if r[drAttrLength] != 0 || r[drUnitSize] != 0 || r[drGapSize] != 0 {
		return nil, fmt.Errorf("it has extended attributes or is interleaved, which is not supported")
	}
	dir, extent := r.isDir(), r.extent()
	p, err := t.posixOf(r)
	switch {
	case err != nil || p.relocated:
		return nil, err
	case p.hasChild:
		dir, extent = true, p.child
	}
	if !p.modified.IsZero() {
		n.mod = p.modified
	}
	n.name = cmp.Or(p.name, t.plainName(r.identifier()))
	if n.name == "" || n.name == "." || n.name == ".." || strings.ContainsAny(n.name, "/\x00") {
		return nil, fmt.Errorf("its name %s cannot be the name of a file", shown(n.name))
	}
	n.mode, n.target = fileMode(p, dir), p.target
	if !dir {
		return n, t.addExtent(n, r)
	}
	n.extent, n.length = extent, r.size()
	n.recs = []record{r}
	if p.hasChild {
		return n, t.relocatedLength(n)
	}
	return n, nil
}

// posixOf is what SUSP says of a record, zero where the tree has none.
func (t *tree) posixOf(r record) (posix, error) {
	if !t.susp {
		return posix{}, nil
	}
	area := r.systemUse()
	entries, err := t.suspEntries(area[min(t.suspSkip, len(area)):])
	if err != nil {
		return posix{}, err
	}
	p, err := parsePosix(entries)
	if err != nil {
		return posix{}, err
	}
	t.relocated = t.relocated || p.hasChild || p.relocated
	t.lastSerial = max(t.lastSerial, p.serial)
	return p, nil
}

// relocatedLength takes the length of a relocated directory from its own ".":
// the record in its former place describes an empty file.
func (t *tree) relocatedLength(n *node) error {
	if err := t.spend(drMinimum); err != nil {
		return err
	}
	dot := make([]byte, drMinimum)
	if n.extent >= t.vol.blocks {
		return fmt.Errorf("it was relocated to block %d, behind the end of the image", n.extent)
	}
	if err := t.img.readAt(dot, int64(n.extent)*BlockSize); err != nil {
		return err
	}
	n.length = record(dot).size()
	return nil
}

// addExtent notes where another part of a file's content lies.
func (t *tree) addExtent(n *node, r record) error {
	n.recs = append(n.recs, r)
	if n.mode&fs.ModeSymlink != 0 || r.size() == 0 {
		return nil
	}
	e := Extent{Off: int64(r.extent()) * BlockSize, Len: int64(r.size())}
	if end, volume := e.Off+e.Len, int64(t.vol.blocks)*BlockSize; end > volume {
		return fmt.Errorf("its content ends at byte %d, behind the end of the image at %d", end, volume)
	}
	n.extents = append(n.extents, e)
	n.size += e.Len
	return nil
}

// plainName is the name without Rock Ridge: version and empty extension go.
func (t *tree) plainName(id []byte) string {
	name := string(id)
	if t.vol.joliet {
		units := make([]uint16, len(id)/2)
		for i := range units {
			units[i] = uint16(id[2*i])<<8 | uint16(id[2*i+1])
		}
		name = string(utf16.Decode(units))
	}
	name = withoutVersion(name)
	if !t.vol.joliet {
		name = strings.TrimSuffix(name, ".")
	}
	return name
}

func withoutVersion(name string) string {
	if at := strings.LastIndexByte(name, ';'); at >= 0 {
		return name[:at]
	}
	return name
}

// lookup finds a node by its absolute path. Links are not followed.
func (t *tree) lookup(path string) *node {
	n := t.root
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if part == "" {
			continue
		}
		if n = n.byName[part]; n == nil {
			return nil
		}
	}
	return n
}
