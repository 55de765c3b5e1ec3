// Package isotest makes small ISO 9660 images in memory, for tests that want
// one without other people's programs: Rock Ridge, Joliet, El Torito, a system
// area that is not empty. It makes nothing that anyone would boot, and no test
// that asks whether other readers agree may rest on it.
package isotest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

const block = 2048

// File is one file of an image. Directories exist because a path needs them,
// or because a path ends in "/".
type File struct {
	Path    string // absolute
	Content []byte
	Link    string // makes it a symbolic link
}

// Options say what kind of image it is.
type Options struct {
	Joliet bool
	RRIP12 bool // PX entries with a file serial number
	Plain  bool // no Rock Ridge
}

// Stock are files with the anatomy of a stock image.
func Stock() []File {
	marks := []byte("PRODUCT='pve'\nPRODUCTLONG='Proxmox Virtual Environment'\nRELEASE='9.2'\nISORELEASE='1'\nISONAME='proxmox-ve'\n")
	return []File{
		{Path: "/.cd-info", Content: marks},
		{Path: "/.disk/info", Content: marks},
		{Path: "/.installer/"},
		{Path: "/.pve-cd-id.txt", Content: []byte("a8e1a1d0-5f3c-4e57-8d7a-6a1e2b3c4d5e\n")},
		{Path: "/auto-installer-capable"},
		{Path: "/boot/grub/grub.cfg", Content: []byte(strings.Repeat("menuentry 'Install Proxmox VE' { true }\n", 60))},
		{Path: "/debian", Link: "."},
		{Path: "/proxmox/packages/base-files_13_amd64.deb", Content: []byte("a package")},
		{Path: "/proxmox/packages/proxmox-first-boot_9.2.7_amd64.deb", Content: []byte("another package")},
	}
}

type node struct {
	name     string
	file     *File
	children []*node
	parent   *node
	number   uint16 // in the path table
	extent   [2]uint32
	length   [2]uint32
	content  uint32
}

func (n *node) dir() bool { return n.file == nil }

type writer struct {
	o    Options
	b    []byte
	dirs []*node
	more uint32 // block of the ER entry
}

// Build makes an image of the files.
func Build(files []File, o Options) []byte {
	w := &writer{o: o, b: make([]byte, 19*block)}
	for i := range w.b[:16*block] {
		w.b[i] = byte(i * 7) // a system area of which every byte can be missed
	}
	root := &node{}
	for i := range files {
		root.put(&files[i])
	}
	w.collect(root)
	trees := 1
	if o.Joliet {
		trees = 2
		w.b = append(w.b, make([]byte, block)...)
	}
	catalog := w.add(catalogBlock())
	copy(w.b[int(catalog)*block+32:], bootEntry(w.add([]byte("boot image"))))
	tables := [2][2]uint32{}
	size := [2]int{}
	for t := range trees {
		size[t] = len(w.pathTable(t, binary.LittleEndian))
		for e := range 2 {
			tables[t][e] = w.add(make([]byte, size[t]))
		}
		for _, d := range w.dirs {
			d.length[t] = uint32(len(w.directory(d, t)))
			d.extent[t] = w.add(make([]byte, d.length[t]))
		}
	}
	w.more = w.add(w.erEntry()) // behind the directories: libarchive reads forward only
	w.contents(root)
	for t := range trees {
		for _, d := range w.dirs {
			copy(w.b[int(d.extent[t])*block:], w.directory(d, t))
		}
		copy(w.b[int(tables[t][0])*block:], w.pathTable(t, binary.LittleEndian))
		copy(w.b[int(tables[t][1])*block:], w.pathTable(t, binary.BigEndian))
		copy(w.b[(16+2*t)*block:], w.descriptor(root, t, tables[t], size[t]))
	}
	boot := w.b[17*block:]
	copy(boot, "\x00CD001\x01EL TORITO SPECIFICATION")
	binary.LittleEndian.PutUint32(boot[71:], catalog)
	copy(w.b[(17+trees)*block:], "\xffCD001\x01")
	return w.b
}

func (n *node) put(f *File) {
	at := n
	parts := strings.Split(strings.Trim(f.Path, "/"), "/")
	for i, part := range parts {
		j := slices.IndexFunc(at.children, func(c *node) bool { return c.name == part })
		if j < 0 {
			c := &node{name: part, parent: at}
			if i == len(parts)-1 && !strings.HasSuffix(f.Path, "/") {
				c.file = f
			}
			at.children = append(at.children, c)
			j = len(at.children) - 1
		}
		at = at.children[j]
	}
}

// collect numbers the directories level by level, as path tables want them.
func (w *writer) collect(root *node) {
	root.parent = root
	w.dirs = []*node{root}
	for i := 0; i < len(w.dirs); i++ {
		w.dirs[i].number = uint16(i + 1)
		for _, c := range w.dirs[i].children {
			if c.dir() {
				w.dirs = append(w.dirs, c)
			}
		}
	}
}

func (w *writer) contents(n *node) {
	for _, c := range n.children {
		if c.dir() {
			w.contents(c)
		} else {
			c.content = w.add(c.file.Content)
		}
	}
}

// add appends bytes at a block of their own.
func (w *writer) add(b []byte) uint32 {
	at := uint32(len(w.b) / block)
	w.b = append(w.b, b...)
	if rest := len(w.b) % block; rest > 0 {
		w.b = append(w.b, make([]byte, block-rest)...)
	}
	return at
}

func both(v uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, v), v)
}

func both16(v uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, v), v)
}

// identifier is a node's name in one of the trees.
func (n *node) identifier(tree int) []byte {
	if tree == 1 {
		var id []byte
		for _, u := range utf16.Encode([]rune(n.name)) {
			id = append(id, byte(u>>8), byte(u))
		}
		return id
	}
	at := slices.Index(n.parent.children, n)
	if n.dir() {
		return fmt.Appendf(nil, "D%06d", at)
	}
	return fmt.Appendf(nil, "F%06d.;1", at)
}

func (w *writer) directory(d *node, tree int) []byte {
	recs := [][]byte{
		w.record(d, []byte{0}, tree, d == d.parent),
		w.record(d.parent, []byte{1}, tree, false),
	}
	children := slices.Clone(d.children)
	slices.SortFunc(children, func(a, b *node) int {
		return strings.Compare(string(a.identifier(tree)), string(b.identifier(tree)))
	})
	for _, c := range children {
		recs = append(recs, w.record(c, c.identifier(tree), tree, false))
	}
	var out []byte
	for _, r := range recs {
		if room := block - len(out)%block; room < len(r) {
			out = append(out, make([]byte, room)...)
		}
		out = append(out, r...)
	}
	if rest := len(out) % block; rest > 0 {
		out = append(out, make([]byte, block-rest)...)
	}
	return out
}

func (w *writer) record(n *node, id []byte, tree int, first bool) []byte {
	extent, size, flags := n.extent[tree], n.length[tree], byte(2)
	if !n.dir() {
		extent, size, flags = n.content, uint32(len(n.file.Content)), 0
	}
	r := []byte{0, 0}
	r = append(r, both(extent)...)
	r = append(r, both(size)...)
	r = append(r, 125, 8, 5, 10, 48, 40, 0, flags, 0, 0)
	r = append(r, both16(1)...)
	r = append(r, byte(len(id)))
	r = append(r, id...)
	if len(id)%2 == 0 {
		r = append(r, 0)
	}
	if tree == 0 && !w.o.Plain {
		r = append(r, w.rockRidge(n, id, first)...)
	}
	if len(r)%2 == 1 {
		r = append(r, 0)
	}
	r[0] = byte(len(r))
	return r
}

func (w *writer) rockRidge(n *node, id []byte, first bool) []byte {
	var b []byte
	if first {
		b = append(b, "SP\x07\x01\xbe\xef\x00"...)
	}
	mode := uint32(0o040555)
	if !n.dir() {
		mode = 0o100444
		if n.file.Link != "" {
			mode = 0o120777
		}
	}
	px := slices.Concat(both(mode), both(1), both(0), both(0))
	if w.o.RRIP12 {
		px = append(px, both(uint32(len(n.name)))...)
	}
	b = append(b, 'P', 'X', byte(4+len(px)), 1)
	b = append(b, px...)
	b = append(b, "TF\x0c\x01\x02\x7d\x08\x05\x0a\x30\x28\x00"...)
	if len(id) > 1 {
		b = append(b, 'N', 'M', byte(5+len(n.name)), 1, 0)
		b = append(b, n.name...)
	}
	if !n.dir() && n.file.Link == "." {
		b = append(b, "SL\x07\x01\x00\x02\x00"...)
	}
	if first {
		b = append(b, 'C', 'E', 28, 1)
		b = append(b, slices.Concat(both(w.more), both(0), both(uint32(len(w.erEntry()))))...)
	}
	return b
}

// erEntry names the kind of Rock Ridge as xorriso does.
func (w *writer) erEntry() []byte {
	id := "RRIP_1991A"
	if w.o.RRIP12 {
		id = "IEEE_1282"
	}
	return append([]byte{'E', 'R', byte(8 + len(id)), 1, byte(len(id)), 0, 0, 1}, id...)
}

func (w *writer) pathTable(tree int, order binary.AppendByteOrder) []byte {
	var b []byte
	for _, d := range w.dirs {
		id := []byte{0}
		if d != d.parent {
			id = d.identifier(tree)
		}
		b = append(b, byte(len(id)), 0)
		b = order.AppendUint32(b, d.extent[tree])
		b = order.AppendUint16(b, d.parent.number)
		b = append(b, id...)
		if len(id)%2 == 1 {
			b = append(b, 0)
		}
	}
	return b
}

func (w *writer) descriptor(root *node, tree int, tables [2]uint32, size int) []byte {
	d := make([]byte, block)
	d[0] = byte(1 + tree)
	copy(d[1:], "CD001\x01")
	copy(d[40:], "PVE"+strings.Repeat(" ", 29))
	if tree == 1 {
		copy(d[88:], "%/E")
	}
	copy(d[80:], both(uint32(len(w.b)/block)))
	copy(d[120:], both16(1))
	copy(d[124:], both16(1))
	copy(d[128:], both16(block))
	copy(d[132:], both(uint32(size)))
	binary.LittleEndian.PutUint32(d[140:], tables[0])
	binary.BigEndian.PutUint32(d[148:], tables[1])
	copy(d[156:], w.record(root, []byte{0}, 1, false))
	copy(d[156+2:], both(root.extent[tree]))
	copy(d[156+10:], both(root.length[tree]))
	for _, at := range []int{813, 830} {
		copy(d[at:], "2025080510484000")
	}
	for _, at := range []int{847, 864} { // expiration, effective: not set
		copy(d[at:], "0000000000000000")
	}
	d[881] = 1
	return d
}

func catalogBlock() []byte {
	b := make([]byte, block)
	b[0], b[30], b[31] = 1, 0x55, 0xaa
	return b
}

func bootEntry(lba uint32) []byte {
	e := []byte{0x88, 0, 0, 0, 0, 0, 4, 0}
	return binary.LittleEndian.AppendUint32(e, lba)
}
