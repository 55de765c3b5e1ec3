package firstboot

import (
	"context"
	"errors"
	"sync/atomic"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/base"
	"ringboot/firstboot/cluster"
	"ringboot/firstboot/gate"
	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/management"
	"ringboot/firstboot/reporting"
	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/ringup"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/storage"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
	"ringboot/profiles"
)

// Parts is what the steps and services of one agent are made from. Everything
// in it is set when they are built.
type Parts struct {
	Version string // of the agent
	Host    host.Host
	Journal *journal.Journal
	Seed    profiles.Seed
	Profile *profiles.Profile
	Node    profiles.Node // this node

	Local   *keeper.Local  // methods that root may call on this node, over the unix socket
	Methods *trust.Methods // methods that peers may call, over the trusted channel
	Caller  trust.Caller   // asks a peer; without a channel it says so
	Status  func() status.Status
	Kick    func()                // wakes the engine
	again   func()                // has the agent start anew, with the key that it has now; nil: nobody runs it
	Doubt   func(steps ...string) // has it look at steps again that are done
	Log     func(string)          // one line for the system's journal

	// What services show in the status; each may be nil.
	Ring  func() status.RingView
	Peers func() []status.PeerStatus

	identity   *trust.Identity
	book       *bindings.Book   // which key each node is bound to; nil for an agent that only looks
	enrol      bool             // it may make the node's own key
	place      string           // where that lies, for people
	mark       *settled.Mark    // nil: the node is being formed
	request    *settled.Request // nil: nobody asked for the builder
	facts      *gate.LocalFacts
	resident   atomic.Pointer[keeper.Resident] // once it is made
	keeper     ringup.RingKeeper
	ringConfig layout.Config
	root       string
	gate       gate.Options
}

// plan is the steps in the order of the design, and what may be asked of them.
func plan(p *Parts) []step.Step {
	forming, proof := cluster.New(clusterOptions(p)), cluster.NewProof(clusterOptions(p))
	o := storage.Options{Host: p.Host, Profile: p.Profile, Node: p.Node.Name, Seed: p.Seed, Agent: p.Version, Peers: p.Caller, Ring: p.Ring, Proof: cluster.Standing{Proof: proof}, Doubt: p.Doubt, Settled: p.mark != nil && p.request == nil,
		Place: func() string { return cluster.Taken(p.Host.Files) }, Heir: func() bool { return cluster.Heir(p.Host.Files) },
		Finished: func(step string) bool { return settled.Finished(p.Host.Files, step) }}
	ceph := storage.NewCeph(o)
	accept := acceptance.NewAccept(o, links{}, askWeb)
	report := reporting.New(o, accept, p.Status)
	for _, asked := range []registrar{forming, proof, ceph, accept, report} {
		asked.Register(p.Methods)
	}
	p.askedByRoot(forming, accept)
	steps := []step.Step{
		base.NewIdentity(p.Host, p.Version),
		base.NewBase(p.Host, p.Profile, p.Node),
		management.New(p.Host, p.Profile, p.Node),
		ringup.New(p.Host, p.ringConfig, p.keeper),
		gate.New(p.gate),
		forming,
		proof,
		ceph,
		storage.NewHA(o),
		accept,
		report,
	}
	for i, s := range steps {
		if f, ok := s.(follower); ok {
			f.Follow(steps[:i])
		}
	}
	return steps
}

// registrar is a step of which peers may ask something.
type registrar interface{ Register(r trust.Registry) }

// follower is a step that has to know which steps stand before it.
type follower interface{ Follow(before []step.Step) }

// noChannel is the Caller of an agent that has no trusted channel.
type noChannel struct{}

func (noChannel) Call(context.Context, string, string, any, any) error {
	return errors.New("this agent has no channel to its peers: start it with systemctl start ringboot")
}
