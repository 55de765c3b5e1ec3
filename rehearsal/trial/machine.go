package trial

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/rehearsal/sim"
)

// Machine is one node with its agent.
type Machine struct {
	Name string
	Log  []string // what changed of it, and what its steps said, in order

	trial    *Trial
	steps    func(m *Machine) []step.Step
	life     int // number of the present agent
	cancel   context.CancelFunc
	done     bool
	kicked   bool
	said     map[string]string
	verdicts map[string]step.Verdict
}

// errGone is what an agent's every operation returns after its end.
var errGone = errors.New("the process has ended")

// Start starts the agent.
func (m *Machine) Start() {
	m.End()
	m.life++
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	life := m.life
	steps := m.steps(m)
	m.trial.World.Sim().Go(m.Name, func() { m.run(ctx, life, steps) })
}

// End ends the agent, as a crash does.
func (m *Machine) End() {
	if m.cancel != nil {
		m.cancel()
		m.cancel = nil
		m.life++
	}
	m.done = false
}

// Answers is where the agent answers the others.
func (m *Machine) Answers() *trust.MemoryNode { return m.trial.Peers.Node(m.Name) }

// Host is the machine as the present agent sees it.
func (m *Machine) Host() host.Host {
	e := &eye{m: m, life: m.life}
	return host.Host{Files: files{Disk: m.trial.World.Node(m.Name).Files(), eye: e}, Commands: e, Clock: e}
}

// Kick has the agent look again.
func (m *Machine) Kick() { m.kicked = true }

// Verdict is what the agent last said of a step.
func (m *Machine) Verdict(step string) step.Verdict { return m.verdicts[step] }

// run makes one step after the other so, as the engine does.
func (m *Machine) run(ctx context.Context, life int, steps []step.Step) {
	for ctx.Err() == nil && m.life == life {
		m.kicked = false
		done := m.pass(ctx, life, steps)
		if m.life != life {
			return
		}
		m.done = done
		end := m.trial.World.Sim().Now().Add(pause)
		for m.life == life && !m.kicked && m.trial.World.Sim().Now().Before(end) {
			_ = m.trial.World.Sim().Sleep(ctx, time.Second)
		}
	}
}

func (m *Machine) pass(ctx context.Context, life int, steps []step.Step) bool {
	for _, s := range steps {
		for tries := 0; ; tries++ {
			v, err := s.Check(ctx)
			if m.life != life {
				return false
			}
			m.verdicts[s.Name()] = v
			if err != nil {
				m.say(s.Name(), "error", err.Error())
				return false
			}
			m.say(s.Name(), v.State.String(), v.Reason)
			if v.State == step.Done {
				break
			}
			if v.State != step.Todo || tries == 1 {
				return false
			}
			err = s.Apply(ctx)
			if m.life != life {
				return false
			}
			if err != nil {
				m.say(s.Name(), map[bool]string{true: "waiting", false: "error"}[step.IsNotYet(err)], err.Error())
				return false
			}
		}
	}
	return true
}

// say adds what a step says to the log, where it is something new.
func (m *Machine) say(name, state, reason string) {
	line := name + " " + state + ": " + reason
	if m.said[name] != line {
		m.said[name] = line
		m.Log = append(m.Log, line)
	}
}

// Call implements trust.Caller.
func (m *Machine) Call(ctx context.Context, node, method string, in, out any) error {
	t := m.trial
	if end, ok := ctx.Deadline(); ok {
		t.limits[method] = max(t.limits[method], wholeSeconds(time.Until(end)))
	}
	if err := t.Trouble.with(m.Name, "ask "+node+" "+method); err != nil {
		return err
	}
	switch {
	case !t.World.Reachable(m.Name, node):
		return fmt.Errorf("connect %s: no route to host", node)
	case t.machines[node].cancel == nil:
		return fmt.Errorf("connect %s: connection refused", node)
	}
	life := t.machines[node].life
	err := t.Peers.Node(m.Name).Call(ctx, node, method, in, out)
	if t.machines[node].life != life {
		return fmt.Errorf("connect %s: connection reset by peer", node)
	}
	return err
}

// wholeSeconds rounds up: what has passed of a limit since it was set is real time.
func wholeSeconds(left time.Duration) time.Duration {
	return (left + time.Second - 1).Truncate(time.Second)
}

// eye is what one process of an agent sees of its machine.
type eye struct {
	m    *Machine
	life int
}

func (e *eye) gone() bool { return e.m.life != e.life }

func (e *eye) Now() time.Time { return e.m.trial.World.Sim().Now() }

func (e *eye) Sleep(ctx context.Context, d time.Duration) error {
	if err := e.m.trial.World.Sim().Sleep(ctx, d); err != nil {
		return err
	}
	if e.gone() {
		return errGone
	}
	return nil
}

func (e *eye) Run(ctx context.Context, c host.Cmd) (host.Result, error) {
	line := strings.Join(c.Argv, " ")
	if e.gone() {
		return host.Result{}, errGone
	}
	if err := e.m.trial.Trouble.with(e.m.Name, "run "+line); err != nil {
		return host.Result{}, err
	}
	if !c.ReadOnly {
		e.m.Log = append(e.m.Log, "$ "+line)
	}
	limit := c.Timeout
	if limit == 0 {
		limit = time.Minute
	}
	r, err := e.m.trial.World.Exec(ctx, e.m.Name, c.Argv, c.Stdin, c.Env, limit)
	if e.gone() {
		return host.Result{}, errGone
	}
	return host.Result{Stdout: r.Stdout, Stderr: r.Stderr, Code: r.Code}, err
}

// files are those of the node, with what the agent changes of them in its log.
type files struct {
	*sim.Disk
	*eye
}

func (f files) change(what string, do func() error) error {
	if f.gone() {
		return errGone
	}
	if err := f.m.trial.Trouble.with(f.m.Name, what); err != nil {
		return err
	}
	f.m.Log = append(f.m.Log, what)
	return do()
}

func (f files) ReadFile(p string) ([]byte, error) {
	if err := f.m.trial.Trouble.with(f.m.Name, "read "+p); err != nil {
		return nil, err
	}
	return f.Disk.ReadFile(p)
}

func (f files) ReadDir(p string) ([]fs.DirEntry, error) {
	if err := f.m.trial.Trouble.with(f.m.Name, "list "+p); err != nil {
		return nil, err
	}
	return f.Disk.ReadDir(p)
}

func (f files) WriteFile(p string, b []byte, mode fs.FileMode) error {
	return f.change("write "+p, func() error { return f.Disk.WriteFile(p, b, mode) })
}

func (f files) WriteDirect(p string, b []byte) error {
	return f.change("write "+p, func() error { return f.Disk.WriteDirect(p, b) })
}

func (f files) Remove(p string) error {
	return f.change("remove "+p, func() error { return f.Disk.Remove(p) })
}

func (f files) Sync() error { return f.change("sync", f.Disk.Sync) }
