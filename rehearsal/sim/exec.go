package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"ringboot/rehearsal/disk"
)

// Result is what a command left behind.
type Result struct {
	Stdout, Stderr []byte
	Code           int
}

// ErrKilled says that a command was killed: its time was up, its caller was
// gone, or its machine lost power.
var ErrKilled = errors.New("killed")

// killed unwinds a tool.
type killed struct{ why string }

// machine is a Node as a tool sees it during one run.
type machine struct {
	*disk.Disk
	n     *Node
	ctx   context.Context
	end   time.Time // zero: no limit
	boots int
	held  []string
}

// Machine is the node as a tool sees it, without a limit of time.
func (n *Node) Machine() Machine {
	return &machine{Disk: n.disk, n: n, ctx: context.Background(), boots: n.boots}
}

// NodeOf is the node of a World that a machine is, nil for any other machine.
func NodeOf(m Machine) *Node {
	if in, ok := m.(*machine); ok {
		return in.n
	}
	return nil
}

// Exec runs a command on a node. The error is ErrKilled with the reason if it
// did not end by itself; what it had done until then stays done.
func (w *World) Exec(ctx context.Context, node string, argv []string, stdin []byte, env []string, timeout time.Duration) (res Result, err error) {
	n := w.nodes[node]
	tool, ok := w.tools[argv[0]]
	if !ok {
		return Result{}, fmt.Errorf("exec: %q: executable file not found in $PATH", argv[0])
	}
	m := &machine{Disk: n.disk, n: n, ctx: ctx, boots: n.boots}
	if timeout > 0 {
		m.end = w.sim.now.Add(timeout)
	}
	c := &Call{Machine: m, Argv: argv, Stdin: stdin, Env: env}
	n.pid++
	defer func() {
		for _, l := range m.held {
			delete(n.locks, l)
		}
		if r := recover(); r != nil {
			k, ok := r.(killed)
			if !ok {
				panic(r)
			}
			res, err = Result{Stdout: c.Stdout.Bytes(), Stderr: c.Stderr.Bytes(), Code: -1}, fmt.Errorf("%s: %w: %s", argv[0], ErrKilled, k.why)
		}
	}()
	m.check()
	code := tool(c)
	return Result{Stdout: c.Stdout.Bytes(), Stderr: c.Stderr.Bytes(), Code: code}, nil
}

func (m *machine) check() {
	switch {
	case !m.n.powered || m.n.boots != m.boots:
		panic(killed{"the machine lost power"})
	case m.ctx.Err() != nil:
		panic(killed{m.ctx.Err().Error()})
	case !m.end.IsZero() && !m.n.w.sim.now.Before(m.end):
		panic(killed{"time is up"})
	}
}

func (m *machine) Name() string        { return m.n.name }
func (m *machine) Now() time.Time      { return m.n.w.sim.now }
func (m *machine) Random(n int) int    { return m.n.w.rnd.Intn(n) }
func (m *machine) Addresses() []string { return m.n.addrs }

func (m *machine) Note(kind, t string) {
	m.n.w.note(kind, t)
	if kind == "create" {
		m.n.w.secondFounder(m.n)
	}
}

// secondFounder notes a cluster that is founded while another node already
// belongs to one of the same name.
func (w *World) secondFounder(n *Node) {
	own, err := ReadConf(n.Machine())
	for _, o := range w.order {
		other, err2 := ParseConf(o.disk.Live[HostConf].Content)
		if o != n && err == nil && err2 == nil && other.Name == own.Name {
			w.note("second-founder", n.name+" founds what "+o.name+" belongs to")
		}
	}
}

func (m *machine) Synced(n string) bool { return m.n.w.synced[n] }

func (m *machine) Work(d time.Duration) { m.Sleep(d) }

func (m *machine) Sleep(d time.Duration) {
	for d > 0 {
		part := min(d, time.Second)
		if left := m.end.Sub(m.n.w.sim.now); !m.end.IsZero() {
			part = min(part, max(left, 0))
		}
		_ = m.n.w.sim.Sleep(context.Background(), part)
		m.check()
		d -= part
	}
}

func (m *machine) Lock(path string) (func(), bool) {
	if _, held := m.n.locks[path]; held {
		return nil, false
	}
	m.n.locks[path] = m.Now()
	m.held = append(m.held, path)
	return func() { delete(m.n.locks, path) }, true
}

func (m *machine) Unit(verb, unit string) error {
	n := m.n
	if _, _, ok := n.w.daemon(unit); ok {
		return m.instance(verb, unit)
	}
	switch verb {
	case "reset-failed":
		if n.units[unit] == "failed" {
			n.units[unit] = "inactive"
		}
		if unit == "corosync" {
			n.failures = 0
		}
		return nil
	case "stop", "restart":
		m.stop(unit)
		if verb == "stop" {
			return nil
		}
	case "reload", "reload-or-restart":
		if n.units[unit] == "active" || verb == "reload" {
			m.Work(300 * time.Millisecond)
			n.units[unit] = "active"
			return nil
		}
	}
	return m.start(unit)
}

func (m *machine) start(unit string) error {
	n := m.n
	if n.units[unit] == "active" {
		return nil
	}
	m.Work(400 * time.Millisecond)
	switch unit {
	case "pve-cluster":
		n.units[unit] = "active"
		n.pm.start()
		n.w.kick(syncTime)
		return nil
	case "corosync":
		return n.startCorosync()
	}
	if _, known := n.units[unit]; !known {
		return fmt.Errorf("Failed to start %s.service: Unit %s.service not found.", unit, unit) //nolint:staticcheck // the words of systemctl
	}
	n.units[unit] = "active"
	return nil
}

func (m *machine) stop(unit string) {
	n := m.n
	if n.units[unit] != "active" {
		return
	}
	switch unit {
	case "pve-cluster":
		m.Work(500 * time.Millisecond)
		n.pm.group = nil
		n.w.leaveGroup(n)
	case "corosync":
		if n.coro != nil && n.coro.stuck {
			m.Work(restartJam)
		}
		m.Work(300 * time.Millisecond)
		n.stopCorosync()
		n.w.leaveGroup(n)
		return
	}
	n.units[unit] = "inactive"
}

// leaveGroup takes a node out of the groups of the others.
func (w *World) leaveGroup(gone *Node) {
	for _, o := range w.order {
		if o != gone {
			o.pm.narrow(func(name string) bool { return name != gone.name })
		}
	}
}

func (m *machine) UnitState(unit string) string {
	return cmp.Or(m.n.units[unit], "inactive")
}

func (m *machine) Corosync() (Corosync, bool) { return m.n.corosyncView() }

func (m *machine) Kill(id int) bool {
	for _, o := range m.n.w.order {
		if o.coro == nil || !m.n.coro.view[o.name] {
			continue
		}
		if own, _ := o.coro.conf.Node(o.name); own.ID == id && o != m.n {
			o.coro, o.pm.group = nil, nil
			o.units["corosync"] = "failed"
			m.n.w.leaveGroup(o)
			return true
		}
	}
	return false
}

func (m *machine) Expect(votes int) {
	if m.n.coro != nil {
		m.n.coro.expected = votes
	}
}

func (m *machine) Remote(host string) Machine {
	for _, o := range m.n.w.order {
		if (o.name == host || o.owns(host)) && m.n.w.Reachable(m.n.name, o.name) {
			return &machine{Disk: o.disk, n: o, ctx: m.ctx, end: m.end, boots: o.boots}
		}
	}
	return nil
}
