package step

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"crypto/rand"
	"crypto/sha1" //nolint:gosec // a checksum to compare copies, nothing more
	"encoding/hex"

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
)

const bootIDFile = "/proc/sys/kernel/random/boot_id"

// sysrqTrigger resets the machine at once: nothing is synced or unmounted.
const sysrqTrigger = "/proc/sysrq-trigger"

// nodeState is what a node says of itself during a drill.
type nodeState struct {
	Boot    string `json:"boot"`
	Cut     string `json:"cut,omitempty"` // run of the acceptance for which it reset itself
	Running []int  `json:"running"`       // guests of the acceptance that run here
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
			if peer != s.o.coordinator() {
				return nil, fmt.Errorf("%s takes orders of the acceptance from %s only, not from %s", s.o.Node, s.o.coordinator(), peer)
			}
			return do(ctx, in)
		})
	}
	r.Handle(methodAcceptGet, func(context.Context, string, json.RawMessage) (any, error) {
		rec, err := s.load()
		if rec == nil {
			rec = &acceptRecord{}
		}
		return rec, err
	})
	order(methodAcceptState, func(ctx context.Context, _ json.RawMessage) (any, error) { return s.ownState(ctx) })
	order(methodAcceptReady, func(ctx context.Context, _ json.RawMessage) (any, error) { return s.ownReadiness(ctx), nil })
	order(methodAcceptPut, func(_ context.Context, in json.RawMessage) (any, error) {
		var rec acceptRecord
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
	n := nodeState{Boot: s.bootID(), Running: []int{}}
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
	if o.Seconds < 1 || o.Seconds > 60 {
		return nil, fmt.Errorf("a measurement takes 1 to 60 seconds, not %d", o.Seconds)
	}
	// The listening end outlives the call that opened it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(o.Seconds)*time.Second+time.Minute)
	addr, err := s.links.Serve(ctx, me.Ring, from, throughput.Token(o.Token))
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
	return s.links.Measure(ctx, throughput.Target{Addr: to, Local: me.Ring, Device: o.Device, Token: throughput.Token(o.Token), Time: time.Duration(o.Seconds) * time.Second, MTU: o.MTU})
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

var linkWords = regexp.MustCompile(`^\s+LINK: (\d+) udp \(\S+\) enabled (connected )?mtu: (\d+)`)

// ownLinks is corosync as this node sees it.
func (s *Accept) ownLinks(ctx context.Context) (any, error) {
	var v linkView
	text, err := s.o.Host.Files.ReadFile("/etc/corosync/corosync.conf")
	if err != nil {
		return v, err
	}
	sum := sha1.Sum(text) //nolint:gosec // see above
	v.Sum = hex.EncodeToString(sum[:])
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "config_version:"); ok {
			v.Version, _ = strconv.Atoi(strings.TrimSpace(n))
		}
	}
	res, err := pve.Shell{Host: s.o.Host, Node: s.o.Node}.Read(ctx, "corosync-cfgtool", "-n")
	if err != nil {
		return v, err
	}
	seen := map[string]bool{}
	peer := ""
	for line := range strings.Lines(string(res.Stdout)) {
		var id int
		if n, _ := fmt.Sscanf(line, "nodeid: %d reachable", &id); n == 1 && id >= 1 && id <= len(s.o.Profile.Nodes) {
			peer = s.o.Profile.Nodes[id-1].Name
		}
		if m := linkWords.FindStringSubmatch(line); m != nil && peer != "" {
			link, _ := strconv.Atoi(m[1])
			mtu, _ := strconv.Atoi(m[3])
			v.Links = append(v.Links, report.Corosync{Node: s.o.Node, Peer: peer, Link: link, Connected: m[2] != "", MTU: mtu})
			seen[fmt.Sprint(peer, link)] = true
		}
	}
	// The tool does not list a dead peer at all.
	for _, n := range s.o.Profile.Others(s.o.Node) {
		for link := range 2 {
			if !seen[fmt.Sprint(n.Name, link)] {
				v.Links = append(v.Links, report.Corosync{Node: s.o.Node, Peer: n.Name, Link: link})
			}
		}
	}
	return v, nil
}

// cut resets this machine, once for each run of the acceptance, and only if
// this node itself has been told beforehand that it is the victim.
func (s *Accept) cut(_ context.Context, run string) (any, error) {
	rec, err := s.load()
	if err != nil {
		return nil, err
	}
	switch {
	case rec == nil || rec.Run != run || rec.Cut == nil || rec.Cut.Victim != s.o.Node:
		return nil, fmt.Errorf("%s was not told beforehand that its power is cut, and goes on", s.o.Node)
	case !s.o.Profile.Acceptance.PowerCut:
		return nil, fmt.Errorf("the profile of %s does not consent to a power cut", s.o.Node)
	case rec.Cut.Boot != s.bootID():
		return nil, fmt.Errorf("%s has started anew since the power cut was announced: it is not cut again", s.o.Node)
	}
	if done, err := s.o.Host.Files.ReadFile(cutFile); err == nil && strings.TrimSpace(string(done)) == run {
		return nil, fmt.Errorf("%s has reset itself for this acceptance already", s.o.Node)
	}
	if err := s.o.Host.Files.WriteFile(cutFile, []byte(run+"\n"), 0o600); err != nil {
		return nil, err
	}
	return nil, s.o.Host.Files.WriteDirect(sysrqTrigger, []byte("b"))
}
