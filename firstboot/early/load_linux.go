package early

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Times of the search for devices.
const (
	settled = 700 * time.Millisecond // without a new device
	look    = 150 * time.Millisecond
)

// Settle loads the drivers of all devices that are there, and of those that
// appear because of them, until nothing new has appeared for a while and ready
// is content, or ctx is done.
func Settle(ctx context.Context, ready func() bool) error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	drivers := ReadDrivers(os.DirFS("/"), unix.ByteSliceToString(name.Release[:]))
	known, tried := map[string]bool{}, map[string]bool{}
	last := time.Now()
	for {
		if fresh := appeared(known); len(fresh) > 0 {
			last = time.Now()
			for _, modalias := range fresh {
				for _, m := range drivers.For(modalias) {
					if !tried[m] {
						tried[m] = true
						// A driver that does not load shows in what is found.
						_ = load("/" + drivers.files[m])
					}
				}
			}
		}
		if time.Since(last) >= settled && ready() {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(look):
		}
	}
}

// appeared returns what is new since the last call: names of devices that want
// a driver, and "" for block devices and network ports that have one.
func appeared(known map[string]bool) []string {
	var out []string
	_ = filepath.WalkDir("/sys/devices", func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() != "modalias" {
			return nil // devices go while they are looked at
		}
		text, err := os.ReadFile(p) //nolint:gosec // sysfs, which only the kernel changes
		if err != nil {
			return nil
		}
		if a := strings.TrimSpace(string(text)); wanted(a) && !known[p+a] {
			known[p+a] = true
			out = append(out, a)
		}
		return nil
	})
	for _, class := range []string{"/sys/class/block", "/sys/class/net"} {
		entries, err := os.ReadDir(class)
		if err != nil {
			continue
		}
		for _, e := range entries {
			size, _ := os.ReadFile(filepath.Join(class, e.Name(), "size")) // a card that was put in
			if id := class + e.Name() + string(size); !known[id] {
				known[id] = true
				out = append(out, "")
			}
		}
	}
	return out
}

// compressed asks the kernel to unpack a module itself (finit_module(2)).
const compressed = 4

func load(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := 0
	if filepath.Ext(file) != ".ko" {
		flags = compressed
	}
	err = unix.FinitModule(int(f.Fd()), "", flags)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}
