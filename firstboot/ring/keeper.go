package ring

import (
	"context"
	"io/fs"
	"slices"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/ring/usb4"
	"ringboot/firstboot/ring/verdict"
	"ringboot/firstboot/status"
	"ringboot/profiles"
)

// Options are what a keeper works with.
type Options struct {
	Config   layout.Config
	Identity Identity
	Kernel   func() (Kernel, error) // opened by Run
	Wires    Wires
	Sys      fs.FS              // below /sys, for Thunderbolt; nil: not looked at
	Files    host.Files         // for what is remembered between runs; nil: nothing is
	State    string             // where that is written; "": StateFile
	Remark   func(status.Event) // told each event as it happens; may be nil
}

// StateFile remembers who was at the other end of each port, so that the
// persistent routes and the first second after a start are right at once.
const StateFile = "/var/lib/ringboot/ring.json"

// Keeper keeps one node's two links. Run it once; everything else may be
// called from anywhere.
type Keeper struct {
	opt  Options
	kick chan struct{}

	mu     sync.Mutex
	view   status.RingView
	events []status.Event
	peers  []string
	ready  bool
	fault  string // why the last change of the kernel's state did not work
}

// New makes a keeper. It touches nothing before Run.
func New(opt Options) (*Keeper, error) {
	if err := opt.Config.Check(); err != nil {
		return nil, err
	}
	if opt.State == "" {
		opt.State = StateFile
	}
	k := &Keeper{opt: opt, kick: make(chan struct{}, 1)}
	k.view = status.RingView{Transport: opt.Config.Transport.Name, Verdict: "the ring is not looked at yet"}
	for i := range opt.Config.Ports {
		k.peers = append(k.peers, opt.Config.Expected(i))
	}
	k.recall()
	return k, nil
}

// View is the ring as this node sees it now.
func (k *Keeper) View() status.RingView {
	k.mu.Lock()
	defer k.mu.Unlock()
	v := k.view
	v.Ports = slices.Clone(v.Ports)
	return v
}

// Events are the last things that happened to the ring, oldest first.
func (k *Keeper) Events() []status.Event {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.events)
}

// Peers are the nodes taken to be at the two ports: what was learned, or
// else what the rule of cabling says. The persistent routes are made of it.
func (k *Keeper) Peers() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.peers)
}

// Fault is why the kernel refused the last change, or "".
func (k *Keeper) Fault() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fault
}

// Ready reports whether Run has looked at the ring.
func (k *Keeper) Ready() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ready
}

// Kick makes the keeper look and mend now.
func (k *Keeper) Kick() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// run is the state of one Run. Whoever holds work may use it: the loop, or a
// reader that has a datagram.
type run struct {
	*Keeper
	work   sync.Mutex
	core   *core
	wires  []Wire
	bound  []int // device of each wire
	kernel Kernel
	group  sync.WaitGroup
	routed []layout.LinkState // what the routes were last compared with
	due    time.Time          // next look at the kernel
	timer  *time.Timer        // of the next turn
	shown  picture
}

// Run keeps the ring until ctx ends, then returns nil. Routes and addresses
// stay: traffic does not need the keeper.
func (k *Keeper) Run(ctx context.Context) error {
	cfg := k.opt.Config
	me, err := newSession(k.opt.Identity, cfg.Order, bootID(k.opt.Files))
	if err != nil {
		return err
	}
	kernel, err := k.opt.Kernel()
	if err != nil {
		return err
	}
	defer kernel.Close()
	r := &run{Keeper: k, core: newCore(cfg, me, k.opt.Remark), kernel: kernel, timer: time.NewTimer(0), wires: make([]Wire, len(cfg.Ports)), bound: make([]int, len(cfg.Ports))}
	copy(r.core.learned, k.Peers())
	ctx, cancel := context.WithCancel(ctx)
	defer r.end(cancel)
	watch := kernel.Watch(ctx)
	r.group.Go(func() { r.feel(ctx) })
	settle := r.core.cfg.Timing.Settle
	for {
		wanted := time.Time{}
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-watch:
			if !ok {
				watch = nil
				continue
			}
			wanted = time.Now().Add(settle)
		case <-k.kick:
			wanted = time.Now()
		case <-r.timer.C:
		}
		r.work.Lock()
		if !wanted.IsZero() {
			r.want(wanted)
		}
		r.turn(ctx, time.Now())
		r.work.Unlock()
	}
}

func (r *run) end(cancel func()) {
	cancel()
	r.work.Lock()
	for i, w := range r.wires {
		if w != nil {
			w.Close()
			r.wires[i] = nil
		}
	}
	r.work.Unlock()
	r.group.Wait()
	r.timer.Stop()
}

// want asks for a look at the kernel no later than at.
func (r *run) want(at time.Time) {
	if at.Before(r.due) {
		r.due = at
	}
}

// turn does what is due, and sets the time of the next turn.
func (r *run) turn(ctx context.Context, now time.Time) {
	r.send(r.core.tick(now))
	if !slices.Equal(r.core.states(), r.routed) {
		r.due = now // routes follow at once
	}
	actions, again := r.core.mend(now)
	for _, a := range actions {
		r.do(a, now)
		again = true
	}
	if again || !now.Before(r.due) {
		r.look(ctx, now)
	}
	r.publish(now)
	next := r.core.wake(now)
	if r.due.Before(next) {
		next = r.due
	}
	r.timer.Reset(time.Until(next))
}

// look compares the kernel with what should be and closes the gap.
func (r *run) look(ctx context.Context, now time.Time) {
	r.due = now.Add(r.core.cfg.Timing.Resync)
	s, err := r.kernel.Snapshot(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.setFault(err.Error())
			r.want(now.Add(time.Second))
		}
		return
	}
	r.sysfs()
	r.count(now)
	r.core.observe(s, now)
	r.routed = r.core.states()
	actions := layout.Diff(layout.Desire(r.core.cfg, s, r.routed), s)
	r.setFault("")
	for _, a := range actions {
		r.do(a, now)
	}
	if len(actions) > 0 {
		// Only another look proves it. The kernel's own event makes it soon.
		r.want(now.Add(time.Second))
	}
	r.connect(ctx)
	r.remember()
}

func (r *run) do(a layout.Action, now time.Time) {
	if err := r.kernel.Do(a); err != nil {
		r.setFault(err.Error())
		r.core.event(now, "kernel", err.Error())
		return
	}
	r.core.event(now, "kernel", a.String())
}

func (r *run) setFault(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = text
}

func (r *run) sysfs() {
	if r.opt.Sys == nil || r.opt.Config.Transport.Controllers == profiles.ControllersNone {
		return
	}
	all, err := usb4.Read(r.opt.Sys)
	if err != nil {
		return
	}
	for i, p := range r.opt.Config.Ports {
		r.core.wires[i] = usb4.PortAt(all, p)
	}
}

// connect opens a socket on each port that has none, or one on a device that is gone.
func (r *run) connect(ctx context.Context) {
	for i, l := range r.core.ports() {
		if r.wires[i] != nil && r.bound[i] != l.index {
			r.wires[i].Close()
			r.wires[i] = nil
		}
		if r.wires[i] != nil || l.index == 0 || !l.up {
			continue
		}
		w, err := r.opt.Wires.Open(ctx, l.port)
		if err != nil {
			r.setFault(err.Error())
			r.want(time.Now().Add(time.Second))
			continue
		}
		r.wires[i], r.bound[i] = w, l.index
		r.group.Go(func() { r.listen(ctx, i, w) })
	}
}

// listen takes what comes in on one socket, until it is closed.
func (r *run) listen(ctx context.Context, port int, w Wire) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := w.Read(buffer)
		r.work.Lock()
		if ctx.Err() != nil || r.wires[port] != w {
			r.work.Unlock()
			return
		}
		now := time.Now()
		if err != nil {
			w.Close()
			r.wires[port] = nil
			r.want(now.Add(50 * time.Millisecond))
		} else {
			r.send(r.core.hear(port, buffer[:n], now))
		}
		r.turn(ctx, now)
		r.work.Unlock()
		if err != nil {
			return
		}
	}
}

// send puts datagrams on their cables. One that cannot leave is a probe lost,
// which is what the probes are there to find out.
func (r *run) send(all []outgoing) {
	for _, o := range all {
		w := r.wires[o.port]
		if w == nil {
			continue
		}
		if r.core.cfg.Segment == nil {
			r.core.links[o.port].pulse.own++
		}
		if o.broadcast {
			w.Announce(o.frame) //nolint:errcheck // see above
			continue
		}
		if peer, ok := r.core.cfg.Peer(o.to); ok {
			w.Probe(o.frame, peer.Addr.String()) //nolint:errcheck // see above
		}
	}
}

// picture is all of a view that is worth being seen at once.
type picture struct {
	sights []verdict.Sight
	fault  string
	told   int
	at     time.Time
}

func (p picture) same(q picture) bool {
	return slices.Equal(p.sights, q.sights) && p.fault == q.fault && p.told == q.told
}

// staleView is how old the counters of a view may get.
const staleView = time.Second

// publish makes the view anew when there is something to see, or the last is old.
func (r *run) publish(now time.Time) {
	p := picture{sights: r.core.sights(), fault: r.Fault(), told: r.core.told, at: r.shown.at}
	if p.same(r.shown) && now.Sub(p.at) < staleView {
		return
	}
	news := p.told != r.shown.told
	p.at = now
	r.shown = p
	view := r.core.view()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view, r.ready = view, true
	if r.fault != "" && !view.Whole {
		r.view.Verdict += "; " + r.fault
	}
	if news {
		r.events = slices.Clone(r.core.events)
	}
	for i := range r.peers {
		r.peers[i] = r.core.peerAt(i) // on a switch of no use to anybody
	}
}
