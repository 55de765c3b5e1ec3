package keyring

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// foreign says nothing here: a user's own directory is closed to others.
func foreign(string) (who string, ok bool) { return "", false }

// tryLock takes the lock if nobody has it. The system gives it back when the
// process ends, however it ends.
func tryLock(f *os.File) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}
