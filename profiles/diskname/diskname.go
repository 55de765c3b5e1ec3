// Package diskname knows how udev names disks, which of its names mean one disk,
// and which name none that can be had. It looks at none.
package diskname

import (
	"fmt"
	"regexp"
	"strings"
)

// Property is a property of udev and the value that it has on one disk.
type Property struct{ Name, Value string }

// byIDRows are the links below /dev/disk/by-id of whole disks, each with the
// property that udev makes it from. Source: systemd,
// rules.d/60-persistent-storage.rules. The first that fits counts.
var byIDRows = []struct {
	form     *regexp.Regexp // the first group is the value
	property string
	why      string // of a link that names no disk that can be had
}{
	{regexp.MustCompile(`.*-part[0-9]+$`), "", "names a partition: name the whole disk"},
	{regexp.MustCompile(`^(?:mmc|memstick)-`), "", "is an eMMC or a card, whose partitions the installer cannot name: take an NVMe or SATA disk"},
	{regexp.MustCompile(`^(?:dm-|md-|lvm-|raid-)`), "", "is no disk, but made of disks: name the disk itself"},
	{regexp.MustCompile(`^wwn-(0x[0-9a-fA-F]+|.+)$`), "ID_WWN_WITH_EXTENSION", ""},
	{regexp.MustCompile(`^nvme-((?:eui|nvme|uuid)\..+)$`), "ID_WWN", ""},
	{regexp.MustCompile(`^usb-(.+)$`), "ID_USB_SERIAL", ""},
	{regexp.MustCompile(`^(?:nvme|ata|scsi|cciss|virtio)-(.+)$`), "ID_SERIAL", ""},
}

// namespaceOf splits the number of the namespace off the name of an NVMe disk,
// which udev appends since systemd 254.
var namespaceOf = regexp.MustCompile(`^(.+)_([0-9]{1,2})$`)

// FirstNamespace is what udev appends to the name of an NVMe disk of one namespace.
const FirstNamespace = "_1"

// Properties returns the properties that a name below /dev/disk/by-id can
// come from. The first is what udev of the supported releases makes; an NVMe disk
// has the name with and without its namespace.
func Properties(name string) ([]Property, error) {
	for _, row := range byIDRows {
		m := row.form.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		if row.why != "" {
			return nil, fmt.Errorf("%q %s", name, row.why)
		}
		value := m[1]
		if row.property == "ID_USB_SERIAL" { // which udev sets since 252, beside the serial that the disk itself may tell
			return []Property{{row.property, value}, {"ID_SERIAL", value}}, nil
		}
		if row.property != "ID_SERIAL" || !strings.HasPrefix(name, "nvme-") {
			return []Property{{row.property, value}}, nil
		}
		if ns := namespaceOf.FindStringSubmatch(value); ns != nil {
			return []Property{{row.property, value}, {row.property, ns[1]}, {row.property, value + FirstNamespace}}, nil
		}
		return []Property{{row.property, value + FirstNamespace}, {row.property, value}}, nil
	}
	return nil, fmt.Errorf("%q is of no known bus (wwn, nvme, ata, usb, scsi, cciss, virtio): name the disk by its serial", name)
}

// SameByID reports whether two names below /dev/disk/by-id mean one disk: an NVMe
// disk of one namespace has both names.
func SameByID(a, b string) bool {
	if a == b {
		return true
	}
	short := func(name string) string {
		if strings.HasPrefix(name, "nvme-") {
			return strings.TrimSuffix(name, FirstNamespace)
		}
		return name
	}
	return a != "" && b != "" && short(a) == short(b)
}

// SameSerial reports whether a profile's serial number is that of a disk with the
// given properties: ID_SERIAL_SHORT, or ID_SERIAL with or without its namespace.
func SameSerial(want, long, short string) bool {
	if want == "" {
		return false
	}
	return want == short || want == long || long != "" && (want+FirstNamespace == long || want == long+FirstNamespace)
}

// KernelForm is a whole disk by the kernel's name.
const KernelForm = `(nvme[0-9]+n[0-9]+|[svh]d[a-z]+)`

var emmc = regexp.MustCompile(`^mmcblk[0-9]+`)

// CheckKernel is the rule of the kernel's names of disks.
func CheckKernel(name string) string {
	switch {
	case emmc.MatchString(name):
		return fmt.Sprintf("%q is an eMMC or a card, whose partitions the installer cannot name, so that it dies after it has wiped it; take an NVMe or SATA disk", name)
	case !regexp.MustCompile(`^` + KernelForm + `$`).MatchString(name):
		return fmt.Sprintf("%q is not allowed; write a whole disk such as nvme0n1 or sda", name)
	}
	return ""
}

// CheckByID is the rule of names below /dev/disk/by-id.
func CheckByID(name string) string {
	if strings.ContainsAny(name, "/\x00") {
		return fmt.Sprintf("%q is not allowed; write a file name without a slash", name)
	}
	_, err := Properties(name)
	if err == nil {
		return ""
	}
	return strings.Replace(err.Error(), ": ", "; ", 1)
}
