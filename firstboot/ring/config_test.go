package ring

import (
	"net/netip"

	"ringboot/firstboot/ring/layout"
	"ringboot/profiles"
)

// ringAddr is the address of the i-th node on the ring.
func ringAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 203, 4, byte(11 + i)}) }

// floorFile is one file of the floor, with the cables as the rule says.
func floorFile(cfg layout.Config, path string) string {
	peers := make([]string, len(cfg.Ports))
	for i := range peers {
		peers[i] = cfg.Expected(i)
	}
	for _, f := range layout.Floor(cfg, peers) {
		if f.Path == path {
			return f.Content
		}
	}
	return ""
}

// thunderboltConfig is frege's part of a ring over Thunderbolt.
func thunderboltConfig() layout.Config {
	p := &profiles.Profile{Ring: profiles.Ring{Transport: profiles.TransportThunderbolt, MTU: 65520, Ports: []profiles.RingPort{
		{Name: "en05", Path: "pci-0000:00:0d.2", Driver: "thunderbolt-net"}, {Name: "en06", Path: "pci-0000:00:0d.3", Driver: "thunderbolt-net"}}}}
	for i, n := range []string{"frege", "russell", "wittgenstein"} {
		p.Nodes = append(p.Nodes, profiles.Node{Name: n, Ring: ringAddr(i)})
	}
	cfg, err := layout.ConfigOf(p, "frege")
	if err != nil {
		panic(err) // the profile above is fixed
	}
	return cfg
}
