package keeper

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ringboot/discovery"
	"ringboot/discovery/grant"
	"ringboot/firstboot/host"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
	"ringboot/profiles"
)

// Options are what a resident is made from: the parts that the builder and the
// keeper share.
type Options struct {
	Version  string
	Profile  *profiles.Profile
	Node     profiles.Node
	Seed     profiles.Seed
	Identity *trust.Identity
	Book     *bindings.Book // which key each node is bound to; nil where nobody keeps one
	Files    host.Files
	Methods  *trust.Methods // that peers may call, beside what every resident answers
	Status   func() status.Status
	Kick     func()                         // something about a peer changed
	Note     func(text string)              // into the node's history; may wait for the disk
	Log      func(text string)              // one line for the system's journal
	Member   func() map[string]status.State // who is in the cluster, as far as it is known
	// State is the directory for what is remembered between starts.
	State string
	// Reports are the files that the page serves, by path.
	Reports map[string]Served
	// Unknown is said to a peer that asks for a method that is not answered; may be nil.
	Unknown func(method string) error
	Ring    func() status.RingView
	// Told is what root found last; may be nil.
	Told func() Told
}

// Served is one file of the page.
type Served struct{ File, Kind string }

// Resident is how this node finds its peers, proves itself to them and keeps
// their states.
type Resident struct {
	o       Options
	id      *trust.Identity
	client  *trust.Client
	server  *trust.Server
	tracker *trust.Tracker
	found   atomic.Pointer[discovery.Discovery]
	targets map[string]trust.Target
	notes   chan string
	boot    string // of the machine, as records show it
	logins  *logins
	quiet   atomic.Bool
	proven  sync.Map    // node to the key with which it proved itself
	strange ration      // what strangers may write into the history
	differs chan string // a node whose bindings are not this one's
}

// New makes a resident. It touches nothing before its services run.
func New(o Options) *Resident {
	c := &Resident{o: o, id: o.Identity, targets: map[string]trust.Target{}, logins: newLogins(), notes: make(chan string, maxNotes), differs: make(chan string, maxDiffers)}
	c.boot = bootOf(o.Files)
	port := strconv.Itoa(o.Profile.Agent.Port)
	var targets []trust.Target
	for _, n := range o.Profile.Others(o.Node.Name) {
		t := trust.Target{Node: n.Name, Addresses: []string{net.JoinHostPort(n.Address.String(), port)}}
		if n.Ring.IsValid() {
			t.Addresses = append(t.Addresses, net.JoinHostPort(n.Ring.String(), port))
		}
		c.targets[n.Name] = t
		targets = append(targets, t)
	}
	c.client = trust.NewClient(trust.ClientOptions{Identity: c.id, Addresses: c.addresses, Learned: c.learned})
	c.tracker = trust.NewTracker(c.client, c.client.Address, trust.TrackerOptions{
		Targets: targets, Hints: c.hints, Member: o.Member, Greet: c.greeting, Hello: c.heardHello, Event: c.note, Changed: o.Kick, Quiet: c.quiet.Load,
	})
	if o.Ring != nil {
		o.Methods.Handle(trust.MethodRing, func(context.Context, string, json.RawMessage) (any, error) { return o.Ring(), nil })
	}
	o.Methods.Handle(trust.MethodPage, c.Link)
	o.Methods.Handle(trust.MethodStatus, func(context.Context, string, json.RawMessage) (any, error) { return o.Status(), nil })
	if o.Book != nil {
		o.Methods.Handle(trust.MethodBindings, func(context.Context, string, json.RawMessage) (any, error) {
			d, ok := o.Book.Document()
			if !ok {
				return nil, errors.New("the nodes have not agreed on their keys yet")
			}
			return d, nil
		})
	}
	return c
}

// Client asks the other agents.
func (c *Resident) Client() *trust.Client { return c.client }

// Peers are the states of the other nodes.
func (c *Resident) Peers() []status.PeerStatus { return c.tracker.Peers() }

// Quiet reports whether nothing happens, so that what runs now and then may run
// more seldom.
func (c *Resident) Quiet() bool { return c.quiet.Load() }

// Services are what runs for as long as the resident does.
func (c *Resident) Services() []Service {
	out := []Service{{"trusted channel", c.serve}, {"peers", c.track}, {"discovery", c.discover}}
	if c.o.Profile.Agent.StatusPage {
		out = append(out, c.pageService())
	}
	return out
}

// Service is a resident part of an agent. Run returns when the context ends;
// if it returns before, it is started again after a pause, and the reason noted.
type Service struct {
	Name string
	Run  func(ctx context.Context) error
}

// bootOf is how records show this start of the machine.
func bootOf(f host.Files) string {
	boot, err := f.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(boot) < 8 {
		return "00000000"
	}
	return string(boot[:8])
}

// maxNotes is how many notes may wait for the disk; more are only logged.
const maxNotes = 256

// note writes to the system's journal, and to the node's history as soon as
// the disk has time: nobody who speaks to a peer waits for an fsync.
func (c *Resident) note(text string) {
	c.o.Log(text)
	select {
	case c.notes <- text:
	default:
	}
}

// write keeps the notes.
func (c *Resident) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case text := <-c.notes:
			c.o.Note(text)
		}
	}
}

// serve answers the other agents.
func (c *Resident) serve(ctx context.Context) error {
	var names []string
	for _, n := range c.o.Profile.Nodes {
		names = append(names, n.Name)
	}
	c.server = trust.NewServer(trust.ServerOptions{
		Identity: c.id, Nodes: names, Log: c.o.Log,
		Heard: func(node, _ string) { c.tracker.Poke(node) }, Home: c.home,
		Hello: c.hello, Greeted: func(node string, g trust.Greeting) { c.heardOf(node, g.Bindings) }, Methods: c.o.Methods, Unknown: c.o.Unknown,
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+strconv.Itoa(c.o.Profile.Agent.Port))
	if err != nil {
		return fmt.Errorf("%w: see what holds the port (ss -ltnp), or choose another agent.port in the profile", err)
	}
	return c.server.Serve(ctx, listener)
}

// home reports whether an address is a node's own, by the plan.
func (c *Resident) home(node, ip string) bool {
	n, ok := c.o.Profile.Node(node)
	addr, err := netip.ParseAddr(ip)
	return ok && err == nil && (addr.Unmap() == n.Address || addr.Unmap() == n.Ring)
}

// hello adds to the answer how far this node is.
func (c *Resident) hello(h *trust.Hello) {
	s := c.o.Status()
	h.Phase, h.Waiting = s.Phase, s.Waiting
	if c.o.Book != nil {
		h.Bindings = c.o.Book.Hash()
	}
	if d := c.found.Load(); d != nil {
		h.Run = d.Run()
	}
}

// track keeps the peers' states.
func (c *Resident) track(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { c.write(ctx) })
	all.Go(func() { c.follow(ctx) })
	c.tracker.Run(ctx)
	all.Wait()
	c.client.Close()
	return nil
}

// discover announces this node and listens for the others.
func (c *Resident) discover(ctx context.Context) error {
	keys := map[string]ed25519.PublicKey{}
	for _, n := range c.o.Profile.Nodes {
		if key, ok := c.bound(n.Name); ok {
			keys[n.Name] = key
		}
	}
	if key, ok := c.id.NodeCert().PublicKey.(ed25519.PublicKey); ok {
		keys[c.id.Name] = key
	}
	var nodes []string
	for _, n := range c.o.Profile.Nodes {
		nodes = append(nodes, n.Name)
	}
	record := c.record()
	d, err := discovery.Start(ctx, discovery.Options{ClusterID: c.id.ClusterID, Nodes: nodes, Record: record, Key: c.id.Key, Keys: keys, Event: c.note, Noise: c.noise, Quiet: c.quiet.Load})
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
			c.greet(d.Table().Peers(), heard)
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

// greet asks at once whoever came, or came back, since it was last heard.
func (c *Resident) greet(peers map[string]discovery.Peer, heard map[string]string) {
	for node, peer := range peers {
		run := ""
		if peer.Alive && peer.Verified {
			run = peer.Record.Run
		}
		if run != "" && run != heard[node] {
			c.tracker.Poke(node)
		}
		heard[node] = run
	}
}

// record is what this node tells everyone.
func (c *Resident) record() discovery.Record {
	s := c.o.Status()
	r := discovery.Record{
		Node: c.id.Name, Boot: c.boot, Phase: s.Phase, Step: s.Step, Steps: s.Steps, Waiting: s.Waiting,
		Port: c.o.Profile.Agent.Port, Grant: c.id.Grants[grant.Record], Fingerprint: c.id.Fingerprint(), Plan: s.Plan, Addresses: c.ownAddresses(),
	}
	// The end of a chain has one cable: nobody is missed at its other port.
	one := s.Ring.Chain != "" && s.Ring.Chain != c.id.Name && slices.ContainsFunc(s.Ring.Ports, func(p status.RingPort) bool { return p.Peer != "" })
	for _, port := range s.Ring.Ports {
		if port.Free || one && port.Peer == "" {
			continue
		}
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
func (c *Resident) ownAddresses() []netip.Addr {
	out := []netip.Addr{c.o.Node.Address}
	if c.o.Node.Ring.IsValid() {
		out = append(out, c.o.Node.Ring)
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
func (c *Resident) addresses(node string) []string {
	var hint trust.Hint
	if d := c.found.Load(); d != nil {
		if peer, ok := d.Table().Peer(node); ok {
			hint = hintOf(peer)
		}
	}
	return trust.Addresses(c.client.Address(node), c.targets[node], hint, c.o.Profile.Agent.Peers, c.o.Profile.Agent.Port)
}

// hints is what discovery knows of the peers.
func (c *Resident) hints() map[string]trust.Hint {
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
		h.Seen = status.State{Why: "a record was heard, not verified: " + peer.Why}
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
func (c *Resident) learned(node string, cert *x509.Certificate) {
	key, ok := cert.PublicKey.(ed25519.PublicKey)
	if !ok {
		return
	}
	c.proven.Store(node, key)
	if d := c.found.Load(); d != nil {
		d.Table().Learn(node, key)
	}
}

// heardHello settles which start of a peer's agent is the present one, and asks
// for what that one knows of keys and this node does not.
func (c *Resident) heardHello(node string, h trust.Hello) {
	if d := c.found.Load(); d != nil {
		d.Table().Confirm(node, h.Run)
	}
	c.heardOf(node, h.Bindings)
}
