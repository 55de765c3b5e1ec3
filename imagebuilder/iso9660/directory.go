package iso9660

import (
	"bytes"
	"fmt"
	"path"
	"slices"
)

// editTree makes one tree show the placed files. Directories whose records
// still fit are rewritten where they are; if one does not fit, all directories
// of the tree move behind the end, parents first, because readers that only
// read forward (libarchive) lose their way when a single one moves.
func (p *planner) editTree(t *tree, files []placed) error {
	edited := map[*node][]record{}
	dialect := newDialect(t)
	for _, f := range files {
		dir := t.lookup(path.Dir(f.Path))
		recs, ok := edited[dir]
		if !ok {
			recs = cloneRecords(dir.records)
		}
		var err error
		if f.Replace {
			recs, err = t.repoint(recs, t.lookup(f.Path), f)
		} else {
			recs, err = dialect.insert(dir, recs, f)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", shown(f.Path), err)
		}
		edited[dir] = recs
	}
	fits := true
	for dir, recs := range edited {
		fits = fits && dir.length%BlockSize == 0 && packedBlocks(recs) <= int64(dir.length)/BlockSize
	}
	if !fits {
		return p.moveTree(t, edited)
	}
	for dir, recs := range edited {
		if err := p.rewrite(dir, recs); err != nil {
			return fmt.Errorf("%s: %w", t.where(dir), err)
		}
	}
	return nil
}

func cloneRecords(recs []record) []record {
	out := make([]record, len(recs))
	for i, r := range recs {
		out[i] = bytes.Clone(r)
	}
	return out
}

// repoint makes the record of a file lead to its new content. What a
// multi-extent file had beyond its first record goes.
func (t *tree) repoint(recs []record, old *node, f placed) ([]record, error) {
	var out []record
	found := false
	for _, r := range recs {
		if !bytes.Equal(r.identifier(), old.recs[0].identifier()) || r.flags()&flagAssociated != 0 {
			out = append(out, r)
			continue
		}
		if found {
			continue
		}
		found = true
		r.place(f.extent, f.length)
		r[drFlags] &^= flagMultiExtent
		if !f.ModTime.IsZero() {
			putDate7(r[drDate:], f.ModTime)
		}
		out = append(out, r)
	}
	if !found {
		return nil, fmt.Errorf("its record is gone")
	}
	return out, nil
}

// pack lays records into blocks so that none crosses a boundary.
func pack(recs []record) []byte {
	out := make([]byte, 0, BlockSize)
	for _, r := range recs {
		if room := BlockSize - len(out)%BlockSize; room < len(r) {
			out = append(out, make([]byte, room)...)
		}
		out = append(out, r...)
	}
	if rest := len(out) % BlockSize; rest > 0 {
		out = append(out, make([]byte, BlockSize-rest)...)
	}
	return out
}

func packedBlocks(recs []record) int64 {
	var at int64
	for _, r := range recs {
		if room := BlockSize - at%BlockSize; room < int64(len(r)) {
			at += room
		}
		at += int64(len(r))
	}
	return blocks(at)
}

// rewrite puts a directory's records where the old ones are.
func (p *planner) rewrite(dir *node, recs []record) error {
	packed := pack(recs)
	packed = append(packed, make([]byte, int(dir.length)/BlockSize*BlockSize-len(packed))...)
	old := make([]byte, len(packed))
	if err := p.img.readAt(old, int64(dir.extent)*BlockSize); err != nil {
		return err
	}
	for at := 0; at < len(packed); at += BlockSize {
		if bytes.Equal(packed[at:at+BlockSize], old[at:at+BlockSize]) {
			continue
		}
		if err := p.overwrite(int64(dir.extent)*BlockSize+int64(at), packed[at:at+BlockSize]); err != nil {
			return err
		}
	}
	return nil
}

// move is where a directory goes.
type move struct {
	extent, length uint32
	recs           []record
	more           []byte // its continuation areas, behind the records
}

// moveTree appends all directories of a tree and makes everything that knew
// their old places know the new ones: ".", "..", the records in the parents,
// the path tables and the root record of the volume descriptor.
func (p *planner) moveTree(t *tree, edited map[*node][]record) error {
	if t.relocated {
		return fmt.Errorf("the image cannot be edited: its directories have no room left and it holds relocated ones (rr_moved)")
	}
	moves := map[*node]*move{}
	at := p.next
	for _, d := range t.dirs {
		m := &move{recs: edited[d], extent: at}
		if m.recs == nil {
			m.recs = cloneRecords(d.records)
		}
		m.length = uint32(packedBlocks(m.recs) * BlockSize)
		at += m.length / BlockSize
		if err := m.takeContinuations(t, at); err != nil {
			return fmt.Errorf("%s: %w", t.where(d), err)
		}
		at += uint32(blocks(int64(len(m.more))))
		moves[d] = m
	}
	for _, d := range t.dirs {
		m := moves[d]
		up := m
		if d.parent != nil {
			up = moves[d.parent]
		}
		m.recs[0].place(m.extent, m.length)
		m.recs[1].place(up.extent, up.length)
		for _, c := range d.children {
			if !c.isDir() {
				continue
			}
			i := slices.IndexFunc(m.recs, func(r record) bool { return bytes.Equal(r.identifier(), c.recs[0].identifier()) })
			if i < 0 {
				return fmt.Errorf("%s: its record is gone", t.where(c))
			}
			m.recs[i].place(moves[c].extent, moves[c].length)
		}
		for _, b := range [][]byte{pack(m.recs), m.more} {
			if _, err := p.add(b); err != nil {
				return err
			}
		}
	}
	if err := p.repointPathTables(t, moves); err != nil {
		return err
	}
	root := moves[t.root]
	block, err := p.block(t.vol.lba)
	if err != nil {
		return err
	}
	record(block[vdRoot:vdRootEnd]).place(root.extent, root.length)
	return nil
}

// takeContinuations copies the continuation areas of all records and makes the
// CE entries lead to the copies, which will lie from block at on.
func (m *move) takeContinuations(t *tree, at uint32) error {
	if !t.susp {
		return nil
	}
	for _, r := range m.recs {
		area := r.systemUse()
		if !t.isRootDot(r) {
			area = area[min(t.suspSkip, len(area)):]
		}
		for off, hop := -1, 0; ; hop++ {
			entries, err := suspArea(area)
			if err != nil {
				return err
			}
			ce := lastCE(entries)
			if ce == nil {
				break
			}
			if hop == maxHops {
				return fmt.Errorf("its Rock Ridge continuation areas loop, or are more than %d", maxHops)
			}
			next, err := t.readContinuation(ce.continuation())
			if err != nil {
				return err
			}
			// SUSP 5.1: a continuation area does not cross a block.
			if room := BlockSize - len(m.more)%BlockSize; room < len(next) {
				m.more = append(m.more, make([]byte, room)...)
			}
			putBoth(ce[ceBlock:], at+uint32(len(m.more)/BlockSize))
			putBoth(ce[ceOffset:], uint32(len(m.more)%BlockSize))
			if off >= 0 {
				copy(m.more[off:], area) // the area's own CE has just changed
			}
			off, area = len(m.more), next
			m.more = append(m.more, next...)
		}
	}
	return nil
}

// lastCE is the CE entry that counts: of several, readers follow the last.
func lastCE(entries []suspEntry) suspEntry {
	for _, e := range slices.Backward(entries) {
		if e.sig() == "CE" {
			return e
		}
	}
	return nil
}

// isRootDot reports whether a record is the root directory's own, where the SP
// entry lies and nothing is skipped.
func (t *tree) isRootDot(r record) bool {
	return bytes.Equal(r.identifier(), []byte{0}) && r.extent() == t.root.extent
}
