package base

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// owner is who called sudo, and gets what root makes for them; nil is nobody else.
type owner struct{ uid, gid int }

// cacheOf is the cache directory that counts, and whose it is: with sudo, that of
// the one who called it, who looks there again without it.
func cacheOf(euid int, env func(string) string, home func(uid string) (string, error)) (string, *owner, error) {
	uid, errUID := strconv.Atoi(env("SUDO_UID"))
	gid, errGID := strconv.Atoi(env("SUDO_GID"))
	if euid == 0 && errUID == nil && errGID == nil && uid > 0 && env("XDG_CACHE_HOME") == "" {
		if dir, err := home(env("SUDO_UID")); err == nil {
			return filepath.Join(dir, ".cache"), &owner{uid, gid}, nil
		}
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", nil, fmt.Errorf("cache directory: %w: set XDG_CACHE_HOME", err)
	}
	return dir, nil, nil
}

// homeOf is the home of a user who has one.
func homeOf(uid string) (string, error) {
	u, err := user.LookupId(uid)
	if err != nil {
		return "", err
	}
	_, err = os.Stat(u.HomeDir)
	return u.HomeDir, err
}

// give hands over a file, or a directory with all that is in it.
func (o *owner) give(path string) error {
	if o == nil {
		return nil
	}
	return filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(p, o.uid, o.gid))
	})
}

// make makes a directory that may be there, and the ones above it.
func (o *owner) make(dir string) error {
	if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
		return err
	}
	if err := o.make(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return o.give(dir)
}
