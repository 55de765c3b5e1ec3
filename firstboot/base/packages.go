package base

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/apt"
	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// optionalAgain is how long a package that the node can do without, and could
// not get, is left alone.
const optionalAgain = time.Hour

// packages are the Debian packages that the agent itself relies on.
type packages struct {
	host    host.Host
	profile *profiles.Profile
	tried   time.Time // when the optional ones could not be had
}

// required and optional are the packages that a node needs, or is better off with.
func (s *packages) required() []string {
	need := []string{"chrony"}
	if slices.ContainsFunc(s.profile.Users, func(u profiles.User) bool { return u.Sudo != "none" }) {
		need = append(need, "sudo")
	}
	return need
}

func (s *packages) optional() []string { return []string{"sqlite3"} }

func (s *packages) look(ctx context.Context) (step.Verdict, error) {
	absent, err := s.apt().Missing(ctx, s.required())
	if err != nil {
		return step.Verdict{}, err
	}
	better, err := s.apt().Missing(ctx, s.optional())
	if err != nil {
		return step.Verdict{}, err
	}
	v := step.IsDone("")
	if len(better) > 0 {
		if s.tried.IsZero() || s.host.Clock.Now().Sub(s.tried) > optionalAgain {
			absent = append(absent, better...)
		} else {
			v.Risks = append(v.Risks, fmt.Sprintf("%s could not be installed: a broken cluster database is harder to mend without it", strings.Join(better, ", ")))
		}
	}
	if len(absent) == 0 {
		return v, nil
	}
	v.State, v.Reason = step.Todo, strings.Join(absent, ", ")+" must be installed"
	for _, name := range absent {
		v.Changes = append(v.Changes, step.Change{Object: "package " + name, Have: "not installed", Want: "installed"})
	}
	return v, nil
}

func (s *packages) make(ctx context.Context) error {
	absent, err := s.apt().Missing(ctx, s.required())
	if err != nil {
		return err
	}
	if len(absent) > 0 {
		if err := s.install(ctx, absent); err != nil {
			return err
		}
	}
	better, err := s.apt().Missing(ctx, s.optional())
	if err != nil || len(better) == 0 {
		return err
	}
	if err := s.install(ctx, better); err != nil {
		s.tried = s.host.Clock.Now() // and the node goes on without it
	}
	return nil
}

// install gets packages. No network is a reason to wait, not to fail.
func (s *packages) install(ctx context.Context, names []string) error {
	err := s.apt().Install(ctx, names)
	var away *apt.Offline
	if errors.As(err, &away) {
		return &step.NotYet{Reason: fmt.Sprintf("no network to install %s (%s): connect the node to one that reaches the package sources", strings.Join(names, ", "), away.Why)}
	}
	return err
}

func (s *packages) apt() apt.System { return apt.System{Host: s.host} }
