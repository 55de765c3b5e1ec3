package host

import "testing"

func TestBusPathIsThatOfUdev(t *testing.T) {
	for device, want := range map[string]string{
		"../../devices/pci0000:00/0000:00:1c.0/0000:57:00.0/net/enp87s0":                            "pci-0000:57:00.0",
		"../../devices/pci0000:00/0000:00:14.0/usb2/2-3/2-3:1.0/net/enx00e04c680001":                "pci-0000:00:14.0-usb-0:3:1.0",
		"../../devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2/1-4.2:2.1/net/usb0":                   "pci-0000:00:14.0-usb-0:4.2:2.1",
		"../../devices/pci0000:00/0000:00:0d.2/domain0/0-0/0-1/0-1.0/net/thunderbolt0":              "pci-0000:00:0d.2",
		"../../devices/pci0000:00/0000:00:07.0/0000:03:00.0/0000:05:00.0/usb4/4-1/4-1:1.0/net/eth1": "pci-0000:05:00.0-usb-0:1:1.0",
		"../../devices/pci0000:00/0000:00:12.0/virtio2/net/ens18":                                   "pci-0000:00:12.0",
		"../../devices/virtual/net/lo":                                                              "",
		"../../devices/platform/ethernet/net/eth0":                                                  "",
	} {
		if got := BusPath(device); got != want {
			t.Errorf("%s: %q, want %q", device, got, want)
		}
	}
}
