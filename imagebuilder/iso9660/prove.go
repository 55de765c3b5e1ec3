package iso9660

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
)

// proveChunk is how much is read at once.
const proveChunk = 256 << 10

// prove reads the planned image again and compares it with what was asked for:
// the edited files have their content, everything else is where it was. An
// image whose structures overlap could otherwise be planned into nonsense.
func prove(before *Image, p *Patched, edits []Edit) error {
	after, err := Open(p, p.Size())
	if err != nil {
		return fmt.Errorf("the image cannot be edited: read again it says: %w", err)
	}
	if !after.Prepared() {
		return errors.New("the image cannot be edited: its trailer is not found again")
	}
	for _, pair := range [][2]*tree{{before.primary, after.primary}, {before.joliet, after.joliet}} {
		if pair[0] == nil && pair[1] == nil {
			continue
		}
		if pair[0] == nil || pair[1] == nil {
			return errors.New("the image cannot be edited: read again it has another number of trees")
		}
		if err := proveTree(pair[0], pair[1], edits); err != nil {
			return fmt.Errorf("the image cannot be edited: read again, %w", err)
		}
	}
	return nil
}

func proveTree(before, after *tree, edits []Edit) error {
	touched, added, err := proveEdits(after, edits)
	if err != nil {
		return err
	}
	if len(before.dirs) != len(after.dirs) {
		return fmt.Errorf("it has %d directories instead of %d", len(after.dirs), len(before.dirs))
	}
	for i, old := range before.dirs {
		now := after.dirs[i]
		if old.name != now.name || len(now.children) != len(old.children)+added[now] {
			return fmt.Errorf("%s has another number of entries", before.where(old))
		}
		for _, c := range old.children {
			n := now.byName[c.name]
			if n == nil || n.mode != c.mode || n.target != c.target {
				return fmt.Errorf("%s is not the same", before.where(c))
			}
			if !touched[n] && (n.size != c.size || !slices.Equal(n.extents, c.extents)) {
				return fmt.Errorf("%s lies elsewhere", before.where(c))
			}
		}
	}
	return nil
}

// proveEdits finds the files of the edits with their content, and counts those
// that a directory has more.
func proveEdits(after *tree, edits []Edit) (touched map[*node]bool, added map[*node]int, err error) {
	touched, added = map[*node]bool{}, map[*node]int{}
	for _, e := range edits {
		n := after.lookup(e.Path)
		if n == nil {
			return nil, nil, fmt.Errorf("%s is not there", shown(e.Path))
		}
		want := int64(len(e.Content))
		if e.InPlace {
			want = n.size
		}
		if n.size != want || !begins(&extentReader{after.img.r, n.extents, ends(n.extents)}, e.Content) {
			return nil, nil, fmt.Errorf("%s has another content", after.where(n))
		}
		touched[n] = true
		if !e.Replace {
			added[after.lookup(path.Dir(e.Path))]++
		}
	}
	return touched, added, nil
}

// begins reports whether r begins with want.
func begins(r io.ReaderAt, want []byte) bool {
	buf := make([]byte, min(len(want), proveChunk))
	for at := 0; at < len(want); at += len(buf) {
		part := want[at:min(at+len(buf), len(want))]
		if err := readFull(r, buf[:len(part)], int64(at)); err != nil || !bytes.Equal(buf[:len(part)], part) {
			return false
		}
	}
	return true
}
