package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"ringboot/discovery"
	"ringboot/firstboot/status"
	"ringboot/firstboot/status/draw"
	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

// Times of asking. A status costs a node next to nothing.
const (
	askEvery   = time.Second
	askTimeout = 5 * time.Second
)

// gatherer listens, and asks the nodes where there is a keyring.
type gatherer struct {
	c      *cluster
	found  *discovery.Discovery
	client *trust.Client

	mu      sync.Mutex
	asked   map[string]status.Status
	states  map[string]status.PeerStatus
	changed chan struct{}
}

// trusted looks for the nodes, for the time of listening, for who holds the
// keyring; without it, that sentence says what to do.
func trusted(ctx context.Context, w wishes, without string) (context.Context, *gatherer, func(), error) {
	c, err := open(w, os.Getenv)
	if err != nil {
		return nil, nil, nil, err
	}
	if c.id == nil {
		return nil, nil, nil, fault.Precondition.New(without)
	}
	ctx, cancel := context.WithTimeout(ctx, max(w.listen, 20*time.Second))
	g, stop, err := gather(ctx, c)
	if err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return ctx, g, func() { stop(); cancel() }, nil
}

// gather starts to listen and to ask; the returned function ends both.
func gather(ctx context.Context, c *cluster) (*gatherer, func(), error) {
	g := &gatherer{c: c, asked: map[string]status.Status{}, states: map[string]status.PeerStatus{}, changed: make(chan struct{}, 1)}
	opts := discovery.Options{Nodes: c.nodes}
	if c.id != nil {
		opts.ClusterID = c.id.ClusterID
	}
	ctx, cancel := context.WithCancel(ctx)
	found, err := discovery.Start(ctx, opts)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	g.found = found
	var all sync.WaitGroup
	if c.id != nil {
		g.client = trust.NewClient(trust.ClientOptions{Identity: c.id, Addresses: g.addresses, Learned: g.learned})
		for _, node := range c.nodes {
			all.Go(func() { g.follow(ctx, node) })
		}
	}
	all.Go(func() { g.wake(ctx) })
	return g, func() {
		cancel()
		all.Wait()
		found.Close()
		if g.client != nil {
			g.client.Close()
		}
	}, nil
}

// wake passes on what discovery hears.
func (g *gatherer) wake(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.found.Table().Changed():
			g.bump()
		}
	}
}

func (g *gatherer) bump() {
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// follow asks one node for its status again and again.
func (g *gatherer) follow(ctx context.Context, node string) {
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		var said status.Status
		err := g.client.Call(asking, node, trust.MethodStatus, nil, &said)
		cancel()
		if ctx.Err() != nil {
			return
		}
		g.settle(node, said, err)
		if err == nil {
			g.learn(ctx, node)
		}
		select {
		case <-ctx.Done():
		case <-time.After(askEvery):
		}
	}
}

func (g *gatherer) settle(node string, said status.Status, err error) {
	at := g.client.Address(node)
	if at == "" && len(g.c.addresses[node]) > 0 {
		at = g.c.addresses[node][0]
	}
	s := status.PeerStatus{Node: node, Address: at}
	s.Reachable, s.Trusted = trust.StatesOf(at, err)
	g.mu.Lock()
	g.states[node] = s
	if err == nil && said.Node == node {
		g.asked[node] = said
	} else {
		delete(g.asked, node)
	}
	g.mu.Unlock()
	g.bump()
}

// addresses lists where a node may be. A record adds to what profile and keyring
// say, also one whose key is not known yet: an address is only tried, and what
// answers there has to prove itself.
func (g *gatherer) addresses(node string) []string {
	var hint trust.Hint
	if peer, ok := g.found.Table().Peers()[node]; ok {
		for _, a := range peer.Record.Addresses {
			hint.Addresses = append(hint.Addresses, netip.AddrPortFrom(a, uint16(peer.Record.Port)).String())
		}
	}
	return trust.Addresses(g.client.Address(node), trust.Target{Addresses: g.c.addresses[node]}, hint, g.c.further, g.c.port)
}

func (g *gatherer) learned(node string, cert *x509.Certificate) {
	if key, ok := cert.PublicKey.(ed25519.PublicKey); ok {
		g.found.Table().Learn(node, key)
	}
}

// picture is what is known now.
func (g *gatherer) picture() draw.Picture {
	heard := g.found.Table().Peers()
	s := draw.Sources{Cluster: g.c.name, Nodes: g.c.nodes, Heard: heard, Keyring: g.c.id != nil, Now: time.Now(), Notes: g.strangers(), LAN: g.c.lan}
	if err := g.found.Err(); err != nil {
		s.Silence = err.Error()
	}
	if s.Cluster == "" {
		for _, p := range heard {
			s.Cluster = p.Record.ClusterID
		}
	}
	s.Asked, s.States = map[string]status.Status{}, map[string]status.PeerStatus{}
	g.mu.Lock()
	defer g.mu.Unlock()
	for node, said := range g.asked {
		s.Asked[node] = said
	}
	for node, state := range g.states {
		s.States[node] = state
	}
	return draw.New(s)
}

// strangers says what was heard and is not believed.
func (g *gatherer) strangers() []string {
	var out []string
	for _, p := range g.found.Table().Strangers() {
		out = append(out, fmt.Sprintf("heard %s (%s), %s", p.Record.Node, p.From, p.Why))
	}
	counts := g.found.Table().Counts()
	if counts.Forged > 0 {
		out = append(out, fmt.Sprintf("%d records were not signed with their node's key: somebody on this network plays a node", counts.Forged))
	}
	return out
}

// complete tells that every node was heard and, with the keyring, answered:
// nothing more is to be expected. While one is missing, a record may still
// tell where it is.
func (g *gatherer) complete() bool {
	if len(g.c.nodes) == 0 {
		return false // who knows who is still to be heard
	}
	heard := g.found.Table().Peers()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, node := range g.c.nodes {
		if _, ok := g.asked[node]; !heard[node].Alive || g.c.id != nil && !ok {
			return false
		}
	}
	return true
}
