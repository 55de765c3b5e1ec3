package ticket

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestRootMount(t *testing.T) {
	tests := []struct{ name, text, fstype, source string }{
		{"ext4 on LVM", "22 1 252:1 / / rw,relatime shared:1 - ext4 /dev/mapper/pve-root rw\n23 22 0:5 / /dev rw - devtmpfs udev rw\n", "ext4", "/dev/mapper/pve-root"},
		{"zfs", "22 1 0:25 / / rw shared:1 - zfs rpool/ROOT/pve-1 rw\n", "zfs", "rpool/ROOT/pve-1"},
		{"the later mount is seen", "1 1 0:1 / / rw - rootfs none rw\n22 1 8:3 / / rw - xfs /dev/sda3 rw\n", "xfs", "/dev/sda3"},
	}
	for _, test := range tests {
		fstype, source, err := rootMount([]byte(test.text))
		if err != nil || fstype != test.fstype || source != test.source {
			t.Errorf("%s: %q, %q, %v", test.name, fstype, source, err)
		}
	}
	if _, _, err := rootMount([]byte("22 1 0:25 / /dev rw - devtmpfs udev rw\n")); err == nil {
		t.Error("no mount on / is no error")
	}
}

func TestPoolDevices(t *testing.T) {
	text := "rpool\t928G\t1.2G\t927G\t-\t-\t0%\t0%\t1.00x\tONLINE\t-\n" +
		"\tmirror-0\t928G\t1.2G\t927G\t-\t-\t0%\t0.12%\t-\tONLINE\n" +
		"\t/dev/nvme0n1p3\t930G\t-\t-\t-\t-\t-\t-\t-\tONLINE\n" +
		"\t/dev/nvme1n1p3\t930G\t-\t-\t-\t-\t-\t-\t-\tONLINE\n"
	if got := poolDevices([]byte(text)); !slices.Equal(got, []string{"/dev/nvme0n1p3", "/dev/nvme1n1p3"}) {
		t.Errorf("poolDevices = %v", got)
	}
}

// tree makes directories (names ending in a slash) and files "path=content".
func tree(t *testing.T, root string, entries map[string]string) {
	t.Helper()
	for path, content := range entries {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDisksBelowLVMOnTwoDisks(t *testing.T) {
	sys := t.TempDir()
	tree(t, sys, map[string]string{
		"devices/virtual/block/dm-1/dev":          "252:1\n",
		"devices/pci/nvme0n1/nvme0n1p3/dev":       "259:3\n",
		"devices/pci/nvme0n1/nvme0n1p3/partition": "3\n",
		"devices/pci/sda/dev":                     "8:0\n",
	})
	links := map[string]string{
		"dev/block/252:1": "../../devices/virtual/block/dm-1",
		"dev/block/259:3": "../../devices/pci/nvme0n1/nvme0n1p3",
		"dev/block/8:0":   "../../devices/pci/sda",
		"devices/virtual/block/dm-1/slaves/nvme0n1p3": "../../../../pci/nvme0n1/nvme0n1p3",
		"devices/virtual/block/dm-1/slaves/sda":       "../../../../pci/sda",
	}
	for path, target := range links {
		path = filepath.Join(sys, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	got, err := disksBelow(sys, "252:1")
	if err != nil || !slices.Equal(got, []string{"nvme0n1", "sda"}) {
		t.Errorf("disksBelow = %v, %v; want nvme0n1 and sda", got, err)
	}
}

func TestMediaAreWholeWritableDisks(t *testing.T) {
	sys := t.TempDir()
	for name, ro := range map[string]string{"sda": "0", "nvme0n1": "0", "mmcblk0": "1", "sr0": "0", "loop3": "0", "dm-0": "0"} {
		tree(t, sys, map[string]string{"block/" + name + "/ro": ro + "\n", "block/" + name + "/size": "4096\n"})
	}
	tree(t, sys, map[string]string{"block/sdb/ro": "0\n", "block/sdb/size": "0\n"}) // an empty card reader
	got, err := media(sys)
	if err != nil || !slices.Equal(got, []string{"nvme0n1", "sda"}) {
		t.Errorf("media = %v, %v; want nvme0n1 and sda", got, err)
	}
}

func TestESPNumbers(t *testing.T) {
	for _, sector := range []int64{512, 4096} {
		disk := make([]byte, 64*sector)
		header := disk[sector:]
		copy(header, gptSignature)
		binary.LittleEndian.PutUint64(header[gptEntriesAt:], 2)
		binary.LittleEndian.PutUint32(header[gptCountAt:], 128)
		binary.LittleEndian.PutUint32(header[gptEntrySizeAt:], 128)
		copy(disk[2*sector+128:], espType) // the second entry, as the installer lays it out
		got, err := espNumbers(bytes.NewReader(disk), sector)
		if err != nil || !slices.Equal(got, []int{2}) {
			t.Errorf("sectors of %d bytes: %v, %v; want partition 2", sector, got, err)
		}
		binary.LittleEndian.PutUint32(header[gptCountAt:], 1<<30)
		if _, err := espNumbers(bytes.NewReader(disk), sector); err == nil {
			t.Errorf("sectors of %d bytes: a damaged table is taken for one", sector)
		}
	}
	if got, err := espNumbers(bytes.NewReader(make([]byte, 4096)), 512); err != nil || got != nil {
		t.Errorf("a blank disk: %v, %v; want none", got, err)
	}
}

func TestPartitionName(t *testing.T) {
	for _, test := range []struct {
		disk string
		n    int
		want string
	}{{"sda", 2, "sda2"}, {"nvme0n1", 2, "nvme0n1p2"}, {"vda", 15, "vda15"}} {
		if got := partitionName(test.disk, test.n); got != test.want {
			t.Errorf("partition %d of %s is %s, want %s", test.n, test.disk, got, test.want)
		}
	}
}
