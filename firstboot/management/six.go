package management

import (
	"net/netip"
	"slices"
	"strings"

	"ringboot/profiles"
)

// address6 is a node's IPv6 address as the kernel tells it, "" for none.
func address6(m profiles.Management, n profiles.Node) string {
	if !n.Address6.IsValid() {
		return ""
	}
	return netip.PrefixFrom(n.Address6, m.Prefix6.Bits()).String()
}

// six gives the bridge its IPv6 address, in a stanza of its own right behind that
// for IPv4, which is where Proxmox VE's own interface writes it. One that the
// owner has put elsewhere on the bridge will do.
func (f *interfaces) six(m profiles.Management, n profiles.Node) {
	want := address6(m, n)
	if want == "" {
		return
	}
	there := f.has(bridgeName, n.Address6)
	var options []option
	if !there {
		options = append(options, option{key: "address", value: want})
	}
	if m.Gateway6.IsValid() {
		options = append(options, option{key: "gateway", value: m.Gateway6.String(), same: func(h string) bool {
			have, err := netip.ParseAddr(h)
			return err == nil && have == m.Gateway6
		}})
	}
	at := f.find(bridgeName, "inet6")
	switch {
	case at < 0 && there:
		return // in the stanza for IPv4, which ifupdown2 takes as well: the owner's way
	case at < 0:
		lines := []string{"iface " + bridgeName + " inet6 static"}
		for _, o := range options {
			lines = append(lines, "\t"+o.key+" "+o.value)
		}
		f.edits = append(f.edits, edit{iface: bridgeName, want: "address " + want, free: true})
		at = f.find(bridgeName, "inet") + 1
		for at < len(f.pieces) && strings.HasPrefix(f.pieces[at].lines[0], "#") {
			at++ // the interface writes a stanza's comments behind it
		}
		f.pieces = slices.Insert(f.pieces, at, ifaceStanza{"other", "", []string{""}}, ifaceStanza{"iface", bridgeName, lines})
		return
	case !there:
		f.method(at, "inet6", "static")
	}
	for _, o := range options {
		f.set(at, o)
	}
}

// has reports whether any stanza of a device gives it an address, however written.
func (f *interfaces) has(name string, want netip.Addr) bool {
	return slices.ContainsFunc(f.pieces, func(s ifaceStanza) bool {
		return s.kind == "iface" && s.name == name && slices.ContainsFunc(s.lines[1:], func(line string) bool {
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			text, _, _ := strings.Cut(strings.TrimSpace(value), "/")
			have, err := netip.ParseAddr(text)
			return key == "address" && err == nil && have == want
		})
	})
}
