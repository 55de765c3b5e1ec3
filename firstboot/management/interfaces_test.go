package management

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ringboot/profiles"
)

func plan() (*profiles.Profile, profiles.Node) {
	p := &profiles.Profile{Management: profiles.Management{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Gateway: netip.MustParseAddr("192.0.2.1")}}
	return p, profiles.Node{Name: "frege", Address: netip.MustParseAddr("192.0.2.11")}
}

const installed = `auto lo
iface lo inet loopback

iface enp87s0 inet manual

iface enp88s0 inet manual

iface thunderbolt0 inet manual

auto vmbr0
iface vmbr0 inet static
	address 192.0.2.11/24
	gateway 192.0.2.1
	bridge-ports enp87s0
	bridge-stp off
	bridge-fd 0

source /etc/network/interfaces.d/*
`

// formed is what the step makes of it.
func formed(t *testing.T) string {
	t.Helper()
	p, n := plan()
	text, edits := wantInterfaces(installed, p, n, []string{"enp87s0", "enp88s0"})
	if len(handmade(edits)) != 0 || len(edits) == 0 {
		t.Fatalf("the installer's own lines need nobody's consent: %+v", edits)
	}
	if again, more := wantInterfaces(text, p, n, []string{"enp87s0", "enp88s0"}); again != text || len(more) > 0 {
		t.Fatalf("not at rest: %+v\n%s", more, again)
	}
	return text
}

func TestTheBondGoesUnderTheBridge(t *testing.T) {
	want := `auto lo
iface lo inet loopback

iface enp87s0 inet manual

iface enp88s0 inet manual

auto bond0
iface bond0 inet manual
	bond-slaves enp87s0 enp88s0
	bond-miimon 100
	bond-mode active-backup
	bond-primary enp87s0

auto vmbr0
iface vmbr0 inet static
	address 192.0.2.11/24
	gateway 192.0.2.1
	bridge-ports bond0
	bridge-stp off
	bridge-fd 0

source /etc/network/interfaces.d/*
`
	if got := formed(t); got != want {
		t.Errorf("got:\n%s", got)
	}
}

// What the owner does to a network that the step made, and what the step says.
func TestTheOwnersLinesStay(t *testing.T) {
	for name, act := range map[string]struct {
		from, to string
		edits    []string // what would be changed back; none: nothing is said
		hand     bool     // somebody has to agree
	}{
		"VLAN aware":                      {"\tbridge-fd 0\n", "\tbridge-fd 0\n\tbridge-vlan-aware yes\n\tbridge-vids 2-4094\n", nil, false},
		"an MTU":                          {"\tbridge-fd 0\n", "\tbridge-fd 0\n\tmtu 9000\n", nil, false},
		"a route":                         {"\tbridge-fd 0\n", "\tbridge-fd 0\n\tpost-up ip route add 198.51.100.0/24 via 192.0.2.254\n", nil, false},
		"a comment":                       {"\tbridge-fd 0\n", "\tbridge-fd 0\n#LAN\n", nil, false},
		"IPv6":                            {"\nsource", "\niface vmbr0 inet6 static\n\taddress 2001:db8::11/64\n\tgateway 2001:db8::1\n\nsource", nil, false},
		"a second address":                {"\tgateway 192.0.2.1\n", "\taddress 192.0.2.99/24\n\tgateway 192.0.2.1\n", nil, false},
		"another bridge":                  {"\nsource", "\nauto vmbr1\niface vmbr1 inet manual\n\tbridge-ports none\n\nsource", nil, false},
		"another bond":                    {"\nsource", "\nauto bond1\niface bond1 inet static\n\taddress 203.0.113.12/24\n\tbond-slaves enp2s0f0np0 enp2s0f1np1\n\tbond-mode 802.3ad\n\nsource", nil, false},
		"a VLAN on the bridge":            {"\nsource", "\nauto vmbr0.16\niface vmbr0.16 inet static\n\taddress 198.51.100.162/27\n\nsource", nil, false},
		"spanning tree":                   {"\tbridge-stp off\n", "\tbridge-stp on\n", nil, false},
		"the ports in another order":      {"\tbond-slaves enp87s0 enp88s0\n", "\tbond-slaves enp88s0 enp87s0\n", nil, false},
		"the other port first":            {"\tbond-primary enp87s0\n", "\tbond-primary enp88s0\n", nil, false},
		"the mode as a number":            {"\tbond-mode active-backup\n", "\tbond-mode 1\n", nil, false},
		"underscores":                     {"\tbond-miimon 100\n", "\tbond_miimon 200\n", nil, false},
		"another mode":                    {"\tbond-mode active-backup\n", "\tbond-mode 802.3ad\n", []string{"bond0 bond-mode: 802.3ad -> active-backup"}, true},
		"another gateway":                 {"\tgateway 192.0.2.1\n", "\tgateway 192.0.2.254\n", []string{"vmbr0 gateway: 192.0.2.254 -> 192.0.2.1"}, true},
		"another address":                 {"\taddress 192.0.2.11/24\n", "\taddress 192.0.2.77/24\n", []string{"vmbr0 address: 192.0.2.77/24 -> 192.0.2.11/24"}, true},
		"a port taken out of the bond":    {"\tbond-slaves enp87s0 enp88s0\n", "\tbond-slaves enp87s0\n", []string{"bond0 bond-slaves: enp87s0 -> enp87s0 enp88s0"}, false},
		"a third port in the bond":        {"\tbond-slaves enp87s0 enp88s0\n", "\tbond-slaves enp87s0 enp88s0 enp2s0f0np0\n", []string{"bond0 bond-slaves: enp87s0 enp88s0 enp2s0f0np0 -> enp87s0 enp88s0"}, true},
		"the bridge on one port, by hand": {"\tbridge-ports bond0\n", "\tbridge-ports enp2s0f0np0\n\tbridge-vlan-aware yes\n", []string{"vmbr0 bridge-ports: enp2s0f0np0 -> bond0"}, true},
	} {
		p, n := plan()
		before := formed(t)
		have := strings.Replace(before, act.from, act.to, 1)
		if have == before {
			t.Fatalf("%s: nothing was done", name)
		}
		text, edits := wantInterfaces(have, p, n, []string{"enp87s0", "enp88s0"})
		var got []string
		for _, e := range edits {
			c := e.change()
			got = append(got, c.Object+": "+c.Have+" -> "+c.Want)
		}
		if !slices.Equal(got, act.edits) || (len(handmade(edits)) > 0) != act.hand {
			t.Errorf("%s: %q, by hand %q", name, got, handmade(edits))
		}
		if len(act.edits) == 0 && text != have {
			t.Errorf("%s: the file would be written anew:\n%s", name, text)
		}
		for line := range strings.Lines(have) {
			touched := slices.ContainsFunc(edits, func(e edit) bool { return strings.TrimSpace(line) == e.have })
			if !touched && !strings.Contains(text, line) {
				t.Errorf("%s: the line %q is gone", name, line)
			}
		}
	}
}

// Files that were there before: of a bridge with everything that a bridge can
// have, only the port moves under the bond, and only if its owner agrees.
func TestForeignFiles(t *testing.T) {
	p, n := plan()
	have := strings.Replace(installed, "\tbridge-fd 0\n", "\tbridge-fd 0\n\tbridge-vlan-aware yes\n\tbridge-vids 2-4094\n\tmtu 9000\n#LAN\n\niface vmbr0 inet6 static\n\taddress 2001:db8::11/64\n", 1)
	text, edits := wantInterfaces(have, p, n, []string{"enp87s0", "enp88s0"})
	for _, line := range []string{"bridge-vlan-aware yes", "bridge-vids 2-4094", "mtu 9000", "#LAN", "iface vmbr0 inet6 static", "address 2001:db8::11/64", "bridge-ports bond0"} {
		if !strings.Contains(text, line) {
			t.Errorf("%q is gone:\n%s", line, text)
		}
	}
	if len(handmade(edits)) != 0 {
		t.Errorf("moving our own port under the bond needs nobody's consent: %q", handmade(edits))
	}
	storage := installed + "\nauto bond0\niface bond0 inet static\n\taddress 203.0.113.12/24\n\tbond-slaves enp2s0f0np0 enp2s0f1np1\n\tbond-mode 802.3ad\n"
	if got := foreignBond(storage, []string{"enp87s0", "enp88s0"}); got != "enp2s0f0np0 enp2s0f1np1" {
		t.Errorf("a bond of other ports is foreign: %q", got)
	}
	if got := foreignBond(formed(t), []string{"enp88s0", "enp87s0"}); got != "" {
		t.Errorf("our own bond is foreign: %q", got)
	}
}

// What the profile says of the management network, and the file that comes of
// what the installer wrote.
func TestTheManagementNetworkOfTheProfile(t *testing.T) {
	const head = "auto lo\niface lo inet loopback\n\n"
	const ports = "iface enp87s0 inet manual\n\niface enp88s0 inet manual\n\n"
	const slaves = "auto bond0\niface bond0 inet manual\n\tbond-slaves enp87s0 enp88s0\n\tbond-miimon 100\n"
	const backup = "\tbond-mode active-backup\n\tbond-primary enp87s0\n"
	const address = "auto vmbr0\niface vmbr0 inet static\n\taddress 192.0.2.11/24\n\tgateway 192.0.2.1\n"
	const bridge = "\tbridge-stp off\n\tbridge-fd 0\n"
	const tail = "\nsource /etc/network/interfaces.d/*\n"
	for name, row := range map[string]struct {
		change func(*profiles.Management)
		want   string
	}{
		"a VLAN": {func(m *profiles.Management) { m.VLAN = 16 },
			head + ports + slaves + backup + "\nauto bond0.16\niface bond0.16 inet manual\n\n" + address + "\tbridge-ports bond0.16\n" + bridge + tail},
		"LACP": {func(m *profiles.Management) { m.Bond = "802.3ad" },
			head + ports + slaves + "\tbond-mode 802.3ad\n\tbond-xmit-hash-policy layer2+3\n\n" + address + "\tbridge-ports bond0\n" + bridge + tail},
		"guests with tags": {func(m *profiles.Management) { m.VLANAware = true },
			head + ports + slaves + backup + "\n" + address + "\tbridge-ports bond0\n" + bridge + "\tbridge-vlan-aware yes\n\tbridge-vids 2-4094\n" + tail},
		"large packets in a VLAN": {func(m *profiles.Management) { m.MTU, m.VLAN = 9000, 16 },
			head + "iface enp87s0 inet manual\n\tmtu 9000\n\niface enp88s0 inet manual\n\tmtu 9000\n\n" + slaves + backup + "\tmtu 9000\n\nauto bond0.16\niface bond0.16 inet manual\n\tmtu 9000\n\n" + address + "\tbridge-ports bond0.16\n" + bridge + "\tmtu 9000\n" + tail},
	} {
		p, n := plan()
		row.change(&p.Management)
		text, edits := wantInterfaces(installed, p, n, []string{"enp87s0", "enp88s0"})
		if text != row.want || len(handmade(edits)) > 0 {
			t.Errorf("%s: by hand %q\n%s\nwant\n%s", name, handmade(edits), text, row.want)
		}
		if again, more := wantInterfaces(text, p, n, []string{"enp87s0", "enp88s0"}); again != text || len(more) > 0 {
			t.Errorf("%s: not at rest: %+v", name, more)
		}
		// A network without all that becomes this one unasked; it goes back with consent only.
		plain, m := plan()
		if _, edits := wantInterfaces(formed(t), p, n, []string{"enp87s0", "enp88s0"}); name != "LACP" && len(handmade(edits)) > 0 {
			t.Errorf("%s: our own network is taken for a hand's: %q", name, handmade(edits))
		}
		if _, edits := wantInterfaces(text, plain, m, []string{"enp87s0", "enp88s0"}); (p.Management.VLAN != 0) != (len(handmade(edits)) > 0) && name != "LACP" {
			t.Errorf("%s: taken back unasked: %+v", name, edits)
		}
	}
}

// Where there is no bridge yet, what is new stands above the line that brings in
// other files: those of the ring come after the network that they may need.
func TestANewBridgeStandsAboveTheSources(t *testing.T) {
	p, n := plan()
	text, _ := wantInterfaces("auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/*\n", p, n, []string{"enp87s0"})
	bridge, source := strings.Index(text, "iface vmbr0 inet static"), strings.Index(text, "source /etc/network/interfaces.d/*")
	if loopback := strings.Index(text, "iface lo inet loopback"); loopback < 0 || bridge < loopback || source < bridge {
		t.Errorf("the bridge is at %d, the loopback at %d, the sources at %d:\n%s", bridge, loopback, source, text)
	}
}
