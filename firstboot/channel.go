package firstboot

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ringboot/discovery"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// channel is how this node finds its peers, proves itself to them and keeps
// their states.
type channel struct {
	p       *Parts
	id      *trust.Identity
	client  *trust.Client
	server  *trust.Server
	tracker *trust.Tracker
	facts   *step.LocalFacts
	found   atomic.Pointer[discovery.Discovery]
	targets map[string]trust.Target
	members members
	notes   chan string
	boot    string // of the machine, as records show it
	quiet   atomic.Bool
	proven  sync.Map // node to the key with which it proved itself
}

// connect makes the channel and the services that run it, and sets Caller and
// Peers. In a root there is no network of its own: nothing is asked there.
func connect(p *Parts) ([]Service, error) {
	id, err := identityOf(p)
	if err != nil {
		return nil, err
	}
	c := &channel{p: p, id: id, targets: map[string]trust.Target{}, notes: make(chan string, maxNotes)}
	c.boot = bootOf(p)
	c.facts = &step.LocalFacts{Host: p.Host, Seed: p.Seed, Agent: p.Version, Status: func() trust.Status { return p.Status() }}
	port := strconv.Itoa(p.Profile.Agent.Port)
	var targets []trust.Target
	for _, n := range p.Profile.Others(p.Node.Name) {
		t := trust.Target{Node: n.Name, Addresses: []string{net.JoinHostPort(n.Address.String(), port)}}
		if n.Ring.IsValid() {
			t.Addresses = append(t.Addresses, net.JoinHostPort(n.Ring.String(), port))
		}
		c.targets[n.Name] = t
		targets = append(targets, t)
	}
	c.client = trust.NewClient(trust.ClientOptions{Identity: id, Addresses: c.addresses, Learned: c.learned})
	c.tracker = trust.NewTracker(c.client, c.client.Address, trust.TrackerOptions{
		Targets: targets, Hints: c.hints, Member: c.members.states, Hello: c.heardHello, Event: c.note, Changed: func() { p.Kick() }, Quiet: c.quiet.Load,
	})
	p.Peers = c.tracker.Peers
	p.Methods.Handle(trust.MethodFacts, func(ctx context.Context, _ string, _ json.RawMessage) (any, error) { return c.facts.Read(ctx) })
	p.Methods.Handle(trust.MethodStatus, func(context.Context, string, json.RawMessage) (any, error) { return p.Status(), nil })
	p.Local.Handle(MethodPicture, func(ctx context.Context, _ string, _ json.RawMessage) (any, error) { return c.picture(ctx), nil })
	p.gate = step.PeersOptions{Profile: p.Profile, Node: p.Node.Name, Caller: c.client, Facts: c.facts.Read, Ring: p.Ring, Peers: p.Peers, Now: time.Now}
	if p.root != "" {
		p.gate.Caller = p.Caller
		return nil, nil
	}
	p.Caller = c.client
	out := []Service{{"trusted channel", c.serve}, {"peers", c.track}, {"discovery", c.discover}, consoleService(p, c.quiet.Load)}
	if p.Profile.Agent.StatusPage {
		out = append(out, pageService(p, c.picture))
	}
	return out, nil
}

// bootOf is how records show this start of the machine.
func bootOf(p *Parts) string {
	boot, err := p.Host.Files.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(boot) < 8 {
		return "00000000"
	}
	return string(boot[:8])
}

func identityOf(p *Parts) (*trust.Identity, error) {
	var texts [3][]byte
	for i, path := range []string{profiles.CAFile, profiles.CertFile, profiles.KeyFile} {
		text, err := p.Host.Files.ReadFile(path)
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return trust.ParseIdentity(texts[0], texts[1], texts[2])
}

// maxNotes is how many notes may wait for the disk; more are only logged.
const maxNotes = 256

// note writes to the system's journal, and to the node's history as soon as
// the disk has time: nobody who speaks to a peer waits for an fsync.
func (c *channel) note(text string) {
	c.p.Log(text)
	select {
	case c.notes <- text:
	default:
	}
}

// write keeps the notes.
func (c *channel) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case text := <-c.notes:
			_ = c.p.Journal.Note("", text) // the log has it
		}
	}
}

// serve answers the other agents.
func (c *channel) serve(ctx context.Context) error {
	var names []string
	for _, n := range c.p.Profile.Nodes {
		names = append(names, n.Name)
	}
	c.server = trust.NewServer(trust.ServerOptions{
		Identity: c.id, Nodes: names, Log: c.p.Log,
		Heard: func(node, _ string) { c.tracker.Poke(node) },
		Hello: c.hello,
	})
	c.p.Methods.Into(c.server)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+strconv.Itoa(c.p.Profile.Agent.Port))
	if err != nil {
		return fmt.Errorf("%w: see what holds the port (ss -ltnp), or choose another agent.port in the profile", err)
	}
	return c.server.Serve(ctx, listener)
}

// hello adds to the answer how far this node is.
func (c *channel) hello(h *trust.Hello) {
	s := c.p.Status()
	h.Phase, h.Waiting = s.Phase, s.Waiting
	if d := c.found.Load(); d != nil {
		h.Run = d.Run()
	}
}

// track keeps the peers' states.
func (c *channel) track(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { c.members.follow(ctx, c.p.Host.Files, c.quiet.Load) })
	all.Go(func() { c.write(ctx) })
	c.tracker.Run(ctx)
	all.Wait()
	c.client.Close()
	return nil
}

// discover announces this node and listens for the others.
func (c *channel) discover(ctx context.Context) error {
	keys := map[string]ed25519.PublicKey{}
	for node, text := range c.p.Seed.Peers {
		if key, err := base64.RawURLEncoding.DecodeString(text); err == nil && len(key) == ed25519.PublicKeySize {
			keys[node] = key
		}
	}
	var nodes []string
	for _, n := range c.p.Profile.Nodes {
		nodes = append(nodes, n.Name)
	}
	record := c.record()
	d, err := discovery.Start(ctx, discovery.Options{ClusterID: c.id.ClusterID, Nodes: nodes, Record: record, Key: c.id.Key, Keys: keys, Event: c.note, Quiet: c.quiet.Load})
	if err != nil {
		return err
	}
	c.found.Store(d)
	defer d.Close()
	// A peer may have proved itself before there was anybody to tell.
	c.proven.Range(func(node, key any) bool {
		d.Table().Learn(node.(string), key.(ed25519.PublicKey))
		return true
	})
	heard := map[string]string{}
	c.quiet.Store(false)
	still := stillness{since: time.Now()}
	tick := time.NewTimer(recordEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.Table().Changed():
			for node, peer := range d.Table().Peers() {
				run := ""
				if peer.Alive && peer.Verified {
					run = peer.Record.Run
				}
				if run != "" && run != heard[node] {
					c.tracker.Poke(node) // it came, or came back
				}
				heard[node] = run
			}
		case <-tick.C:
			next := c.record()
			same := sameRecord(record, next)
			if !same {
				if err := d.Publish(next); err != nil {
					return err
				}
				record = next
			}
			c.quiet.Store(still.after(same, c.tracker.Peers(), time.Now()))
			every := recordEvery
			if c.quiet.Load() {
				every = recordQuiet
			}
			tick.Reset(every)
		}
	}
}

// record is what this node tells everyone.
func (c *channel) record() discovery.Record {
	s := c.p.Status()
	r := discovery.Record{
		Node: c.id.Name, Boot: c.boot, Phase: s.Phase, Step: s.Step, Steps: s.Steps, Waiting: s.Waiting,
		Port: c.p.Profile.Agent.Port, Fingerprint: c.id.Fingerprint(), Plan: s.Plan, Addresses: c.ownAddresses(),
	}
	for _, port := range s.Ring.Ports {
		n := discovery.Neighbour{Port: port.Name, Node: port.Peer, State: "down", Mbit: port.SpeedMbit}
		switch {
		case port.Proven:
			n.State = "up"
		case port.Alive:
			n.State = "unproven"
		case !port.Present:
			n.State = "absent"
		}
		r.Neighbours = append(r.Neighbours, n)
	}
	return r
}

// ownAddresses are the profile's first, then what else the machine has.
func (c *channel) ownAddresses() []netip.Addr {
	out := []netip.Addr{c.p.Node.Address}
	if c.p.Node.Ring.IsValid() {
		out = append(out, c.p.Node.Ring)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return out
	}
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if ip := prefix.Addr().Unmap(); err == nil && ip.IsGlobalUnicast() && !slices.Contains(out, ip) {
			out = append(out, ip)
		}
	}
	return out
}

func sameRecord(a, b discovery.Record) bool {
	return a.Phase == b.Phase && a.Step == b.Step && a.Waiting == b.Waiting && slices.Equal(a.Addresses, b.Addresses) && slices.Equal(a.Neighbours, b.Neighbours)
}

// addresses lists where a peer may be. Only a record that is signed with the
// node's own key adds to it.
func (c *channel) addresses(node string) []string {
	var hint trust.Hint
	if d := c.found.Load(); d != nil {
		if peer, ok := d.Table().Peer(node); ok {
			hint = hintOf(peer)
		}
	}
	return trust.Addresses(c.client.Address(node), c.targets[node], hint, c.p.Profile.Agent.Peers, c.p.Profile.Agent.Port)
}

// hints is what discovery knows of the peers.
func (c *channel) hints() map[string]trust.Hint {
	out := map[string]trust.Hint{}
	if d := c.found.Load(); d != nil {
		for node, peer := range d.Table().Peers() {
			out[node] = hintOf(peer)
		}
	}
	return out
}

func hintOf(peer discovery.Peer) trust.Hint {
	h := trust.Hint{Phase: peer.Record.Phase, Waiting: peer.Record.Waiting, LastSeen: peer.Last, Clash: peer.Clash}
	switch {
	case !peer.Alive:
		h.Seen.Why = "no record for " + time.Since(peer.Last).Round(time.Second).String()
	case !peer.Verified:
		h.Seen = trust.State{Why: "a record was heard, not verified: " + peer.Why}
	default:
		h.Seen.OK = true
	}
	if peer.Verified {
		for _, a := range peer.Record.Addresses {
			h.Addresses = append(h.Addresses, netip.AddrPortFrom(a, uint16(peer.Record.Port)).String())
		}
	}
	return h
}

// learned keeps the key with which a peer proved itself.
func (c *channel) learned(node string, cert *x509.Certificate) {
	key, ok := cert.PublicKey.(ed25519.PublicKey)
	if !ok {
		return
	}
	c.proven.Store(node, key)
	if d := c.found.Load(); d != nil {
		d.Table().Learn(node, key)
	}
}

// heardHello settles which start of a peer's agent is the present one.
func (c *channel) heardHello(node string, h trust.Hello) {
	if d := c.found.Load(); d != nil {
		d.Table().Confirm(node, h.Run)
	}
}
