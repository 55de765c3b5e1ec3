package base

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"ringboot/imagebuilder/initrd"
)

//go:embed initrd/init
var mediumInit []byte

// mediumModules are what a medium needs to find itself, and an installer to
// see disks and make file systems: with what they depend on, in any order.
var mediumModules = []string{
	"ahci", "ata_piix", "sd_mod", "sr_mod", "nvme", "virtio_blk", "virtio_scsi",
	"xhci_pci", "ehci_pci", "uhci_hcd", "usb_storage", "uas",
	"isofs", "loop", "dm_mod", "squashfs", "overlay", "crc32c_generic", "crc32c_intel", "libcrc32c",
	"ext4", "vfat", "nls_ascii", "nls_cp437", "nls_iso8859_1", "nls_utf8", "efivarfs",
}

// initrdFile is one file of an initrd, beside the kernel's modules and busybox.
type initrdFile struct {
	path    string
	mode    os.FileMode
	content []byte
}

// writeInitrd writes an initrd with busybox, the modules in loading order
// (/modules/order, and those for later in /modules/late) and the files.
func (k Kernel) writeInitrd(ctx context.Context, to string, modules, late []string, files []initrdFile) error {
	loaded, err := k.modules(ctx, append(slices.Clone(modules), late...))
	if err != nil {
		return err
	}
	first, err := k.modules(ctx, modules)
	if err != nil {
		return err
	}
	busybox, err := os.ReadFile(k.Busybox())
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	// A fast level: the guest unpacks it on an emulated processor.
	z, err := zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return err
	}
	a := initrd.NewArchive(z)
	for _, d := range []string{"bin", "dev", "proc", "sys", "run", "mnt", "tmp", "root", "modules", "etc"} {
		a.Dir(d)
	}
	a.Device("dev/console", 5, 1)
	a.File("bin/busybox", 0o755, busybox)
	a.Link("bin/sh", "busybox")
	order := [2]strings.Builder{}
	for i, m := range loaded {
		a.File(path.Join("modules", m.name), 0o644, m.content)
		at := 0
		if i >= len(first) {
			at = 1
		}
		fmt.Fprintln(&order[at], m.name)
	}
	a.File("modules/order", 0o644, []byte(order[0].String()))
	a.File("modules/late", 0o644, []byte(order[1].String()))
	for _, f := range files {
		a.File(f.path, f.mode, f.content)
	}
	if err := a.Close(); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return out.Close()
}
