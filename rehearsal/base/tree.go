package base

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// Identity is what a medium says about itself.
type Identity struct {
	Product     string // "pve"
	ProductLong string // "Proxmox VE"
	Release     string // "9.2"
	ISORelease  string // "1"
}

// text is the content of .cd-info and .disk/info.
func (i Identity) text() string {
	return fmt.Sprintf("PRODUCT='%s'\nPRODUCTLONG='%s'\nRELEASE='%s'\nISORELEASE='%s'\nISONAME='proxmox-ve'\n",
		i.Product, i.ProductLong, i.Release, i.ISORelease)
}

// emptyDirs must be on the medium: the initrd uses them as mount points.
var emptyDirs = []string{".base", ".installer", ".installer-mp", ".workdir"}

// tree lays out a medium in a directory: what all kinds have in common.
func layTree(dir string, id Identity, grub string) (cdID string, err error) {
	for _, d := range append([]string{".disk", "boot/grub", "proxmox/packages", "dists/" + suite}, emptyDirs...) {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256([]byte(id.text() + grub))
	s := hex.EncodeToString(sum[:16])
	cdID = strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
	for name, content := range map[string]string{
		".cd-info":               id.text(),
		".disk/info":             id.text(),
		".pve-cd-id.txt":         cdID + "\n",
		"auto-installer-capable": "",
		"boot/grub/grub.cfg":     grub,
		"README.txt":             "This medium was made by Ringboot from Debian packages. It is not Proxmox VE.\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return "", err
		}
	}
	return cdID, os.Symlink(".", filepath.Join(dir, "debian"))
}

// mkrescuePrograms make the hybrid image.
var mkrescuePrograms = programs{
	"grub-mkrescue": "grub-common grub-pc-bin grub-efi-amd64-bin", "xorriso": "xorriso", "mformat": "mtools",
}

// mkrescue makes the hybrid ISO: BIOS and UEFI, as a CD and as a stick, with
// MBR, GPT, APM and an HFS+ tree, as GRUB's rescue media have it.
func mkrescue(ctx context.Context, tree, to string, joliet bool) error {
	argv := []string{"grub-mkrescue", "-o", to, tree, "--", "-volid", "PVE"}
	if joliet {
		argv = append(argv, "-joliet", "on")
	}
	if _, err := tool(ctx, argv...); err != nil {
		return err
	}
	if _, err := os.Stat(to); err != nil {
		return fmt.Errorf("grub-mkrescue made no image: %w", err)
	}
	return nil
}

// filler writes bytes that do not compress and are the same for the same name
// and size.
func filler(path string, mib int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	source := rand.NewChaCha8(sha256.Sum256([]byte(filepath.Base(path))))
	block := make([]byte, 1<<20)
	for range mib {
		source.Read(block) //nolint:errcheck // it never returns an error
		if _, err := file.Write(block); err != nil {
			return err
		}
	}
	return file.Close()
}

// menu is the configuration of GRUB on a medium.
type menu struct {
	title  string // of the installation: "Proxmox VE"
	serial bool   // menu and kernel speak on the serial port, too
}

// kernelWords are what every entry passes to the kernel.
const kernelWords = "ro ramdisk_size=16777216 rw quiet splash=silent"

// text writes the configuration. The automated entry is there, and is started
// after ten seconds, only when the medium has a mode file.
func (m menu) text() string {
	var b strings.Builder
	words := kernelWords
	b.WriteString("# Menu of the medium; the automated entry appears with /auto-installer-mode.toml.\n")
	if m.serial {
		b.WriteString("serial --unit=0 --speed=115200\nterminal_input console serial\nterminal_output console serial\n")
		words += " console=tty0 console=ttyS0,115200"
	} else {
		b.WriteString("insmod all_video\ninsmod gfxterm\nset gfxmode=1024x768\nset gfxpayload=1024x768\n")
		b.WriteString("if loadfont /boot/grub/fonts/unicode.pf2; then\n    terminal_output gfxterm\nfi\n")
	}
	entry := func(indent, title, more string) {
		fmt.Fprintf(&b, "%[1]smenuentry '%[2]s' --class debian --class gnu-linux --class gnu --class os {\n"+
			"%[1]s    echo 'Loading %[4]s ...'\n%[1]s    linux /boot/linux26 %[3]s\n%[1]s    initrd /boot/initrd.img\n%[1]s}\n",
			indent, title, strings.TrimSpace(words+" "+more), m.title)
	}
	b.WriteString("if [ -f /auto-installer-mode.toml ]; then\n    set timeout=10\n    set timeout_style=menu\n")
	entry("    ", "Install "+m.title+" (Automated)", "proxmox-start-auto-installer")
	b.WriteString("fi\n")
	entry("", "Install "+m.title+" (Graphical)", "")
	entry("", "Install "+m.title+" (Terminal UI)", "proxtui")
	b.WriteString("submenu 'Advanced Options' {\n")
	entry("    ", "Install "+m.title+" (Terminal UI, Serial Console)", "proxtui console=ttyS0,115200")
	b.WriteString("}\nif [ \"${grub_platform}\" = efi ]; then\n    menuentry 'UEFI Firmware Settings' {\n        fwsetup\n    }\nfi\n")
	return b.String()
}
