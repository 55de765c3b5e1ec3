package verdict

import (
	"net/netip"
	"strings"
	"testing"

	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/ring/usb4"
	"ringboot/profiles"
)

// thunderboltConfig is frege's part of a ring over Thunderbolt.
func thunderboltConfig() layout.Config {
	p := &profiles.Profile{Ring: profiles.Ring{Transport: profiles.TransportThunderbolt, MTU: 65520, Ports: []profiles.RingPort{
		{Name: "en05", Path: "pci-0000:00:0d.2", Driver: "thunderbolt-net"}, {Name: "en06", Path: "pci-0000:00:0d.3", Driver: "thunderbolt-net"}}}}
	for i, n := range []string{"frege", "russell", "wittgenstein"} {
		p.Nodes = append(p.Nodes, profiles.Node{Name: n, Ring: netip.AddrFrom4([4]byte{10, 203, 4, byte(11 + i)})})
	}
	cfg, err := layout.ConfigOf(p, "frege")
	if err != nil {
		panic(err) // the profile above is fixed
	}
	return cfg
}

func TestVerdictOnOnePort(t *testing.T) {
	seen := usb4.Port{Controller: true, Driver: true, Cable: true, Service: true, Lanes: 2}
	good := Sight{Port: "en05", Present: true, Up: true, Carrier: true, Alive: true, FullSize: true, Known: true,
		Peer: "russell", PeerPort: "en06", MTU: 65520, PeerMTU: 65520, Wire: seen}
	with := func(change func(*Sight)) Sight { s := good; change(&s); return s }
	for _, row := range []struct {
		name     string
		sight    Sight
		ethernet bool
		want     string
	}{
		{"all is well", good, false, ""},
		{"no controller", Sight{Port: "en05", Peer: "russell"}, false,
			"the controller of en05 is not on the PCI bus: switch USB4/Thunderbolt on in the BIOS, or update the BIOS"},
		{"no driver", Sight{Port: "en05", Peer: "russell", Wire: usb4.Port{Controller: true}}, false,
			"the controller of en05 has no driver: load the module thunderbolt (modprobe thunderbolt)"},
		{"no cable", Sight{Port: "en05", Peer: "russell", Wire: usb4.Port{Controller: true, Driver: true}}, false,
			"no cable between frege and russell: en05 sees nothing; plug it in (a Thunderbolt cable, not USB only), or start russell"},
		{"no module on the peer", Sight{Port: "en05", Peer: "russell", Wire: usb4.Port{Controller: true, Driver: true, Cable: true, Name: "proxmox\x1b[2J"}}, false,
			"the machine at en05 (it calls itself proxmox?[2J) offers no network yet: it loads the module thunderbolt_net when its agent starts; plug the cable anew if that lasts"},
		{"no module here", Sight{Port: "en05", Peer: "russell", Wire: seen}, false,
			"en05 has a cable, but no network device: load the module thunderbolt_net (modprobe thunderbolt_net)"},
		{"loop, told by the controller", Sight{Port: "en05", Peer: "russell", Wire: usb4.Port{Controller: true, Driver: true, Cable: true, Loop: true}}, false,
			"the cable at en05 leads back to this node: move one end to russell"},
		{"loop, told by the hello", with(func(s *Sight) { s.Alive, s.Loop = false, "en06" }), true,
			"the cable at en05 leads back to this node's own en06: move one end to russell"},
		{"port missing", Sight{Port: "en05", Peer: "russell"}, true,
			"there is no port en05: see its driver, path or MAC in the profile"},
		{"port down", with(func(s *Sight) { s.Up, s.Carrier, s.Alive = false, false, false }), false,
			"en05 is down: the agent sets it up"},
		{"far port down", with(func(s *Sight) { s.Carrier, s.Alive = false, false }), false,
			"en05 has no carrier: the port of russell at the other end is down, or its login has expired; it is set down and up"},
		{"ethernet cable out", with(func(s *Sight) { s.Carrier, s.Alive = false, false }), true,
			"no cable between frege and russell: en05 has no carrier; plug it in, or start russell"},
		{"up but dead", with(func(s *Sight) { s.Alive, s.Reachable = false, true }), false,
			"en05 has carrier, but probes to russell are not answered, and the third node reaches it: traffic goes round, the port is set down and up; reseat the cable if that does not help"},
		{"agent of the peer dead", with(func(s *Sight) { s.Alive, s.Kernel = false, true }), false,
			"russell answers at en05, but its agent does not: start ringboot on russell"},
		{"silent", with(func(s *Sight) { s.Alive = false }), false,
			"en05 has carrier, but russell does not answer there: see whether its agent runs, then reseat the cable"},
		{"never heard", with(func(s *Sight) { s.Alive, s.Known = false, false }), false,
			"en05 has carrier, but nobody of this cluster says hello there: start ringboot on russell, or see what the cable leads to"},
		{"returning", with(func(s *Sight) { s.Alive, s.Answers = false, true }), false,
			"the link to russell answers again and is watched before it carries traffic"},
		{"one lane", with(func(s *Sight) { s.Wire.Lanes = 1 }), false,
			"the cable between frege and russell runs on one lane of two, at half its speed: reseat it, or use one of at most 0.8 m"},
		{"half speed", with(func(s *Sight) { s.Wire.LaneGbit = 10 }), false,
			"the cable between frege and russell runs at 10 Gbit/s a lane instead of 20, at half its speed: use a cable marked 40 Gbit/s (without electronics at most 0.8 m), or another port"},
		{"packets, but no hello", with(func(s *Sight) { s.Alive, s.Moving, s.Reachable = false, true, true }), false,
			"packets come in over en05, but no hello of russell: let UDP port 7343 through the firewalls of both nodes, or reseat the cable; the port is left as it is"},
		{"MTU of the peer", with(func(s *Sight) { s.FullSize, s.PeerMTU = false, 1500 }), false,
			"en05 has MTU 65520 here and 1500 at russell: give all nodes the same profile"},
		{"long packets lost", with(func(s *Sight) { s.FullSize, s.Tried = false, true }), false,
			"packets of 65520 bytes do not pass between frege and russell, short ones do: check the MTU at both ends of en05, or use another cable"},
		{"another cluster", with(func(s *Sight) { s.Alive, s.Claim = false, "another cluster (0011223344556677)" }), false,
			"a node of another cluster (0011223344556677) is at the other end of en05: plug in russell instead"},
		{"unsigned", with(func(s *Sight) { s.Alive, s.Claim = false, "not trusted: its signature is wrong" }), false,
			"what is at the other end of en05 is not trusted: its signature is wrong: install it from an image of this cluster"},
		{"another version", with(func(s *Sight) {
			s.Alive, s.Claim = false, "speaks version 9 of the ring's hello, this agent version 1: install the same version on all nodes"
		}), false,
			"at the other end of en05: speaks version 9 of the ring's hello, this agent version 1: install the same version on all nodes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := thunderboltConfig()
			if row.ethernet {
				cfg.Transport, _ = profiles.TransportOf(profiles.TransportEthernet)
			}
			if got := row.sight.Sentence(cfg); got != row.want {
				t.Errorf("verdict\n%s\nwant\n%s", got, row.want)
			}
		})
	}
}

func TestVerdictOnTheRing(t *testing.T) {
	cfg := thunderboltConfig()
	a := Sight{Port: "en05", Present: true, Up: true, Carrier: true, Alive: true, FullSize: true, Known: true, Peer: "russell", PeerPort: "en06"}
	b := a
	b.Port, b.Peer, b.PeerPort = "en06", "wittgenstein", "en05"
	if v, whole := Of(cfg, []Sight{a, b}); !whole || v != "ring whole: en05 to en06 of russell, en06 to en05 of wittgenstein" {
		t.Errorf("whole %v, %q", whole, v)
	}
	twice := b
	twice.Peer = "russell"
	v, whole := Of(cfg, []Sight{a, twice})
	if whole || !strings.Contains(v, "no cable between frege and wittgenstein") {
		t.Errorf("whole %v, %q", whole, v)
	}
	narrow := b
	narrow.Wire.Lanes = 1
	if v, whole := Of(cfg, []Sight{a, narrow}); !whole || !strings.Contains(v, "one lane") {
		t.Errorf("one lane: whole %v, %q", whole, v)
	}
	cut := Sight{Port: "en06", Peer: "wittgenstein", Wire: usb4.Port{Controller: true, Driver: true}}
	if v, whole := Of(cfg, []Sight{a, cut}); whole || !strings.HasPrefix(v, "no cable between frege and wittgenstein: ") {
		t.Errorf("cut: whole %v, %q", whole, v)
	}
}
