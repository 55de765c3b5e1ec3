package inspect

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"ringboot/profiles/medium"
)

// NodeHistory is what a medium knows of one node.
type NodeHistory struct {
	Node      string            `json:"node"`
	State     string            `json:"state"`               // armed | spent | unreadable
	Installed string            `json:"installed,omitempty"` // day
	Begun     string            `json:"begun,omitempty"`     // by the machine's clock
	Machine   *medium.Identity  `json:"machine,omitempty"`
	Disk      *medium.DiskLabel `json:"disk,omitempty"`
}

// History is what a medium remembers.
type History struct {
	Nodes    []NodeHistory     `json:"nodes"`
	Machines []medium.Identity `json:"machines"` // all that it was started on, in that order
}

// HistoryOf reads what lies in the places of a medium; nil if it has none.
func HistoryOf(r io.ReaderAt) *History {
	t, err := medium.FindTable(r)
	if err != nil {
		return nil
	}
	log, err := t.ReadLog(r)
	if err != nil {
		return nil
	}
	h := &History{Nodes: []NodeHistory{}, Machines: []medium.Identity{}}
	for _, node := range slices.Sorted(maps.Keys(t.Ticket)) {
		one := NodeHistory{Node: node, State: "unreadable"}
		if block, err := t.Ticket[node].Read(r); err == nil {
			if ticket, err := medium.ParseTicket(block); err == nil {
				one.State, one.Installed = ticket.State, ticket.Date
			}
		}
		for _, e := range log { // the last one counts
			if e.What == medium.Began && e.Node == node {
				one.Begun, one.Machine, one.Disk = e.At, &e.Machine, e.Disk
			}
		}
		h.Nodes = append(h.Nodes, one)
	}
	for _, e := range log {
		if !slices.ContainsFunc(h.Machines, e.Machine.Same) {
			h.Machines = append(h.Machines, e.Machine)
		}
	}
	return h
}

// Show writes the history for people.
func (h *History) Show(w io.Writer) {
	for _, n := range h.Nodes {
		text := "not installed"
		switch {
		case n.State == medium.TicketSpent:
			text = "installed " + n.Installed
		case n.State != medium.TicketArmed:
			text = "its ticket cannot be read, so nothing is installed by itself"
		case n.Begun != "":
			text = "begun " + n.Begun + ", not finished"
		}
		if n.Machine != nil && n.Disk != nil {
			text += fmt.Sprintf(", on %s: %s, serial %s", n.Machine, n.Disk.Model, cmp.Or(n.Disk.Serial, "none"))
		}
		fmt.Fprintf(w, "%-9s %s: %s\n", "history:", n.Node, text)
	}
	for _, m := range h.Machines {
		fmt.Fprintf(w, "%-9s %s\n", "seen:", m)
	}
}
