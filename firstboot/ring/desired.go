package ring

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// The metrics of the two kinds of routes. zebra reads the top byte of a
// kernel route's metric as its administrative distance: 200 stands behind
// OpenFabric (115), where a plain number would stand before it.
const (
	adminDistance = 200 << 24
	MetricDirect  = adminDistance | 100  // over the cable that joins the two nodes
	MetricDetour  = adminDistance | 4096 // through the third node
)

// looseFilter is rp_filter's loose mode. pve-firewall sets it for all devices;
// strict mode (1) drops what comes round the other way, and the effective value
// is the larger of all and the device's own, so 2 on the port wins over both.
const looseFilter = "2"

// LinkState is what the probes say about one port.
type LinkState struct {
	Peer string // who is at the other end; the expected one until a hello was heard
	// Withheld means that the direct route must not be used: the link does not
	// answer, and the third node says that it reaches the peer.
	Withheld bool
	// Foreign means that what is at the other end is no other node of this ring.
	Foreign bool
}

// Desired is what should be.
type Desired struct {
	Ports   [Ports]int // index of the device of each port; 0: absent
	Names   [Ports]string
	MTU     int
	Addr    netip.Prefix
	Lo      int
	Routes  []Route
	Sysctls []Sysctl
}

// Sysctl is one kernel setting, by its path below /proc/sys.
type Sysctl struct{ Path, Value string }

// Desire computes what should be from the profile, the devices that exist and
// what the probes say.
func Desire(cfg Config, s Snapshot, states [Ports]LinkState) Desired {
	d := Desired{MTU: cfg.MTU, Addr: netip.PrefixFrom(cfg.Addr, cfg.Addr.BitLen())}
	if lo, ok := s.byName("lo"); ok {
		d.Lo = lo.Index
	}
	for i, p := range cfg.Ports {
		d.Names[i] = p.Name
		if l, ok := FindPort(p, s.Links); ok {
			d.Ports[i] = l.Index
		}
	}
	if d.Ports[0] == d.Ports[1] {
		d.Ports[1] = 0 // one device cannot be both ends
	}
	for _, peer := range cfg.Peers {
		d.Routes = append(d.Routes, routesTo(cfg, d, states, peer)...)
	}
	d.Sysctls = sysctls(cfg, d)
	return d
}

// routesTo is the direct route and the detour to one peer, as far as ports for them exist.
func routesTo(cfg Config, d Desired, states [Ports]LinkState, peer Peer) []Route {
	var direct, spare, around []int
	third, _ := cfg.other(peer.Node)
	for i, st := range states {
		switch {
		case d.Ports[i] == 0 || st.Foreign:
		case st.Peer == peer.Node && st.Withheld:
			spare = append(spare, i)
		case st.Peer == peer.Node:
			direct = append(direct, i)
		case st.Peer == third.Node:
			around = append(around, i)
		}
	}
	var out []Route
	if len(direct) > 0 {
		out = append(out, Route{Dst: peer.Addr, Link: d.Ports[direct[0]], Src: cfg.Addr, Metric: MetricDirect})
	}
	switch {
	case len(around) > 0:
		out = append(out, Route{Dst: peer.Addr, Link: d.Ports[around[0]], Via: third.Addr, Src: cfg.Addr,
			Metric: MetricDetour, Onlink: true})
	case len(direct) > 1:
		// Two cables lead to the same peer: the second one is what is left for a detour.
		out = append(out, Route{Dst: peer.Addr, Link: d.Ports[direct[1]], Src: cfg.Addr, Metric: MetricDetour})
	case len(direct) == 0 && len(spare) > 0:
		// No other way exists after all.
		out = append(out, Route{Dst: peer.Addr, Link: d.Ports[spare[0]], Src: cfg.Addr, Metric: MetricDirect})
	}
	return out
}

func sysctls(cfg Config, d Desired) []Sysctl {
	out := []Sysctl{{"net/ipv4/ip_forward", "1"}}
	conf := func(dev, key, value string) {
		out = append(out, Sysctl{"net/ipv4/conf/" + dev + "/" + key, value})
	}
	for _, dev := range []string{"all", "default"} {
		// Without it a port that lost its carrier keeps attracting traffic.
		conf(dev, "ignore_routes_with_linkdown", "1")
		conf(dev, "send_redirects", "0")
	}
	for i, p := range cfg.Ports {
		if d.Ports[i] == 0 {
			continue
		}
		conf(p.Name, "ignore_routes_with_linkdown", "1")
		conf(p.Name, "send_redirects", "0")
		conf(p.Name, "accept_redirects", "0")
		conf(p.Name, "rp_filter", looseFilter)
	}
	return out
}

// ActionKind says what an Action does.
type ActionKind int

// The kinds, in the order in which actions are carried out.
const (
	Rename      ActionKind = iota // the device gets the port's name; it goes down for it
	SetMTU                        // bytes
	SetUp                         //
	AddAddr                       //
	SetSysctl                     //
	AddRoute                      // or replace the one of the same destination and metric
	DelRoute                      //
	Bounce                        // down, then up: a step of the repair ladder
	actionKinds                   // number of kinds
)

// Action is one change of the kernel's state.
type Action struct {
	Kind   ActionKind
	Link   int // index of the device
	Name   string
	MTU    int
	Addr   netip.Prefix
	Route  Route
	Sysctl Sysctl
}

func (a Action) String() string {
	switch a.Kind {
	case Rename:
		return fmt.Sprintf("rename device %d to %s", a.Link, a.Name)
	case SetMTU:
		return fmt.Sprintf("set the mtu of %s to %d", a.Name, a.MTU)
	case SetUp:
		return "set " + a.Name + " up"
	case AddAddr:
		return fmt.Sprintf("add %s to %s", a.Addr, a.Name)
	case SetSysctl:
		return fmt.Sprintf("set %s to %s", a.Sysctl.Path, a.Sysctl.Value)
	case AddRoute, DelRoute:
		verb := map[ActionKind]string{AddRoute: "add", DelRoute: "remove"}[a.Kind]
		how := "direct"
		if a.Route.Via.IsValid() {
			how = "via " + a.Route.Via.String()
		}
		return fmt.Sprintf("%s the route to %s over device %d, %s, metric %d", verb, a.Route.Dst, a.Route.Link, how, a.Route.Metric)
	case Bounce:
		return "set " + a.Name + " down and up"
	}
	return "action " + strconv.Itoa(int(a.Kind))
}

// Diff lists what must change to come from what is to what should be, in the
// order in which it can be done.
func Diff(d Desired, s Snapshot) []Action {
	var out []Action
	byIndex := map[int]Link{}
	for _, l := range s.Links {
		byIndex[l.Index] = l
	}
	for i, index := range d.Ports {
		if index == 0 {
			continue
		}
		l := byIndex[index]
		if l.Name != d.Names[i] {
			out = append(out, Action{Kind: Rename, Link: index, Name: d.Names[i]})
		}
		if d.MTU != 0 && l.MTU != d.MTU {
			out = append(out, Action{Kind: SetMTU, Link: index, Name: d.Names[i], MTU: d.MTU})
		}
		if !l.Up {
			out = append(out, Action{Kind: SetUp, Link: index, Name: d.Names[i]})
		}
		if !s.hasAddr(index, d.Addr) {
			out = append(out, Action{Kind: AddAddr, Link: index, Name: d.Names[i], Addr: d.Addr})
		}
	}
	if d.Lo != 0 && !s.hasAddr(d.Lo, d.Addr) {
		out = append(out, Action{Kind: AddAddr, Link: d.Lo, Name: "lo", Addr: d.Addr})
	}
	for _, sc := range d.Sysctls {
		if s.Sysctls[sc.Path] != sc.Value {
			out = append(out, Action{Kind: SetSysctl, Sysctl: sc})
		}
	}
	out = append(out, diffRoutes(d, s)...)
	slices.SortStableFunc(out, func(a, b Action) int { return int(a.Kind) - int(b.Kind) })
	return out
}

// diffRoutes compares the routes with our metrics. Routes that somebody else
// keeps to the same addresses are left alone.
func diffRoutes(d Desired, s Snapshot) []Action {
	var out []Action
	for _, r := range d.Routes {
		if !slices.Contains(s.Routes, r) {
			out = append(out, Action{Kind: AddRoute, Link: r.Link, Route: r})
		}
	}
	for _, r := range s.Routes {
		if slices.Contains(d.Routes, r) {
			continue
		}
		// A replacement takes the place of this one: see AddRoute.
		replaced := slices.ContainsFunc(d.Routes, func(w Route) bool { return w.Dst == r.Dst && w.Metric == r.Metric })
		known := slices.ContainsFunc(s.Routes, func(o Route) bool {
			return o != r && o.Dst == r.Dst && o.Metric == r.Metric && slices.Contains(d.Routes, o)
		})
		if !replaced || known {
			out = append(out, Action{Kind: DelRoute, Link: r.Link, Route: r})
		}
	}
	return out
}
