package base_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/base"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/qemu"
)

func needMedium(t testing.TB) {
	t.Helper()
	need.Tools(t, "grub-mkrescue:grub-common", "xorriso", "mformat:mtools")
	need.File(t, "/usr/lib/grub/i386-pc/cdboot.img", "grub-pc-bin")
	need.File(t, "/usr/lib/grub/x86_64-efi/part_gpt.mod", "grub-efi-amd64-bin")
}

func TestSkeletonHasTheAnatomy(t *testing.T) {
	needMedium(t)
	need.Slow(t)
	iso, err := base.Skeleton(t.Context(), t.TempDir(), base.SkeletonOptions{Joliet: true})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("xorriso", "-indev", iso, "-find", "/", "-exec", "echo", "--").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, path := range []string{"/.cd-info", "/.disk/info", "/.pve-cd-id.txt", "/auto-installer-capable", "/.base", "/.installer",
		"/.installer-mp", "/.workdir", "/debian", "/boot/linux26", "/boot/initrd.img", "/boot/grub/grub.cfg", "/efi.img",
		"/boot/grub/i386-pc/eltorito.img", "/proxmox/packages/proxmox-first-boot_9.2.7_amd64.deb", "/pve-base.squashfs", "/pve-installer.squashfs"} {
		if !strings.Contains(string(out), "'"+path+"'") {
			t.Errorf("the skeleton lacks %s", path)
		}
	}
	report, err := exec.Command("xorriso", "-indev", iso, "-report_el_torito", "plain", "-report_system_area", "plain").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, report)
	}
	for _, want := range []string{"MBR protective-msdos-label", "GPT type GUID", "APM", "El Torito boot img :   1  BIOS", "El Torito boot img :   2  UEFI"} {
		if !strings.Contains(string(report), want) {
			t.Errorf("the boot report lacks %q:\n%s", want, report)
		}
	}
}

func TestSkeletonBootsFourWays(t *testing.T) {
	needMedium(t)
	need.Slow(t)
	need.Tools(t, "qemu-system-x86_64:qemu-system-x86", "apt-get:apt", "depmod:kmod")
	need.File(t, "/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf")
	dir := t.TempDir()
	iso, err := base.Skeleton(t.Context(), dir, base.SkeletonOptions{Boots: true, Serial: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, firmware := range []qemu.Firmware{qemu.BIOS, qemu.UEFI} {
		for _, kind := range []qemu.Kind{qemu.CD, qemu.Stick} {
			t.Run(fmt.Sprintf("%s %s", firmware, kind), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
				defer cancel()
				vmDir, err := os.MkdirTemp("", "rb-four-")
				if err != nil {
					t.Fatal(err)
				}
				defer os.RemoveAll(vmDir)
				vm, err := qemu.Start(ctx, qemu.Machine{
					Name: "four", Firmware: firmware, NoReboot: true,
					Media: []qemu.Medium{{Path: iso, Kind: kind, BootIndex: 1}},
				}, filepath.Join(vmDir, "m"))
				if err != nil {
					t.Fatal(err)
				}
				defer vm.Cut()
				// Without a mode file the menu waits for a person.
				if _, err := vm.Console.Expect(ctx, `Install Proxmox VE \(Graphical\)`); err != nil {
					t.Fatal(err)
				}
				if err := vm.Console.Send("\r"); err != nil {
					t.Fatal(err)
				}
				want := map[qemu.Kind]string{qemu.CD: "/dev/sr0", qemu.Stick: "/dev/sda"}[kind]
				m, err := vm.Console.Expect(ctx, `^proof medium (\S+)`)
				if err != nil {
					t.Fatal(err)
				}
				if m.Groups[1] != want {
					t.Errorf("the medium was found as %s, want %s", m.Groups[1], want)
				}
				if m, err = vm.Console.Expect(ctx, `^proof firmware (\S+)`); err != nil || m.Groups[1] != string(firmware) {
					t.Errorf("firmware is %q (%v), want %s", m.Groups, err, firmware)
				}
				if _, err := vm.Console.Expect(ctx, `^proof end`); err != nil {
					t.Fatal(err)
				}
				if err := vm.Wait(ctx); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
