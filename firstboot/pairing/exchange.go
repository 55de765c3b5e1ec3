// Package pairing has the machines at the two ends of one cable learn each
// other's key. Both first commit to a random number and their card, then show
// both; the six digits that follow from all of it are the same on both screens
// only if nobody stands between them, and who does has one guess in a million
// for each time that somebody starts it. A person compares them: nothing is
// taken before that.
//
// What it learns it keeps in one file. It opens no socket but on the cable's own
// device, hears nothing that came over a router, and asks no third machine.
package pairing

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"ringboot/profiles/fault"
)

// exchangeVersion is the form of what goes over the cable.
const exchangeVersion = 1

// Card is what a machine says of itself. The code covers all of it.
type Card struct {
	Node  string            `json:"node"`
	Ring  netip.Addr        `json:"ring"`
	MTU   int               `json:"mtu"`
	Key   ed25519.PublicKey `json:"key"`
	Knows []Peer            `json:"knows,omitempty"` // whom it is paired with
}

// Peer is another machine whose key counts.
type Peer struct {
	Node string            `json:"node"`
	Ring netip.Addr        `json:"ring"`
	Key  ed25519.PublicKey `json:"key"`
	Port string            `json:"port,omitempty"` // of this machine, that leads to it
	By   string            `json:"by,omitempty"`   // the machine that vouched for it, where no cable did
}

// message is one datagram: a commitment, and once the other end's is known, what
// was committed to.
type message struct {
	Version int    `json:"ringboot_pairing"`
	Commit  []byte `json:"commit"`
	Heard   []byte `json:"heard,omitempty"` // the other end's commitment
	Nonce   []byte `json:"nonce,omitempty"`
	Card    []byte `json:"card,omitempty"`
	Has     bool   `json:"has,omitempty"` // the other end's card came, and is the one that it committed to
}

// Exchange is one end of one pairing. It does no I/O.
type Exchange struct {
	node        string
	card, nonce []byte
	own, their  []byte // commitments
	theirs      *Card
	code        string
	other       bool // the other end has this card
}

const (
	nonceSize = 32
	// resend is how often what was not answered is said again.
	resend = 250 * time.Millisecond
)

// New begins an exchange. What it says is good for one code only.
func New(card Card) (*Exchange, error) {
	text, err := json.Marshal(card)
	if err != nil {
		return nil, err
	}
	x := &Exchange{card: text, nonce: make([]byte, nonceSize), node: card.Node}
	if _, err := rand.Read(x.nonce); err != nil {
		return nil, fmt.Errorf("number for the pairing: %w", err)
	}
	x.own = commitment(x.nonce, x.card)
	return x, nil
}

func commitment(nonce, card []byte) []byte {
	sum := sha256.Sum256(slices.Concat([]byte("ringboot pairing commitment 1\x00"), nonce, card))
	return sum[:]
}

// Say is what the other end is to hear now. Nothing of the number is shown
// before the other end has committed itself.
func (x *Exchange) Say() []byte {
	m := message{Version: exchangeVersion, Commit: x.own}
	if x.their != nil {
		m.Heard, m.Nonce, m.Card, m.Has = x.their, x.nonce, x.card, x.theirs != nil
	}
	text, _ := json.Marshal(m) //nolint:errcheck // bytes and a number
	return text
}

// Hear takes what came over the cable. An error ends the exchange: whoever goes
// on after one would hand out further guesses.
func (x *Exchange) Hear(datagram []byte) error {
	var m message
	if json.Unmarshal(datagram, &m) != nil || m.Version == 0 {
		return nil // it is none of ours
	}
	if m.Version != exchangeVersion {
		return fault.Precondition.Errorf("the other end pairs by version %d and this one by version %d: install the same version on all machines", m.Version, exchangeVersion)
	}
	switch {
	case len(m.Commit) != sha256.Size:
		return nil
	case bytes.Equal(m.Commit, x.own):
		return fault.Refused.Errorf("the cable leads back to this machine: move one end to another one")
	case x.their == nil:
		x.their = m.Commit
	case !bytes.Equal(x.their, m.Commit):
		return fault.Refused.Errorf("the other end began anew: start the pairing again, on both ends at the same time")
	}
	if m.Card == nil || !bytes.Equal(m.Heard, x.own) {
		return nil // it is meant for somebody before us
	}
	x.other = m.Has
	if x.theirs != nil {
		return nil
	}
	if len(m.Nonce) != nonceSize || !bytes.Equal(commitment(m.Nonce, m.Card), x.their) {
		return fault.Refused.Errorf("what the other end shows is not what it promised: somebody else may be on this cable; look where it leads")
	}
	c, err := readCard(m.Card)
	if err != nil {
		return err
	}
	if c.Node == x.node {
		return fault.Refused.Errorf("the other end calls itself %s, too: write another name in one of the two files", c.Node)
	}
	x.theirs, x.code = c, x.digits(m.Nonce, m.Card)
	return nil
}

// nodeForm is a DNS label: what is shown and written of a stranger is one.
var nodeForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func readCard(text []byte) (*Card, error) {
	var c Card
	sound := json.Unmarshal(text, &c) == nil && c.MTU > 0 && len(c.Knows) <= ringOf-1
	for _, p := range append([]Peer{{Node: c.Node, Ring: c.Ring, Key: c.Key}}, c.Knows...) {
		sound = sound && nodeForm.MatchString(p.Node) && p.Ring.Is4() && len(p.Key) == ed25519.PublicKeySize
	}
	if !sound {
		return nil, fault.Refused.Errorf("the other end shows a card that is none: install the same version on all machines")
	}
	return &c, nil
}

// digits is the code: of both numbers and both cards, in an order that both ends
// find. The commitments alone would let the one who speaks last choose it.
func (x *Exchange) digits(nonce, card []byte) string {
	part := func(nonce, card []byte) []byte {
		sum := sha256.Sum256(slices.Concat(nonce, card))
		return sum[:]
	}
	ends := [][]byte{part(x.nonce, x.card), part(nonce, card)}
	slices.SortFunc(ends, bytes.Compare)
	sum := sha256.Sum256(slices.Concat([]byte("ringboot pairing code 1\x00"), ends[0], ends[1]))
	const million = 1_000_000
	return fmt.Sprintf("%06d", binary.BigEndian.Uint64(sum[:])%million)
}

// Found is the other end's card and the code, once both are there.
func (x *Exchange) Found() (Card, string, bool) {
	if x.theirs == nil {
		return Card{}, "", false
	}
	return *x.theirs, x.code, true
}

// Run speaks over the cable until ctx ends. It calls found once, with what a
// person has to compare, and goes on answering: the other end may lack
// something yet. done is called when it has all.
func (x *Exchange) Run(ctx context.Context, w Wire, found func(Card, string), done func()) error {
	defer context.AfterFunc(ctx, func() { w.Close() })() // ends the read
	stop := make(chan struct{})
	defer close(stop)
	in := received(w, stop)
	tick := time.NewTicker(resend)
	defer tick.Stop()
	for x.send(w); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			x.send(w)
		case datagram, open := <-in:
			if !open && ctx.Err() == nil {
				return fault.Precondition.Errorf("the port is gone: plug the cable in and start the pairing again, on both ends")
			}
			knew, had, other := x.their != nil, x.theirs != nil, x.other
			if err := x.Hear(datagram); err != nil {
				return err
			}
			if c, code, ok := x.Found(); ok && !had {
				found(c, code)
			}
			if x.other && !other {
				done()
			}
			if !knew || !had {
				x.send(w)
			}
		}
	}
}

// received are the datagrams of a wire, until it is closed or nobody takes them any more.
func received(w Wire, stop <-chan struct{}) <-chan []byte {
	in := make(chan []byte)
	go func() {
		defer close(in)
		for {
			buffer := make([]byte, maxDatagram)
			n, err := w.Receive(buffer)
			if err != nil {
				return
			}
			select {
			case in <- buffer[:n]:
			case <-stop:
				return
			}
		}
	}()
	return in
}

// send says it. What cannot leave is said again: an address of the port takes a
// second to be good.
func (x *Exchange) send(w Wire) { _ = w.Send(x.Say()) }
