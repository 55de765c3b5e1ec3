package answer

import (
	"fmt"
	"slices"
	"strings"

	"ringboot/profiles"
)

// kind is the type of a value.
type kind int

const (
	word   kind = iota // string
	number             // integer or float
	whole              // integer
	flag               // boolean
	words              // list of strings
	table              // table of strings
)

// key is one key of an answer file. Sources: the installer's own types and
// documentation of 8.2 to 9.2.
type key struct {
	path     string  // kebab form: disk-setup.zfs.arc-max
	kind     kind    //
	since    Version // first release that reads the key at all
	until    Version // last release that reads it; 0: all later ones. Another name for it is a row of its own
	kebab    Version // first release that reads the kebab form of a name with a dash; 0: since
	enum     []string
	min, max float64 // range; enforced by the interface's schema only, not by the installer
	required bool
	levels   bool // RAID levels: in capitals, too, and never another one as a hint
}

// allows reports whether a release takes a word of an enumeration.
func (k key) allows(word string, v Version) bool {
	if slices.Contains(k.enum, word) {
		return true
	}
	return k.levels && v >= V84 && word == strings.ToUpper(word) && slices.Contains(k.enum, strings.ToLower(word))
}

// filesystems and levels come from the table of file systems.
func filesystems() []string {
	var names []string
	for _, f := range profiles.FileSystems() {
		names = append(names, f.Name)
	}
	return names
}

func levels(filesystem string) []string {
	var names []string
	f, _ := profiles.FileSystemOf(filesystem)
	for _, r := range f.Raid {
		names = append(names, r.Name)
	}
	return names
}

// knownKeys returns the table.
func knownKeys() []key {
	return []key{
		{path: "global.keyboard", since: V82, required: true},
		{path: "global.country", since: V82, required: true},
		{path: "global.timezone", since: V82, required: true},
		{path: "global.mailto", since: V82, required: true},
		{path: "global.fqdn", since: V82, required: true},
		{path: "global.fqdn.source", since: V84, enum: []string{"from-dhcp"}},
		{path: "global.fqdn.domain", since: V84},
		{path: "global.root-password", since: V82, kebab: V84},
		{path: "global.root-password-hashed", since: V83, kebab: V84},
		{path: "global.root-ssh-keys", kind: words, since: V82, kebab: V84},
		{path: "global.reboot-on-error", kind: flag, since: V82, kebab: V84},
		{path: "global.reboot-mode", since: V84, enum: []string{"reboot", "power-off"}},
		{path: "global.subscription-key", since: V92},

		{path: "network.source", since: V82, enum: []string{"from-dhcp", "from-answer"}, required: true},
		{path: "network.cidr", since: V82},
		{path: "network.dns", since: V82},
		{path: "network.gateway", since: V82},
		{path: "network.filter", kind: table, since: V82},
		{path: "network.interface-name-pinning.enabled", kind: flag, since: V91},
		{path: "network.interface-name-pinning.mapping", kind: table, since: V91},

		{path: "disk-setup.filesystem", since: V82, enum: filesystems(), required: true},
		{path: "disk-setup.disk-list", kind: words, since: V82, kebab: V84},
		{path: "disk-setup.filter", kind: table, since: V82},
		{path: "disk-setup.filter-match", since: V82, kebab: V84, enum: []string{"any", "all"}},
		{path: "disk-setup.zfs.raid", since: V82, enum: levels("zfs"), levels: true},
		{path: "disk-setup.zfs.ashift", kind: whole, since: V82, min: 9, max: 16},
		{path: "disk-setup.zfs.arc-max", kind: whole, since: V82, kebab: V84, min: 64, max: 1 << 24},
		{path: "disk-setup.zfs.checksum", since: V82, enum: []string{"on", "fletcher4", "sha256"}},
		{path: "disk-setup.zfs.compress", since: V82, enum: []string{"on", "off", "lzjb", "lz4", "zle", "gzip", "zstd"}},
		{path: "disk-setup.zfs.copies", kind: whole, since: V82, min: 1, max: 3},
		{path: "disk-setup.zfs.hdsize", kind: number, since: V82, min: 2, max: 1 << 24},
		{path: "disk-setup.lvm.hdsize", kind: number, since: V82, min: 2, max: 1 << 24},
		{path: "disk-setup.lvm.swapsize", kind: number, since: V82, max: 1 << 24},
		{path: "disk-setup.lvm.maxroot", kind: number, since: V82, min: 2, max: 1 << 24},
		{path: "disk-setup.lvm.maxvz", kind: number, since: V82, max: 1 << 24},
		{path: "disk-setup.lvm.minfree", kind: number, since: V82, max: 1 << 24},
		{path: "disk-setup.btrfs.raid", since: V82, enum: levels("btrfs"), levels: true},
		{path: "disk-setup.btrfs.hdsize", kind: number, since: V82, min: 2, max: 1 << 24},
		{path: "disk-setup.btrfs.compress", since: V83, enum: []string{"on", "off", "zlib", "lzo", "zstd"}},

		{path: "post-installation-webhook.url", since: V83},
		{path: "post-installation-webhook.cert-fingerprint", since: V83, kebab: V84},
		{path: "post-installation-webhook.auth-token", since: V92},

		{path: "first-boot.source", since: V83, enum: []string{"from-iso", "from-url"}},
		{path: "first-boot.ordering", since: V83, enum: []string{"before-network", "network-online", "fully-up"}},
		{path: "first-boot.url", since: V83},
		{path: "first-boot.cert-fingerprint", since: V83},
	}
}

// unread says why a release does not read the key, or "".
func (k key) unread(v Version) string {
	switch {
	case v < k.since:
		return fmt.Sprintf("is read from version %s on; %s stops at it: leave it out", k.since, v)
	case k.until != 0 && v > k.until:
		return fmt.Sprintf("is read up to version %s; %s stops at it: leave it out", k.until, v)
	}
	return ""
}

// snake is the older spelling of a key's last name. Names of tables were
// always written with dashes.
func (k key) snake() string {
	dot := strings.LastIndex(k.path, ".")
	return k.path[:dot+1] + strings.ReplaceAll(k.path[dot+1:], "-", "_")
}

// spelling is how a release wants the key to be written.
func (k key) spelling(v Version) string {
	if k.kebab > v {
		return k.snake()
	}
	return k.path
}

// Properties of udev that a filter may sensibly name. Others are read by the
// installer too, so an unknown one is a warning, not an error.
var (
	diskProperties = strings.Fields("DEVNAME DEVPATH DEVTYPE DEVLINKS DISKSEQ ID_ATA ID_BUS ID_MODEL ID_MODEL_ENC ID_PATH ID_PATH_TAG ID_REVISION ID_SERIAL ID_SERIAL_SHORT ID_TYPE ID_VENDOR ID_WWN ID_WWN_WITH_EXTENSION ID_NSID ID_USB_SERIAL ID_USB_SERIAL_SHORT ID_USB_MODEL ID_SCSI ID_SCSI_SERIAL ID_ATA_ROTATION_RATE_RPM ID_PART_TABLE_TYPE ID_PART_TABLE_UUID ID_FS_TYPE ID_FS_LABEL MAJOR MINOR SUBSYSTEM")
	nicProperties  = strings.Fields("DEVPATH IFINDEX INTERFACE ID_BUS ID_MODEL ID_MODEL_ID ID_MODEL_FROM_DATABASE ID_NET_DRIVER ID_NET_LABEL_ONBOARD ID_NET_LINK_FILE ID_NET_NAME ID_NET_NAME_MAC ID_NET_NAME_ONBOARD ID_NET_NAME_PATH ID_NET_NAME_SLOT ID_NET_NAMING_SCHEME ID_OUI_FROM_DATABASE ID_PATH ID_PATH_TAG ID_PCI_CLASS_FROM_DATABASE ID_PCI_SUBCLASS_FROM_DATABASE ID_VENDOR ID_VENDOR_ID ID_VENDOR_FROM_DATABASE SUBSYSTEM")
)
