package qemu

import (
	"context"
	"encoding/json"
	"fmt"
)

// Moved is what QEMU says of a live migration.
type Moved struct {
	Downtime float64 `json:"downtime"`   // in milliseconds: how long the guest stood still
	Took     float64 `json:"total-time"` // in milliseconds
	Error    string  `json:"error-desc"`
	Memory   struct {
		Sent float64 `json:"transferred"` // in bytes
	} `json:"ram"`
}

// MoveTo moves what runs in this machine into one that was started with
// Incoming, over a TCP connection to at (ADDRESS:PORT of the other's), and ends
// this one. After an error it runs on here; the other is the caller's to end.
func (vm *VM) MoveTo(ctx context.Context, to *VM, at string) (moved Moved, err error) {
	uri := map[string]any{"uri": "tcp:" + at}
	if err := to.command(ctx, "migrate-incoming", uri); err != nil {
		return moved, err
	}
	err = vm.monitored(ctx, "move to "+at, func(m *monitor) error {
		events := []map[string]any{{"capability": "events", "state": true}}
		if _, err := m.run(ctx, "migrate-set-capabilities", map[string]any{"capabilities": events}); err != nil {
			return err
		}
		if _, err := m.run(ctx, "migrate", uri); err != nil {
			return err
		}
		status := ""
		for status != "completed" && status != "failed" && status != "cancelled" {
			if status, err = m.await(ctx, "MIGRATION"); err != nil {
				return err
			}
		}
		// The times are there a moment after the event.
		for moved.Took == 0 {
			raw, err := m.run(ctx, "query-migrate", nil)
			if err == nil {
				err = json.Unmarshal(raw, &moved)
			}
			if err == nil && status != "completed" {
				err = fmt.Errorf("the migration %s: %s", status, moved.Error)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return moved, err
	}
	err = to.monitored(ctx, "take over", func(m *monitor) error { _, err := m.await(ctx, "RESUME"); return err })
	if err != nil {
		return moved, err
	}
	if err := vm.command(ctx, "quit", nil); err != nil {
		return moved, err
	}
	return moved, vm.Wait(ctx)
}
