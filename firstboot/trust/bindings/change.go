package bindings

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// Admission is root's consent on a member that another machine may take the
// place of one node.
type Admission struct {
	Node        string    `json:"node"`
	Fingerprint string    `json:"fingerprint,omitempty"` // of the machine's key; "": the first with a newer voucher
	Until       time.Time `json:"until"`
}

// Admit opens the place of one node to one machine, for AdmitFor. It returns
// the fingerprint of a machine that waits for it, or "".
func (b *Book) Admit(node, fingerprint string) (Admission, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.state[node]
	switch {
	case b.state == nil:
		return Admission{}, "", errors.New("the nodes are not bound yet: while the cluster is being formed nobody needs to be admitted")
	case !ok && !slices.Contains(b.added, node) || node == b.self:
		return Admission{}, "", fmt.Errorf("%q is no other node of this cluster", node)
	}
	waits := ""
	if p, ok := b.pending[node]; ok && p.claim.Number > s.Number && b.now().Sub(p.at) < AdmitFor {
		waits = Fingerprint(p.claim.Key)
	}
	a := Admission{Node: node, Fingerprint: fingerprint, Until: b.now().Add(AdmitFor).UTC().Truncate(time.Second)}
	text, err := json.Marshal(a)
	if err != nil {
		return a, waits, err
	}
	if err := b.files.WriteFile(AdmitFile, append(text, '\n'), 0o600); err != nil {
		return a, waits, fmt.Errorf("keep the consent: %w", err)
	}
	return a, waits, nil
}

// admits reports whether a consent for that node and key holds now.
func (b *Book) admits(node, fingerprint string) bool {
	var a Admission
	text, err := b.files.ReadFile(AdmitFile)
	if err != nil || json.Unmarshal(text, &a) != nil {
		return false
	}
	left := a.Until.Sub(b.now())
	return a.Node == node && left > 0 && left <= AdmitFor && (a.Fingerprint == "" || a.Fingerprint == fingerprint)
}

// Take binds the machine that was admitted, once, and uses the consent up.
func (b *Book) Take(node string, key ed25519.PrivateKey) (fingerprint string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.pending[node]
	if !ok || !b.admits(node, Fingerprint(p.claim.Key)) {
		return "", nil
	}
	if err := b.add(Statement{Kind: Bind, Node: node, Enrolment: p.enrolment}, key); err != nil {
		return "", err
	}
	delete(b.pending, node)
	if err := b.files.Remove(AdmitFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("use up the consent: %w", err)
	}
	return Fingerprint(p.claim.Key), nil
}

// Pending are the nodes whose place another machine wants.
func (b *Book) Pending() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for node := range b.pending {
		list = append(list, node)
	}
	slices.Sort(list)
	return list
}

// Revoke takes the key of a node away. which is the node's name or the
// fingerprint of its key.
func (b *Book) Revoke(which string, key ed25519.PrivateKey) (node string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, s := range b.state {
		if name == which || Fingerprint(s.Key) == which {
			node = name
		}
	}
	switch {
	case b.state == nil:
		return "", errors.New("the nodes are not bound yet: make new sticks instead (mkimage reissue NODE)")
	case node == "":
		return "", fmt.Errorf("%q is neither a node of this cluster nor the fingerprint of its key", which)
	case node == b.self:
		return "", fmt.Errorf("a node does not revoke itself: run it on another member")
	case b.state[node].Revoked:
		return node, nil
	}
	return node, b.add(Statement{Kind: Revoke, Node: node}, key)
}

// Renew binds this node to another key of its own. The new key must lie on the
// disk before.
func (b *Book) Renew(next ed25519.PublicKey, key ed25519.PrivateKey) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == nil {
		return errors.New("the nodes are not bound yet: there is nothing to renew")
	}
	return b.add(Statement{Kind: Renew, Node: b.self, Key: next}, key)
}

// add makes, checks and writes one statement of this node. The caller holds the lock.
func (b *Book) add(s Statement, key ed25519.PrivateKey) error {
	s.Generation, s.By, s.At = b.state[s.Node].Generation+1, b.self, b.now()
	d := b.doc
	d.Statements = append(slices.Clone(d.Statements), s.Signed(key))
	state, err := d.Verify(b.ca, b.nodes, b.added...)
	if err != nil {
		return err
	}
	return b.write(d, state)
}
