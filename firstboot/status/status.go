// Package status is what a node says of itself: facts for the gate, steps, peers,
// ring, risks and events, as JSON forms with a version; and the one verdict on a
// cluster, with what to do, that follows from what all its nodes say. How it is
// drawn is in draw; who may read it is decided in trust.
package status

import (
	"time"
)

// Facts are what must be equal or sound on all nodes before anything
// cluster-wide happens.
type Facts struct {
	Node        string            `json:"node"`
	ClusterID   string            `json:"cluster_id"`
	PlanCluster string            `json:"plan_cluster"` // hash of the cluster's part
	PlanNode    string            `json:"plan_node"`
	BootID      string            `json:"boot_id"`
	Versions    map[string]string `json:"versions"`        // pve-manager, corosync, kernel, ringboot
	Time        time.Time         `json:"time"`            // wall clock when answered
	Synced      bool              `json:"synced"`          // chrony says so
	Guests      int               `json:"guests"`          // guests found on the node
	Cluster     string            `json:"cluster"`         // name of the Proxmox cluster it is in, or ""
	Ready       []string          `json:"ready"`           // steps that are done
	Trusts      []string          `json:"trusts"`          // peers that this node trusts at present
	Who         Who               `json:"who"`             // which keys it goes by
	Protocol    int               `json:"protocol"`        // what agents of different versions have in common
	Stuck       string            `json:"stuck,omitempty"` // why it has no newer packages
}

// Protocol is the form of what agents say to each other. Agents of one protocol
// may be of different versions.
const Protocol = 1

// Who is which key this node takes for each node's own.
type Who struct {
	Bound string            `json:"bound,omitempty"` // hash of the bindings that it has written down
	Keys  map[string]string `json:"keys,omitempty"`  // fingerprints of the keys that it saw proven
	Set   string            `json:"set,omitempty"`   // hash of their enrolments
	Word  []byte            `json:"word,omitempty"`  // its signature over them
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
	Settled   time.Time    `json:"settled,omitzero"`   // since when the builder has left it alone
	Drift     []Drift      `json:"drift,omitempty"`    // what differs from the plan, as it was last looked at
	Looked    time.Time    `json:"looked,omitzero"`    // when that was
	Events    []Event      `json:"events,omitempty"`   // last ones, oldest first
	Verdict   string       `json:"verdict"`            // one line
	Key       string       `json:"key,omitempty"`      // where the node's own key lies
	Bindings  string       `json:"bindings,omitempty"` // hash of the keys to which the nodes are bound, as this one has written it down
	// Acceptance is how the tests came out, once their report lies on the node.
	Acceptance *Acceptance `json:"acceptance,omitempty"`
	// HostKeys are the public keys of its sshd, as known_hosts has them: who asks
	// over the trusted channel needs to believe no first connection.
	HostKeys []string `json:"host_keys,omitempty"`
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
	Chain     string     `json:"chain,omitempty"` // node in the middle of a chain; empty: a ring, or no cables
	Whole     bool       `json:"whole"`           // both links of this node carry traffic
	Verdict   string     `json:"verdict"`         // one sentence
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
	LaneGbit  float64   `json:"lane_gbit,omitempty"` // speed of each, Gbit/s
	Slow      bool      `json:"slow,omitempty"`      // one lane, or lanes below their speed: the verdict says which
	RTT       float64   `json:"rtt_ms,omitempty"`    // of the last probes, milliseconds
	FullSize  bool      `json:"full_size"`           // a packet of the full MTU went both ways
	Proven    bool      `json:"proven"`              // alive and full size, both ways, since bring-up
	Free      bool      `json:"free,omitempty"`      // it needs no cable: of the end of a chain, whose other port has it
	Lost      uint64    `json:"lost"`                // probes lost since start
	Sent      uint64    `json:"sent"`
	Changes   uint64    `json:"changes"` // times the link went or came
	Since     time.Time `json:"since,omitzero"`
	Verdict   string    `json:"verdict,omitempty"` // one sentence when something is wrong
}

// Drift is one thing that differs from the plan on a settled node. It is told,
// and never undone by itself.
type Drift struct {
	Step   string    `json:"step"`
	Object string    `json:"object"`
	Have   string    `json:"have"`
	Want   string    `json:"want"`
	Since  time.Time `json:"since,omitzero"`
	Text   string    `json:"text"` // the sentence
}

// Event is one line of a node's history.
type Event struct {
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}
