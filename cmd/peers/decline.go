package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"ringboot/cmd/cli"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

// heard is a node's answer to a no: who heard it there, and who did not yet.
type heard struct {
	Nodes   []string `json:"nodes"`
	Missing []string `json:"missing"`
}

// decline says no to the power cut that the profile proposes: to the first node
// that takes it, which hands it on to the others.
func decline(ctx context.Context, w wishes, t *cli.Terminal) error {
	ctx, g, stop, err := trusted(ctx, w, "a no is taken over the trusted channel only: run this where the images were made, or name the --keyring; on any node root types firstboot accept --no-power-cut")
	if err != nil {
		return err
	}
	defer stop()
	for {
		var said *trust.RemoteError
		for _, node := range g.c.nodes {
			var h heard
			if err = g.client.Call(ctx, node, trust.MethodNo, nil, &h); err == nil {
				t.Say("no node is reset in the first acceptance; heard by %s", status.Clean(strings.Join(h.Nodes, ", ")))
				for _, n := range h.Missing {
					t.Say("not heard yet by %s; no node is reset before all were asked", status.Clean(n))
				}
				return nil
			}
			errors.As(err, &said)
		}
		if said != nil {
			return fault.Refused.New(status.Clean(said.Error()))
		}
		select {
		case <-ctx.Done():
			return fault.Timeout.Errorf("no node took the no, so it may not count: say it on a node with firstboot accept --no-power-cut (%w)", err)
		case <-time.After(time.Second):
		}
	}
}
