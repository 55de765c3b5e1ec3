// Package ticket sees to it that a machine is not installed twice by accident:
// it burns the ticket of the installation medium and leaves the mark on the
// installed disk that the medium's boot menu looks for.
//
// It overwrites exactly one block of a medium, and only one that is, byte for
// byte, an armed ticket of this node and cluster. It never makes a ticket.
package ticket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"ringboot/profiles"
)

// Layout of the medium as far as the way to its root directory goes.
const (
	blockSize      = 2048            // logical block, ECMA-119 6.1.2
	descriptorAt   = 16 * blockSize  // primary volume descriptor, ECMA-119 6.2.1
	descriptorID   = "\x01CD001\x01" // type, identifier, version, ECMA-119 8.4.1
	rootRecordAt   = 156             // record of the root directory, ECMA-119 8.4.18
	recordExtentAt = 2               // location of extent, both-endian, ECMA-119 9.1.3
	recordLengthAt = 10              // length of extent, both-endian, ECMA-119 9.1.4
	recordFlagsAt  = 25              // ECMA-119 9.1.6
	recordMin      = 34              // shortest record, ECMA-119 9.1
	flagDirectory  = 1 << 1
	maxRootExtent  = 1 << 20 // a root directory larger than this is not one of ours
)

// ErrNone says that a medium carries no ticket.
var ErrNone = errors.New("no ticket on this medium")

// Found is a ticket and its place on the medium.
type Found struct {
	Ticket profiles.Ticket
	Offset int64 // bytes from the start of the medium
}

// Find looks for a ticket among the files in the root directory of an ISO 9660
// medium. It returns ErrNone for anything else, whatever its content.
func Find(medium io.ReaderAt) (Found, error) {
	descriptor := make([]byte, blockSize)
	if _, err := medium.ReadAt(descriptor, descriptorAt); err != nil || !bytes.HasPrefix(descriptor, []byte(descriptorID)) {
		return Found{}, ErrNone
	}
	root := descriptor[rootRecordAt:]
	extent, length := extentOf(root)
	if length == 0 || length > maxRootExtent {
		return Found{}, ErrNone
	}
	directory := make([]byte, length)
	if _, err := medium.ReadAt(directory, extent); err != nil {
		return Found{}, ErrNone
	}
	block := make([]byte, profiles.TicketSize)
	for at := 0; at < len(directory); {
		size := int(directory[at])
		if size == 0 { // no record crosses a block: the rest of this one is empty
			at = (at/blockSize + 1) * blockSize
			continue
		}
		if size < recordMin || at+size > len(directory) {
			return Found{}, ErrNone
		}
		record := directory[at : at+size]
		at += size
		where, bytes := extentOf(record)
		if record[recordFlagsAt]&flagDirectory != 0 || bytes != profiles.TicketSize {
			continue
		}
		if _, err := medium.ReadAt(block, where); err != nil {
			continue
		}
		if t, err := profiles.ParseTicket(block); err == nil {
			return Found{Ticket: t, Offset: where}, nil
		}
	}
	return Found{}, ErrNone
}

func extentOf(record []byte) (offset, length int64) {
	return int64(binary.LittleEndian.Uint32(record[recordExtentAt:])) * blockSize,
		int64(binary.LittleEndian.Uint32(record[recordLengthAt:]))
}

// Medium is a device or file that a ticket may lie on.
type Medium interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
}

// Who is the node that burns a ticket, and when.
type Who struct {
	Node, ClusterID string
	By              string // installer | agent
	Now             time.Time
}

func (w Who) spent() profiles.Ticket {
	return profiles.Ticket{
		State: profiles.TicketSpent, Node: w.Node, ClusterID: w.ClusterID,
		Date: w.Now.UTC().Format(time.DateOnly), By: w.By,
	}
}

// Burn turns the armed ticket of a medium into a spent one and reads it back.
// A medium without a ticket is ErrNone; the ticket of another node or cluster
// is left alone, with an error that says whose it is; a spent one stays as it is.
func Burn(medium Medium, who Who) (profiles.Ticket, error) {
	found, err := Find(medium)
	if err != nil {
		return profiles.Ticket{}, err
	}
	t := found.Ticket
	if t.Node != who.Node || t.ClusterID != who.ClusterID {
		return t, fmt.Errorf("the ticket belongs to node %s of cluster %s: left alone", t.Node, t.ClusterID)
	}
	if t.State == profiles.TicketSpent {
		return t, nil
	}
	want := who.spent()
	if _, err := medium.WriteAt(want.Encode(), found.Offset); err != nil {
		return t, fmt.Errorf("burn ticket: %w", err)
	}
	if err := medium.Sync(); err != nil {
		return t, fmt.Errorf("burn ticket: %w", err)
	}
	again, err := Find(medium)
	if err != nil || again.Ticket != want {
		return t, fmt.Errorf("burn ticket: the medium took the write but still reads as %s", t)
	}
	return want, nil
}
