package stick

import (
	"errors"
	"strings"
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
		{"one with files", func(d *Device) { d.Content = []string{`vfat "BACKUP" (sdb1)`} }, false, `refused: /dev/sdb carries vfat "BACKUP" (sdb1): if that may be erased, name it twice (--confirm=/dev/sdb --confirm=/dev/sdb)`},
		{"one with files, named twice", func(d *Device) { d.Content = []string{`vfat "BACKUP" (sdb1)`} }, true, ""},
		{"a large disk", func(d *Device) { d.Size = 2e12 }, false, "refused: /dev/sdb carries 2.0 TB of room, more than a stick: if that may be erased, name it twice (--confirm=/dev/sdb --confirm=/dev/sdb)"},
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

// What differs is named, and what nobody knows differs in nothing.
func TestSame(t *testing.T) {
	d := Device{Path: "/dev/sdb", Size: 16e9, Model: "Ultra Fit", Serial: "4C53", Sequence: "9"}
	for name, c := range map[string]struct {
		change func(*Device)
		want   string
	}{
		"the same":        {func(*Device) {}, ""},
		"what lies on it": {func(d *Device) { d.Content = []string{"vfat"} }, ""},
		"another number":  {func(d *Device) { d.Sequence = "10" }, `its number of its plugging in was "9" and is "10"`},
		"another size":    {func(d *Device) { d.Size = 32e9 }, `its size was "16 GB" and is "32 GB"`},
		"a little more":   {func(d *Device) { d.Size += 512 }, "16000000000 bytes, and now 16000000512"},
		"another serial":  {func(d *Device) { d.Serial = "" }, `its serial number was "4C53" and is ""`},
		"another model":   {func(d *Device) { d.Model = "SSD" }, `its model was "Ultra Fit" and is "SSD"`},
	} {
		now := d
		c.change(&now)
		err := d.Same(now)
		if (err == nil) != (c.want == "") || err != nil && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
