package pve

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Membership is /etc/pve/.members: what pmxcfs of this node believes. It is
// bare (no cluster name) on a node that is not in cluster mode.
type Membership struct {
	Node    string            `json:"nodename"`
	Cluster MembershipCluster `json:"cluster"`
	Nodes   map[string]Member `json:"nodelist"`
}

// MembershipCluster is the cluster's part of .members.
type MembershipCluster struct {
	Name    string `json:"name"`
	Version int    `json:"version"` // config_version that corosync runs with
	Nodes   int    `json:"nodes"`
	Quorate int    `json:"quorate"`
}

// Member is one node of .members. IP appears once its pmxcfs has synced.
type Member struct {
	ID     int    `json:"id"`
	Online int    `json:"online"`
	IP     string `json:"ip"`
}

// Synced reports whether pmxcfs of the named node is here and has synced.
func (m Membership) Synced(node string) bool {
	e, ok := m.Nodes[node]
	return ok && e.Online == 1 && e.IP != ""
}

// ParseMembers reads .members.
func ParseMembers(raw []byte) (Membership, error) {
	var m Membership
	if err := json.Unmarshal(raw, &m); err != nil {
		return Membership{}, fmt.Errorf("%s: %w", Members, err)
	}
	return m, nil
}

// Quorum is what corosync-quorumtool -s says.
type Quorum struct {
	Quorate  bool
	Expected int
	Total    int
	NodeID   int
	Members  []QuorumMember
}

// QuorumMember is one line of its membership.
type QuorumMember struct {
	ID, Votes int
	Name      string
	Local     bool
}

// ParseQuorum reads the output of corosync-quorumtool -s or the lower part of
// pvecm status; ids may be decimal or hexadecimal.
func ParseQuorum(text []byte) (Quorum, error) {
	var q Quorum
	seen, table := false, false
	for _, line := range strings.Split(string(text), "\n") {
		key, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.TrimSpace(line) == "Nodeid      Votes Name":
			table = true
		case table:
			f := strings.Fields(line)
			if len(f) < 3 {
				continue
			}
			id, err1 := strconv.ParseInt(f[0], 0, 32)
			votes, err2 := strconv.Atoi(f[1])
			if err1 != nil || err2 != nil {
				return Quorum{}, fmt.Errorf("membership line %q is not understood", line)
			}
			q.Members = append(q.Members, QuorumMember{ID: int(id), Votes: votes, Name: f[2], Local: len(f) > 3 && f[3] == "(local)"})
		case !ok:
		case key == "Quorate":
			q.Quorate, seen = value == "Yes", true
		case key == "Expected votes":
			q.Expected, _ = strconv.Atoi(value)
		case key == "Total votes":
			q.Total, _ = strconv.Atoi(value)
		case key == "Node ID":
			id, err := strconv.ParseInt(value, 0, 32)
			if err != nil {
				return Quorum{}, fmt.Errorf("node id %q is no number", value)
			}
			q.NodeID = int(id)
		}
	}
	if !seen {
		return Quorum{}, fmt.Errorf("corosync-quorumtool says nothing of quorum: %q", strings.TrimSpace(string(text)))
	}
	return q, nil
}

// Neighbour is one other node as corosync-cfgtool -n shows it. A dead node is
// not shown at all.
type Neighbour struct {
	ID        int
	Reachable bool
	Links     []NeighbourLink
}

// NeighbourLink is one link to it.
type NeighbourLink struct {
	Number    int    `json:"number"`
	From      string `json:"from"`
	To        string `json:"to"`
	Connected bool   `json:"connected"`
	MTU       int    `json:"mtu"`
}

// ParseNeighbours reads corosync-cfgtool -n.
func ParseNeighbours(text []byte) ([]Neighbour, error) {
	var list []Neighbour
	for _, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[0] == "nodeid:":
			id, err := strconv.Atoi(f[1])
			if err != nil {
				return nil, fmt.Errorf("node id in %q is no number", line)
			}
			list = append(list, Neighbour{ID: id, Reachable: f[2] == "reachable"})
		case len(f) >= 4 && f[0] == "LINK:":
			link, err := parseLink(f)
			if err != nil || len(list) == 0 {
				return nil, fmt.Errorf("link line %q is not understood", line)
			}
			list[len(list)-1].Links = append(list[len(list)-1].Links, link)
		}
	}
	return list, nil
}

// parseLink reads: LINK: 0 udp (a->b) enabled connected mtu: 1397
func parseLink(f []string) (NeighbourLink, error) {
	var l NeighbourLink
	var err error
	if l.Number, err = strconv.Atoi(f[1]); err != nil {
		return l, err
	}
	l.From, l.To, _ = strings.Cut(strings.Trim(f[3], "()"), "->")
	for i, word := range f[4:] {
		switch word {
		case "connected":
			l.Connected = true
		case "mtu:":
			if i+5 < len(f) {
				l.MTU, err = strconv.Atoi(f[i+5])
			}
		}
	}
	return l, err
}
