package installer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// installBootLoader makes the system start, and last of all runs update-grub in
// the target with /dev bound: what packages left in /etc/grub.d runs here. What
// goes wrong is collected, and ends the installation only at its end.
func (s *session) installBootLoader(ctx context.Context) error {
	for _, q := range quiet[1:] {
		if err := s.restore(ctx, q.path); err != nil {
			return err
		}
	}
	if err := s.all(ctx,
		[]string{"ln", "-sf", "/proc/mounts", target + "/etc/mtab"},
		[]string{"mount", "-n", "--bind", "/dev", target + "/dev"},
	); err != nil {
		return err
	}
	if err := s.loaders(ctx); err != nil {
		s.loader = append(s.loader, err)
	}
	for _, err := range s.loader {
		s.say("boot loader: %v", err)
	}
	_, err := s.run(ctx, nil, "umount", target+"/dev")
	return err
}

// loaders makes the initial file system, the boot loaders of all disks, and the
// boot menu. The loaders' own errors do not keep it from making the menu.
func (s *session) loaders(ctx context.Context) error {
	release, err := s.kernel()
	if err != nil {
		return err
	}
	if _, err := s.inTarget(ctx, nil, "update-initramfs", "-c", "-k", release); err != nil {
		return fmt.Errorf("unable to install initramfs: %w", err)
	}
	for _, b := range s.boot {
		if s.answer.Filesystem == "btrfs" {
			if _, err := s.inTarget(ctx, nil, "proxmox-boot-tool", "init", b.esp); err != nil {
				return fmt.Errorf("unable to init ESP and install proxmox-boot loader on '%s': %w", b.esp, err)
			}
			continue
		}
		if _, err := s.inTarget(ctx, nil, "grub-install", "--target", "i386-pc", "--no-floppy", "--bootloader-id=proxmox", b.name); err != nil {
			s.loader = append(s.loader, fmt.Errorf("unable to install the i386-pc boot loader on '%s': %w", b.name, err))
		}
		if err := s.efiLoader(ctx, b); err != nil {
			s.loader = append(s.loader, fmt.Errorf("failed to prepare EFI boot using Grub on '%s': %w", b.esp, err))
		}
	}
	if _, err := s.inTarget(ctx, nil, "update-grub"); err != nil {
		return fmt.Errorf("unable to update boot loader config: %w", err)
	}
	return nil
}

// kernel is the one kernel of the installed system.
func (s *session) kernel() (string, error) {
	found, err := os.ReadDir(filepath.Join(target, "usr/lib/modules"))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("found %d kernels, not one", len(found))
	}
	return found[0].Name(), nil
}

// efiLoader puts shim and GRUB on the EFI system partition, on a machine that
// was started by a BIOS, too: under EFI/proxmox, and again where firmware looks
// that knows of no system.
func (s *session) efiLoader(ctx context.Context, b bootDisk) (err error) {
	esp := target + "/boot/efi"
	if err := s.all(ctx, []string{"mkdir", "-p", esp}, []string{"mount", "-n", b.esp, "-t", "vfat", esp}); err != nil {
		return err
	}
	// It is not mounted while update-grub runs.
	defer func() {
		_, unmount := s.run(ctx, nil, "umount", esp)
		err = errors.Join(err, unmount)
	}()
	if _, err := s.inTarget(ctx, nil, "grub-install", "--target", "x86_64-efi", "--no-floppy", "--bootloader-id=proxmox", b.name); err != nil {
		if s.platform.efi {
			return fmt.Errorf("unable to install the EFI boot loader on '%s': %w", b.name, err)
		}
		s.say("unable to install the EFI boot loader on '%s', ignoring (not booted using UEFI): %v", b.name, err)
	}
	if err := debianPrefix(esp); err != nil {
		return err
	}
	if err := os.MkdirAll(esp+"/EFI/BOOT", 0o755); err != nil {
		return err
	}
	loaders, err := filepath.Glob(esp + "/EFI/proxmox/*.efi")
	if err != nil {
		return err
	}
	if _, err := s.run(ctx, nil, append(append([]string{"cp"}, loaders...), esp+"/EFI/BOOT/")...); err != nil {
		return fmt.Errorf("unable to copy efi boot loader: %w", err)
	}
	if _, err := s.run(ctx, nil, "mv", esp+"/EFI/BOOT/shimx64.efi", esp+"/EFI/BOOT/BOOTx64.efi"); err != nil {
		return fmt.Errorf("unable to setup default efi boot loader: %w", err)
	}
	return nil
}

// debianPrefix makes up for the one thing in which Debian's signed GRUB is not
// Proxmox's: it looks for its configuration below EFI/debian.
func debianPrefix(esp string) error {
	text, err := os.ReadFile(esp + "/EFI/proxmox/grub.cfg")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(esp+"/EFI/debian", 0o755); err != nil {
		return err
	}
	return os.WriteFile(esp+"/EFI/debian/grub.cfg", text, 0o644)
}

// loaderVerdict is the error of an installation whose boot loader failed.
func (s *session) loaderVerdict() error {
	if len(s.loader) == 0 {
		return nil
	}
	var all []string
	for _, err := range s.loader {
		all = append(all, "- "+err.Error())
	}
	return fmt.Errorf("bootloader setup errors: %s", strings.Join(all, " "))
}
