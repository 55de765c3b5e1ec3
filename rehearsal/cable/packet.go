package cable

import (
	"net/netip"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Ports.
const (
	portDNS      = 53
	portNTP      = 123
	portMDNS     = 5353
	portCorosync = 5405
	portHello    = 7343 // of the ring's keepers
)

// datagram is one UDP datagram of a frame.
type datagram struct {
	from, to         netip.Addr
	fromPort, toPort uint16
	payload          []byte
}

// udp reads the UDP datagram of a frame, all of which is there. Fragments and
// tagged frames are none.
func udp(frame []byte) (datagram, bool) {
	var eth layers.Ethernet
	var ip4 layers.IPv4
	var ip6 layers.IPv6
	var u layers.UDP
	var found []gopacket.LayerType
	p := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &ip4, &ip6, &u)
	p.IgnoreUnsupported = true // what UDP carries
	err := p.DecodeLayers(frame, &found)
	if err != nil || p.Truncated || len(found) != 3 || found[2] != layers.LayerTypeUDP {
		return datagram{}, false
	}
	from, to := ip6.SrcIP, ip6.DstIP
	if slices.Contains(found, layers.LayerTypeIPv4) {
		from, to = ip4.SrcIP, ip4.DstIP
	}
	return datagram{address(from), address(to), uint16(u.SrcPort), uint16(u.DstPort), u.Payload}, true
}

// address is one that was read; none has the right length.
func address(b []byte) netip.Addr { a, _ := netip.AddrFromSlice(b); return a }

// pack is a frame of these layers, with their lengths and checksums.
func pack(l ...gopacket.SerializableLayer) ([]byte, error) {
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, l...)
	return b.Bytes(), err
}
