package medium

import (
	"bytes"
	"fmt"
	"strings"
)

// Where the two things lie that keep a machine from being installed twice by
// accident. Both are GRUB environment blocks, so that the boot menu of the
// medium can read them (GRUB manual, "load_env").
const (
	// TicketFile is on the medium, in its root. Its one block is rewritten in place.
	TicketFile = "/ringboot.env"
	// TicketSize is one logical block of the medium (ECMA-119 6.1.2).
	TicketSize = 2048
	// MarkFile is on the EFI system partition of an installed disk.
	MarkFile = "/EFI/ringboot/installed.env"
)

// States of a ticket.
const (
	TicketArmed = "armed"
	TicketSpent = "spent"
)

// Ticket says whether a medium may install by itself, and for whom. A mark is a
// ticket too: a spent one, on the disk instead of the medium.
type Ticket struct {
	State     string // armed | spent
	Node      string // node that the medium installs
	ClusterID string
	Date      string // spent: day, 2006-01-02
	By        string // spent: who burnt it, installer | agent
}

// envSignature begins a GRUB environment block (GRUB, include/grub/lib/envblk.h).
const envSignature = "# GRUB Environment Block\n"

// Names of the variables in the block. The menu of the medium reads them by these names.
const (
	ticketState   = "ringboot_ticket"
	ticketNode    = "ringboot_node"
	ticketCluster = "ringboot_cluster"
	ticketDate    = "ringboot_date"
	ticketBy      = "ringboot_by"
)

// Encode returns the block, TicketSize bytes long.
func (t Ticket) Encode() []byte {
	var b bytes.Buffer
	b.WriteString(envSignature)
	for _, v := range [][2]string{
		{ticketState, t.State}, {ticketNode, t.Node}, {ticketCluster, t.ClusterID}, {ticketDate, t.Date}, {ticketBy, t.By},
	} {
		if v[1] != "" {
			fmt.Fprintf(&b, "%s=%s\n", v[0], v[1])
		}
	}
	// GRUB fills a block with number signs, so that it can grow in place.
	return append(b.Bytes(), bytes.Repeat([]byte("#"), TicketSize-b.Len())...)
}

// ParseTicket reads a block. Anything that Encode could not have written is
// refused, because what is recognised here is going to be overwritten.
func ParseTicket(block []byte) (Ticket, error) {
	var t Ticket
	if len(block) != TicketSize || !bytes.HasPrefix(block, []byte(envSignature)) {
		return t, fmt.Errorf("no ticket: not an environment block of %d bytes", TicketSize)
	}
	body, _, _ := strings.Cut(string(block[len(envSignature):]), "#")
	for line := range strings.Lines(body) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch name {
		case ticketState:
			t.State = value
		case ticketNode:
			t.Node = value
		case ticketCluster:
			t.ClusterID = value
		case ticketDate:
			t.Date = value
		case ticketBy:
			t.By = value
		}
	}
	if t.State != TicketArmed && t.State != TicketSpent {
		return Ticket{}, fmt.Errorf("no ticket: state %q is neither %s nor %s", t.State, TicketArmed, TicketSpent)
	}
	if !bytes.Equal(t.Encode(), block) {
		return Ticket{}, fmt.Errorf("no ticket: the block holds something else besides")
	}
	return t, nil
}

// String is the ticket in a few words.
func (t Ticket) String() string {
	if t.State == TicketArmed {
		return "armed for " + t.Node
	}
	return fmt.Sprintf("spent on %s by the %s of %s", t.Date, t.By, t.Node)
}
