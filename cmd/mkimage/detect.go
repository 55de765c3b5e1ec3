package main

import (
	"bufio"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"ringboot/profiles/draft"
	"ringboot/profiles/spelling"
)

// detect looks at this computer: the network that it is in, its zone, its
// keyboard, its user's keys. What it cannot find stays as it is built in.
func detect(getenv func(string) string) draft.Known {
	d := draft.Known{KeyFiles: draft.Guess[[]string]{Value: ownKeys().files, From: "the keys of ~/.ssh of this computer"}}
	const here = "of this computer; the machines are in the same network?"
	if own := ownAddress(); own.IsValid() {
		d.Prefix = draft.Guess[netip.Prefix]{Value: own.Masked(), From: here}
		d.Taken = []netip.Addr{own.Addr()}
		if gateway := ownGateway(); own.Contains(gateway) {
			d.Gateway = draft.Guess[netip.Addr]{Value: gateway, From: "the gateway of this computer"}
		}
		d.DNS = draft.Guess[[]netip.Addr]{Value: nameservers("/etc/resolv.conf"), From: "the name servers of this computer"}
	}
	locales := spelling.Shipped()
	for _, zone := range []string{getenv("TZ"), firstLine("/etc/timezone"), linkedZone("/etc/localtime")} {
		zone = strings.TrimPrefix(zone, "Etc/")
		if zone != "" && locales.Zone(zone) == "" {
			d.Zone = draft.Guess[string]{Value: zone, From: "of this computer"}
			break
		}
	}
	for _, layout := range []string{setting("/etc/default/keyboard", "XKBLAYOUT"), setting("/etc/vconsole.conf", "KEYMAP"), language(getenv("LANG"))} {
		if name := locales.KeyboardOf(layout); name != "" {
			d.Keyboard = draft.Guess[string]{Value: name, From: "of this computer"}
			break
		}
	}
	return d
}

// ownAddress is this computer's address towards the Internet, with its network.
func ownAddress() netip.Prefix {
	// Connecting UDP sends nothing; it only asks which way would be taken.
	conn, err := net.Dial("udp4", "192.0.2.1:9") // TEST-NET-1, RFC 5737
	if err != nil {
		return netip.Prefix{}
	}
	defer conn.Close()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.Prefix{}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Prefix{}
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == local.Addr() && p.Bits() <= 29 && p.Bits() >= 8 {
			return p
		}
	}
	return netip.Prefix{}
}

// ownGateway is where this computer sends what is not for its network.
func ownGateway() netip.Addr {
	switch runtime.GOOS {
	case "linux":
		text, err := os.ReadFile("/proc/net/route")
		if err == nil {
			return gatewayOfTable(string(text))
		}
	case "darwin":
		out, err := exec.Command("route", "-n", "get", "default").Output()
		if err == nil {
			return gatewayOfRoute(string(out))
		}
	}
	return netip.Addr{}
}

// gatewayOfTable reads /proc/net/route, whose addresses are the bytes of an
// IPv4 address read as a number in the machine's order: least significant first.
func gatewayOfTable(text string) netip.Addr {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 || f[1] != "00000000" {
			continue
		}
		n, err := strconv.ParseUint(f[2], 16, 32)
		if err == nil && n != 0 {
			return netip.AddrFrom4([4]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
		}
	}
	return netip.Addr{}
}

// gatewayOfRoute reads what route(8) of macOS says.
func gatewayOfRoute(text string) netip.Addr {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "gateway:"); ok {
			a, err := netip.ParseAddr(strings.TrimSpace(rest))
			if err == nil {
				return a
			}
		}
	}
	return netip.Addr{}
}

// nameservers are the IPv4 ones of resolv.conf that others can ask, too.
func nameservers(file string) []netip.Addr {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []netip.Addr
	for lines := bufio.NewScanner(f); lines.Scan() && len(out) < 3; { // the installer takes three
		words := strings.Fields(lines.Text())
		if len(words) != 2 || words[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(words[1]); err == nil && a.Is4() && !a.IsLoopback() {
			out = append(out, a)
		}
	}
	return out
}

func firstLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}

// linkedZone is the zone that a link such as /etc/localtime points to.
func linkedZone(link string) string {
	to, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	_, zone, _ := strings.Cut(filepath.ToSlash(to), "zoneinfo/")
	return zone
}

// setting is a variable of a file that a shell could read.
func setting(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			value, _, _ := strings.Cut(strings.Trim(rest, `"'`), ",")
			return value
		}
	}
	return ""
}

// language is the first part of a locale: de of de_DE.UTF-8.
func language(locale string) string {
	name, _, _ := strings.Cut(locale, ".")
	if name == "C" || name == "POSIX" {
		return ""
	}
	return name
}
