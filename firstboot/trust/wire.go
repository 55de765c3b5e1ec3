// Package trust is the mutually authenticated channel between agents, and
// what may be asked over it.
//
// Every request runs over TLS 1.3 with both certificates checked against the
// cluster's CA and the expected node name. The package carries requests and
// answers; what a request does is decided by whoever registers its handler.
package trust

import (
	"context"
	"encoding/json"
	"time"
)

// Caller asks another agent. An implementation exists over TLS, and one in
// memory for tests of the steps.
type Caller interface {
	// Call sends in as JSON to the method of the named node and decodes the
	// answer into out. in and out may be nil.
	Call(ctx context.Context, node, method string, in, out any) error
}

// Handler answers one method. peer is the authenticated name of the asking
// node, or "" followed by the certificate's role for an operator ("operator").
type Handler func(ctx context.Context, peer string, in json.RawMessage) (any, error)

// Registry takes handlers. Method names are lower case with dots: cluster.serve.
type Registry interface {
	Handle(method string, h Handler)
}

// Methods that every agent answers. What a step needs beyond them, it names itself.
const (
	MethodHello  = "hello"
	MethodFacts  = "facts"
	MethodStatus = "status"
	MethodRing   = "ring"
	MethodReport = "report"
)

// Facts are what must be equal or sound on all nodes before anything
// cluster-wide happens.
type Facts struct {
	Node        string            `json:"node"`
	ClusterID   string            `json:"cluster_id"`
	PlanCluster string            `json:"plan_cluster"` // hash of the cluster's part
	PlanNode    string            `json:"plan_node"`
	BootID      string            `json:"boot_id"`
	Versions    map[string]string `json:"versions"` // pve-manager, corosync, kernel, ringboot
	Time        time.Time         `json:"time"`     // wall clock when answered
	Synced      bool              `json:"synced"`   // chrony says so
	Guests      int               `json:"guests"`   // guests found on the node
	Cluster     string            `json:"cluster"`  // name of the Proxmox cluster it is in, or ""
	Ready       []string          `json:"ready"`    // steps that are done
	Trusts      []string          `json:"trusts"`   // peers that this node trusts at present
}

// Status is how far a node is, as status, peers, the console and the status page show it.
type Status struct {
	Version   int          `json:"version"` // 1
	Node      string       `json:"node"`
	ClusterID string       `json:"cluster_id"`
	Agent     string       `json:"agent"` // version of the agent
	Plan      string       `json:"plan"`  // hash of the cluster's part
	PlanNode  string       `json:"plan_node"`
	Phase     string       `json:"phase"` // name of the first step that is not done, or "formed"
	Step      int          `json:"step"`  // its number, from 1
	Steps     int          `json:"steps"`
	Since     time.Time    `json:"since"` // since when it is in this phase
	Waiting   string       `json:"waiting,omitempty"`
	Stopped   bool         `json:"stopped,omitempty"`
	Plans     []StepStatus `json:"plan_steps"`
	Peers     []PeerStatus `json:"peers"`
	Ring      RingView     `json:"ring"`
	Risks     []string     `json:"risks,omitempty"`
	Events    []Event      `json:"events,omitempty"` // last ones, oldest first
	Verdict   string       `json:"verdict"`          // one line
}

// StepStatus is one step of the plan.
type StepStatus struct {
	Name   string    `json:"name"`
	State  string    `json:"state"` // done, todo, waiting, stopped, pending
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// PeerStatus holds the four separate states of a peer, each with the reason when it is not so.
type PeerStatus struct {
	Node      string    `json:"node"`
	Address   string    `json:"address"`
	Seen      State     `json:"seen"`
	Reachable State     `json:"reachable"`
	Trusted   State     `json:"trusted"`
	Member    State     `json:"member"`
	Phase     string    `json:"phase,omitempty"`
	Waiting   string    `json:"waiting,omitempty"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
}

// State is yes, or no and why.
type State struct {
	OK  bool   `json:"ok"`
	Why string `json:"why,omitempty"`
}

// RingView is the ring as one node sees it.
type RingView struct {
	Transport string     `json:"transport"`
	Whole     bool       `json:"whole"`   // both links of this node carry traffic
	Verdict   string     `json:"verdict"` // one sentence
	Ports     []RingPort `json:"ports"`
}

// RingPort is one port of the ring and the link behind it.
type RingPort struct {
	Name      string    `json:"name"`           // en05
	Present   bool      `json:"present"`        // there is such a network device
	Up        bool      `json:"up"`             // administratively
	Carrier   bool      `json:"carrier"`        // the far end is there
	Alive     bool      `json:"alive"`          // probes are answered
	Peer      string    `json:"peer,omitempty"` // node at the other end, as it said itself
	PeerPort  string    `json:"peer_port,omitempty"`
	MTU       int       `json:"mtu"`
	SpeedMbit int       `json:"speed_mbit,omitempty"`
	Lanes     int       `json:"lanes,omitempty"`
	RTT       float64   `json:"rtt_ms,omitempty"` // of the last probes, milliseconds
	FullSize  bool      `json:"full_size"`        // a packet of the full MTU went both ways
	Proven    bool      `json:"proven"`           // alive and full size, both ways, since bring-up
	Lost      uint64    `json:"lost"`             // probes lost since start
	Sent      uint64    `json:"sent"`
	Changes   uint64    `json:"changes"` // times the link went or came
	Since     time.Time `json:"since,omitzero"`
	Verdict   string    `json:"verdict,omitempty"` // one sentence when something is wrong
}

// Event is one line of a node's history.
type Event struct {
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}
