package iso9660

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"time"
)

// padBlocks follow the files, as every writer of ISO images leaves them: a
// reader that reads ahead on a real disc then meets no end of the track.
const padBlocks = 150

// Contents of at least sharedSize bytes begin at a multiple of sharedBlocks: file
// systems share whole blocks of 4096 bytes, so images that hold the same
// content at different places can hold it once.
const (
	sharedSize   = 1 << 20
	sharedBlocks = 4096 / BlockSize
)

// Edit adds or replaces one file.
type Edit struct {
	Path    string // absolute; the directory must exist
	Content []byte
	// Replace says that the file is there already. Without it the file must
	// not be there.
	Replace bool
	// InPlace writes the content over the old one, followed by a comment of '#'
	// up to the old length. It needs Replace and a content that is not longer
	// than the old one.
	//
	// Use it for a text file in which '#' begins a comment, such as grub.cfg:
	// the HFS+ tree of a hybrid image shares the blocks of the files, so all
	// trees go on agreeing, and some firmware reads that tree. A new extent
	// (InPlace false) is right for everything else: it keeps the old bytes where
	// they are, may have any length, and leaves the old file visible in HFS+.
	InPlace bool
	// Mode is the new file's permission, 0444 if zero. ModTime is its date; if
	// zero it is taken over from a file beside it.
	Mode    fs.FileMode
	ModTime time.Time
}

// Plan works out the image that img becomes with these edits. Nothing is
// written. All edits that cannot be made are reported at once. The same image
// and edits give the same bytes.
func Plan(img *Image, edits []Edit) (*Patched, error) {
	if img.Prepared() {
		return nil, ErrPrepared
	}
	p, err := plan(img, edits)
	if err != nil {
		return nil, kind{err, ErrUneditable}
	}
	return p, nil
}

func plan(img *Image, edits []Edit) (*Patched, error) {
	if img.foreign != "" {
		return nil, fmt.Errorf("the image cannot be edited: %s", img.foreign)
	}
	if !img.HasRockRidge() {
		return nil, errors.New("the image cannot be edited: it has no Rock Ridge names, so it is no installation image of Proxmox")
	}
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b Edit) int { return cmp.Compare(a.Path, b.Path) })
	if err := checkEdits(img, edits); err != nil {
		return nil, err
	}
	p := newPlanner(img)
	files, err := p.placeContents(edits)
	if err != nil {
		return nil, err
	}
	for _, t := range []*tree{img.primary, img.joliet} {
		if t == nil {
			continue
		}
		if err := p.editTree(t, files); err != nil {
			return nil, err
		}
	}
	out, err := p.finish()
	if err != nil {
		return nil, err
	}
	return out, prove(img, out, edits)
}

func checkEdits(img *Image, edits []Edit) error {
	var errs []error
	bad := func(e Edit, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{shown(e.Path)}, args...)...))
	}
	for i, e := range edits {
		if e.Path == "/" || path.Clean(e.Path) != e.Path || !path.IsAbs(e.Path) {
			bad(e, "not an absolute path of a file")
			continue
		}
		if i > 0 && edits[i-1].Path == e.Path {
			bad(e, "is edited twice")
			continue
		}
		if len(e.Content) > math.MaxUint32-BlockSize {
			bad(e, "%d bytes are more than one extent of 4 GiB holds", len(e.Content))
		}
		for _, t := range []*tree{img.primary, img.joliet} {
			if t == nil {
				continue
			}
			if err := t.checkEdit(e); err != nil {
				bad(e, "%w", err)
				break
			}
		}
	}
	return errors.Join(errs...)
}

// checkEdit says why an edit cannot be made in this tree.
func (t *tree) checkEdit(e Edit) error {
	in := "the image"
	if t.vol.joliet {
		in = "the image's Joliet tree"
	}
	dir, old := t.lookup(path.Dir(e.Path)), t.lookup(e.Path)
	switch {
	case dir == nil || !dir.isDir():
		return fmt.Errorf("%s has no directory %s", in, shown(path.Dir(e.Path)))
	case !e.Replace && old != nil:
		return fmt.Errorf("it is in %s already", in)
	case !e.Replace && e.InPlace:
		return errors.New("only a file that is replaced can be written in place")
	case !e.Replace:
		return nil
	case old == nil:
		return fmt.Errorf("it is not in %s, so it cannot be replaced", in)
	case !old.mode.IsRegular():
		return errors.New("it is not a regular file")
	case e.InPlace && int64(len(e.Content)) > old.size:
		return fmt.Errorf("%d bytes do not fit over the %d that are there", len(e.Content), old.size)
	}
	for _, x := range old.extents {
		if what := t.img.bootUses(x); what != "" {
			return fmt.Errorf("it is the %s, which firmware finds by its place", what)
		}
	}
	return nil
}

// bootUses tells what the firmware needs of an extent.
func (img *Image) bootUses(x Extent) string {
	holds := func(lba uint32) bool {
		at := int64(lba) * BlockSize
		return x.Off <= at && at < x.Off+x.Len
	}
	if img.catalog != 0 && holds(img.catalog) {
		return "boot catalog"
	}
	for _, b := range img.boot {
		if holds(b.LBA) {
			return "boot image"
		}
	}
	return ""
}

// protects tells to which thing that firmware needs a block belongs: such a
// block never changes, whatever an image makes of its directories.
func (img *Image) protects(lba uint32) string {
	if lba < systemAreaBlocks {
		return "system area"
	}
	if img.catalog != 0 && lba == img.catalog {
		return "boot catalog"
	}
	for _, b := range img.boot {
		if n := max(blocks(int64(b.Sectors)*512), 1); lba >= b.LBA && int64(lba) < int64(b.LBA)+n {
			return "boot image"
		}
	}
	return ""
}

// planner gathers the blocks of the base that change, and what is appended.
type planner struct {
	img     *Image
	size    int64             // of the base: what Original gives back
	changed map[uint32][]byte // blocks of the base
	next    uint32            // the first block that is free
	added   []Segment
}

func newPlanner(img *Image) *planner {
	// What is behind the volume's end (the rest of a stick) is not ours, but
	// bytes of a file are: reset must give them back.
	return &planner{img: img, size: img.size, changed: map[uint32][]byte{}, next: uint32(blocks(img.size))}
}

// block gives a block of the base to change.
func (p *planner) block(lba uint32) ([]byte, error) {
	if b := p.changed[lba]; b != nil {
		return b, nil
	}
	if what := p.img.protects(lba); what != "" {
		return nil, fmt.Errorf("block %d would have to change, but it belongs to the %s", lba, what)
	}
	b := make([]byte, BlockSize)
	n := min(BlockSize, p.size-int64(lba)*BlockSize)
	if n <= 0 {
		return nil, fmt.Errorf("block %d lies behind the end of the image", lba)
	}
	if err := p.img.readAt(b[:n], int64(lba)*BlockSize); err != nil {
		return nil, fmt.Errorf("block %d: %w", lba, err)
	}
	p.changed[lba] = b
	return b, nil
}

// overwrite changes bytes of the base.
func (p *planner) overwrite(off int64, b []byte) error {
	for len(b) > 0 {
		block, err := p.block(uint32(off / BlockSize))
		if err != nil {
			return err
		}
		n := copy(block[off%BlockSize:], b)
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// add appends bytes at a block of their own and returns its number.
func (p *planner) add(b []byte) (uint32, error) {
	at, n := p.next, blocks(int64(len(b)))
	if int64(at)+n+padBlocks+maxSaved > math.MaxUint32 {
		return 0, errors.New("the image would have more blocks than ISO 9660 can count")
	}
	p.next += uint32(n)
	p.added = append(p.added, Segment{Off: int64(at) * BlockSize, Data: b})
	return at, nil
}

// placed is an edit whose content has found its place.
type placed struct {
	Edit
	extent, length uint32
}

// placeContents appends the contents, or writes them over the old ones.
func (p *planner) placeContents(edits []Edit) ([]placed, error) {
	var out []placed
	for _, e := range edits {
		if e.InPlace {
			if err := p.overwriteFile(e); err != nil {
				return nil, err
			}
			continue
		}
		if len(e.Content) >= sharedSize {
			p.next = (p.next + sharedBlocks - 1) / sharedBlocks * sharedBlocks
		}
		at, err := p.add(e.Content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", shown(e.Path), err)
		}
		out = append(out, placed{e, at, uint32(len(e.Content))})
	}
	return out, nil
}

func (p *planner) overwriteFile(e Edit) error {
	old := p.img.primary.lookup(e.Path)
	content := slices.Clone(e.Content)
	if fill := int(old.size) - len(content); fill > 0 {
		tail := make([]byte, fill)
		for i := range tail {
			tail[i] = '#'
		}
		tail[fill-1] = '\n'
		tail[0] = '\n'
		content = append(content, tail...)
	}
	for _, x := range old.extents {
		if x.Off+x.Len > p.size {
			return fmt.Errorf("%s: its content lies behind the end of the image", shown(e.Path))
		}
		if err := p.overwrite(x.Off, content[:x.Len]); err != nil {
			return fmt.Errorf("%s: %w", shown(e.Path), err)
		}
		content = content[x.Len:]
	}
	return nil
}

// finish writes the new sizes into the descriptors and closes the image with
// the way back.
func (p *planner) finish() (*Patched, error) {
	vols := []*volume{p.img.primary.vol}
	if p.img.joliet != nil {
		vols = append(vols, p.img.joliet.vol)
	}
	for _, v := range vols {
		if _, err := p.block(v.lba); err != nil { // so that it is counted below
			return nil, err
		}
	}
	lbas := slices.Sorted(maps.Keys(p.changed))
	if len(lbas) > maxSaved {
		return nil, fmt.Errorf("%d blocks would change, more than the %d that can be kept", len(lbas), maxSaved)
	}
	head := int(indexBlocks(len(lbas))) * BlockSize
	saved := make([]byte, head+len(lbas)*BlockSize)
	for i, lba := range lbas {
		binary.LittleEndian.PutUint32(saved[4*i:], lba)
		n := min(BlockSize, p.size-int64(lba)*BlockSize)
		if err := p.img.readAt(saved[head+i*BlockSize:][:n], int64(lba)*BlockSize); err != nil {
			return nil, fmt.Errorf("block %d: %w", lba, err)
		}
	}
	index, err := p.add(saved)
	if err != nil {
		return nil, err
	}
	end := trailer{size: p.size, index: index, count: uint32(len(lbas)), saved: sha256.Sum256(saved)}
	p.next += padBlocks
	if _, err := p.add(end.encode()); err != nil {
		return nil, err
	}
	for _, v := range vols {
		putBoth(p.changed[v.lba][vdSpaceSize:], p.next)
	}
	segs := p.added
	for lba, b := range p.changed {
		segs = append(segs, Segment{Off: int64(lba) * BlockSize, Data: b})
	}
	return newPatched(p.img.r, p.size, segs, int64(p.next)*BlockSize), nil
}
