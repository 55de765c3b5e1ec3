package base

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// buildRoot makes pve-base.squashfs, the practice system's root, and the
// packages of the pool.
func buildRoot(ctx context.Context, dir string, kernel Kernel, report func(string)) error {
	if err := rootFor(os.Geteuid()); err != nil {
		return err
	}
	from, err := mirror(ctx)
	if err != nil {
		return err
	}
	root := filepath.Join(dir, "root")
	defer os.RemoveAll(root)
	report("installing the practice system's Debian packages: a minute or two")
	// What it mounts is gone with it, however it ends.
	log, err := tool(ctx, "unshare", "--mount", "debootstrap", "--variant=minbase", "--arch=amd64", "--keyring="+keyring, "--include="+strings.Join(practiceBase, ","), suite, root, from)
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(log)), "\n")
		return fmt.Errorf("%w: %s", err, lines[len(lines)-1])
	}
	if err := addKernel(ctx, root, kernel); err != nil {
		return err
	}
	script := filepath.Join(root, "configure.sh")
	if err := os.WriteFile(script, configureScript, 0o755); err != nil {
		return err
	}
	if _, err := tool(ctx, "chroot", root, "/configure.sh", kernel.Release); err != nil {
		return err
	}
	if err := os.Remove(script); err != nil {
		return err
	}
	if err := squash(ctx, root, filepath.Join(dir, "pve-base.squashfs")); err != nil {
		return err
	}
	return fetchPool(ctx, dir)
}

// addKernel puts the kernel, some of its modules and a small initrd into the root.
func addKernel(ctx context.Context, root string, kernel Kernel) error {
	dep, err := os.ReadFile(filepath.Join(kernel.Modules(), "modules.dep"))
	if err != nil {
		return err
	}
	from := map[string]string{"boot/vmlinuz-" + kernel.Release: kernel.Image(), "boot/config-" + kernel.Release: filepath.Join(kernel.Dir, "config")}
	for _, name := range append(loadOrder(string(dep), systemModules), "modules.order", "modules.builtin", "modules.builtin.modinfo") {
		from[filepath.Join("usr/lib/modules", kernel.Release, name)] = filepath.Join(kernel.Modules(), name)
	}
	for to, file := range from {
		if err := copyFile(file, filepath.Join(root, to)); err != nil {
			return err
		}
	}
	files, err := programFiles(ctx, root, bootPrograms)
	if err != nil {
		return err
	}
	files = append(files, initrdFile{"init", 0o755, systemInit})
	return kernel.writeInitrd(ctx, filepath.Join(root, "boot/initrd.img-"+kernel.Release), bootModules, lateModules, files)
}

// programFiles are programs of a root tree and the libraries that they need,
// with their paths below it.
func programFiles(ctx context.Context, root string, programs []string) ([]initrdFile, error) {
	var files []initrdFile
	seen := map[string]bool{}
	take := func(path string) error {
		if seen[path] {
			return nil
		}
		seen[path] = true
		content, err := os.ReadFile(filepath.Join(root, path))
		files = append(files, initrdFile{strings.TrimPrefix(path, "/"), 0o755, content})
		return err
	}
	for _, program := range programs {
		if err := take(program); err != nil {
			return nil, err
		}
		out, err := tool(ctx, "chroot", root, "ldd", program)
		if err != nil {
			return nil, err
		}
		for word := range strings.FieldsSeq(string(out)) {
			if !strings.HasPrefix(word, "/") {
				continue
			}
			if err := take(word); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// fetchPool downloads the packages that the installer adds.
func fetchPool(ctx context.Context, dir string) error {
	work, err := os.MkdirTemp(dir, "apt")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	a, err := newApt(ctx, work)
	if err != nil {
		return err
	}
	files, err := a.fetch(ctx, practicePool...)
	if err != nil {
		return err
	}
	pool := filepath.Join(dir, "pool")
	if err := os.MkdirAll(pool, 0o755); err != nil {
		return err
	}
	for _, file := range files {
		if err := os.Rename(file, filepath.Join(pool, filepath.Base(file))); err != nil {
			return err
		}
	}
	return nil
}
