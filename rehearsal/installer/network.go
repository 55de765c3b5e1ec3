package installer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// serialConsole finds the serial console among the kernel's words.
var serialConsole = regexp.MustCompile(`console=tty(?:S|AMA)(\d+),(\d+)`)

// networkFiles returns the files that say who the node is and where: names
// below the root, contents.
func networkFiles(a Answer, nic string, all []Device) map[string]string {
	host, domain, _ := strings.Cut(a.FQDN, ".")
	files := map[string]string{
		"etc/hostname": host + "\n",
		"etc/hosts": fmt.Sprintf("127.0.0.1 localhost.localdomain localhost\n%s %s %s\n\n", a.Address.Addr(), a.FQDN, host) +
			"# The following lines are desirable for IPv6 capable hosts\n\n" +
			"::1     ip6-localhost ip6-loopback\nfe00::0 ip6-localnet\nff00::0 ip6-mcastprefix\n" +
			"ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\nff02::3 ip6-allhosts\n",
		"etc/resolv.conf": fmt.Sprintf("search %s\nnameserver %s\n", domain, a.DNS),
	}
	names := map[string]string{} // kernel's name to final name
	for _, n := range all {
		names[n.Name] = n.Name
	}
	if a.Names != nil {
		pin(a, all, names, files)
	}
	family := "inet"
	if a.Address.Addr().Is6() {
		family = "inet6"
	}
	// The bridge and its port come first, the other cards behind it, in the
	// order of the kernel's names.
	var b strings.Builder
	fmt.Fprintf(&b, "auto lo\niface lo inet loopback\n\niface %s %s manual\n", names[nic], family)
	fmt.Fprintf(&b, "\nauto vmbr0\niface vmbr0 %s static\n\taddress %s\n\tgateway %s\n\tbridge-ports %s\n\tbridge-stp off\n\tbridge-fd 0\n",
		family, a.Address, a.Gateway, names[nic])
	for _, n := range slices.SortedFunc(slices.Values(all), func(a, b Device) int { return strings.Compare(a.Name, b.Name) }) {
		if n.Name != nic {
			fmt.Fprintf(&b, "\niface %s %s manual\n", names[n.Name], family)
		}
	}
	b.WriteString("\n\nsource /etc/network/interfaces.d/*\n")
	files["etc/network/interfaces"] = b.String()
	return files
}

// pin gives cards the answer's names, and numbers those that it does not name.
func pin(a Answer, all []Device, names, files map[string]string) {
	next := 0
	for _, n := range all {
		mac := hardwareAddress(n)
		name := a.Names[mac]
		if name == "" {
			name = fmt.Sprintf("nic%d", next)
			next++
		}
		names[n.Name] = name
		files["usr/local/lib/systemd/network/50-pmx-"+name+".link"] = "[Match]\nMACAddress=" + mac + "\nType=ether\n\n[Link]\nName=" + name + "\n"
	}
}

// hardwareAddress reads the MAC from udev's name by MAC: enx525400000001.
func hardwareAddress(n Device) string {
	digits := strings.TrimPrefix(n.Properties["ID_NET_NAME_MAC"], "enx")
	var parts []string
	for ; len(digits) >= 2; digits = digits[2:] {
		parts = append(parts, digits[:2])
	}
	return strings.Join(parts, ":")
}
