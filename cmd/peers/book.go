package main

import (
	"context"

	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
)

// judged has the keyring's identity go by the keys that the nodes agreed on.
// Before any node has told them, a key counts that a voucher of this keyring
// vouches for.
func (c *cluster) judged() error {
	book, err := bindings.Open(bindings.Options{Files: &bindings.Memory{}, CA: c.id.CA, Nodes: c.nodes, Added: c.added})
	if err != nil {
		return err
	}
	c.book, c.id.Judge = book, book
	return nil
}

// learn asks a node once which keys the nodes agreed on. What it says is
// checked down to the keyring's CA and the word of every node; where it has
// nothing to say yet, the next answer is asked again.
func (g *gatherer) learn(ctx context.Context, node string) {
	if g.c.book == nil || g.c.book.Agreed() {
		return
	}
	var d bindings.Document
	if err := g.client.Call(ctx, node, trust.MethodBindings, nil, &d); err != nil {
		return
	}
	if changed, err := g.c.book.Adopt(d); err != nil || !changed {
		return
	}
	for _, n := range g.c.nodes {
		if key, ok := g.c.book.Bound(n); ok {
			g.found.Table().Learn(n, key)
		}
	}
}
