package trust

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"

	"ringboot/profiles/fault"
)

// MethodOrder hands over an Order; the answer is an Ordered.
const MethodOrder = "order"

// What another node's builder may be called back for.
const (
	TaskAccept = "accept" // to take part in another acceptance
	TaskAdmit  = "admit"  // to answer a machine that takes a lost node's place
)

const (
	// LongestOrder is how long a builder may be wanted at most.
	LongestOrder = 2 * time.Hour
	// orderFresh is how old an order may be, or how far ahead the other clock.
	orderFresh = 10 * time.Minute
)

// Order is the word of root on one node that the builder of another one is
// needed, for one task and a while. The node's own key signs it, which lies
// with the builder: a keeper cannot make one.
type Order struct {
	Task      string    `json:"task"`
	By        string    `json:"by"` // the node where root typed it
	To        string    `json:"to"` // the node whose builder is wanted
	At        time.Time `json:"at"` // no order is obeyed twice, and none that is older than the last
	Until     time.Time `json:"until"`
	Signature []byte    `json:"signature"`
}

// Ordered is the answer to an Order.
type Ordered struct {
	Runs  bool      `json:"runs"`           // the builder itself answered
	Until time.Time `json:"until,omitzero"` // when it leaves; zero: when the node is settled
}

// word is what is signed: what it is for comes first, so that it is no grant.
func (o Order) word() []byte {
	return []byte(strings.Join([]string{"ringboot order 1", o.Task, o.By, o.To, o.At.UTC().Format(time.RFC3339Nano), o.Until.UTC().Format(time.RFC3339Nano)}, "\x00"))
}

// Signed is the order with the signature of the node that gives it.
func (o Order) Signed(key ed25519.PrivateKey) Order {
	o.Signature = ed25519.Sign(key, o.word())
	return o
}

// Verify says why an order does not count on a node now. bound tells the key to
// which a node is bound, and whether it counts.
func (o Order) Verify(bound func(node string) (ed25519.PublicKey, bool), node string, now time.Time) error {
	age := now.Sub(o.At)
	key, counts := bound(o.By)
	switch {
	case o.Task != TaskAccept && o.Task != TaskAdmit:
		return fmt.Errorf("an order for %q is not known here: install one version of the agent on all nodes", clip(o.Task, 40))
	case o.To != node:
		return fmt.Errorf("the order is for %q and not for %s", clip(o.To, 40), node)
	case o.By == node:
		return errors.New("an order comes from another node: firstboot resume calls the builder back on this one")
	case !counts || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, o.word(), o.Signature):
		return fmt.Errorf("the order is not signed with the key to which %s is bound", clip(o.By, 40))
	case age > orderFresh || age < -orderFresh:
		return fault.Precondition.Errorf("the order of %s is of %s, and the clock here says %s: set the clocks right", o.By, o.At.UTC().Format(time.DateTime), now.UTC().Format(time.DateTime))
	case !o.Until.After(now) || o.Until.Sub(o.At) > LongestOrder:
		return fmt.Errorf("the order of %s is for no time, or for more than %s", o.By, LongestOrder)
	}
	return nil
}
