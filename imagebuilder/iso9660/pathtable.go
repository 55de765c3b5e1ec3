package iso9660

import (
	"encoding/binary"
	"fmt"
)

const maxPathTable = 4 << 20 // bytes; a directory takes about 16

// repointPathTables changes the extents in all path tables of a tree. Nothing
// else of them changes: no directory is added, so order and length stay.
func (p *planner) repointPathTables(t *tree, moves map[*node]*move) error {
	to := map[uint32]uint32{}
	for d, m := range moves {
		to[d.extent] = m.extent
	}
	size := both(t.vol.raw[vdPathTableSize:])
	for _, table := range []struct {
		name  string
		field int
		order binary.ByteOrder
	}{
		{"L", vdPathTableL, binary.LittleEndian}, {"optional L", vdPathTableLOpt, binary.LittleEndian},
		{"M", vdPathTableM, binary.BigEndian}, {"optional M", vdPathTableMOpt, binary.BigEndian},
	} {
		at := table.order.Uint32(t.vol.raw[table.field:])
		if at == 0 {
			continue // not all writers make all four, ECMA-119 8.4.15
		}
		if err := p.repointPathTable(int64(at)*BlockSize, size, table.order, to); err != nil {
			return fmt.Errorf("the %s path table of the %s tree: %w", table.name, t.vol.kind(), err)
		}
	}
	return nil
}

func (p *planner) repointPathTable(off int64, size uint32, order binary.ByteOrder, to map[uint32]uint32) error {
	if size > maxPathTable || off+int64(size) > p.size {
		return fmt.Errorf("%d bytes at byte %d do not fit into the image", size, off)
	}
	b := make([]byte, size)
	if err := p.img.readAt(b, off); err != nil {
		return err
	}
	found := 0
	for at := 0; at < len(b); found++ {
		if at+ptName > len(b) {
			return fmt.Errorf("it ends inside a record")
		}
		old := order.Uint32(b[at+ptExtent:])
		now, ok := to[old]
		if !ok {
			return fmt.Errorf("it names a directory at block %d that is not in the tree", old)
		}
		order.PutUint32(b[at+ptExtent:], now)
		n := int(b[at+ptNameLength])
		at += ptName + n + n%2
	}
	if found != len(to) {
		return fmt.Errorf("it has %d directories where the tree has %d", found, len(to))
	}
	return p.overwrite(off, b)
}
