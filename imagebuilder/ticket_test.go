package imagebuilder_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ringboot/firstboot/ticket"
	"ringboot/imagebuilder/inspect"
	"ringboot/imagebuilder/iso9660"
	"ringboot/profiles"
	"ringboot/profiles/medium"
	"ringboot/rehearsal/base"
)

// TestTheAgentBurnsTheTicketOfTheImage holds the two ends together: what the
// builder puts on the medium is what the agent finds and burns, and nothing
// else changes by it.
func TestTheAgentBurnsTheTicketOfTheImage(t *testing.T) {
	r := request(t, openBase(t, skeleton(t, base.SkeletonOptions{Joliet: true})), "frege", t.TempDir())
	image := build(t, r)
	path := filepath.Join(t.TempDir(), "stick")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := image.Stream(t.Context(), f, nil); err != nil {
		t.Fatal(err)
	}
	// A stick is longer than the image on it.
	if err := f.Truncate(image.Size() + 8<<20); err != nil {
		t.Fatal(err)
	}
	id := profiles.ClusterID(r.Keyring.CADER)
	other := ticket.Who{Node: "russell", ClusterID: id, By: "agent", Now: time.Now()}
	if _, err := ticket.Burn(f, other); err == nil {
		t.Error("russell's agent burnt frege's ticket")
	}
	who := ticket.Who{Node: "frege", ClusterID: id, By: "installer", Now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	got, err := ticket.Burn(f, who)
	if err != nil || got.State != medium.TicketSpent {
		t.Fatalf("ticket: %+v, %v", got, err)
	}
	result, err := inspect.Verify(t.Context(), f, image.Size()+8<<20, inspect.Options{})
	if err != nil || !result.Sound() || !result.StockProven {
		t.Errorf("after the ticket was burnt the image is no longer what its manifest says: %v, %v", result.Problems, err)
	}
	img, err := iso9660.Open(f, image.Size()+8<<20)
	if err != nil {
		t.Fatal(err)
	}
	block, err := img.ReadFile(medium.TicketFile, medium.TicketSize)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := medium.ParseTicket(block); err != nil || read.String() != "spent on 2026-11-23 by the installer of frege" {
		t.Errorf("the ticket reads %q, %v", read, err)
	}
	// Once the node is bound, nothing that is secret lies on the stick any more.
	secrets := func() (left []string) {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"root-password", "fqdn = 'frege"} {
			if bytes.Contains(whole, []byte(s)) {
				left = append(left, s)
			}
		}
		return left
	}
	before := secrets()
	if done, err := ticket.Forget(f, who); err != nil || !done {
		t.Errorf("the stick does not forget its node: %v %v", done, err)
	}
	table, err := medium.FindTable(f)
	if err != nil {
		t.Fatal(err)
	}
	if gone, err := table.Seed.Wiped(f); err != nil || !gone || table.Seed.Len < 1000 {
		t.Errorf("the seed of %d bytes is still there: %v", table.Seed.Len, err)
	}
	if after := secrets(); len(before) != 2 || len(after) != 0 {
		t.Errorf("before there was %q, and afterwards %q", before, after)
	}
}
