//go:build !unix

package cable

import "syscall"

// full is for systems without sockets of datagrams between processes.
func full(syscall.RawConn, []byte, string) bool { return false }
