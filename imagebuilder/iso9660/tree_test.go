package iso9660_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/imagebuilder/iso9660"
	"ringboot/rehearsal/need"
)

// mediumTools make and read images.
var mediumTools = []string{
	"grub-mkrescue:grub-common", "xorriso", "mformat:mtools", "isoinfo:genisoimage",
	"7z:p7zip-full", "bsdtar:libarchive-tools", "sgdisk:gdisk", "fdisk",
}

// stock makes a hybrid image with the anatomy of the stock one.
type stock struct {
	packages int // in /proxmox/packages

	depth   int      // of one chain of directories
	options []string // for xorriso
}

// grubConfig is long enough to be written over in place.
var grubConfig = "# stock menu\n" + strings.Repeat("menuentry 'Install Proxmox VE' { linux /boot/linux26 }\n", 40)

func (s stock) build(t testing.TB) string {
	t.Helper()
	need.Tools(t, mediumTools...)
	need.File(t, "/usr/lib/grub/i386-pc/moddep.lst", "grub-pc-bin")
	need.File(t, "/usr/lib/grub/x86_64-efi/moddep.lst", "grub-efi-amd64-bin")
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	marks := "PRODUCT='pve'\nPRODUCTLONG='Proxmox Virtual Environment'\nRELEASE='9.2'\nISORELEASE='1'\nISONAME='proxmox-ve'\n"
	write(".cd-info", marks)
	write(".disk/info", marks)
	write(".pve-cd-id.txt", "a8e1a1d0-5f3c-4e57-8d7a-6a1e2b3c4d5e\n")
	write("auto-installer-capable", "")
	write("boot/grub/grub.cfg", grubConfig)
	write("boot/linux26", strings.Repeat("kernel", 5000))
	write("boot/initrd.img", strings.Repeat("initrd", 7000))
	write("pve-base.squashfs", strings.Repeat("base", 100_000))
	for _, d := range []string{".base", ".installer", ".installer-mp", ".workdir"} {
		if err := os.MkdirAll(filepath.Join(tree, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i := range s.packages {
		write(fmt.Sprintf("proxmox/packages/libsomething%d-perl_1.%d-%d_amd64.deb", i, i%7, i), fmt.Sprint("package ", i))
	}
	deep := "deep"
	for i := range s.depth {
		deep = filepath.Join(deep, fmt.Sprintf("level%d", i))
		write(filepath.Join(deep, "leaf"), deep)
	}
	if err := os.Symlink(".", filepath.Join(tree, "debian")); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "stock.iso")
	args := append([]string{"-o", out, tree, "--", "-volid", "PVE"}, s.options...)
	if msg, err := exec.Command("grub-mkrescue", args...).CombinedOutput(); err != nil {
		t.Fatalf("grub-mkrescue: %v\n%s", err, msg)
	}
	return out
}

// open reads an image that is in memory.
func open(t testing.TB, b []byte) *iso9660.Image {
	t.Helper()
	img, err := iso9660.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// all writes a patched image into memory.
func all(t testing.TB, p *iso9660.Patched) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Stream(t.Context(), &b, nil); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != p.Size() {
		t.Fatalf("streamed %d bytes of an image of %d", b.Len(), p.Size())
	}
	return b.Bytes()
}

func load(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func save(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func sum(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
