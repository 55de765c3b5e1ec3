// Package stick lists removable devices, refuses those that must not be
// overwritten, and writes an image to one: in one pass, first block last, read
// back and compared.
//
// It decides nothing about the image. Asking a person is the command's job.
package stick

import (
	"fmt"
	"strings"

	"ringboot/profiles/fault"
)

// Device is one whole disk.
type Device struct {
	Path      string   `json:"path"`             // /dev/sdb, /dev/disk4
	Size      int64    `json:"size"`             // bytes
	Model     string   `json:"model,omitempty"`  // as the device says
	Serial    string   `json:"serial,omitempty"` // as the device says
	Bus       string   `json:"bus,omitempty"`    // usb, ata, nvme, mmc, loop
	Removable bool     `json:"removable"`        // a stick or card, or anything on USB
	ReadOnly  bool     `json:"read_only,omitempty"`
	System    bool     `json:"system,omitempty"`  // this computer runs from it
	Mounted   []string `json:"mounted,omitempty"` // where it or a part of it is mounted
	InUse     []string `json:"in_use,omitempty"`  // what else uses it: swap, LVM, RAID, ZFS, a loop device
	Content   []string `json:"content,omitempty"` // what lies on it, but for an installation medium
	// Sequence is the kernel's number of this plugging in: no other device has it.
	Sequence string `json:"sequence,omitempty"`
}

// large is from where on a removable disk is rather somebody's backups than a
// stick, in bytes.
const large = 200e9

// Carries says what would be lost that a person may not think of, "" if nothing.
func (d Device) Carries() string {
	switch {
	case len(d.Content) > 0:
		return strings.Join(d.Content, ", ")
	case d.Size >= large:
		return Bytes(d.Size) + " of room, more than a stick"
	}
	return ""
}

// Same says why the device that is open now is not the one that a person
// confirmed, nil if it is: its name may have gone to another one meanwhile.
func (d Device) Same(now Device) error {
	for _, is := range []struct{ what, was, now string }{
		{"number of its plugging in", d.Sequence, now.Sequence},
		{"size", Bytes(d.Size), Bytes(now.Size)},
		{"serial number", d.Serial, now.Serial},
		{"model", d.Model, now.Model},
	} {
		if is.was != is.now {
			return fmt.Errorf("%w: %s is another device than the one that was confirmed (its %s was %q and is %q), nothing was written: look with mkimage sticks", ErrRefused, d.Path, is.what, is.was, is.now)
		}
	}
	if d.Size != now.Size {
		return fmt.Errorf("%w: %s is another device than the one that was confirmed (%d bytes, and now %d), nothing was written: look with mkimage sticks", ErrRefused, d.Path, d.Size, now.Size)
	}
	return nil
}

// Describe is the device in one line for a person.
func (d Device) Describe() string {
	words := []string{d.Path, Bytes(d.Size)}
	if d.Model != "" {
		words = append(words, d.Model)
	}
	if d.Serial != "" {
		words = append(words, "serial "+d.Serial)
	}
	if d.Bus != "" {
		words = append(words, "("+d.Bus+")")
	}
	return strings.Join(words, " ")
}

// ErrRefused says that a device must not be written, for safety.
var ErrRefused = fault.Refused.New("refused")

// Refuse says why the device must not be written with an image of that many
// bytes, or nil. twice means that a person named the device twice, which is
// asked for one that is built in, and for one that carries something.
func (d Device) Refuse(size int64, twice bool) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s %s", ErrRefused, d.Path, fmt.Sprintf(format, args...))
	}
	switch {
	case d.System:
		return refuse("carries the system of this computer")
	case len(d.Mounted) > 0:
		return refuse("is mounted on %s: unmount it first", strings.Join(d.Mounted, ", "))
	case len(d.InUse) > 0:
		return refuse("is in use by %s", strings.Join(d.InUse, ", "))
	case d.ReadOnly:
		return refuse("is read-only: look for a switch on the stick")
	case d.Size == 0:
		return refuse("has no medium in it")
	case d.Size < size:
		return refuse("holds %s, the image needs %s", Bytes(d.Size), Bytes(size))
	case !d.Removable && !twice:
		return refuse("is built in and not removable: if it is meant, name it twice (--confirm=%s --confirm=%s)", d.Path, d.Path)
	case size > 0 && !twice && d.Carries() != "":
		return refuse("carries %s: if that may be erased, name it twice (--confirm=%s --confirm=%s)", d.Carries(), d.Path, d.Path)
	}
	return nil
}

// Bytes writes a size as sellers of sticks do, in powers of ten.
func Bytes(n int64) string {
	const step = 1000
	if n < step {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), ""
	for _, u := range []string{"kB", "MB", "GB", "TB", "PB"} {
		if value < step {
			break
		}
		value, unit = value/step, u
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %s", value, unit)
	}
	return fmt.Sprintf("%.0f %s", value, unit)
}
