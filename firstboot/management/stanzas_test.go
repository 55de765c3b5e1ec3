package management

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// How an interfaces file is cut into pieces: what belongs to a stanza is in it,
// and joined they are the text again.
func TestPiecesOfAFile(t *testing.T) {
	const text = "\tstray\n\n# first\nauto lo\niface lo inet loopback\n\n\tdns 1\nmapping eth0\n\tscript x\niface vmbr0 inet static\n\taddress a\n# mine\n\tgateway b\nallow-hotplug c\n\tstray\nrename d\n\tto e\nsource /x/*\nsource-directory /y\nauto\n"
	var got []string
	joined := ""
	for _, s := range parseInterfaces(text) {
		got = append(got, s.kind+" "+s.name+": "+strings.Join(s.lines, "|"))
		joined += strings.Join(s.lines, "\n") + "\n"
	}
	want := []string{"other : \tstray", "other : ", "other : # first", "auto lo: auto lo", "iface lo: iface lo inet loopback", "other : ", "other : \tdns 1",
		"mapping eth0: mapping eth0|\tscript x", "iface vmbr0: iface vmbr0 inet static|\taddress a", "other : # mine", "other : \tgateway b",
		"auto c: allow-hotplug c", "other : \tstray", "mapping d: rename d|\tto e", "source /x/*: source /x/*", "source /y: source-directory /y", "auto : auto"}
	if d := cmp.Diff(want, got); d != "" || joined != text {
		t.Errorf("%s\n%q", d, joined)
	}
	if got := parseInterfaces("iface lo inet loopback\r\n"); len(got) != 1 || got[0].lines[0] != "iface lo inet loopback" {
		t.Errorf("%q", got)
	}
}

// Files that somebody else wrote in ways that ifupdown2 takes, and what becomes of
// them, whole.
func TestFilesInOtherWords(t *testing.T) {
	const bond = "auto bond0\niface bond0 inet manual\n\tbond-slaves enp90s0 enp87s0\n\tbond-miimon 100\n\tbond-mode active-backup\n\tbond-primary enp90s0\n"
	const bare = "iface enp90s0 inet manual\n\niface enp87s0 inet manual\n\n"
	const bridge = "auto vmbr0\niface vmbr0 inet static\n\taddress 192.0.2.11/24\n\tgateway 192.0.2.1\n\tbridge-ports bond0\n\tbridge-stp off\n\tbridge-fd 0\n"
	const lo = "auto lo\niface lo inet loopback\n\n"
	const source = "\nsource /etc/network/interfaces.d/*\n"
	for name, c := range map[string]struct{ have, want string }{
		"nothing":                  {"", lo + bare + bond + "\n" + bridge + source},
		"other sources alone":      {"source /etc/network/other\n", lo + bare + bond + "\n" + bridge + "\nsource /etc/network/other\n" + source},
		"sources first":            {"source /etc/network/interfaces.d/*\n", lo + bare + bond + "\n" + bridge + source},
		"the loopback first":       {"iface lo inet loopback\n" + source, "iface lo inet loopback\n\n" + bare + bond + "\n" + bridge + source},
		"no sources":               {lo + bare + bond + "\n" + bridge, lo + bare + bond + "\n" + bridge + source},
		"the bridge first":         {"iface vmbr0 inet static\n\taddress 192.0.2.11/24\n\tgateway 192.0.2.1\n\tbridge-ports enp87s0\n\tbridge-stp off\n\tbridge-fd 0\n\n" + lo + "source /etc/network/interfaces.d/*\n", bare + bond + "\n" + bridge + "\n" + lo + "source /etc/network/interfaces.d/*\n"},
		"auto of both and more":    {"auto lo vmbr0 bond0\niface lo inet loopback\n\n" + strings.Replace(bridge, "auto vmbr0\n", "", 1) + source, "auto lo vmbr0 bond0\niface lo inet loopback\n\n" + bare + strings.Replace(bond, "auto bond0\n", "", 1) + "\n" + strings.Replace(bridge, "auto vmbr0\n", "", 1) + source},
		"auto of the bridge twice": {lo + "auto vmbr0\n" + bridge + source, lo + bare + bond + "\nauto vmbr0\n" + bridge + source},
		"auto of another above":    {lo + "auto eth9\n" + bridge + source, lo + "auto eth9\n" + bare + bond + "\n" + bridge + source},
		"no auto of the bond":      {lo + bare + strings.Replace(bond, "auto bond0\n", "", 1) + "\n" + bridge + source, lo + bare + bond + "\n" + bridge + source},
		"short words":              {lo + bare + bond + "\n" + strings.Replace(bridge, "iface vmbr0 inet static", "iface vmbr0", 1) + source, lo + bare + bond + "\n" + strings.Replace(bridge, "iface vmbr0 inet static", "iface vmbr0", 1) + source},
		"three words":              {lo + bare + bond + "\n" + strings.Replace(bridge, "iface vmbr0 inet static", "iface vmbr0 inet", 1) + source, lo + bare + bond + "\n" + strings.Replace(bridge, "iface vmbr0 inet static", "iface vmbr0 inet", 1) + source},
		"what the installer wrote": {lo + "auto thunderbolt0\niface thunderbolt0 inet manual\n\tmtu 9000\n\nallow-hotplug  thunderbolt1  eth9\nauto  eth8  eth7\n\n" + bridge + source, lo + "allow-hotplug eth9\nauto  eth8  eth7\n\n" + bare + bond + "\n" + bridge + source},
		"empty lines":              {"\n\n" + lo + "\n\n" + bridge + "\n\n" + source, lo + bare + bond + "\n" + bridge + source},
		"ports in another order":   {lo + bare + strings.Replace(bond, "enp90s0 enp87s0", "enp87s0 enp90s0", 1) + "\n" + bridge + source, lo + bare + strings.Replace(bond, "enp90s0 enp87s0", "enp87s0 enp90s0", 1) + "\n" + bridge + source},
	} {
		p, n := plan()
		names := []string{"enp90s0", "enp87s0"}
		text, edits := wantInterfaces(c.have, p, n, names)
		if d := cmp.Diff(c.want, text); d != "" || len(handmade(edits)) > 0 {
			t.Errorf("%s: by hand %q\n%s", name, handmade(edits), d)
		}
		if again, more := wantInterfaces(text, p, n, names); again != text || len(more) > 0 {
			t.Errorf("%s: not at rest: %+v\n%s", name, more, again)
		}
	}
}

// Lines of somebody's hand: they change with his consent only, and are named.
func TestLinesOfAHand(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"as a router gives it":        {"iface vmbr0 inet static", "iface vmbr0 inet dhcp", `vmbr0: "iface vmbr0 inet dhcp", the profile says "iface vmbr0 inet static"`},
		"a port with an address":      {"iface enp88s0 inet manual", "iface enp88s0 inet dhcp", `enp88s0: "iface enp88s0 inet dhcp", the profile says "iface enp88s0 inet manual"`},
		"a bond without ports":        {"bond-slaves enp87s0 enp88s0", "bond-slaves", `bond0: "bond-slaves", the profile says "bond-slaves enp87s0 enp88s0"`},
		"a bridge of two ports":       {"bridge-ports bond0", "bridge-ports enp9s0 enp10s0", `vmbr0: "bridge-ports enp9s0 enp10s0", the profile says "bridge-ports bond0"`},
		"a tag of his":                {"bridge-ports bond0", "bridge-ports enp9s0.5", `vmbr0: "bridge-ports enp9s0.5", the profile says "bridge-ports bond0"`},
		"his own first line":          {"\taddress 192.0.2.11/24\n\tgateway 192.0.2.1\n\tbridge-ports bond0", "\tmtu 9000\n\taddress 192.0.2.11/24\n\tgateway 192.0.2.1\n\tbridge-ports enp9s0", `vmbr0: "bridge-ports enp9s0", the profile says "bridge-ports bond0"`},
		"what any installer writes":   {"bridge-ports bond0", "bridge-ports enp9s0", ""},
		"the older name of an option": {"bond-slaves", "slaves", ""},
	} {
		p, n := plan()
		have := strings.Replace(formed(t), c.from, c.to, 1)
		_, edits := wantInterfaces(have, p, n, []string{"enp87s0", "enp88s0"})
		if got := strings.Join(handmade(edits), "; "); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	p, n := plan()
	_, edits := wantInterfaces(strings.Replace(formed(t), "auto vmbr0\n", "", 1), p, n, []string{"enp87s0", "enp88s0"})
	if len(edits) != 1 || edits[0].change().Object != "vmbr0 auto" || edits[0].change().Want != "vmbr0" {
		t.Errorf("%+v", edits)
	}
}

// A bond of our name is somebody else's if it has none of our ports, however that
// is written.
func TestWhoseBondItIs(t *testing.T) {
	for text, want := range map[string]string{
		"iface bond0 inet manual\n\tbond-slaves   enp2s0 enp3s0  \n":                "enp2s0 enp3s0",
		"auto bond0\niface bond0 inet manual\n\tslaves enp2s0\n":                    "enp2s0",
		"iface bond0 inet manual\n\tbond_slaves enp2s0 enp87s0\n":                   "",
		"iface bond0 inet manual\n\tbond-slaves none\n":                             "",
		"iface bond0 inet manual\n\tbond-slaves\n\tbond-mode 1\n":                   "",
		"iface bond0 inet manual\n\tbond-mode 1\n":                                  "",
		"iface bond1 inet manual\n\tbond-slaves enp2s0 enp3s0\n":                    "",
		"iface bond0 inet6 auto\n\niface bond0 inet manual\n\tbond-slaves enp2s0\n": "enp2s0",
	} {
		if got := foreignBond(text, []string{"enp87s0", "enp88s0"}); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	if within([]string{"a", "b"})("") || !within([]string{"a", "b"})("b a") || within([]string{"a"})("a c") {
		t.Error("which lines name our ports alone")
	}
	if same := sameWords([]string{"b", "a"}); !same("a b") || !same("b a") || same("a") || same("a b c") {
		t.Error("which lists are the same")
	}
}

// IPv6 in a file in which the bridge, or its stanza for IPv6, stands first or last.
func TestWhereIPv6Stands(t *testing.T) {
	const four = "iface vmbr0 inet static\n\taddress 192.0.2.11/24\n\tgateway 192.0.2.1\n\tbridge-ports bond0\n\tbridge-stp off\n\tbridge-fd 0\n"
	const six = "iface vmbr0 inet6 static\n\taddress 2001:db8::11/64\n"
	const rest = "\nauto lo bond0 vmbr0\niface lo inet loopback\n\niface enp87s0 inet manual\n\niface enp88s0 inet manual\n\niface bond0 inet manual\n\tbond-slaves enp87s0 enp88s0\n\tbond-miimon 100\n\tbond-mode active-backup\n\tbond-primary enp87s0\n\nsource /etc/network/interfaces.d/*\n"
	for name, c := range map[string]struct{ have, want string }{
		"first":              {four + rest, four + "\n" + six + rest},
		"it is first":        {strings.Replace(six, "::11", "::99", 1) + "\n" + four + rest, six + "\n" + four + rest},
		"last":               {strings.TrimPrefix(rest, "\n") + "\n" + four, strings.TrimPrefix(rest, "\n") + "\n" + four + "\n" + six},
		"last with comments": {strings.TrimPrefix(rest, "\n") + "\n" + four + "#LAN\n#two\n", strings.TrimPrefix(rest, "\n") + "\n" + four + "#LAN\n#two\n\n" + six},
		"a route to it":      {four + "\tup ip route add 2001:db8::11 dev x\n" + rest, four + "\tup ip route add 2001:db8::11 dev x\n\n" + six + rest},
	} {
		p, n := sixed("")
		if text, _ := wantInterfaces(c.have, p, n, []string{"enp87s0", "enp88s0"}); text != c.want {
			t.Errorf("%s: %s", name, cmp.Diff(c.want, text))
		}
	}
	f := &interfaces{pieces: parseInterfaces("iface vmbr0 inet static\n\tgateway 2001:db8::11\n\taddress nonsense\niface vmbr1 inet6 static\n\taddress 2001:db8::11/64\n")}
	_, n := sixed("")
	if f.has("vmbr0", n.Address6) || !f.has("vmbr1", n.Address6) || slices.ContainsFunc(f.pieces, func(s ifaceStanza) bool { return s.kind == "other" }) {
		t.Error("which stanza has the address")
	}
}
