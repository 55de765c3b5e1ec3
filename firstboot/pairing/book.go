package pairing

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/profiles/fault"
)

// ringOf is how many machines a ring has.
const ringOf = 3

// bookVersion is the form of the file.
const bookVersion = 1

// Book is what this machine has by pairing: its own key, and whose keys count.
// It is one file, replaced as a whole: after a power cut it is the old one or the
// new one.
type Book struct {
	files host.Files
	path  string

	Version int                `json:"version"` // 1
	Key     ed25519.PrivateKey `json:"key"`
	Peers   []Peer             `json:"peers,omitempty"`
	// Pending are codes that nobody has compared yet.
	Pending []Pending `json:"pending,omitempty"`
}

// Pending is a card whose code was not confirmed yet.
type Pending struct {
	Card Card      `json:"card"`
	Port string    `json:"port"`
	Code string    `json:"code"`
	At   time.Time `json:"at"`
}

// fresh is how long a code waits for whoever compares it.
const fresh = 15 * time.Minute

// ErrNone says that this machine was never paired.
var ErrNone = fault.Precondition.New("this machine is not paired yet: type ringkeeper pair here and on the other two, at the same time")

// Read reads the book.
func Read(files host.Files, path string) (*Book, error) {
	text, err := files.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	} else if err != nil {
		return nil, err
	}
	b := &Book{files: files, path: path}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, fault.Precondition.Errorf("%s cannot be understood (%w): take it away and pair again on all machines", path, err)
	}
	if err := host.Newer(path, b.Version, bookVersion); err != nil {
		return nil, fault.Precondition.Wrap(err)
	}
	if len(b.Key) != ed25519.PrivateKeySize || len(b.Peers) >= ringOf {
		return nil, fault.Precondition.Errorf("%s is damaged: take it away and pair again on all machines", path)
	}
	return b, nil
}

// Open reads the book, or begins one with a key of its own.
func Open(files host.Files, path string) (*Book, error) {
	b, err := Read(files, path)
	if !errors.Is(err, ErrNone) {
		return b, err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key of this machine: %w", err)
	}
	b = &Book{files: files, path: path, Version: bookVersion, Key: key}
	return b, b.write()
}

func (b *Book) write() error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return b.files.WriteFile(b.path, append(text, '\n'), 0o600)
}

// Begin drops the codes of an earlier run, which are on no screen any more.
func (b *Book) Begin() error {
	b.Pending = nil
	return b.write()
}

// refresh reads what another command has written meanwhile: a code that was
// confirmed beside a pairing that runs, or a machine that was forgotten.
func (b *Book) refresh() error {
	now, err := Read(b.files, b.path)
	switch {
	case err != nil:
		return err
	case !now.Key.Equal(b.Key):
		return fault.Refused.Errorf("%s got another key meanwhile: pair again on all machines", b.path)
	}
	b.Peers, b.Pending = now.Peers, now.Pending
	return nil
}

// Whole reports whether the keys of all machines of the ring are there.
func (b *Book) Whole() bool { return len(b.Peers) == ringOf-1 }

// Peer is a machine that this one is paired with.
func (b *Book) Peer(node string) (Peer, bool) {
	i := slices.IndexFunc(b.Peers, func(p Peer) bool { return p.Node == node })
	if i < 0 {
		return Peer{}, false
	}
	return b.Peers[i], true
}

// Counts is the key that counts for a node; nil for one that is not paired.
func (b *Book) Counts(node string) (key ed25519.PublicKey, agreed bool) {
	p, _ := b.Peer(node)
	return p.Key, true
}

// Card is what this machine says of itself.
func (b *Book) Card(node string, ring netip.Addr, mtu int) Card {
	c := Card{Node: node, Ring: ring, MTU: mtu, Key: b.Key.Public().(ed25519.PublicKey)}
	for _, p := range b.Peers {
		c.Knows = append(c.Knows, Peer{Node: p.Node, Ring: p.Ring, Key: p.Key})
	}
	return c
}

// Judge says why a card cannot be taken whatever its code is, or whether it
// brings anything that is not known.
func (b *Book) Judge(me, c Card) (news bool, err error) {
	next, err := b.with(me, c, "")
	if err != nil {
		return false, err
	}
	return !slices.EqualFunc(next, b.Peers, func(a, b Peer) bool { return same(a, b) }), nil
}

func same(a, b Peer) bool { return a.Node == b.Node && a.Ring == b.Ring && a.Key.Equal(b.Key) }

// with is the peers once a card is taken.
func (b *Book) with(me, c Card, port string) ([]Peer, error) {
	if c.MTU != me.MTU {
		return nil, fault.Refused.Errorf("%s has mtu %d in its file and this machine %d: write the same on all machines", c.Node, c.MTU, me.MTU)
	}
	out, err := added(slices.Clone(b.Peers), me, Peer{Node: c.Node, Ring: c.Ring, Key: c.Key, Port: port})
	if err != nil {
		return nil, err
	}
	for _, p := range c.Knows {
		if p.Node == me.Node {
			if !p.Key.Equal(me.Key) || p.Ring != me.Ring {
				return nil, fault.Refused.Errorf("%s was paired with another key or address of %s: type ringkeeper forget %[2]s there and pair again", c.Node, me.Node)
			}
			continue
		}
		p.By, p.Port = c.Node, ""
		if out, err = added(out, me, p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// added is the peers with one more, or with what is new of one that is known.
func added(out []Peer, me Card, p Peer) ([]Peer, error) {
	if p.Ring == me.Ring {
		return nil, fault.Refused.Errorf("%s has the ring address %s, as this machine: give each its own in its file", p.Node, p.Ring)
	}
	for i, old := range out {
		switch {
		case old.Node == p.Node && !old.Key.Equal(p.Key):
			return nil, fault.Refused.Errorf("%s shows another key than the one it was paired with%s: if it was installed anew, type ringkeeper forget %s here and pair again; else somebody stands in its place", p.Node, by(p), p.Node)
		case old.Node == p.Node:
			out[i].Ring, out[i].Port = p.Ring, cmp.Or(p.Port, old.Port)
			if p.By == "" {
				out[i].By = ""
			}
			return out, nil
		case old.Ring == p.Ring || old.Key.Equal(p.Key):
			return nil, fault.Refused.Errorf("%s has the ring address or the key of %s: give each machine its own name and address, and type ringkeeper forget %[2]s if that was its old name", p.Node, old.Node)
		}
	}
	if len(out) == ringOf-1 {
		return nil, fault.Refused.Errorf("%s would be the fourth machine, and a ring has three (%s and %s here): forget one that is gone with ringkeeper forget NODE", p.Node, out[0].Node, out[1].Node)
	}
	return append(out, p), nil
}

func by(p Peer) string {
	if p.By == "" {
		return ""
	}
	return ", as " + p.By + " says"
}

// Wait keeps a card until somebody has compared its code. It is one guess: the
// same port's earlier one is gone.
func (b *Book) Wait(p Pending) error {
	if err := b.refresh(); err != nil {
		return err
	}
	b.drop(func(old Pending) bool {
		return old.Port == p.Port || old.Card.Node == p.Card.Node || p.At.Sub(old.At) > fresh
	})
	b.Pending = append(b.Pending, p)
	return b.write()
}

func (b *Book) drop(gone func(Pending) bool) { b.Pending = slices.DeleteFunc(b.Pending, gone) }

// Confirm takes the card whose code somebody has compared, over that port or, with
// none named, over any. Another code ends what waits there: what differs is no
// slip of the finger until somebody has looked.
func (b *Book) Confirm(me Card, port, typed string, now time.Time) (Peer, error) {
	if err := b.refresh(); err != nil {
		return Peer{}, err
	}
	typed = strings.ReplaceAll(typed, " ", "")
	i := slices.IndexFunc(b.Pending, func(p Pending) bool {
		return p.Code == typed && (port == "" || p.Port == port) && now.Sub(p.At) <= fresh && !now.Before(p.At)
	})
	if i < 0 {
		b.drop(func(p Pending) bool { return port == "" || p.Port == port })
		return Peer{}, errors.Join(fault.Refused.Errorf("%q is not the code that waits here, and nothing was taken: if the two screens differ, see where the cable leads; pair again on both ends", typed), b.write())
	}
	p := b.Pending[i]
	peers, err := b.with(me, p.Card, p.Port)
	if err != nil {
		return Peer{}, err
	}
	b.drop(func(old Pending) bool { return old.Port == p.Port })
	b.Peers = peers
	slices.SortFunc(b.Peers, func(x, y Peer) int { return strings.Compare(x.Node, y.Node) })
	taken, _ := b.Peer(p.Card.Node)
	return taken, b.write()
}

// Forget takes a machine's key away.
func (b *Book) Forget(node string) error {
	if err := b.refresh(); err != nil {
		return err
	}
	if _, ok := b.Peer(node); !ok {
		return fault.Precondition.Errorf("this machine is not paired with %s: ringkeeper status names those it is paired with", node)
	}
	b.Peers = slices.DeleteFunc(b.Peers, func(p Peer) bool { return p.Node == node })
	b.drop(func(p Pending) bool { return p.Card.Node == node })
	return b.write()
}
