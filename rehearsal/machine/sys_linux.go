package machine

import (
	"os"

	"golang.org/x/sys/unix"
)

func syncDisks() { unix.Sync() }

// mountTree puts a tmpfs on backing and shows it at view.
func mountTree(backing, view string) error {
	unmountTree(backing, view)
	for _, d := range []string{backing, view} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("pmxcfs", backing, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=128m"); err != nil {
		return err
	}
	return unix.Mount(backing, view, "", unix.MS_BIND, "")
}

func unmountTree(backing, view string) {
	for range 4 { // left by processes that were killed
		e1 := unix.Unmount(view, unix.MNT_DETACH)
		e2 := unix.Unmount(backing, unix.MNT_DETACH)
		if e1 != nil && e2 != nil {
			return
		}
	}
}

// protect makes the view read-only or writable.
func protect(view string, readOnly bool) {
	flags := uintptr(unix.MS_REMOUNT | unix.MS_BIND | unix.MS_NOSUID | unix.MS_NODEV)
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	_ = unix.Mount("", view, "", flags, "")
}
