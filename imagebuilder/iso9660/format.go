package iso9660

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// BlockSize is the logical block of every image that this package reads, in
// bytes. ECMA-119 6.1.2 allows others; no installation image uses them.
const BlockSize = 2048

const (
	systemAreaBlocks = 16 // ECMA-119 6.2.1: descriptors begin behind them
	maxDescriptors   = 64 // ours: the longest set of descriptors that is believed
)

// Volume descriptor types, ECMA-119 8.1.1.
const (
	vdBoot          = 0
	vdPrimary       = 1
	vdSupplementary = 2
	vdTerminator    = 255
)

// Fields of a volume descriptor as offsets from its start (ECMA-119 8.4, 8.5;
// the standard counts from one).
const (
	vdType          = 0
	vdIdentifier    = 1
	vdVersion       = 6
	vdVolumeID      = 40
	vdVolumeIDEnd   = 72
	vdSpaceSize     = 80 // both-endian, in blocks
	vdEscapes       = 88
	vdEscapesEnd    = 120
	vdBlockSize     = 128 // both-endian
	vdPathTableSize = 132 // both-endian, in bytes
	vdPathTableL    = 140
	vdPathTableLOpt = 144
	vdPathTableM    = 148
	vdPathTableMOpt = 152
	vdRoot          = 156
	vdRootEnd       = 190
	vdModified      = 830 // 17 bytes; GRUB makes the file system's UUID of it
)

// Fields of a directory record, ECMA-119 9.1.
const (
	drLength     = 0
	drAttrLength = 1
	drExtent     = 2  // both-endian
	drSize       = 10 // both-endian
	drDate       = 18
	drFlags      = 25
	drUnitSize   = 26
	drGapSize    = 27
	drNameLength = 32
	drName       = 33

	drMinimum = 34
	drMaximum = 254 // even, so that the next record starts at an even byte
)

// File flags of a directory record, ECMA-119 9.1.6.
const (
	flagDirectory   = 0x02
	flagAssociated  = 0x04
	flagMultiExtent = 0x80
)

// Fields of a path table record, ECMA-119 9.4.
const (
	ptNameLength = 0
	ptExtent     = 2
	ptParent     = 6
	ptName       = 8
)

// El Torito 1.0, 2.0 and 2.2: boot record volume descriptor and boot catalog.
const (
	elToritoID      = "EL TORITO SPECIFICATION"
	etIdentifier    = 7
	etCatalog       = 71
	etEntrySize     = 32
	etPlatform      = 1
	etSectorCount   = 6
	etLoad          = 8
	etHeaderMore    = 0x90
	etHeaderFinal   = 0x91
	etExtension     = 0x44
	etBootable      = 0x88
	etHeaderEntries = 2
)

// both reads a both-endian number (ECMA-119 7.3.3) the way Linux does: the
// little-endian half counts.
func both(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

// putBoth writes a both-endian number.
func putBoth(b []byte, v uint32) {
	binary.LittleEndian.PutUint32(b, v)
	binary.BigEndian.PutUint32(b[4:], v)
}

// record is one directory record as it lies on the medium.
type record []byte

func (r record) extent() uint32     { return both(r[drExtent:]) }
func (r record) size() uint32       { return both(r[drSize:]) }
func (r record) flags() byte        { return r[drFlags] }
func (r record) identifier() []byte { return r[drName : drName+int(r[drNameLength])] }
func (r record) isDir() bool        { return r.flags()&flagDirectory != 0 }

// systemUse is the part behind the name, where SUSP entries lie.
func (r record) systemUse() []byte {
	at := drName + int(r[drNameLength])
	at += 1 - int(r[drNameLength])%2 // ECMA-119 9.1.12: padded to an even length
	if at > len(r) {
		return nil
	}
	return r[at:]
}

func (r record) place(extent, size uint32) {
	putBoth(r[drExtent:], extent)
	putBoth(r[drSize:], size)
}

// date reads the seven bytes of ECMA-119 9.1.5. Nonsense gives the zero time.
func date7(b []byte) time.Time {
	if len(b) < 7 || b[1] < 1 || b[1] > 12 || b[2] < 1 || b[2] > 31 {
		return time.Time{}
	}
	zone := time.Duration(int8(b[6])) * 15 * time.Minute
	t := time.Date(1900+int(b[0]), time.Month(b[1]), int(b[2]), int(b[3]), int(b[4]), int(b[5]), 0, time.UTC)
	return t.Add(-zone)
}

// putDate7 writes t in UTC.
func putDate7(b []byte, t time.Time) {
	t = t.UTC()
	year := min(max(t.Year()-1900, 0), 255)
	copy(b, []byte{byte(year), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()), 0})
}

// putDate17 writes t in UTC in the long form of ECMA-119 8.4.26.1.
func putDate17(b []byte, t time.Time) {
	copy(b, t.UTC().Format("20060102150405")+"00")
	b[16] = 0
}

// shown makes a name or path of the image fit for one line of an error.
func shown(path string) string {
	const most = 120
	if len(path) > most {
		path = path[:most] + "..."
	}
	q := fmt.Sprintf("%q", path)
	if inner := q[1 : len(q)-1]; inner == path && !strings.Contains(path, " ") {
		return path
	}
	return q
}
