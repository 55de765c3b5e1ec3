package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/qemu"
)

// probeTime is several times what four starts of an emulated machine take.
const probeTime = 20 * time.Minute

// typed runs mkimage as a user types it.
func typed(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, messages bytes.Buffer
	err = run(t.Context(), args, strings.NewReader(""), &out, &messages)
	return out.String(), messages.String(), err
}

// TestAStickThatOnlyLooks makes one with mkimage, starts two machines of other
// disks and ports from it, and makes a profile of what it saw: it names their
// serial numbers, addresses and the places of their ports, and fits them.
func TestAStickThatOnlyLooks(t *testing.T) {
	need.Slow(t)
	need.Tools(t, "grub-mkrescue:grub-common", "xorriso", "mformat:mtools", "qemu-system-x86_64:qemu-system-x86")
	need.File(t, "/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf")
	needAgent(t)
	dir := t.TempDir()
	for _, name := range []string{"HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"} {
		t.Setenv(name, filepath.Join(dir, name))
	}
	t.Chdir(dir)
	iso, err := base.Skeleton(t.Context(), dir, base.SkeletonOptions{Boots: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, said, err := typed(t, "--probe", "--iso", iso, "--force", "--serial-console", "--out", "stick.iso"); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), probeTime, errors.New("the stick took too long"))
	defer cancel()
	for i, firmware := range []qemu.Firmware{qemu.UEFI, qemu.BIOS} {
		probes(t, ctx, firmware, fmt.Sprint(i+1))
	}
	if _, said, err := typed(t, "init", "--name", "lab", "--prefix", "10.20.0.0/24", "--from", "stick.iso", "lab.yaml"); err != nil {
		t.Fatalf("%v\n%s", err, said)
	} else if !strings.Contains(said, "frege: is QEMU") || !strings.Contains(said, "no machine has two Thunderbolt controllers") {
		t.Errorf("init said\n%s", said)
	}
	text, err := os.ReadFile("lab.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := profiles.Load("lab.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for i, n := range p.Nodes[:2] {
		if want := fmt.Sprintf("SMALL%d", i+1); n.RootDisk.Serial != want {
			t.Errorf("the disk of %s is %+v, want %s", n.Name, n.RootDisk, want)
		}
		if want := fmt.Sprintf("M%d", i+1); n.Machine.Serial != want {
			t.Errorf("the machine of %s is %+v, want %s", n.Name, n.Machine, want)
		}
		if len(n.Ports) != 2 || n.Ports[0].MAC != fmt.Sprintf("52:54:00:5b:0%d:00", i+1) {
			t.Errorf("the ports of %s are %+v", n.Name, n.Ports)
		}
	}
	if p.Ring.Transport != profiles.TransportEthernet || len(p.Ring.Ports) != 2 || !strings.HasPrefix(p.Ring.Ports[0].Path, "pci-0000:") || p.Ring.Ports[0].Path == p.Ring.Ports[1].Path {
		t.Errorf("the ring is %+v", p.Ring)
	}
	out, said, err := typed(t, "plan", "--profile", "lab.yaml", "--inventory", "stick.iso")
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, said)
	}
	for _, want := range []string{`frege\n  ERASES:     sd[ab] \(QEMU_HARDDISK, serial SMALL1\)`, `russell\n  ERASES:     nvme[01]n1 \(QEMU_NVMe_Ctrl, serial SMALL2\)`} {
		if !regexp.MustCompile(want).MatchString(out) { // the kernel counts them as they come
			t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}
	lintsAll(t)
}

// lintsAll holds one answer against both machines.
func lintsAll(t *testing.T) {
	t.Helper()
	answer := "[global]\nkeyboard = 'en-us'\ncountry = 'us'\nfqdn = 'frege.home.arpa'\nmailto = 'root@home.arpa'\ntimezone = 'UTC'\nroot-password = 'long enough'\n" +
		"[network]\nsource = 'from-dhcp'\n[disk-setup]\nfilesystem = 'ext4'\nfilter.ID_SERIAL_SHORT = 'SMALL?'\n"
	if err := os.WriteFile("answer.toml", []byte(answer), 0o600); err != nil {
		t.Fatal(err)
	}
	out, said, err := typed(t, "lint", "--inventory", "stick.iso", "answer.toml")
	if err != nil || !regexp.MustCompile(`(?s)would erase /dev/sd[ab] on QEMU.*would erase /dev/nvme[01]n1 on QEMU`).MatchString(out) {
		t.Errorf("%v\n%s%s", err, out, said)
	}
}

// probes starts a machine of a small and a large disk and of four ports, and sees
// what it says.
func probes(t *testing.T, ctx context.Context, firmware qemu.Firmware, number string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "rb-probe-") // short, for sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := qemu.Machine{
		Name: "probed", Firmware: firmware, NoReboot: true, Serial: "M" + number,
		Media: []qemu.Medium{{Path: "stick.iso", Kind: qemu.Stick, BootIndex: 1, Writable: true}},
	}
	for i, size := range []int64{32 << 30, 64 << 30} {
		disk := qemu.Drive{Path: filepath.Join(dir, fmt.Sprint("disk", i)), Serial: []string{"SMALL", "LARGE"}[i] + number, Bus: map[string]string{"1": "sata", "2": "nvme"}[number]}
		if err := os.WriteFile(disk.Path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(disk.Path, size); err != nil {
			t.Fatal(err)
		}
		m.Disks = append(m.Disks, disk)
	}
	for i, model := range []string{"virtio-net-pci", "virtio-net-pci", "vmxnet3", "vmxnet3"} {
		end := filepath.Join(dir, fmt.Sprint("nic", i))
		m.NICs = append(m.NICs, qemu.NIC{ID: fmt.Sprint("nic", i), MAC: fmt.Sprintf("52:54:00:5b:0%s:0%d", number, i), Model: model, Local: end, Remote: end + "-far"})
	}
	vm, err := qemu.Start(ctx, m, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vm.Cut)
	for i, want := range []string{
		`Guard: only looks, erases nothing;`, `Look at this machine, erase nothing`, "", `preflight: looked for`,
		`LARGE` + number, `LOOKED, nothing is installed: the inventory is on the stick`, `▀▀▀▀`, `Press Enter to switch off`,
	} {
		if want == "" {
			err = vm.Console.Send("\r")
		} else {
			_, err = vm.Console.Expect(ctx, want)
		}
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if err := vm.Console.Send("\r"); err != nil {
		t.Fatal(err)
	}
	if err := vm.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Disks {
		if content, err := os.Open(d.Path); err != nil {
			t.Error(err)
		} else {
			if at, err := content.Seek(0, 3); err == nil { // SEEK_DATA of lseek(2)
				t.Errorf("%s was written to at byte %d", d.Serial, at)
			}
			content.Close()
		}
	}
}
