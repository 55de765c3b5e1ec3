// Package embedded holds the stand-ins of the Proxmox tools as one binary for
// the practice system (linux/amd64), embedded when mkimage was built.
package embedded

import (
	"embed"

	"ringboot/profiles/fault"
)

// The directory always has this package's source; the binary is made by
// "make" and never committed.
//
//go:embed *
var files embed.FS

// ErrMissing says that mkimage was built without the stand-ins.
var ErrMissing = fault.Precondition.New("this mkimage was built without the stand-ins of the Proxmox tools: build it with make, not with go build")

// Standin returns the binary that answers to the names of the Proxmox tools.
func Standin() ([]byte, error) {
	binary, err := files.ReadFile("standin")
	if err != nil {
		return nil, ErrMissing
	}
	return binary, nil
}

// Installer returns the installer of the practice medium.
func Installer() ([]byte, error) {
	binary, err := files.ReadFile("installer")
	if err != nil {
		return nil, ErrMissing
	}
	return binary, nil
}
