package installer

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// partitions are the parts of the system disk.
type partitions struct{ esp, root string }

// table is the layout that the real installer makes, with a plain root where
// that one has LVM: BIOS boot, EFI system partition, the rest (sfdisk's types).
const table = `label: gpt
size=1MiB, type=21686148-6449-6E6F-744E-656564454649
size=%dMiB, type=uefi
type=linux
`

// espMiB is smaller than the real 1024, which takes longer to format than to use.
const espMiB = 256

func (s *session) partition(ctx context.Context) error {
	disk := s.disk.Name
	separator := ""
	if last := disk[len(disk)-1]; last >= '0' && last <= '9' {
		separator = "p"
	}
	s.parts = partitions{esp: disk + separator + "2", root: disk + separator + "3"}
	for _, step := range []struct {
		stdin string
		argv  []string
	}{
		{"", []string{"wipefs", "-a", "-q", disk}},
		{fmt.Sprintf(table, espMiB), []string{"sfdisk", "--quiet", "--wipe", "always", "--wipe-partitions", "always", disk}},
		{"", []string{"udevadm", "settle", "--timeout=30"}},
		{"", []string{"mkfs.vfat", "-F", "32", s.parts.esp}},
		{"", []string{"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", s.parts.root}},
		{"", []string{"udevadm", "settle", "--timeout=30"}},
		{"", []string{"mkdir", "-p", target}},
		{"", []string{"mount", "-o", "noatime", s.parts.root, target}},
	} {
		if _, err := s.run(ctx, []byte(step.stdin), step.argv...); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) unpackBase(ctx context.Context) error {
	_, err := s.run(ctx, nil, "unsquashfs", "-quiet", "-no-progress", "-f", "-d", target, filepath.Join(cdrom, "pve-base.squashfs"))
	return err
}

// blkid returns one value of a partition.
func (s *session) blkid(ctx context.Context, tag, device string) (string, error) {
	out, err := s.run(ctx, nil, "blkid", "-s", tag, "-o", "value", device)
	return strings.TrimSpace(string(out)), err
}

// The time-out of the EFI partition is for emulated machines, which may need
// longer than the usual 90 s to see it.
func (s *session) configureBase(ctx context.Context) error {
	rootID, err := s.blkid(ctx, "UUID", s.parts.root)
	if err != nil {
		return err
	}
	espID, err := s.blkid(ctx, "UUID", s.parts.esp)
	if err != nil {
		return err
	}
	files := map[string]string{
		"etc/fstab": "# <file system> <mount point> <type> <options> <dump> <pass>\n" +
			"UUID=" + rootID + " / ext4 errors=remount-ro 0 1\n" +
			"UUID=" + espID + " /boot/efi vfat defaults,x-systemd.device-timeout=600 0 1\nproc /proc proc defaults 0 0\n",
		"etc/timezone":         s.answer.Timezone + "\n",
		"etc/default/keyboard": "XKBMODEL=\"pc105\"\nXKBLAYOUT=\"" + strings.SplitN(s.answer.Keyboard, "-", 2)[0] + "\"\nXKBVARIANT=\"\"\nXKBOPTIONS=\"\"\n",
	}
	for name, content := range networkFiles(s.answer, s.nic.Name, s.allNICs) {
		files[name] = content
	}
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	files["etc/default/grub.d/installer.cfg"] = "GRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=\"Ringboot PRACTICE\"\n" +
		"GRUB_DISABLE_OS_PROBER=true\nGRUB_CMDLINE_LINUX=\"" + keptWords(string(cmdline)) + "\"\n"
	for name, content := range files {
		if err := put(name, content, 0o644); err != nil {
			return err
		}
	}
	zone := filepath.Join("/usr/share/zoneinfo", s.answer.Timezone)
	if _, err := os.Stat(target + zone); err != nil {
		return fmt.Errorf("time zone %s is not known", s.answer.Timezone)
	}
	if err := os.Remove(filepath.Join(target, "etc/localtime")); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Symlink(zone, filepath.Join(target, "etc/localtime")); err != nil {
		return err
	}
	return s.configureAccess(ctx)
}

// configureAccess sets what only this machine has: its id, its SSH keys, the
// password of root.
func (s *session) configureAccess(ctx context.Context) error {
	for _, argv := range [][]string{{"systemd-machine-id-setup"}, {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/ssh_host_ed25519_key"}} {
		if _, err := s.inTarget(ctx, nil, argv...); err != nil {
			return err
		}
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
	if err := os.MkdirAll(filepath.Join(target, "root/.ssh"), 0o700); err != nil {
		return err
	}
	// No newline at the end: that is how the real installer leaves it.
	return put("root/.ssh/authorized_keys", strings.Join(s.answer.Keys, "\n"), 0o600)
}

// put writes a file of the installed system.
func put(name, content string, mode fs.FileMode) error {
	path := filepath.Join(target, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), mode)
}

// networkFiles returns the files that say who the node is and where: names
// below the root, contents.
func networkFiles(a Answer, nic string, all []Device) map[string]string {
	host, domain, _ := strings.Cut(a.FQDN, ".")
	files := map[string]string{
		"etc/hostname":    host + "\n",
		"etc/hosts":       fmt.Sprintf("127.0.0.1 localhost.localdomain localhost\n%s %s %s\n\n::1 ip6-localhost ip6-loopback\n", a.Address.Addr(), a.FQDN, host),
		"etc/resolv.conf": fmt.Sprintf("search %s\nnameserver %s\n", domain, a.DNS),
	}
	names := map[string]string{} // kernel's name to final name
	for _, n := range all {
		names[n.Name] = n.Name
	}
	if a.Names != nil {
		next := 0
		for _, n := range all {
			mac := hardwareAddress(n)
			name := a.Names[mac]
			if name == "" {
				name = fmt.Sprintf("nic%d", next)
				next++
			}
			names[n.Name] = name
			files["usr/local/lib/systemd/network/50-pmx-"+name+".link"] = "[Match]\nMACAddress=" + mac + "\nType=ether\n\n[Link]\nName=" + name + "\n"
		}
	}
	var b strings.Builder
	b.WriteString("auto lo\niface lo inet loopback\n\n")
	var final []string
	for _, name := range names {
		final = append(final, name)
	}
	slices.Sort(final)
	for _, name := range final {
		fmt.Fprintf(&b, "iface %s inet manual\n\n", name)
	}
	fmt.Fprintf(&b, "auto vmbr0\niface vmbr0 inet static\n\taddress %s\n\tgateway %s\n\tbridge-ports %s\n\tbridge-stp off\n\tbridge-fd 0\n\n",
		a.Address, a.Gateway, names[nic])
	b.WriteString("source /etc/network/interfaces.d/*\n")
	files["etc/network/interfaces"] = b.String()
	return files
}

// hardwareAddress reads the MAC from udev's name by MAC: enx525400000001.
func hardwareAddress(n Device) string {
	digits := strings.TrimPrefix(n.Properties["ID_NET_NAME_MAC"], "enx")
	var parts []string
	for ; len(digits) >= 2; digits = digits[2:] {
		parts = append(parts, digits[:2])
	}
	return strings.Join(parts, ":")
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
