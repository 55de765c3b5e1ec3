//go:build unix

package keyring

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// foreign says who has a directory, where it is another user.
func foreign(dir string) (who string, ok bool) {
	var s unix.Stat_t
	if unix.Stat(dir, &s) != nil || int(s.Uid) == os.Geteuid() {
		return "", false // one that cannot be looked at cannot be opened either
	}
	return "the user " + strconv.Itoa(int(s.Uid)), true
}

// tryLock takes the lock if nobody has it. The kernel gives it back when the
// process ends, however it ends.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
