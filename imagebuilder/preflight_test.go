package imagebuilder_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/imagebuilder/iso9660"
	"ringboot/profiles"
	"ringboot/profiles/medium"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/qemu"
)

// copied is a medium that the machine may write to.
func copied(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "stick.iso")
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// machineWith starts a machine from a stick that takes writes.
func machineWith(t *testing.T, ctx context.Context, firmware qemu.Firmware, stick string, disks ...qemu.Drive) *qemu.VM {
	t.Helper()
	return machineFrom(t, ctx, firmware, qemu.Medium{Path: stick, Kind: qemu.Stick, BootIndex: 1, Writable: true}, disks...)
}

func machineFrom(t *testing.T, ctx context.Context, firmware qemu.Firmware, medium qemu.Medium, disks ...qemu.Drive) *qemu.VM {
	t.Helper()
	dir, err := os.MkdirTemp("", "rb-look-") // short, for the monitor's socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	vm, err := qemu.Start(ctx, qemu.Machine{
		Name: "look", Firmware: firmware, NoReboot: true, Disks: disks,
		Media: []qemu.Medium{medium},
	}, filepath.Join(dir, "m"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vm.Cut)
	return vm
}

// edges are the parts of a disk that say what it is; what is written to a sparse
// disk between them shows in the blocks that it takes.
func edges(t *testing.T, disk string) string {
	t.Helper()
	f, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	is, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 80<<20)
	n, err := f.ReadAt(b, 0)
	if err != nil && n == 0 {
		t.Fatal(err)
	}
	out, err := exec.Command("stat", "-c", "%b", disk).Output()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x %d %s", sha256.Sum256(b[:n]), is.Size(), out)
}

func ticketOf(t *testing.T, stick string) medium.Ticket {
	t.Helper()
	content, err := os.ReadFile(stick)
	if err != nil {
		t.Fatal(err)
	}
	img, err := iso9660.Open(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	block, err := img.ReadFile(medium.TicketFile, medium.TicketSize)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := medium.ParseTicket(block)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// TestADiskThatTheFirmwareHidesIsNotInstalledOver has the mark of an
// installation on a disk that GRUB does not see, and the kernel does. Nothing is
// written to it, and the ticket of the stick is spent, so that the menu lets the
// installed system start.
func TestADiskThatTheFirmwareHidesIsNotInstalledOver(t *testing.T) {
	path, _ := bootable(t, named)
	stick, disk := copied(t, path), installedDisk(t, true)
	// The mark of another cluster would stop; this one is of the image's.
	id := ticketOf(t, stick).ClusterID
	remark(t, disk, medium.Ticket{State: medium.TicketSpent, Node: "frege", ClusterID: id, Date: "2026-11-23", By: "installer"})
	before := edges(t, disk)
	ctx, cancel := context.WithTimeout(t.Context(), vmTimeout)
	defer cancel()
	vm := machineWith(t, ctx, qemu.UEFI, stick, qemu.Drive{Path: disk, Serial: "root"})
	expect(t, ctx, vm, `Guard: ticket armed; no marked disk; reboot `)
	enter(t, vm)
	expect(t, ctx, vm, `INSTALLED ALREADY: this is frege, installed 2026-11-23`)
	if err := vm.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if edges(t, disk) != before {
		t.Error("something was written to the installed disk")
	}
	if ticket := ticketOf(t, stick); ticket.State != medium.TicketSpent || ticket.By != "preflight" {
		t.Errorf("the ticket is %+v", ticket)
	}
}

// remark replaces the mark on a disk of installedDisk.
func remark(t *testing.T, disk string, ticket medium.Ticket) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "installed.env")
	if err := os.WriteFile(file, ticket.Encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mcopy", "-o", "-i", disk+"@@1048576", file, "::"+medium.MarkFile).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// used are what may lie on a disk, and how the screen calls it.
var used = []struct {
	says string
	make func(t *testing.T, disk string)
}{
	{"ext4", func(t *testing.T, d string) { run(t, "mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", d) }},
	{"ntfs (Windows)", func(t *testing.T, d string) { put(t, d, 3, "NTFS    "); put(t, d, 510, "\x55\xaa") }},
	{"LVM2_member", lvm},
	{"ceph_bluestore", func(t *testing.T, d string) { put(t, d, 0, "bluestore block device") }},
	{"partition table gpt", func(t *testing.T, d string) { run(t, "sgdisk", "--new=1:2048:0", d) }},
	// A member of a pool, as far as its labels are read: the second uberblock of the first one.
	{"zfs_member", func(t *testing.T, d string) { put(t, d, 129<<10, "\x0c\xb1\xba\x00\x00\x00\x00\x00") }},
	{"2: vfat, 3: LVM2_member", func(t *testing.T, d string) { // a Proxmox VE that is none of ours
		run(t, "sgdisk", "--set-alignment=1", "--new=1:34:2047", "--typecode=1:ef02", "--new=2:2048:+64M", "--typecode=2:ef00", "--new=3:133120:+1G", "--typecode=3:8e00", d)
		run(t, "mformat", "-i", d+"@@1M", "-F", "-T", "131072", "::")
		lvm(t, d+"3")
	}},
}

// lvm writes what makes a physical volume of LVM. A disk with a 3 behind is its
// third partition.
func lvm(t *testing.T, d string) {
	t.Helper()
	whole, third := strings.CutSuffix(d, "3")
	at := int64(0)
	if third {
		at = (2048<<9 + 64<<20)
	}
	put(t, whole, at+0x218, "LVM2 001")
	put(t, whole, at+0x200, "LABELONE")
}

// TestNothingIsWrittenToDisksWithSomethingOnThem starts a machine with a disk of
// each kind, and no disk is named: it stops, and no byte of any disk changes. CI
// draws the firmware and the medium.
func TestNothingIsWrittenToDisksWithSomethingOnThem(t *testing.T) {
	path, _ := bootable(t, profiles.DiskName{})
	need.Tools(t, "mkfs.ext4:e2fsprogs", "sgdisk:gdisk", "mformat:mtools")
	cases, wrong := 0, 0
	for _, way := range need.Drawn(t, ways, 1) {
		t.Run(fmt.Sprintf("%s %s", way.firmware, way.kind), func(t *testing.T) {
			var disks []qemu.Drive
			var before []string
			for i, u := range used {
				disk := blank(t)
				u.make(t, disk)
				disks = append(disks, qemu.Drive{Path: disk, Serial: fmt.Sprintf("USED%d", i), Bus: []string{"sata", "nvme", "virtio"}[i%3]})
				before = append(before, edges(t, disk))
			}
			ctx, cancel := context.WithTimeout(t.Context(), vmTimeout)
			defer cancel()
			medium := qemu.Medium{Path: path, Kind: way.kind, BootIndex: 1}
			if way.kind == qemu.Stick {
				medium.Path, medium.Writable = copied(t, path), true
			}
			vm := machineFrom(t, ctx, way.firmware, medium, disks...)
			expect(t, ctx, vm, `Install frege: ERASES the only blank disk of the smallest size`)
			enter(t, vm)
			expect(t, ctx, vm, `STOPPED, nothing was erased: no disk of this machine is blank`, `Press Enter to switch off`)
			for _, u := range used {
				if !strings.Contains(vm.Console.Text(), u.says) {
					t.Errorf("the screen does not say that there is %s:\n%s", u.says, vm.Console.Text())
				}
			}
			if err := vm.Console.Send("\r"); err != nil {
				t.Fatal(err)
			}
			if err := vm.Wait(ctx); err != nil {
				t.Fatal(err)
			}
			for i, d := range disks {
				cases++
				if edges(t, d.Path) != before[i] {
					wrong++
					t.Errorf("the disk with %s was written to", used[i].says)
				}
			}
		})
	}
	need.Figure("preflight.cases", cases, "count")
	need.Figure("preflight.wrong_bytes", wrong, "count")
}

// TestTwinsStopTheMachine has two disks of one serial number.
func TestTwinsStopTheMachine(t *testing.T) {
	path, _ := bootable(t, named)
	a, b := blank(t), blank(t)
	ctx, cancel := context.WithTimeout(t.Context(), vmTimeout)
	defer cancel()
	vm := machineWith(t, ctx, qemu.BIOS, copied(t, path), qemu.Drive{Path: a, Serial: "root"}, qemu.Drive{Path: b, Serial: "root"})
	expect(t, ctx, vm, `Install frege: `)
	enter(t, vm)
	expect(t, ctx, vm, `STOPPED, nothing was erased: sda and sdb both are serial root`)
}

func run(t *testing.T, argv ...string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", argv, err, out)
	}
}

func put(t *testing.T, disk string, at int64, text string) {
	t.Helper()
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(text), at); err != nil {
		t.Fatal(err)
	}
}
