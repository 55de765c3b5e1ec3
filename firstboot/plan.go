package firstboot

import (
	"context"
	"errors"

	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/ring"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
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

	Local   *Local       // methods that root may call on this node, over the unix socket
	Methods *Methods     // methods that peers may call, over the trusted channel
	Caller  trust.Caller // asks a peer; without a channel it says so
	Status  func() trust.Status
	Kick    func()                // wakes the engine
	Doubt   func(steps ...string) // has it look at steps again that are done
	Log     func(string)          // one line for the system's journal

	// What services show in the status; each may be nil.
	Ring  func() trust.RingView
	Peers func() []trust.PeerStatus

	keeper     *ring.Keeper
	ringConfig ring.Config
	root       string
	gate       step.PeersOptions
}

// plan is the steps in the order of the design. Each room adds its lines here.
func plan(p *Parts) []step.Step {
	cluster := formation(p)
	proof := proving(p, cluster[1])
	return gated([]step.Step{
		step.NewIdentity(p.Host, p.Version),
		step.NewBase(p.Host, p.Profile, p.Node),
		step.NewManagement(p.Host, p.Profile, p.Node),
		step.NewRing(p.Host, p.ringConfig, p.keeper),
		step.NewPeers(p.gate),
		cluster[0],
		cluster[1],
		proof[0],
		proof[1],
		proof[2],
		proof[3],
	})
}

// gated tells the gate which steps stand before it: all nodes must have done them.
func gated(steps []step.Step) []step.Step {
	var before []string
	for _, s := range steps {
		if gate, ok := s.(*step.Peers); ok {
			gate.Require(before)
		}
		before = append(before, s.Name())
	}
	return steps
}

// services is what runs beside the plan for as long as the agent lives. It is
// called before plan, so a service can set what steps need: Caller, Ring, Peers.
func services(p *Parts) ([]Service, error) {
	keeper, err := ringService(p)
	if err != nil {
		return nil, err
	}
	channel, err := connect(p)
	if err != nil {
		return nil, err
	}
	return append(channel, keeper), nil
}

// Service is a resident part of the agent. Run returns when the context ends;
// if it returns before, it is started again after a pause, and the reason noted.
type Service struct {
	Name string
	Run  func(ctx context.Context) error
}

// noChannel is the Caller of an agent that has no trusted channel.
type noChannel struct{}

func (noChannel) Call(context.Context, string, string, any, any) error {
	return errors.New("this agent has no channel to its peers: start it with systemctl start ringboot")
}

// Methods collects the methods that peers may call, before and after the
// channel that answers them exists.
type Methods struct{ table map[string]trust.Handler }

// Handle adds a method. All are added before the services run.
func (m *Methods) Handle(method string, h trust.Handler) {
	if m.table == nil {
		m.table = map[string]trust.Handler{}
	}
	m.table[method] = h
}

// Into hands all methods on to the channel's own registry.
func (m *Methods) Into(r trust.Registry) {
	for name, h := range m.table {
		r.Handle(name, h)
	}
}
