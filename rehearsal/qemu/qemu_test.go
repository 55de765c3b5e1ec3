package qemu

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestArgsOfAMachine(t *testing.T) {
	m := Machine{
		Name: "frege", MemoryMiB: 2048, CPUs: 2,
		Media: []Medium{{Path: "/i,mages/a.iso", Kind: Stick, BootIndex: 2, Writable: true}, {Path: "b.iso", Kind: CD}},
		Disks: []Drive{{Path: "root.img", Serial: "ROOT1", BootIndex: 1}, {Path: "osd.img", Serial: "OSD1", Bus: "nvme", Durable: true}},
		NICs:  []NIC{{ID: "mgmt", MAC: "52:54:00:00:00:01", Local: "/r/a", Remote: "/r/b"}},
	}
	args, err := m.Args("/d")
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Join(args, " ")
	for _, want := range []string{
		"-m 2048 -smp 2", "-qmp unix:/d/qmp.sock,server=on,wait=off", "-vga std",
		"file=/i,,mages/a.iso -device usb-storage,bus=usb.0,id=medium0,drive=medium0-image,removable=on,bootindex=2",
		"file=b.iso,readonly=on,media=cdrom -device ide-cd,bus=ide.0,id=medium1,drive=medium1-image",
		"cache=unsafe,discard=unmap,detect-zeroes=unmap,file=root.img -device ide-hd,bus=ide.1,id=disk0,drive=disk0-image,serial=ROOT1,bootindex=1",
		"cache=none,discard=unmap,detect-zeroes=unmap,file=osd.img -device nvme,id=disk1,drive=disk1-image,serial=OSD1",
		"-netdev dgram,id=mgmt-end,local.type=unix,local.path=/r/a,remote.type=unix,remote.path=/r/b",
	} {
		if !strings.Contains(line, want) {
			t.Errorf("the command line lacks %q:\n%s", want, line)
		}
	}
	m.Disks[0].Serial = strings.Repeat("x", 21)
	if _, err := m.Args("/d"); err == nil || !strings.Contains(err.Error(), "longer than 20 characters") {
		t.Errorf("a serial of 21 characters gives %v", err)
	}
}

func TestConsoleWaitsForWholeWords(t *testing.T) {
	read, write := io.Pipe()
	c, err := newConsole(read, nil, filepath.Join(t.TempDir(), "console.log"))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		io.WriteString(write, "\x1b[2J\x1b[1;1Hproof med")
		time.Sleep(settle / 5)
		io.WriteString(write, "ium /dev/sr0\r\n")
		io.WriteString(write, "login: ")
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	m, err := c.Expect(ctx, `^proof (\S+) (\S+)`)
	if err != nil || m.Groups[1] != "medium" || m.Groups[2] != "/dev/sr0" {
		t.Fatalf("got %q, %v", m.Groups, err)
	}
	if _, which, err := c.ExpectAny(ctx, "never", "login: "); err != nil || which != 1 {
		t.Fatalf("a prompt without an end of line: %d, %v", which, err)
	}
	write.Close()
	_, err = c.Expect(ctx, "nothing more")
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "  login:") {
		t.Errorf("a console that ended gives %v", err)
	}
}

func TestConsoleGivesUpWithItsContext(t *testing.T) {
	read, _ := io.Pipe()
	c, err := newConsole(read, nil, filepath.Join(t.TempDir(), "console.log"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := c.Expect(ctx, "x"); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("an ended context gives %v", err)
	}
}
