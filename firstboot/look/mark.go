package look

import (
	"fmt"
	"io"
	"os"

	"ringboot/profiles/medium"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
)

// Mark looks for the mark of an installed node on the EFI system partitions of a
// disk. A partition that cannot be read has none: its disk is not blank for that.
func Mark(disk *os.File, parts []Partition) *medium.Ticket {
	for _, p := range parts {
		if !p.ESP {
			continue
		}
		if t, err := markOn(disk, p); err == nil {
			return &t
		}
	}
	return nil
}

func markOn(disk *os.File, p Partition) (t medium.Ticket, err error) {
	defer func() {
		if r := recover(); r != nil { // the library trusts what it reads, and a disk may hold anything
			err = fmt.Errorf("%s: a damaged file system: %v", disk.Name(), r)
		}
	}()
	fs, err := fat32.Read(file.New(disk, true), p.Len, p.Off, 0)
	if err != nil {
		return t, err
	}
	f, err := fs.OpenFile(medium.MarkFile, os.O_RDONLY)
	if err != nil {
		return t, err
	}
	defer f.Close()
	block := make([]byte, medium.TicketSize)
	if _, err := io.ReadFull(f, block); err != nil {
		return t, err
	}
	return medium.ParseTicket(block)
}
