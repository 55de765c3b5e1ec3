package layout

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"ringboot/profiles"
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
	// Reaches are the nodes that the peer says it reaches itself, a bit for each in
	// the order of the profile.
	Reaches uint32
	// Foreign means that what is at the other end is no other node of this ring.
	Foreign bool
}

// Desired is what should be.
type Desired struct {
	Ports   []int // index of the device of each port; 0: absent
	Names   []string
	MTU     int
	Addr    netip.Prefix
	Lo      int                 // loopback device, which has the address too; 0: it has not
	Lent    bool                // the devices are another's: nothing changes
	Under   []profiles.RingPort // ports below the device, of which only the names are ours
	Routes  []Route
	Sysctls []Sysctl
}

// Sysctl is one kernel setting, by its path below /proc/sys.
type Sysctl struct{ Path, Value string }

// Desire computes what should be from the profile, the devices that exist and
// what the probes say.
func Desire(cfg Config, s Snapshot, states []LinkState) Desired {
	d := Desired{MTU: cfg.MTU, Addr: netip.PrefixFrom(cfg.Addr, cfg.Addr.BitLen())}
	if lo, ok := s.byName("lo"); ok {
		d.Lo = lo.Index
	}
	for _, p := range cfg.Ports {
		l, ok := FindPort(p, s.Links)
		if !ok || slices.Contains(d.Ports, l.Index) {
			l.Index = 0 // one device cannot be both ends
		}
		d.Ports, d.Names = append(d.Ports, l.Index), append(d.Names, p.Name)
	}
	if s := cfg.Segment; s != nil {
		d.Addr, d.Lo, d.Under, d.Lent = s.address(cfg), 0, s.Under, s.Lent
		return d
	}
	for _, peer := range cfg.Peers {
		d.Routes = append(d.Routes, routesTo(cfg, d, states, peer)...)
	}
	d.Sysctls = sysctls(cfg, d)
	return d
}

// routesTo is the direct route and the detours to one peer, as far as ports for
// them exist.
func routesTo(cfg Config, d Desired, states []LinkState, peer Peer) []Route {
	var direct, spare []int
	for i, st := range states {
		switch {
		case d.Ports[i] == 0 || st.Foreign || st.Peer != peer.Node:
		case st.Withheld:
			spare = append(spare, i)
		default:
			direct = append(direct, i)
		}
	}
	around := detours(cfg, d, states, peer.Node)
	var out []Route
	if len(direct) > 0 {
		out = append(out, Route{Dst: peer.Addr, Link: d.Ports[direct[0]], Src: cfg.Addr, Metric: MetricDirect})
	}
	for rank, i := range around {
		via, _ := cfg.Peer(states[i].Peer)
		out = append(out, Route{Dst: peer.Addr, Link: d.Ports[i], Via: via.Addr, Src: cfg.Addr, Metric: MetricDetour + uint32(rank), Onlink: true})
	}
	switch {
	case len(around) > 0:
	case len(direct) > 1:
		// Two cables lead to the same peer: the second one is what is left for a detour.
		out = append(out, Route{Dst: peer.Addr, Link: d.Ports[direct[1]], Src: cfg.Addr, Metric: MetricDetour})
	case len(direct) == 0 && len(spare) > 0:
		// No other way exists after all.
		out = append(out, Route{Dst: peer.Addr, Link: d.Ports[spare[0]], Src: cfg.Addr, Metric: MetricDirect})
	}
	return out
}

// detours are the ports over which another node passes traffic on to the peer,
// the best first: those that say they reach it themselves, or two nodes could
// each send it to the other.
func detours(cfg Config, d Desired, states []LinkState, peer string) []int {
	var out []int
	var taken []string
	for i, st := range states {
		_, ok := cfg.Peer(st.Peer)
		if ok && d.Ports[i] != 0 && !st.Foreign && st.Peer != peer && !slices.Contains(taken, st.Peer) {
			out, taken = append(out, i), append(taken, st.Peer)
		}
	}
	bit := uint32(0)
	if i := slices.Index(cfg.Order, peer); i >= 0 {
		bit = 1 << i
	}
	// The end of a chain has nothing to pass on to: it would send it back.
	out = slices.DeleteFunc(out, func(i int) bool {
		return cfg.Chain != "" && states[i].Peer != cfg.Chain && states[i].Reaches&bit == 0
	})
	rank := func(i int) int {
		switch st := states[i]; {
		case st.Withheld:
			return 2
		case st.Reaches&bit == 0:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b int) int { return rank(a) - rank(b) })
	return out
}

// ours reports whether a metric is that of a route which the keeper sets.
func (c Config) Ours(metric uint32) bool {
	return metric == MetricDirect || metric >= MetricDetour && metric < MetricDetour+uint32(max(len(c.Ports)-1, 1))
}

// Sysctls are the settings of a node that has all of its ports.
func Sysctls(cfg Config) []Sysctl { return sysctls(cfg, allThere(cfg)) }

func sysctls(cfg Config, d Desired) []Sysctl {
	if cfg.Segment != nil {
		return nil // nothing is passed on, and no route is ours
	}
	var out []Sysctl
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
		// Of these two only: a node is no router between the LAN and its guests.
		conf(p.Name, "forwarding", "1")
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
	Rename    ActionKind = iota // the device gets the port's name; it goes down for it
	SetMTU                      // bytes
	SetUp                       //
	AddAddr                     //
	SetSysctl                   //
	AddRoute                    // or replace the one of the same destination and metric
	DelRoute                    //
	Bounce                      // down, then up: a step of the repair ladder
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
	if d.Lent {
		return nil
	}
	out := diffPorts(d, s)
	for _, p := range d.Under {
		if l, ok := FindPort(p, s.Links); ok && l.Name != p.Name && !l.Up {
			out = append(out, Action{Kind: Rename, Link: l.Index, Name: p.Name})
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

// diffPorts compares the ring's ports.
func diffPorts(d Desired, s Snapshot) (out []Action) {
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
