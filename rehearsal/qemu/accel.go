package qemu

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// Accel is how QEMU runs the guest's instructions.
type Accel string

// The accelerators.
const (
	TCG Accel = "tcg" // translation: everywhere, slow
	KVM Accel = "kvm" // the processor's own virtualisation
)

// probeTime is what a kernel needs to its first line with KVM, many times over.
const probeTime = 20 * time.Second

// Choose returns KVM if it really boots this kernel as far as it goes without
// an initial file system, and TCG otherwise. That
// /dev/kvm is there and can be opened proves nothing: on some hosted machines
// the first instruction that needs emulation ends the guest.
func Choose(ctx context.Context, kernel string) Accel {
	device, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return TCG
	}
	device.Close()
	dir, err := os.MkdirTemp("", "ringboot-kvm-")
	if err != nil {
		return TCG
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	for _, firmware := range []Firmware{BIOS, UEFI} {
		vm, err := Start(ctx, Machine{
			Name: "kvm-probe", Accel: KVM, MemoryMiB: 256, NoReboot: true, Firmware: firmware,
			Kernel: kernel, Append: "console=ttyS0 panic=-1",
		}, filepath.Join(dir, string(firmware)))
		if err != nil {
			return TCG
		}
		_, err = vm.Console.Expect(ctx, `Unable to mount root fs`)
		vm.Cut()
		if err != nil {
			return TCG
		}
	}
	return KVM
}
