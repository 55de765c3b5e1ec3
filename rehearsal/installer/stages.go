package installer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// pool is where the packages are seen in the target.
const pool = "/tmp/pkg"

// quiet are programs that do nothing while packages are configured.
var quiet = []string{"/usr/sbin/update-grub", "/usr/sbin/update-initramfs", "/usr/sbin/start-stop-daemon"}

// installPackages unpacks every package of the pool, one by one, and
// configures them together: Depends are forced at the first and not at the second.
func (s *session) installPackages(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(cdrom, "proxmox/packages"))
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for _, name := range poolOrder(names, s.platform) {
		s.say("unpack %s", name)
		if _, err := s.inTarget(ctx, nil, "dpkg", "--force-depends", "--no-triggers", "--unpack", filepath.Join(pool, name)); err != nil {
			return fmt.Errorf("installation of package %s failed: %w", name, err)
		}
	}
	s.say("configure packages")
	if _, err := s.inTarget(ctx, nil, "dpkg", "--force-confold", "--configure", "-a"); err != nil {
		return err
	}
	return s.loud()
}

// enter mounts what package scripts see. /dev is not there yet.
func (s *session) enter(ctx context.Context) error {
	for _, argv := range [][]string{
		{"mkdir", "-p", target + pool},
		{"mount", "--bind", filepath.Join(cdrom, "proxmox/packages"), target + pool},
		{"mount", "-t", "proc", "proc", target + "/proc"},
		{"mount", "-t", "sysfs", "sysfs", target + "/sys"},
		{"mount", "--bind", "/run", target + "/run"},
	} {
		if _, err := s.run(ctx, nil, argv...); err != nil {
			return err
		}
	}
	if err := put("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755); err != nil {
		return err
	}
	if err := put("proxmox_install_mode", "", 0o644); err != nil {
		return err
	}
	for _, path := range quiet {
		if err := os.Rename(target+path, target+path+".real"); os.IsNotExist(err) {
			continue
		} else if err != nil {
			return err
		}
		if err := os.Symlink("/bin/true", target+path); err != nil {
			return err
		}
	}
	return nil
}

// loud gives back what enter has silenced.
func (s *session) loud() error {
	for _, path := range quiet {
		if _, err := os.Lstat(target + path + ".real"); os.IsNotExist(err) {
			continue
		}
		if err := os.Rename(target+path+".real", target+path); err != nil {
			return err
		}
	}
	for _, path := range []string{"usr/sbin/policy-rc.d", "proxmox_install_mode"} {
		if err := os.Remove(filepath.Join(target, path)); err != nil {
			return err
		}
	}
	return nil
}

// installBootLoader runs grub-install and, last of all, update-grub in the
// target, with /dev bound: what packages left in /etc/grub.d runs here.
func (s *session) installBootLoader(ctx context.Context) error {
	if _, err := s.run(ctx, nil, "mount", "--bind", "/dev", target+"/dev"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(target, "boot/efi"), 0o755); err != nil {
		return err
	}
	if _, err := s.run(ctx, nil, "mount", s.parts.esp, target+"/boot/efi"); err != nil {
		return err
	}
	install := []string{"grub-install", "--target=i386-pc", "--no-floppy", s.disk.Name}
	if s.platform.efi {
		install = []string{"grub-install", "--target=x86_64-efi", "--no-floppy", "--bootloader-id=proxmox", "--no-nvram", s.disk.Name}
	}
	if _, err := s.inTarget(ctx, nil, install...); err != nil {
		return err
	}
	if s.platform.efi {
		// The real one leaves the fallback path too, for firmware that forgets.
		if err := s.fallbackLoader(); err != nil {
			return err
		}
		s.register(ctx)
	}
	// It is not mounted while update-grub runs.
	if _, err := s.run(ctx, nil, "umount", target+"/boot/efi"); err != nil {
		return err
	}
	_, err := s.inTarget(ctx, nil, "update-grub")
	return err
}

func (s *session) fallbackLoader() error {
	loader, err := os.ReadFile(filepath.Join(target, "boot/efi/EFI/proxmox/grubx64.efi"))
	if err != nil {
		return err
	}
	return put("boot/efi/EFI/BOOT/BOOTX64.EFI", string(loader), 0o644)
}

// register writes the entry "proxmox" into the firmware's boot order. Firmware
// that takes none is no failure: the fallback path is there.
func (s *session) register(ctx context.Context) {
	if _, err := s.run(ctx, nil, "efibootmgr", "--quiet", "--create", "--disk", s.disk.Name, "--part", "2",
		"--label", "proxmox", "--loader", `\EFI\proxmox\grubx64.efi`); err != nil {
		s.say("the firmware took no boot entry: %v", err)
	}
}

func (s *session) finish(ctx context.Context) error {
	for _, argv := range [][]string{
		{"umount", target + pool},
		{"umount", target + "/dev"},
		{"umount", target + "/run"},
		{"umount", target + "/sys"},
		{"umount", target + "/proc"},
		{"sync"},
		{"umount", target},
	} {
		if _, err := s.run(ctx, nil, argv...); err != nil {
			return err
		}
	}
	return nil
}
