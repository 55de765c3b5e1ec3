package ring

import (
	"net/netip"
	"strings"
	"testing"

	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/ring/verdict"
	"ringboot/profiles"
)

// onSwitch is frege's part of five nodes on a switch.
func onSwitch(t *testing.T, change func(*profiles.Profile)) layout.Config {
	t.Helper()
	p := &profiles.Profile{Ring: profiles.Ring{Transport: profiles.TransportSwitch, Prefix: netip.MustParsePrefix("10.203.4.0/24"), MTU: 9000,
		Ports: []profiles.RingPort{{Name: "sfp0", MAC: "58:47:ca:00:00:01"}, {Name: "sfp1", MAC: "58:47:ca:00:00:02"}}}}
	for i, n := range []string{"frege", "russell", "wittgenstein", "carnap", "quine"} {
		p.Nodes = append(p.Nodes, profiles.Node{Name: n, Ring: ringAddr(i)})
	}
	change(p)
	cfg, err := layout.ConfigOf(p, "frege")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestSegmentStanzas(t *testing.T) {
	for _, row := range []struct {
		name, want string
		devices    string
		change     func(*profiles.Profile)
	}{
		{"one port", `
auto sfp0
iface sfp0 inet manual
	mtu 9000
	up nft -f /etc/ringboot/ring.nft
	up ip address replace 10.203.4.11/24 dev sfp0
`, "sfp0", func(p *profiles.Profile) { p.Ring.Ports = p.Ring.Ports[:1] }},
		{"a bond of two", `
auto sfp0
iface sfp0 inet manual
	mtu 9000

auto sfp1
iface sfp1 inet manual
	mtu 9000

auto stor0
iface stor0 inet manual
	bond-slaves sfp0 sfp1
	bond-miimon 100
	bond-mode active-backup
	bond-primary sfp0
	mtu 9000
	up nft -f /etc/ringboot/ring.nft
	up ip address replace 10.203.4.11/24 dev stor0
`, "sfp0 sfp1 stor0", func(*profiles.Profile) {}},
		{"LACP and a VLAN", `
auto sfp0
iface sfp0 inet manual
	mtu 9000

auto sfp1
iface sfp1 inet manual
	mtu 9000

auto stor0
iface stor0 inet manual
	bond-slaves sfp0 sfp1
	bond-miimon 100
	bond-mode 802.3ad
	bond-xmit-hash-policy layer3+4
	mtu 9000

auto stor0.40
iface stor0.40 inet manual
	vlan-raw-device stor0
	vlan-id 40
	mtu 9000
	up nft -f /etc/ringboot/ring.nft
	up ip address replace 10.203.4.11/24 dev stor0.40
`, "sfp0 sfp1 stor0 stor0.40", func(p *profiles.Profile) { p.Ring.Bond, p.Ring.VLAN = "802.3ad", 40 }},
	} {
		cfg := onSwitch(t, row.change)
		got := ""
		for _, f := range layout.Floor(cfg, nil) {
			if f.Path == layout.StanzaFile {
				_, got, _ = strings.Cut(f.Content, "\n")
			}
		}
		if got != row.want {
			t.Errorf("%s:\n%s\nwant\n%s", row.name, got, row.want)
		}
		if got := strings.Join(cfg.Segment.Devices(), " "); got != row.devices {
			t.Errorf("%s: devices %s, want %s", row.name, got, row.devices)
		}
	}
}

func TestSegmentSetsNoRouteAndPassesNothingOn(t *testing.T) {
	cfg := onSwitch(t, func(*profiles.Profile) {})
	s := layout.Snapshot{Links: []layout.Link{{Index: 1, Name: "lo", Up: true}, {Index: 2, Name: "ens1", PermMAC: "58:47:ca:00:00:01"},
		{Index: 5, Name: "stor0", MTU: 1500, Up: true, Carrier: true}}}
	var got []string
	for _, a := range layout.Diff(layout.Desire(cfg, s, make([]layout.LinkState, 4)), s) {
		got = append(got, a.String())
	}
	want := "rename device 2 to sfp0\nset the mtu of stor0 to 9000\nadd 10.203.4.11/24 to stor0"
	if all := strings.Join(got, "\n"); all != want {
		t.Errorf("%s\nwant\n%s", all, want)
	}
}

func TestVerdictOnASwitch(t *testing.T) {
	cfg := onSwitch(t, func(*profiles.Profile) {})
	good := verdict.Sight{Port: "stor0", Present: true, Up: true, Carrier: true, Alive: true, FullSize: true, Known: true, Peer: "russell", PeerPort: "stor0", MTU: 9000, PeerMTU: 9000}
	for want, change := range map[string]func(*verdict.Sight){
		"": func(*verdict.Sight) {},
		"stor0 is not there: see driver, path or MAC of its port in the profile":                                                                              func(s *verdict.Sight) { s.Present = false },
		"stor0 has no carrier: see its cable, and whether the switch is on":                                                                                   func(s *verdict.Sight) { s.Carrier = false },
		"stor0 has MTU 9000 here and 1500 at russell: give all nodes the same profile":                                                                        func(s *verdict.Sight) { s.PeerMTU = 1500 },
		"russell answers at stor0, but its agent does not: start ringboot on russell":                                                                         func(s *verdict.Sight) { s.Alive, s.Kernel = false, true },
		"the link to russell answers again and is watched before it counts":                                                                                   func(s *verdict.Sight) { s.Alive, s.Answers = false, true },
		"what is at the other end of stor0 is not trusted: its signature is wrong: install it from an image of this cluster":                                  func(s *verdict.Sight) { s.Alive, s.Claim = false, "not trusted: its signature is wrong" },
		"packets of 9000 bytes do not pass the switch between frege and russell, short ones do: switch jumbo frames on at its ports, or set ring.mtu to 1500": func(s *verdict.Sight) { s.FullSize, s.Tried = false, true },
		"russell does not answer over stor0: see whether its agent runs, then cable, VLAN and bond at its ports of the switch":                                func(s *verdict.Sight) { s.Alive = false },
	} {
		s := good
		change(&s)
		if got := s.Sentence(cfg); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Without a ring the keeper asks over the management network's device: it
// writes no file, sets nothing, and says what it finds.
func TestNoRingIsOnlyLookedAt(t *testing.T) {
	cfg := onSwitch(t, func(p *profiles.Profile) {
		p.Ring = profiles.Ring{Transport: profiles.TransportNone, Prefix: p.Ring.Prefix, MTU: 1500}
	})
	s := layout.Snapshot{Links: []layout.Link{{Index: 1, Name: "lo", Up: true}, {Index: 7, Name: "vmbr0", MTU: 9000}}}
	if got := layout.Diff(layout.Desire(cfg, s, make([]layout.LinkState, 4)), s); len(got) != 0 {
		t.Errorf("changes a device that is not the ring's: %v", got)
	}
	if got := layout.Floor(cfg, nil); len(got) != 0 {
		t.Errorf("writes %v", got)
	}
	good := verdict.Sight{Port: "vmbr0", Present: true, Up: true, Carrier: true, Alive: true, FullSize: true, Known: true, Peer: "russell", PeerPort: "vmbr0", MTU: 1500, PeerMTU: 1500}
	for want, change := range map[string]func(*verdict.Sight){
		"": func(*verdict.Sight) {},
		"vmbr0 is down, and the step management sets it up": func(s *verdict.Sight) { s.Up = false },
		"packets of 1500 bytes do not pass the management network between frege and russell, short ones do: its switch passes no jumbo frames; set ring.mtu to 1500": func(s *verdict.Sight) { s.FullSize, s.Tried = false, true },
		"russell does not answer over vmbr0: see whether its agent runs, then cable, VLAN and bond at its ports of the switch":                                       func(s *verdict.Sight) { s.Alive = false },
	} {
		s := good
		change(&s)
		if got := s.Sentence(cfg); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	var all []verdict.Sight
	for _, p := range cfg.Peers {
		good.Peer = p.Node
		all = append(all, good)
	}
	if says, whole := verdict.Of(cfg, all); !whole || says != "vmbr0 reaches all 4 other nodes" {
		t.Errorf("whole %v: %s", whole, says)
	}
}
