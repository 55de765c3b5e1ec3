package stick

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// device is an opened block device.
type device struct {
	*os.File
	direct bool
}

// openHere opens the device with the rights of this process. O_EXCL makes the
// kernel refuse a device that is mounted or in use, whatever we overlooked.
// Direct output gives honest progress and leaves the page cache alone.
func openHere(path string) (*os.File, error) {
	const flags = os.O_RDWR | unix.O_EXCL
	f, err := os.OpenFile(path, flags|unix.O_DIRECT, 0)
	if err != nil && os.IsPermission(err) {
		return nil, err
	}
	if err != nil {
		f, err = os.OpenFile(path, flags, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("open device: %w", err)
	}
	if mode, err := f.Stat(); err != nil || mode.Mode()&os.ModeDevice == 0 || mode.Mode()&os.ModeCharDevice != 0 {
		f.Close()
		return nil, fmt.Errorf("%s is no block device", path)
	}
	return f, nil
}

// behind is the device that an open descriptor leads to, whatever has its name now.
func behind(_ context.Context, f *os.File, d Device) (Device, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return Device{}, fmt.Errorf("look at %s again: %w", d.Path, err)
	}
	number := fmt.Sprintf("%d:%d", unix.Major(stat.Rdev), unix.Minor(stat.Rdev))
	at, err := os.Readlink("/sys/dev/block/" + number)
	if err != nil {
		return Device{}, fmt.Errorf("%w: %s was pulled out, nothing was written", ErrRefused, d.Path)
	}
	s, err := readSystem("/")
	if err != nil {
		return Device{}, err
	}
	return s.device(filepath.Base(at))
}

func opened(f *os.File) (*device, error) {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	return &device{File: f, direct: flags&unix.O_DIRECT != 0}, nil
}

// DropCaches implements Target. Direct reads pass the cache by anyway.
func (d *device) DropCaches() error {
	if d.direct {
		return nil
	}
	if err := unix.IoctlSetInt(int(d.Fd()), unix.BLKFLSBUF, 0); err != nil {
		return fmt.Errorf("drop caches: %w", err)
	}
	return nil
}

// Close lets the kernel look at the new partition table, which it does not
// where the device cannot have one, and closes the device.
func (d *device) Close() error {
	_ = unix.IoctlSetInt(int(d.Fd()), unix.BLKRRPART, 0)
	return d.File.Close()
}

// elevate is the command that opens the device as root and hands the
// descriptor back over its standard output.
func elevate(self, path string) []string {
	return []string{"sudo", "--", self, OpenCommand, path}
}

// prepare makes the device free to be opened.
func prepare(string) error { return nil }
