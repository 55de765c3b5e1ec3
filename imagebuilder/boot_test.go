package imagebuilder_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/agent"
	"ringboot/imagebuilder/iso9660"
	"ringboot/profiles"
	"ringboot/profiles/medium"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/qemu"
)

// bootable writes frege's image of a skeleton that boots, with a serial console.
func bootable(t *testing.T, root profiles.DiskName) (path string, image *imagebuilder.Image) {
	t.Helper()
	return bootableOf(t, "frege", func(r *imagebuilder.Request) { r.Profile.Nodes[0].RootDisk = root })
}

// bootableOf is bootable for a node, or for all where none is named.
func bootableOf(t *testing.T, node string, change func(*imagebuilder.Request)) (path string, image *imagebuilder.Image) {
	t.Helper()
	need.Tools(t, "qemu-system-x86_64:qemu-system-x86", "sgdisk:gdisk", "mcopy:mtools", "grub-mkimage:grub-common")
	need.File(t, "/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf")
	r := request(t, openBase(t, skeleton(t, base.SkeletonOptions{Boots: true})), node, t.TempDir())
	r.Serial = true
	program, err := agent.Preflight()
	if err != nil {
		t.Fatalf("%v", err)
	}
	r.Preflight = preflight(t, r.Base, program)
	change(&r)
	image = build(t, r)
	path = filepath.Join(t.TempDir(), "stick.iso")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := image.Stream(t.Context(), f, nil); err != nil {
		t.Fatal(err)
	}
	return path, image
}

// spent copies an image and burns its ticket, as a node does.
func spent(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "spent.iso")
	if err := os.WriteFile(copied, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(copied, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := iso9660.Open(f, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.Lookup(medium.TicketFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(mark(medium.TicketSpent), file.Extents[0].Off); err != nil {
		t.Fatal(err)
	}
	return copied
}

// mark is a ticket or mark of frege.
func mark(state string) []byte {
	return medium.Ticket{State: state, Node: "frege", ClusterID: "0123456789abcdef", Date: "2026-11-23", By: "installer"}.Encode()
}

// named is the disk that most machines here have.
var named = profiles.DiskName{Serial: "root"}

// blank is a disk of zeros, large enough to be installed on.
func blank(t *testing.T) string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "blank")
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, 12<<30); err != nil {
		t.Fatal(err)
	}
	return disk
}

// hello is what the installed system of the tests says.
const hello = "the installed system starts"

// bootCode is a boot sector that says hello on the first serial port and stops
// (8086 code at 0000:7c00, port 3f8; bit 5 of the line status is "may send").
func bootCode() []byte {
	code := []byte{
		0x31, 0xc0, // xor ax, ax
		0x8e, 0xd8, // mov ds, ax
		0xbe, 0x20, 0x7c, // mov si, text
		0xac,       // next: lodsb
		0x84, 0xc0, // test al, al
		0x74, 0x11, // jz stop
		0x88, 0xc4, // mov ah, al
		0xba, 0xfd, 0x03, // wait: mov dx, 3fdh
		0xec,       // in al, dx
		0xa8, 0x20, // test al, 20h
		0x74, 0xf8, // jz wait
		0x88, 0xe0, // mov al, ah
		0xb2, 0xf8, // mov dl, f8h
		0xee,       // out dx, al
		0xeb, 0xea, // jmp next
		0xf4,       // stop: hlt
		0xeb, 0xfd, // jmp stop
	}
	return append(append(code, '\r', '\n'), (hello + " (bios)\r\n\x00")...)
}

// installedDisk makes a disk with boot code, GPT and an EFI system partition,
// as an installation leaves it, with or without the mark.
func installedDisk(t *testing.T, marked bool) string {
	t.Helper()
	const (
		size  = 12 << 30
		esp   = 64 << 20
		begin = 1 << 20
	)
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	command := func(argv ...string) {
		t.Helper()
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	f, err := os.Create(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	command("sgdisk", "--new=2:2048:+64M", "--typecode=2:ef00", disk)
	early, loader := filepath.Join(dir, "early.cfg"), filepath.Join(dir, "BOOTX64.EFI")
	script := "serial --unit=0 --speed=115200\nterminal_output serial\necho \"" + hello + " (uefi)\"\nsleep 1\nhalt\n"
	if err := os.WriteFile(early, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	command("grub-mkimage", "-O", "x86_64-efi", "-o", loader, "-c", early, "-p", "/EFI/BOOT", "serial", "terminal", "echo", "sleep", "halt", "normal")
	at := fmt.Sprintf("%s@@%d", disk, begin)
	command("mformat", "-i", at, "-F", "-T", fmt.Sprint(esp/512), "::")
	command("mmd", "-i", at, "::/EFI", "::/EFI/BOOT", "::/EFI/proxmox", "::/EFI/ringboot")
	command("mcopy", "-i", at, loader, "::/EFI/BOOT/BOOTX64.EFI")
	command("mcopy", "-i", at, loader, "::/EFI/proxmox/grubx64.efi")
	if marked {
		file := filepath.Join(dir, "installed.env")
		if err := os.WriteFile(file, mark(medium.TicketSpent), 0o600); err != nil {
			t.Fatal(err)
		}
		command("mcopy", "-i", at, file, "::"+medium.MarkFile)
	}
	if _, err := f.WriteAt(bootCode(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0x55, 0xaa}, 510); err != nil {
		t.Fatal(err)
	}
	return disk
}

// boots starts a machine with the medium first in its boot order.
func boots(t *testing.T, ctx context.Context, firmware qemu.Firmware, kind qemu.Kind, medium, disk string) *qemu.VM {
	t.Helper()
	dir, err := os.MkdirTemp("", "rb-guard-") // short, for the monitor's socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := qemu.Machine{
		Name: "guard", Firmware: firmware, NoReboot: true,
		Media: []qemu.Medium{{Path: medium, Kind: kind, BootIndex: 1}},
	}
	if disk != "" {
		m.Disks = []qemu.Drive{{Path: disk, Serial: "root", BootIndex: 2}}
	}
	vm, err := qemu.Start(ctx, m, filepath.Join(dir, "m"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vm.Cut)
	return vm
}

func expect(t *testing.T, ctx context.Context, vm *qemu.VM, patterns ...string) qemu.Match {
	t.Helper()
	var m qemu.Match
	for _, p := range patterns {
		var err error
		if m, err = vm.Console.Expect(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// enter chooses what the menu would start by itself, only sooner.
func enter(t *testing.T, vm *qemu.VM) {
	t.Helper()
	if err := vm.Console.Send("\r"); err != nil {
		t.Fatal(err)
	}
}

const vmTimeout = 4 * time.Minute

var ways = []struct {
	firmware qemu.Firmware
	kind     qemu.Kind
}{{qemu.BIOS, qemu.CD}, {qemu.BIOS, qemu.Stick}, {qemu.UEFI, qemu.CD}, {qemu.UEFI, qemu.Stick}}

// TestAnArmedImageInstallsABlankMachine boots the image in all four ways: the
// changed menu appears, names node and disk, starts the unattended installer
// by itself, and the kernel finds every file that was added.
func TestAnArmedImageInstallsABlankMachine(t *testing.T) {
	path, image := bootable(t, named)
	for _, f := range image.Manifest.Files {
		if f.Path == imagebuilder.RidePath {
			need.Figure("preflight.adds_mib", float64(f.Size)/(1<<20), "mib")
		}
	}
	for i, way := range ways {
		t.Run(fmt.Sprintf("%s %s", way.firmware, way.kind), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), vmTimeout)
			defer cancel()
			vm := boots(t, ctx, way.firmware, way.kind, path, blank(t))
			expect(t, ctx, vm, `Guard: ticket armed; no marked disk; reboot `, `Install frege: ERASES disk with serial root`)
			if i > 0 { // the first one waits for the menu to act by itself
				enter(t, vm)
			}
			looked := expect(t, ctx, vm, `^preflight: looked for ([0-9.]+) s`)
			need.Figure(fmt.Sprintf("preflight.looks_s.%s_%s", way.firmware, way.kind), looked.Groups[1], "s")
			expect(t, ctx, vm, `INSTALLS frege AND ERASES sd[ab]: `, `in  8 s. Any key stops.`)
			if i > 0 { // the first one waits for the countdown to end
				if err := vm.Console.Send(" "); err != nil {
					t.Fatal(err)
				}
				expect(t, ctx, vm, `Type yes to erase sd[ab] all the same`)
				if err := vm.Console.Send("yes\r"); err != nil {
					t.Fatal(err)
				}
			}
			if m := expect(t, ctx, vm, `^proof cmdline (.*)$`); !strings.Contains(m.Groups[1], "proxmox-start-auto-installer") {
				t.Errorf("the kernel was started with %q", m.Groups[1])
			}
			expect(t, ctx, vm, `^proof end`)
			said := vm.Console.Text()
			for _, f := range image.Manifest.Files {
				if !strings.HasPrefix(f.Path, "/proxmox/packages/") && f.Path != imagebuilder.AnswerPath && f.Path != imagebuilder.ModePath {
					continue // the skeleton reads no others
				}
				if f.Path == imagebuilder.AnswerPath && way.kind == qemu.Stick {
					continue // it names the disk by now
				}
				line := regexp.MustCompile(`proof file ` + f.SHA256 + `\s+` + regexp.QuoteMeta(strings.TrimPrefix(f.Path, "/")))
				if !line.MatchString(said) {
					t.Errorf("the kernel did not read %s as the manifest has it", f.Path)
				}
			}
		})
	}
}

// TestAMarkedDiskIsNeverInstalledOver leaves the medium in a machine that it
// installed: with an armed ticket (a CD cannot be burnt) as with a spent one
// the installed system starts by itself.
func TestAMarkedDiskIsNeverInstalledOver(t *testing.T) {
	armed, _ := bootable(t, named)
	burnt := spent(t, armed)
	disk := installedDisk(t, true)
	for i, way := range ways {
		medium, says := armed, "ticket armed"
		if way.kind == qemu.Stick {
			medium, says = burnt, "ticket spent 2026-11-23"
		}
		t.Run(fmt.Sprintf("%s %s", way.firmware, way.kind), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), vmTimeout)
			defer cancel()
			vm := boots(t, ctx, way.firmware, way.kind, medium, disk)
			expect(t, ctx, vm, `\*Start the installed system \(frege, installed 2026-11-23\)`,
				`Guard: `+says+`; disk frege 2026-11-23; reboot `)
			if i > 0 {
				enter(t, vm)
			}
			expect(t, ctx, vm, fmt.Sprintf(`^%s \(%s\)`, hello, way.firmware))
		})
	}
}

// TestASpentStickInstallsNothingByItself is the stick that was found in a
// drawer, in a machine whose disk GRUB does not recognise.
func TestASpentStickInstallsNothingByItself(t *testing.T) {
	armed, _ := bootable(t, named)
	burnt := spent(t, armed)
	t.Run("bios goes on with the disk", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), vmTimeout)
		defer cancel()
		vm := boots(t, ctx, qemu.BIOS, qemu.Stick, burnt, installedDisk(t, false))
		expect(t, ctx, vm, `\*Go on with the next boot device, erase nothing`, `Guard: ticket spent 2026-11-23; no marked disk; reboot `, `Install frege AGAIN: ERASES disk with serial root`)
		enter(t, vm)
		expect(t, ctx, vm, hello+` \(bios\)`)
	})
	t.Run("uefi starts the proxmox that is there", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), vmTimeout)
		defer cancel()
		vm := boots(t, ctx, qemu.UEFI, qemu.Stick, burnt, installedDisk(t, false))
		expect(t, ctx, vm, `\*Go on with the next boot device, erase nothing`, `Install frege AGAIN`)
		enter(t, vm)
		expect(t, ctx, vm, `Starting the Proxmox system that is there`, hello+` \(uefi\)`)
	})
	t.Run("uefi gives back to the firmware", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), vmTimeout)
		defer cancel()
		vm := boots(t, ctx, qemu.UEFI, qemu.Stick, burnt, "")
		expect(t, ctx, vm, `\*Go on with the next boot device, erase nothing`, `Install frege AGAIN: ERASES disk with serial root`)
		enter(t, vm)
		expect(t, ctx, vm, `No installed disk is seen here: back to the firmware`)
	})
	t.Run("a second installation on purpose", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), vmTimeout)
		defer cancel()
		vm := boots(t, ctx, qemu.BIOS, qemu.Stick, burnt, installedDisk(t, true))
		expect(t, ctx, vm, `\*Start the installed system`, `Install frege AGAIN: ERASES disk with serial root`)
		for range 2 { // down, over the guard's own entry
			if err := vm.Console.Send("\x0e"); err != nil { // Ctrl-N
				t.Fatal(err)
			}
			expect(t, ctx, vm, `\*(Guard|Install frege AGAIN)`)
		}
		enter(t, vm)
		expect(t, ctx, vm, `WAITS, for frege: `, `type root, the end of`)
		if err := vm.Console.Send("root\r"); err != nil {
			t.Fatal(err)
		}
		m := expect(t, ctx, vm, `^proof cmdline (.*)$`)
		if !strings.Contains(m.Groups[1], "proxmox-start-auto-installer") {
			t.Errorf("the kernel was started with %q", m.Groups[1])
		}
	})
}
