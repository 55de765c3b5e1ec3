package step

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/profiles"
)

// aptTimeout bounds one run of apt-get: a slow line, not a hanging one.
const aptTimeout = 20 * time.Minute

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

// missing asks dpkg which of the packages are not installed.
func (s *packages) missing(ctx context.Context, names []string) ([]string, error) {
	argv := append([]string{"dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"}, names...)
	r, err := s.host.Commands.Run(ctx, host.Cmd{Argv: argv, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	var absent []string
	for _, name := range names { // an unknown name is an exit status of 1, and no line
		if !slices.Contains(strings.Split(string(r.Stdout), "\n"), name+" installed") {
			absent = append(absent, name)
		}
	}
	return absent, nil
}

func (s *packages) look(ctx context.Context) (Verdict, error) {
	absent, err := s.missing(ctx, s.required())
	if err != nil {
		return Verdict{}, err
	}
	better, err := s.missing(ctx, s.optional())
	if err != nil {
		return Verdict{}, err
	}
	v := IsDone("")
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
	v.State, v.Reason = Todo, strings.Join(absent, ", ")+" must be installed"
	for _, name := range absent {
		v.Changes = append(v.Changes, Change{Object: "package " + name, Have: "not installed", Want: "installed"})
	}
	return v, nil
}

func (s *packages) make(ctx context.Context) error {
	absent, err := s.missing(ctx, s.required())
	if err != nil {
		return err
	}
	if len(absent) > 0 {
		if err := s.install(ctx, absent); err != nil {
			return err
		}
	}
	better, err := s.missing(ctx, s.optional())
	if err != nil || len(better) == 0 {
		return err
	}
	if err := s.install(ctx, better); err != nil {
		s.tried = s.host.Clock.Now() // and the node goes on without it
	}
	return nil
}

// install gets packages. What a power cut left half configured is finished first.
func (s *packages) install(ctx context.Context, names []string) error {
	if _, err := host.Run(ctx, s.host.Commands, host.Cmd{Argv: []string{"dpkg", "--force-confold", "--configure", "-a"}, Timeout: aptTimeout}); err != nil {
		return fmt.Errorf("packages are half installed and cannot be finished: %w: run dpkg --configure -a", err)
	}
	apt := []string{"apt-get", "-q", "-y", "-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20"}
	update, err := s.host.Commands.Run(ctx, host.Cmd{Argv: append(slices.Clone(apt), "update"), Timeout: aptTimeout})
	if err != nil {
		return err
	}
	argv := append(append(slices.Clone(apt), "--no-install-recommends", "install"), names...)
	r, err := s.host.Commands.Run(ctx, host.Cmd{Argv: argv, Timeout: aptTimeout})
	if err != nil {
		return err
	}
	absent, err := s.missing(ctx, names)
	if err != nil || len(absent) == 0 { // what dpkg says counts, not an exit status
		return err
	}
	if why, ok := offline(update, r); ok {
		return &NotYet{fmt.Sprintf("no network to install %s (%s): connect the node to one that reaches the package sources", strings.Join(absent, ", "), why)}
	}
	return fmt.Errorf("apt-get could not install %s: %s", strings.Join(absent, ", "), host.LastLine(r))
}

// offline tells whether apt failed for want of a network, and its words for it.
func offline(runs ...host.Result) (string, bool) {
	for _, r := range runs {
		for line := range strings.Lines(string(r.Stderr) + "\n" + string(r.Stdout)) {
			for _, sign := range []string{"Temporary failure resolving", "Could not resolve", "Network is unreachable", "Could not connect", "Connection timed out", "No route to host", "Cannot initiate the connection", "Connection refused"} {
				if strings.Contains(line, sign) {
					return strings.TrimSpace(strings.TrimLeft(line, "EWrr:0123456789 ")), true
				}
			}
		}
	}
	return "", false
}
