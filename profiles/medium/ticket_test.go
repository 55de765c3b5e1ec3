package medium

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ringboot/rehearsal/need"
)

func TestTicketSurvivesItsBlock(t *testing.T) {
	for _, want := range []Ticket{
		{State: TicketArmed, Node: "frege", ClusterID: "0123456789abcdef"},
		{State: TicketSpent, Node: "frege", ClusterID: "0123456789abcdef", Date: "2026-11-23", By: "installer"},
	} {
		block := want.Encode()
		if len(block) != TicketSize {
			t.Fatalf("block of %d bytes, want %d", len(block), TicketSize)
		}
		got, err := ParseTicket(block)
		if err != nil || got != want {
			t.Errorf("ParseTicket = %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestOnlyATicketIsATicket(t *testing.T) {
	armed := Ticket{State: TicketArmed, Node: "frege"}.Encode()
	tests := map[string][]byte{
		"empty":                nil,
		"zeros":                make([]byte, TicketSize),
		"short":                armed[:1024],
		"another environment":  append([]byte(envSignature+"saved_entry=0\n"), bytes.Repeat([]byte("#"), TicketSize-len(envSignature)-14)...),
		"unknown state":        Ticket{State: "maybe", Node: "frege"}.Encode(),
		"something behind it":  append(append([]byte{}, armed[:TicketSize-1]...), 'x'),
		"something in between": bytes.Replace(armed, []byte("ringboot_node=frege\n#"), []byte("ringboot_node=frege\nx"), 1),
	}
	for name, block := range tests {
		if got, err := ParseTicket(block); err == nil {
			t.Errorf("%s: taken for %+v", name, got)
		}
	}
}

func TestGrubReadsTheTicket(t *testing.T) {
	need.Tools(t, "grub-editenv:grub-common")
	path := filepath.Join(t.TempDir(), "ticket")
	spent := Ticket{State: TicketSpent, Node: "frege", ClusterID: "c0ffee", Date: "2026-11-23", By: "agent"}
	if err := os.WriteFile(path, spent.Encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("grub-editenv", path, "list").CombinedOutput()
	if err != nil {
		t.Fatalf("grub-editenv: %v\n%s", err, out)
	}
	want := "ringboot_ticket=spent\nringboot_node=frege\nringboot_cluster=c0ffee\nringboot_date=2026-11-23\nringboot_by=agent\n"
	if string(out) != want {
		t.Errorf("grub-editenv list:\n%swant:\n%s", out, want)
	}
}

func FuzzParseTicket(f *testing.F) {
	f.Add(Ticket{State: TicketArmed, Node: "frege", ClusterID: "c0ffee"}.Encode())
	f.Fuzz(func(t *testing.T, block []byte) {
		if got, err := ParseTicket(block); err == nil && len(got.Encode()) != TicketSize {
			t.Errorf("taken, and it does not fit its block: %+v", got)
		}
	})
}
