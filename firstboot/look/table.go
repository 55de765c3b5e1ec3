package look

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf16"
)

// Partition is one partition of a disk.
type Partition struct {
	Number   int
	Off, Len int64 // bytes
	Label    string
	ESP      bool // an EFI system partition
}

// Layout of a GUID partition table (UEFI specification 2.10, 5.3).
const (
	gptSignature   = "EFI PART"
	gptEntriesAt   = 72
	gptCountAt     = 80
	gptEntrySizeAt = 84
	gptFirstAt     = 32 // of an entry: first LBA
	gptLastAt      = 40
	gptNameAt      = 56
	gptMinEntry    = 128
	gptMaxEntries  = 1024
	gptMaxEntry    = 4096
)

// espType is C12A7328-F81F-11D2-BA4B-00A0C93EC93B as a table holds it.
const espType = "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b"

// partitions reads the table of a disk. kind is "" where there is none; a table
// that is damaged is one all the same.
func partitions(r io.ReaderAt, size, sector int64) (parts []Partition, kind string) {
	for _, s := range []int64{sector, 512, 4096} {
		if parts, ok := gpt(r, size, s, s); ok {
			return parts, "gpt"
		}
	}
	if parts, ok := gpt(r, size, sector, size-sector); ok { // the copy at the end
		return parts, "gpt"
	}
	return mbr(r, size, sector)
}

func gpt(r io.ReaderAt, size, sector, header int64) ([]Partition, bool) {
	h := make([]byte, 512)
	if header < 0 {
		return nil, false
	}
	if _, err := r.ReadAt(h, header); err != nil || !bytes.HasPrefix(h, []byte(gptSignature)) {
		return nil, false
	}
	at := int64(binary.LittleEndian.Uint64(h[gptEntriesAt:]))
	count, entry := int(binary.LittleEndian.Uint32(h[gptCountAt:])), int(binary.LittleEndian.Uint32(h[gptEntrySizeAt:]))
	if at < 1 || at > size/sector || count > gptMaxEntries || entry < gptMinEntry || entry > gptMaxEntry {
		return nil, true
	}
	all := make([]byte, count*entry)
	if _, err := r.ReadAt(all, at*sector); err != nil {
		return nil, true
	}
	var out []Partition
	for i := range count {
		e := all[i*entry : (i+1)*entry]
		first, last := int64(binary.LittleEndian.Uint64(e[gptFirstAt:])), int64(binary.LittleEndian.Uint64(e[gptLastAt:]))
		if bytes.Equal(e[:16], make([]byte, 16)) || first < 1 || last < first || last >= size/sector {
			continue
		}
		out = append(out, Partition{Number: i + 1, Off: first * sector, Len: (last - first + 1) * sector,
			Label: gptName(e), ESP: string(e[:16]) == espType})
	}
	return out, true
}

func gptName(entry []byte) string {
	var name []uint16
	for j := gptNameAt; j+1 < gptMinEntry; j += 2 {
		if u := binary.LittleEndian.Uint16(entry[j:]); u != 0 {
			name = append(name, u)
		}
	}
	return strings.TrimSpace(string(utf16.Decode(name)))
}

// Layout of a master boot record.
const (
	mbrTableAt   = 446
	mbrEntry     = 16
	mbrTypeAt    = 4
	mbrFirstAt   = 8
	mbrCountAt   = 12
	mbrSignature = "\x55\xaa"
	mbrESP       = 0xef
)

func mbr(r io.ReaderAt, size, sector int64) ([]Partition, string) {
	b := make([]byte, 512)
	if _, err := r.ReadAt(b, 0); err != nil || string(b[510:]) != mbrSignature {
		return nil, ""
	}
	var out []Partition
	for i := range 4 {
		e := b[mbrTableAt+i*mbrEntry:][:mbrEntry]
		first, n := int64(binary.LittleEndian.Uint32(e[mbrFirstAt:])), int64(binary.LittleEndian.Uint32(e[mbrCountAt:]))
		if e[mbrTypeAt] == 0 || n == 0 || (first+n)*sector > size {
			continue
		}
		out = append(out, Partition{Number: i + 1, Off: first * sector, Len: n * sector, ESP: e[mbrTypeAt] == mbrESP})
	}
	if len(out) == 0 {
		return nil, "" // boot code, or a file system that ends its first sector so
	}
	return out, "dos"
}
