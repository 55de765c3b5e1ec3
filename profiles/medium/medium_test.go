package medium

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// memory is a device that loses nothing.
type memory []byte

func (m memory) ReadAt(b []byte, at int64) (int, error) {
	if at+int64(len(b)) > int64(len(m)) {
		return 0, errors.New("beyond the end")
	}
	return copy(b, m[at:]), nil
}

func (m memory) WriteAt(b []byte, at int64) (int, error) { return copy(m[at:], b), nil }

func (m memory) Sync() error { return nil }

func TestTheLogKeepsWhatMatters(t *testing.T) {
	d := make(memory, LogSize)
	table := Table{Log: Place{0, LogSize}}
	add := func(what, node string) {
		t.Helper()
		if err := table.Append(d, Entry{What: what, Node: node, Machine: Identity{Serial: node}, Inventory: []byte(`{"version":1}`)}); err != nil {
			t.Fatal(err)
		}
	}
	add(Began, "frege")
	for i := range 3 * slots {
		add(Seen, fmt.Sprint(i))
	}
	log, err := table.ReadLog(d)
	if err != nil || len(log) != slots {
		t.Fatalf("%d entries, %v", len(log), err)
	}
	if log[0].What != Began || log[0].Node != "frege" || log[len(log)-1].Node != fmt.Sprint(3*slots-1) {
		t.Errorf("the first is %+v, the last %+v: what was begun is kept, and the newest", log[0], log[len(log)-1])
	}
	for i := range log[1:] {
		if log[i].Number >= log[i+1].Number {
			t.Fatal("the log is not in the order of time")
		}
	}
	// A slot that is torn is none, and the next entry takes its place.
	d[slotSize+slotContent] ^= 1
	if log, _ := table.ReadLog(d); len(log) != slots-1 {
		t.Errorf("%d entries with one torn", len(log))
	}
	add(Seen, "next")
	if log, _ := table.ReadLog(d); len(log) != slots || log[len(log)-1].Node != "next" {
		t.Errorf("%d entries, the last %+v", len(log), log[len(log)-1])
	}
}

func TestAnInventoryThatIsTooLargeIsLeftOut(t *testing.T) {
	d := make(memory, LogSize)
	table := Table{Log: Place{0, LogSize}}
	var large bytes.Buffer
	for i := range 20000 {
		fmt.Fprintf(&large, "%x ", i*i*i*7919)
	}
	if err := table.Append(d, Entry{What: Seen, Machine: Identity{Serial: "MH64"}, Inventory: fmt.Appendf(nil, "%q", large.String())}); err != nil {
		t.Fatal(err)
	}
	if log, err := table.ReadLog(d); err != nil || len(log) != 1 || log[0].Inventory != nil || log[0].Machine.Serial != "MH64" {
		t.Errorf("%+v, %v", log, err)
	}
}

func TestPlansAreReadStrictly(t *testing.T) {
	p := Plan{Version: PlanVersion, Kind: KindOne, Node: "frege", Nodes: []Target{{Name: "frege"}}}
	text, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParsePlan(text); err != nil || got.Node != "frege" {
		t.Errorf("%+v, %v", got, err)
	}
	for what, bad := range map[string]string{
		"version 2 instead of 1":       strings.Replace(string(text), `"version":1`, `"version":2`, 1),
		`node "plato" is not in it`:    strings.Replace(string(text), `"node":"frege"`, `"node":"plato"`, 1),
		`kind "none" is not known`:     strings.Replace(string(text), `"one"`, `"none"`, 1),
		`unknown field "cluster_name"`: strings.Replace(string(text), `"cluster"`, `"cluster_name"`, 1),
	} {
		if _, err := ParsePlan([]byte(bad)); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want %q in it", err, what)
		}
	}
}

func TestMachinesWithoutANumberAreNeverTheSame(t *testing.T) {
	if (Identity{Vendor: "V", Product: "P"}).Same(Identity{Vendor: "V", Product: "P"}) {
		t.Error("two machines of one kind are taken for one")
	}
	if !(Identity{Serial: "1", MAC: "a"}).Same(Identity{Vendor: "V", Serial: "1", MAC: "a"}) {
		t.Error("one machine is taken for two")
	}
}

func FuzzFindTable(f *testing.F) {
	f.Add([]byte(tableMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		image := make(memory, 64<<10)
		copy(image[descriptorAt:], descriptorID)
		copy(image[descriptorAt+rootRecordAt:], data)
		if _, err := FindTable(image); err == nil {
			t.Error("a table was found in noise")
		}
	})
}

func FuzzParsePlan(f *testing.F) {
	f.Add([]byte(`{"version":1,"kind":"probe"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := ParsePlan(text); err == nil && p.Version != PlanVersion {
			t.Errorf("taken with version %d", p.Version)
		}
	})
}
