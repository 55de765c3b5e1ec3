package early

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Times of the search for devices.
const (
	settled = 500 * time.Millisecond // without a new device on any bus: a hub takes 300 ms to tell of what hangs on it
	patient = 5 * time.Second        // for the disk of a device that is there
	look    = 50 * time.Millisecond
)

// buses are where devices appear that want a driver, or bring others.
var buses = []string{"pci", "virtio", "usb", "hid", "mmc", "scsi"}

// Search loads the drivers of all devices that are there, and of those that
// appear because of them. Drivers of disks return when their disks are there;
// only what hangs on USB comes later.
type Search struct {
	drivers Drivers
	known   map[string]bool
	loaded  map[string]*sync.Once
	last    time.Time // when a device appeared
	mu      sync.Mutex
}

// NewSearch begins a search with the drivers of the initial file system.
func NewSearch() (*Search, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, err
	}
	drivers := ReadDrivers(os.DirFS("/"), unix.ByteSliceToString(name.Release[:]))
	return &Search{drivers: drivers, known: map[string]bool{}, loaded: map[string]*sync.Once{}, last: time.Now()}, nil
}

// Until goes on until no device waits for its disk and ready is content, or ctx
// is done.
func (s *Search) Until(ctx context.Context, ready func() bool) error {
	for {
		s.step()
		if (!waiting() || time.Since(s.last) > patient) && ready() {
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// Quiet waits until nothing new has appeared on any bus for a while; false if
// something does: whoever looked before it must look again.
func (s *Search) Quiet(ctx context.Context) (bool, error) {
	for time.Since(s.last) < settled {
		if err := pause(ctx); err != nil {
			return false, err
		}
		if s.step() {
			return false, nil
		}
	}
	return !s.step(), nil
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(look):
		return nil
	}
}

// step loads the drivers of what is new, side by side: a network card that takes
// a second to start keeps no disk waiting. It tells whether anything was new.
func (s *Search) step() bool {
	var wait sync.WaitGroup
	fresh := s.appeared()
	for _, modalias := range fresh {
		wait.Go(func() {
			for _, m := range s.drivers.For(modalias) {
				// A driver that does not load shows in what is found.
				s.once(m).Do(func() { _ = load("/" + s.drivers.files[m]) })
			}
		})
	}
	wait.Wait()
	return len(fresh) > 0
}

func (s *Search) once(module string) *sync.Once {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded[module] == nil {
		s.loaded[module] = new(sync.Once)
	}
	return s.loaded[module]
}

// appeared returns what is new since the last call: names of devices that want
// a driver. A disk that its device was waiting for is new, and begins no wait.
func (s *Search) appeared() []string {
	var out []string
	for _, bus := range buses {
		dir := "/sys/bus/" + bus + "/devices"
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, e.Name(), "modalias"))
			if err != nil {
				continue // devices go while they are looked at
			}
			a := strings.TrimSpace(string(text))
			if !wanted(a) || s.known[e.Name()+a] {
				continue
			}
			s.known[e.Name()+a] = true
			out = append(out, a)
			if bus != "scsi" {
				s.last = time.Now()
			}
		}
	}
	entries, err := os.ReadDir("/sys/class/block")
	if err != nil {
		return out
	}
	for _, e := range entries {
		size, _ := os.ReadFile(filepath.Join("/sys/class/block", e.Name(), "size")) // a card that was put in
		if id := "block " + e.Name() + string(size); !s.known[id] {
			s.known[id] = true
			out = append(out, "")
		}
	}
	return out
}

// waiting reports whether a device is there and its disk is not: storage on USB,
// which is left alone for a second before it is asked, and SCSI disks.
func waiting() bool {
	storage, _ := filepath.Glob("/sys/bus/usb/drivers/usb-storage/*:*")
	uas, _ := filepath.Glob("/sys/bus/usb/drivers/uas/*:*")
	for _, device := range append(storage, uas...) {
		if targets, _ := filepath.Glob(device + "/host*/target*/*:*"); len(targets) == 0 {
			return true
		}
	}
	disks, _ := filepath.Glob("/sys/bus/scsi/devices/*:*:*:*/type")
	for _, kind := range disks {
		text, err := os.ReadFile(kind) //nolint:gosec // sysfs, which only the kernel changes
		const disk, cd = "0", "5"      // SPC-4, peripheral device type
		if is := strings.TrimSpace(string(text)); err != nil || is != disk && is != cd {
			continue
		}
		dir := filepath.Dir(kind)
		if _, err := os.Stat(filepath.Join(dir, "block")); err != nil {
			if _, err := os.Stat(filepath.Join(dir, "driver")); err == nil {
				return true
			}
		}
	}
	return false
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
