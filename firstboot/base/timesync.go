package base

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

const (
	chronyConf    = "/etc/chrony/conf.d/ringboot.conf"
	chronySources = "/etc/chrony/sources.d/ringboot.sources"
	// localStratum is what the founder claims while it reaches no time source:
	// worse than any real one, good enough to agree on.
	localStratum = 10
	// maxOffset is how far a clock may be off to count as synchronised.
	maxOffset = 50 * time.Millisecond
)

// timesync is the clock: chrony on, with the profile's servers, and the
// founder as the one that all agree on where there is no other.
type timesync struct {
	host    host.Host
	profile *profiles.Profile
	node    profiles.Node
}

func (s *timesync) service() service { return service{s.host, "chrony", "restart"} }

func (s *timesync) conf() string {
	text := "# Written by ringboot from the profile of the cluster.\n"
	if s.node.Name == s.profile.Founder().Name {
		text += fmt.Sprintf("# Without any time source this node is the one that its peers follow.\nlocal stratum %d\nallow %s\n", localStratum, s.profile.Management.Prefix.Masked())
	}
	return text
}

func (s *timesync) sources() string {
	var out strings.Builder
	for _, name := range s.profile.Management.NTP {
		kind := "server"
		if _, err := netip.ParseAddr(name); err != nil && strings.Contains(name, "pool") {
			kind = "pool"
		}
		fmt.Fprintf(&out, "%s %s iburst\n", kind, name)
	}
	if founder := s.profile.Founder(); s.node.Name != founder.Name {
		fmt.Fprintf(&out, "server %s iburst\n", founder.Address)
	}
	return out.String()
}

// files are the files of chrony that the agent writes, in order.
func (s *timesync) files() [][2]string {
	return [][2]string{{chronyConf, s.conf()}, {chronySources, s.sources()}}
}

func (s *timesync) look(ctx context.Context) (step.Verdict, error) {
	v := step.IsDone("")
	for _, file := range s.files() {
		one, err := step.WantFile(s.host.Files, file[0], file[1])
		if err != nil {
			return step.Verdict{}, err
		}
		if file[1] == "" && !host.Exists(s.host.Files, file[0]) {
			continue
		}
		v.Changes = append(v.Changes, one.Changes...)
	}
	active, err := isState(ctx, s.host.Commands, "is-active", "chrony")
	if err != nil {
		return step.Verdict{}, err
	}
	enabled, err := isState(ctx, s.host.Commands, "is-enabled", "chrony")
	if err != nil {
		return step.Verdict{}, err
	}
	if active != "active" || enabled != "enabled" {
		v.Changes = append(v.Changes, step.Change{Object: "chrony.service", Have: active + ", " + enabled, Want: "active, enabled"})
	} else if s.service().pending() {
		v.Changes = append(v.Changes, step.Change{Object: "chrony.service", Want: "restarted"})
	}
	if len(v.Changes) > 0 {
		v.State, v.Reason = step.Todo, "time synchronisation is not set up"
		return v, nil
	}
	return s.synced(ctx)
}

// synced waits for a clock that is right, unless there is no source to get it
// from: then the node goes on, because the management network may be what is
// missing, and the clocks are compared again before the cluster is formed.
func (s *timesync) synced(ctx context.Context) (step.Verdict, error) {
	ok, why, err := ClockSynced(ctx, s.host.Commands)
	if err != nil || ok {
		return step.IsDone(""), err
	}
	r, err := s.host.Commands.Run(ctx, host.Cmd{Argv: []string{"chronyc", "-n", "-c", "sources"}, ReadOnly: true, Timeout: 10 * time.Second})
	if err != nil {
		return step.Verdict{}, err
	}
	if !answered(string(r.Stdout)) {
		v := step.IsDone("")
		v.Risks = []string{"the clock is not synchronised, no time source answers: " + why}
		return v, nil
	}
	return step.Wait("the clock is being set: " + why), nil
}

// answered reports whether any source of "chronyc -c sources" was ever reached.
// Field 6 is the reachability register, octal.
func answered(sources string) bool {
	for l := range strings.Lines(sources) {
		if f := strings.Split(strings.TrimSpace(l), ","); len(f) > 5 && f[5] != "0" {
			return true
		}
	}
	return false
}

func (s *timesync) make(ctx context.Context) error {
	for _, file := range s.files() {
		v, err := step.WantFile(s.host.Files, file[0], file[1])
		if err != nil {
			return err
		}
		if v.State == step.Done || file[1] == "" && !host.Exists(s.host.Files, file[0]) {
			continue
		}
		if err := s.service().write(file[0], file[1]); err != nil {
			return err
		}
	}
	enabled, err := isState(ctx, s.host.Commands, "is-enabled", "chrony")
	if err != nil {
		return err
	}
	if enabled != "enabled" {
		if _, err := host.Run(ctx, s.host.Commands, host.Cmd{Argv: []string{"systemctl", "enable", "chrony"}}); err != nil {
			return err
		}
	}
	active, err := isState(ctx, s.host.Commands, "is-active", "chrony")
	if err != nil {
		return err
	}
	if active != "active" || s.service().pending() {
		return s.service().settle(ctx)
	}
	return nil
}

// isState asks systemctl one word about one unit; the exit status says nothing
// that the word does not.
func isState(ctx context.Context, c host.Commands, verb, unit string) (string, error) {
	r, err := c.Run(ctx, host.Cmd{Argv: []string{"systemctl", verb, unit}, ReadOnly: true, Timeout: 20 * time.Second})
	if err != nil {
		return "", err
	}
	word := strings.TrimSpace(string(r.Stdout))
	if word == "" {
		word = "unknown"
	}
	return word, nil
}

// ClockSynced asks chrony whether the clock is right, to 50 ms, and if not, why.
func ClockSynced(ctx context.Context, c host.Commands) (bool, string, error) {
	r, err := c.Run(ctx, host.Cmd{Argv: []string{"chronyc", "-n", "-c", "tracking"}, ReadOnly: true, Timeout: 10 * time.Second})
	if err != nil {
		return false, "", err
	}
	// Fields of "chronyc -c tracking", in the order of chronyc(1): reference id,
	// address, stratum, reference time, system time, ..., leap status.
	f := strings.Split(strings.TrimSpace(string(r.Stdout)), ",")
	if r.Code != 0 || len(f) < 14 {
		return false, "chrony does not answer: systemctl restart chrony", nil
	}
	offset, err := strconv.ParseFloat(f[4], 64)
	switch {
	case err != nil:
		return false, "chrony said " + strings.TrimSpace(string(r.Stdout)), nil
	case f[13] != "Normal" && !strings.HasSuffix(f[13], "second"):
		return false, "chrony has no source yet (leap status " + f[13] + "): check the gateway and the time servers of the profile", nil
	case math.Abs(offset) > maxOffset.Seconds():
		return false, fmt.Sprintf("the clock is %.0f ms off", offset*1000), nil
	}
	return true, "", nil
}
