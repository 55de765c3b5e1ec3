package imagebuilder_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/inspect"
	"ringboot/imagebuilder/iso9660"
	"ringboot/profiles/medium"
	"ringboot/rehearsal/base"
)

// onDisk writes an image into a file that takes writes.
func onDisk(t *testing.T, image *imagebuilder.Image) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stick"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := image.Stream(t.Context(), f, nil); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestTheTableLeadsToThePlaces reads a medium as preflight does: by the table
// that lies on it, without a file system.
func TestTheTableLeadsToThePlaces(t *testing.T) {
	r := request(t, openBase(t, skeleton(t, base.SkeletonOptions{})), "frege", t.TempDir())
	image := build(t, r)
	f := onDisk(t, image)
	table, err := medium.FindTable(f)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := table.Answer.Read(f)
	if err != nil || !strings.Contains(string(answer), "fqdn = 'frege.home.arpa'") || !strings.HasSuffix(string(answer), "\n\n") {
		t.Errorf("the place of the answer holds %q, %v", answer, err)
	}
	ticket, err := table.Ticket["frege"].Read(f)
	if err != nil || !strings.HasPrefix(string(ticket), "# GRUB Environment Block\nringboot_ticket=armed\nringboot_node=frege\n") {
		t.Errorf("the place of the ticket holds %q, %v", ticket, err)
	}
	if err := table.Append(f, medium.Entry{What: medium.Seen, Machine: medium.Identity{Serial: "MH64"}}); err != nil {
		t.Fatal(err)
	}
	if log, err := table.ReadLog(f); err != nil || len(log) != 1 || log[0].Machine.Serial != "MH64" {
		t.Errorf("the log is %+v, %v", log, err)
	}
	// What is written in the places leaves the image sound, and the stock ISO under it.
	result, err := inspect.Verify(t.Context(), f, image.Size(), inspect.Options{})
	if err != nil || !result.Sound() || !result.StockProven {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestAMediumForAllNodes has everybody's answer and seed in the store, and none
// where the installer looks.
func TestAMediumForAllNodes(t *testing.T) {
	r := request(t, openBase(t, skeleton(t, base.SkeletonOptions{})), "", t.TempDir())
	image := build(t, r)
	f := onDisk(t, image)
	table, err := medium.FindTable(f)
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Store) != 3 || len(table.Ticket) != 3 {
		t.Fatalf("%+v", table)
	}
	if got, err := table.Answer.Read(f); err != nil || strings.TrimRight(string(got), "\n")+"\n" != medium.NoAnswer {
		t.Errorf("the installer would read %q, %v", got, err)
	}
	if wiped, err := table.Seed.Wiped(f); err != nil || !wiped {
		t.Errorf("the place of the seed is not empty: %v", err)
	}
	for node, pair := range table.Store {
		answer, err := pair.Answer.Read(f)
		if err != nil || !strings.Contains(string(answer), "fqdn = '"+node+".home.arpa'") {
			t.Errorf("%s: the answer in the store is %q, %v", node, answer, err)
		}
		seed, err := pair.Seed.Read(f)
		if err != nil || !bytes.HasPrefix(seed, []byte("!<arch>\n")) || int64(len(seed)) != table.Seed.Len {
			t.Errorf("%s: the seed in the store is no package: %v", node, err)
		}
		ticket, err := table.Ticket[node].Read(f)
		if err != nil || !strings.Contains(string(ticket), "ringboot_node="+node+"\n") {
			t.Errorf("%s: the ticket is %q, %v", node, ticket, err)
		}
	}
	files := read(t, image)
	if menu := files[imagebuilder.MenuPath]; !strings.Contains(menu, "/ringboot-russell.env") || !strings.Contains(menu, "next: ${ringboot_next}") {
		t.Errorf("the menu does not say who is next:\n%s", menu)
	}
	if image.Manifest.Node != imagebuilder.AllNodes {
		t.Errorf("the manifest says node %q", image.Manifest.Node)
	}
	result, err := inspect.Verify(t.Context(), f, image.Size(), inspect.Options{})
	if err != nil || !result.Sound() || !result.StockProven {
		t.Errorf("%+v, %v", result, err)
	}
	stock, ok, err := iso9660.Original(f, image.Size())
	if err != nil || !ok {
		t.Fatal(err)
	}
	before, err := io.ReadAll(io.NewSectionReader(stock, 0, stock.Size()))
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if hashOf(t, bytes.NewReader(before)) != r.Base.SHA256 {
		t.Error("reset does not give the stock ISO back")
	}
	r.Preflight = nil
	if _, err := imagebuilder.Build(r); err == nil || !strings.Contains(err.Error(), "make it with preflight, or one image for each node") {
		t.Errorf("without preflight: %v", err)
	}
}

// TestAMediumThatOnlyLooks has nothing that could be installed, and no secret.
func TestAMediumThatOnlyLooks(t *testing.T) {
	r := request(t, openBase(t, skeleton(t, base.SkeletonOptions{})), "", t.TempDir())
	r.Probe, r.Agent, r.Keyring = true, nil, nil
	image := build(t, r)
	for _, f := range image.Manifest.Files {
		if f.Secret || strings.Contains(f.Path, "ringboot-seed") {
			t.Errorf("%s is on it", f.Path)
		}
	}
	f := onDisk(t, image)
	table, err := medium.FindTable(f)
	if err != nil || len(table.Ticket) != 0 || table.Log.Len != medium.LogSize {
		t.Errorf("%+v, %v", table, err)
	}
	if menu := read(t, image)[imagebuilder.MenuPath]; !strings.Contains(menu, `set ringboot_install="Look at this machine, erase nothing"`) || strings.Contains(menu, "load_env -f \"(${root})") {
		t.Errorf("the menu is\n%s", menu)
	}
	if result, err := inspect.Verify(t.Context(), f, image.Size(), inspect.Options{}); err != nil || !result.Sound() {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestTheHistoryOfAStick is read from what preflight and the installer leave.
func TestTheHistoryOfAStick(t *testing.T) {
	f := onDisk(t, build(t, request(t, openBase(t, skeleton(t, base.SkeletonOptions{})), "", t.TempDir())))
	table, err := medium.FindTable(f)
	if err != nil {
		t.Fatal(err)
	}
	ms01 := medium.Identity{Vendor: "Micro Computer", Product: "Venus", Serial: "MH64"}
	for _, e := range []medium.Entry{
		{What: medium.Seen, Machine: ms01},
		{What: medium.Began, At: "2026-11-26T20:00:00Z", Node: "frege", Machine: ms01, Disk: &medium.DiskLabel{Model: "Samsung SSD 980", Serial: "S1"}},
		{What: medium.Began, At: "2026-11-26T20:30:00Z", Node: "russell", Machine: medium.Identity{Serial: "MH65"}, Disk: &medium.DiskLabel{Model: "Kingston"}},
	} {
		if err := table.Append(f, e); err != nil {
			t.Fatal(err)
		}
	}
	spent := medium.Ticket{State: medium.TicketSpent, Node: "frege", ClusterID: "c0ffee", Date: "2026-11-26", By: "installer"}
	if err := table.Ticket["frege"].Fill(f, spent.Encode()); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	inspect.HistoryOf(f).Show(&out)
	want := `history:  frege: installed 2026-11-26, on Micro Computer Venus, serial MH64: Samsung SSD 980, serial S1
history:  russell: begun 2026-11-26T20:30:00Z, not finished, on serial MH65: Kingston, serial none
history:  wittgenstein: not installed
seen:     Micro Computer Venus, serial MH64
seen:     serial MH65
`
	if out.String() != want {
		t.Errorf("got\n%s", &out)
	}
}
