package ring

import (
	"net/netip"

	"ringboot/firstboot/ring/layout"
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
