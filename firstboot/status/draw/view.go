// Package draw turns what was heard and asked into one picture of a cluster:
// its nodes with their states, its ring, its last events and status's verdict. It
// draws the picture as text, as lines for a log, as a card for a console and
// as a page. It asks nobody and decides nothing.
package draw

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"ringboot/discovery"
	"ringboot/firstboot/status"
)

// Version of the picture's JSON form.
const Version = 2

// Picture is one cluster at one moment.
type Picture struct {
	Version  int        `json:"version"`
	Cluster  string     `json:"cluster"`
	Time     time.Time  `json:"time"`
	State    string     `json:"state"`            // one of the states of package status
	Verdict  string     `json:"verdict"`          // one sentence
	Do       string     `json:"do,omitempty"`     // what to do about it
	Since    time.Time  `json:"since,omitzero"`   // of the step that is under way
	Usual    int        `json:"usual_s,omitzero"` // how long it took in the rehearsal
	Verified bool       `json:"verified"`         // all that is shown came from the nodes themselves
	Nodes    []NodeView `json:"nodes"`
	Links    []Link     `json:"links"`
	Risks    []string   `json:"risks,omitempty"`
	Drift    []string   `json:"drift,omitempty"`  // what differs from the plan, by node; never an error
	Events   []Event    `json:"events,omitempty"` // last ones, oldest first
	// Acceptance is that of the newest report that a node tells of.
	Acceptance *status.Acceptance `json:"acceptance,omitempty"`
}

// NodeView is one node as seen from where the picture is made.
type NodeView struct {
	Name      string       `json:"name"`
	Address   string       `json:"address"`
	Seen      status.State `json:"seen"`
	Reachable status.State `json:"reachable"`
	Trusted   status.State `json:"trusted"`
	Member    status.State `json:"member"`
	Asked     bool         `json:"asked"`    // it answered for itself over the trusted channel
	Verified  bool         `json:"verified"` // its record's signature was checked, or it was asked
	Note      string       `json:"note,omitempty"`
	Phase     string       `json:"phase,omitempty"`
	Step      int          `json:"step,omitempty"`
	Steps     int          `json:"steps,omitempty"`
	Since     time.Time    `json:"since,omitzero"`
	Waiting   string       `json:"waiting,omitempty"`
	Stopped   bool         `json:"stopped,omitempty"`
	Working   bool         `json:"working,omitempty"` // its step goes on by itself
	Plan      string       `json:"plan,omitempty"`
	Page      string       `json:"page,omitempty"` // its status page
	Web       string       `json:"web,omitempty"`  // its management interface, once its cluster is formed
	Done      []Stage      `json:"plan_steps,omitempty"`
}

// Stage is one step of a node's plan.
type Stage struct {
	Name  string        `json:"name"`
	State string        `json:"state"`
	Took  time.Duration `json:"-"` // since the step before was done; 0: not known
}

// States of a link.
const (
	LinkUp       = "up"       // both ends say that traffic of full size passed
	LinkUnproven = "unproven" // alive, not proven by both ends
	LinkDown     = "down"
	LinkUnknown  = "unknown" // neither end says anything
)

// Link is one cable of the ring.
type Link struct {
	A     string `json:"a"`
	APort string `json:"a_port,omitempty"`
	B     string `json:"b"`
	BPort string `json:"b_port,omitempty"`
	State string `json:"state"`
	Mbit  int    `json:"mbit,omitempty"`
	Why   string `json:"why,omitempty"`
	// What the acceptance measured, once it did.
	Gbit  float64 `json:"measured_gbit,omitempty"`
	Grade string  `json:"grade,omitempty"`
}

// Event is one line of some node's history.
type Event struct {
	Time time.Time `json:"time"`
	Node string    `json:"node"`
	Text string    `json:"text"`
}

// Sources are what a picture is made of. Each may be empty.
type Sources struct {
	Cluster string                       // name or id
	Nodes   []string                     // names of the profile, in its order
	Heard   map[string]discovery.Peer    // by multicast
	Asked   map[string]status.Status     // answered for themselves
	States  map[string]status.PeerStatus // seen, reachable and trusted as found from here
	Notes   []string                     // what was heard and is not believed
	Keyring bool                         // nodes can be asked and signatures checked
	Silence string                       // why nothing can be heard
	LAN     map[string]string            // addresses of the nodes in the management network
	Page    int                          // port of the status pages; 0: not known, or there are none
	Now     time.Time
}

// shownEvents is how many events a picture keeps.
const shownEvents = 8

// New makes the picture.
func New(s Sources) Picture {
	p := Picture{Version: Version, Cluster: status.Clean(s.Cluster), Time: s.Now, Verified: true}
	for _, name := range s.names() {
		n := s.node(name)
		p.Verified = p.Verified && (n.Verified || !n.Seen.OK)
		p.Nodes = append(p.Nodes, n)
	}
	p.Links = links(s, p.Nodes)
	p.Events = events(s.Asked)
	p.Risks, p.Drift = risks(s, p), drift(s)
	p.Acceptance = acceptance(s)
	for i, l := range p.Links {
		if m, ok := p.Acceptance.Of(l.A, l.B); ok {
			p.Links[i].Gbit, p.Links[i].Grade = m.Gbit, m.Grade
		}
	}
	v := verdict(s, p)
	p.State, p.Verdict, p.Do, p.Since, p.Usual = v.State, v.Text(), v.Do, v.Since, int(v.Usual.Seconds())
	return p
}

// names are the profile's, or else all that were heard or asked.
func (s Sources) names() []string {
	if len(s.Nodes) > 0 {
		return s.Nodes
	}
	var out []string
	for name := range s.Heard {
		out = append(out, name)
	}
	for name := range s.Asked {
		if _, ok := s.Heard[name]; !ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// node puts together what is known of one node: what it says itself counts
// more than what was heard.
func (s Sources) node(name string) NodeView {
	n := NodeView{Name: status.Clean(name)}
	heard, isHeard := s.Heard[name]
	if isHeard {
		r := heard.Record
		n.Phase, n.Step, n.Steps, n.Waiting, n.Plan = r.Phase, r.Step, r.Steps, status.Clean(r.Waiting), r.Plan
		n.Since, n.Verified, n.Note = time.Time{}, heard.Verified, status.Clean(heard.Clash)
		if len(r.Addresses) > 0 {
			n.Address = r.Addresses[0].String()
		}
		if !heard.Verified && s.Keyring {
			n.Note = "unverified: " + heard.Why
		}
	}
	if !isHeard && s.States[name].Seen.OK {
		n.Verified = true // whoever found it seen has checked the signature
	}
	n.Seen, n.Reachable, n.Trusted = s.found(name, heard, isHeard)
	if at, ok := s.LAN[name]; ok {
		n.Address = at
	} else if at := s.States[name].Address; at != "" {
		n.Address = hostOf(status.Clean(at))
	}
	n.Member = s.member(name)
	if a, ok := s.Asked[name]; ok {
		n.Asked, n.Verified = true, true
		n.Phase, n.Step, n.Steps, n.Since = status.Clean(a.Phase), a.Step, a.Steps, a.Since
		n.Waiting, n.Stopped, n.Plan = status.Clean(a.Waiting), a.Stopped, a.Plan
		n.Working, n.Done = a.Known().Working, stagesOf(a.Plans)
	}
	if at, err := netip.ParseAddr(n.Address); err == nil {
		if s.Page > 0 {
			n.Page = fmt.Sprintf("https://%s/", netip.AddrPortFrom(at, uint16(s.Page)))
		}
		if n.Phase == status.PhaseFormed {
			n.Web = fmt.Sprintf("https://%s/", netip.AddrPortFrom(at, webPort))
		}
	}
	return n
}

// webPort is that of Proxmox VE's management interface.
const webPort = 8006

// hostOf is an address without its port.
func hostOf(at string) string {
	if host, _, err := net.SplitHostPort(at); err == nil {
		return host
	}
	return at
}

// found are the first three states, as this place finds them.
func (s Sources) found(name string, heard discovery.Peer, isHeard bool) (seen, reachable, trusted status.State) {
	if st, ok := s.States[name]; ok {
		seen, reachable, trusted = st.Seen, st.Reachable, st.Trusted
	} else {
		reachable.Why, trusted.Why = "not asked: no keyring", "not asked: no keyring"
	}
	switch {
	case s.States[name].Seen.OK:
	case isHeard && heard.Alive:
		seen = status.State{OK: true}
	case isHeard:
		seen = status.State{Why: fmt.Sprintf("no record for %s", status.Age(s.Now.Sub(heard.Last)))}
	case seen.Why == "":
		seen = status.State{Why: "no record of it was heard"}
	}
	if _, ok := s.Asked[name]; ok {
		reachable, trusted = status.State{OK: true}, status.State{OK: true}
	}
	return seen, reachable, trusted
}

// member is what the other nodes say of it.
func (s Sources) member(name string) status.State {
	out := status.State{Why: "no node says so"}
	if len(s.Asked) == 0 {
		out.Why = "not asked"
	}
	for _, other := range s.names() {
		for _, p := range s.Asked[other].Peers {
			if p.Node == name && p.Member.OK {
				return status.State{OK: true}
			}
			if p.Node == name && p.Member.Why != "" {
				out.Why = status.Clean(p.Member.Why)
			}
		}
	}
	return out
}

func events(asked map[string]status.Status) []Event {
	var out []Event
	for node, said := range asked {
		for _, e := range said.Events {
			out = append(out, Event{e.Time, status.Clean(node), status.Clean(e.Text)})
		}
	}
	slices.SortStableFunc(out, func(a, b Event) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Node, b.Node))
	})
	return out[max(0, len(out)-shownEvents):]
}

// drift is what differs from the plan on nodes that are settled.
func drift(s Sources) (out []string) {
	for _, name := range s.names() {
		for _, d := range s.Asked[name].Drift {
			out = append(out, status.Clean(name+": "+d.Text))
		}
	}
	return out
}

// risks are what is weak, each sentence once: in front of it are the nodes that say it.
func risks(s Sources, p Picture) []string {
	var out []string
	said := map[string][]string{} // which nodes, by what they say
	for _, name := range s.names() {
		for _, r := range s.Asked[name].Risks {
			said[r] = append(said[r], name)
		}
	}
	added := map[string]bool{"": true}
	add := func(text string) {
		if text = status.Clean(text); !added[text] {
			out, added[text] = append(out, text), true
		}
	}
	for _, name := range s.names() {
		for _, r := range s.Asked[name].Risks {
			add(strings.Join(said[r], ", ") + ": " + r)
		}
		add(s.Heard[name].Clash)
	}
	for _, n := range s.Notes {
		add(n)
	}
	plans := map[string]bool{}
	for _, n := range p.Nodes {
		if n.Plan != "" {
			plans[n.Plan[:min(16, len(n.Plan))]] = true
		}
	}
	if len(plans) > 1 {
		add("the nodes have different plans: make all images from one profile")
	}
	return out
}

// verdict is how the nodes stand, as they are known from here.
func verdict(s Sources, p Picture) status.Verdict {
	c := status.Cluster{Silence: s.Silence, Risks: len(p.Risks), Drift: len(p.Drift), Acceptance: p.Acceptance}
	for _, n := range p.Nodes {
		k := status.Known{Name: n.Name, Phase: n.Phase, Step: n.Step, Steps: n.Steps, Since: n.Since, Waiting: n.Waiting, Stopped: n.Stopped, Working: n.Working}
		if !n.Trusted.OK && (s.Keyring || !n.Seen.OK) {
			k.Missing = why(n, s.Keyring)
		}
		c.Nodes = append(c.Nodes, k)
	}
	c.Deaf = len(s.Heard) == 0 && len(s.Asked) == 0 && len(s.States) == 0
	c.Unverified = !p.Verified || !s.Keyring
	return c.Judge()
}

// why a node is missing: the first of its states that is not so.
func why(n NodeView, keyring bool) string {
	switch {
	case !keyring:
		return n.Seen.Why
	case !n.Reachable.OK && n.Seen.OK:
		return "seen, not reachable: " + n.Reachable.Why
	case !n.Reachable.OK:
		return "not seen, not reachable: " + n.Reachable.Why
	}
	return "not trusted: " + n.Trusted.Why
}

// Standing is how the cluster stands, with all that follows from it.
func (p Picture) Standing() status.Standing { return status.StandingOf(p.State) }

// Clock says for how long the present step has been under way, and what is usual.
func (p Picture) Clock() string {
	return status.Verdict{Standing: p.Standing(), Since: p.Since, Usual: time.Duration(p.Usual) * time.Second}.Clock(p.Time)
}
