// Package qemu starts virtual machines for tests and rehearsals: a machine is
// a value, its command line follows from it, and a running one has a serial
// console to read and a monitor to cut its power, pull its stick or its cable.
//
// It decides nothing about what runs inside, and it opens no port and no
// network of the host: cables are unix datagram sockets.
package qemu

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Firmware is what starts the boot loader.
type Firmware string

// The two firmwares.
const (
	BIOS Firmware = "bios" // SeaBIOS
	UEFI Firmware = "uefi" // OVMF, a private copy of its variables per machine
)

// Kind is how a medium is attached.
type Kind string

// Ways in which an image is attached.
const (
	CD    Kind = "cd"    // SATA CD drive
	Stick Kind = "stick" // removable USB disk
)

// Medium is an installation image in the machine.
type Medium struct {
	Path      string
	Kind      Kind
	BootIndex int  // 0: not in the boot order
	Writable  bool // the guest may write to the image; else writes go nowhere
}

// Drive is a fixed disk.
type Drive struct {
	Path      string // or rbd:POOL/IMAGE:conf=FILE
	Format    string // raw | qcow2; empty: raw
	Serial    string // at most 20 characters
	Bus       string // sata | nvme | virtio; empty: sata
	BootIndex int
	Durable   bool // what is acknowledged lies on the disk below; off: as fast as it goes
}

// NIC is a network card at the end of a cable: a pair of unix datagram
// sockets, as Local and Remote, where the other end has them the other way round.
type NIC struct {
	ID            string
	MAC           string
	Model         string // virtio-net-pci, e1000e; empty: virtio-net-pci
	Local, Remote string
}

// Machine is a virtual machine as a value.
type Machine struct {
	Name      string
	Firmware  Firmware
	MemoryMiB int   // 0: 1024
	CPUs      int   // 0: 1
	Accel     Accel // empty: TCG
	Media     []Medium
	Disks     []Drive
	NICs      []NIC
	Kernel    string // boot this kernel without firmware's boot order; for probes and trials
	Initrd    string // its initial file system, if any
	Append    string
	NoReboot  bool   // a reboot of the guest ends the machine
	Serial    string // number that the firmware says of the machine; empty: none
	// Port is a serial port of virtio that leads to a unix socket of the host.
	Port, Socket string
	Under        []string // a program that becomes QEMU, with its words: what starts it in another network
	Incoming     bool     // it waits for another machine to move into it
}

// OVMF's files, as Debian's package ovmf installs them.
const (
	ovmfCode = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	ovmfVars = "/usr/share/OVMF/OVMF_VARS_4M.fd"
)

// maxSerial is the length of a serial number in ATA's IDENTIFY DEVICE.
const maxSerial = 20

// Args returns the command line without the program's name. dir holds the
// machine's own files: monitor socket, firmware variables.
func (m Machine) Args(dir string) ([]string, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	cpu, accel := "qemu64", "tcg,thread=multi"
	if m.Accel == KVM {
		cpu, accel = "host", "kvm"
	}
	args := []string{
		"-name", m.Name, "-nodefaults", "-no-user-config",
		"-machine", "q35", "-accel", accel, "-cpu", cpu,
		"-m", strconv.Itoa(cmp.Or(m.MemoryMiB, 1024)), "-smp", strconv.Itoa(cmp.Or(m.CPUs, 1)),
		// With -vga none GRUB waits for ever for its graphical terminal.
		"-display", "none", "-vga", "std",
		"-serial", "stdio",
		"-qmp", "unix:" + filepath.Join(dir, monitorSocket) + ",server=on,wait=off",
		"-device", "virtio-rng-pci",
		"-device", "qemu-xhci,id=usb",
	}
	if m.Serial != "" {
		args = append(args, "-smbios", "type=1,serial="+escape(m.Serial))
	}
	if m.Firmware == UEFI {
		args = append(args,
			"-drive", "if=pflash,format=raw,unit=0,readonly=on,file="+ovmfCode,
			"-drive", "if=pflash,format=raw,unit=1,file="+escape(filepath.Join(dir, varsFile)))
	}
	args = append(args, m.startArgs()...)
	port := 0
	for i, medium := range m.Media {
		args = append(args, mediumArgs(i, medium, &port)...)
	}
	for i, disk := range m.Disks {
		args = append(args, diskArgs(i, disk, &port)...)
	}
	for _, nic := range m.NICs {
		args = append(args, nicArgs(nic)...)
	}
	if m.Port != "" { // last: it must not move the cards on their bus
		args = append(args, "-device", "virtio-serial-pci,id=serial",
			"-chardev", "socket,id=port,path="+escape(m.Socket),
			"-device", "virtserialport,bus=serial.0,chardev=port,name="+m.Port)
	}
	return args, nil
}

func (m Machine) startArgs() (args []string) {
	if m.Incoming {
		args = append(args, "-incoming", "defer")
	}
	if m.NoReboot {
		args = append(args, "-no-reboot")
	}
	if m.Kernel != "" {
		args = append(args, "-kernel", m.Kernel, "-append", m.Append)
	}
	if m.Initrd != "" {
		args = append(args, "-initrd", m.Initrd)
	}
	return args
}

func (m Machine) check() error {
	if m.Name == "" {
		return fmt.Errorf("a machine needs a name")
	}
	for _, d := range m.Disks {
		if len(d.Serial) > maxSerial {
			return fmt.Errorf("machine %s: serial %q of disk %s is longer than %d characters", m.Name, d.Serial, d.Path, maxSerial)
		}
	}
	if m.Firmware == UEFI {
		for _, file := range []string{ovmfCode, ovmfVars} {
			if _, err := os.Stat(file); err != nil {
				return fmt.Errorf("machine %s: UEFI needs %s: apt install ovmf", m.Name, file)
			}
		}
	}
	return nil
}

// escape doubles commas, which QEMU takes as separators.
func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }

func bootIndex(n int) string {
	if n == 0 {
		return ""
	}
	return ",bootindex=" + strconv.Itoa(n)
}

// mediumID is the device's name in the monitor.
func mediumID(i int) string { return fmt.Sprintf("medium%d", i) }

func mediumArgs(i int, m Medium, port *int) []string {
	id := mediumID(i)
	drive := fmt.Sprintf("if=none,id=%s-image,format=raw,file=%s", id, escape(m.Path))
	if m.Kind == CD {
		device := fmt.Sprintf("ide-cd,bus=ide.%d,id=%s,drive=%s-image%s", *port, id, id, bootIndex(m.BootIndex))
		*port++
		return []string{"-drive", drive + ",readonly=on,media=cdrom", "-device", device}
	}
	if !m.Writable {
		drive += ",snapshot=on"
	}
	return []string{
		"-drive", drive,
		"-device", fmt.Sprintf("usb-storage,bus=usb.0,id=%s,drive=%s-image,removable=on%s", id, id, bootIndex(m.BootIndex)),
	}
}

func diskArgs(i int, d Drive, port *int) []string {
	id := fmt.Sprintf("disk%d", i)
	cache := "unsafe"
	if d.Durable {
		cache = "none"
	}
	drive := fmt.Sprintf("if=none,id=%s-image,format=%s,cache=%s,discard=unmap,detect-zeroes=unmap,file=%s", id, cmp.Or(d.Format, "raw"), cache, escape(d.Path))
	device := map[string]string{"nvme": "nvme", "virtio": "virtio-blk-pci"}[d.Bus]
	if device == "" {
		device = fmt.Sprintf("ide-hd,bus=ide.%d", *port)
		*port++
	}
	return []string{"-drive", drive, "-device", fmt.Sprintf("%s,id=%s,drive=%[2]s-image,serial=%s%s", device, id, escape(d.Serial), bootIndex(d.BootIndex))}
}

func nicArgs(n NIC) []string {
	model := cmp.Or(n.Model, "virtio-net-pci")
	device := fmt.Sprintf("%s,id=%s,netdev=%s-end,mac=%s", model, n.ID, n.ID, n.MAC)
	if model == "virtio-net-pci" {
		device += ",romfile=" // no network boot
	}
	return []string{
		"-netdev", fmt.Sprintf("dgram,id=%s-end,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s",
			n.ID, escape(n.Local), escape(n.Remote)),
		"-device", device,
	}
}
