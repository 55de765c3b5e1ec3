package profiles

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
)

// Added are the names of the nodes that came to the cluster when it had been
// formed, in the order in which they came.
func (p *Profile) Added() []string {
	var out []string
	for _, n := range p.Nodes {
		if n.Added {
			out = append(out, n.Name)
		}
	}
	return out
}

// added checks the mark of a node that came later.
func (c *checker) added(i int) {
	at := fmt.Sprintf("nodes[%d].added", i)
	switch n := c.p.Nodes[i]; {
	case !n.Added && i > 0 && c.p.Nodes[i-1].Added:
		c.At(at, "is left out, and the node before it was added to the formed cluster; nodes are added behind all others")
	case n.Added && i < fewestNodes:
		c.At(at, "says that %d nodes founded the cluster, and it takes %d; take it out", i, fewestNodes)
	}
}

// grownText is what the cluster's CA signs for a plan with added nodes: who is
// who, and where. It can be no certificate, which is DER.
func grownText(clusterID string, p *Profile) []byte {
	nodes := make([]string, len(p.Nodes))
	for i, n := range p.Nodes {
		nodes[i] = fmt.Sprintf("%s %s %s %t", n.Name, n.Address, n.Ring, n.Added)
	}
	text, err := json.Marshal(nodes)
	if err != nil {
		return nil // strings have a JSON form
	}
	return append([]byte("ringboot grown plan 1\x00"+clusterID+"\x00"), text...)
}

// SignGrown gives the CA's word for the plan, if nodes were added in it.
func (s *Seed) SignGrown(p *Profile, ca ed25519.PrivateKey) {
	if len(p.Added()) > 0 {
		s.Grown = ed25519.Sign(ca, grownText(s.ClusterID, p))
	}
}

// ErrNotGrown says that a plan has added nodes, and not the word of the CA.
var ErrNotGrown = errors.New("the plan has added nodes, and the word of the cluster's keyring for them is missing, or for others: write the file with mkimage seed, where the images were made")

// VerifyGrown holds a plan with added nodes against the CA's word.
func (s Seed) VerifyGrown(p *Profile, ca ed25519.PublicKey) error {
	if len(p.Added()) > 0 && (len(ca) != ed25519.PublicKeySize || !ed25519.Verify(ca, grownText(s.ClusterID, p), s.Grown)) {
		return ErrNotGrown
	}
	return nil
}
