package layout

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"ringboot/profiles"
)

// RoutingOpenFabric is the value of ring.routing that adds FRR on top of the static routes.
const RoutingOpenFabric = "openfabric"

// Peer is another node of the ring.
type Peer struct {
	Node string
	Addr netip.Addr // its /32 on the ring
}

// Config is what a node is told about its ring.
type Config struct {
	Node      string
	Addr      netip.Addr // own /32
	Peers     []Peer     // the other nodes, in the profile's order
	Order     []string   // all nodes, in the profile's order
	Transport profiles.Transport
	Routing   string
	MTU       int
	Chain     string   // node in the middle of a chain, which alone has two cables; empty: a ring
	Segment   *Segment // on a switch; Ports then holds the one device that carries the address
	KeepHost  bool     // the Thunderbolt controllers are not reset when their driver is loaded
	Ports     []profiles.RingPort
	Timing    Timing
}

// Timing holds the intervals of the keeper. Zero values take the defaults.
type Timing struct {
	Probe   time.Duration // between two probes of one link: 300 ms
	Dead    time.Duration // a link without an answer to a probe younger than this is dead: 1 s
	Calm    time.Duration // a link of which every probe was answered within Quick for so long is at rest: 10 s
	Rest    time.Duration // between two probes of a link at rest: 800 ms
	Quick   time.Duration // one at rest that does not answer within it is probed again, at this pace: 100 ms
	Grace   time.Duration // a link at rest is dead so long after a probe that should have been answered: 350 ms
	Return  time.Duration // a link that was dead must answer this long before it carries traffic again: 2 s
	Flap    time.Duration // upper bound of Return, which doubles with each return within it: 1 min
	Resync  time.Duration // full look at the kernel without an event: 30 s
	Settle  time.Duration // events within it are one: 30 ms
	NoLink  time.Duration // first repair of a link without carrier: 30 s
	Backoff time.Duration // upper bound between two repairs: 15 min
	Watch   time.Duration // between two looks at the counters of a port with dense traffic, and how long none may come in: 15 ms
	Idle    time.Duration // between two looks at those of a port with less: 200 ms
	Ask     time.Duration // between two questions to a kernel from which nothing comes in: 10 ms
}

// DefaultTiming is the timing of a node in service.
func DefaultTiming() Timing {
	return Timing{
		Probe: 300 * time.Millisecond, Dead: time.Second, Calm: 10 * time.Second,
		Rest: 800 * time.Millisecond, Quick: 100 * time.Millisecond, Grace: 350 * time.Millisecond,
		Return: 2 * time.Second, Flap: time.Minute,
		Resync: 30 * time.Second, Settle: 30 * time.Millisecond,
		NoLink: 30 * time.Second, Backoff: 15 * time.Minute,
		Watch: 15 * time.Millisecond, Idle: 200 * time.Millisecond, Ask: 10 * time.Millisecond,
	}
}

func (t Timing) OrDefault() Timing {
	d := DefaultTiming()
	for _, f := range []struct{ have, want *time.Duration }{
		{&t.Probe, &d.Probe}, {&t.Dead, &d.Dead}, {&t.Calm, &d.Calm}, {&t.Rest, &d.Rest}, {&t.Quick, &d.Quick}, {&t.Grace, &d.Grace},
		{&t.Return, &d.Return}, {&t.Flap, &d.Flap},
		{&t.Resync, &d.Resync}, {&t.Settle, &d.Settle}, {&t.NoLink, &d.NoLink}, {&t.Backoff, &d.Backoff},
		{&t.Watch, &d.Watch}, {&t.Idle, &d.Idle}, {&t.Ask, &d.Ask},
	} {
		if *f.have <= 0 {
			*f.have = *f.want
		}
	}
	return t
}

// ConfigOf takes a node's part of the ring out of a checked profile.
func ConfigOf(p *profiles.Profile, node string) (Config, error) {
	n, ok := p.Node(node)
	if !ok {
		return Config{}, fmt.Errorf("node %q is not in the profile: the seed and the profile are from different builds", node)
	}
	row, ok := profiles.TransportOf(p.Ring.Transport)
	if !ok {
		return Config{}, fmt.Errorf("this agent does not know the transport %q: install the agent that came with the profile", p.Ring.Transport)
	}
	cfg := Config{
		Node: node, Addr: n.Ring, Transport: row, Routing: p.Ring.Routing,
		MTU: p.Ring.MTU, KeepHost: p.Ring.KeepHost, Chain: p.Ring.Chain, Timing: DefaultTiming(),
	}
	ports := p.PortsOf(n)
	if wrong := p.PortsWrong(n); wrong != "" {
		return Config{}, fmt.Errorf("the list of ring ports of %s %s", node, wrong)
	}
	cfg.Ports = slices.Clone(ports)
	if !row.Shape.Cabled() {
		cfg.Segment = segmentOf(p, n)
		cfg.Ports = []profiles.RingPort{{Name: cfg.Segment.Device, Interface: cfg.Segment.Device}}
	}
	for _, other := range p.Nodes {
		cfg.Order = append(cfg.Order, other.Name)
	}
	for _, other := range p.Others(node) {
		cfg.Peers = append(cfg.Peers, Peer{Node: other.Name, Addr: other.Ring})
	}
	if n := len(p.Nodes); n < row.MinNodes || n > row.MaxNodes {
		return Config{}, fmt.Errorf("the profile has %d nodes, its transport joins %d to %d: choose another ring.transport", n, row.MinNodes, row.MaxNodes)
	}
	return cfg, cfg.Check()
}

func (c Config) Check() error {
	if !c.Addr.Is4() {
		return fmt.Errorf("node %s has no IPv4 address on the ring: write ring: for it", c.Node)
	}
	for _, p := range c.Peers {
		if !p.Addr.Is4() {
			return fmt.Errorf("node %s has no IPv4 address on the ring: write ring: for it", p.Node)
		}
	}
	names := map[string]bool{"": true}
	for _, p := range c.Ports {
		if names[p.Name] {
			return errors.New("the ring ports need different names")
		}
		names[p.Name] = true
	}
	return nil
}

// addrs are the addresses of all nodes on the ring, this node's first.
func (c Config) addrs() []netip.Addr {
	out := []netip.Addr{c.Addr}
	for _, p := range c.Peers {
		out = append(out, p.Addr)
	}
	return out
}

func (c Config) Peer(node string) (Peer, bool) {
	for _, p := range c.Peers {
		if p.Node == node {
			return p, true
		}
	}
	return Peer{}, false
}

// rest are the nodes that none of the named ones is, this node not among them.
func (c Config) Rest(named ...string) []string {
	var out []string
	for _, p := range c.Peers {
		if !slices.Contains(named, p.Node) {
			out = append(out, p.Node)
		}
	}
	return out
}

// End reports whether this node is an end of a chain: one cable, of whichever
// port, and all else through the node in the middle.
func (c Config) End() bool { return c.Chain != "" && c.Chain != c.Node }

// Neighbours are the nodes to which links of this node lead.
func (c Config) Neighbours() []Peer {
	if !c.End() {
		return c.Peers
	}
	return slices.DeleteFunc(slices.Clone(c.Peers), func(p Peer) bool { return p.Node != c.Chain })
}

// Expected is the peer at a port if the cables follow the rule: the first port
// of each node leads to the last port of the next one, its second to the last
// but one of the node after that. It is a guess until a hello was heard; any
// other order is as good.
func (c Config) Expected(port int) string {
	if c.End() {
		return c.Chain
	}
	for i, n := range c.Order {
		if n != c.Node {
			continue
		}
		return c.Order[(i+1+port)%len(c.Order)]
	}
	return ""
}
