package keeper

import (
	"context"
	"crypto/ed25519"
	"time"

	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
)

// maxDiffers is how many nodes may wait to be asked what they know of keys.
const maxDiffers = 16

// askBindings is how long a peer may take to tell what it knows of keys.
const askBindings = 10 * time.Second

// adoptPause is the least time between two questions that brought nothing: a
// bound node that turned may say a new hash with each of its hellos.
const adoptPause = time.Second

// bound is the key to which a node is bound.
func (c *Resident) bound(node string) (ed25519.PublicKey, bool) {
	if c.o.Book == nil {
		return nil, false
	}
	return c.o.Book.Bound(node)
}

// follow takes over what bound peers know of keys and this node does not:
// revocations, renewals, machines that were admitted. Each is signed by a key
// that is bound here, or it is left.
func (c *Resident) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case node := <-c.differs:
			if c.adopt(ctx, node) {
				continue
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(adoptPause):
		}
	}
}

// greeting is what this node says with its hellos.
func (c *Resident) greeting() (g trust.Greeting) {
	if c.o.Book != nil {
		g.Bindings = c.o.Book.Hash()
	}
	return g
}

// heardOf has a node asked whose bindings are not this one's.
func (c *Resident) heardOf(node, bindings string) {
	if _, peer := c.targets[node]; !peer || c.o.Book == nil || bindings == "" || bindings == c.o.Book.Hash() {
		return
	}
	select {
	case c.differs <- node:
	default: // others are being asked; the next hello comes
	}
}

// adopt reports whether something was taken over.
func (c *Resident) adopt(ctx context.Context, node string) (changed bool) {
	ctx, cancel := context.WithTimeout(ctx, askBindings)
	defer cancel()
	var d bindings.Document
	if err := c.client.Call(ctx, node, trust.MethodBindings, nil, &d); err != nil {
		return false // the next hello comes
	}
	changed, err := c.o.Book.Adopt(d)
	switch {
	case err != nil:
		c.note("what " + node + " says of the nodes' keys is left: " + err.Error())
	case changed:
		c.note("takes over from " + node + " which key counts for each node")
		c.Relearn()
	}
	return changed
}

// Relearn lets go of connections and records that rest on keys which count no
// more, and tells the peers that a key changed.
func (c *Resident) Relearn() {
	c.client.Close()
	d := c.found.Load()
	for _, n := range c.o.Profile.Nodes {
		if key, ok := c.bound(n.Name); ok && d != nil {
			d.Table().Learn(n.Name, key)
		}
	}
	c.tracker.Again()
}
