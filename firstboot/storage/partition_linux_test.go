package storage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

// shop answers for Proxmox VE's tools and has the others run for real.
type shop struct {
	host.Commands
	disk string
	asks []string
}

func (s *shop) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	s.asks = append(s.asks, strings.Join(cmd.Argv, " "))
	switch cmd.Argv[0] {
	case "pvesh":
		return host.Result{Stdout: fmt.Appendf(nil, `[{"devpath":%q,"serial":"ROOT","size":214748364800,"used":"LVM","type":"ssd"}]`, s.disk)}, nil
	case "pveceph", "udevadm":
		return host.Result{}, nil
	}
	return s.Commands.Run(ctx, cmd)
}

// The partition is made by the real tools on a disk that is in use, divided as
// the installer does it: on whole MiB, without the file system that lay beneath,
// known to the kernel, and once.
func TestThePartitionIsMadeByTheRealTools(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "sgdisk:gdisk", "partx:util-linux", "wipefs:util-linux", "losetup:mount", "mkfs.ext4:e2fsprogs")
	dir := t.TempDir()
	run := func(argv ...string) string {
		t.Helper()
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", argv, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	file := filepath.Join(dir, "disk")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 200<<30); err != nil { // holes: it takes no room
		t.Fatal(err)
	}
	device := run("losetup", "--find", "--show", "--partscan", file)
	t.Cleanup(func() { run("losetup", "-d", device) })
	// What an earlier life left where the partition will begin.
	const start = 81921 << 20
	run("mkfs.ext4", "-q", "-F", "-E", fmt.Sprint("offset=", start), device, "64M")
	// partition_bootable_disk of the installer, with hdsize = 80.
	run("sgdisk", "-Z", device)
	run("sgdisk", "-n2:1M:+1024M", "-t2:EF00", "-n3:1025M:81920M", "-t3:8E00", device)
	run("sgdisk", "-a1", "-n1:34:2047", "-t1:EF02", device)
	run("partx", "-u", device)
	run("mkfs.ext4", "-q", device+"p2")
	at := filepath.Join(dir, "root")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	run("mount", device+"p2", at)
	t.Cleanup(func() { run("umount", at) })

	h := host.New("/")
	real := &shop{Commands: h.Commands, disk: device}
	h.Commands = real
	s := NewCeph(Options{Host: h, Profile: &profiles.Profile{}, Node: "frege"})
	how := pve.NewOSD{Encrypted: true}
	root := pve.ListedDisk{Device: device, Serial: "ROOT", Bytes: 200 << 30, Used: "LVM", OSD: -1}
	// The smallest disk that preflight lets through has room for the OSD.
	smallest := &profiles.Profile{Install: profiles.Install{Size: 80}}
	least := smallest.LeastRoot(profiles.Node{OSDDisks: profiles.DiskList{{Rest: true}}})
	before, err := s.restOf(t.Context(), root)
	if spare := root.Bytes - least; before.bytes-spare < profiles.LeastOSD {
		t.Errorf("a disk of %d bytes leaves %d for the OSD", least, before.bytes-spare)
	}
	if err != nil || before.part != "" || before.bytes < 119<<30 {
		t.Fatalf("before: %+v, %v", before, err)
	}
	for range 2 { // the second time nothing is left to do
		if err := s.makeRest(t.Context(), before); err != nil {
			t.Fatal(err)
		}
	}
	after, err := s.restOf(t.Context(), root)
	if err != nil || after.part != device+"p4" || after.begun || after.used != "" || after.bytes < 119<<30 {
		t.Fatalf("after: %+v, %v", after, err)
	}
	if got := run("lsblk", "-n", "-o", "START", after.part); got != fmt.Sprint(start/512) {
		t.Errorf("it begins at sector %s, want %d", got, start/512)
	}
	if got := run("blkid", "-p", "-o", "value", "-s", "PART_ENTRY_NAME", after.part); got != restName {
		t.Errorf("its name is %q", got)
	}
	if got := run("wipefs", "--noheadings", after.part); got != "" {
		t.Errorf("left on it: %s", got)
	}
	if n := strings.Count(run("sgdisk", "-p", device), "\n   "); n != 4 {
		t.Errorf("the table has %d partitions", n)
	}
	if err := s.createOSDOf(t.Context(), after, how); err != nil {
		t.Fatal(err)
	}
	if last := real.asks[len(real.asks)-1]; last != "pveceph osd create "+device+"p4 --encrypted 1" {
		t.Errorf("the OSD is made with %q", last)
	}
	run("mkfs.ext4", "-q", after.part) // somebody used it in between
	if err := s.createOSDOf(t.Context(), after, how); err == nil || !strings.Contains(err.Error(), "is no longer the disk of the plan") {
		t.Errorf("a partition in use: %v", err)
	}
}
