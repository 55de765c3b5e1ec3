package keeper

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
)

// BindingsFile is the keeper's own copy of the keys that count. It takes over
// what peers prove to it; root's copy is read again now and then.
const BindingsFile = StateDir + "/bindings.json"

// rereadEvery is how often root's copy is looked at: firstboot revoke writes there.
const rereadEvery = 5 * time.Second

// openBook reads which keys count. A node that was handed over without any goes
// by the CA, as the first edition did.
func (k *Keeper) openBook(id *trust.Identity) error {
	if k.charge.Bindings.Version == 0 {
		return nil
	}
	var nodes []string
	for _, n := range k.charge.Profile.Nodes {
		nodes = append(nodes, n.Name)
	}
	book, err := bindings.Open(bindings.Options{Files: k.files, CA: id.CA, Nodes: nodes, Added: k.charge.Profile.Added(), Self: id.Name, Path: BindingsFile})
	if err != nil {
		return err
	}
	if _, err := book.Adopt(k.charge.Bindings); err != nil {
		return fmt.Errorf("%s: %w: run firstboot settle", ChargeFile, err)
	}
	k.book, id.Judge = book, book
	return nil
}

// reread takes over what root changed while the keeper runs.
func (k *Keeper) reread(ctx context.Context) error {
	if k.book == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(rereadEvery)
	defer tick.Stop()
	last := k.charge.Bindings
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var c Charge
		text, err := k.files.ReadFile(ChargeFile)
		if err != nil || json.Unmarshal(text, &c) != nil || len(c.Bindings.Statements) == len(last.Statements) {
			continue
		}
		last = c.Bindings
		if changed, err := k.book.Adopt(last); err != nil {
			k.note("what root wrote of the nodes' keys is left: " + err.Error())
		} else if changed {
			k.resident.Relearn()
		}
	}
}
