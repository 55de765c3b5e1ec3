package base

import (
	"context"

	"ringboot/firstboot/step"
)

// part is one item of a step, asked for by itself.
type part struct {
	of string
	item
}

// Part returns one part of the step as a step of its own: names, proxy,
// subscription, repositories, packages, accounts, sudo, ssh, time, mail or tuning.
func (b *Base) Part(name string) (step.Step, bool) {
	for _, it := range b.items {
		if it.name == name {
			return part{b.Name(), it}, true
		}
	}
	return nil, false
}

// Name is base.accounts and the like.
func (p part) Name() string { return p.of + "." + p.name }

// Check looks at the part alone.
func (p part) Check(ctx context.Context) (step.Verdict, error) { return p.look(ctx) }

// Apply makes the part alone.
func (p part) Apply(ctx context.Context) error { return p.make(ctx) }
