package bindings

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Limits of a document that came from outside.
const (
	MaxNodes      = 16
	MaxStatements = 1024
)

// Set is what all nodes agreed on at the gate.
type Set struct {
	Enrolments map[string]Enrolment `json:"enrolments"`
}

// Hash identifies a set.
func (s Set) Hash() string {
	sum := sha256.New()
	for _, node := range slices.Sorted(maps.Keys(s.Enrolments)) {
		e := s.Enrolments[node]
		fmt.Fprintf(sum, "%s %x %x\n", node, sha256.Sum256(e.Own), sha256.Sum256(e.Voucher))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Sign is a node's agreement to a set.
func (s Set) Sign(key ed25519.PrivateKey) []byte { return ed25519.Sign(key, s.text()) }

func (s Set) text() []byte { return []byte("ringboot set 1\x00" + s.Hash()) }

// Kinds of statements.
const (
	Bind   = "bind"   // another machine takes the node's place, or an added node comes
	Renew  = "renew"  // the node has another key of its own
	Revoke = "revoke" // no key of the node counts until another machine is bound
)

// Statement changes one node's binding. It is signed by a key that is bound
// when it is made.
type Statement struct {
	Kind       string    `json:"kind"`
	Node       string    `json:"node"`
	Generation int       `json:"generation"` // one more than that of the binding that it changes
	Enrolment  Enrolment `json:"enrolment,omitzero"`
	Key        []byte    `json:"key,omitempty"` // of a renewal
	By         string    `json:"by"`
	At         time.Time `json:"at"`
	Word       []byte    `json:"word"` // signature of By's key over all of the above
}

func (s Statement) text() []byte {
	s.Word = nil
	text, err := json.Marshal(s)
	if err != nil {
		return nil // a struct of strings, numbers and bytes has a JSON form
	}
	return append([]byte("ringboot statement 1\x00"), text...)
}

// Signed returns the statement with the word of a key.
func (s Statement) Signed(key ed25519.PrivateKey) Statement {
	s.At = s.At.UTC().Truncate(time.Second)
	s.Word = ed25519.Sign(key, s.text())
	return s
}

// before orders two statements of one node and generation: what takes a key
// away counts more than what gives another, another machine more than a new
// key of the old one, and else the smaller one counts, the same on every node.
func (s Statement) before(o Statement) bool {
	rank := []string{Revoke, Bind, Renew}
	if a, b := slices.Index(rank, s.Kind), slices.Index(rank, o.Kind); a != b {
		return a < b
	}
	return s.Kind != Revoke && bytes.Compare(s.text(), o.text()) < 0
}

// Bound is the binding of one node.
type Bound struct {
	Key        ed25519.PublicKey
	Number     int // of the voucher behind it
	Generation int
	Revoked    bool
	since      Statement // that made it so; zero for the set
}

// documentVersion is the form of a document.
const documentVersion = 1

// Document is all that is known of the bindings of a cluster, with its proofs.
type Document struct {
	Version    int               `json:"version"` // 1
	Set        Set               `json:"set"`
	Signatures map[string][]byte `json:"signatures"` // of every node of the set
	Statements []Statement       `json:"statements,omitempty"`
}

// Verify checks a document down to the CA, for the nodes of a plan, and returns
// the bindings that follow from it. Those that were added to the formed cluster
// did not agree to the set: one is bound once a member has admitted it.
func (d Document) Verify(ca *x509.Certificate, nodes []string, added ...string) (map[string]Bound, error) {
	if d.Version != documentVersion {
		return nil, fmt.Errorf("the bindings have version %d, here %d", d.Version, documentVersion)
	}
	if len(d.Set.Enrolments) > MaxNodes || len(d.Statements) > MaxStatements {
		return nil, errors.New("the bindings are longer than any that a cluster has")
	}
	state, err := d.Set.verify(ca, slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return slices.Contains(added, n) }))
	if err != nil {
		return nil, err
	}
	for node, b := range state {
		if !ed25519.Verify(b.Key, d.Set.text(), d.Signatures[node]) {
			return nil, fmt.Errorf("%s did not agree to the bindings", node)
		}
	}
	for i, s := range d.Statements {
		if err := apply(state, s, ca, added); err != nil {
			return nil, fmt.Errorf("statement %d: %w", i+1, err)
		}
	}
	return state, nil
}

func (s Set) verify(ca *x509.Certificate, nodes []string) (map[string]Bound, error) {
	state := map[string]Bound{}
	for _, node := range nodes {
		e, ok := s.Enrolments[node]
		if !ok {
			return nil, fmt.Errorf("the bindings lack %s", node)
		}
		c, err := e.Verify(ca)
		if err != nil {
			return nil, err
		}
		if c.Node != node {
			return nil, fmt.Errorf("the bindings have the key of %s for %s", c.Node, node)
		}
		state[node] = Bound{Key: c.Key, Number: c.Number}
	}
	if len(s.Enrolments) != len(nodes) {
		return nil, fmt.Errorf("the bindings have %d nodes, the plan has %d", len(s.Enrolments), len(nodes))
	}
	return state, nil
}

// apply brings a statement into the state, if it is sound there.
func apply(state map[string]Bound, s Statement, ca *x509.Certificate, added []string) error {
	now, ok := state[s.Node]
	if !ok && !(s.Kind == Bind && slices.Contains(added, s.Node)) {
		return fmt.Errorf("%s is no node of the bindings", s.Node)
	}
	by, ok := state[s.By]
	switch {
	case !ok || by.Revoked:
		return fmt.Errorf("%s has no key that counts", s.By)
	case s.Generation != now.Generation+1:
		return fmt.Errorf("it changes generation %d of %s, which is at %d", s.Generation-1, s.Node, now.Generation)
	case !ed25519.Verify(by.Key, s.text(), s.Word):
		return fmt.Errorf("it is not signed by %s", s.By)
	}
	next, err := s.gives(now, ca)
	if err != nil {
		return err
	}
	state[s.Node] = next
	return nil
}

// gives is what a statement makes of a node's binding.
func (s Statement) gives(now Bound, ca *x509.Certificate) (Bound, error) {
	next := Bound{Generation: s.Generation, Number: now.Number, since: s}
	switch s.Kind {
	case Revoke:
		if s.By == s.Node {
			return Bound{}, fmt.Errorf("%s cannot revoke itself", s.Node)
		}
		next.Key, next.Revoked = now.Key, true
	case Renew:
		if s.By != s.Node || now.Revoked || len(s.Key) != ed25519.PublicKeySize {
			return Bound{}, fmt.Errorf("only %s itself, with a key that counts, renews its key", s.Node)
		}
		next.Key = s.Key
	case Bind:
		c, err := s.Enrolment.Verify(ca)
		switch {
		case err != nil:
			return Bound{}, err
		case s.By == s.Node || c.Node != s.Node:
			return Bound{}, fmt.Errorf("another node gives the place of %s away", s.Node)
		case c.Number <= now.Number:
			return Bound{}, fmt.Errorf("voucher %d of %s is not newer than %d", c.Number, s.Node, now.Number)
		}
		next.Key, next.Number = c.Key, c.Number
	default:
		return Bound{}, fmt.Errorf("nobody knows a statement of kind %q", s.Kind)
	}
	return next, nil
}

// merge adds what another copy of the document has and this one lacks. What is
// not sound here is left out.
func (d Document) merge(o Document, ca *x509.Certificate, nodes, added []string) (Document, map[string]Bound, error) {
	state, err := d.Verify(ca, nodes, added...)
	if err != nil {
		return d, nil, err
	}
	if o.Set.Hash() != d.Set.Hash() {
		return d, state, errors.New("the bindings of that node begin with another set of keys")
	}
	if len(o.Statements) > MaxStatements {
		return d, state, errors.New("the bindings are longer than any that a cluster has")
	}
	for _, s := range o.Statements {
		if slices.ContainsFunc(d.Statements, func(have Statement) bool { return bytes.Equal(have.text(), s.text()) }) {
			continue
		}
		next := d
		next.Statements = append(slices.Clone(d.Statements), s)
		if now := state[s.Node]; now.Generation > 0 && s.Generation == now.Generation && s.before(now.since) {
			// Two nodes changed one binding at a time: all take the same one.
			next.Statements = slices.DeleteFunc(slices.Clone(d.Statements), func(have Statement) bool {
				return have.Node == s.Node && have.Generation >= s.Generation
			})
			next.Statements = append(next.Statements, s)
		}
		if after, err := next.Verify(ca, nodes, added...); err == nil {
			d, state = next, after
		}
	}
	return d, state, nil
}
