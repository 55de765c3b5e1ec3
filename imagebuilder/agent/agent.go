// Package agent holds the agent's binary for the nodes (linux/amd64), embedded
// when mkimage was built, so that a Mac builds images too.
package agent

import (
	"embed"
	"errors"
)

// The directory always has this package's source, so that the repository
// builds before the agent does; the binary itself is made by "make" and never committed.
//
//go:embed *
var files embed.FS

// ErrMissing says that mkimage was built without the agent.
var ErrMissing = errors.New("this mkimage was built without the agent: build it with make, not with go build")

// Binary returns the agent.
func Binary() ([]byte, error) {
	binary, err := files.ReadFile("firstboot")
	if err != nil {
		return nil, ErrMissing
	}
	return binary, nil
}
