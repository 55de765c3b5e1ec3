package draw

import (
	"fmt"
	"slices"

	"ringboot/discovery"
	"ringboot/firstboot/status"
)

// end is one end of a cable, as the node there sees it.
type end struct {
	node, port     string
	peer, peerPort string
	state          string
	mbit           int
	why            string
}

// links pairs the ends that the nodes tell of. Between three nodes there are
// three cables, and one that nobody tells of is shown as missing.
func links(s Sources, nodes []NodeView) []Link {
	var ends []end
	for _, n := range nodes {
		if status, ok := s.Asked[n.Name]; ok {
			for _, p := range status.Ring.Ports {
				if p.Free {
					continue
				}
				ends = append(ends, askedEnd(n.Name, p))
			}
			continue
		}
		if heard, ok := s.Heard[n.Name]; ok && heard.Alive {
			for _, p := range heard.Record.Neighbours {
				ends = append(ends, heardEnd(n.Name, p))
			}
		}
	}
	var out []Link
	for _, e := range ends {
		if e.peer == "" || !slices.ContainsFunc(nodes, func(n NodeView) bool { return n.Name == e.peer }) {
			continue
		}
		if i := slices.IndexFunc(out, func(l Link) bool { return joins(l, e) }); i >= 0 {
			out[i] = second(out[i], e)
			continue
		}
		l := Link{A: e.node, APort: status.Clean(e.port), B: status.Clean(e.peer), BPort: status.Clean(e.peerPort), State: e.state, Mbit: e.mbit, Why: status.Clean(e.why)}
		if l.State == LinkUp {
			l.State, l.Why = LinkUnproven, "the other end has not said so"
		}
		out = append(out, l)
	}
	if len(nodes) == 3 {
		out = complete(out, ends, nodes, s.middle())
	}
	return out
}

// middle is the node in the middle of a chain, if a node tells of one.
func (s Sources) middle() string {
	for _, asked := range s.Asked {
		if asked.Ring.Chain != "" {
			return asked.Ring.Chain
		}
	}
	return ""
}

func askedEnd(node string, p status.RingPort) end {
	e := end{node: node, port: p.Name, peer: p.Peer, peerPort: p.PeerPort, state: LinkDown, mbit: p.SpeedMbit, why: p.Verdict}
	switch {
	case p.Proven:
		e.state = LinkUp
	case p.Alive:
		e.state = LinkUnproven
	}
	return e
}

func heardEnd(node string, p discovery.Neighbour) end {
	e := end{node: node, port: p.Port, peer: p.Node, state: LinkDown, mbit: p.Mbit}
	switch p.State {
	case "up":
		e.state = LinkUp
	case "unproven":
		e.state = LinkUnproven
	case "absent":
		e.why = p.Port + " is not there"
	}
	return e
}

// joins reports whether the end belongs to a link of which the other end is known.
func joins(l Link, e end) bool {
	return l.B == e.node && l.A == e.peer && (l.BPort == "" || l.BPort == e.port) && (e.peerPort == "" || e.peerPort == l.APort)
}

// second adds what the other end says: the worse of the two counts.
func second(l Link, e end) Link {
	l.BPort = status.Clean(e.port)
	switch {
	case l.State == LinkDown || e.state == LinkDown:
		l.State = LinkDown
	case l.Why == "the other end has not said so" && e.state == LinkUp:
		l.State, l.Why = LinkUp, ""
	default:
		l.State = LinkUnproven
	}
	if l.Why == "" || l.Why == "the other end has not said so" {
		l.Why = status.Clean(e.why)
	}
	if e.mbit != 0 && (l.Mbit == 0 || e.mbit < l.Mbit) {
		l.Mbit = e.mbit
	}
	return l
}

// complete adds the cables of three nodes that nobody tells of. Between the ends
// of a chain there is none: they say so, or have no port for it.
func complete(out []Link, ends []end, nodes []NodeView, middle string) []Link {
	for i := range nodes {
		a, b := nodes[i].Name, nodes[(i+1)%3].Name
		if middle != "" && a != middle && b != middle || taken(ends, a) && taken(ends, b) {
			continue
		}
		if slices.ContainsFunc(out, func(l Link) bool { return l.A == a && l.B == b || l.A == b && l.B == a }) {
			continue
		}
		l := Link{A: a, B: b, State: LinkUnknown, Why: "neither end says anything"}
		for _, e := range ends {
			if e.peer == "" && (e.node == a || e.node == b) && e.why != "" {
				l.State, l.Why = LinkDown, status.Clean(e.why)
			} else if e.peer == "" && (e.node == a || e.node == b) && l.State == LinkUnknown {
				l.State, l.Why = LinkDown, fmt.Sprintf("%s finds nobody at %s", e.node, status.Clean(e.port))
			}
		}
		out = append(out, l)
	}
	return out
}

// taken reports whether a node tells of its ports, and each leads to another node.
func taken(ends []end, node string) bool {
	own := slices.DeleteFunc(slices.Clone(ends), func(e end) bool { return e.node != node })
	return len(own) > 0 && !slices.ContainsFunc(own, func(e end) bool { return e.peer == "" })
}

// Grades of a cable that are not good, in the words of the report.
const (
	gradeSlow = "slow"
	gradeBad  = "bad"
)

// speed of a link in words.
func (l Link) speed() string {
	switch {
	case l.State == "":
		return ""
	case l.State == LinkDown:
		return "DOWN"
	case l.State == LinkUnknown:
		return "unknown"
	case l.Mbit == 0 && l.Gbit == 0 && l.State == LinkUp:
		return "up"
	case l.Mbit == 0 && l.State != LinkUp:
		return "unproven"
	}
	if l.Gbit > 0 && l.State == LinkUp {
		text := fmt.Sprintf("%.3g Gbit/s", l.Gbit) // measured
		if l.Grade == gradeSlow || l.Grade == gradeBad {
			text += ", " + l.Grade
		}
		return text
	}
	text := fmt.Sprintf("%.3g Gbit/s", float64(l.Mbit)/1000)
	if l.State == LinkUnproven {
		text += " unproven"
	}
	return text
}
