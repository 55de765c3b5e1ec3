package base

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ringboot/imagebuilder/deb"
	"ringboot/profiles/fault"
	"ringboot/rehearsal/base/embedded"
	"ringboot/rehearsal/tools"
)

//go:embed initrd/boot
var systemInit []byte

//go:embed practice/start.sh
var startScript []byte

//go:embed practice/proxmox-boot-tool
var bootTool []byte

//go:embed practice/configure.sh
var configureScript []byte

// PracticeTitle is what the practice medium calls itself in every menu.
const PracticeTitle = "PRACTICE system, not Proxmox VE"

// practiceIdentity is what the medium says in .cd-info: the version whose
// installer it imitates, and that it is not the real one.
var practiceIdentity = Identity{Product: "pve", ProductLong: "Proxmox VE PRACTICE (made by Ringboot, not Proxmox VE)", Release: "9.2", ISORelease: "1"}

// practiceBase are the packages of the practice system, with what they depend on.
var practiceBase = []string{
	"systemd", "systemd-sysv", "udev", "dbus", "kmod", "procps", "netbase", "tzdata", "ca-certificates", "curl",
	"iproute2", "iputils-ping", "ifupdown2", "bridge-utils", "nftables", "openssh-server", "openssh-client", "chrony", "sudo", "corosync",
	"grub-common", "grub2-common", "grub-pc-bin", "grub-efi-amd64-bin", "grub-efi-amd64-signed", "shim-signed", "systemd-boot-efi", "efibootmgr",
	"e2fsprogs", "xfsprogs", "btrfs-progs", "dosfstools", "lvm2", "thin-provisioning-tools", "fdisk", "gdisk", "squashfs-tools",
}

// practicePool are Debian packages that the installer adds from the pool.
var practicePool = []string{"ethtool", "less"}

// systemModules is what the installed system may load. Proxmox VE's kernel has
// all of Debian's and more.
var systemModules = append([]string{
	"virtio_net", "virtio_rng", "virtio_balloon", "virtio_console", "e1000", "e1000e", "igc", "i40e", "bonding", "bridge", "8021q", "veth", "tun", "dummy",
	"softdog", "nf_tables", "nf_conntrack", "nft_ct", "nft_chain_nat", "nft_reject_inet", "nft_log", "autofs4", "configfs", "dm_mod", "dm_thin_pool", "dm_snapshot", "btrfs", "xfs", "button", "evdev",
	"efi_pstore", "sctp", "thunderbolt", "thunderbolt_net", "i6300esb", "qemu_fw_cfg",
}, mediumModules...)

// bootModules is what the installed system needs to mount its root, and
// lateModules what it needs for one that is no ext4.
var (
	bootModules = []string{"ahci", "ata_piix", "sd_mod", "nvme", "virtio_blk", "virtio_scsi", "crc32c_generic", "crc32c_intel", "dm_mod", "ext4"}
	lateModules = []string{"btrfs", "xfs"}
)

// bootPrograms are what its initial file system runs beside busybox.
var bootPrograms = []string{"/usr/sbin/lvm"}

var practicePrograms = programs{"debootstrap": "debootstrap", "unshare": "util-linux", "mksquashfs": "squashfs-tools", "chroot": "coreutils", "dpkg-deb": "dpkg"}

// ErrRoot says that the practice medium cannot be built by this user.
var ErrRoot = fault.Precondition.New("the practice ISO is built with debootstrap, which needs root")

// rootFor is the error of a user who is not root, with what to type: the PATH of
// sudo is another one.
func rootFor(euid int) error {
	if euid == 0 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		self = "rehearse"
	}
	return fmt.Errorf("%w: run this once, and it is found afterwards: sudo %s practice-iso", ErrRoot, self)
}

// Practice returns the practice ISO of this program, built when the cache has
// none. report is told what is being done; it may be nil.
func Practice(ctx context.Context, report func(string)) (string, error) {
	return PracticeOf(ctx, "", report)
}

// PracticeOf is Practice with another version of pve-manager, for drills; "" is
// the usual one.
func PracticeOf(ctx context.Context, manager string, report func(string)) (string, error) {
	if report == nil {
		report = func(string) {}
	}
	standin, err := embedded.Standin()
	if err != nil {
		return "", err
	}
	installer, err := embedded.Installer()
	if err != nil {
		return "", err
	}
	name := key("practice", manager, string(standin), string(installer), rootKey(), string(mediumInit), string(startScript), string(bootTool),
		fmt.Sprint(tools.Links(), tools.Services, tools.Units()), practiceVersion)
	dir, err := cached(ctx, name, func(ctx context.Context, dir string) error {
		return buildPractice(ctx, dir, standin, installer, manager, report)
	})
	if err != nil {
		return "", fmt.Errorf("practice ISO: %w", err)
	}
	return filepath.Join(dir, PracticeFile), nil
}

// PracticeFile is the name of the practice ISO.
const PracticeFile = "ringboot-practice_9.2-1.iso"

// practiceVersion changes when this file builds something else from the same parts.
const practiceVersion = "6"

func rootKey() string {
	return key("practice-root", suite, strings.Join(practiceBase, " "), strings.Join(practicePool, " "), strings.Join(systemModules, " "),
		strings.Join(append(bootModules, lateModules...), " "), string(configureScript), string(systemInit), "2")
}

// practiceRoot is the directory with the practice system's root.
func practiceRoot(ctx context.Context, kernel Kernel, report func(string)) (string, error) {
	return cached(ctx, rootKey(), func(ctx context.Context, dir string) error {
		return buildRoot(ctx, dir, kernel, report)
	})
}

func buildPractice(ctx context.Context, dir string, tools, installer []byte, manager string, report func(string)) error {
	if err := rootFor(os.Geteuid()); err != nil {
		return err
	}
	for _, p := range []programs{mkrescuePrograms, kernelPrograms, practicePrograms} {
		if err := p.check(); err != nil {
			return err
		}
	}
	report("fetching Debian's kernel")
	kernel, err := FetchKernel(ctx)
	if err != nil {
		return err
	}
	root, err := practiceRoot(ctx, kernel, report)
	if err != nil {
		return err
	}
	report("making the practice ISO")
	tree := filepath.Join(dir, "tree")
	defer os.RemoveAll(tree)
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return err
	}
	cdID, err := layTree(tree, practiceIdentity, menu{title: PracticeTitle, serial: true}.text())
	if err != nil {
		return err
	}
	if err := practicePackages(tree, root, tools, manager); err != nil {
		return err
	}
	if err := linkOrCopy(filepath.Join(root, "pve-base.squashfs"), filepath.Join(tree, "pve-base.squashfs")); err != nil {
		return err
	}
	if err := installerSquash(ctx, dir, filepath.Join(tree, "pve-installer.squashfs"), installer); err != nil {
		return err
	}
	if err := linkOrCopy(kernel.Image(), filepath.Join(tree, "boot/linux26")); err != nil {
		return err
	}
	err = kernel.writeInitrd(ctx, filepath.Join(tree, "boot/initrd.img"), mediumModules, nil, []initrdFile{
		{"init", 0o755, mediumInit},
		{".pve-cd-id.txt", 0o644, []byte(cdID + "\n")},
		{".cd-info", 0o644, []byte(practiceIdentity.text())},
	})
	if err != nil {
		return err
	}
	return mkrescue(ctx, tree, filepath.Join(dir, PracticeFile), false)
}

// practicePackages fills the pool: packages of Debian, the stand-ins of the
// Proxmox tools, and the one by which an installer's version is known.
func practicePackages(tree, root string, tools []byte, manager string) error {
	pool := filepath.Join(tree, "proxmox/packages")
	files, err := filepath.Glob(filepath.Join(root, "pool/*.deb"))
	if err != nil {
		return err
	}
	for _, file := range files {
		// A name with an escaped epoch is not what the installer's shell takes.
		if err := linkOrCopy(file, filepath.Join(pool, strings.ReplaceAll(filepath.Base(file), "%3a", "."))); err != nil {
			return err
		}
	}
	at := time.Unix(0, 0).UTC()
	own := []deb.Package{
		toolsPackage(tools, manager, at),
		sqlitePackage(at),
		{
			Name: "proxmox-first-boot", Version: "9.2.7", Architecture: "amd64", Section: "admin", Time: at,
			Summary: "practice: tells which installer is imitated",
			Entries: []deb.Entry{{Path: "/usr/share/doc/proxmox-first-boot/practice", Mode: 0o644, Content: []byte("empty\n")}},
		},
	}
	for _, p := range own {
		content, err := p.Build()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(pool, p.FileName()), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func installerSquash(ctx context.Context, dir, to string, installer []byte) error {
	work := filepath.Join(dir, "installer")
	defer os.RemoveAll(work)
	for name, content := range map[string][]byte{"practice-installer": installer, "practice-start": startScript} {
		if err := put(filepath.Join(work, "usr/sbin", name), content, 0o755); err != nil {
			return err
		}
	}
	return squash(ctx, work, to)
}

// squash packs a tree with the compression that an emulated processor unpacks fastest.
func squash(ctx context.Context, tree, to string) error {
	_, err := tool(ctx, "mksquashfs", tree, to, "-comp", "lz4", "-Xhc", "-noappend", "-quiet", "-no-progress", "-no-xattrs")
	return err
}
