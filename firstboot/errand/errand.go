// Package errand is work of root that outlives the command that asked for it and
// a power cut: the order on the disk from which a unit goes on, what it said, and
// how long it waits. What the work is, it does not know.
package errand

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ringboot/firstboot/host"
)

// Kind is one sort of errand.
type Kind struct {
	File    string // the order
	Log     string // what was said, a line with its time for each thing
	Unit    string // goes on with the order, also after a start of the machine
	Version int    // form of the order; an older one is read, a newer one refused
}

// Read reads the order of a kind; nil and no error where there is none.
func Read[Order any](f host.Files, k Kind) (*Order, error) {
	text, err := f.ReadFile(k.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return Parse[Order](text, k)
}

// Parse reads the text of an order.
func Parse[Order any](text []byte, k Kind) (*Order, error) {
	var form struct{ Version int }
	var o Order
	if err := errors.Join(json.Unmarshal(text, &form), json.Unmarshal(text, &o)); err != nil {
		return nil, fmt.Errorf("%s is damaged (%w): remove it and ask anew", k.File, err)
	}
	if err := host.Newer(k.File, form.Version, k.Version); err != nil {
		return nil, err
	}
	return &o, nil
}

// Write keeps the order. After a power cut there is the old one or the new one.
func (k Kind) Write(f host.Files, order any) error {
	text, err := json.MarshalIndent(order, "", "  ")
	if err != nil {
		return err
	}
	return f.WriteFile(k.File, append(text, '\n'), 0o600)
}

// Start has the unit go on with the order on the disk.
func (k Kind) Start(ctx context.Context, c host.Commands) error {
	if _, err := host.Run(ctx, c, host.Cmd{Argv: []string{"systemctl", "start", "--no-block", k.Unit}}); err != nil {
		return fmt.Errorf("%w: see journalctl -u %s", err, k.Unit)
	}
	return nil
}

// Patience turns a wait that takes too long into a doubt.
type Patience struct {
	Clock host.Clock
	Say   func(format string, args ...any)
	// Moving has the time begin anew with another reason: something moves.
	Moving bool

	reason string // what is waited for now, "" for nothing
	since  time.Time
}

// Works says that nothing is waited for now.
func (p *Patience) Works() { p.reason = "" }

// Over reports whether the wait for this reason has lasted longer than its limit.
func (p *Patience) Over(reason string, limit time.Duration) bool {
	now := p.Clock.Now()
	if p.reason != reason {
		if p.reason == "" || p.Moving {
			p.since = now
		}
		p.reason = reason
		p.Say("waits: %s", reason)
	}
	return now.Sub(p.since) > limit
}
