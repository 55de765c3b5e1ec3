//go:build !linux && !darwin

package stick

import (
	"context"
	"errors"
	"io"
	"os"
)

// OpenCommand is the hidden command of mkimage that opens a device as root.
const OpenCommand = "open-device"

var errElsewhere = errors.New("mkimage writes sticks on Linux and macOS: make the image file here, and write it with Rufus in DD mode, or with balenaEtcher")

// List says what to use instead.
func List(context.Context) ([]Device, error) { return nil, errElsewhere }

// Find says what to use instead.
func Find(context.Context, string) (Device, error) { return Device{}, errElsewhere }

// Open says what to use instead.
func Open(context.Context, Device, string, io.Writer) (interface {
	Target
	io.Closer
}, error) {
	return nil, errElsewhere
}

// HandOver says what to use instead.
func HandOver(string, *os.File) error { return errElsewhere }
