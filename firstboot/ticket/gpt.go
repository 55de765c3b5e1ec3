package ticket

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Layout of a GUID partition table (UEFI specification 2.10, 5.3).
const (
	gptSignature   = "EFI PART"
	gptEntriesAt   = 72 // header: LBA of the entries
	gptCountAt     = 80 // header: number of entries
	gptEntrySizeAt = 84 // header: size of one entry
	gptMaxEntries  = 1024
	gptMaxEntry    = 4096
)

// espType is C12A7328-F81F-11D2-BA4B-00A0C93EC93B as a table holds it.
var espType = []byte{0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b}

// espNumbers returns the numbers, from 1, of a disk's EFI system partitions.
// sector is the disk's logical sector size in bytes.
func espNumbers(disk io.ReaderAt, sector int64) ([]int, error) {
	header := make([]byte, 512)
	if _, err := disk.ReadAt(header, sector); err != nil {
		return nil, fmt.Errorf("read partition table: %w", err)
	}
	if !bytes.HasPrefix(header, []byte(gptSignature)) {
		return nil, nil
	}
	at := int64(binary.LittleEndian.Uint64(header[gptEntriesAt:])) * sector
	count := int(binary.LittleEndian.Uint32(header[gptCountAt:]))
	size := int(binary.LittleEndian.Uint32(header[gptEntrySizeAt:]))
	if at < 0 || count > gptMaxEntries || size < 128 || size > gptMaxEntry {
		return nil, fmt.Errorf("partition table is damaged: %d entries of %d bytes", count, size)
	}
	entries := make([]byte, count*size)
	if _, err := disk.ReadAt(entries, at); err != nil {
		return nil, fmt.Errorf("read partition table: %w", err)
	}
	var numbers []int
	for i := range count {
		if bytes.Equal(entries[i*size:i*size+len(espType)], espType) {
			numbers = append(numbers, i+1)
		}
	}
	return numbers, nil
}
