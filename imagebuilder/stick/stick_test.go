package stick

import (
	"errors"
	"testing"
)

func TestRefuse(t *testing.T) {
	stick := Device{Path: "/dev/sdb", Size: 16e9, Removable: true}
	tests := []struct {
		name   string
		change func(*Device)
		twice  bool
		want   string
	}{
		{"a stick", func(d *Device) {}, false, ""},
		{"the system", func(d *Device) { d.System, d.Mounted = true, []string{"/"} }, true, "refused: /dev/sdb carries the system of this computer"},
		{"mounted", func(d *Device) { d.Mounted = []string{"/media/a", "/media/b"} }, true, "refused: /dev/sdb is mounted on /media/a, /media/b: unmount it first"},
		{"a part of LVM", func(d *Device) { d.InUse = []string{"pve-root"} }, true, "refused: /dev/sdb is in use by pve-root"},
		{"write-protected", func(d *Device) { d.ReadOnly = true }, false, "refused: /dev/sdb is read-only: look for a switch on the stick"},
		{"an empty reader", func(d *Device) { d.Size = 0 }, false, "refused: /dev/sdb has no medium in it"},
		{"too small", func(d *Device) { d.Size = 1e9 }, false, "refused: /dev/sdb holds 1.0 GB, the image needs 1.7 GB"},
		{"built in", func(d *Device) { d.Removable = false }, false, "refused: /dev/sdb is built in and not removable: if it is meant, name it twice (--confirm=/dev/sdb --confirm=/dev/sdb)"},
		{"built in and named twice", func(d *Device) { d.Removable = false }, true, ""},
	}
	for _, test := range tests {
		d := stick
		test.change(&d)
		got := ""
		if err := d.Refuse(1707278336, test.twice); err != nil {
			got = err.Error()
			if !errors.Is(err, ErrRefused) {
				t.Errorf("%s: %v is not a refusal", test.name, err)
			}
		}
		if got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	d := Device{Path: "/dev/sdb", Size: 15514730496, Model: "Ultra Fit", Serial: "4C53", Bus: "usb"}
	if got, want := d.Describe(), "/dev/sdb 16 GB Ultra Fit serial 4C53 (usb)"; got != want {
		t.Errorf("Describe = %q, want %q", got, want)
	}
}
