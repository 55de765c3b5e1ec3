package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ringboot/firstboot/host"
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
	look func(ctx context.Context) (Verdict, error)
	make func(ctx context.Context) error
}

// NewBase returns step 2 for a node of the profile.
func NewBase(h host.Host, p *profiles.Profile, node profiles.Node) *Base {
	b := &Base{}
	packages := &packages{host: h, profile: p}
	time := &timesync{host: h, profile: p, node: node}
	tuning := &tuning{host: h, want: p.Tuning}
	b.items = []item{
		hostsItem(h, p),
		repositoriesItem(h, p),
		{"packages", packages.look, packages.make},
		accountsItem(h, p),
		sudoItem(h, p),
		sshdItem(h, p),
		{"time", time.look, time.make},
		{"tuning", tuning.look, tuning.make},
	}
	return b
}

// Name is "base".
func (*Base) Name() string { return "base" }

// Recheck says that the verdict keeps: it costs a dozen programs.
func (*Base) Recheck() time.Duration { return 5 * time.Minute }

// Check looks at every part, so that all changes are known at once.
func (b *Base) Check(ctx context.Context) (Verdict, error) {
	all := Verdict{State: Done}
	for _, it := range b.items {
		v, err := it.look(ctx)
		if err != nil {
			return Verdict{}, fmt.Errorf("%s: %w", it.name, err)
		}
		all.Changes = append(all.Changes, v.Changes...)
		all.Risks = append(all.Risks, v.Risks...)
		if rank(v.State) > rank(all.State) {
			all.State, all.Reason = v.State, v.Reason
		}
	}
	if all.State == Done {
		all.Reason = "repositories, packages, accounts, ssh, names and time are as the profile says"
	}
	return all, nil
}

// rank orders states by how much they ask for: a person, work, patience.
func rank(s State) int {
	return map[State]int{Done: 0, Waiting: 1, Todo: 2, Stopped: 3}[s]
}

// Apply makes every part that is not as it should be, in order. What waits for
// something outside does not keep the others from being made.
func (b *Base) Apply(ctx context.Context) error {
	var problems []error
	for _, it := range b.items {
		v, err := it.look(ctx)
		if err == nil && v.State == Todo {
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

// NotYet is an error of Apply that says: something outside this node is
// missing, and trying again later is right. The step shows as waiting.
type NotYet struct{ Reason string }

func (e *NotYet) Error() string { return e.Reason }

// IsNotYet tells whether an error of Apply asks for patience only.
func IsNotYet(err error) bool {
	var e *NotYet
	return errors.As(err, &e)
}

// wantFile is the verdict on a file that must have one content.
func wantFile(f host.Files, path, want string) (Verdict, error) {
	have, err := readOptional(f, path)
	if err != nil {
		return Verdict{}, err
	}
	switch {
	case string(have) == want:
		return IsDone(""), nil
	case have == nil:
		return Do(path+" is missing", Change{Object: path, Want: "a new file"}), nil
	}
	return Do(path+" differs from the profile", Change{Object: path, Have: "other content", Want: "as the profile says"}), nil
}

func hostsItem(h host.Host, p *profiles.Profile) item {
	return item{"names", func(context.Context) (Verdict, error) {
		have, err := readOptional(h.Files, hostsFile)
		if err != nil {
			return Verdict{}, err
		}
		if want := wantHosts(have, p); string(have) != want {
			return Do(hostsFile+" does not list all nodes", Change{Object: hostsFile, Want: "the names of all nodes"}), nil
		}
		return IsDone(""), nil
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

// pending tells whether the unit still has to read what was written.
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
