package firstboot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/step"
	"ringboot/firstboot/ticket"
	"ringboot/firstboot/trust"
)

// Options say where and as what an agent runs.
type Options struct {
	Version string
	Root    string       // "" is the machine itself
	Log     func(string) // one line for the system's journal
}

// Agent is a built agent: its parts, its engine and its services.
type Agent struct {
	Parts    *Parts
	Engine   *Engine
	services []Service
	root     string
}

// ErrNoSeed is wrapped by the error of Build where a node does not know who it
// is; the agent can still run the step that says why.
var ErrNoSeed = errors.New("this node does not know who it is")

// Build reads seed, profile and journal and puts the agent together. It
// changes nothing. With ErrNoSeed it returns an agent whose plan is the step
// identity alone, which explains.
func Build(o Options, report ...Reporter) (*Agent, error) {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	h := host.New(o.Root)
	j, err := journal.Open(h.Files, h.Clock, journal.Path)
	if err != nil {
		return nil, err
	}
	p := &Parts{Version: o.Version, Host: h, Journal: j, Local: &Local{}, Methods: &Methods{}, Caller: noChannel{}, Log: o.Log, root: o.Root}
	a := &Agent{Parts: p, root: o.Root}
	p.Kick = func() { a.Engine.Kick() }
	p.Doubt = func(steps ...string) { a.Engine.Doubt(steps...) }
	p.Status = a.Status
	for i, r := range report {
		report[i] = filled{a, r}
	}
	own, err := step.LoadSeed(h.Files, h.Clock.Now())
	if err != nil {
		a.Engine = NewEngine([]step.Step{step.NewIdentity(h, o.Version)}, h.Clock, j, report...)
		a.localMethods()
		return a, fmt.Errorf("%w: %w", ErrNoSeed, err)
	}
	p.Seed, p.Profile, p.Node = own.Seed, own.Profile, own.Node
	if a.services, err = services(p); err != nil {
		return nil, err
	}
	a.Engine = NewEngine(plan(p), h.Clock, j, report...)
	a.localMethods()
	return a, nil
}

// filled hands a reporter the whole status in place of the engine's part.
type filled struct {
	agent *Agent
	to    Reporter
}

func (f filled) Report(trust.Status) { f.to.Report(f.agent.Status()) }

// Status is how far the node is, as status, peers, the console and the status page show it.
func (a *Agent) Status() trust.Status {
	p := a.Parts
	s := a.Engine.Status()
	s.Node, s.ClusterID, s.Agent = p.Seed.Node, p.Seed.ClusterID, p.Version
	s.Plan, s.PlanNode = p.Seed.Plan.Cluster, p.Seed.Plan.Node
	if p.Ring != nil {
		s.Ring = p.Ring()
	}
	if p.Peers != nil {
		if peers := p.Peers(); peers != nil {
			s.Peers = peers
		}
	}
	return s
}

// localMethods adds what root may ask of a running agent.
func (a *Agent) localMethods() {
	a.Parts.Local.Handle(trust.MethodStatus, statusMethod(a))
	a.Parts.Local.Handle(MethodApply, applyMethod(a))
}

// Run works until the context ends. It answers on the local socket, runs the
// services and the plan, and pings the watchdog.
func (a *Agent) Run(ctx context.Context, n host.Notifier) error {
	defer leaving(ctx, n)()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	socket, err := Listen(a.root)
	if err != nil {
		return err
	}
	all.Go(func() { a.Parts.Local.Serve(ctx, socket) })
	if a.Parts.Profile != nil && a.root == "" {
		all.Go(func() { a.burn(ctx) })
	}
	for _, s := range a.services {
		all.Go(func() { a.keep(ctx, s) })
	}
	all.Go(func() { a.watchdog(ctx, n) })
	n.Ready()
	if a.Parts.Seed.Driven {
		return a.Engine.Observe(ctx)
	}
	return a.Engine.Run(ctx)
}

// leaving says when the agent is on its way out, and asks for as long as its
// steps and services take to come to an end. The function that it returns is
// called when they have.
func leaving(ctx context.Context, n host.Notifier) (left func()) {
	ended, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		select {
		case <-ended:
		case <-ctx.Done():
			n.Stopping()
			done := n.Patience()
			<-ended
			done()
		}
	}()
	return func() { close(ended); <-told }
}

// RunUntilSeeded is Run for an agent that does not know who it is: it returns
// when the seed can be read.
func (a *Agent) RunUntilSeeded(ctx context.Context, n host.Notifier) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		for ctx.Err() == nil {
			if _, err := step.LoadSeed(a.Parts.Host.Files, a.Parts.Host.Clock.Now()); err == nil {
				return
			}
			a.Parts.Host.Clock.Sleep(ctx, 2*time.Second)
		}
	}()
	return a.Run(ctx, n)
}

// burn sees to it that the medium does not install this machine again. It is
// beside the plan: an unreadable stick must not keep a node from its cluster.
func (a *Agent) burn(ctx context.Context) {
	who := ticket.Who{Node: a.Parts.Seed.Node, ClusterID: a.Parts.Seed.ClusterID, By: "agent", Now: a.Parts.Host.Clock.Now()}
	note := func(text string) { a.Parts.Log(text); _ = a.Parts.Journal.Note("", text) }
	if err := ticket.Leave(ctx, who, note); err != nil && ctx.Err() == nil {
		note("the installation medium could still install this machine again, pull it out: " + err.Error())
	}
}

// keep runs a service for as long as the agent lives.
func (a *Agent) keep(ctx context.Context, s Service) {
	for tries := 1; ; tries++ {
		err := s.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		text := fmt.Sprintf("%s ended and is started again: %v", s.Name, err)
		a.Parts.Log(text)
		_ = a.Parts.Journal.Note("", text)
		if a.Parts.Host.Clock.Sleep(ctx, delay(tries)) != nil {
			return
		}
	}
}

// watchdog pings systemd for as long as the engine shows signs of life.
func (a *Agent) watchdog(ctx context.Context, n host.Notifier) {
	every := n.Watchdog()
	if every == 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if a.Engine.Alive() {
			n.Alive()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
