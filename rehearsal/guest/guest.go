// Package guest is a guest for tests: a process of QEMU, without KVM, with its
// disk on an RBD image of Debian's Ceph, which moves alive from one machine to
// another as Proxmox VE's do. It writes one sector after the other, each with its
// number, and says each number on its console once the write is acknowledged: so
// a write that is lost or done twice, and a guest that stood still, are seen.
//
// It knows nothing of qm, and no network.
package guest

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"ringboot/rehearsal/qemu"
	"ringboot/rehearsal/realceph"
)

// Tools are the programs with their packages, as need.Tools takes them.
var Tools = append([]string{"qemu-system-x86_64:qemu-system-x86", "nsenter:util-linux"}, realceph.Tools...)

// Driver is QEMU's driver of RBD, which is a package of its own.
const Driver, DriverPackage = "/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so", "qemu-block-extra"

const (
	sector = 512
	// diskBytes has room for 65,535 writes, which are eleven minutes; after them the guest complains.
	diskBytes = 32 << 20
	memoryMiB = 32
)

// bootCode is the guest (8086 code with 386 registers at 0000:7c00, port 3f8). It
// reads sectors until one does not hold its own number, and goes on from there; so
// one that lost its power does, too.
var bootCode = []byte{
	0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, // xor ax, ax; mov ds, ax; mov ss, ax
	0xbc, 0x00, 0x7c, 0xfb, // mov sp, 7c00h; sti
	0xb6, 0x42, // mov dh, 42h: the BIOS's extended read
	0x66, 0xff, 0x06, 0x81, 0x7c, // next: inc dword [number]
	0x66, 0x8b, 0x1e, 0x81, 0x7c, // mov ebx, [number]
	0x80, 0xfe, 0x42, 0x74, 0x05, // cmp dh, 42h; je ask
	0x66, 0x89, 0x1e, 0x00, 0x7e, // fill: mov [7e00h], ebx
	0x88, 0xf4, 0x30, 0xc0, 0xbe, 0x79, 0x7c, // ask: mov ah, dh; xor al, al; mov si, packet
	0x52, 0xcd, 0x13, 0x5a, 0x72, 0x34, // push dx; int 13h; pop dx; jc fail
	0x80, 0xfe, 0x43, 0x74, 0x0b, // cmp dh, 43h; je written
	0x66, 0x3b, 0x1e, 0x00, 0x7e, 0x74, 0xd3, // cmp ebx, [7e00h]; je next
	0xb6, 0x43, 0xeb, 0xde, // mov dh, 43h: the extended write; jmp fill
	0xb9, 0x08, 0x00, // written: mov cx, 8
	0x66, 0xc1, 0xc3, 0x04, 0x88, 0xd8, 0x24, 0x0f, 0x04, 0x41, // digit: rol ebx, 4; mov al, bl; and al, 0fh; add al, "A"
	0xe8, 0x1a, 0x00, 0xe2, 0xf1, // call put; loop digit
	0xb0, 0x0a, 0xe8, 0x13, 0x00, // mov al, newline; call put
	0x31, 0xc9, 0xb4, 0x86, 0x52, 0xba, 0x10, 0x27, 0xcd, 0x15, 0x5a, 0xeb, 0xab, // wait for 10,000 us (int 15h, 86h); jmp next
	0xb0, 0x21, 0xe8, 0x01, 0x00, 0xf4, // fail: mov al, "!"; call put; hlt
	0x52, 0x88, 0xc4, 0xba, 0xfd, 0x03, // put: push dx; mov ah, al; mov dx, 3fdh
	0xec, 0xa8, 0x20, 0x74, 0xfb, // busy: in al, dx; test al, 20h; jz busy
	0x88, 0xe0, 0xb2, 0xf8, 0xee, 0x5a, 0xc3, // mov al, ah; mov dl, 0f8h; out dx, al; pop dx; ret
	0x10, 0x00, 0x01, 0x00, 0x00, 0x7e, 0x00, 0x00, // packet: one sector, to or from 0000:7e00, by its number:
}

// Guest is one guest.
type Guest struct {
	Name string

	ceph   *realceph.Cluster
	dir    string
	images []string // POOL/IMAGE; the first is the one that it writes to
	vm     *qemu.VM
	ran    []*qemu.VM // in each of these, one after the other
}

// New makes the image of a guest in a pool; more are further images, which the guest
// has and does not touch. What it leaves lies below dir, whose name must be short.
func New(ctx context.Context, c *realceph.Cluster, dir, pool, name string, more ...string) (*Guest, error) {
	first := make([]byte, sector)
	copy(first, bootCode)
	first[sector-2], first[sector-1] = 0x55, 0xaa
	g := &Guest{Name: name, ceph: c, dir: filepath.Join(dir, name), images: append([]string{pool + "/" + name}, more...)}
	if err := os.MkdirAll(g.dir, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(g.dir, "first")
	if err := os.WriteFile(file, first, 0o600); err != nil {
		return nil, err
	}
	if err := os.Truncate(file, diskBytes); err != nil {
		return nil, err
	}
	_, err := c.Run(ctx, "rbd", "import", "--no-progress", file, g.images[0])
	return g, err
}

// Start starts the guest on a machine. It ends with ctx.
func (g *Guest) Start(ctx context.Context, on realceph.Place) (err error) {
	g.vm, err = g.machine(ctx, on, false)
	return err
}

func (g *Guest) machine(ctx context.Context, on realceph.Place, incoming bool) (*qemu.VM, error) {
	m := qemu.Machine{Name: g.Name, MemoryMiB: memoryMiB, NoReboot: true, Under: on.Under, Incoming: incoming}
	for i, image := range g.images {
		m.Disks = append(m.Disks, qemu.Drive{Path: "rbd:" + image + ":conf=" + g.ceph.Conf(), Bus: "virtio", Serial: fmt.Sprint("DISK", i), BootIndex: i + 1, Durable: true})
	}
	vm, err := qemu.Start(ctx, m, filepath.Join(g.dir, fmt.Sprint(len(g.ran))))
	if err == nil {
		g.ran = append(g.ran, vm)
	}
	return vm, err
}

// Process is the number of the guest's process, as the host counts.
func (g *Guest) Process() int { return g.vm.Process() }

// port is the first of those at which Proxmox VE takes guests that move
// unencrypted (PVE::Tools::next_migrate_port).
const port = 60000

// Move moves the guest alive to another machine. After an error it runs on where it was.
func (g *Guest) Move(ctx context.Context, to realceph.Place) (qemu.Moved, error) {
	vm, err := g.machine(ctx, to, true)
	if err != nil {
		return qemu.Moved{}, err
	}
	moved, err := g.vm.MoveTo(ctx, vm, netip.AddrPortFrom(to.Addr, port).String())
	if err != nil {
		vm.Cut()
		return moved, fmt.Errorf("%w: %s", err, vm.Message())
	}
	g.vm = vm
	return moved, nil
}

// Images are the guest's, as POOL/IMAGE: the one that it writes to, and the others.
func (g *Guest) Images() []string { return g.images }

// Cut ends the guest at once, as a power cut does.
func (g *Guest) Cut() { g.vm.Cut() }

// Silence is the longest time after since from one write to the next, on this machine.
func (g *Guest) Silence(since time.Time) time.Duration { return g.vm.Console.Silence(since) }

// saidNumber is a number as the guest says it: eight digits from A to P.
var saidNumber = regexp.MustCompile(`([A-P]{8})\n|!`)

// Await waits until the guest has written so many sectors more on this machine,
// from now on.
func (g *Guest) Await(ctx context.Context, more int) error {
	g.vm.Console.Skip()
	for range more {
		m, err := g.vm.Console.Expect(ctx, saidNumber.String())
		if err != nil {
			return err
		}
		if m.Groups[1] == "" {
			return fmt.Errorf("guest %s: a write or read failed:\n%s", g.Name, g.vm.Console.Tail(5))
		}
	}
	return nil
}

// Written ends the guest and counts what it wrote. It fails where a number was
// said twice or never, and where one of them is not on the disk.
func (g *Guest) Written(ctx context.Context) (int, error) {
	g.Cut()
	var said []string
	for _, vm := range g.ran {
		if !vm.Machine.Incoming {
			said = append(said, "")
		}
		said[len(said)-1] += vm.Console.Text()
	}
	file := filepath.Join(g.dir, "last")
	if _, err := g.ceph.Run(ctx, "rbd", "export", "--no-progress", g.images[0], file); err != nil {
		return 0, err
	}
	disk, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	n, err := whole(said, disk)
	if err != nil {
		return n, fmt.Errorf("guest %s: %w", g.Name, err)
	}
	return n, nil
}

// whole counts the numbers that a guest said, each time that it was switched on,
// and holds them against its disk.
func whole(said []string, disk []byte) (int, error) {
	last := uint32(0)
	for life, text := range said {
		for i, m := range saidNumber.FindAllStringSubmatch(text, -1) {
			n := uint32(0)
			for _, digit := range m[1] {
				n = n<<4 | uint32(digit-'A')
			}
			// The power may have gone between a write and the word of it.
			unsaid := life > 0 && i == 0 && n == last+2
			switch {
			case m[1] == "":
				return 0, fmt.Errorf("a write or read of the guest failed after %d", last)
			case n != last+1 && !unsaid:
				return 0, fmt.Errorf("the guest says %d after %d", n, last)
			}
			last = n
		}
	}
	for n := uint32(1); n <= last; n++ {
		if got := binary.LittleEndian.Uint32(disk[n*sector:]); got != n {
			return 0, fmt.Errorf("sector %d holds %d, not its number", n, got)
		}
	}
	return int(last), nil
}
