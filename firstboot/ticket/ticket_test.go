package ticket

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/profiles/medium"
)

// Layout of a medium as far as the tests need it (ECMA-119, as in profiles/medium).
const (
	blockSize      = 2048
	descriptorAt   = 16 * blockSize
	descriptorID   = "\x01CD001\x01"
	rootRecordAt   = 156
	recordExtentAt = 2
	recordLengthAt = 10
	recordFlagsAt  = 25
	flagDirectory  = 1 << 1
)

var frege = Who{Node: "frege", ClusterID: "c0ffee", By: "agent", Now: time.Date(2026, 11, 23, 23, 59, 0, 0, time.UTC)}

// memory is a medium in memory. It can refuse or lose writes, as a worn stick does.
type memory struct {
	bytes   []byte
	refuses error
	loses   bool
}

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(m.bytes)) {
		return 0, errors.New("beyond the end")
	}
	n := copy(p, m.bytes[at:])
	if n < len(p) {
		return n, errors.New("beyond the end")
	}
	return n, nil
}

func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	if m.refuses != nil {
		return 0, m.refuses
	}
	if !m.loses {
		copy(m.bytes[at:], p)
	}
	return len(p), nil
}

func (m *memory) Sync() error { return nil }

// laidOut lays out descriptor, root directory and one file per block behind it.
func laidOut(files ...[]byte) *memory {
	const rootBlock = 18
	image := make([]byte, (rootBlock+1+len(files))*blockSize)
	copy(image[descriptorAt:], descriptorID)
	record := func(at int, block, length uint32, flags byte, name string) int {
		r := image[at:]
		size := 33 + len(name) + (len(name)+1)%2
		r[0], r[recordFlagsAt], r[32] = byte(size), flags, byte(len(name))
		binary.LittleEndian.PutUint32(r[recordExtentAt:], block)
		binary.LittleEndian.PutUint32(r[recordLengthAt:], length)
		copy(r[33:], name)
		return at + size
	}
	record(descriptorAt+rootRecordAt, rootBlock, blockSize, flagDirectory, "\x00")
	at := record(rootBlock*blockSize, rootBlock, blockSize, flagDirectory, "\x00")
	for i, f := range files {
		at = record(at, uint32(rootBlock+1+i), uint32(len(f)), 0, "FILE"+string(rune('A'+i))+";1")
		copy(image[(rootBlock+1+i)*blockSize:], f)
	}
	return &memory{bytes: image}
}

func armed(node, cluster string) []byte {
	return medium.Ticket{State: medium.TicketArmed, Node: node, ClusterID: cluster}.Encode()
}

func TestBurnChangesOneBlockAndNoMore(t *testing.T) {
	m := laidOut([]byte("something"), armed("frege", "c0ffee"), make([]byte, blockSize))
	before := append([]byte{}, m.bytes...)
	got, err := Burn(m, frege)
	if err != nil {
		t.Fatal(err)
	}
	want := medium.Ticket{State: "spent", Node: "frege", ClusterID: "c0ffee", Date: "2026-11-23", By: "agent"}
	if got != want {
		t.Errorf("ticket is %+v, want %+v", got, want)
	}
	const place = 20 * blockSize
	for i := range before {
		if before[i] != m.bytes[i] && (i < place || i >= place+blockSize) {
			t.Fatalf("byte %d changed, outside the ticket's block", i)
		}
	}
	again, err := Burn(m, Who{Node: "frege", ClusterID: "c0ffee", By: "installer", Now: frege.Now.AddDate(1, 0, 0)})
	if err != nil || again != want {
		t.Errorf("burning a spent ticket gave %+v, %v; it must stay as it is", again, err)
	}
}

func TestBurnLeavesAloneWhatIsNotOurs(t *testing.T) {
	tests := []struct {
		name string
		m    *memory
		want string
	}{
		{"another node", laidOut(armed("russell", "c0ffee")), "the ticket belongs to node russell of cluster c0ffee: left alone"},
		{"another cluster", laidOut(armed("frege", "decaf")), "the ticket belongs to node frege of cluster decaf: left alone"},
		{"a stock medium", laidOut([]byte("x")), ErrNone.Error()},
		{"a blank disk", &memory{bytes: make([]byte, 1<<16)}, ErrNone.Error()},
		{"a tiny disk", &memory{bytes: make([]byte, 512)}, ErrNone.Error()},
	}
	for _, test := range tests {
		before := string(test.m.bytes)
		if _, err := Burn(test.m, frege); err == nil || err.Error() != test.want {
			t.Errorf("%s: error %v, want %s", test.name, err, test.want)
		}
		if string(test.m.bytes) != before {
			t.Errorf("%s: the medium was changed", test.name)
		}
	}
}

// TestBurnFindsItsOwnAmongTheTicketsOfAll is a medium for all nodes.
func TestBurnFindsItsOwnAmongTheTicketsOfAll(t *testing.T) {
	m := laidOut(armed("russell", "c0ffee"), armed("frege", "decaf"), armed("frege", "c0ffee"))
	if got, err := Burn(m, frege); err != nil || got.Node != "frege" || got.State != "spent" {
		t.Errorf("%+v, %v", got, err)
	}
	other := Who{Node: "russell", ClusterID: "c0ffee", By: "installer", Now: frege.Now}
	if found, err := Find(m, other); err != nil || found.Ticket.State != "armed" || found.Ticket.Node != "russell" {
		t.Errorf("the ticket of another node is %+v, %v", found, err)
	}
}

func TestBurnDoesNotBelieveTheMedium(t *testing.T) {
	m := laidOut(armed("frege", "c0ffee"))
	m.loses = true
	if _, err := Burn(m, frege); err == nil || !strings.Contains(err.Error(), "took the write but still reads as armed") {
		t.Errorf("a medium that loses writes: %v", err)
	}
	m.refuses = errors.New("read-only")
	if _, err := Burn(m, frege); err == nil || err.Error() != "burn ticket: read-only" {
		t.Errorf("a medium that refuses writes: %v", err)
	}
}

func TestFindSurvivesDamagedDirectories(t *testing.T) {
	for name, damage := range map[string]func([]byte){
		"record too short": func(b []byte) { b[18*blockSize] = 3 },
		"no root":          func(b []byte) { clear(b[descriptorAt+rootRecordAt : descriptorAt+rootRecordAt+34]) },
		"huge root": func(b []byte) {
			binary.LittleEndian.PutUint32(b[descriptorAt+rootRecordAt+recordLengthAt:], 1<<31)
		},
		"root beyond the end": func(b []byte) {
			binary.LittleEndian.PutUint32(b[descriptorAt+rootRecordAt+recordExtentAt:], 1<<31)
		},
	} {
		m := laidOut(armed("frege", "c0ffee"))
		damage(m.bytes)
		if got, err := Find(m, frege); !errors.Is(err, ErrNone) {
			t.Errorf("%s: found %+v, %v", name, got, err)
		}
	}
}

func TestMarkKeepsTheDayOfTheInstallation(t *testing.T) {
	dir := t.TempDir()
	if err := writeMark(dir, frege); err != nil {
		t.Fatal(err)
	}
	later := frege
	later.Now = later.Now.AddDate(0, 3, 0)
	if err := writeMark(dir, later); err != nil {
		t.Fatal(err)
	}
	read := func() medium.Ticket {
		text, err := os.ReadFile(filepath.Join(dir, medium.MarkFile))
		if err != nil {
			t.Fatal(err)
		}
		mark, err := medium.ParseTicket(text)
		if err != nil {
			t.Fatal(err)
		}
		return mark
	}
	if got := read().Date; got != "2026-11-23" {
		t.Errorf("mark is of %s, want the first day", got)
	}
	later.Node = "russell"
	if err := writeMark(dir, later); err != nil {
		t.Fatal(err)
	}
	if got := read(); got.Node != "russell" || got.Date != "2027-02-23" {
		t.Errorf("mark of a machine that became russell: %+v", got)
	}
}
