package base

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ringboot/rehearsal/need"
)

func TestTheCacheIsTheOneOfWhoCalledSudo(t *testing.T) {
	home := func(uid string) (string, error) {
		if uid != "1000" {
			return "", errors.New("no such user")
		}
		return "/home/anna", nil
	}
	usual, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		euid int
		env  map[string]string
		want string
		own  bool
	}{
		"a user":           {1000, nil, usual, false},
		"root":             {0, nil, usual, false},
		"sudo":             {0, map[string]string{"SUDO_UID": "1000", "SUDO_GID": "1000"}, "/home/anna/.cache", true},
		"sudo from root":   {0, map[string]string{"SUDO_UID": "0", "SUDO_GID": "0"}, usual, false},
		"sudo of a ghost":  {0, map[string]string{"SUDO_UID": "1001", "SUDO_GID": "1001"}, usual, false},
		"a place is named": {0, map[string]string{"SUDO_UID": "1000", "SUDO_GID": "1000", "XDG_CACHE_HOME": "/srv"}, usual, false},
		"left over":        {1000, map[string]string{"SUDO_UID": "1000", "SUDO_GID": "1000"}, usual, false},
	} {
		dir, own, err := cacheOf(c.euid, func(k string) string { return c.env[k] }, home)
		if err != nil || dir != c.want || (own != nil) != c.own {
			t.Errorf("%s: %s %v %v", name, dir, own, err)
		}
	}
}

func TestWhatRootMakesIsHandedOver(t *testing.T) {
	need.Root(t)
	base := t.TempDir()
	const nobody = 65534
	o := &owner{nobody, nobody}
	dir := filepath.Join(base, ".cache", "ringboot")
	if err := o.make(dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "part", "x.iso")
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o600), o.give(filepath.Dir(file))); err != nil {
		t.Fatal(err)
	}
	for at := file; at != base; at = filepath.Dir(at) {
		is, err := os.Stat(at)
		if err != nil || is.Sys().(*syscall.Stat_t).Uid != nobody {
			t.Errorf("%s: %v %v", at, is.Sys(), err)
		}
	}
	if is, err := os.Stat(base); err != nil || is.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("what was there already was given away: %v", err)
	}
	if err := (*owner)(nil).give(file); err != nil {
		t.Error(err)
	}
}

// Who is not root is told so before anything is looked for or fetched, with what
// to type: sudo does not know where this program lies.
func TestRootIsAskedForFirst(t *testing.T) {
	if os.Geteuid() == 0 {
		if err := rootFor(0); err != nil {
			t.Error(err)
		}
	}
	err := rootFor(1000)
	self, _ := os.Executable()
	if err == nil || !errors.Is(err, ErrRoot) || !strings.Contains(err.Error(), "sudo "+self+" practice-iso") {
		t.Errorf("%v", err)
	}
}
