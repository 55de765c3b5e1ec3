package look

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"ringboot/profiles"
	"ringboot/profiles/medium"
	"ringboot/rehearsal/need"
)

const diskSize = 512 << 20

// disk is an empty disk in a file.
func empty(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(diskSize); err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f *os.File, at int64, text string) {
	t.Helper()
	if at < 0 {
		at += diskSize
	}
	if _, err := f.WriteAt([]byte(text), at); err != nil {
		t.Fatal(err)
	}
}

// packages are where the programs of this test come from.
var packages = map[string]string{"mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs", "mkfs.btrfs": "btrfs-progs", "mkswap": "util-linux", "mkfs.vfat": "dosfstools", "sgdisk": "gdisk"}

// tool runs a program of Debian on a disk.
func tool(t *testing.T, argv ...string) {
	t.Helper()
	need.Tools(t, argv[0]+":"+packages[argv[0]])
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", argv, err, out)
	}
}

func TestWhatIsOnADisk(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, f *os.File)
		want string
	}{
		"blank":        {func(*testing.T, *os.File) {}, ""},
		"ext4":         {func(t *testing.T, f *os.File) { tool(t, "mkfs.ext4", "-q", "-F", f.Name()) }, "ext4"},
		"xfs":          {func(t *testing.T, f *os.File) { tool(t, "mkfs.xfs", "-q", "-f", f.Name()) }, "xfs"},
		"btrfs":        {func(t *testing.T, f *os.File) { tool(t, "mkfs.btrfs", "-q", f.Name()) }, "btrfs"},
		"swap":         {func(t *testing.T, f *os.File) { tool(t, "mkswap", f.Name()) }, "swap"},
		"vfat":         {func(t *testing.T, f *os.File) { tool(t, "mkfs.vfat", "-F", "32", f.Name()) }, "vfat"},
		"windows":      {func(t *testing.T, f *os.File) { write(t, f, 3, "NTFS    ") }, "ntfs (Windows)"},
		"bitlocker":    {func(t *testing.T, f *os.File) { write(t, f, 3, "-FVE-FS-") }, "BitLocker (Windows)"},
		"lvm":          {func(t *testing.T, f *os.File) { write(t, f, 0x200, "LABELONE"); write(t, f, 0x218, "LVM2 001") }, "LVM2_member"},
		"luks":         {func(t *testing.T, f *os.File) { write(t, f, 0, "LUKS\xba\xbe\x00\x02") }, "crypto_LUKS"},
		"md":           {func(t *testing.T, f *os.File) { write(t, f, 0x1000, "\xfc\x4e\x2b\xa9") }, "linux_raid_member"},
		"ceph":         {func(t *testing.T, f *os.File) { write(t, f, 0, "bluestore block device\n") }, "ceph_bluestore"},
		"zfs":          {func(t *testing.T, f *os.File) { write(t, f, 128<<10+4<<10, zfsUberMagic) }, "zfs_member"},
		"zfs, the end": {func(t *testing.T, f *os.File) { write(t, f, -256<<10+128<<10, zfsUberMagic) }, "zfs_member"},
		"iso":          {func(t *testing.T, f *os.File) { write(t, f, 0x8001, "CD001") }, "iso9660"},
		"btrfs, wiped": {func(t *testing.T, f *os.File) { write(t, f, 0x4000040, "_BHRfS_M") }, "btrfs"},
		"unknown":      {func(t *testing.T, f *os.File) { write(t, f, 4711, "x") }, "not empty"},
		"unknown end":  {func(t *testing.T, f *os.File) { write(t, f, -4711, "x") }, "not empty"},
		"intel raid":   {func(t *testing.T, f *os.File) { write(t, f, -1024, "Intel Raid ISM Cfg Sig. 1.3.00") }, "isw_raid_member"},
		"empty gpt":    {func(t *testing.T, f *os.File) { tool(t, "sgdisk", "--clear", f.Name()) }, "partition table gpt"},
		"gpt, only end": {func(t *testing.T, f *os.File) {
			tool(t, "sgdisk", "--clear", f.Name())
			write(t, f, 0, strings.Repeat("\x00", 1<<20))
		}, "partition table gpt"},
		"partitions": {func(t *testing.T, f *os.File) {
			tool(t, "sgdisk", "--new=1:2048:+64M", "--typecode=1:ef00", "--change-name=1:EFI", "--new=2:0:+64M", f.Name())
			write(t, f, 65<<20, "XFSB")
		}, `partition table gpt, 1: unknown content "EFI", 2: xfs`},
		"dos": {func(t *testing.T, f *os.File) {
			write(t, f, 446, "\x00\x00\x00\x00\x07\x00\x00\x00\x00\x08\x00\x00\x00\x00\x01\x00")
			write(t, f, 510, "\x55\xaa")
			write(t, f, 2048*512+3, "NTFS    ")
		}, "partition table dos, 1: ntfs (Windows)"},
	} {
		t.Run(name, func(t *testing.T) {
			f := empty(t)
			c.make(t, f)
			holds, _, err := Holds(f, diskSize, 512)
			if got := strings.Join(holds, ", "); err != nil || got != c.want {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestTheMarkIsFoundOnItsPartition(t *testing.T) {
	f := empty(t)
	tool(t, "sgdisk", "--new=2:2048:+100M", "--typecode=2:ef00", f.Name())
	at := f.Name() + "@@1M"
	tool(t, "mformat", "-i", at, "-F", "-T", "204800", "::")
	tool(t, "mmd", "-i", at, "::/EFI", "::/EFI/ringboot")
	mark := medium.Ticket{State: medium.TicketSpent, Node: "frege", ClusterID: "c0ffee", Date: "2026-11-23", By: "installer"}
	file := filepath.Join(t.TempDir(), "mark")
	if err := os.WriteFile(file, mark.Encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	_, parts, err := Holds(f, diskSize, 512)
	if err != nil || len(parts) != 1 || !parts[0].ESP {
		t.Fatalf("%+v, %v", parts, err)
	}
	if got := Mark(f, parts); got != nil {
		t.Errorf("a mark before there is one: %+v", got)
	}
	tool(t, "mcopy", "-i", at, file, "::"+medium.MarkFile)
	if got := Mark(f, parts); got == nil || *got != mark {
		t.Errorf("found %+v", got)
	}
	// A file system that is damaged has none, and nothing falls over.
	for off := int64(1 << 20); off < 1<<20+1<<16; off += 97 {
		write(t, f, off, "\xff")
	}
	Mark(f, parts)
}

func TestThePropertiesAreUdevs(t *testing.T) {
	s := sys{fstest.MapFS{
		"block/nvme0n1/device/model":     {Data: []byte("Samsung SSD 980 PRO 1TB                 \n")},
		"block/nvme0n1/device/serial":    {Data: []byte("S5GXNX0T123456      \n")},
		"block/nvme0n1/wwid":             {Data: []byte("eui.002538b111b2c3d4\n")},
		"block/nvme0n1/nsid":             {Data: []byte("1\n")},
		"block/vda/serial":               {Data: []byte("RBSYS-FREGE\n")},
		"block/sdb/device/vendor":        {Data: []byte("SanDisk \n")},
		"block/sdb/device/model":         {Data: []byte("Ultra Fit       \n")},
		"block/sdc/device/model":         {Data: []byte("MZILT\n")},
		"block/sdc/device/wwid":          {Data: []byte("naa.5002538b1111111b\n")},
		"block/sdd/device/model":         {Data: []byte("PERC\n")},
		"block/sdd/device/wwid":          {Data: []byte("naa.6001405000000000c0ffee0000000001\n")},
		"devices/pci0/usb2/2-1/idVendor": {Data: []byte("0781\n")},
		"devices/pci0/usb2/2-1/serial":   {Data: []byte("4C530001\n")},
	}}
	for _, c := range []struct {
		disk, device string
		ata          *Identity
		want         map[string]string
	}{
		{"nvme0n1", "devices/pci0/nvme/nvme0/nvme0n1", nil, map[string]string{"ID_MODEL": "Samsung_SSD_980_PRO_1TB", "ID_SERIAL": "Samsung_SSD_980_PRO_1TB_S5GXNX0T123456_1", "ID_SERIAL_SHORT": "S5GXNX0T123456", "ID_WWN": "eui.002538b111b2c3d4"}},
		{"vda", "devices/pci0/virtio0/block/vda", nil, map[string]string{"ID_SERIAL": "RBSYS-FREGE"}},
		{"sda", "devices/pci0/ata1/host0/target0:0:0/0:0:0:0/block/sda", &Identity{"QEMU HARDDISK", "root", ""}, map[string]string{"ID_BUS": "ata", "ID_MODEL": "QEMU_HARDDISK", "ID_SERIAL": "QEMU_HARDDISK_root", "ID_SERIAL_SHORT": "root"}},
		{"sdb", "devices/pci0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb", nil, map[string]string{"ID_BUS": "usb", "ID_MODEL": "Ultra_Fit", "ID_SERIAL": "SanDisk_Ultra_Fit_4C530001-0:0", "ID_SERIAL_SHORT": "4C530001", "ID_USB_SERIAL": "SanDisk_Ultra_Fit_4C530001-0:0"}},
		// A bridge that passes the disk's own name on: the link usb-... comes from the bridge.
		{"sdb", "devices/pci0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb", &Identity{"WDC WD40", "WD-1", "0x50014ee2b1111111"}, map[string]string{"ID_BUS": "ata", "ID_MODEL": "WDC_WD40", "ID_SERIAL": "WDC_WD40_WD-1", "ID_SERIAL_SHORT": "WD-1",
			"ID_WWN": "0x50014ee2b1111111", "ID_WWN_WITH_EXTENSION": "0x50014ee2b1111111", "ID_USB_SERIAL": "SanDisk_Ultra_Fit_4C530001-0:0"}},
		{"sdc", "devices/pci0/host7/target7:0:0/7:0:0:0/block/sdc", nil, map[string]string{"ID_BUS": "scsi", "ID_MODEL": "MZILT", "ID_SERIAL": "35002538b1111111b", "ID_SERIAL_SHORT": "5002538b1111111b", "ID_WWN": "0x5002538b1111111b", "ID_WWN_WITH_EXTENSION": "0x5002538b1111111b"}},
		{"sdd", "devices/pci0/host8/target8:0:0/8:0:0:0/block/sdd", nil, map[string]string{"ID_BUS": "scsi", "ID_MODEL": "PERC", "ID_SERIAL": "36001405000000000c0ffee0000000001", "ID_SERIAL_SHORT": "6001405000000000c0ffee0000000001", "ID_WWN": "0x6001405000000000", "ID_WWN_WITH_EXTENSION": "0x6001405000000000c0ffee0000000001"}},
	} {
		c.want["DEVNAME"], c.want["DEVTYPE"] = "/dev/"+c.disk, "disk"
		if diff := cmp.Diff(c.want, properties(s, c.disk, c.device, c.ata)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.disk, diff)
		}
	}
}

// TestAnIdentityIsReadAsTheKernelGivesIt has texts in order and numbers in words.
func TestAnIdentityIsReadAsTheKernelGivesIt(t *testing.T) {
	b := make([]byte, identifySize)
	copy(b[identifyModel:], "QEMU HARDDISK                           ")
	copy(b[identifySerial:], "root                ")
	b[identifyHasWWN+1] = 1
	copy(b[identifyWWN:], "\x00\x50\x38\x25\xb1\x11\xb2\xc3")
	want := Identity{"QEMU HARDDISK", "root", "0x5000253811b1c3b2"}
	if got, ok := parseIdentity(b); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := parseIdentity(b[:100]); ok {
		t.Error("half an identity was read")
	}
}

func FuzzHolds(f *testing.F) {
	f.Add([]byte("EFI PART"))
	f.Fuzz(func(t *testing.T, data []byte) {
		disk := make([]byte, 1<<20)
		copy(disk[512:], data)
		if holds, _, err := Holds(strings.NewReader(string(disk)), int64(len(disk)), 512); err == nil && len(holds) == 0 && strings.Trim(string(data[:min(len(data), len(disk)-512)]), "\x00") != "" {
			t.Error("a disk that is not zero is called blank")
		}
	})
}

// A disk that another of our installations wrote is told by name.
func TestEveryFileSystemOfAnInstallationIsKnown(t *testing.T) {
	for _, f := range profiles.FileSystems() {
		known := f.Name == "zfs" || slices.ContainsFunc(signatures, func(s signature) bool { return s.kind == f.Name })
		if !known {
			t.Errorf("signature.go has no mark of %s: preflight would show such a disk as one of no known content", f.Name)
		}
	}
}
