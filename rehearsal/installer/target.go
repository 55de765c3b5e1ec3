package installer

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func (s *session) unpackBase(ctx context.Context) error {
	if err := s.all(ctx,
		[]string{"mkdir", "-p", target + "/mnt/hostrun"},
		[]string{"mount", "--bind", "/run", target + "/mnt/hostrun"},
	); err != nil {
		return err
	}
	_, err := s.run(ctx, nil, "unsquashfs", "-quiet", "-no-progress", "-f", "-d", target, filepath.Join(cdrom, "pve-base.squashfs"))
	return err
}

// blkid returns one value of a partition.
func (s *session) blkid(ctx context.Context, tag, device string) (string, error) {
	out, err := s.run(ctx, nil, "blkid", "-s", tag, "-o", "value", device)
	return strings.TrimSpace(string(out)), err
}

// configureBase writes the files of the installed system that say who and where
// it is.
func (s *session) configureBase(ctx context.Context) error {
	if err := s.mountForPackages(ctx); err != nil {
		return err
	}
	files := networkFiles(s.answer, s.nic.Name, s.allNICs)
	table, err := s.fstab(ctx)
	if err != nil {
		return err
	}
	id, err := s.run(ctx, nil, "systemd-id128", "new")
	if err != nil {
		return err
	}
	hostID := make([]byte, 4) // gethostid(3)
	rand.Read(hostID)         //nolint:errcheck // it never fails
	files["etc/fstab"] = table
	files["etc/machine-id"] = string(id)
	files["etc/hostid"] = string(hostID)
	files["etc/modprobe.d/zfs.conf"] = fmt.Sprintf("options zfs zfs_arc_max=%d\n", 64<<20)
	for name, content := range files {
		if err := put(name, content, 0o644); err != nil {
			return err
		}
	}
	// What is mounted on the live system is not the target's business.
	if err := os.Remove(filepath.Join(target, "etc/mtab")); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := put("etc/mtab", "", 0o644); err != nil {
		return err
	}
	host, _, _ := strings.Cut(s.answer.FQDN, ".")
	_, err = s.run(ctx, nil, "hostname", host)
	return err
}

// fstab is the table of file systems: LVM's by its device, btrfs by its id. The
// EFI system partition is in it only where GRUB needs it.
func (s *session) fstab(ctx context.Context) (string, error) {
	text := "# <file system> <mount point> <type> <options> <dump> <pass>\n"
	if s.answer.Filesystem == "btrfs" {
		id, err := s.blkid(ctx, "UUID", s.root)
		if err != nil {
			return "", err
		}
		text += "UUID=" + id + " / btrfs defaults 0 1\n"
	} else {
		text += s.root + " / " + s.answer.Filesystem + " " + onVolume[s.answer.Filesystem].fstab + " 0 1\n"
		if s.platform.efi {
			id, err := s.blkid(ctx, "UUID", s.boot[0].esp)
			if err != nil {
				return "", err
			}
			text += "UUID=" + id + " /boot/efi vfat " + espOptions + " 0 1\n"
		}
	}
	if s.swap != "" {
		text += s.swap + " none swap sw 0 0\n"
	}
	return text + "proc /proc proc defaults 0 0\n", nil
}

// espOptions are officially "defaults" alone. An emulated machine may need
// longer than the usual 90 s to see the partition.
const espOptions = "defaults,x-systemd.device-timeout=600"

// configureTarget is what follows the packages: the time zone, the login of
// root, and the words for the kernel.
func (s *session) configureTarget(ctx context.Context) error {
	zone := filepath.Join("/usr/share/zoneinfo", s.answer.Timezone)
	if err := os.Remove(filepath.Join(target, "etc/localtime")); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Symlink(zone, filepath.Join(target, "etc/localtime")); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(target, "proxmox_install_mode")); err != nil {
		return err
	}
	if err := s.all(ctx,
		[]string{"sed", "-i", `s/^#\?PermitRootLogin.*/PermitRootLogin yes/`, target + "/etc/ssh/sshd_config"},
		// The server is in the base here, and its keys are not: its package makes them.
		[]string{"chroot", target, "ssh-keygen", "-A"},
	); err != nil {
		return err
	}
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	words := keptWords(string(cmdline))
	if s.answer.Filesystem == "btrfs" {
		id, err := s.blkid(ctx, "UUID", s.root)
		if err != nil {
			return err
		}
		if err := put("etc/kernel/cmdline", "root=UUID="+id+" "+words+"\n", 0o644); err != nil {
			return err
		}
	}
	if words == "" {
		return nil
	}
	return put("etc/default/grub.d/installer.cfg", grubWords(words), 0o644)
}

// grubWords is the drop-in by which the medium's words reach the installed
// system's boot loader: it speaks where the medium spoke.
func grubWords(words string) string {
	var text string
	if m := serialConsole.FindStringSubmatch(words); m != nil {
		text = "GRUB_TERMINAL_INPUT=\"console serial\"\nGRUB_TERMINAL_OUTPUT=\"gfxterm serial\"\n" +
			"GRUB_SERIAL_COMMAND=\"serial --unit=" + m[1] + " --speed=" + m[2] + "\"\n"
	}
	return text + "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX " + words + "\""
}

// configureAccess sets what opens the system: last of all, when even the boot
// loader is there.
func (s *session) configureAccess(ctx context.Context) error {
	if err := s.loud(ctx); err != nil {
		return err
	}
	argv, password := []string{"chpasswd"}, s.answer.Password
	if s.answer.PasswordHash != "" {
		argv, password = []string{"chpasswd", "--encrypted"}, s.answer.PasswordHash
	}
	if _, err := s.inTarget(ctx, []byte("root:"+password+"\n"), argv...); err != nil {
		return err
	}
	if len(s.answer.Keys) == 0 {
		return nil
	}
	// Modes are what umask leaves, and there is no newline at the end.
	return put("root/.ssh/authorized_keys", strings.Join(s.answer.Keys, "\n"), 0o644)
}

// put writes a file of the installed system.
func put(name, content string, mode fs.FileMode) error {
	path := filepath.Join(target, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), mode)
}

// droppedWords of the medium's kernel command line do not reach the installed system.
var droppedWords = []string{"BOOT_IMAGE", "root", "ramdisk_size", "splash", "vga", "ro", "rw", "quiet", "proxdebug", "proxtui", "proxauto",
	"hdsize", "swapsize", "maxroot", "minfree", "maxvz", "ext4", "xfs"}

// keptWords returns the words of the kernel's command line that stay.
func keptWords(cmdline string) string {
	var kept []string
	for _, word := range strings.Fields(cmdline) {
		key, _, _ := strings.Cut(word, "=")
		if !slices.Contains(droppedWords, key) && !strings.HasPrefix(key, "proxmox-") {
			kept = append(kept, word)
		}
	}
	return strings.Join(kept, " ")
}
