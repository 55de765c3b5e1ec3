package matrix_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"ringboot/firstboot/host"
	world "ringboot/rehearsal/sim"
)

// simPort is what one process of an agent sees of the world.
type simPort struct {
	a    *simAgent
	life int
}

func (p *simPort) Now() time.Time { return p.a.s.now() }

func (p *simPort) Sleep(ctx context.Context, d time.Duration) error {
	if !p.a.here(p.life) {
		return errGone
	}
	if err := p.a.s.w.Sim().Sleep(ctx, d); err != nil {
		return err
	}
	if !p.a.here(p.life) {
		return errGone
	}
	return nil
}

func (p *simPort) Run(ctx context.Context, c host.Cmd) (host.Result, error) {
	name := strings.Join(c.Argv[:min(2, len(c.Argv))], " ")
	if !p.a.here(p.life) {
		return host.Result{}, errGone
	}
	if !c.ReadOnly {
		if err := p.a.point(p.life, "before "+name); err != nil {
			return host.Result{}, err
		}
	}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := c.Timeout
	if limit == 0 {
		limit = time.Minute
	}
	res, err := p.a.s.w.Exec(run, p.a.name, c.Argv, c.Stdin, c.Env, limit)
	if !p.a.here(p.life) {
		return host.Result{}, errGone
	}
	if err != nil {
		return host.Result{}, err
	}
	if !c.ReadOnly {
		if err := p.a.point(p.life, "after "+name); err != nil {
			return host.Result{}, err
		}
	}
	return host.Result{Stdout: res.Stdout, Stderr: res.Stderr, Code: res.Code}, nil
}

func (p *simPort) Call(ctx context.Context, node, method string, in, out any) error {
	if err := p.a.point(p.life, "before call "+method); err != nil {
		return err
	}
	to := p.a.s.agents[node]
	if !p.a.s.w.Reachable(p.a.name, node) {
		return fmt.Errorf("connect %s: no route to host", node)
	}
	if !to.alive || to.cluster == nil {
		return fmt.Errorf("connect %s: connection refused", node)
	}
	life := to.life
	err := p.a.s.mem.Node(p.a.name).Call(ctx, node, method, in, out)
	if p.a.s.onCall != nil {
		p.a.s.onCall(p.a.name, node, method)
	}
	if e := to.point(life, "answered "+method); e != nil || !p.a.s.w.Reachable(p.a.name, node) {
		err = fmt.Errorf("connect %s: connection reset by peer", node)
	}
	if e := p.a.point(p.life, "after call "+method); e != nil {
		return e
	}
	return err
}

// simFiles are the files of the node with a point after each write.
type simFiles struct {
	*world.Disk
	*simPort
}

func (f simFiles) write(name string, do func() error) error {
	if !f.a.here(f.life) {
		return errGone
	}
	if err := do(); err != nil {
		return err
	}
	return f.a.point(f.life, name)
}

func (f simFiles) WriteFile(p string, b []byte, m fs.FileMode) error {
	return f.write("write "+p, func() error { return explained(p, f.Disk.WriteFile(p, b, m)) })
}

func (f simFiles) WriteDirect(p string, b []byte) error {
	return f.write("write "+p, func() error { return explained(p, f.Disk.WriteDirect(p, b)) })
}

// explained is an error in the words of the files that ship.
func explained(p string, err error) error {
	if err == nil {
		return nil
	}
	return host.Explain("write", p, err)
}

func (f simFiles) Remove(p string) error {
	return f.write("remove "+p, func() error { return f.Disk.Remove(p) })
}

func (f simFiles) Mkdir(p string, m fs.FileMode) error {
	return f.write("make "+p, func() error { return explained(p, f.Disk.Mkdir(p, m)) })
}

func (f simFiles) Sync() error {
	return f.write("sync", func() error { return f.Disk.Sync() })
}
