package containers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Unpack makes the directory of an installed system from a practice ISO: its
// root tree with the packages of its pool, as the installer would leave them.
func Unpack(ctx context.Context, iso, dir string) (root string, err error) {
	root = filepath.Join(dir, "system")
	medium := filepath.Join(dir, "medium")
	if err := os.MkdirAll(medium, 0o755); err != nil {
		return "", err
	}
	defer os.RemoveAll(medium)
	steps := [][]string{
		{"xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/pve-base.squashfs", filepath.Join(medium, "base"), "-extract", "/proxmox/packages", filepath.Join(root, "packages")},
		{"unsquashfs", "-quiet", "-no-progress", "-force", "-dest", root, filepath.Join(medium, "base")},
		{"chroot", root, "sh", "-c", "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d && " +
			"dpkg --force-depends --no-triggers --unpack packages/*.deb && dpkg --force-confold --configure -a && rm -r packages /usr/sbin/policy-rc.d"},
	}
	for _, argv := range steps {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("unpack %s: %s: %w: %s", filepath.Base(iso), argv[0], err, lastLine(out))
		}
	}
	return root, nil
}
