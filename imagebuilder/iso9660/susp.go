package iso9660

import (
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// System Use Sharing Protocol (IEEE P1281) and Rock Ridge (IEEE P1282).
const (
	suspHeader = 4 // signature, length, version

	ceBlock  = 4 // fields of a CE entry, from its start
	ceOffset = 12
	ceLength = 20
	ceSize   = 28

	spSize   = 7
	spCheck0 = 0xbe
	spCheck1 = 0xef

	pxMode   = 4
	pxLinks  = 12
	pxUID    = 20
	pxGID    = 28
	pxSerial = 36
	pxSize10 = 36 // RRIP 1.09 and 1.10: no file serial number
	pxSize12 = 44 // RRIP 1.12

	tfFlags    = 4
	tfStamps   = 5
	tfLongForm = 0x80
	tfCreation = 0x01
	tfModify   = 0x02

	nmFlags    = 4
	nmName     = 5
	nmContinue = 0x01

	slFlags     = 4
	slParts     = 5
	clLocation  = 4 // CL and PL: both-endian block number
	maxHops     = 32
	maxTarget   = 4096
	maxName     = 255
	modeType    = 0o170000 // POSIX file types, RRIP 4.1.1
	modeDir     = 0o040000
	modeLink    = 0o120000
	modeRegular = 0o100000
)

// suspEntry is one entry of a System Use area, with its header.
type suspEntry []byte

func (e suspEntry) sig() string { return string(e[:2]) }

// continuation says where a CE entry points.
type continuation struct{ block, offset, length uint32 }

func (e suspEntry) continuation() continuation {
	return continuation{both(e[ceBlock:]), both(e[ceOffset:]), both(e[ceLength:])}
}

// suspArea splits an area into its entries. It ends quietly at padding.
func suspArea(area []byte) ([]suspEntry, error) {
	var out []suspEntry
	for len(area) >= suspHeader {
		n := int(area[2])
		if area[0] == 0 {
			break
		}
		if n < suspHeader || n > len(area) {
			return nil, fmt.Errorf("a Rock Ridge entry says that it has %d bytes where %d are left", n, len(area))
		}
		e := suspEntry(area[:n])
		if e.sig() == "CE" && n < ceSize {
			return nil, fmt.Errorf("a Rock Ridge CE entry has %d bytes instead of %d", n, ceSize)
		}
		if e.sig() == "ST" {
			break
		}
		out = append(out, e)
		area = area[n:]
	}
	return out, nil
}

// suspEntries reads all entries of an area and of the continuation areas behind it.
func (t *tree) suspEntries(area []byte) ([]suspEntry, error) {
	var all []suspEntry
	for hop := 0; ; hop++ {
		entries, err := suspArea(area)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.sig() != "CE" {
				all = append(all, e)
			}
		}
		ce := lastCE(entries)
		if ce == nil {
			return all, nil
		}
		if hop == maxHops {
			return nil, fmt.Errorf("its Rock Ridge continuation areas loop, or are more than %d", maxHops)
		}
		if area, err = t.readContinuation(ce.continuation()); err != nil {
			return nil, err
		}
	}
}

func (t *tree) readContinuation(c continuation) ([]byte, error) {
	if c.offset > BlockSize || c.length > BlockSize || c.offset+c.length > BlockSize {
		return nil, fmt.Errorf("a Rock Ridge continuation area at byte %d with %d bytes leaves its block", c.offset, c.length)
	}
	if c.block >= t.vol.blocks {
		return nil, fmt.Errorf("a Rock Ridge continuation area at block %d lies behind the end of the image", c.block)
	}
	if err := t.spend(int64(c.length) + suspHeader); err != nil {
		return nil, err
	}
	area := make([]byte, c.length)
	if err := t.img.readAt(area, int64(c.block)*BlockSize+int64(c.offset)); err != nil {
		return nil, fmt.Errorf("a Rock Ridge continuation area: %w", err)
	}
	return area, nil
}

// posix is what Rock Ridge says about a file.
type posix struct {
	mode      uint32
	hasMode   bool
	serial    uint32
	name      string
	target    string
	modified  time.Time
	child     uint32 // CL: a relocated directory lies there
	hasChild  bool
	relocated bool // RE: shown elsewhere by a CL
}

func parsePosix(entries []suspEntry) (posix, error) {
	var p posix
	var name strings.Builder
	var link linkTarget
	for _, e := range entries {
		switch e.sig() {
		case "PX":
			if len(e) < pxSize10 {
				return p, fmt.Errorf("a Rock Ridge PX entry has %d bytes instead of %d or %d", len(e), pxSize10, pxSize12)
			}
			p.mode, p.hasMode = both(e[pxMode:]), true
			if len(e) >= pxSize12 {
				p.serial = both(e[pxSerial:])
			}
		case "NM":
			if len(e) < nmName {
				return p, fmt.Errorf("a Rock Ridge NM entry has no flags")
			}
			name.Write(e[nmName:])
			if name.Len() > maxName {
				return p, fmt.Errorf("its Rock Ridge name is longer than %d bytes", maxName)
			}
		case "SL":
			if err := link.add(e); err != nil {
				return p, err
			}
		case "TF":
			p.modified = tfModified(e)
		case "CL":
			if len(e) < clLocation+8 {
				return p, fmt.Errorf("a Rock Ridge CL entry has %d bytes", len(e))
			}
			p.child, p.hasChild = both(e[clLocation:]), true
		case "RE":
			p.relocated = true
		}
	}
	p.name, p.target = name.String(), link.String()
	return p, nil
}

// tfModified takes the modification time out of a TF entry (RRIP 4.1.6).
func tfModified(e suspEntry) time.Time {
	if len(e) < tfStamps || e[tfFlags]&tfModify == 0 || e[tfFlags]&tfLongForm != 0 {
		return time.Time{}
	}
	at := tfStamps
	if e[tfFlags]&tfCreation != 0 {
		at += 7
	}
	if at+7 > len(e) {
		return time.Time{}
	}
	return date7(e[at:])
}

// linkTarget puts the components of SL entries together (RRIP 4.1.3).
type linkTarget struct {
	b        strings.Builder
	joined   bool // the last component goes on in the next one
	anything bool
}

func (l *linkTarget) add(e suspEntry) error {
	if len(e) < slParts {
		return fmt.Errorf("a Rock Ridge SL entry has no flags")
	}
	for parts := e[slParts:]; len(parts) > 0; {
		if len(parts) < 2 || 2+int(parts[1]) > len(parts) {
			return fmt.Errorf("a Rock Ridge SL entry ends inside a component")
		}
		flags, text := parts[0], string(parts[2:2+int(parts[1])])
		parts = parts[2+int(parts[1]):]
		if l.anything && !l.joined && !strings.HasSuffix(l.b.String(), "/") {
			l.b.WriteByte('/')
		}
		switch {
		case flags&0x02 != 0:
			text = "."
		case flags&0x04 != 0:
			text = ".."
		case flags&0x08 != 0:
			text = "/"
		}
		l.b.WriteString(text)
		l.anything, l.joined = true, flags&0x01 != 0
		if l.b.Len() > maxTarget {
			return fmt.Errorf("its link target is longer than %d bytes", maxTarget)
		}
	}
	return nil
}

func (l *linkTarget) String() string { return l.b.String() }

// fileMode turns POSIX mode bits into Go's.
func fileMode(p posix, dir bool) fs.FileMode {
	if !p.hasMode {
		if dir {
			return fs.ModeDir | 0o555
		}
		return 0o444
	}
	m := fs.FileMode(p.mode & 0o777)
	switch p.mode & modeType {
	case modeDir:
		m |= fs.ModeDir
	case modeLink:
		m |= fs.ModeSymlink
	case modeRegular:
	default:
		m |= fs.ModeIrregular
	}
	if dir {
		m = m&fs.ModePerm | fs.ModeDir
	} else {
		m &^= fs.ModeDir
	}
	return m
}

// rockRidgeSkip reads the SP entry at the start of the root directory's own
// record (SUSP 5.3): how many bytes to skip in every other System Use area.
func rockRidgeSkip(dot record) (skip int, found bool) {
	area := dot.systemUse()
	if len(area) < spSize || string(area[:2]) != "SP" || area[4] != spCheck0 || area[5] != spCheck1 {
		return 0, false
	}
	return int(area[6]), true
}
