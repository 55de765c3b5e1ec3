//go:build !linux

package throughput

import (
	"errors"
	"net"
	"syscall"
)

// The agent runs on Linux only; elsewhere the package builds and refuses.
var errLinux = errors.New("a link can be measured on Linux only")

func bindToDevice(_ syscall.RawConn, device string) error {
	if device == "" {
		return nil
	}
	return errLinux
}

func dontFragment(*net.UDPConn) error { return errLinux }

func tcpInfo(*net.TCPConn) (counters, error) { return counters{}, errLinux }
