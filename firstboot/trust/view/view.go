// Package view turns what was heard and asked into one picture of a cluster:
// its nodes with their states, its ring, its last events and one verdict. It
// draws the picture as text, as lines for a log, as a card for a console and
// as a page. It asks nobody and decides nothing.
package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/discovery"
	"ringboot/firstboot/trust"
)

// Version of the picture's JSON form.
const Version = 1

// PhaseFormed is the phase of a node that has nothing left to do.
const PhaseFormed = "formed"

// Overall states of a picture.
const (
	StateEmpty   = "empty"   // nobody was heard
	StateStopped = "stopped" // a person must decide something
	StateWaiting = "waiting" // a node waits, or is missing
	StateWorking = "working"
	StateFormed  = "formed"
)

// Picture is one cluster at one moment.
type Picture struct {
	Version  int       `json:"version"`
	Cluster  string    `json:"cluster"`
	Time     time.Time `json:"time"`
	State    string    `json:"state"`
	Verdict  string    `json:"verdict"`
	Verified bool      `json:"verified"` // all that is shown came from the nodes themselves
	Nodes    []Node    `json:"nodes"`
	Links    []Link    `json:"links"`
	Risks    []string  `json:"risks,omitempty"`
	Events   []Event   `json:"events,omitempty"` // last ones, oldest first
}

// Node is one node as seen from where the picture is made.
type Node struct {
	Name      string      `json:"name"`
	Address   string      `json:"address"`
	Seen      trust.State `json:"seen"`
	Reachable trust.State `json:"reachable"`
	Trusted   trust.State `json:"trusted"`
	Member    trust.State `json:"member"`
	Asked     bool        `json:"asked"`    // it answered for itself over the trusted channel
	Verified  bool        `json:"verified"` // its record's signature was checked, or it was asked
	Note      string      `json:"note,omitempty"`
	Phase     string      `json:"phase,omitempty"`
	Step      int         `json:"step,omitempty"`
	Steps     int         `json:"steps,omitempty"`
	Since     time.Time   `json:"since,omitzero"`
	Waiting   string      `json:"waiting,omitempty"`
	Stopped   bool        `json:"stopped,omitempty"`
	Plan      string      `json:"plan,omitempty"`
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
}

// Event is one line of some node's history.
type Event struct {
	Time time.Time `json:"time"`
	Node string    `json:"node"`
	Text string    `json:"text"`
}

// Sources are what a picture is made of. Each may be empty.
type Sources struct {
	Cluster string                      // name or id
	Nodes   []string                    // names of the profile, in its order
	Heard   map[string]discovery.Peer   // by multicast
	Asked   map[string]trust.Status     // answered for themselves
	States  map[string]trust.PeerStatus // seen, reachable and trusted as found from here
	Notes   []string                    // what was heard and is not believed
	Keyring bool                        // nodes can be asked and signatures checked
	Silence string                      // why nothing can be heard
	Now     time.Time
}

// shownEvents is how many events a picture keeps.
const shownEvents = 8

// New makes the picture.
func New(s Sources) Picture {
	p := Picture{Version: Version, Cluster: clean(s.Cluster), Time: s.Now, Verified: true}
	for _, name := range s.names() {
		n := s.node(name)
		p.Verified = p.Verified && (n.Verified || !n.Seen.OK)
		p.Nodes = append(p.Nodes, n)
	}
	p.Links = links(s, p.Nodes)
	p.Events = events(s.Asked)
	p.Risks = risks(s, p)
	p.State, p.Verdict = verdict(s, p)
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
func (s Sources) node(name string) Node {
	n := Node{Name: clean(name)}
	heard, isHeard := s.Heard[name]
	if isHeard {
		r := heard.Record
		n.Phase, n.Step, n.Steps, n.Waiting, n.Plan = r.Phase, r.Step, r.Steps, clean(r.Waiting), r.Plan
		n.Since, n.Verified, n.Note = time.Time{}, heard.Verified, clean(heard.Clash)
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
	if at := s.States[name].Address; at != "" {
		n.Address = strings.TrimSuffix(clean(at), ":8643")
	}
	n.Member = s.member(name)
	if a, ok := s.Asked[name]; ok {
		n.Asked, n.Verified = true, true
		n.Phase, n.Step, n.Steps, n.Since = clean(a.Phase), a.Step, a.Steps, a.Since
		n.Waiting, n.Stopped, n.Plan = clean(a.Waiting), a.Stopped, a.Plan
	}
	return n
}

// found are the first three states, as this place finds them.
func (s Sources) found(name string, heard discovery.Peer, isHeard bool) (seen, reachable, trusted trust.State) {
	if st, ok := s.States[name]; ok {
		seen, reachable, trusted = st.Seen, st.Reachable, st.Trusted
	} else {
		reachable.Why, trusted.Why = "not asked: no keyring", "not asked: no keyring"
	}
	switch {
	case s.States[name].Seen.OK:
	case isHeard && heard.Alive:
		seen = trust.State{OK: true}
	case isHeard:
		seen = trust.State{Why: fmt.Sprintf("no record for %s", age(s.Now.Sub(heard.Last)))}
	case seen.Why == "":
		seen = trust.State{Why: "no record of it was heard"}
	}
	if _, ok := s.Asked[name]; ok {
		reachable, trusted = trust.State{OK: true}, trust.State{OK: true}
	}
	return seen, reachable, trusted
}

// member is what the other nodes say of it.
func (s Sources) member(name string) trust.State {
	out := trust.State{Why: "no node says so"}
	if len(s.Asked) == 0 {
		out.Why = "not asked"
	}
	for _, other := range s.names() {
		for _, p := range s.Asked[other].Peers {
			if p.Node == name && p.Member.OK {
				return trust.State{OK: true}
			}
			if p.Node == name && p.Member.Why != "" {
				out.Why = clean(p.Member.Why)
			}
		}
	}
	return out
}

func events(asked map[string]trust.Status) []Event {
	var out []Event
	for node, status := range asked {
		for _, e := range status.Events {
			out = append(out, Event{e.Time, clean(node), clean(e.Text)})
		}
	}
	slices.SortStableFunc(out, func(a, b Event) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Node, b.Node))
	})
	return out[max(0, len(out)-shownEvents):]
}

func risks(s Sources, p Picture) []string {
	var out []string
	add := func(text string) {
		if text = clean(text); text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for _, name := range s.names() {
		for _, r := range s.Asked[name].Risks {
			add(name + ": " + r)
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

// verdict is the one line that says how it stands.
func verdict(s Sources, p Picture) (state, text string) {
	present, formed := 0, 0
	var missing []string
	var slowest *Node
	for i := range p.Nodes {
		n := &p.Nodes[i]
		there := n.Trusted.OK || !s.Keyring && n.Seen.OK
		if !there {
			missing = append(missing, n.Name+" ("+why(*n, s.Keyring)+")")
			continue
		}
		present++
		if n.Phase == PhaseFormed {
			formed++
			continue
		}
		if slowest == nil || n.Stopped && !slowest.Stopped || n.Stopped == slowest.Stopped && n.Step < slowest.Step {
			slowest = n
		}
	}
	total := len(p.Nodes)
	mark := ""
	if !p.Verified || !s.Keyring && present > 0 {
		mark = ", unverified"
	}
	switch {
	case present == 0 && s.Silence != "":
		return StateEmpty, "nothing can be heard: " + s.Silence
	case total == 0 || present == 0 && len(s.Heard) == 0 && len(s.Asked) == 0 && len(s.States) == 0:
		return StateEmpty, "no node was heard: are they switched on, and in this network?"
	case slowest != nil && slowest.Stopped:
		return StateStopped, fmt.Sprintf("stopped%s: %s needs a person: %s", mark, slowest.Name, slowest.Waiting)
	case len(missing) > 0:
		return StateWaiting, fmt.Sprintf("have %d/%d%s, missing %s", present, total, mark, strings.Join(missing, "; "))
	case slowest != nil && slowest.Waiting != "":
		return StateWaiting, fmt.Sprintf("have %d/%d%s, step %d of %d, %s at %s: %s", present, total, mark, slowest.Step, slowest.Steps, slowest.Phase, slowest.Name, slowest.Waiting)
	case slowest != nil:
		return StateWorking, fmt.Sprintf("have %d/%d%s, step %d of %d, %s at %s", present, total, mark, slowest.Step, slowest.Steps, slowest.Phase, slowest.Name)
	}
	if len(p.Risks) > 0 {
		return StateFormed, fmt.Sprintf("formed%s: %d of %d nodes, %s", mark, formed, total, plural(len(p.Risks), "risk"))
	}
	return StateFormed, fmt.Sprintf("formed%s: %d of %d nodes, no known risk", mark, formed, total)
}

// why a node is missing: the first of its states that is not so.
func why(n Node, keyring bool) string {
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

// Formed tells whether every node has nothing left to do.
func (p Picture) Formed() bool { return p.State == StateFormed }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// age writes a duration as short as a table wants it.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// clean keeps what a node says from steering the terminal that shows it.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x202e {
			return '.'
		}
		return r
	}, strings.ToValidUTF8(s, "."))
}
