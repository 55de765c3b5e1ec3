// Package iso9660 reads hybrid ISO images and plans edits of them.
//
// Open reads an image: volume descriptors, the ISO 9660 tree with Rock Ridge,
// the Joliet tree where there is one, and the El Torito boot catalog. Plan
// turns a list of edits into a Patched, which is a value: the base image, a few
// changed blocks, and what is appended behind its end. Original gives the base
// back, bit for bit.
//
// Edits only add files to directories that are there, and replace files. The
// system area (MBR, GPT, Apple partition map), the boot catalog, the boot
// images, the label and the dates of the volume descriptor are never touched:
// firmware and GRUB find the medium by them. The HFS+ tree of a hybrid image is
// not read and not changed, see Edit.InPlace.
//
// The package opens no file, runs no program and believes nothing that an image
// says: whatever the bytes, work and memory stay bounded and the error is one
// sentence.
package iso9660

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"ringboot/profiles/fault"
)

// Callers branch on these.
var (
	ErrNotISO    = fault.Precondition.New("not an ISO 9660 image")
	ErrUDFOnly   = fault.Precondition.New("a UDF image without an ISO 9660 tree, which is not supported")
	ErrTruncated = fault.Precondition.New("the image is truncated")
	ErrPrepared  = fault.Precondition.New("the image is prepared already: reset it first, or start from the stock image")

	// These two are never in the sentence: what is wrong is.
	ErrDamaged    = fault.Precondition.New("the image contradicts itself")
	ErrUneditable = fault.Precondition.New("the image cannot be edited")
)

// kind is an error that also is one of those above.
type kind struct {
	error
	as error
}

func (e kind) Is(target error) bool { return target == e.as }

// Fault is the kind of the sentinel that the error passes for.
func (e kind) Fault() fault.Kind { return fault.Of(e.as) }

func (e kind) Unwrap() error { return e.error }

// Image is a hybrid ISO image that was read. It is safe for concurrent use.
type Image struct {
	r       io.ReaderAt
	size    int64
	primary *tree
	joliet  *tree
	// foreign is why the image cannot be edited though it can be read: a third
	// tree that would go stale.
	foreign string
	boot    []BootEntry
	catalog uint32
	trailer *trailer
}

// BootEntry is one entry of the El Torito boot catalog.
type BootEntry struct {
	Platform byte // 0 = BIOS, 0xef = UEFI (El Torito, "platform ID")
	Bootable bool
	LBA      uint32 // where the boot image starts, in blocks
	Sectors  uint16 // what the firmware loads, in 512-byte sectors
}

// Open reads the structure of the image in r, which is size bytes long. r may
// be longer than the image: a stick is. Nothing of the files' content is read.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	img, err := read(r, size)
	var failed *fs.PathError // of the file system, not of the image
	if err == nil || errors.Is(err, ErrNotISO) || errors.Is(err, ErrUDFOnly) || errors.Is(err, ErrTruncated) || errors.As(err, &failed) {
		return img, err
	}
	return nil, kind{err, ErrDamaged}
}

func read(r io.ReaderAt, size int64) (*Image, error) {
	img := &Image{r: r, size: size}
	if size == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrNotISO)
	}
	if size < (systemAreaBlocks+1)*BlockSize {
		return nil, fmt.Errorf("%w: %d bytes are less than its system area", ErrNotISO, size)
	}
	vols, err := img.descriptors()
	if err != nil {
		return nil, err
	}
	for i := range vols {
		v := &vols[i]
		if have, want := size, int64(v.blocks)*BlockSize; want > have {
			return nil, fmt.Errorf("%w: its %s volume descriptor promises %d bytes, there are %d: download or copy it again", ErrTruncated, v.kind(), want, have)
		}
		t, err := readTree(img, v)
		if err != nil {
			return nil, err
		}
		if v.joliet {
			img.joliet = t
		} else {
			img.primary = t
		}
	}
	if err := img.readCatalog(); err != nil {
		return nil, err
	}
	img.trailer, err = readTrailer(r, img.VolumeSize())
	if err != nil {
		return nil, err
	}
	return img, nil
}

// volume is a primary or Joliet volume descriptor.
type volume struct {
	lba    uint32 // of the descriptor itself
	raw    []byte
	joliet bool
	blocks uint32
	root   record
}

func (v *volume) kind() string {
	if v.joliet {
		return "Joliet"
	}
	return "primary"
}

// descriptors reads the set of volume descriptors and returns those whose trees
// can be read: the primary one and, if present, the Joliet one.
func (img *Image) descriptors() ([]volume, error) {
	var vols []volume
	udf := false
	block := make([]byte, BlockSize)
	for lba := uint32(systemAreaBlocks); ; lba++ {
		if lba == systemAreaBlocks+maxDescriptors {
			return nil, fmt.Errorf("%w: more than %d volume descriptors and no end of them", ErrNotISO, maxDescriptors)
		}
		if err := img.readAt(block, int64(lba)*BlockSize); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			return nil, fmt.Errorf("volume descriptor at block %d: %w", lba, err)
		}
		if id := string(block[vdIdentifier : vdIdentifier+5]); id != "CD001" {
			// ECMA-167 part 2 and UDF 2.60, 2.1: BEA01, NSR02 or NSR03, TEA01.
			if id == "BEA01" || strings.HasPrefix(id, "NSR0") {
				udf = true
				continue
			}
			break
		}
		done, err := img.descriptor(lba, bytes.Clone(block), &vols)
		if err != nil {
			return nil, err
		}
		if done {
			udf = udf || img.udfFollows(lba)
			break
		}
	}
	if udf && len(vols) > 0 {
		img.foreign = "it holds a UDF tree too, which would go on showing the old files"
	}
	return vols, readable(vols, udf)
}

// readable says why no tree can be read, nil if the primary one can.
func readable(vols []volume, udf bool) error {
	switch {
	case len(vols) == 0 && udf:
		return ErrUDFOnly
	case len(vols) == 0:
		return fmt.Errorf("%w: there is no primary volume descriptor at block %d", ErrNotISO, systemAreaBlocks)
	case vols[0].joliet:
		return fmt.Errorf("%w: the Joliet volume descriptor comes before the primary one", ErrNotISO)
	}
	return nil
}

// descriptor judges one volume descriptor and tells whether it is the last.
func (img *Image) descriptor(lba uint32, raw []byte, vols *[]volume) (last bool, err error) {
	switch raw[vdType] {
	case vdTerminator:
		return true, nil
	case vdBoot:
		if strings.HasPrefix(string(raw[etIdentifier:]), elToritoID) && img.catalog == 0 {
			img.catalog = binary.LittleEndian.Uint32(raw[etCatalog:])
		}
		return false, nil
	case vdPrimary, vdSupplementary:
	default:
		return false, nil // a partition descriptor, ECMA-119 8.6: holds no tree
	}
	v := volume{lba: lba, raw: raw, blocks: both(raw[vdSpaceSize:]), root: record(raw[vdRoot:vdRootEnd])}
	if raw[vdType] == vdSupplementary {
		if raw[vdVersion] != 1 || !isJoliet(raw[vdEscapes:vdEscapesEnd]) {
			img.foreign = "it holds a supplementary tree that is not Joliet, which would go on showing the old files"
			return false, nil
		}
		v.joliet = true
	}
	for _, old := range *vols {
		if old.joliet == v.joliet {
			// A second copy of a descriptor is allowed (ECMA-119 6.7.1.1), but
			// an edit that changes only one of them would split the readers.
			img.foreign = "it has two " + v.kind() + " volume descriptors"
			return false, nil
		}
	}
	if bs := binary.LittleEndian.Uint16(raw[vdBlockSize:]); bs != BlockSize {
		return false, fmt.Errorf("%w that is supported: its logical blocks have %d bytes instead of %d", ErrNotISO, bs, BlockSize)
	}
	*vols = append(*vols, v)
	return false, nil
}

// isJoliet looks for the escape sequences of UCS-2 levels 1 to 3 (Joliet
// specification, "escape sequences").
func isJoliet(escapes []byte) bool {
	for _, level := range []string{"%/@", "%/C", "%/E"} {
		if bytes.HasPrefix(escapes, []byte(level)) {
			return true
		}
	}
	return false
}

// udfFollows looks for the beginning of a UDF recognition sequence behind the
// terminator, as bridge images have it.
func (img *Image) udfFollows(terminator uint32) bool {
	id := make([]byte, vdVersion)
	err := img.readAt(id, int64(terminator+1)*BlockSize)
	return err == nil && string(id[vdIdentifier:]) == "BEA01"
}

// readCatalog reads the El Torito boot catalog, if there is one.
func (img *Image) readCatalog() error {
	if img.catalog == 0 {
		return nil
	}
	block := make([]byte, BlockSize)
	if int64(img.catalog)*BlockSize+BlockSize > img.size {
		return fmt.Errorf("the boot catalog at block %d lies behind the end of the image", img.catalog)
	}
	if err := img.readAt(block, int64(img.catalog)*BlockSize); err != nil {
		return fmt.Errorf("boot catalog: %w", err)
	}
	if block[0] != 1 || block[30] != 0x55 || block[31] != 0xaa {
		return fmt.Errorf("the boot catalog at block %d has no validation entry", img.catalog)
	}
	platform := block[etPlatform]
	add := func(e []byte) {
		img.boot = append(img.boot, BootEntry{
			Platform: platform, Bootable: e[0] == etBootable,
			LBA: binary.LittleEndian.Uint32(e[etLoad:]), Sectors: binary.LittleEndian.Uint16(e[etSectorCount:]),
		})
	}
	add(block[etEntrySize:])
	left := 0
	for at := 2 * etEntrySize; at < BlockSize; at += etEntrySize {
		e := block[at : at+etEntrySize]
		switch {
		case left > 0 && e[0] == etExtension:
		case left > 0:
			add(e)
			left--
		case e[0] == etHeaderMore || e[0] == etHeaderFinal:
			platform, left = e[etPlatform], int(binary.LittleEndian.Uint16(e[etHeaderEntries:]))
		default:
			return nil
		}
	}
	return nil
}

// readAt fills p or says why not; a short read is io.ErrUnexpectedEOF.
func (img *Image) readAt(p []byte, off int64) error {
	return readFull(img.r, p, off)
}

func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// VolumeSize is the length of the volume in bytes, as the primary volume
// descriptor says. On a stick it is less than the device.
func (img *Image) VolumeSize() int64 { return int64(img.primary.vol.blocks) * BlockSize }

// Label is the volume identifier, for instance "PVE".
func (img *Image) Label() string {
	return strings.TrimRight(string(img.primary.vol.raw[vdVolumeID:vdVolumeIDEnd]), " \x00")
}

// UUID is the name by which GRUB and blkid know the file system: the volume's
// modification date, "2025-08-05-10-48-40-00". It is empty if there is none.
func (img *Image) UUID() string {
	d := img.primary.vol.raw[vdModified : vdModified+16]
	for _, c := range d {
		if c < '0' || c > '9' {
			return ""
		}
	}
	if strings.Trim(string(d), "0") == "" {
		return ""
	}
	return fmt.Sprintf("%s-%s-%s-%s-%s-%s-%s", d[0:4], d[4:6], d[6:8], d[8:10], d[10:12], d[12:14], d[14:16])
}

// Boot returns the entries of the El Torito boot catalog and the block at which
// the catalog lies, 0 if there is none.
func (img *Image) Boot() (entries []BootEntry, catalog uint32) { return img.boot, img.catalog }

// HasJoliet reports whether there is a Joliet tree.
func (img *Image) HasJoliet() bool { return img.joliet != nil }

// HasRockRidge reports whether file names come from Rock Ridge.
func (img *Image) HasRockRidge() bool { return img.primary.susp }

// Prepared reports whether the image was made by Plan, so that Original can give
// the base back.
func (img *Image) Prepared() bool { return img.trailer != nil }

// ReadSystemArea returns the 32 KiB before the volume descriptors: MBR, GPT,
// Apple partition map.
func (img *Image) ReadSystemArea() ([]byte, error) {
	area := make([]byte, systemAreaBlocks*BlockSize)
	if err := img.readAt(area, 0); err != nil {
		return nil, fmt.Errorf("system area: %w", err)
	}
	return area, nil
}
