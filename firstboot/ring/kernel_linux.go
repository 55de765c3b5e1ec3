package ring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/ring/usb4"
)

// routeProtocol marks our routes as set by an administrator. zebra takes
// routes with the numbers of its own protocols for its own; this is none of them.
const routeProtocol = unix.RTPROT_STATIC

// calls are what is asked of a netlink handle, as functions: a type that has the
// handle for a field keeps all of its 250 methods in the program, because
// templates may call methods by name.
type calls struct {
	close             func()
	linkList          func() ([]netlink.Link, error)
	addrList          func(netlink.Link, int) ([]netlink.Addr, error)
	neighList         func(int, int) ([]netlink.Neigh, error)
	routeListFiltered func(int, *netlink.Route, uint64) ([]netlink.Route, error)
	linkSetName       func(netlink.Link, string) error
	linkSetMTU        func(netlink.Link, int) error
	linkSetUp         func(netlink.Link) error
	linkSetDown       func(netlink.Link) error
	addrReplace       func(netlink.Link, *netlink.Addr) error
	routeReplace      func(*netlink.Route) error
	routeDel          func(*netlink.Route) error
}

// netlinkKernel is the kernel of the namespace that its handle was made in.
type netlinkKernel struct {
	handle calls
	cfg    layout.Config
	sys    fs.FS
	proc   string // /proc/sys
	paths  []string
}

// NewKernel opens netlink in the process's network namespace. sys is the file
// system below /sys.
func NewKernel(cfg layout.Config, sys fs.FS) (Kernel, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	k := &netlinkKernel{handle: calls{h.Close, h.LinkList, h.AddrList, h.NeighList, h.RouteListFiltered, h.LinkSetName, h.LinkSetMTU,
		h.LinkSetUp, h.LinkSetDown, h.AddrReplace, h.RouteReplace, h.RouteDel}, cfg: cfg, sys: sys, proc: "/proc/sys"}
	for _, s := range layout.Sysctls(cfg) {
		k.paths = append(k.paths, s.Path)
	}
	return k, nil
}

// Close gives the socket back.
func (k *netlinkKernel) Close() { k.handle.close() }

// retryDump repeats a dump that changes interrupted.
func retryDump[T any](dump func() (T, error)) (T, error) {
	const tries = 5
	var v T
	var err error
	for range tries {
		if v, err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return v, err
		}
	}
	// What an interrupted dump holds is true; what it lacks shows at the next event.
	return v, nil
}

func (k *netlinkKernel) Snapshot(ctx context.Context) (layout.Snapshot, error) {
	s := layout.Snapshot{Addrs: map[int][]netip.Prefix{}, Sysctls: map[string]string{}, Neighbours: map[layout.Neighbour]bool{}}
	links, err := retryDump(k.handle.linkList)
	if err != nil {
		return s, fmt.Errorf("list network devices: %w", err)
	}
	for _, l := range links {
		s.Links = append(s.Links, k.link(l.Attrs()))
	}
	addrs, err := retryDump(func() ([]netlink.Addr, error) { return k.handle.addrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return s, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		if p, ok := prefixOf(a.IPNet); ok {
			s.Addrs[a.LinkIndex] = append(s.Addrs[a.LinkIndex], p)
		}
	}
	if s.Routes, err = k.routes(); err != nil {
		return s, err
	}
	for _, p := range k.paths {
		if text, err := os.ReadFile(path.Join(k.proc, p)); err == nil {
			s.Sysctls[p] = strings.TrimSpace(string(text))
		}
	}
	neighbours, err := retryDump(func() ([]netlink.Neigh, error) { return k.handle.neighList(0, netlink.FAMILY_V4) })
	if err != nil {
		return s, fmt.Errorf("list neighbours: %w", err)
	}
	for _, n := range neighbours {
		if addr, ok := netip.AddrFromSlice(n.IP.To4()); ok && n.State == netlink.NUD_REACHABLE {
			s.Neighbours[layout.Neighbour{Link: n.LinkIndex, Addr: addr}] = true
		}
	}
	return s, ctx.Err()
}

func (k *netlinkKernel) link(a *netlink.LinkAttrs) layout.Link {
	l := layout.Link{
		Index: a.Index, Name: a.Name, AltNames: a.AltNames, MTU: a.MTU,
		MAC: a.HardwareAddr.String(), PermMAC: a.PermHWAddr.String(),
		Up: a.Flags&net.FlagUp != 0, Carrier: a.RawFlags&unix.IFF_RUNNING != 0 && a.RawFlags&unix.IFF_LOWER_UP != 0,
	}
	if k.sys != nil {
		l.Path, l.Driver, l.SpeedMbit, l.Port = usb4.DeviceOf(k.sys, a.Name)
	}
	return l
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP.To4())
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(addr, ones), ok
}

func (k *netlinkKernel) routes() ([]layout.Route, error) {
	list, err := retryDump(func() ([]netlink.Route, error) {
		return k.handle.routeListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	var out []layout.Route
	for _, r := range list {
		metric := uint32(r.Priority)
		p, ok := prefixOf(r.Dst)
		if !ok || p.Bits() != p.Addr().BitLen() || !k.cfg.Ours(metric) {
			continue
		}
		o := layout.Route{Dst: p.Addr(), Link: r.LinkIndex, Metric: metric, Onlink: r.Flags&int(netlink.FLAG_ONLINK) != 0}
		if via, ok := netip.AddrFromSlice(r.Gw.To4()); ok {
			o.Via = via
		}
		if src, ok := netip.AddrFromSlice(r.Src.To4()); ok {
			o.Src = src
		}
		out = append(out, o)
	}
	return out, nil
}

func (k *netlinkKernel) Do(a layout.Action) error {
	err := k.do(a)
	if err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	return nil
}

func (k *netlinkKernel) do(a layout.Action) error {
	device := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: a.Link, Name: a.Name}}
	switch a.Kind {
	case layout.Rename:
		// The kernel renames only what is down.
		if err := k.handle.linkSetDown(device); err != nil {
			return err
		}
		return k.handle.linkSetName(device, a.Name)
	case layout.SetMTU:
		return k.handle.linkSetMTU(device, a.MTU)
	case layout.SetUp:
		return k.handle.linkSetUp(device)
	case layout.AddAddr:
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.Addr.Addr().AsSlice(), Mask: net.CIDRMask(a.Addr.Bits(), a.Addr.Addr().BitLen())}}
		return k.handle.addrReplace(device, addr)
	case layout.SetSysctl:
		return os.WriteFile(path.Join(k.proc, a.Sysctl.Path), []byte(a.Sysctl.Value), 0o644)
	case layout.AddRoute:
		return k.handle.routeReplace(toNetlink(a.Route))
	case layout.DelRoute:
		err := k.handle.routeDel(toNetlink(a.Route))
		if errors.Is(err, unix.ESRCH) {
			return nil
		}
		return err
	case layout.Bounce:
		if err := k.handle.linkSetDown(device); err != nil {
			return err
		}
		return k.handle.linkSetUp(device)
	}
	return errors.New("is no action of the ring")
}

func toNetlink(r layout.Route) *netlink.Route {
	out := &netlink.Route{
		LinkIndex: r.Link, Priority: int(r.Metric), Protocol: routeProtocol, Table: unix.RT_TABLE_MAIN,
		Dst: &net.IPNet{IP: r.Dst.AsSlice(), Mask: net.CIDRMask(r.Dst.BitLen(), r.Dst.BitLen())},
		Src: r.Src.AsSlice(), Scope: netlink.SCOPE_LINK,
	}
	if r.Via.IsValid() {
		out.Gw, out.Scope = r.Via.AsSlice(), netlink.SCOPE_UNIVERSE
	}
	if r.Onlink {
		out.Flags = int(netlink.FLAG_ONLINK)
	}
	return out
}

// eventBuffer is the receive buffer of a subscription, in bytes: a burst of
// events must not end it. It ends all the same now and then.
const eventBuffer = 1 << 20

func (k *netlinkKernel) Watch(ctx context.Context) <-chan struct{} {
	out := make(chan struct{}, 1)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			// Whatever happened while nobody listened is seen by looking.
			select {
			case out <- struct{}{}:
			default:
			}
			subscription(ctx, out)
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return out
}

// subscription passes events on until the first error. What an event says does
// not matter: events repeat, and come out of order.
func subscription(ctx context.Context, out chan<- struct{}) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE)
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, socket.Close)
	defer func() {
		if stop() {
			socket.Close()
		}
	}()
	if err := socket.SetReceiveBufferSize(eventBuffer, false); err != nil {
		return
	}
	for {
		if _, _, err := socket.Receive(); err != nil {
			return
		}
		select {
		case out <- struct{}{}:
		default:
		}
	}
}
