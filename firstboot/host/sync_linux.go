package host

import "syscall"

// Sync flushes all file systems of the machine.
func (f *osFiles) Sync() error {
	syscall.Sync()
	return nil
}
