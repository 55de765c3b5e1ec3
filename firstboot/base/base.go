// Package base holds the steps identity and base: who the node is, its release,
// repositories, packages, accounts, keys, sudo, sshd, time and tuning.
//
// It changes files, packages and units of this node only; networks and
// everything cluster-wide belong to other rooms.
package base

import (
	"context"
	"fmt"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// Base is step 2: repositories, packages, accounts, sudo, sshd, names of all
// nodes and time.
type Base struct {
	items []item
}

// item is one part of the base system. look changes nothing.
type item struct {
	name string
	look func(ctx context.Context) (step.Verdict, error)
	make func(ctx context.Context) error
}

// NewBase returns step 2 for a node of the profile.
func NewBase(h host.Host, p *profiles.Profile, node profiles.Node) *Base {
	b := &Base{}
	packages := &packages{host: h, profile: p}
	time := &timesync{host: h, profile: p, node: node}
	tuning := &tuning{host: h, want: p.Tuning}
	key := &subscription{host: h, node: node}
	b.items = []item{
		hostsItem(h, p),
		proxyItem(h, p),
		{"subscription", key.look, key.make}, // the paid sources ask for it
		repositoriesItem(h, p),
		{"packages", packages.look, packages.make},
		accountsItem(h, p),
		sudoItem(h, p),
		sshdItem(h, p),
		{"time", time.look, time.make},
		mailItem(h, p),
		{"tuning", tuning.look, tuning.make},
	}
	return b
}

// Name is "base".
func (*Base) Name() string { return profiles.StepBase }

// Recheck says that the verdict keeps: it costs a dozen programs.
func (*Base) Recheck() time.Duration { return 5 * time.Minute }

// Check looks at every part, so that all changes are known at once.
func (b *Base) Check(ctx context.Context) (step.Verdict, error) {
	all := step.Verdict{State: step.Done}
	for _, it := range b.items {
		v, err := it.look(ctx)
		if err != nil {
			return step.Verdict{}, fmt.Errorf("%s: %w", it.name, err)
		}
		all.Changes = append(all.Changes, v.Changes...)
		all.Risks = append(all.Risks, v.Risks...)
		if rank(v.State) > rank(all.State) {
			all.State, all.Reason = v.State, v.Reason
		}
	}
	if all.State == step.Done {
		all.Reason = "repositories, packages, accounts, ssh, names and time are as the profile says"
	}
	return all, nil
}

// rank orders states by how much they ask for: a person, work, patience.
func rank(s step.State) int {
	return map[step.State]int{step.Done: 0, step.Waiting: 1, step.Todo: 2, step.Stopped: 3}[s]
}

// Apply makes every part that is not as it should be, in order. What waits for
// something outside does not keep the others from being made.
func (b *Base) Apply(ctx context.Context) error {
	var problems []error
	for _, it := range b.items {
		v, err := it.look(ctx)
		if err == nil && v.State == step.Todo {
			err = it.make(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", it.name, err))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return problems[0] // the first is often the cause of the others
}

func hostsItem(h host.Host, p *profiles.Profile) item {
	return item{"names", func(context.Context) (step.Verdict, error) {
		have, err := host.ReadOptional(h.Files, hostsFile)
		if err != nil {
			return step.Verdict{}, err
		}
		if want := wantHosts(have, p); !sameNames(string(have), want, p) {
			return step.Do(hostsFile+" does not list all nodes", step.Change{Object: hostsFile, Have: "with other names of the nodes", Want: "the names of all nodes"}), nil
		}
		return step.IsDone(""), nil
	}, func(context.Context) error { return writeHosts(h.Files, p) }}
}

// reloadDir holds a mark for each service that must read its configuration
// again. A power cut empties /run, and starts the services anew as well.
const reloadDir = "/run/ringboot/reload"

// service is a unit whose configuration the agent writes.
type service struct {
	host host.Host
	unit string
	verb string // reload | restart
}

func (s service) mark() string { return reloadDir + "-" + s.unit }

// pending reports whether the unit still has to read what was written.
func (s service) pending() bool { return host.Exists(s.host.Files, s.mark()) }

// write replaces configuration of the unit and has the unit read it. A crash
// between the two leaves the mark.
func (s service) write(path, content string) error {
	if err := s.host.Files.WriteFile(s.mark(), nil, 0o600); err != nil {
		return err
	}
	return s.host.Files.WriteFile(path, []byte(content), 0o644)
}

// settle has the unit read its configuration.
func (s service) settle(ctx context.Context) error {
	if _, err := host.Run(ctx, s.host.Commands, host.Cmd{Argv: []string{"systemctl", s.verb, s.unit}}); err != nil {
		return fmt.Errorf("%w: see journalctl -u %s", err, s.unit)
	}
	return s.host.Files.Remove(s.mark())
}
