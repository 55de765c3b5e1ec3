package imagebuilder

import (
	"fmt"
	"strings"
	"testing"

	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// Without preflight nothing but the answer names the disks to erase; an image
// that would erase none is not made.
func TestAnImageThatNothingAimsIsRefused(t *testing.T) {
	serial := func(s string) profiles.DiskName { return profiles.DiskName{Serial: s} }
	for _, c := range []struct {
		filesystem   string
		root, mirror profiles.DiskName
		says         string
	}{
		{"ext4", serial("S1"), profiles.DiskName{}, ""},
		{"ext4", profiles.DiskName{}, profiles.DiskName{}, "frege: no disk is named, and nothing looks for it on the machine"},
		{"zfs (raid1)", serial("S1"), serial("S2"), "frege: an answer file can name each property of disks once"},
		{"zfs (raid1)", serial("S1"), profiles.DiskName{ByID: "nvme-eui.2"}, ""},
		{"btrfs (raid1)", profiles.DiskName{Kernel: "sda"}, profiles.DiskName{Kernel: "sdb"}, ""},
		{"btrfs (raid1)", profiles.DiskName{Kernel: "sda"}, serial("S2"), "frege: an answer file can name"},
	} {
		p := profiles.Default()
		p.Install.Filesystem = c.filesystem
		p.Nodes[0].RootDisk, p.Nodes[0].MirrorDisk = c.root, c.mirror
		err := unaimed(p, p.Nodes[0])
		if got := fmt.Sprint(err); c.says == "" && err != nil || c.says != "" && !strings.Contains(got, c.says) {
			t.Errorf("%s of %+v and %+v: %s", c.filesystem, c.root, c.mirror, got)
		}
		if err != nil && fault.Of(err) != fault.Refused {
			t.Errorf("%v is no refusal", err)
		}
	}
}
