package cable

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// full sends a frame and tells whether the machine has no room for it. A
// machine that is off receives nothing.
func full(socket syscall.RawConn, frame []byte, to string) bool {
	var err error
	done := socket.Write(func(fd uintptr) bool {
		err = unix.Sendto(int(fd), frame, unix.MSG_DONTWAIT, &unix.SockaddrUnix{Name: to})
		return true
	})
	return done == nil && (errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS))
}
