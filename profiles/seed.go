package profiles

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Where a node keeps what the builder gave it. The seed package installs the
// directory with mode 0700 and its files with mode 0600.
const (
	SeedDir     = "/etc/ringboot"
	SeedFile    = SeedDir + "/seed.json"
	ProfileFile = SeedDir + "/profile.yaml"
	CAFile      = SeedDir + "/ca.crt"
	CertFile    = SeedDir + "/node.crt"
	KeyFile     = SeedDir + "/node.key"
)

// OwnFile is where a node keeps the key that it made itself, for root alone.
// Once the nodes are bound to such keys, what KeyFile held is gone.
const OwnFile = "/var/lib/ringboot/own.json"

// SeedVersion is the version of SeedFile that is written and read.
const SeedVersion = 1

// Seed is what makes one node different from its peers: the content of
// SeedFile. It is written by the builder and read by the agent.
type Seed struct {
	Version   int    `json:"version"`    // 1
	Node      string `json:"node"`       // name in the profile
	ClusterID string `json:"cluster_id"` // see ClusterID
	Plan      Hashes `json:"plan"`
	// Peers holds the public key of every node's certificate (Ed25519, 32 bytes,
	// unpadded URL-safe base64), so that signed discovery records can be checked
	// before the first connection. A node that is missing here is checked once it
	// has proved itself over TLS.
	Peers map[string]string `json:"peers,omitempty"`
	// Issues holds the number of every node's newest voucher, where it is not the
	// first: a stick of an earlier issue is refused.
	Issues map[string]int `json:"issues,omitempty"`
	// Grown is the word of the cluster's CA for a plan with nodes that came to the
	// formed cluster: see VerifyGrown. Without it no such node counts.
	Grown []byte `json:"grown,omitempty"`
	// Driven nodes do not work through the plan by themselves: they keep ring and
	// channel, and each step waits until somebody asks for it (firstboot apply).
	Driven   bool `json:"driven,omitempty"`
	Practice bool `json:"practice,omitempty"` // made from a practice ISO, not from Proxmox VE
}

// Hashes identify what was decided before the first byte was written.
type Hashes struct {
	Cluster string `json:"cluster"` // names, addresses, networks, versions, policy: must be equal on all nodes
	Node    string `json:"node"`    // disks and NICs of this node: may change when a machine is replaced
}

// ClusterID derives the cluster's id from its CA certificate (DER): the first
// 16 hexadecimal digits of the SHA-256 sum. Two clusters of one name differ in it.
func ClusterID(caDER []byte) string {
	sum := sha256.Sum256(caDER)
	return hex.EncodeToString(sum[:8])
}

// PlanHashes returns the two hashes of a node's plan. The profile must be
// resolved (defaults applied, key files read).
func (p *Profile) PlanHashes(node string) (Hashes, error) {
	n, ok := p.Node(node)
	if !ok {
		return Hashes{}, fmt.Errorf("node %q is not in the profile", node)
	}
	shared := *p
	shared.Nodes = make([]Node, len(p.Nodes))
	for i, other := range p.Nodes {
		// What may change with the machine stays out of the cluster's part.
		shared.Nodes[i] = Node{Name: other.Name, Address: other.Address, Ring: other.Ring, Added: other.Added}
	}
	own := Profile{Nodes: []Node{n}}
	var out Hashes
	var err error
	if out.Cluster, err = shared.hash(); err != nil {
		return Hashes{}, err
	}
	out.Node, err = own.hash()
	return out, err
}

// hash is the same for a profile and for what is read back of it: an empty
// list and one that is left out do not differ.
func (p *Profile) hash() (string, error) {
	tree, err := p.Tree()
	if err != nil {
		return "", err
	}
	if proxmox, ok := tree["proxmox"].(map[string]any); ok && proxmox["update"] == UpdateLatest {
		delete(proxmox, "update") // seeds from before this key keep their plan
	}
	if acceptance, ok := tree["acceptance"].(map[string]any); ok && acceptance["power_cut"] == string(ConsentAsk) {
		acceptance["power_cut"] = false // what was left out meant before; the victim goes by its own profile
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return "", fmt.Errorf("hash plan: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
