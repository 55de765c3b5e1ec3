package keeper

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"ringboot/firstboot/trust"
)

// OrderFile is where the keeper lays down that root on a bound node needs this
// node's builder. It can start nothing itself: ringboot-order.service looks at
// the order anew, as root and by its own bindings, when the file changes.
const OrderFile = StateDir + "/order.json"

// order takes an order of root on a bound node. What was laid down already is
// not laid down again.
func (k *Keeper) order(_ context.Context, peer string, in json.RawMessage) (any, error) {
	var o trust.Order
	if err := json.Unmarshal(in, &o); err != nil {
		return nil, err
	}
	if o.By != peer {
		return nil, fmt.Errorf("%s hands over an order that is not its own", peer)
	}
	if err := o.Verify(k.resident.bound, k.charge.Seed.Node, time.Now()); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if string(k.ordered) == string(o.Signature) {
		return trust.Ordered{}, nil
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if err := k.files.WriteFile(OrderFile, append(text, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("lay down the order of %s: %w", peer, err)
	}
	k.ordered = o.Signature
	k.note(fmt.Sprintf("root on %s needs the builder of this node until %s: %s", peer, o.Until.Local().Format("15:04"), o.Task))
	return trust.Ordered{}, nil
}
