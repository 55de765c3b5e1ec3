package look

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"ringboot/firstboot/preflight"
	"ringboot/profiles/medium"
)

// Seen is a machine as it was seen, and the medium that it was started from.
type Seen struct {
	preflight.Facts
	Medium string        // its device, "" if it was not found
	Table  *medium.Table // its places
	// Records are udev's of tomorrow: properties by "b8:0" and "n2".
	Records map[string]map[string]string
}

// skipped are block devices that are no disk of a machine.
var skipped = []string{"loop", "ram", "zram", "dm-", "md", "nbd", "zd", "fd"}

// Found reports whether the medium of an image is there.
func Found(image string) bool {
	return slices.ContainsFunc(blockNames(), func(n string) bool {
		f, err := os.Open("/dev/" + n)
		if err != nil {
			return false
		}
		defer f.Close()
		t, err := medium.FindTable(f)
		return err == nil && t.Image == image
	})
}

// Machine looks at the machine that it runs on.
func Machine(p medium.Plan) Seen {
	s := sys{os.DirFS("/sys")}
	out := Seen{Records: map[string]map[string]string{}}
	const dmi = "class/dmi/id"
	out.Facts.Machine = medium.Identity{Vendor: s.word(dmi, "sys_vendor"), Product: s.word(dmi, "product_name"),
		Serial: real(s.word(dmi, "product_serial")), UUID: s.word(dmi, "product_uuid")}
	out.ports(s)
	volumes := map[string][]string{}
	var own string
	for _, n := range blockNames() {
		d, volume, table := disk(s, n, out.Records)
		if table != nil && table.Image == p.Image && out.Table == nil {
			d.Medium, out.Table, out.Medium, own = true, table, "/dev/"+n, volume
		} else if volume != "" {
			volumes[volume] = append(volumes[volume], n)
		}
		if !strings.HasPrefix(n, "sr") {
			out.Disks = append(out.Disks, d)
		}
	}
	if own != "" {
		out.Others = volumes[own]
	}
	return out
}

// real drops what boards without a serial number say instead of one.
func real(serial string) string {
	if slices.Contains([]string{"default string", "to be filled by o.e.m.", "system serial number", "not specified", "none", "0", "123456789"}, strings.ToLower(serial)) {
		return ""
	}
	return serial
}

func blockNames() []string {
	entries, err := os.ReadDir("/sys/block")
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		n := e.Name()
		size, err := os.ReadFile(filepath.Join("/sys/block", n, "size"))
		if err != nil || strings.TrimSpace(string(size)) == "0" || strings.Contains(n, "boot") ||
			slices.ContainsFunc(skipped, func(p string) bool { return strings.HasPrefix(n, p) }) {
			continue
		}
		out = append(out, n)
	}
	return out
}

// disk looks at one block device.
func disk(s sys, n string, records map[string]map[string]string) (d preflight.Sighting, volume string, table *medium.Table) {
	d = preflight.Sighting{Name: n, Model: s.word("block", n, "device/model")}
	device, err := filepath.EvalSymlinks("/sys/block/" + n)
	if err != nil {
		device = "/sys/block/" + n
	}
	sectors, err := strconv.ParseInt(s.word("block", n, "size"), 10, 64)
	if err == nil {
		d.Bytes = sectors * 512 // the unit of sysfs, whatever the disk's sectors are
	}
	f, err := os.Open("/dev/" + n)
	if err != nil {
		d.Unreadable = true
		d.Properties = properties(s, n, strings.TrimPrefix(device, "/sys/"), nil)
		return d, "", nil
	}
	defer f.Close()
	d.Properties = properties(s, n, strings.TrimPrefix(device, "/sys/"), identify(f))
	if m := d.Properties["ID_MODEL"]; m != "" {
		d.Model = strings.ReplaceAll(m, "_", " ")
	}
	if volume = medium.Volume(f); volume != "" {
		d.Properties["ID_FS_TYPE"] = "iso9660"
		if t, err := medium.FindTable(f); err == nil {
			table = &t
		}
	}
	sector, err := strconv.ParseInt(s.word("block", n, "queue/logical_block_size"), 10, 64)
	if err != nil {
		sector = 512
	}
	var parts []Partition
	d.Holds, parts, err = Holds(f, d.Bytes, sector)
	d.Unreadable = err != nil
	d.Mark = Mark(f, parts)
	records["b"+s.word("block", n, "dev")] = d.Properties
	for _, p := range parts {
		if number := s.word("block", n, partitionName(n, p.Number), "dev"); number != "" {
			records["b"+number] = map[string]string{"ID_FS_TYPE": kindOf(io.NewSectionReader(f, p.Off, p.Len), p.Len)}
		}
	}
	if len(parts) > 0 {
		d.Properties["ID_PART_TABLE_TYPE"] = strings.TrimPrefix(d.Holds[0], "partition table ")
	}
	return d, volume, table
}

func kindOf(r io.ReaderAt, size int64) string {
	if what := contents(r, size); len(what) > 0 {
		return what[0]
	}
	return "unknown"
}

// partitionName is the kernel's name of a partition: sda2, nvme0n1p2.
func partitionName(disk string, number int) string {
	if last := disk[len(disk)-1]; last >= '0' && last <= '9' {
		return fmt.Sprintf("%sp%d", disk, number)
	}
	return fmt.Sprintf("%s%d", disk, number)
}

// hdioGetIdentity asks an ATA disk what it is (linux/hdreg.h).
const hdioGetIdentity = 0x030d

func identify(f *os.File) *Identity {
	b := make([]byte, identifySize)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), hdioGetIdentity, uintptr(unsafe.Pointer(&b[0]))); errno != 0 { //nolint:gosec // the kernel fills in the 512 bytes of b
		return nil
	}
	id, ok := parseIdentity(b)
	if !ok {
		return nil
	}
	return &id
}

// ports reads the Ethernet ports that have a driver.
func (o *Seen) ports(s sys) {
	entries, err := os.ReadDir("/sys/class/net")
	if err != nil {
		return
	}
	for _, e := range entries {
		n := e.Name()
		mac := strings.ToLower(s.word("class/net", n, "address"))
		device, err := filepath.EvalSymlinks(filepath.Join("/sys/class/net", n, "device"))
		if err != nil || s.word("class/net", n, "type") != "1" || mac == "" { // ARPHRD_ETHER
			continue
		}
		o.MACs = append(o.MACs, mac)
		properties := map[string]string{"ID_NET_NAME_MAC": "enx" + strings.ReplaceAll(mac, ":", "")}
		if driver, err := os.Readlink(filepath.Join(device, "driver")); err == nil {
			properties["ID_NET_DRIVER"] = filepath.Base(driver)
		}
		if pci := filepath.Base(device); strings.Count(pci, ":") == 2 {
			properties["ID_PATH"] = "pci-" + pci
		}
		o.Records["n"+s.word("class/net", n, "ifindex")] = properties
	}
	slices.Sort(o.MACs)
	if len(o.MACs) > 0 {
		o.Facts.Machine.MAC = o.MACs[0]
	}
}

// OpenStick opens the medium for writing, nothing else; nil if it takes no writes.
func (o Seen) OpenStick() (*preflight.Stick, error) {
	if o.Table == nil || strings.HasPrefix(filepath.Base(o.Medium), "sr") {
		return nil, nil
	}
	f, err := os.OpenFile(o.Medium, os.O_RDWR|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return nil, nil // its switch is on "read only"
	}
	if err != nil {
		return nil, err
	}
	// What was open for writing is not opened again by mistake.
	if t, err := medium.FindTable(f); err != nil || t.Image != o.Table.Image {
		return nil, errors.Join(fmt.Errorf("%s is no longer the medium that it was", o.Medium), f.Close())
	}
	return &preflight.Stick{Device: f, Table: *o.Table}, nil
}
