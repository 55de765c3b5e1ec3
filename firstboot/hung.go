package firstboot

import (
	"context"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/pve"
)

// feelEvery is how often it is felt whether pmxcfs answers. With the limit of a
// reading it makes how late a hang is told: ten seconds.
const feelEvery = 4 * time.Second

// feel tells when the cluster's file system stops answering, and when it is
// back. Nothing that needs it waits for long; this says so to people, whatever
// the steps are about.
func (a *Agent) feel(ctx context.Context) {
	p := a.Parts
	node := pve.Local{Host: p.Host, Name: p.Node.Name}
	tick := time.NewTicker(feelEvery)
	defer tick.Stop()
	answers := make(chan error, 1)
	for hangs := false; ; {
		go func() { answers <- node.Answers() }()
		var err error
		select {
		case <-ctx.Done():
			return
		case err = <-answers:
		}
		if now := err != nil; now != hangs {
			hangs = now
			text := pve.Dir + " answers again"
			if hangs {
				text = err.Error()
			}
			p.Log(text)
			_ = p.Journal.Note("", text) // the log has it
			p.Kick()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// hung is what is told while the cluster's file system does not answer, nil where it does.
func (p *Parts) hung() []string {
	if err := host.Hung(p.Host.Files); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// Feel tells a settled node's keeper whether the cluster's file system answers,
// until the context ends. It is a program of its own, of no rights at all: who
// waits there can hang in the kernel and be killed by nobody, and the keeper
// must never be the one.
func Feel(ctx context.Context, root string) error {
	h := host.New(root)
	touch := pve.Touch(h.Files)
	tick := time.NewTicker(touchEvery)
	defer tick.Stop()
	for last := (keeper.Felt{}); ; {
		now := keeper.Felt{At: h.Clock.Now()}
		if err := touch(); err != nil {
			now.Hung = err.Error()
		}
		if last.At.IsZero() || now.Hung != last.Hung {
			if err := writeJSON(h.Files, keeper.FeltFile, now, 0o644); err != nil {
				return err
			}
			last = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// touchEvery is how often a settled node's is felt. With the limit of a touch and
// the keeper's own pause it makes how late a hang is told: eight seconds.
const touchEvery = 2 * time.Second
