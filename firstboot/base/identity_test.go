package base

import (
	"strings"
	"testing"

	"ringboot/firstboot/inventory"
	"ringboot/profiles"
)

// A machine whose system lies on a mirror is known by either disk, because the
// other may have been replaced.
func TestAMachineIsKnownByEitherDiskOfItsMirror(t *testing.T) {
	disk := func(serial string) profiles.DiskName { return profiles.DiskName{Serial: serial} }
	p := &profiles.Profile{Nodes: []profiles.Node{
		{Name: "frege", RootDisk: disk("F1"), MirrorDisk: disk("F2")},
		{Name: "russell", RootDisk: disk("R1"), MirrorDisk: disk("R2")},
	}}
	for _, c := range []struct{ disks, say string }{
		{"F1 F2", ""}, {"F1 NEW", ""}, {"F2 NEW", ""}, {"F2", ""},
		{"R2 NEW", "this is the machine of russell by its root disk"},
		{"NEW1 NEW2", "the plan of frege says F1"},
	} {
		var root []inventory.Disk
		for s := range strings.FieldsSeq(c.disks) {
			root = append(root, inventory.Disk{Serial: s})
		}
		if got := wrongMachine(root, p, p.Nodes[0]); !strings.Contains(got, c.say) || c.say == "" && got != "" {
			t.Errorf("%s: %q, want %q", c.disks, got, c.say)
		}
	}
}
