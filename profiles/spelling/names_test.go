package spelling

import (
	"net/netip"
	"testing"
)

// What has the right form and stops a machine later is refused with a word of what
// to write; what is good passes.
func TestNamesThatAreTaken(t *testing.T) {
	network := func(s string) string { return Network(netip.MustParsePrefix(s)) }
	port := func(n int) func(string) string { return func(string) string { return TCPPort(n) } }
	for _, c := range []struct {
		rule  func(string) string
		value string
		want  string
	}{
		{Account, "backup", "backup is there already; name an account of a person or of a machine"},
		{Account, "sudo", "sudo is there already; name an account of a person or of a machine"},
		{Account, "kellen", ""},
		{Pool, "local", `"local" is the name of a storage or a pool that Proxmox VE makes; take another, such as vm`},
		{Pool, "vm", ""},
		{Host, "localhost", `"localhost" means the machine itself, on every machine; take another`},
		{Host, "frege", ""},
		{PortName, "vmbr0", `"vmbr0" is a name that the kernel or Proxmox VE gives to a network device by itself; take another, such as en05`},
		{PortName, "en05", ""},
		{PortName, "nic0", ""},
		{Port, "eth0.5", `"eth0.5" is no Ethernet port of a machine, but made of one, or a radio; name the port itself`},
		{Port, "wlp2s0", `"wlp2s0" is no Ethernet port of a machine, but made of one, or a radio; name the port itself`},
		{Port, "enp87s0", ""},
		{Port, "lan0", ""},
		{PortPath, "pci-0000:00:14.0-usbv3-0:3:1.0", `"pci-0000:00:14.0-usbv3-0:3:1.0" is udev's ID_PATH_WITH_USB_REVISION; write its ID_PATH, pci-0000:00:14.0-usb-0:3:1.0`},
		{PortPath, "pci-0000:57:00.0-virtio", `"pci-0000:57:00.0-virtio" is no path of a port; write udev's ID_PATH, such as pci-0000:57:00.0 or pci-0000:00:14.0-usb-0:3:1.0`},
		{PortPath, "pci-0000:57:00.0", ""},
		{PortPath, "pci-0000:00:14.0-usb-0:3.1:2.0", ""},
		{MAC, "01:00:5e:00:00:01", `"01:00:5e:00:00:01" is no address of one port; copy it from the label or from ip link`},
		{MAC, "FF:FF:FF:FF:FF:FF", `"FF:FF:FF:FF:FF:FF" is no address of one port; copy it from the label or from ip link`},
		{MAC, "00:00:00:00:00:00", `"00:00:00:00:00:00" is no address of one port; copy it from the label or from ip link`},
		{MAC, "02:00:00:00:00:a1", ""},
		{Serial, "S1\n", `"S1\n" has blanks around it or signs in it that no serial number has; copy it from udevadm info`},
		{Serial, "Unknown", `"Unknown" is what tools print where there is no serial number; name the disk by by_id`},
		{Serial, "S*[1]", ""},
		{TimeServer, "::::", `"::::" is no host name and no address; write one such as pool.ntp.org`},
		{TimeServer, "a..b", `"a..b" is no host name and no address; write one such as pool.ntp.org`},
		{TimeServer, "2001:db8::1", ""},
		{TimeServer, "0.pool.ntp.org", ""},
		{network, "127.0.0.0/8", `127.0.0.0/8 is set apart for something else, and no machine may have an address of it; take one such as 10.203.3.0/24`},
		{network, "224.0.0.0/24", `224.0.0.0/24 is set apart for something else, and no machine may have an address of it; take one such as 10.203.3.0/24`},
		{network, "0.0.0.0/8", `0.0.0.0/8 is set apart for something else, and no machine may have an address of it; take one such as 10.203.3.0/24`},
		{network, "169.254.0.0/16", ""},
		{port(8006), "8006", "8006 is the port of pveproxy; take another"},
		{port(8643), "8643", ""},
	} {
		if got := c.rule(c.value); got != c.want {
			t.Errorf("%q: got %s, want %s", c.value, got, c.want)
		}
	}
}
