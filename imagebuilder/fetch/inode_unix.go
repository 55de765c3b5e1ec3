//go:build unix

package fetch

import (
	"io/fs"
	"syscall"
)

func inode(is fs.FileInfo) uint64 {
	if s, ok := is.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}
