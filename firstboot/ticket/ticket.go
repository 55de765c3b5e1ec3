// Package ticket sees to it that a machine is not installed twice by accident:
// it burns the ticket of the installation medium and leaves the mark on the
// installed disk that the medium's boot menu looks for.
//
// It overwrites exactly one block of a medium, and only one that is, byte for
// byte, an armed ticket of this node and cluster. It never makes a ticket.
package ticket

import (
	"errors"
	"fmt"
	"io"
	"time"

	"ringboot/profiles/medium"
)

// ErrNone says that a medium carries no ticket.
var ErrNone = errors.New("no ticket on this medium")

// Found is a ticket and its place on the medium.
type Found struct {
	Ticket medium.Ticket
	Offset int64 // bytes from the start of the medium
}

// Find looks for a ticket among the files in the root directory of an ISO 9660
// medium: that of a node and cluster, else the first that there is. It returns
// ErrNone for anything else, whatever its content.
func Find(r io.ReaderAt, who Who) (Found, error) {
	var first *Found
	block := make([]byte, medium.TicketSize)
	for _, file := range medium.RootFiles(r) {
		if file.Len != medium.TicketSize {
			continue
		}
		if _, err := r.ReadAt(block, file.Off); err != nil {
			continue
		}
		t, err := medium.ParseTicket(block)
		if err != nil {
			continue
		}
		found := Found{Ticket: t, Offset: file.Off}
		if t.Node == who.Node && t.ClusterID == who.ClusterID {
			return found, nil
		}
		if first == nil {
			first = &found
		}
	}
	if first == nil {
		return Found{}, ErrNone
	}
	return *first, nil
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

func (w Who) spent() medium.Ticket {
	return medium.Ticket{
		State: medium.TicketSpent, Node: w.Node, ClusterID: w.ClusterID,
		Date: w.Now.UTC().Format(time.DateOnly), By: w.By,
	}
}

// Burn turns the armed ticket of a medium into a spent one and reads it back.
// A medium without a ticket is ErrNone; the ticket of another node or cluster
// is left alone, with an error that says whose it is; a spent one stays as it is.
func Burn(on Medium, who Who) (medium.Ticket, error) {
	found, err := Find(on, who)
	if err != nil {
		return medium.Ticket{}, err
	}
	t := found.Ticket
	if t.Node != who.Node || t.ClusterID != who.ClusterID {
		return t, fmt.Errorf("the ticket belongs to node %s of cluster %s: left alone", t.Node, t.ClusterID)
	}
	if t.State == medium.TicketSpent {
		return t, nil
	}
	want := who.spent()
	if _, err := on.WriteAt(want.Encode(), found.Offset); err != nil {
		return t, fmt.Errorf("burn ticket: %w", err)
	}
	if err := on.Sync(); err != nil {
		return t, fmt.Errorf("burn ticket: %w", err)
	}
	again, err := Find(on, who)
	if err != nil || again.Ticket != want {
		return t, fmt.Errorf("burn ticket: the medium took the write but still reads as %s", t)
	}
	return want, nil
}
