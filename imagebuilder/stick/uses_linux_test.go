package stick

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringboot/rehearsal/need"
)

// tree is a stick sdb with two partitions, and what a test adds to it.
func tree(t *testing.T, more map[string]string) *system {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"proc/self/mountinfo": "22 1 252:9 / / rw - ext4 /dev/mapper/other rw\n",
		"sys/block/sdb/dev":   "8:16\n", "sys/block/sdb/size": "30302208\n", "sys/block/sdb/removable": "1\n", "sys/block/sdb/diskseq": "9\n",
		"sys/block/sdb/sdb1/partition": "1\n", "sys/block/sdb/sdb2/partition": "2\n",
		"sys/class/block/sdb/dev": "8:16\n", "sys/class/block/sdb1/dev": "8:17\n", "sys/class/block/sdb2/dev": "8:18\n",
		"dev/sdb": "", "dev/sdb1": "", "dev/sdb2": "",
	}
	for path, text := range more {
		files[path] = text
	}
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := readSystem(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever lies on a stick and is in use keeps it from being written.
func TestHoldersOfAllKindsAreSeen(t *testing.T) {
	for _, c := range []struct {
		name  string
		tree  map[string]string
		inUse []string
		says  string
	}{
		{"nothing", nil, nil, ""},
		{"a volume of LVM", map[string]string{"sys/class/block/sdb1/holders/dm-3": "", "sys/class/block/dm-3/dev": "252:3\n", "sys/class/block/dm-3/dm/name": "backup-all\n"},
			[]string{"backup-all"}, "is in use by backup-all"},
		{"an opened dm-crypt on the whole disk", map[string]string{"sys/class/block/sdb/holders/dm-4": "", "sys/class/block/dm-4/dev": "252:4\n", "sys/class/block/dm-4/dm/name": "luks-1f2e\n"},
			[]string{"luks-1f2e"}, "is in use by luks-1f2e"},
		{"a part of a RAID with LVM on it", map[string]string{"sys/class/block/sdb2/holders/md127": "", "sys/class/block/md127/dev": "9:127\n", "sys/class/block/md127/holders/dm-5": "",
			"sys/class/block/dm-5/dev": "252:5\n", "sys/class/block/dm-5/dm/name": "vg-root\n"}, []string{"md127", "vg-root"}, "is in use by md127, vg-root"},
		{"a cache", map[string]string{"sys/class/block/sdb1/holders/bcache0": "", "sys/class/block/bcache0/dev": "251:0\n"}, []string{"bcache0"}, "is in use by bcache0"},
		{"a loop device on a partition", map[string]string{"sys/block/loop7/loop/backing_file": "/dev/sdb2\n", "sys/block/loop7/dev": "7:7\n", "sys/class/block/loop7/dev": "7:7\n"},
			[]string{"loop7"}, "is in use by loop7"},
		{"a loop device with a mounted partition", map[string]string{"sys/block/loop7/loop/backing_file": "/dev/sdb\n", "sys/block/loop7/dev": "7:7\n", "sys/class/block/loop7/dev": "7:7\n",
			"sys/block/loop7/loop7p1/partition": "1\n", "sys/class/block/loop7p1/dev": "259:1\n", "proc/self/mountinfo": "30 22 259:1 / /mnt rw - ext4 /dev/loop7p1 rw\n"},
			[]string{"loop7"}, "is mounted on /mnt: unmount it first"},
		{"a loop device on another disk", map[string]string{"sys/block/loop7/loop/backing_file": "/dev/sda\n", "sys/block/loop7/dev": "7:7\n", "sys/class/block/sda/dev": "8:0\n", "dev/sda": ""}, nil, ""},
		{"a loop device on a file that is gone", map[string]string{"sys/block/loop7/loop/backing_file": "/home/x.img (deleted)\n", "sys/block/loop7/dev": "7:7\n"}, nil, ""},
		{"an imported pool of ZFS", map[string]string{"run/udev/data/b8:17": "E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=tank\n", "proc/spl/kstat/zfs/tank/state": "ONLINE\n"},
			[]string{"the ZFS pool tank"}, "is in use by the ZFS pool tank"},
		{"a pool of ZFS that is not imported", map[string]string{"run/udev/data/b8:17": "E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=tank\n", "proc/spl/kstat/zfs/rpool/state": "ONLINE\n"}, nil, ""},
		{"swap", map[string]string{"proc/swaps": "Filename Type Size\n/dev/sdb1 partition 1\n"}, []string{"swap"}, "carries the system of this computer"},
	} {
		d, err := tree(t, c.tree).device("sdb")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.inUse, d.InUse); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		got := ""
		if err := d.Refuse(1e9, true); err != nil {
			got = strings.TrimPrefix(err.Error(), "refused: /dev/sdb ")
		}
		if got != c.says {
			t.Errorf("%s: %q, want %q", c.name, got, c.says)
		}
	}
}

// What lies on a stick is said before it goes, unless it is an installation
// medium, and does not steer the terminal that it is said on.
func TestWhatLiesOnAStickIsSaid(t *testing.T) {
	for _, c := range []struct {
		name string
		tree map[string]string
		says string
	}{
		{"two partitions", map[string]string{"run/udev/data/b8:17": "E:ID_FS_TYPE=exfat\nE:ID_FS_LABEL=HOLIDAYS\n", "run/udev/data/b8:18": "E:ID_FS_TYPE=ext4\n"}, `exfat "HOLIDAYS" (sdb1), ext4 (sdb2)`},
		{"partitions of which udev knows nothing", nil, "a partition (sdb1), a partition (sdb2)"},
		{"an earlier image", map[string]string{"run/udev/data/b8:16": "E:ID_FS_TYPE=iso9660\nE:ID_FS_LABEL=PVE\n"}, ""},
		{"a name that would steer a terminal", map[string]string{"run/udev/data/b8:17": "E:ID_FS_TYPE=vfat\nE:ID_FS_LABEL=\x1b[2Jgone\n"}, `vfat ".[2Jgone" (sdb1), a partition (sdb2)`},
	} {
		d, err := tree(t, c.tree).device("sdb")
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Carries(); got != c.says {
			t.Errorf("%s: %q, want %q", c.name, got, c.says)
		}
	}
}

// A stick that is exchanged while a person types is not written: the name is the
// same, and so may be the size.
func TestAStickThatWasExchanged(t *testing.T) {
	dev := loopDevice(t, 4*chunk)
	found, err := Find(t.Context(), dev)
	if err != nil {
		t.Fatal(err)
	}
	if found.Sequence == "" {
		need.File(t, "/sys/block/loop0/diskseq", "a kernel that numbers what is plugged in, 5.15 or later")
		t.Fatal("the number of a loop device is not read")
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, make([]byte, 4*chunk), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-d", dev}, {dev, other}} {
		if out, err := exec.Command("losetup", args...).CombinedOutput(); err != nil {
			t.Fatalf("losetup %v: %v: %s", args, err, out)
		}
	}
	target, err := Open(t.Context(), found, "mkimage", os.Stderr)
	if err == nil {
		target.Close()
	}
	if !errors.Is(err, ErrRefused) || !strings.HasPrefix(err.Error(), "refused: "+dev+" is another device than the one that was confirmed (its number of its plugging in was ") {
		t.Errorf("%v", err)
	}
	now, err := Find(t.Context(), dev)
	if err != nil {
		t.Fatal(err)
	}
	if target, err = Open(t.Context(), now, "mkimage", os.Stderr); err != nil {
		t.Fatalf("the one that is there now: %v", err)
	}
	target.Close()
}

// A device that another loop device reads is in use, which the kernel does not
// tell to who opens it.
func TestALoopOnAStick(t *testing.T) {
	dev := loopDevice(t, 4*chunk)
	found, err := Find(t.Context(), dev)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", dev).CombinedOutput()
	if err != nil {
		t.Fatalf("losetup: %v: %s", err, out)
	}
	above := strings.TrimSpace(string(out))
	defer func() {
		if out, err := exec.Command("losetup", "-d", above).CombinedOutput(); err != nil {
			t.Errorf("losetup -d %s: %v: %s", above, err, out)
		}
	}()
	if target, err := Open(t.Context(), found, "mkimage", os.Stderr); err == nil {
		target.Close()
		t.Errorf("it is opened although %s lies on it", above)
	} else if errors.Is(err, ErrRefused) && !strings.Contains(err.Error(), "is in use by "+filepath.Base(above)) {
		t.Errorf("%v", err)
	}
}
