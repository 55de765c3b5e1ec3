package profiles

import (
	"reflect"
	"strings"
	"testing"
)

// mayBeEmpty are the columns of the table of transports of which an empty value
// says something; any other that is empty was forgotten.
var mayBeEmpty = map[string]string{
	"Driver":         "any driver",
	"Interrupts":     "not told apart",
	"Spare":          "no more than it needs",
	"Limits.OneLane": "there are no lanes",
}

// forgotten lists the columns of a row that nobody filled in. A list that is
// empty but there says "none".
func forgotten(v reflect.Value, path string) []string {
	var out []string
	for i := range v.NumField() {
		name, f := path+v.Type().Field(i).Name, v.Field(i)
		switch {
		case mayBeEmpty[name] != "":
		case f.Kind() == reflect.Struct:
			out = append(out, forgotten(f, name+".")...)
		case f.IsZero():
			out = append(out, name)
		}
	}
	return out
}

func TestEveryTransportSaysEverything(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range Transports() {
		for _, column := range forgotten(reflect.ValueOf(row), "") {
			t.Errorf("the row of transport %q lacks the column %s", row.Name, column)
		}
		if seen[row.Name] {
			t.Errorf("transport %q has two rows", row.Name)
		}
		seen[row.Name] = true
		if r, ok := TransportOf(row.Rehearsed); !ok || r.Rehearsed != r.Name {
			t.Errorf("transport %q is rehearsed as %q, which is none that machines without hardware have", row.Name, row.Rehearsed)
		}
		if row.MTU > row.MaxMTU || row.MinNodes > row.MaxNodes || row.Limits.Fail >= row.Limits.Accept {
			t.Errorf("the row of transport %q contradicts itself: %+v", row.Name, row)
		}
	}
	if got := forgotten(reflect.ValueOf(Transport{Name: "usb5"}), ""); len(got) < 10 || !strings.Contains(strings.Join(got, " "), "Limits.Accept") {
		t.Errorf("of an empty row only %v are missed", got)
	}
}
