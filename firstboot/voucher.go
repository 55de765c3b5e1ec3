package firstboot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/ticket"
	"ringboot/profiles"
)

// spend waits until the nodes are bound to keys of their own, and then does away
// with what made this machine its node: the voucher's key here, and seed and
// answer on a medium that is still in. Nothing waits for it.
func (a *Agent) spend(ctx context.Context) {
	p := a.Parts
	tick := time.NewTicker(takeEvery)
	defer tick.Stop()
	for p.book == nil || !p.book.Agreed() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	note := func(text string) { p.Log(text); _ = p.Journal.Note("", text) } // the log has it
	if err := spendKey(p.Host.Files); err != nil {
		note(err.Error())
	}
	who := ticket.Who{Node: p.Seed.Node, ClusterID: p.Seed.ClusterID, By: "agent", Now: p.Host.Clock.Now()}
	if err := ticket.ForgetAll(ctx, who, note); err != nil && ctx.Err() == nil {
		note("the installation medium still carries the seed of this node, keep it like a key: " + err.Error())
	}
}

// spendKey overwrites the voucher's key and takes it away. The certificate stays:
// it is shown with the node's own key, and proves nothing alone.
func spendKey(f host.Files) error {
	key, err := f.ReadFile(profiles.KeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = errors.Join(f.WriteDirect(profiles.KeyFile, make([]byte, len(key))), f.Sync(), f.Remove(profiles.KeyFile))
	}
	if err != nil {
		return fmt.Errorf("the key of the stick is still on this node: %w", err)
	}
	return nil
}
