package base

import (
	"context"
	_ "embed"
	"maps"
	"path/filepath"
	"slices"
)

//go:embed initrd/trial
var trialInit []byte

// trialModules are what a trial needs for its root, and for a network of its own.
var trialModules = []string{"virtio_pci", "virtio_blk", "squashfs", "overlay", "bonding", "bridge", "8021q", "veth", "dummy"}

// Trial is what a machine starts that runs one script in the practice system
// with a kernel of its own, without an installation: on a cloud's kernel there
// are no bonds and no VLANs to try.
type Trial struct {
	Kernel, Initrd string
	Root           string // goes in as the first virtio disk; it is not written to
}

// NewTrial makes a trial below dir: files lie in /trial there, and /trial/run is
// the script. What it prints is on the console, and last "trial: ended with N".
func NewTrial(ctx context.Context, dir string, files map[string]string) (Trial, error) {
	kernel, err := FetchKernel(ctx)
	if err != nil {
		return Trial{}, err
	}
	root, err := practiceRoot(ctx, kernel, func(string) {})
	if err != nil {
		return Trial{}, err
	}
	t := Trial{Kernel: kernel.Image(), Initrd: filepath.Join(dir, "trial.initrd"), Root: filepath.Join(root, "pve-base.squashfs")}
	inside := []initrdFile{{"init", 0o755, trialInit}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		inside = append(inside, initrdFile{"trial/" + name, 0o644, []byte(files[name])})
	}
	return t, kernel.writeInitrd(ctx, t.Initrd, trialModules, nil, inside)
}
