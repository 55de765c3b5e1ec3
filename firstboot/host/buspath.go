package host

import (
	"regexp"
	"strings"
)

var (
	pciFunction  = regexp.MustCompile(`^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$`)
	usbInterface = regexp.MustCompile(`^[0-9]+-([0-9]+(\.[0-9]+)*:[0-9]+\.[0-9]+)$`)
)

// PCIFunction is the PCI function that a device of sysfs hangs on, by the path
// to which its link leads, or "".
func PCIFunction(device string) string {
	last := ""
	for _, part := range strings.Split(device, "/") {
		if pciFunction.MatchString(part) {
			last = part
		}
	}
	return last
}

// BusPath is the path of a device as udev's path_id writes it, by the path to
// which its link in sysfs leads: pci-0000:57:00.0, and for a USB device with the
// ports it hangs on, pci-0000:00:14.0-usb-0:3:1.0. A device below a PCI function
// otherwise, such as a Thunderbolt service or a virtio port, has the path of that
// function. What is on no bus has none.
func BusPath(device string) string {
	pci := PCIFunction(device)
	if pci == "" {
		return ""
	}
	_, below, _ := strings.Cut(device, pci+"/")
	usb := ""
	for _, part := range strings.Split(below, "/") {
		if m := usbInterface.FindStringSubmatch(part); m != nil {
			usb = "-usb-0:" + m[1] // of several the last: a hub has no interface here
		}
	}
	return "pci-" + pci + usb
}
