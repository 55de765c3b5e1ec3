package base

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"ringboot/imagebuilder/initrd"
	"ringboot/imagebuilder/locale"
)

// SkeletonOptions say what a skeleton medium is like.
type SkeletonOptions struct {
	Release string // "9.2-1"; empty: that
	Joliet  bool   // with a Joliet tree
	Filler  int    // MiB of content that does not compress, in the two squashfs files; 0: 4
	// Boots gives the medium a kernel and an initrd that finds the medium as
	// the real one does, prints lines "proof ..." on the first serial port and
	// switches off. Without, kernel and initrd are filler, and no network and
	// no cache is needed.
	Boots bool
	// Serial makes menu and kernel speak on the serial port. The real medium
	// does not; its initrd here does so in any case.
	Serial bool
	// Lists is the installer's list of countries, zones and keyboards; without it
	// the file system that the installer runs from is filler, and cannot be read.
	Lists string
}

// skeletonNICs are drivers of network ports, of which a skeleton's initrd has
// some: one for people, one for a ring.
var skeletonNICs = []string{"virtio_net", "vmxnet3"}

// skeletonPool are the names in the package pool that tell an installer's version.
var skeletonPool = []string{"proxmox-first-boot_9.2.7_amd64.deb", "zfs-initramfs_2.3.4-pve1_all.deb", "adduser_3.152_all.deb", "pve-manager_9.2.2_all.deb"}

// Skeleton builds a medium with the anatomy of the Proxmox VE ISO and nothing
// that could be installed, and returns its path in dir.
func Skeleton(ctx context.Context, dir string, o SkeletonOptions) (string, error) {
	if err := mkrescuePrograms.check(); err != nil {
		return "", err
	}
	o.Filler, o.Release = cmp.Or(o.Filler, 4), cmp.Or(o.Release, "9.2-1")
	var id = Identity{Product: "pve", ProductLong: "Proxmox VE (skeleton)"}
	if n, _ := fmt.Sscanf(o.Release, "%3s-%1s", &id.Release, &id.ISORelease); n != 2 {
		return "", fmt.Errorf("release %q is not of the form 9.2-1", o.Release)
	}
	tree, err := os.MkdirTemp(dir, "tree-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tree)
	cdID, err := layTree(tree, id, menu{title: "Proxmox VE", serial: o.Serial}.text())
	if err != nil {
		return "", err
	}
	for _, name := range skeletonPool {
		if err := os.WriteFile(filepath.Join(tree, "proxmox/packages", name), []byte("!<arch>\n"), 0o644); err != nil {
			return "", err
		}
	}
	if err := filler(filepath.Join(tree, "pve-base.squashfs"), o.Filler-o.Filler/4); err != nil {
		return "", err
	}
	if err := skeletonInstaller(ctx, filepath.Join(tree, "pve-installer.squashfs"), o); err != nil {
		return "", err
	}
	if err := skeletonBoot(ctx, tree, cdID, o.Boots); err != nil {
		return "", err
	}
	iso := filepath.Join(dir, "skeleton.iso")
	return iso, mkrescue(ctx, tree, iso, o.Joliet)
}

// skeletonInstaller makes the file system that the installer would run from.
func skeletonInstaller(ctx context.Context, path string, o SkeletonOptions) error {
	if o.Lists == "" {
		return filler(path, o.Filler/4)
	}
	root, err := os.MkdirTemp(filepath.Dir(path), "installer-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	if err := put(filepath.Join(root, locale.List), []byte(o.Lists), 0o644); err != nil {
		return err
	}
	_, err = tool(ctx, "mksquashfs", root, path, "-quiet", "-no-progress", "-comp", "zstd")
	return err
}

func skeletonBoot(ctx context.Context, tree, cdID string, boots bool) error {
	kernelFile, initrdFileName := filepath.Join(tree, "boot/linux26"), filepath.Join(tree, "boot/initrd.img")
	if !boots {
		if err := filler(kernelFile, 1); err != nil {
			return err
		}
		return os.WriteFile(initrdFileName, smallInitrd(), 0o644)
	}
	kernel, err := FetchKernel(ctx)
	if err != nil {
		return err
	}
	if err := linkOrCopy(kernel.Image(), kernelFile); err != nil {
		return err
	}
	return kernel.writeInitrd(ctx, initrdFileName, append(slices.Clone(mediumModules), skeletonNICs...), nil, []initrdFile{
		{"init", 0o755, mediumInit},
		{".pve-cd-id.txt", 0o644, []byte(cdID + "\n")},
		{".cd-info", 0o644, nil},
		{"proof", 0o644, nil},
	})
}

// smallInitrd has a first program and nothing that it could do.
func smallInitrd() []byte {
	var b bytes.Buffer
	a := initrd.NewArchive(&b)
	a.File("init", 0o755, []byte("#!/bin/sh\n"))
	_ = a.Close() // a buffer takes everything
	return b.Bytes()
}

// linkOrCopy gives a file a second name, or copies it where that is not possible.
func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	return copyFile(from, to)
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return put(to, content, 0o644)
}

// put writes a file, into a directory that is made where it is missing.
func put(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, mode)
}
