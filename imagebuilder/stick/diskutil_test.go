package stick

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func recorded(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDisksOfAMac(t *testing.T) {
	disks, mounted, err := parseDiskutilList(recorded(t, "diskutil-list.plist"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"disk0", "disk3", "disk4"}, disks); diff != "" {
		t.Error(diff)
	}
	want := map[string]Device{
		"disk0": {Path: "/dev/disk0", Size: 500277790720, Model: "APPLE SSD AP0512Z", Bus: "apple fabric", System: true, Mounted: []string{"/", "/System/Volumes/Data"}},
		"disk3": {Path: "/dev/disk3", Size: 494384795648, Model: "AppleAPFSMedia", Bus: "apple fabric", System: true, Mounted: []string{"/", "/System/Volumes/Data"}, InUse: []string{"a container or disk image of macOS"}},
		"disk4": {Path: "/dev/disk4", Size: 15514730496, Model: "Ultra Fit", Bus: "usb", Removable: true},
	}
	for _, name := range disks {
		got, err := parseDiskutilInfo(recorded(t, "diskutil-info-"+name+".plist"), mounted[name])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[name], got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDiskutilThatSaysNothing(t *testing.T) {
	for _, text := range []string{"", "<plist><dict></dict></plist>", "garbage"} {
		if d, err := parseDiskutilInfo([]byte(text), nil); err == nil {
			t.Errorf("%q is taken for %+v", text, d)
		}
	}
}
