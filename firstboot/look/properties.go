package look

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// sys reads small files of sysfs, of which any may be missing.
type sys struct{ fs fs.FS }

func (s sys) raw(parts ...string) []byte {
	b, err := fs.ReadFile(s.fs, path.Join(parts...))
	if err != nil {
		return nil
	}
	return b
}

func (s sys) word(parts ...string) string { return strings.TrimSpace(string(s.raw(parts...))) }

// unsafeInName is what udev replaces in a property that becomes a name (udev,
// util_replace_chars): all but letters, digits and a few signs.
var unsafeInName = regexp.MustCompile(`[^0-9A-Za-z#+.:=@_/-]`)

// name is a text as udev makes a name of it: space around it goes, space within
// becomes one underscore.
func name(s string) string {
	return unsafeInName.ReplaceAllString(strings.Join(strings.Fields(strings.Trim(s, "\x00")), "_"), "_")
}

// Identity is what the ATA command IDENTIFY DEVICE says of a disk.
type Identity struct{ Model, Serial, WWN string }

// Places of IDENTIFY DEVICE, in bytes (ACS-3, table 45). The kernel has put the
// bytes of its texts into their order already (libata, ata_get_identity).
const (
	identifySize     = 512
	identifySerial   = 20
	identifySerialN  = 20
	identifyModel    = 54
	identifyModelN   = 40
	identifyWWN      = 216
	identifyHasWWN   = 174 // word 87, bit 8
	identifyWWNWords = 4
)

// parseIdentity reads the answer of IDENTIFY DEVICE.
func parseIdentity(b []byte) (Identity, bool) {
	if len(b) < identifySize {
		return Identity{}, false
	}
	text := func(at, n int) string { return strings.TrimSpace(strings.Trim(string(b[at:at+n]), "\x00")) }
	id := Identity{Model: text(identifyModel, identifyModelN), Serial: text(identifySerial, identifySerialN)}
	if b[identifyHasWWN+1]&1 == 1 {
		id.WWN = "0x"
		for i := range identifyWWNWords {
			id.WWN += fmt.Sprintf("%02x%02x", b[identifyWWN+2*i+1], b[identifyWWN+2*i])
		}
	}
	return id, id.Model != ""
}

// properties works out what udev will say of a disk: ID_MODEL, ID_SERIAL,
// ID_SERIAL_SHORT, ID_USB_SERIAL, ID_WWN with and without extension, and ID_BUS (systemd, rules.d/60-persistent-storage.rules,
// ata_id, usb_id, scsi_id). device is its place below /sys.
func properties(s sys, disk, device string, ata *Identity) map[string]string {
	p := map[string]string{"DEVNAME": "/dev/" + disk, "DEVTYPE": "disk"}
	set := func(key, value string) {
		if value != "" {
			p[key] = value
		}
	}
	dir := "block/" + disk
	usb := usbAbove(s, device)
	if usb != "" && strings.HasPrefix(disk, "sd") { // whatever the disk behind the bridge says of itself
		set("ID_USB_SERIAL", usbSerial(s, usb, disk, device))
	}
	switch {
	case strings.HasPrefix(disk, "nvme"):
		set("ID_MODEL", name(s.word(dir, "device/model")))
		set("ID_SERIAL_SHORT", name(s.word(dir, "device/serial")))
		set("ID_WWN", s.word(dir, "wwid"))
		if p["ID_MODEL"] != "" && p["ID_SERIAL_SHORT"] != "" {
			set("ID_SERIAL", p["ID_MODEL"]+"_"+p["ID_SERIAL_SHORT"]+namespace(s.word(dir, "nsid")))
		}
	case strings.HasPrefix(disk, "vd"):
		set("ID_SERIAL", name(s.word(dir, "serial")))
	case strings.HasPrefix(disk, "mmcblk"):
		set("ID_SERIAL", s.word(dir, "device/serial"))
	case ata != nil:
		set("ID_BUS", "ata")
		set("ID_MODEL", name(ata.Model))
		set("ID_SERIAL_SHORT", name(ata.Serial))
		set("ID_SERIAL", strings.TrimSuffix(name(ata.Model)+"_"+name(ata.Serial), "_"))
		set("ID_WWN", ata.WWN)
		set("ID_WWN_WITH_EXTENSION", ata.WWN)
	default:
		set("ID_MODEL", name(s.word(dir, "device/model")))
		if usb != "" {
			set("ID_BUS", "usb")
			set("ID_SERIAL_SHORT", name(s.word(usb, "serial")))
			set("ID_SERIAL", p["ID_USB_SERIAL"])
			break
		}
		set("ID_BUS", "scsi")
		if wwid, ok := strings.CutPrefix(s.word(dir, "device/wwid"), "naa."); ok {
			set("ID_WWN", "0x"+wwid[:min(16, len(wwid))]) // the rest is the vendor's extension
			set("ID_WWN_WITH_EXTENSION", "0x"+wwid)
			set("ID_SERIAL_SHORT", wwid)
			set("ID_SERIAL", "3"+wwid) // the designator's type before it
		}
		if page := s.raw(dir, "device/vpd_pg80"); len(page) > 4 { // SPC-4, 7.8.15
			set("ID_SCSI_SERIAL", name(string(page[4:])))
			if p["ID_SERIAL"] == "" {
				set("ID_SERIAL", name(string(page[4:])))
			}
		}
	}
	return p
}

// usbSerial is what usb_id makes of a disk on a USB device: maker, model, serial and unit.
func usbSerial(s sys, usb, disk, device string) string {
	dir, unit := "block/"+disk, disk
	if _, after, ok := strings.Cut(path.Base(path.Dir(path.Dir(device))), ":"); ok {
		unit = strings.Join(strings.SplitN(after, ":", 3)[1:], ":")
	}
	serial := strings.Trim(name(s.word(dir, "device/vendor"))+"_"+name(s.word(dir, "device/model"))+"_"+name(s.word(usb, "serial")), "_")
	return serial + "-" + unit
}

// namespace is what udev appends to an NVMe disk's serial.
func namespace(nsid string) string {
	if nsid == "" {
		return ""
	}
	return "_" + nsid
}

// usbAbove is the USB device that a disk hangs on, below /sys; "" if it is none.
func usbAbove(s sys, device string) string {
	for dir := device; dir != "." && dir != "/" && dir != ""; dir = path.Dir(dir) {
		if s.word(dir, "idVendor") != "" {
			return dir
		}
	}
	return ""
}
