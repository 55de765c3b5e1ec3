package ring

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/ring/usb4"
	"ringboot/firstboot/ring/verdict"
	"ringboot/firstboot/status"
)

// core is the keeper's mind: what was heard and seen, and what follows from
// it. It is owned by one goroutine, does no I/O and is handed the time.
type core struct {
	cfg     layout.Config
	me      *session
	links   []*link
	repairs []ladder
	snap    layout.Snapshot
	looked  bool // a snapshot was taken
	bounced time.Time
	ticked  time.Time
	awaited time.Time     // when the next tick should be at the latest; zero: within a probe's interval
	excused time.Duration // how late it may be without a link being forgiven for it
	events  []status.Event
	told    int               // events so far
	said    map[string]string // last event of each kind, against repetition
	remark  func(status.Event)
	learned []string // peers remembered from earlier runs
	wires   []usb4.Port
	called  time.Time // last announce
	news    bool      // what the peers should learn at once
}

// ports are the links that stand for the ports: the first over each.
func (c *core) ports() []*link {
	if c.cfg.Segment == nil {
		return c.links
	}
	return c.links[:1]
}

// outgoing is one datagram to be sent on a port.
type outgoing struct {
	port      int
	to        string // node that a probe is for
	broadcast bool
	frame     []byte
}

// keptEvents is how many events the keeper remembers for the report.
const keptEvents = 200

func newCore(cfg layout.Config, me *session, remark func(status.Event)) *core {
	cfg.Timing = cfg.Timing.OrDefault()
	c := &core{cfg: cfg, me: me, said: map[string]string{}, remark: remark}
	for _, s := range cfg.Slots() {
		c.links = append(c.links, &link{port: cfg.Ports[s.At].Name, at: s.At, fixed: s.Peer, timing: cfg.Timing, pulse: pulse{timing: cfg.Timing}})
		c.repairs = append(c.repairs, ladder{timing: cfg.Timing})
	}
	c.learned, c.wires = make([]string, len(c.links)), make([]usb4.Port, len(c.links))
	return c
}

// observe takes over a snapshot of the kernel.
func (c *core) observe(s layout.Snapshot, now time.Time) {
	c.advance(now)
	first := !c.looked
	c.snap, c.looked = s, true
	for _, l := range c.links {
		p := c.cfg.Ports[l.at]
		d, ok := layout.FindPort(p, s.Links)
		had, carried := l.index, l.carrier
		l.device(d, ok, now)
		switch {
		case !ok && (had != 0 || first):
			c.event(now, p.Name, p.Name+" is absent")
		case ok && had != d.Index:
			c.event(now, p.Name, fmt.Sprintf("%s is there as device %d", p.Name, d.Index))
		}
		if carried && !l.carrier {
			c.event(now, p.Name+" carrier", p.Name+" lost its carrier")
		} else if l.carrier && !carried {
			c.event(now, p.Name+" carrier", p.Name+" has carrier")
		}
	}
	c.judge(now)
}

// advance takes note of the time. Time in which this process did not run proves
// nothing about a link.
func (c *core) advance(now time.Time) {
	gap, most := now.Sub(c.ticked), c.cfg.Timing.Probe
	if !c.awaited.IsZero() {
		gap, most = now.Sub(c.awaited), c.excused
	}
	if !c.ticked.IsZero() && gap > most {
		for _, l := range c.links {
			l.forgive(gap)
		}
	}
	c.ticked, c.awaited = now, time.Time{}
}

// wake is when there is something to do next, if nothing is heard before. With
// both links at rest that is the next probe; else it is soon.
func (c *core) wake(now time.Time) time.Time {
	tick := c.cfg.Timing.Probe / 3
	at := now.Add(c.cfg.Timing.Rest)
	for _, l := range c.links {
		if !l.atRest(now) || !l.carrier || l.peerBig < c.cfg.MTU {
			c.awaited, c.excused = now.Add(tick), c.cfg.Timing.Probe-tick
			return c.awaited
		}
		for _, due := range []time.Time{l.probeAt, l.announceAt} {
			if due.Before(at) {
				at = due
			}
		}
	}
	c.awaited, c.excused = at, c.cfg.Timing.Quick
	return at
}

// tick lets time pass and returns what is to be sent.
func (c *core) tick(now time.Time) []outgoing {
	c.advance(now)
	c.judge(now)
	var out []outgoing
	for i := range c.links {
		out = append(out, c.due(i, now, c.news)...)
	}
	c.news = false
	return out
}

// judge looks at all links and takes note of those that came or went.
func (c *core) judge(now time.Time) {
	for i, l := range c.links {
		if !l.judge(now) {
			continue
		}
		c.news = true
		if l.alive {
			c.freeOthers(i)
			c.event(now, l.port+" link", fmt.Sprintf("link to %s is alive: %s to its %s", l.peer.Node, l.port, l.peer.Port))
		} else {
			c.event(now, l.port+" link", fmt.Sprintf("link to %s is dead: %s", l.peer.Node, c.whyDead(l)))
		}
	}
}

func (c *core) whyDead(l *link) string {
	switch {
	case l.index == 0:
		return l.port + " is gone"
	case !l.carrier:
		return l.port + " has no carrier"
	}
	return fmt.Sprintf("no probe over %s was answered for %s", l.port, l.patience(c.ticked).Round(100*time.Millisecond))
}

// due is what one port has to send now. After a change the peers learn of it at once.
func (c *core) due(i int, now time.Time, changed bool) []outgoing {
	l := c.links[i]
	if !l.carrier {
		return nil
	}
	var out []outgoing
	if !now.Before(l.announceAt) {
		out = append(out, c.announce(i, now)...)
	}
	if !l.known {
		return out
	}
	if changed || !now.Add(l.early(now)).Before(l.probeAt) {
		l.probeAt = now.Add(l.pace(now))
		out = append(out, c.probe(i, Probe{Seq: l.next(now, false)}, 0)...)
	}
	if l.wantsFull(c.cfg.MTU, now) {
		l.fullAt = now
		l.tries++
		out = append(out, c.probe(i, Probe{Seq: l.next(now, true)}, c.cfg.MTU)...)
	}
	return out
}

func (c *core) announce(i int, now time.Time) []outgoing {
	l := c.links[i]
	// A link that works needs no introduction; now and then one is made for
	// the case that the cable was moved without a sign.
	const seldom = 10
	switch {
	case l.atRest(now):
		l.announceAt = now.Add(seldom * seldom * c.cfg.Timing.Probe)
	case l.alive:
		l.announceAt = now.Add(seldom * c.cfg.Timing.Probe)
	default:
		l.announceAt = now.Add(c.cfg.Timing.Probe)
	}
	if l.fixed != "" && now.Sub(c.called) < c.cfg.Timing.Probe/2 {
		return nil // everybody on the switch has just heard it
	}
	c.called = now
	frame, err := c.me.announce(l.port, c.cfg.MTU)
	if err != nil {
		c.event(now, "announce", err.Error())
		return nil
	}
	return []outgoing{{port: l.at, broadcast: true, frame: frame}}
}

func (c *core) probe(i int, p Probe, size int) []outgoing {
	l := c.links[i]
	p.From, p.To, p.Port = c.me.instance, l.peer.Instance, l.port
	p.Big, p.MTU = l.hearBig, c.cfg.MTU
	for _, other := range c.links {
		if other.known {
			p.Links = append(p.Links, Reached{Peer: other.peer.Node, Alive: other.alive, Lost: other.lostBy()})
		}
	}
	frame, err := sealProbe(p, l.key, size)
	if err != nil {
		return nil
	}
	return []outgoing{{port: l.at, to: l.peer.Node, frame: frame}}
}

// hear takes over a datagram that came in on a port and returns the answer.
func (c *core) hear(port int, datagram []byte, now time.Time) []outgoing {
	c.advance(now)
	kind, _, _, err := open(datagram)
	i := c.linkOf(port, kind, datagram)
	if i < 0 {
		return nil
	}
	l := c.links[i]
	switch {
	case err != nil:
		var version errVersion
		if errors.As(err, &version) {
			c.claim(l, err.Error(), now)
		}
		return nil
	case kind == kindAnnounce:
		return c.hearAnnounce(i, datagram, now)
	case kind == kindProbe:
		return c.hearProbe(i, datagram, now)
	}
	return nil
}

// linkOf finds the link that a datagram is about, or -1. A cable has one; on a
// switch it is that of the node which the datagram names, and who names none of
// ours, such as another cluster's node in the same VLAN, is left alone.
func (c *core) linkOf(port int, kind byte, datagram []byte) int {
	if c.cfg.Segment == nil {
		return port
	}
	switch kind {
	case kindAnnounce:
		a, _, err := parseAnnounce(datagram)
		if err != nil || a.Cluster != c.me.id.ClusterID {
			return -1
		}
		if a.Node == c.cfg.Node {
			return 0
		}
		return slices.IndexFunc(c.links, func(l *link) bool { return l.fixed == a.Node })
	case kindProbe:
		from := sender(datagram)
		return slices.IndexFunc(c.links, func(l *link) bool { return l.known && l.peer.Instance == from })
	}
	return -1
}

func (c *core) hearAnnounce(i int, datagram []byte, now time.Time) []outgoing {
	l := c.links[i]
	sum := sha256.Sum256(datagram)
	if l.known && sum == l.seen {
		l.heardAt = now // checked before, word for word
		return nil
	}
	a, frame, err := parseAnnounce(datagram)
	if err != nil {
		return nil
	}
	if err := c.me.believe(a, frame); err != nil {
		c.claim(l, err.Error(), now)
		return nil
	}
	if a.Node == c.cfg.Node {
		c.hearMyself(i, a, now)
		return nil
	}
	key, err := c.me.probeKey(a)
	if err != nil {
		c.claim(l, err.Error(), now)
		return nil
	}
	// While a link works, no other node's hello can take it over: a recorded
	// one must not move routes.
	if l.alive && l.known && l.peer.Node != a.Node {
		return nil
	}
	fresh := !l.known || l.peer.Node != a.Node || l.peer.Port != a.Port
	l.meet(a, key, now)
	l.seen, l.claim, l.loop = sum, "", false
	c.learned[i] = a.Node
	if fresh {
		c.event(now, l.port+" peer", fmt.Sprintf("%s leads to %s of %s", l.port, a.Port, a.Node))
	}
	// The other end may have missed our hello.
	return append(c.announce(i, now), c.due(i, now, false)...)
}

// hearMyself sorts out a hello with our own name: the echo of our broadcast,
// a cable between our two ports, or a second machine with our image.
func (c *core) hearMyself(i int, a Announce, now time.Time) {
	l := c.links[i]
	switch {
	case a.Instance != c.me.instance:
		c.claim(l, fmt.Sprintf("another machine calls itself %s: it was installed from this node's image", verdict.Printable(a.Node)), now)
	case a.Port != l.port:
		l.loop, l.loopTo, l.claimAt = true, a.Port, now
		l.known = false
		c.event(now, l.port+" peer", fmt.Sprintf("%s leads to this node's own %s", l.port, a.Port))
	}
}

// claim keeps why what was heard is not believed.
func (c *core) claim(l *link, why string, now time.Time) {
	if l.alive {
		return
	}
	l.claim, l.claimAt = why, now
	c.event(now, l.port+" claim", fmt.Sprintf("hello on %s not believed: %s", l.port, why))
}

func (c *core) hearProbe(i int, datagram []byte, now time.Time) []outgoing {
	l := c.links[i]
	p, err := parseProbe(datagram, func(instance string) []byte {
		if l.known && instance == l.peer.Instance {
			return l.key
		}
		return nil
	})
	if err != nil || p.To != c.me.instance || p.Port != l.peer.Port {
		return nil
	}
	// What one neighbour says of its links, the other must learn: the node that is
	// meant may have no other way to hear of it.
	c.news = c.news || !sameReach(l.reached, p.Links)
	l.heardAt, l.reached, l.claimed = now, p.Links, now
	l.hearBig = max(l.hearBig, len(datagram)+headers)
	l.peerBig, l.peerMTU = p.Big, p.MTU
	if p.Reply {
		l.answered(p.Ack, now)
		c.judge(now)
		return nil
	}
	l.ackSeq = max(l.ackSeq, p.Seq)
	return c.probe(i, Probe{Reply: true, Ack: p.Seq}, 0)
}

// event keeps one line of history. The same line is not said twice in a row for one subject.
func (c *core) event(now time.Time, subject, text string) {
	if c.said[subject] == text {
		return
	}
	c.said[subject] = text
	e := status.Event{Time: now, Text: text}
	c.events = append(c.events, e)
	c.told++
	if len(c.events) > keptEvents {
		c.events = c.events[len(c.events)-keptEvents:]
	}
	if c.remark != nil {
		c.remark(e)
	}
}
