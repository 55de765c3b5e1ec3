package storage

import (
	"fmt"
	"strings"
	"testing"

	"ringboot/firstboot/pve"
)

// table is what sgdisk -p prints of a disk of 200 GiB that the installer has
// divided with hdsize = 80, and what stands behind.
func table(more string) string {
	return `Disk /dev/nvme0n1: 419430400 sectors, 200.0 GiB
Model: Samsung SSD 980 500GB
Sector size (logical/physical): 512/512 bytes
Disk identifier (GUID): F4026580-FE24-46A9-B63C-C94AFD07147B
Partition table holds up to 128 entries
Main partition table begins at sector 2 and ends at sector 33
First usable sector is 34, last usable sector is 419430366
Partitions will be aligned on 2-sector boundaries
Total free space is 251658206 sectors (120.0 GiB)

Number  Start (sector)    End (sector)  Size       Code  Name
   1              34            2047   1007.0 KiB  EF02  
   2            2048         1050623   512.0 MiB   EF00  
   3         1050624       167772160   79.5 GiB    8E00  
` + more
}

func TestParseRest(t *testing.T) {
	whole := pve.ListedDisk{Device: "/dev/nvme0n1", Serial: "S1", Bytes: 419430400 * 512}
	const row = "   4       167774208       419430366   120.0 GiB   8300  "
	const bytes = (419430366 - 167774208 + 1) * 512
	for name, c := range map[string]struct {
		more string
		want rest
	}{
		"free":        {"", rest{disk: whole, bytes: (419430366 - 167772160) * 512}},
		"begun":       {row + "ringboot-osd-new\n", rest{disk: whole, part: "/dev/nvme0n1p4", begun: true, bytes: bytes}},
		"made":        {row + "ringboot-osd\n", rest{disk: whole, part: "/dev/nvme0n1p4", bytes: bytes}},
		"its owner's": {row + "ringboot-osd of mine\n", rest{disk: whole}},
		"no name":     {row + "\n", rest{disk: whole}},
	} {
		got, err := parseRest(table(c.more), whole)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
	for _, bad := range []string{"", strings.Replace(table(""), "512", "0", 1), "Creating new GPT entries in memory.\n", table("   4       167774208      4194303660   120.0 GiB   8300  x\n")} {
		if got, err := parseRest(bad, whole); err == nil {
			t.Errorf("%q is read as %+v", bad, got)
		}
	}
	for device, want := range map[string]string{"/dev/sda": "/dev/sda4", "/dev/nvme0n1": "/dev/nvme0n1p4", "/dev/loop0": "/dev/loop0p4"} {
		if got := partitionOf(device, "4"); got != want {
			t.Errorf("the partition of %s is %s", device, got)
		}
	}
}

func FuzzParseRest(f *testing.F) {
	f.Add(table(""), int64(419430400*512))
	f.Add(table("   4       167774208       419430366   120.0 GiB   8300  ringboot-osd\n"), int64(419430400*512))
	f.Add("Sector size (logical): 99999999999999999999\nlast usable sector is 1", int64(1))
	f.Fuzz(func(t *testing.T, text string, bytes int64) {
		r, err := parseRest(text, pve.ListedDisk{Device: "/dev/sda", Bytes: bytes})
		if err == nil && (r.bytes < 0 || r.bytes > bytes+1<<20) {
			t.Errorf("%s", fmt.Sprintf("%d of %d bytes are free or taken", r.bytes, bytes))
		}
	})
}
