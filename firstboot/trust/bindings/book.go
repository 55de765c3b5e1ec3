package bindings

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"
)

// File is where a node keeps the bindings, and AdmitFile the consent that
// another machine may take a node's place.
const (
	File      = "/var/lib/ringboot/bindings.json"
	AdmitFile = "/var/lib/ringboot/admitted.json"
)

// AdmitFor is how long a consent holds.
const AdmitFor = 30 * time.Minute

// seenFor is how long a key that showed itself keeps a second one of the same
// name out, before anything is bound.
const seenFor = time.Minute

// Files is what a book needs of a disk.
type Files interface {
	ReadFile(path string) ([]byte, error)
	WriteFile(path string, content []byte, mode fs.FileMode) error
	Remove(path string) error
}

// Book knows the bindings of one cluster, on one node.
type Book struct {
	files Files
	ca    *x509.Certificate
	nodes []string
	added []string
	self  string
	path  string
	least map[string]int
	now   func() time.Time

	mu      sync.Mutex
	doc     Document
	state   map[string]Bound // nil: not agreed yet
	seen    map[string]sight // who showed itself while nothing is bound
	rival   map[string]sight // a second one that says the same name
	pending map[string]sight // refused, with a newer voucher: could be admitted
	changed func()
}

// sight is one enrolment that somebody proved to hold.
type sight struct {
	enrolment Enrolment
	claim     Claim
	at        time.Time
}

// Options say whose book it is.
type Options struct {
	Files   Files
	CA      *x509.Certificate
	Nodes   []string // of the plan
	Added   []string // of them: those that came to the formed cluster
	Self    string
	Path    string         // of the file; "": File
	Least   map[string]int // number of each node's newest voucher that is known; a lower one is refused
	Now     func() time.Time
	Changed func() // a binding changed; may be nil
}

// Open reads the book. A file that is damaged is an error: without it a used
// stick would count again.
func Open(o Options) (*Book, error) {
	b := &Book{files: o.Files, ca: o.CA, nodes: o.Nodes, added: o.Added, self: o.Self, path: o.Path, least: o.Least, now: o.Now, changed: o.Changed,
		seen: map[string]sight{}, rival: map[string]sight{}, pending: map[string]sight{}}
	if b.now == nil {
		b.now = time.Now
	}
	if b.path == "" {
		b.path = File
	}
	text, err := o.Files.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the bindings: %w", err)
	}
	if err := json.Unmarshal(text, &b.doc); err == nil {
		if b.doc.Version > documentVersion {
			return nil, fmt.Errorf("%s has version %d and this agent reads up to %d: a newer agent wrote it, install that one again", b.path, b.doc.Version, documentVersion)
		}
		b.state, err = b.doc.Verify(o.CA, o.Nodes, o.Added...)
		if err == nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%s is damaged (%w): copy it from another node of the cluster", b.path, errors.Join(err, b.damage(text)))
}

func (b *Book) damage(text []byte) error {
	var d Document
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	_, err := d.Verify(b.ca, b.nodes, b.added...)
	return err
}

// Agreed reports whether all nodes have agreed on the bindings.
func (b *Book) Agreed() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.state != nil }

// Bound returns the key to which a node is bound.
func (b *Book) Bound(node string) (ed25519.PublicKey, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.state[node]
	return s.Key, ok && !s.Revoked
}

// Counts returns the key that speaks for a node, once the nodes have agreed;
// nil where its key was revoked.
func (b *Book) Counts(node string) (key ed25519.PublicKey, agreed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.state[node]; b.state != nil && !s.Revoked {
		return s.Key, true
	}
	return nil, b.state != nil
}

// Hash identifies the bindings with all that has changed them; "" before they
// are agreed on.
func (b *Book) Hash() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == nil {
		return ""
	}
	var list []string
	for _, node := range slices.Sorted(maps.Keys(b.state)) {
		s := b.state[node]
		list = append(list, fmt.Sprintf("%s=%d:%s:%t", node, s.Generation, Fingerprint(s.Key), s.Revoked))
	}
	text, _ := json.Marshal(list) // strings
	return Fingerprint(ed25519.PublicKey(text))
}

// Document is the book with its proofs, as a peer may have it.
func (b *Book) Document() (Document, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.doc, b.state != nil
}

// Judge says whether a key, proven by whoever shows the enrolment, counts as
// that node's now.
func (b *Book) Judge(e Enrolment, key ed25519.PublicKey, node string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s, ok := b.state[node]; ok && !s.Revoked && key.Equal(s.Key) {
		return nil
	}
	c, err := e.Verify(b.ca)
	if err != nil {
		return err
	}
	if c.Node != node || !key.Equal(c.Key) {
		return fmt.Errorf("the key is not the one that was enrolled for %s", node)
	}
	if c.Number < b.least[node] {
		return fmt.Errorf("voucher %d of %s is not the newest (%d): a stick of an earlier issue", c.Number, node, b.least[node])
	}
	now := sight{e, c, b.now()}
	if b.state == nil {
		return b.first(now)
	}
	s, ok := b.state[node]
	switch {
	case !ok && !slices.Contains(b.added, node):
		return fmt.Errorf("%s is no node of this cluster", node)
	case c.Number <= s.Number && s.Revoked:
		return fmt.Errorf("the key of %s was revoked, and voucher %d is not newer than %d: make a new stick (mkimage reissue %s)", node, c.Number, s.Number, node)
	case c.Number <= s.Number:
		return fmt.Errorf("%s is bound to the key %s, and this is %s, enrolled from a stick that was used or copied (voucher %d): for another machine make a new stick (mkimage reissue %s)",
			node, Fingerprint(s.Key), Fingerprint(c.Key), c.Number, node)
	}
	b.pending[node] = now
	print := Fingerprint(c.Key)
	switch {
	case b.admits(node, print):
		return nil
	case !ok:
		return fmt.Errorf("%s (%s) is added to this cluster: on a member run sudo firstboot admit %s %s", node, print, node, print)
	}
	return fmt.Errorf("another machine (%s) wants the place of %s, which is bound to %s: on a member run sudo firstboot admit %s %s",
		print, node, Fingerprint(s.Key), node, print)
}

// first judges while nothing is bound: a newer voucher counts more, and of two
// keys from one voucher neither does.
func (b *Book) first(now sight) error {
	node := now.claim.Node
	old, ok := b.seen[node]
	switch {
	case !ok || now.claim.Key.Equal(old.claim.Key) || now.claim.Number > old.claim.Number || now.at.Sub(old.at) > seenFor:
		b.seen[node] = now
		if r, ok := b.rival[node]; ok && now.claim.Number == r.claim.Number && !now.claim.Key.Equal(r.claim.Key) && now.at.Sub(r.at) <= seenFor {
			return twins(node, now, r)
		}
		return nil
	case now.claim.Number < old.claim.Number:
		return fmt.Errorf("voucher %d of %s is not the newest: a stick of an earlier issue", now.claim.Number, node)
	}
	b.rival[node] = now
	return twins(node, old, now)
}

func twins(node string, a, b sight) error {
	return fmt.Errorf("two machines say that they are %s (%s and %s), from one stick: switch one of them off, or make a new stick (mkimage reissue %s)",
		node, Fingerprint(a.claim.Key), Fingerprint(b.claim.Key), node)
}

// Sees are the enrolments that this node has seen proven, its own among them.
func (b *Book) Sees() Set {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Set{Enrolments: map[string]Enrolment{}}
	for node, sight := range b.seen {
		s.Enrolments[node] = sight.enrolment
	}
	return s
}

// Show enters this node's own enrolment.
func (b *Book) Show(e Enrolment) error {
	c, err := e.Verify(b.ca)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen[c.Node] = sight{e, c, b.now()}
	return nil
}

// Agree writes down the set that all nodes have signed.
func (b *Book) Agree(s Set, signatures map[string][]byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != nil {
		if s.Hash() == b.doc.Set.Hash() {
			return nil
		}
		return errors.New("the nodes are bound already, to other keys")
	}
	d := Document{Version: documentVersion, Set: s, Signatures: signatures}
	state, err := d.Verify(b.ca, b.nodes, b.added...)
	if err != nil {
		return err
	}
	return b.write(d, state)
}

// write keeps a document. What is believed is what lies on the disk.
func (b *Book) write(d Document, state map[string]Bound) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	if err := b.files.WriteFile(b.path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep the bindings: %w", err)
	}
	b.doc, b.state = d, state
	if b.changed != nil {
		go b.changed()
	}
	return nil
}

// Adopt takes over bindings that a bound peer has and this node lacks: the
// agreed set where this node was cut off before it wrote it, and statements.
func (b *Book) Adopt(o Document) (changed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == nil {
		state, err := o.Verify(b.ca, b.nodes, b.added...)
		if err != nil {
			return false, err
		}
		return true, b.write(o, state)
	}
	d, state, err := b.doc.merge(o, b.ca, b.nodes, b.added)
	if err != nil || len(d.Statements) == len(b.doc.Statements) && maps.EqualFunc(state, b.state, same) {
		return false, err
	}
	return true, b.write(d, state)
}

func same(a, b Bound) bool {
	return a.Key.Equal(b.Key) && a.Generation == b.Generation && a.Revoked == b.Revoked
}
