package stick

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringboot/rehearsal/need"
)

// machine makes a root with a system disk under LVM, a stick with a mounted
// partition, an empty card reader and a loop device.
func machine(t *testing.T) *system {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"proc/self/mountinfo": "22 1 252:0 / / rw - ext4 /dev/mapper/pve-root rw\n" +
			"30 22 8:17 / /media/my\\040stick rw - vfat /dev/sdb1 rw\n",
		"proc/swaps":                        "Filename\tType\tSize\tUsed\tPriority\n",
		"run/udev/data/b8:16":               "S:disk/by-id/usb\nE:ID_BUS=usb\nE:ID_MODEL=Ultra_Fit\nE:ID_SERIAL_SHORT=4C53\n",
		"sys/block/sda/dev":                 "8:0\n",
		"sys/block/sda/size":                "1953525168\n",
		"sys/block/sda/ro":                  "0\n",
		"sys/block/sda/removable":           "0\n",
		"sys/block/sda/device/model":        "Samsung SSD 870\n",
		"sys/block/sda/sda3/partition":      "3\n",
		"sys/block/sdb/dev":                 "8:16\n",
		"sys/block/sdb/size":                "30302208\n",
		"sys/block/sdb/ro":                  "0\n",
		"sys/block/sdb/removable":           "1\n",
		"sys/block/sdb/sdb1/partition":      "1\n",
		"sys/block/sdc/dev":                 "8:32\n",
		"sys/block/sdc/size":                "0\n",
		"sys/block/sdc/removable":           "1\n",
		"sys/block/loop0/dev":               "7:0\n",
		"sys/block/loop0/size":              "4096\n",
		"sys/block/loop0/removable":         "0\n",
		"sys/class/block/sda/dev":           "8:0\n",
		"sys/class/block/sda3/dev":          "8:3\n",
		"sys/class/block/sda3/holders/dm-0": "",
		"sys/class/block/sdb/dev":           "8:16\n",
		"sys/class/block/sdb1/dev":          "8:17\n",
		"sys/class/block/dm-0/dev":          "252:0\n",
		"sys/class/block/dm-0/dm/name":      "pve-root\n",
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

func TestCandidatesAreSticksOnly(t *testing.T) {
	got, err := machine(t).candidates()
	if err != nil {
		t.Fatal(err)
	}
	want := []Device{{
		Path: "/dev/sdb", Size: 30302208 * 512, Model: "Ultra Fit", Serial: "4C53", Bus: "usb", Removable: true,
		Mounted: []string{"/media/my stick"}, Content: []string{"a partition (sdb1)"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
}

func TestTheSystemDiskIsKnownThroughLVM(t *testing.T) {
	got, err := machine(t).device("sda")
	if err != nil {
		t.Fatal(err)
	}
	want := Device{
		Path: "/dev/sda", Size: 1953525168 * 512, Model: "Samsung SSD 870",
		System: true, Mounted: []string{"/"}, InUse: []string{"pve-root"}, Content: []string{"a partition (sda3)"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("system disk (-want +got):\n%s", diff)
	}
}

// loopDevice makes a block device of a file and takes it away at the end.
func loopDevice(t testing.TB, size int64) string {
	t.Helper()
	need.Root(t)
	need.Tools(t, "losetup:mount")
	path := filepath.Join(t.TempDir(), "stick")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	f.Close()
	out, err := exec.Command("losetup", "--find", "--show", path).CombinedOutput()
	if err != nil {
		t.Fatalf("losetup: %v: %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "-d", dev).CombinedOutput(); err != nil {
			t.Errorf("losetup -d %s: %v: %s", dev, err, out)
		}
	})
	return dev
}

func TestALoopDeviceTakesAnImage(t *testing.T) {
	const size = 3*chunk + 2048
	dev := loopDevice(t, 4*chunk)
	found, err := Find(t.Context(), dev)
	if err != nil {
		t.Fatal(err)
	}
	if found.Removable || found.Size != 4*chunk {
		t.Errorf("found %+v", found)
	}
	if err := found.Refuse(size, false); err == nil {
		t.Error("a built-in disk is taken without being named twice")
	}
	target, err := Open(t.Context(), found, "mkimage", os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	want := image(size)
	if err := Write(t.Context(), target, bytes.NewReader(want), size, nil); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dev)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, size)
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("another reader finds something else on the device: %v", err)
	}
}

// TestTheDescriptorComesBackFromRoot runs the handing over as mkimage's hidden
// command does, through a process in between.
func TestTheDescriptorComesBackFromRoot(t *testing.T) {
	dev := loopDevice(t, chunk)
	if os.Getenv("STICK_HAND_OVER") != "" {
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("STICK_HAND_OVER", dev)
	f, err := openElevated(t.Context(), []string{self, "-test.run=^TestHandOverHelper$"}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	target, err := opened(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), target, bytes.NewReader(image(head)), head, nil); err != nil {
		t.Error(err)
	}
}

func TestHandOverHelper(t *testing.T) {
	dev := os.Getenv("STICK_HAND_OVER")
	if dev == "" {
		return // does its work only when another test starts it
	}
	if err := HandOver(dev, os.Stdout); err != nil {
		t.Fatal(err)
	}
}

func TestFindTellsWhatAPathIs(t *testing.T) {
	for path, want := range map[string]string{
		"/dev/null":             "/dev/null is no disk: mkimage sticks lists what is there",
		"/dev/no-such-device":   "no such device: lstat /dev/no-such-device: no such file or directory",
		"/proc/self/mountinfo/": "no such device: ",
	} {
		if _, err := Find(t.Context(), path); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Find(%s): %v, want %s", path, err, want)
		}
	}
}

// BenchmarkStickAgainstDD writes 1.4 GB from the page cache to a loop device,
// as dd does with the same block size, both up to the medium.
func BenchmarkStickAgainstDD(b *testing.B) {
	need.Tools(b, "dd:coreutils")
	const size = 1400 << 20
	path := filepath.Join(b.TempDir(), "image")
	if err := os.WriteFile(path, image(size), 0o600); err != nil {
		b.Fatal(err)
	}
	dev := loopDevice(b, size)
	found, err := Find(b.Context(), dev)
	if err != nil {
		b.Fatal(err)
	}
	ours := func() float64 {
		target, err := Open(b.Context(), found, "mkimage", os.Stderr)
		if err != nil {
			b.Fatal(err)
		}
		defer target.Close()
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		begin := time.Now()
		if err := write(b.Context(), target, f, size, func(string, int64, int64) {}); err != nil {
			b.Fatal(err)
		}
		return time.Since(begin).Seconds()
	}
	theirs := func() float64 {
		begin := time.Now()
		out, err := exec.Command("dd", "if="+path, "of="+dev, "bs=4M", "oflag=direct", "conv=fsync,nocreat").CombinedOutput()
		if err != nil {
			b.Fatalf("dd: %v: %s", err, out)
		}
		return time.Since(begin).Seconds()
	}
	ours() // the blocks of the file behind the device exist from here on
	var ratios []float64
	for i := range 5 {
		if i%2 == 0 { // neither is always the first
			before := theirs()
			ratios = append(ratios, ours()/before)
			continue
		}
		before := ours()
		ratios = append(ratios, before/theirs())
	}
	need.Figure("image.stick_vs_dd", median(ratios), "ratio")
}

func median(v []float64) float64 {
	for i := range v {
		for j := range i {
			if v[i] < v[j] {
				v[i], v[j] = v[j], v[i]
			}
		}
	}
	return v[len(v)/2]
}
