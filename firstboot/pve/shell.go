package pve

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"ringboot/firstboot/host"
)

// Shell runs the tools of one node. Exit codes of many of them mean nothing,
// so that what a call claims is always checked against the state afterwards;
// the shell's errors only carry what the tool said.
type Shell struct {
	Host host.Host
	Node string
}

// Refused is what a tool said when it did not do what it was asked for.
type Refused struct {
	Argv []string
	Code int
	Said string // the telling lines of standard error, else of standard output
}

func (r *Refused) Error() string {
	said := r.Said
	if said == "" {
		said = fmt.Sprintf("exit code %d and no word", r.Code)
	}
	return fmt.Sprintf("%s: %s", strings.Join(r.Argv[:min(3, len(r.Argv))], " "), said)
}

// read runs a tool that changes nothing.
func (s Shell) read(ctx context.Context, argv ...string) (host.Result, error) {
	return s.run(ctx, host.Cmd{Argv: argv, ReadOnly: true, Timeout: 45 * time.Second})
}

// change runs a tool that may change something.
func (s Shell) change(ctx context.Context, timeout time.Duration, argv ...string) (host.Result, error) {
	return s.run(ctx, host.Cmd{Argv: argv, Timeout: timeout})
}

func (s Shell) run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	if err := host.Hung(s.Host.Files); err != nil { // it would hang as well, and could not be killed
		return host.Result{}, err
	}
	r, err := s.Host.Commands.Run(ctx, cmd)
	if err = absent(cmd.Argv[0], err); err != nil {
		return r, fmt.Errorf("%s: %w", strings.Join(cmd.Argv[:min(3, len(cmd.Argv))], " "), err)
	}
	if r.Code != 0 {
		return r, &Refused{Argv: cmd.Argv, Code: r.Code, Said: telling(r)}
	}
	return r, nil
}

// telling picks what a person should read of a tool's output.
func telling(r host.Result) string {
	text := string(r.Stderr)
	if strings.TrimSpace(text) == "" {
		text = string(r.Stdout)
	}
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		// Noise of ceph tools that look for a keyring in several places.
		if line == "" || strings.Contains(line, "unable to find a keyring") || strings.Contains(line, "no keyring found at") {
			continue
		}
		lines = append(lines, line)
	}
	if len(lines) > 4 {
		lines = lines[len(lines)-4:]
	}
	return strings.Join(lines, "; ")
}

// noNumber is a float that is none, as Ceph prints a score or a ratio of nothing.
var noNumber = regexp.MustCompile(`([:\[,]\s*)-?(?:inf|nan)\b`)

// readJSON runs a tool and decodes what it prints.
func (s Shell) readJSON(ctx context.Context, out any, argv ...string) error {
	r, err := s.read(ctx, argv...)
	if err != nil {
		return err
	}
	text := r.Stdout
	if !json.Valid(text) {
		text = noNumber.ReplaceAll(text, []byte("${1}null"))
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s printed no JSON: %w", strings.Join(argv[:min(3, len(argv))], " "), err)
	}
	return nil
}

// StateHere is the state that systemd says a unit has.
func (s Shell) StateHere(ctx context.Context, unit string) (string, error) {
	r, err := s.Host.Commands.Run(ctx, host.Cmd{Argv: []string{"systemctl", "is-active", unit}, ReadOnly: true, Timeout: short})
	return strings.TrimSpace(string(r.Stdout)), err
}
