// Package apt asks dpkg and apt what is installed and what would be, and has
// them make it so.
//
// It decides nothing: which packages a node needs, and when it may change
// them, is for the rooms that call it. Exit codes of apt-get are not believed;
// what dpkg says afterwards counts.
package apt

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/host"
)

// limit bounds one run of apt-get: a slow line, not a hanging one.
const limit = 20 * time.Minute

// System is the packages of one machine.
type System struct{ Host host.Host }

// Offline is the error of what needed a network and had none.
type Offline struct{ Why string }

func (o *Offline) Error() string { return "the package sources cannot be reached: " + o.Why }

// command is apt-get as it is always called: nobody is asked, what its owner
// made of a configuration stays, and another apt is waited for.
func command(words ...string) []string {
	return append([]string{"apt-get", "-q", "-y", "-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Options::=--force-confdef", "-o", "DPkg::Lock::Timeout=120",
		"-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20"}, words...)
}

// Installed are the versions of all packages that are whole, by name.
func (s System) Installed(ctx context.Context) (map[string]string, error) {
	argv := []string{"dpkg-query", "-W", "-f", "${Package} ${db:Status-Status} ${Version}\n"}
	r, err := s.Host.Commands.Run(ctx, host.Cmd{Argv: argv, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(string(r.Stdout)) {
		if f := strings.Fields(line); len(f) == 3 && f[1] == "installed" {
			out[f[0]] = f[2]
		}
	}
	return out, nil
}

// Missing asks dpkg which of the packages are not installed.
func (s System) Missing(ctx context.Context, names []string) ([]string, error) {
	argv := append([]string{"dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"}, names...)
	r, err := s.Host.Commands.Run(ctx, host.Cmd{Argv: argv, ReadOnly: true})
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

// Finish has dpkg end what a power cut left half configured.
func (s System) Finish(ctx context.Context) error {
	if _, err := host.Run(ctx, s.Host.Commands, host.Cmd{Argv: []string{"dpkg", "--force-confold", "--configure", "-a"}, Timeout: limit}); err != nil {
		return fmt.Errorf("packages are half installed and cannot be finished: %w: run dpkg --configure -a", err)
	}
	return nil
}

// Install gets packages. Without a network its error is Offline.
func (s System) Install(ctx context.Context, names []string) error {
	if err := s.Finish(ctx); err != nil {
		return err
	}
	update, err := s.Host.Commands.Run(ctx, host.Cmd{Argv: command("update"), Timeout: limit})
	if err != nil {
		return err
	}
	r, err := s.Host.Commands.Run(ctx, host.Cmd{Argv: command(append([]string{"--no-install-recommends", "install"}, names...)...), Timeout: limit})
	if err != nil {
		return err
	}
	absent, err := s.Missing(ctx, names)
	if err != nil || len(absent) == 0 {
		return err
	}
	if why, ok := offline(update, r); ok {
		return &Offline{why}
	}
	return fmt.Errorf("apt-get could not install %s: %s", strings.Join(absent, ", "), host.LastLine(r))
}

// Refresh reads the package sources anew. Sources that did not answer are an
// error, although apt-get only warns of them.
func (s System) Refresh(ctx context.Context) error {
	r, err := s.Host.Commands.Run(ctx, host.Cmd{Argv: command("update"), Timeout: limit})
	if err != nil {
		return err
	}
	if why, ok := offline(r); ok {
		return &Offline{why}
	}
	for line := range strings.Lines(string(r.Stderr) + "\n" + string(r.Stdout)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "E:") || strings.HasPrefix(line, "Err:") || strings.HasPrefix(line, "W: Failed to fetch") {
			return fmt.Errorf("apt-get update: %s", words(line))
		}
	}
	if r.Code != 0 {
		return fmt.Errorf("apt-get update: %s", host.LastLine(r))
	}
	return nil
}

// words is a line of apt without the mark of its kind: "Err:1 ", "E: ", "W: ".
func words(line string) string {
	line = strings.TrimSpace(line)
	for _, mark := range []string{"Err:", "E:", "W:"} {
		if rest, ok := strings.CutPrefix(line, mark); ok {
			return strings.TrimLeft(rest, "0123456789 ")
		}
	}
	return line
}

// offline reports whether apt failed for want of a network, and its words for it.
func offline(runs ...host.Result) (string, bool) {
	for _, r := range runs {
		for line := range strings.Lines(string(r.Stderr) + "\n" + string(r.Stdout)) {
			for _, sign := range []string{"Temporary failure resolving", "Could not resolve", "Network is unreachable", "Could not connect", "Connection timed out", "No route to host", "Cannot initiate the connection", "Connection refused"} {
				if strings.Contains(line, sign) {
					return words(line), true
				}
			}
		}
	}
	return "", false
}
