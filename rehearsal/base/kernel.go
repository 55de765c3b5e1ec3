package base

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Kernel is a Debian kernel with all its modules and a static shell.
type Kernel struct {
	Dir     string // of the cache
	Release string // as uname -r says it
}

// Image is the kernel's file.
func (k Kernel) Image() string { return filepath.Join(k.Dir, "vmlinuz") }

// Busybox is a static program with the commands of a small initrd.
func (k Kernel) Busybox() string { return filepath.Join(k.Dir, "busybox") }

// Modules is the directory of the kernel's modules: modules.dep and kernel/.
func (k Kernel) Modules() string { return filepath.Join(k.Dir, "modules/lib/modules", k.Release) }

const kernelPackage = "linux-image-amd64"

var kernelPrograms = programs{"apt-get": "apt", "dpkg-deb": "dpkg", "depmod": "kmod", "xz": "xz-utils"}

// FetchKernel returns Debian's kernel, downloaded when the cache has none.
func FetchKernel(ctx context.Context) (Kernel, error) {
	dir, err := cached(ctx, key("kernel", suite, kernelPackage, "1"), fetchKernel)
	if err != nil {
		return Kernel{}, fmt.Errorf("kernel for the medium: %w", err)
	}
	release, err := os.ReadFile(filepath.Join(dir, "release"))
	return Kernel{Dir: dir, Release: string(release)}, err
}

func fetchKernel(ctx context.Context, dir string) error {
	if err := kernelPrograms.check(); err != nil {
		return err
	}
	work, err := os.MkdirTemp(dir, "work")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	a, err := newApt(ctx, work)
	if err != nil {
		return err
	}
	names, err := a.depends(ctx, kernelPackage)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, "linux-image-") })
	if at < 0 {
		return fmt.Errorf("%s of Debian %s depends on no kernel, only on %q", kernelPackage, suite, names)
	}
	release := strings.TrimPrefix(names[at], "linux-image-")
	files, err := a.fetch(ctx, names[at], "busybox-static")
	if err != nil {
		return err
	}
	root := filepath.Join(work, "root")
	for _, file := range files {
		if _, err := tool(ctx, "dpkg-deb", "-x", file, root); err != nil {
			return err
		}
	}
	return keepKernel(ctx, root, dir, release)
}

// keepKernel moves what is wanted out of the unpacked packages.
func keepKernel(ctx context.Context, root, dir, release string) error {
	if err := os.MkdirAll(filepath.Join(dir, "modules/lib/modules"), 0o755); err != nil {
		return err
	}
	for from, to := range map[string]string{
		"boot/vmlinuz-" + release:                             "vmlinuz",
		"usr/bin/busybox":                                     "busybox",
		"usr/lib/modules/" + release:                          "modules/lib/modules/" + release,
		"boot/config-" + release:                              "config",
		"usr/share/doc/linux-image-" + release + "/copyright": "copyright",
	} {
		if err := os.Rename(filepath.Join(root, from), filepath.Join(dir, to)); err != nil {
			return err
		}
	}
	if _, err := tool(ctx, "depmod", "-b", filepath.Join(dir, "modules"), release); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "release"), []byte(release), 0o644)
}

// loadOrder returns the files of the wanted modules and of all that they need,
// in the order in which they can be loaded. Modules that are built into the
// kernel, or that it does not have, are left out: which it has changes with its
// version.
func loadOrder(modulesDep string, wanted []string) []string {
	needs := map[string][]string{} // file -> files
	byName := map[string]string{}  // module -> file
	for line := range strings.Lines(modulesDep) {
		file, rest, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found {
			continue
		}
		needs[file] = strings.Fields(rest)
		byName[moduleName(file)] = file
	}
	var order []string
	seen := map[string]bool{}
	var add func(file string)
	add = func(file string) {
		if seen[file] {
			return
		}
		seen[file] = true
		// modules.dep lists the nearest first: the farthest must be loaded first.
		for _, need := range slices.Backward(needs[file]) {
			add(need)
		}
		order = append(order, file)
	}
	for _, name := range wanted {
		if file, ok := byName[strings.ReplaceAll(name, "-", "_")]; ok {
			add(file)
		}
	}
	return order
}

// moduleName is a file's name as the kernel knows the module.
func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// modules returns the wanted modules, decompressed, in loading order.
func (k Kernel) modules(ctx context.Context, wanted []string) ([]module, error) {
	dep, err := os.ReadFile(filepath.Join(k.Modules(), "modules.dep"))
	if err != nil {
		return nil, err
	}
	var out []module
	for _, file := range loadOrder(string(dep), wanted) {
		path := filepath.Join(k.Modules(), file)
		var content []byte
		if strings.HasSuffix(file, ".xz") {
			content, err = tool(ctx, "xz", "-dc", path)
		} else {
			content, err = os.ReadFile(path)
		}
		if err != nil {
			return nil, fmt.Errorf("kernel module: %w", err)
		}
		out = append(out, module{strings.TrimSuffix(filepath.Base(file), ".xz"), bytes.Clone(content)})
	}
	return out, nil
}

type module struct {
	name    string
	content []byte
}
