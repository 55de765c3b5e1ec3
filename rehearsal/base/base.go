// Package base builds installation media with the anatomy of the Proxmox VE
// ISO from Debian packages alone: a skeleton that boots and proves what it
// carries, and the practice ISO, whose installer makes a Debian system with
// stand-ins of the Proxmox tools.
//
// It is no source of Proxmox VE: whatever it builds says PRACTICE in its menus
// and in .cd-info. It never touches a disk of the machine that it runs on.
package base

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"ringboot/profiles/fault"
)

// cacheDir is where built parts are kept, below the user's cache directory
// ($XDG_CACHE_HOME or ~/.cache), and who gets them.
func cacheDir() (string, *owner, error) {
	dir, own, err := cacheOf(os.Geteuid(), os.Getenv, homeOf)
	if err != nil {
		return "", nil, err
	}
	dir = filepath.Join(dir, "ringboot")
	return dir, own, own.make(dir)
}

// key names a part of the cache by everything that decides its content.
func key(name string, decides ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(decides, "\x00")))
	return name + "-" + hex.EncodeToString(sum[:6])
}

// cached returns the directory of a part, which build fills when it is not
// there. Two processes that want the same part wait for each other; a build
// that was interrupted leaves nothing that counts.
func cached(ctx context.Context, name string, build func(ctx context.Context, dir string) error) (string, error) {
	root, own, err := cacheDir()
	if err != nil {
		return "", err
	}
	final := filepath.Join(root, name)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	unlock, err := lock(ctx, final+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := own.give(final + ".lock"); err != nil {
		return "", err
	}
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	work := final + ".new"
	if err := discard(work); err != nil {
		return "", err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return "", err
	}
	if err := build(ctx, work); err != nil {
		return "", errors.Join(err, discard(work))
	}
	if err := own.give(work); err != nil {
		return "", err
	}
	return final, os.Rename(work, final)
}

// discard removes what an interrupted build left, and nothing that is mounted in it.
func discard(dir string) error {
	mounts, _ := os.ReadFile("/proc/self/mounts") // absent where there are none to fear
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			return fmt.Errorf("an interrupted build has left %s mounted: sudo umount %s, then again", f[1], f[1])
		}
	}
	return os.RemoveAll(dir)
}

// tool runs a program and returns what it printed. An error carries the last
// line of its messages.
func tool(ctx context.Context, argv ...string) ([]byte, error) {
	return toolIn(ctx, nil, argv...)
}

// toolIn is tool with an environment added to that of the process.
func toolIn(ctx context.Context, env []string, argv ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"), env...)
	var messages strings.Builder
	cmd.Stderr = &messages
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		lines := strings.Split(strings.TrimSpace(messages.String()), "\n")
		return out, fmt.Errorf("%s: %w: %s", argv[0], err, lines[len(lines)-1])
	}
	return out, nil
}

// programs lists what a build runs, with the Debian package of each.
type programs map[string]string

// check names all that is missing at once.
func (p programs) check() error {
	var missing []string
	for program, pkg := range p {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: apt install %s", ErrTools, strings.Join(unique(missing), " "))
}

// ErrTools says that programs of this machine are missing.
var ErrTools = fault.Precondition.New("programs that build installation media are not here")
