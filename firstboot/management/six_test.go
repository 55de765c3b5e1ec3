package management

import (
	"net/netip"
	"strings"
	"testing"

	"ringboot/profiles"
)

// sixed is the plan with an IPv6 address beside the other.
func sixed(gateway string) (*profiles.Profile, profiles.Node) {
	p, n := plan()
	p.Management.Prefix6 = netip.MustParsePrefix("2001:db8::/64")
	if gateway != "" {
		p.Management.Gateway6 = netip.MustParseAddr(gateway)
	}
	n.Address6 = netip.MustParseAddr("2001:db8::11")
	return p, n
}

// The address of IPv6 stands in a stanza of its own behind that of IPv4, as the
// web interface writes it, whatever stands there already.
func TestAnAddressOfIPv6(t *testing.T) {
	const behind = "\tbridge-fd 0\n\niface vmbr0 inet6 static\n\taddress 2001:db8::11/64\n"
	bare := formed(t)
	put := func(text string) string { return strings.Replace(bare, "\nsource", text+"\nsource", 1) }
	for name, c := range map[string]struct {
		gateway, have, want string // a part of what it becomes; "": as it is
		hand                bool
	}{
		"none is there":                 {"2001:db8::1", bare, behind + "\tgateway 2001:db8::1\n", false},
		"without a gateway":             {"", bare, behind, false},
		"by a link-local gateway":       {"fe80::1", bare, behind + "\tgateway fe80::1\n", false},
		"the owner's comment":           {"", strings.Replace(bare, "\tbridge-fd 0\n", "\tbridge-fd 0\n#LAN\n", 1), "\tbridge-fd 0\n#LAN\n\niface vmbr0 inet6 static\n", false},
		"it is there":                   {"2001:db8::1", put("\niface vmbr0 inet6 static\n\taddress 2001:db8::11/64\n\tgateway 2001:db8::1\n"), "", false},
		"it is there, written out":      {"2001:db8::1", put("\niface vmbr0 inet6 static\n\taddress 2001:0db8:0:0::0011/64\n\tgateway 2001:db8:0::1\n"), "", false},
		"beside another":                {"", put("\niface vmbr0 inet6 static\n\taddress 2001:db8::99/64\n\taddress 2001:db8::11/64\n"), "", false},
		"in the stanza of IPv4":         {"2001:db8::1", strings.Replace(bare, "\tgateway 192.0.2.1\n", "\taddress 2001:db8::11/64\n\tgateway 192.0.2.1\n", 1), "", false},
		"another address":               {"", put("\niface vmbr0 inet6 static\n\taddress 2001:db8::99/64\n"), "\taddress 2001:db8::11/64\n", true},
		"another gateway":               {"2001:db8::1", put("\niface vmbr0 inet6 static\n\taddress 2001:db8::11/64\n\tgateway 2001:db8::9\n"), "\tgateway 2001:db8::1\n", true},
		"as the router gives it":        {"", put("\niface vmbr0 inet6 auto\n"), "iface vmbr0 inet6 static\n\taddress 2001:db8::11/64\n", true},
		"of another bridge: none of it": {"", put("\nauto vmbr1\niface vmbr1 inet6 static\n\taddress 2001:db8::11/64\n"), behind, false},
	} {
		p, n := sixed(c.gateway)
		text, edits := wantInterfaces(c.have, p, n, []string{"enp87s0", "enp88s0"})
		if (len(handmade(edits)) > 0) != c.hand {
			t.Errorf("%s: by hand %q", name, handmade(edits))
		}
		if c.want == "" && (text != c.have || len(edits) > 0) || !strings.Contains(text, c.want) {
			t.Errorf("%s: %+v\n%s", name, edits, text)
		}
		if again, more := wantInterfaces(text, p, n, []string{"enp87s0", "enp88s0"}); again != text || len(more) > 0 {
			t.Errorf("%s: not at rest: %+v\n%s", name, more, again)
		}
		// A plan without it leaves the owner's alone.
		if other, m := plan(); true {
			if after, edits := wantInterfaces(text, other, m, []string{"enp87s0", "enp88s0"}); after != text || len(edits) > 0 {
				t.Errorf("%s: taken back: %+v", name, edits)
			}
		}
	}
}
