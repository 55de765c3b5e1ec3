package firstboot

import (
	"context"
	"time"

	"ringboot/firstboot/host"
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
	node := pve.Node{Host: p.Host, Name: p.Node.Name}
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
