// Package discovery finds the nodes of a cluster by multicast DNS: it
// announces this node's signed record, asks for the others' on every live
// link, and keeps a table of what was heard.
//
// It finds and never proves: a record is believed to be a node's own when its
// signature fits the key known for that node, and even then it only says where
// to knock. Unsigned, foreign, replayed and stale records are counted and shown
// as what they are. The package makes no connection, changes no interface and
// needs no route.
//
// hashicorp/mdns answers; asking is done on sockets of our own, one pair per
// link, because the library's client needs a route to the group, sends each
// answer at most once per name and keeps writing to what it has handed out.
package discovery

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/mdns"
)

// Times of the rounds.
const (
	quickFor    = 30 * time.Second
	quickRound  = 400 * time.Millisecond // plus or minus a quarter
	quickPerOne = 10 * time.Millisecond
	slowRound   = 2 * time.Second // plus or minus a quarter; both are longer for each peer that is heard
	slowPerOne  = 50 * time.Millisecond
	quietRound  = 15 * time.Second // plus or minus a quarter, while nobody waits for anything
	bothRounds  = 3                // rounds over both address families; then they take turns where a link has both
)

// Options say what to announce and whom to listen for.
type Options struct {
	ClusterID string   // "": every cluster is shown
	Nodes     []string // names of the profile; none: every name is shown
	// Record is announced, signed with Key, when Key is set. Run and Sequence
	// are filled in.
	Record Record
	Key    ed25519.PrivateKey
	// Keys are the nodes' public keys that are known beforehand.
	Keys map[string]ed25519.PublicKey
	// Links is sent on when interfaces may have changed; nil: the kernel is asked
	// to tell where it can. They are listed in every round anyway.
	Links <-chan struct{}
	Event func(text string) // what befalls a node of the profile, a bounded number of lines; may be nil
	// Noise gets what any host on the network can cause, a bounded number of
	// lines of its own; nil: Event gets it.
	Noise func(text string)
	Quiet func() bool      // nobody waits for anything: rounds may be far apart; nil: never
	Now   func() time.Time // nil: time.Now
}

// Discovery announces and listens until it is closed.
type Discovery struct {
	opts   Options
	table  *Table
	zone   *zone
	server *mdns.Server
	near   []netip.Prefix // whom the server answers
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex
	ports map[int]*port
	err   error // why the last round could not ask anywhere
}

// Start begins to announce and to listen. It does not fail for want of a live
// link: links come and go, and Err says how it is now.
func Start(ctx context.Context, opts Options) (*Discovery, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	d := &Discovery{opts: opts, ports: map[int]*port{}}
	self := Record{ClusterID: opts.ClusterID}
	if opts.Key != nil {
		var random [4]byte
		if _, err := rand.Read(random[:]); err != nil {
			return nil, err
		}
		d.opts.Record.Run = hex.EncodeToString(random[:])
		d.opts.Record.ClusterID = opts.ClusterID
		d.zone = &zone{key: opts.Key, now: opts.Now}
		if err := d.zone.publish(d.opts.Record); err != nil {
			return nil, err
		}
		self = d.opts.Record
		self.Sequence = d.zone.sequence()
	}
	d.table = newTable(self, opts.Nodes, opts.Now, opts.Event, opts.Noise)
	for node, key := range opts.Keys {
		d.table.Learn(node, key)
	}
	if opts.Key != nil && len(self.Grant) == 0 { // a keeper's key is not the node's: Keys has that
		d.table.Learn(self.Node, opts.Key.Public().(ed25519.PublicKey))
	}
	packet, err := question()
	if err != nil {
		return nil, err
	}
	ctx, d.cancel = context.WithCancel(ctx)
	if d.opts.Links == nil {
		d.opts.Links = d.watchLinks(ctx)
	}
	d.done.Add(1)
	go d.rounds(ctx, packet)
	return d, nil
}

// Close stops and waits until nothing runs any more.
func (d *Discovery) Close() {
	d.cancel()
	d.done.Wait()
}

// Table is what was heard.
func (d *Discovery) Table() *Table { return d.table }

// Run identifies this start in the records; it is empty when nothing is announced.
func (d *Discovery) Run() string { return d.opts.Record.Run }

// Publish replaces the announced record; Run, ClusterID and Sequence are kept.
func (d *Discovery) Publish(r Record) error {
	if d.zone == nil {
		return errors.New("nothing is announced: discovery was started without a key")
	}
	r.Run, r.ClusterID = d.opts.Record.Run, d.opts.ClusterID
	return d.zone.publish(r)
}

// Err says why nothing can be asked at present, or nil.
func (d *Discovery) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// rounds asks on all links, at first quickly, and keeps sockets in step with the links.
func (d *Discovery) rounds(ctx context.Context, packet []byte) {
	defer d.done.Done()
	defer d.closeAll()
	quickUntil := time.Now().Add(quickFor)
	for round := 0; ; round++ {
		if d.follow() {
			round = 0
		}
		asked, err := d.ask(packet, round)
		if asked > 0 {
			d.table.nextRound()
		}
		d.mu.Lock()
		d.err = err
		d.mu.Unlock()
		timer := time.NewTimer(d.pause(time.Now().Before(quickUntil)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-d.opts.Links:
			timer.Stop()
			settle(ctx, d.opts.Links)
			quickUntil = time.Now().Add(quickFor)
		case <-timer.C:
		}
	}
}

// settle lets a burst of link events pass: they repeat and come out of order.
func settle(ctx context.Context, events <-chan struct{}) {
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	for {
		select {
		case <-events:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// pause is the time to the next round, with jitter so that nodes that were
// switched on together do not ask together.
func (d *Discovery) pause(quick bool) time.Duration {
	peers := time.Duration(len(d.table.Peers()))
	mean := quickRound + peers*quickPerOne
	switch {
	case quick:
	case d.opts.Quiet != nil && d.opts.Quiet():
		mean = quietRound
	default:
		mean = slowRound + peers*slowPerOne
	}
	return mean*3/4 + mathrand.N(mean/2)
}

// ask sends the question on all links. A peer that has both address families
// answers both, so after the first rounds they take turns: one that has only one
// is heard in every other round.
func (d *Discovery) ask(packet []byte, round int) (asked int, err error) {
	d.mu.Lock()
	ports := make([]*port, 0, len(d.ports))
	for _, p := range d.ports {
		ports = append(ports, p)
	}
	d.mu.Unlock()
	var errs []error
	for _, p := range ports {
		if err := p.ask(packet, round < bothRounds || round%2 == 0, round < bothRounds || round%2 == 1); err != nil {
			errs = append(errs, err)
			// A socket that cannot send is made anew in the next round.
			d.drop(p)
			continue
		}
		asked++
	}
	if asked > 0 {
		return asked, nil
	}
	if len(errs) == 0 {
		return 0, errors.New("no interface is up, has an address and can multicast")
	}
	return 0, errors.Join(errs...)
}

// follow makes the open sockets fit the live links and tells whether one is new.
func (d *Discovery) follow() (fresh bool) {
	links, err := liveLinks()
	if err != nil {
		return false // the next round tries again
	}
	if near := prefixesOf(links); d.zone != nil && (d.server == nil || !slices.Equal(near, d.near)) {
		d.serve(near)
	}
	live := map[int]link{}
	for _, l := range links {
		live[l.ifi.Index] = l
	}
	d.mu.Lock()
	var gone []*port
	for index, p := range d.ports {
		if l, ok := live[index]; !ok || l.key() != p.link.key() {
			gone = append(gone, p)
		}
	}
	d.mu.Unlock()
	for _, p := range gone {
		d.drop(p)
	}
	for index, l := range live {
		d.mu.Lock()
		_, have := d.ports[index]
		d.mu.Unlock()
		if have {
			continue
		}
		p, err := openPort(l, d.zone == nil, d.zone != nil)
		if err != nil {
			continue // Err tells when no link is left
		}
		d.mu.Lock()
		d.ports[index] = p
		d.mu.Unlock()
		fresh = true
		for _, conn := range p.conns() {
			d.done.Add(1)
			go d.read(conn, l.ifi.Name)
		}
	}
	return fresh
}

// serve starts the one server that answers on all links. It is bound to the
// loopback interface, which neither comes nor goes; the kernel hands it the
// packets of every link on which a port has joined the group. Where networks
// come or go it is told who is a neighbour now.
func (d *Discovery) serve(near []netip.Prefix) {
	var err error
	if d.server == nil {
		d.server, err = mdns.NewServer(&mdns.Config{Zone: d.zone, Iface: loopback(), Logger: log.New(io.Discard, "", 0)})
	}
	if err == nil {
		if err = neighbours(d.server, near); err == nil {
			d.near = near
			return
		}
		_ = d.server.Shutdown() // it only closes sockets
	}
	d.server = nil // tried again in the next round
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = fmt.Errorf("answer queries: %w", err)
}

func loopback() *net.Interface {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, ifi := range all {
		if ifi.Flags&net.FlagLoopback != 0 && ifi.Flags&net.FlagUp != 0 {
			return &ifi
		}
	}
	return nil
}

// read hands received records to the table until the socket is closed.
func (d *Discovery) read(conn *net.UDPConn, via string) {
	defer d.done.Done()
	buf := make([]byte, 4096) // longer ones are not ours
	for {
		n, from, err := conn.ReadFromUDP(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// ICMP errors of earlier packets arrive here; a dead socket must not spin.
			time.Sleep(20 * time.Millisecond)
			continue
		}
		for _, texts := range answers(buf[:n]) {
			d.table.observe(texts, sourceOf(from), via)
		}
	}
}

func (d *Discovery) drop(p *port) {
	p.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ports[p.link.ifi.Index] == p {
		delete(d.ports, p.link.ifi.Index)
	}
}

func (d *Discovery) closeAll() {
	d.mu.Lock()
	ports := d.ports
	d.ports = map[int]*port{}
	d.mu.Unlock()
	for _, p := range ports {
		p.close()
	}
	if d.server != nil {
		_ = d.server.Shutdown() // it only closes sockets
	}
}
