package stick

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// device is an opened raw disk.
type device struct{ *os.File }

// raw is the unbuffered device of a disk: /dev/rdisk4 of /dev/disk4.
func raw(path string) string { return strings.Replace(path, "/dev/disk", "/dev/rdisk", 1) }

func openHere(path string) (*os.File, error) {
	return os.OpenFile(raw(path), os.O_RDWR, 0)
}

// behind is the device of that name now: macOS gives disks no number that
// another one never has.
func behind(ctx context.Context, _ *os.File, d Device) (Device, error) { return Find(ctx, d.Path) }

func opened(f *os.File) (*device, error) {
	if _, err := unix.FcntlInt(f.Fd(), unix.F_NOCACHE, 1); err != nil {
		return nil, fmt.Errorf("open device: %w", err)
	}
	return &device{f}, nil
}

// Sync implements Target. The raw device has no cache of its own.
func (d *device) Sync() error {
	if err := d.File.Sync(); err != nil && err != unix.ENOTTY && !strings.Contains(err.Error(), "inappropriate ioctl") {
		return err
	}
	return nil
}

// DropCaches implements Target: reads of the raw device pass the cache by.
func (d *device) DropCaches() error { return nil }

// elevate is macOS's own tool for this: it asks for the password and hands the
// descriptor back over its standard output (authopen(1)).
func elevate(_, path string) []string {
	return []string{"/usr/libexec/authopen", "-stdoutpipe", "-o", strconv.Itoa(os.O_RDWR), raw(path)}
}

// prepare unmounts the disk, which macOS mounts as soon as it is there.
func prepare(path string) error {
	out, err := exec.Command("diskutil", "unmountDisk", path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("unmount %s: %w: %s", path, err, strings.TrimSpace(string(out)))
	}
	return nil
}
