package acceptance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"time"

	"ringboot/firstboot/acceptance/consent"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/firstboot/throughput"
	"ringboot/firstboot/trust"
)

// Methods that the coordinator calls on the other nodes.
const (
	methodAcceptState   = "accept.state"
	methodAcceptPut     = "accept.put"
	methodAcceptGet     = "accept.get"
	methodAcceptListen  = "accept.listen"
	methodAcceptMeasure = "accept.measure"
	methodAcceptMigrate = "accept.migrate"
	methodAcceptDestroy = "accept.destroy"
	methodAcceptWeb     = "accept.management"
	methodAcceptLinks   = "accept.corosync"
	methodAcceptReady   = "accept.ready"
	methodAcceptCut     = "accept.cut"
	methodAcceptForget  = "accept.forget"
	methodAcceptRenew   = "accept.renew"
)

const bootIDFile = "/proc/sys/kernel/random/boot_id"

// sysrqTrigger resets the machine at once: nothing is synced or unmounted.
const sysrqTrigger = "/proc/sysrq-trigger"

// nodeState is what a node says of itself during a drill.
type nodeState struct {
	Boot    string `json:"boot"`
	Agent   string `json:"agent,omitempty"` // of which start the agent is
	Cut     string `json:"cut,omitempty"`   // run of the acceptance for which it reset itself
	Running []int  `json:"running"`         // guests of the acceptance that run here
	consent.Answer
}

type guestOrder struct {
	Guest  int    `json:"guest"`
	Target string `json:"target,omitempty"`
}

type listenOrder struct {
	From    string `json:"from"`
	Token   []byte `json:"token"`
	Seconds int    `json:"seconds"`
}

type measureOrder struct {
	To      string `json:"to"`
	Device  string `json:"device"`
	Token   []byte `json:"token"`
	Seconds int    `json:"seconds"`
	MTU     int    `json:"mtu"`
}

type webView struct {
	Node        string `json:"node"`
	Fingerprint string `json:"fingerprint"`
	Why         string `json:"why,omitempty"`
}

type linkView struct {
	Sum     string            `json:"sum"`
	Version int               `json:"version"`
	Links   []report.Corosync `json:"links"`
}

// Register adds the methods that peers may call. Orders are taken from the
// coordinator alone.
func (s *Accept) Register(r trust.Registry) {
	order := func(name string, do func(ctx context.Context, in json.RawMessage) (any, error)) {
		r.Handle(name, func(ctx context.Context, peer string, in json.RawMessage) (any, error) {
			if peer != CoordinatorOf(s.o.Profile) {
				return nil, fmt.Errorf("%s takes orders of the acceptance from %s only, not from %s", s.o.Node, CoordinatorOf(s.o.Profile), peer)
			}
			return do(ctx, in)
		})
	}
	r.Handle(methodAcceptGet, func(context.Context, string, json.RawMessage) (any, error) {
		rec, err := s.Record()
		if rec == nil {
			rec = &Record{}
		}
		return rec, err
	})
	r.Handle(methodAcceptRenew, func(ctx context.Context, peer string, in json.RawMessage) (any, error) {
		return decoded(func(ctx context.Context, place string) (any, error) { return nil, s.renew(ctx, peer, place) })(ctx, in)
	})
	s.askedOfCuts(r)
	order(consent.MethodNotice, decoded(func(_ context.Context, n consent.Notice) (any, error) { s.word.Tell(n); return nil, nil }))
	order(methodAcceptState, func(ctx context.Context, _ json.RawMessage) (any, error) { return s.ownState(ctx) })
	order(methodAcceptReady, func(ctx context.Context, _ json.RawMessage) (any, error) { return s.ownReadiness(ctx), nil })
	order(methodAcceptPut, func(_ context.Context, in json.RawMessage) (any, error) {
		var rec Record
		if err := json.Unmarshal(in, &rec); err != nil {
			return nil, err
		}
		return nil, s.save(&rec)
	})
	order(methodAcceptListen, decoded(s.listen))
	order(methodAcceptMeasure, decoded(s.measure))
	order(methodAcceptMigrate, decoded(func(ctx context.Context, g guestOrder) (any, error) {
		if err := s.own(g.Guest); err != nil {
			return nil, err
		}
		return s.guests.Migrate(ctx, g.Guest, g.Target)
	}))
	order(methodAcceptDestroy, decoded(func(ctx context.Context, g guestOrder) (any, error) { return nil, s.destroy(ctx, g.Guest) }))
	order(methodAcceptWeb, func(ctx context.Context, _ json.RawMessage) (any, error) { return s.ownWeb(ctx), nil })
	order(methodAcceptLinks, func(ctx context.Context, _ json.RawMessage) (any, error) { return s.ownLinks(ctx) })
	order(methodAcceptCut, decoded(s.cut))
	order(methodAcceptForget, func(context.Context, json.RawMessage) (any, error) {
		defer s.doubt()
		return nil, s.forget()
	})
}

// decoded adapts a method with a typed argument.
func decoded[T any](do func(context.Context, T) (any, error)) func(context.Context, json.RawMessage) (any, error) {
	return func(ctx context.Context, in json.RawMessage) (any, error) {
		var v T
		if err := json.Unmarshal(in, &v); err != nil {
			return nil, err
		}
		return do(ctx, v)
	}
}

func (s *Accept) call(ctx context.Context, limit time.Duration, node, method string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.o.Peers.Call(ctx, node, method, in, out)
}

// ask calls a peer, or does the same on this node itself.
func ask[T any](ctx context.Context, s *Accept, limit time.Duration, node, method string, in any, own func() (any, error)) (T, error) {
	var out T
	if node != s.o.Node {
		return out, s.call(ctx, limit, node, method, in, &out)
	}
	v, err := own()
	if err != nil || v == nil {
		return out, err
	}
	return v.(T), nil
}

func (s *Accept) bootID() string {
	text, _ := s.o.Host.Files.ReadFile(bootIDFile)
	return strings.TrimSpace(string(text))
}

func (s *Accept) state(ctx context.Context, node string) (nodeState, error) {
	return ask[nodeState](ctx, s, 20*time.Second, node, methodAcceptState, nil, func() (any, error) { return s.ownState(ctx) })
}

func (s *Accept) ownState(ctx context.Context) (any, error) {
	n := nodeState{Boot: s.bootID(), Agent: s.began, Running: []int{}, Answer: s.word.Answer()}
	cut, err := s.o.Host.Files.ReadFile(cutFile)
	if err == nil {
		n.Cut = strings.TrimSpace(string(cut))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return n, err
	}
	guests, err := s.guests.All()
	if err != nil {
		return n, err
	}
	for _, g := range guests {
		if isOurs(g) && g.Node == s.o.Node {
			if running, err := s.guests.Running(ctx, g.ID); err == nil && running {
				n.Running = append(n.Running, g.ID)
			}
		}
	}
	return n, nil
}

// own makes sure that a guest is one of the acceptance, and here.
func (s *Accept) own(id int) error {
	guests, err := s.guests.All()
	if err != nil {
		return err
	}
	for _, g := range guests {
		if g.ID == id && g.Node == s.o.Node {
			if isOurs(g) {
				return nil
			}
			return fmt.Errorf("guest %d on %s is not of the acceptance and is not touched", id, s.o.Node)
		}
	}
	return fmt.Errorf("guest %d is not on %s", id, s.o.Node)
}

func (s *Accept) destroy(ctx context.Context, id int) error {
	if err := s.own(id); err != nil {
		return err
	}
	if running, err := s.guests.Running(ctx, id); err != nil {
		return err
	} else if running {
		if err := s.guests.Stop(ctx, id); err != nil {
			return err
		}
	}
	return s.guests.Destroy(ctx, id)
}

func (s *Accept) listen(ctx context.Context, o listenOrder) (any, error) {
	me, _ := s.o.Profile.Node(s.o.Node)
	from, err := netip.ParseAddr(o.From)
	if err != nil {
		return nil, err
	}
	token, err := session(o.Token, o.Seconds)
	if err != nil {
		return nil, err
	}
	if err := s.onRing(from); err != nil {
		return nil, err
	}
	// The listening end outlives the call that opened it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(o.Seconds)*time.Second+time.Minute)
	addr, err := s.links.Serve(ctx, me.Ring, from, token)
	if err != nil {
		cancel()
		return nil, err
	}
	context.AfterFunc(ctx, cancel)
	return addr.String(), nil
}

func (s *Accept) measure(ctx context.Context, o measureOrder) (any, error) {
	me, _ := s.o.Profile.Node(s.o.Node)
	to, err := netip.ParseAddrPort(o.To)
	if err != nil {
		return nil, err
	}
	token, err := session(o.Token, o.Seconds)
	if err != nil {
		return nil, err
	}
	if err := s.onRing(to.Addr()); err != nil {
		return nil, err
	}
	return s.links.Measure(ctx, throughput.Target{Addr: to, Local: me.Ring, Device: o.Device, Token: token, Time: time.Duration(o.Seconds) * time.Second, MTU: o.MTU})
}

// onRing refuses an address that is no other node's on the ring: nothing is
// measured with anybody else, whoever asks.
func (s *Accept) onRing(addr netip.Addr) error {
	for _, n := range s.o.Profile.Others(s.o.Node) {
		if n.Ring == addr {
			return nil
		}
	}
	return fmt.Errorf("%s is no other node's address on the ring: nothing is measured with it", addr)
}

// session is what a peer asked for, if it is within bounds.
func session(token []byte, seconds int) (throughput.Token, error) {
	if seconds < 1 || seconds > 60 {
		return throughput.Token{}, fmt.Errorf("a measurement takes 1 to 60 seconds, not %d", seconds)
	}
	if want := len(throughput.Token{}); len(token) != want {
		return throughput.Token{}, fmt.Errorf("the token of a measurement has %d bytes, not %d", want, len(token))
	}
	return throughput.Token(token), nil
}

func newToken() []byte {
	token := make([]byte, len(throughput.Token{}))
	rand.Read(token)
	return token
}

// ownWeb asks the management interface of every node from this one.
func (s *Accept) ownWeb(ctx context.Context) any {
	var out []webView
	for _, n := range s.o.Profile.Nodes {
		v := webView{Node: n.Name}
		fp, err := s.web(ctx, net.JoinHostPort(n.Address.String(), "8006"))
		if err != nil {
			v.Why = err.Error()
		}
		v.Fingerprint = fp
		out = append(out, v)
	}
	return out
}

// ownLinks is corosync as this node sees it.
func (s *Accept) ownLinks(ctx context.Context) (any, error) {
	var v linkView
	node := pve.Local{Host: s.o.Host, Name: s.o.Node}
	conf, text, err := node.ReadConf(pve.HostConf)
	if err != nil {
		return v, err
	}
	if conf != nil {
		v.Version = conf.Version
	}
	v.Sum = pve.Sum(text)
	neighbours, err := node.Neighbours(ctx)
	if err != nil {
		return v, err
	}
	seen := map[string]bool{}
	for _, n := range neighbours {
		if !n.Reachable || n.ID < 1 || n.ID > len(s.o.Profile.Nodes) {
			continue
		}
		peer := s.o.Profile.Nodes[n.ID-1].Name
		for _, l := range n.Links {
			v.Links = append(v.Links, report.Corosync{Node: s.o.Node, Peer: peer, Link: l.Number, Connected: l.Connected, MTU: l.MTU})
			seen[fmt.Sprint(peer, l.Number)] = true
		}
	}
	// The tool does not list a dead peer at all.
	for _, n := range s.o.Profile.Others(s.o.Node) {
		for link := range s.o.Profile.Links(n) {
			if !seen[fmt.Sprint(n.Name, link)] {
				v.Links = append(v.Links, report.Corosync{Node: s.o.Node, Peer: n.Name, Link: link})
			}
		}
	}
	return v, nil
}
