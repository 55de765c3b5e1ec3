package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools"
)

const (
	corosyncEvery = 700 * time.Millisecond
	haEvery       = 10 * time.Second
	reloadAfter   = time.Second
	fileLimit     = 20 * time.Second // for what a machine does at once; emulated ones are slow
	runLimit      = 2 * time.Minute
)

// World is the one world of a set of machines.
type World struct {
	ctx   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup
	alone sync.Mutex // what tools do one at a time

	real Real

	mu    sync.Mutex
	sim   *sim.World
	nodes map[string]*node
}

// node is a machine of the world.
type node struct {
	w    *World
	name string
	sim  *sim.Node
	asker

	// under the lock of the world
	link  *stream // nil: the machine is off
	off   context.CancelFunc
	on    context.Context // ends with the link
	calls map[int]context.CancelFunc
	speed float64
	says  *sim.Corosync
	asked bool // its corosync is being asked
	// what was last shown and written there
	shown    map[string]sim.Entry
	writable bool
	mounted  bool
	onDisk   map[string][]byte
	locks    map[string]bool
}

// Real is what is real in a world: guests by their node, and what is done after
// a stand-in that succeeded, with what it said.
type Real struct {
	Guests func(node string) sim.Guests
	After  map[string]sim.Tool
}

// Listen begins a world whose machines find it at a unix socket.
func Listen(ctx context.Context, socket string, real Real) (*World, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("world of the practice machines: %w", err)
	}
	w := &World{real: real, sim: sim.Outside(), nodes: map[string]*node{}}
	w.ctx, w.stop = context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(w.ctx, func() { _ = l.Close() })
	w.work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s := newStream(conn)
			context.AfterFunc(w.ctx, s.close)
			w.work.Go(func() { w.serve(s) })
		}
	})
	w.every(corosyncEvery, w.look)
	w.every(haEvery, w.round)
	return w, nil
}

// Close ends the world and waits for its end.
func (w *World) Close() {
	w.stop()
	w.work.Wait()
}

func (w *World) every(pause time.Duration, f func()) {
	w.work.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-w.ctx.Done():
				return
			case <-tick.C:
				f()
			}
		}
	})
}

// serve follows one machine until its link ends.
func (w *World) serve(s *stream) {
	var n *node
	defer s.close()
	for {
		m, err := s.next()
		if err != nil {
			break
		}
		if m.Do == doHello {
			n = w.begin(s, m)
			continue
		}
		if n == nil {
			continue
		}
		switch m.Do {
		case doAnswer:
			n.answered(m)
		case doCall:
			w.called(n, m)
		case doHangUp:
			w.mu.Lock()
			if cancel := n.calls[m.ID]; cancel != nil {
				cancel()
			}
			w.mu.Unlock()
		case doChanged:
			w.changed(n, m.Tree)
		}
	}
	if n != nil {
		w.gone(n, s)
	}
}

// begin is a machine that has started.
func (w *World) begin(s *stream, hello message) *node {
	w.mu.Lock()
	n := w.nodes[hello.Path]
	if n == nil {
		n = &node{w: w, name: hello.Path, sim: w.sim.Join(hello.Path), asker: asker{waiting: map[int]chan message{}}}
		w.nodes[n.name] = n
	}
	old := n.link
	w.mu.Unlock()
	if old != nil {
		if old != s {
			old.close()
		}
		w.gone(n, old)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n.link, n.calls, n.locks = s, map[int]context.CancelFunc{}, map[string]bool{}
	n.on, n.off = context.WithCancel(w.ctx)
	n.speed = 0.2
	if f, err := strconv.ParseFloat(strings.TrimSpace(string(hello.Content)), 64); err == nil {
		n.speed = f
	}
	s.send(message{Do: doWelcome, To: hello.To})
	return n
}

// gone is a machine that has lost its power, or its link.
func (w *World) gone(n *node, s *stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.link != s {
		return
	}
	n.link, n.says, n.mounted = nil, nil, false
	n.off()
	n.sim.Unmount()
	w.settle()
}

// settle tells every machine what has become of its /etc/pve. The lock is held.
func (w *World) settle() {
	for _, n := range w.nodes {
		if n.link == nil || !n.mounted {
			continue
		}
		for _, p := range []string{sim.Database, sim.HostConf} {
			content := n.sim.OnDisk(p)
			if content == nil || bytes.Equal(content, n.onDisk[p]) {
				continue
			}
			n.onDisk[p] = content
			n.link.send(message{Do: doWrite, Path: p, Content: content, Mode: 0o600})
			if p == sim.HostConf && n.says != nil {
				time.AfterFunc(reloadAfter, func() { _, _, _ = n.run(n.context(), "corosync-cfgtool", "-R") })
			}
		}
		tree, writable := n.sim.Shown()
		diff := map[string]*sim.Entry{}
		for rel, e := range tree {
			if old, ok := n.shown[rel]; !ok || old.Dir != e.Dir || old.Target != e.Target || !bytes.Equal(old.Content, e.Content) {
				diff[rel] = &e
			}
		}
		for rel := range n.shown {
			if _, ok := tree[rel]; !ok {
				diff[rel] = nil
			}
		}
		if len(diff) > 0 || writable != n.writable {
			n.link.send(message{Do: doShow, Tree: diff, Writable: writable})
		}
		n.shown, n.writable = tree, writable
	}
}

// changed takes over what was done below /etc/pve of a machine. What it could
// not take is shown there as it was.
func (w *World) changed(n *node, tree map[string]*sim.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !n.mounted {
		return
	}
	w.sim.SetTime(time.Now())
	for _, rel := range parentsFirst(tree) {
		if n.sim.Change(rel, tree[rel]) != nil {
			n.shown[rel] = sim.Entry{Content: []byte("taken back")}
			continue
		}
		if delete(n.shown, rel); tree[rel] != nil {
			n.shown[rel] = *tree[rel]
		}
	}
	w.settle()
}

// look asks every corosync what it sees. A machine that is slow to answer keeps
// nobody else waiting.
func (w *World) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.nodes {
		if n.link == nil || n.asked || !n.sim.InCluster() {
			continue
		}
		n.asked = true
		on := n.on
		w.work.Go(func() {
			q, ok := n.corosync(on)
			w.mu.Lock()
			defer w.mu.Unlock()
			n.asked = false
			if on.Err() != nil {
				return
			}
			if n.says = nil; ok {
				n.says = &q
			}
			w.regroup()
		})
	}
}

// regroup brings together who is together. The lock is held.
func (w *World) regroup() {
	says := map[string]*sim.Corosync{}
	for name, n := range w.nodes {
		says[name] = n.says
	}
	w.sim.SetTime(time.Now())
	w.sim.Regroup(says)
	w.settle()
}

// round is one round of high availability on every node that has quorum.
func (w *World) round() {
	var all []*node
	w.mu.Lock()
	for _, n := range w.nodes {
		if n.link != nil && n.mounted && n.writable && n.says != nil {
			all = append(all, n)
		}
	}
	w.mu.Unlock()
	for _, n := range all {
		ctx, cancel := context.WithTimeout(n.context(), haEvery)
		_ = n.guarded(ctx, func(h *host) { tools.HATick(h) })
		cancel()
	}
}

func (n *node) context() context.Context {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if n.on == nil {
		return n.w.ctx
	}
	return n.on
}

// called runs a tool for a machine, or the pmxcfs of it.
func (w *World) called(n *node, m message) {
	w.mu.Lock()
	ctx, cancel := context.WithCancel(n.on)
	n.calls[m.ID] = cancel
	s := n.link
	w.mu.Unlock()
	w.work.Go(func() {
		defer cancel()
		end := message{ID: m.ID, Do: doEnd}
		switch {
		case m.Argv[0] == "pmxcfs":
			if err := w.mount(ctx, n); err != nil {
				end.Code, end.Stderr = 1, []byte("pmxcfs: "+err.Error()+"\n")
				break
			}
			s.send(message{ID: m.ID, Do: doReady})
			<-ctx.Done()
			w.unmount(n, s)
		default:
			end.Stdout, end.Stderr, end.Code = n.tool(ctx, m)
		}
		w.mu.Lock()
		delete(n.calls, m.ID)
		w.mu.Unlock()
		s.send(end)
	})
}

// tool runs one of the tools.
func (n *node) tool(ctx context.Context, m message) (stdout, stderr []byte, code int) {
	err := n.guarded(ctx, func(h *host) {
		stdout, stderr, code = tools.Run(h, m.Argv, m.Stdin, m.Env)
		if after := n.w.real.After[m.Argv[0]]; after != nil && code == 0 {
			c := &sim.Call{Machine: h, Argv: m.Argv}
			c.Stdout.Write(stdout)
			code = after(c)
			stdout, stderr = c.Stdout.Bytes(), append(stderr, c.Stderr.Bytes()...)
		}
	})
	if err != nil {
		return nil, []byte(m.Argv[0] + ": " + err.Error() + "\n"), 143
	}
	return stdout, stderr, code
}

// mount starts the pmxcfs of a machine on what lies on its disk.
func (w *World) mount(ctx context.Context, n *node) error {
	found := map[string][]byte{}
	for _, p := range []string{sim.Database, sim.HostConf} {
		got, err := n.do(ctx, message{Do: doRead, Path: p})
		if err == nil {
			found[p] = got.Content
			if found[p] == nil {
				found[p] = []byte{}
			}
		} else if !absent(err) {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.mounted {
		return errors.New("it runs already")
	}
	w.sim.SetTime(time.Now())
	n.sim.Mount(found[sim.Database], found[sim.HostConf])
	n.mounted, n.writable, n.shown, n.onDisk = true, true, map[string]sim.Entry{}, maps.Clone(found)
	w.settle()
	return nil
}

// unmount ends it.
func (w *World) unmount(n *node, s *stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.link != s || !n.mounted { // it has started anew meanwhile
		return
	}
	n.sim.Unmount()
	n.mounted, n.says = false, nil
	n.link.send(message{Do: doUnmount})
	w.regroup()
}
