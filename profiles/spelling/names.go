package spelling

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// A value that has the right form and is somebody else's already passes every
// check of form, and stops a machine an evening later. What is taken on a node
// that the installer made, by the packages of Debian and of Proxmox VE:
const (
	takenAccounts = `root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt nobody
systemd-network systemd-timesync systemd-resolve systemd-journal messagebus sshd postfix _chrony _rpc statd tcpdump ceph gluster polkitd uuidd frr frrvty
adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff users nogroup input sgx clock kvm render crontab ssh _ssh netdev postdrop`
	takenStorages = `local local-lvm local-zfs local-btrfs cephfs cephfs_data cephfs_metadata`
	takenHosts    = `localhost ip6-localhost ip6-loopback ip6-allnodes ip6-allrouters`
)

func taken(list, name string) bool { return slices.Contains(strings.Fields(list), name) }

// Account says what is wrong with the name of an account, or "".
func Account(name string) string {
	if taken(takenAccounts, name) {
		return name + " is there already; name an account of a person or of a machine"
	}
	return ""
}

// Pool says what is wrong with the name of a pool and its storage, or "".
func Pool(name string) string {
	if taken(takenStorages, name) {
		return fmt.Sprintf("%q is the name of a storage or a pool that Proxmox VE makes; take another, such as vm", name)
	}
	return ""
}

// Host says what is wrong with the name of a machine, or "".
func Host(name string) string {
	if taken(takenHosts, name) {
		return fmt.Sprintf("%q means the machine itself, on every machine; take another", name)
	}
	return ""
}

// madeDevices are network devices that Proxmox VE and its guests make, and the kernel's own.
var madeDevices = regexp.MustCompile(`^(lo|(vmbr|bond|dummy)[0-9]+.*|(tap|veth|fwbr|fwpr|fwln|vxlan|vrf).*|wl.*|.*\..*)$`)

// PortName says what is wrong with a name that a port is to get, or "".
func PortName(name string) string {
	if madeDevices.MatchString(name) {
		return fmt.Sprintf("%q is a name that the kernel or Proxmox VE gives to a network device by itself; take another, such as en05", name)
	}
	return ""
}

// Port says what is wrong with the kernel's name of a port, or "".
func Port(name string) string {
	if madeDevices.MatchString(name) {
		return fmt.Sprintf("%q is no Ethernet port of a machine, but made of one, or a radio; name the port itself", name)
	}
	return ""
}

// Device paths of network ports as the agent knows them: of a PCI function, and
// of a USB device that hangs below one.
var portPath = regexp.MustCompile(`^pci-[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7](-usb-0:[0-9]+(\.[0-9]+)*:[0-9]+\.[0-9]+)?$`)

// PortPath says what is wrong with the path of a port, or "".
func PortPath(path string) string {
	switch {
	case portPath.MatchString(path):
		return ""
	case regexp.MustCompile(`-usbv[0-9]+-`).MatchString(path):
		return fmt.Sprintf("%q is udev's ID_PATH_WITH_USB_REVISION; write its ID_PATH, %s", path, regexp.MustCompile(`-usbv[0-9]+-`).ReplaceAllString(path, "-usb-"))
	}
	return fmt.Sprintf("%q is no path of a port; write udev's ID_PATH, such as pci-0000:57:00.0 or pci-0000:00:14.0-usb-0:3:1.0", path)
}

// MAC says what is wrong with the hardware address of a port, or "".
func MAC(address string) string {
	low := strings.ToLower(address)
	if len(low) > 1 && strings.IndexByte("13579bdf", low[1]) >= 0 || strings.Trim(low, "0:") == "" {
		return fmt.Sprintf("%q is no address of one port; copy it from the label or from ip link", address)
	}
	return ""
}

// TCPPort says what is wrong with a port for a service of our own, or "". Sources:
// Proxmox VE's list of ports, and Ceph's.
func TCPPort(port int) string {
	of := map[int]string{3128: "spiceproxy", 8006: "pveproxy", 3300: "Ceph's monitors", 6789: "Ceph's monitors"}[port]
	if of == "" {
		return ""
	}
	return fmt.Sprintf("%d is the port of %s; take another", port, of)
}

// Serial says what is wrong with the serial number of a disk, or "". udev strips
// what stands around one, and some tools print a word where there is none.
func Serial(number string) string {
	switch {
	case strings.TrimSpace(number) != number || strings.ContainsFunc(number, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Sprintf("%q has blanks around it or signs in it that no serial number has; copy it from udevadm info", number)
	case taken("unknown none n/a null", strings.ToLower(number)):
		return fmt.Sprintf("%q is what tools print where there is no serial number; name the disk by by_id", number)
	}
	return ""
}

// TimeServer says what is wrong with the name or address of a time server, or "".
func TimeServer(name string) string {
	if _, err := netip.ParseAddr(name); err == nil || regexp.MustCompile(`^`+fqdnLabel+`(\.`+fqdnLabel+`)*\.?$`).MatchString(name) {
		return ""
	}
	return fmt.Sprintf("%q is no host name and no address; write one such as pool.ntp.org", name)
}

// Network says what is wrong with a network for machines, or "".
func Network(p netip.Prefix) string {
	a := p.Addr()
	if a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240) || a.IsLoopback() || a.IsMulticast() {
		return fmt.Sprintf("%s is set apart for something else, and no machine may have an address of it; take one such as 10.203.3.0/24", p)
	}
	return ""
}
