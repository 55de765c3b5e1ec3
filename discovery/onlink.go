package discovery

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"slices"

	"github.com/hashicorp/mdns"
	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Where the kernel's filter of a socket finds the packet's own header
// (SKF_NET_OFF), and in it what is judged (RFC 791 3.1, RFC 8200 3).
const (
	header  = 1<<32 - 0x100000
	ttl4    = header + 8
	source4 = header + 12
	hops6   = header + 7
	source6 = header + 8
)

// neighbours has the kernel drop what comes from beyond the links before the
// library answers it (RFC 6762 11): the sender is a neighbour if no router has
// touched the packet, or if his address says so. The library's sockets take in
// what is sent to the node's addresses from anywhere, and it tells nobody who asks.
func neighbours(s *mdns.Server, prefixes []netip.Prefix) error {
	v4 := []bpf.Instruction{bpf.LoadAbsolute{Off: ttl4, Size: 1}, keepIf(255)}
	for _, p := range prefixes {
		if p.Addr().Is4() {
			v4 = append(v4, belongs(source4, p.Masked().Addr().AsSlice(), p.Bits())...)
		}
	}
	v6 := append([]bpf.Instruction{bpf.LoadAbsolute{Off: hops6, Size: 1}, keepIf(255)}, belongs(source6, []byte{0xfe, 0x80, 0, 0}, 10)...)
	conn4, conn6 := socketOf(s, "ipv4List"), socketOf(s, "ipv6List")
	if conn4 == nil && conn6 == nil {
		return errors.New("answer neighbours alone: the library has no socket")
	}
	var errs []error
	if conn4 != nil {
		raw, err := bpf.Assemble(spread(v4))
		errs = append(errs, err, ipv4.NewPacketConn(conn4).SetBPF(raw))
	}
	if conn6 != nil {
		raw, err := bpf.Assemble(spread(v6))
		errs = append(errs, err, ipv6.NewPacketConn(conn6).SetBPF(raw))
	}
	return errors.Join(errs...)
}

// keepIf is the end of a test: where the value is this, the packet is kept.
func keepIf(value uint32) bpf.Instruction { return bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: value} }

// belongs tests the first 32 bits of an address against a prefix.
func belongs(at uint32, net []byte, bits int) []bpf.Instruction {
	mask := uint32(0xffffffff) << (32 - min(bits, 32))
	return []bpf.Instruction{bpf.LoadAbsolute{Off: at, Size: 4}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask}, keepIf(binary.BigEndian.Uint32(net))}
}

// spread puts "keep the packet" behind each test, and "drop it" at the end.
func spread(tests []bpf.Instruction) (out []bpf.Instruction) {
	for _, in := range tests {
		if jump, ok := in.(bpf.JumpIf); ok {
			jump.SkipTrue = 1
			out = append(out, jump, bpf.RetConstant{Val: 0xffff})
			continue
		}
		out = append(out, in)
	}
	return append(out, bpf.RetConstant{Val: 0})
}

// socketOf is one of the server's sockets, which it shows to nobody. The test of
// who is answered fails where a later version calls it otherwise.
func socketOf(s *mdns.Server, name string) *net.UDPConn {
	f := reflect.ValueOf(s).Elem().FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[*net.UDPConn]() {
		return nil
	}
	return (*net.UDPConn)(f.UnsafePointer())
}

// prefixesOf are the networks of all links, in an order.
func prefixesOf(links []link) (out []netip.Prefix) {
	for _, l := range links {
		out = append(out, l.prefixes...)
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out)
}
