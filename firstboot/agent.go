// Package firstboot is the agent: it puts steps, engine, channel and ring
// together, and stays.
//
// It holds the order of work and nothing else: the plan is a list, what a step
// does is in its room, how steps are run is in engine, what the machine is in
// host, what was meant and what happened in journal.
package firstboot

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/base"
	"ringboot/firstboot/engine"
	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/ticket"
	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

// Options say where and as what an agent runs.
type Options struct {
	Version string
	Root    string       // "" is the machine itself
	Log     func(string) // one line for the system's journal
	Works   bool         // it goes to work: a node without a key of its own makes one
}

// Agent is a built agent: its parts, its engine and its services.
type Agent struct {
	Parts    *Parts
	Engine   *engine.Engine
	services []keeper.Service
	root     string
	renewed  chan struct{} // closed when the node has another key
}

// ErrRenewed ends the run of an agent whose node has another key: it is built
// anew, and goes by that one.
var ErrRenewed = errors.New("this node has another key of its own: the agent starts anew")

// ErrNoSeed is wrapped by the error of Build where a node does not know who it
// is; the agent can still run the step that says why.
var ErrNoSeed = fault.Precondition.New("this node does not know who it is")

// Build reads seed, profile and journal and puts the agent together. It
// changes nothing, but that an agent that goes to work makes the node's own key. With ErrNoSeed it returns an agent whose plan is the step
// identity alone, which explains.
func Build(o Options, report ...engine.Reporter) (*Agent, error) {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	h := host.New(o.Root)
	h.Files = pve.Bound(h.Files)
	if o.Works {
		if err := base.FinishPlacing(h.Files); err != nil {
			return nil, err
		}
	}
	return build(o, h, report...)
}

// build is Build on a machine that may look otherwise than it is.
func build(o Options, h host.Host, report ...engine.Reporter) (*Agent, error) {
	j, err := journal.Open(h.Files, h.Clock, journal.Path)
	if err != nil {
		return nil, err
	}
	p := &Parts{Version: o.Version, Host: h, Journal: j, Local: &keeper.Local{}, Methods: &trust.Methods{}, Caller: noChannel{}, Log: o.Log, root: o.Root, enrol: o.Works}
	a := &Agent{Parts: p, root: o.Root, renewed: make(chan struct{})}
	p.Kick = func() { a.Engine.Kick() }
	p.Doubt = func(steps ...string) { a.Engine.Doubt(steps...) }
	p.Status = a.Status
	p.again = sync.OnceFunc(func() { close(a.renewed) })
	for i, r := range report {
		report[i] = filled{a, r}
	}
	own, err := base.LoadSeed(h.Files)
	if err != nil {
		a.Engine = engine.New([]step.Step{base.NewIdentity(h, o.Version)}, h, j, report...)
		a.localMethods()
		return a, fmt.Errorf("%w: %w", ErrNoSeed, err)
	}
	p.Seed, p.Profile, p.Node = own.Seed, own.Profile, own.Node
	if p.mark, err = settled.Read(h.Files); err != nil {
		return nil, err
	}
	if p.request, err = settled.ReadRequest(h.Files); err != nil {
		return nil, err
	}
	p.Methods.Live(p.life)
	p.Local.Live(p.life)
	if a.services, err = services(p); err != nil {
		return nil, err
	}
	a.Engine = engine.New(plan(p), h, j, report...)
	a.Engine.Leave(a.mayLeave)
	if p.mark != nil {
		a.Engine.Finish(p.mark.Steps)
	}
	a.localMethods()
	return a, nil
}

// filled hands a reporter the whole status in place of the engine's part.
type filled struct {
	agent *Agent
	to    engine.Reporter
}

func (f filled) Report(s status.Status) { f.to.Report(f.agent.filled(s)) }

// Status is how far the node is, as status, peers, the console and the status page show it.
func (a *Agent) Status() status.Status {
	return judged(a.filled(a.Engine.Status()))
}

// judged gives a status the verdict that all places show. The engine's own is
// the line of the journal.
func judged(s status.Status) status.Status {
	s.Verdict = s.Judge().Text()
	return s
}

// LastStatus is what can be known of a node without a running agent.
func LastStatus(o Options) (status.Status, error) {
	a, err := Build(o)
	if err != nil && !errors.Is(err, ErrNoSeed) {
		return status.Status{}, err
	}
	return judged(a.filled(a.Engine.Last())), nil
}

// filled adds to the engine's part of a status what the agent knows beside it.
func (a *Agent) filled(s status.Status) status.Status {
	p := a.Parts
	s.Node, s.ClusterID, s.Agent = p.Seed.Node, p.Seed.ClusterID, p.Version
	s.Plan, s.PlanNode, s.Key = p.Seed.Plan.Cluster, p.Seed.Plan.Node, p.place
	if p.book != nil {
		s.Bindings = p.book.Hash()
	}
	if p.mark != nil && p.request == nil {
		s.Settled = p.mark.At
	}
	if s.Phase == status.PhaseFormed {
		if text, err := p.Host.Files.ReadFile(acceptance.ReportJSON); err == nil {
			s.Acceptance, _ = status.ReadAcceptance(text) // one that cannot be read is written anew
		}
	}
	s.HostKeys = keeper.HostKeys(p.Host.Files)
	s.Risks = append(p.hung(), s.Risks...)
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

// life is what the node is doing, as far as this agent has to do with it.
func (p *Parts) life() trust.Life {
	switch {
	case p.mark == nil:
		return trust.Forming
	case p.request != nil:
		return trust.Woken
	}
	return trust.Settled
}

// Settled reports whether the builder has left this node and nobody asked for it.
func (a *Agent) Settled() bool { return a.Parts.mark != nil && a.Parts.request == nil }

// Run works until the context ends, or until the node is settled. It answers on the local socket, runs the
// services and the plan, and pings the watchdog.
func (a *Agent) Run(ctx context.Context, n host.Notifier) (err error) {
	defer leaving(ctx, a.renewed, n)()
	whole := ctx
	ctx, cancel := context.WithCancel(ctx)
	if r := a.Parts.request; r != nil {
		ctx, cancel = context.WithTimeout(ctx, r.Until.Sub(a.Parts.Host.Clock.Now()))
		defer func() {
			if !errors.Is(err, ErrRenewed) {
				a.refresh(whole)
			}
		}()
	}
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	socket, err := keeper.Listen(filepath.Join(a.root, keeper.BuilderSocket))
	if err != nil {
		return err
	}
	all.Go(func() { a.Parts.Local.Serve(ctx, socket) })
	if a.Parts.Profile != nil && a.root == "" {
		all.Go(func() { a.burn(ctx); a.spend(ctx) })
	}
	for _, s := range a.services {
		all.Go(func() { a.keep(ctx, s) })
	}
	all.Go(func() { a.watchdog(ctx, n) })
	if a.Parts.Profile != nil {
		all.Go(func() { a.feel(ctx) })
	}
	n.Ready()
	all.Go(func() {
		select {
		case <-a.renewed:
			cancel()
		case <-ctx.Done():
		}
	})
	work := a.Engine.Run
	if a.Parts.Seed.Driven {
		work = a.Engine.Observe
	}
	err = work(ctx)
	select {
	case <-a.renewed:
		return ErrRenewed
	default:
		return err
	}
}

// leaving says when the agent is on its way out, and asks for as long as its
// steps and services take to come to an end. The function that it returns is
// called when they have.
func leaving(ctx context.Context, again <-chan struct{}, n host.Notifier) (left func()) {
	ended, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		select {
		case <-ended:
			return
		case <-ctx.Done():
			n.Stopping()
		case <-again:
		}
		done := n.Patience()
		<-ended
		done()
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
			if _, err := base.LoadSeed(a.Parts.Host.Files); err == nil {
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
func (a *Agent) keep(ctx context.Context, s keeper.Service) {
	for tries := 1; ; tries++ {
		err := s.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		text := fmt.Sprintf("%s ended and is started again: %v", s.Name, err)
		a.Parts.Log(text)
		_ = a.Parts.Journal.Note("", text)
		if a.Parts.Host.Clock.Sleep(ctx, engine.Backoff(tries)) != nil {
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
