package matrix_test

import (
	"context"
	"fmt"
	"math/rand"
	"time"

	"ringboot/firstboot/cluster"
	"ringboot/firstboot/engine"
	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// heardTime is how long it takes until the agents of the other nodes notice
// that one came or went, as their channel does.
const heardTime = 2 * time.Second

// simAgent is one agent: its present process, and what is counted over all of them.
type simAgent struct {
	s       *sim
	name    string
	life    int // number of the present process
	cancel  context.CancelFunc
	alive   bool
	points  int
	trace   []string
	engine  *engine.Engine
	verdict map[string]step.Verdict // what the status says of each step
	waiting string                  // what the status says of the node
	cluster *cluster.Cluster
	profile *profiles.Profile
	formed  time.Time // since when the present process says that all is done
	settled bool      // its builder has left the node: the next start of the machine brings none
	left    bool      // so it is
}

// start starts the agent of a node that is powered: the engine that ships, its
// journal on the simulated disk.
func (a *simAgent) start() {
	if a.left || a.s.away[a.name] || !a.s.w.Node(a.name).Powered() {
		return
	}
	a.life++
	a.alive, a.formed = true, time.Time{}
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	a.s.w.Sim().Go(a.name, func() { a.run(ctx, a.life) })
	a.heard()
}

// heard lets the other agents notice a change of this one.
func (a *simAgent) heard() {
	a.s.w.Sim().After(heardTime, func() {
		for _, n := range a.s.p.Others(a.name) {
			a.s.agents[n.Name].kick()
		}
	})
}

func (a *simAgent) kick() {
	if a.alive && a.engine != nil {
		a.engine.Kick()
	}
}

// host is the machine for the present process.
func (a *simAgent) host(life int) (host.Host, *simPort) {
	p := &simPort{a: a, life: life}
	return host.Host{Files: simFiles{Disk: a.s.w.Node(a.name).Files(), simPort: p}, Commands: p, Clock: p}, p
}

// options are those of the steps for the present process.
func (a *simAgent) options(life int) cluster.Options {
	h, p := a.host(life)
	return cluster.Options{Host: h, Profile: a.profile, Node: a.name, Plan: "0123456789abcdef", Peers: p, Kick: a.kick, Bound: func(node string) string { return a.s.bound[node] }}
}

func (a *simAgent) steps(life int) []step.Step {
	o := a.options(life)
	a.cluster = cluster.New(o)
	proof := cluster.NewProof(o)
	node := a.s.mem.Node(a.name)
	a.cluster.Register(node)
	proof.Register(node)
	all := []step.Step{a.cluster, proof}
	if a.s.gate {
		all = append([]step.Step{a.s.gateOf(a, node)}, all...)
	}
	if a.s.more != nil {
		all = append(all, a.s.more(a, o, cluster.Standing{Proof: proof})...)
	}
	return all
}

// run is the process.
func (a *simAgent) run(ctx context.Context, life int) {
	h, _ := a.host(life)
	j, err := journal.Open(h.Files, h.Clock, journal.Path)
	if err != nil {
		a.s.t.Errorf("%s: %v", a.name, err)
		return
	}
	e := engine.New(a.steps(life), h, j, simReport{a, life})
	if mark, err := settled.Read(h.Files); err != nil {
		a.s.t.Errorf("%s: %v", a.name, err)
	} else if mark != nil {
		e.Finish(mark.Steps)
	}
	rnd := rand.New(rand.NewSource(a.s.seed + int64(life)))
	e.Jitter = func(d time.Duration) time.Duration { return d - d/4 + time.Duration(rnd.Int63n(int64(d/2+1))) }
	a.engine = e
	if err := e.Run(ctx); err != nil {
		a.s.t.Errorf("%s: %v", a.name, err)
	}
}

func (a *simAgent) here(life int) bool { return a.alive && a.life == life }

// simReport takes over what a process says of itself.
type simReport struct {
	a    *simAgent
	life int
}

func (r simReport) Report(s status.Status) {
	a := r.a
	if !a.here(r.life) {
		return
	}
	for _, p := range s.Plans {
		v, known := verdictOf(p)
		if !known {
			continue
		}
		if old, ok := a.verdict[p.Name]; !ok || old.State != v.State || old.Reason != v.Reason {
			a.s.logf("%s %s %v: %s", a.name, p.Name, v.State, v.Reason)
			if v.State == step.Done && p.Name != "peers" {
				a.s.assertWhole(a.name, p.Name)
			}
		}
		a.verdict[p.Name] = v
	}
	a.waiting = s.Waiting
	switch {
	case s.Phase != status.PhaseFormed:
		a.formed = time.Time{}
	case a.formed.IsZero():
		a.formed = a.s.now()
	}
}

// verdictOf is what a status says of a step; one that was not looked at yet is unknown.
func verdictOf(p status.StepStatus) (v step.Verdict, known bool) {
	for _, state := range []step.State{step.Todo, step.Done, step.Waiting, step.Stopped} {
		if p.State == state.String() {
			return step.Verdict{State: state, Reason: p.Reason}, true
		}
	}
	return step.Verdict{}, false
}

// status is the sentence that status shows: the first step that is not done.
func (a *simAgent) status() string {
	if !a.formed.IsZero() {
		return "formed"
	}
	return a.waiting
}

func (a *simAgent) String() string { return fmt.Sprintf("%s: %s", a.name, a.status()) }
