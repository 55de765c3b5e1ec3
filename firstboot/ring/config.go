package ring

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"ringboot/profiles"
)

// Ports is how many ring ports a node has.
const Ports = 2

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
	Transport string
	Routing   string
	MTU       int
	Ports     [Ports]profiles.RingPort
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
}

// DefaultTiming is the timing of a node in service.
func DefaultTiming() Timing {
	return Timing{
		Probe: 300 * time.Millisecond, Dead: time.Second, Calm: 10 * time.Second,
		Rest: 800 * time.Millisecond, Quick: 100 * time.Millisecond, Grace: 350 * time.Millisecond,
		Return: 2 * time.Second, Flap: time.Minute,
		Resync: 30 * time.Second, Settle: 30 * time.Millisecond,
		NoLink: 30 * time.Second, Backoff: 15 * time.Minute,
	}
}

func (t Timing) orDefault() Timing {
	d := DefaultTiming()
	for _, f := range []struct{ have, want *time.Duration }{
		{&t.Probe, &d.Probe}, {&t.Dead, &d.Dead}, {&t.Calm, &d.Calm}, {&t.Rest, &d.Rest}, {&t.Quick, &d.Quick}, {&t.Grace, &d.Grace},
		{&t.Return, &d.Return}, {&t.Flap, &d.Flap},
		{&t.Resync, &d.Resync}, {&t.Settle, &d.Settle}, {&t.NoLink, &d.NoLink}, {&t.Backoff, &d.Backoff},
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
	cfg := Config{
		Node: node, Addr: n.Ring, Transport: p.Ring.Transport, Routing: p.Ring.Routing,
		MTU: p.Ring.MTU, Timing: DefaultTiming(),
	}
	ports := p.PortsOf(n)
	if len(ports) != Ports {
		return Config{}, fmt.Errorf("node %s has %d ring ports in the profile, a ring needs %d: name both", node, len(ports), Ports)
	}
	copy(cfg.Ports[:], ports)
	for _, other := range p.Nodes {
		cfg.Order = append(cfg.Order, other.Name)
	}
	for _, other := range p.Others(node) {
		cfg.Peers = append(cfg.Peers, Peer{Node: other.Name, Addr: other.Ring})
	}
	if len(cfg.Peers) != 2 {
		return Config{}, fmt.Errorf("the ring has %d nodes, static routes close a ring of 3: name three nodes", len(p.Nodes))
	}
	return cfg, cfg.check()
}

func (c Config) check() error {
	if !c.Addr.Is4() {
		return fmt.Errorf("node %s has no IPv4 address on the ring: write ring: for it", c.Node)
	}
	for _, p := range c.Peers {
		if !p.Addr.Is4() {
			return fmt.Errorf("node %s has no IPv4 address on the ring: write ring: for it", p.Node)
		}
	}
	if c.Ports[0].Name == c.Ports[1].Name || c.Ports[0].Name == "" || c.Ports[1].Name == "" {
		return errors.New("the two ring ports need two different names")
	}
	return nil
}

func (c Config) peer(node string) (Peer, bool) {
	for _, p := range c.Peers {
		if p.Node == node {
			return p, true
		}
	}
	return Peer{}, false
}

// other returns the third node of the ring.
func (c Config) other(node string) (Peer, bool) {
	for _, p := range c.Peers {
		if p.Node != node {
			return p, true
		}
	}
	return Peer{}, false
}

// expected is the peer at a port if the cables follow the rule: the first port
// of each node leads to the second port of the next one. It is a guess until a
// hello was heard; any other ring is as good.
func (c Config) expected(port int) string {
	for i, n := range c.Order {
		if n != c.Node {
			continue
		}
		step := 1
		if port == 1 {
			step = len(c.Order) - 1
		}
		return c.Order[(i+step)%len(c.Order)]
	}
	return ""
}
