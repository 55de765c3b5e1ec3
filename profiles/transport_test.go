package profiles

import (
	"reflect"
	"slices"
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
		if !slices.Contains([]Shape{ShapeRing, ShapeMesh, ShapeSwitch, ShapeNone}, row.Shape) {
			t.Errorf("transport %q has the shape %q: teach it to firstboot/ring/layout, firstboot/status/draw and rehearsal/adapt.go, and name it here", row.Name, row.Shape)
		}
		if row.Shape == ShapeRing && (row.MinNodes != 3 || row.MaxNodes != 3 || row.Ports != 2) {
			t.Errorf("transport %q is a ring of %d to %d nodes: firstboot/ring/layout knows one of three, in which the third node is the way round of each cable", row.Name, row.MinNodes, row.MaxNodes)
		}
		if !slices.Contains([]Address{AddressBurnt, AddressDriver}, row.Address) || !slices.Contains([]Controllers{ControllersNone, ControllersUSB4}, row.Controllers) {
			t.Errorf("transport %q has addresses %q and controllers %q: teach them to firstboot/ring/layout/floor.go and firstboot/ring/usb4, and name them here", row.Name, row.Address, row.Controllers)
		}
		if usb4 := []string{"thunderbolt", "thunderbolt_net"}; (row.Controllers == ControllersUSB4) != slices.Equal(row.Modules, usb4) {
			t.Errorf("transport %q has controllers %q and the modules %v: of %q, firstboot/ring/usb4, ring/verdict.go and ring/layout/floor.go speak of %v; give others a kind of their own", row.Name, row.Controllers, row.Modules, ControllersUSB4, usb4)
		}
		if most := keyTable()["ring.mtu"].Max; row.MaxMTU > most {
			t.Errorf("transport %q carries an MTU of %d, and key.go lets ring.mtu be %d at most", row.Name, row.MaxMTU, most)
		}
		if row.MTU > row.MaxMTU || row.MinNodes > row.MaxNodes || row.Limits.Fail >= row.Limits.Accept {
			t.Errorf("the row of transport %q contradicts itself: %+v", row.Name, row)
		}
	}
	if got := forgotten(reflect.ValueOf(Transport{Name: "usb5"}), ""); len(got) < 10 || !strings.Contains(strings.Join(got, " "), "Limits.Accept") {
		t.Errorf("of an empty row only %v are missed", got)
	}
}
