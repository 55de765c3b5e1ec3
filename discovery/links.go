package discovery

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// link is one interface that is worth asking on.
type link struct {
	ifi      net.Interface
	v4, v6   bool
	prefixes []netip.Prefix // its networks of IPv4
}

// key changes when sockets on the link must be made anew.
func (l link) key() string { return fmt.Sprint(l.ifi.Index, l.ifi.Name, l.v4, l.v6) }

// liveLinks lists the interfaces that are up, have carrier, can multicast, have an
// address, and are no part of a bridge or bond: there the bridge or bond is asked.
func liveLinks() ([]link, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var out []link
	for _, ifi := range all {
		const want = net.FlagUp | net.FlagRunning | net.FlagMulticast
		if ifi.Flags&want != want || ifi.Flags&net.FlagLoopback != 0 || enslaved(ifi.Name) {
			continue
		}
		addrs, err := ifi.Addrs()
		if err != nil {
			continue // it went away between the two calls; the next list tells
		}
		l := link{ifi: ifi}
		for _, a := range addrs {
			ip, ok := a.(*net.IPNet)
			switch {
			case !ok:
			case ip.IP.To4() != nil:
				l.v4 = true
				if p, err := netip.ParsePrefix(ip.String()); err == nil {
					l.prefixes = append(l.prefixes, p.Masked())
				}
			case ip.IP.IsLinkLocalUnicast():
				l.v6 = true // mDNS over IPv6 goes from and to link-local addresses
			}
		}
		if l.v4 || l.v6 {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b link) int { return a.ifi.Index - b.ifi.Index })
	return out, nil
}
