package base

import (
	"context"
	"fmt"
	"strings"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

const (
	sshdFile = "/etc/ssh/sshd_config.d/10-ringboot.conf"
	// sshdTrial is where the settings are checked before sshd can see them.
	sshdTrial = "/run/ringboot/sshd_config"
	// sshdRunDir must exist for sshd -t and -T.
	sshdRunDir = "/run/sshd"
)

// sshdText are the settings. Root never gets "no": Proxmox nodes reach each
// other as root by key. Passwords go only when a key is there to get in with.
func sshdText(keysProven bool) string {
	text := "# Written by ringboot from the profile of the cluster.\nPermitRootLogin prohibit-password\n"
	if keysProven {
		text += "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
	}
	return text
}

// keysProven reports whether a user who may become root can log in by key.
func keysProven(f host.Files, p *profiles.Profile) (bool, error) {
	for _, u := range p.Users {
		if len(u.Keys) == 0 || u.Sudo == "none" {
			continue
		}
		a, ok, err := findAccount(f, u.Name)
		if err != nil {
			return false, err
		}
		if !ok {
			continue
		}
		have, err := host.ReadOptional(f, a.keys())
		if err != nil {
			return false, err
		}
		if string(have) == wantKeys(have, u.Keys) {
			return true, nil
		}
	}
	return false, nil
}

func sshdItem(h host.Host, p *profiles.Profile) item {
	s := &sshd{host: h, profile: p, service: service{h, "ssh", "reload"}}
	return item{"ssh", s.look, s.make}
}

type sshd struct {
	host    host.Host
	profile *profiles.Profile
	service service
}

func (s *sshd) look(ctx context.Context) (step.Verdict, error) {
	proven, err := keysProven(s.host.Files, s.profile)
	if err != nil {
		return step.Verdict{}, err
	}
	v, err := step.WantFile(s.host.Files, sshdFile, sshdText(proven))
	if err != nil || v.State != step.Done {
		return v, err
	}
	if s.service.pending() {
		return step.Do("sshd has not read its settings yet", step.Change{Object: "ssh.service", Want: "reloaded"}), nil
	}
	if !proven {
		v.Risks = append(v.Risks, "ssh takes passwords, because no user who may become root has a key: add keys to the profile")
	}
	if !host.Exists(s.host.Files, sshdRunDir) {
		return v, nil // sshd does not run, so there are no effective settings
	}
	return s.effective(ctx, v)
}

// effective compares what sshd makes of all its files: a file that sorts
// before ours wins.
func (s *sshd) effective(ctx context.Context, v step.Verdict) (step.Verdict, error) {
	r, err := s.host.Commands.Run(ctx, host.Cmd{Argv: []string{"sshd", "-T"}, ReadOnly: true})
	if err != nil {
		return step.Verdict{}, err
	}
	if r.Code != 0 {
		return step.Stop(fmt.Sprintf("sshd does not accept its settings (%s): mend the file that it names in /etc/ssh", host.LastLine(r))), nil
	}
	for l := range strings.Lines(string(r.Stdout)) {
		key, value, _ := strings.Cut(strings.TrimSpace(l), " ")
		if key == "permitrootlogin" && value != "without-password" && value != "prohibit-password" {
			return step.Stop(fmt.Sprintf("another file in /etc/ssh/sshd_config.d sets PermitRootLogin %s and comes first: remove that line, it must be prohibit-password", value)), nil
		}
	}
	return v, nil
}

func (s *sshd) make(ctx context.Context) error {
	proven, err := keysProven(s.host.Files, s.profile)
	if err != nil {
		return err
	}
	want := sshdText(proven)
	if v, err := step.WantFile(s.host.Files, sshdFile, want); err != nil {
		return err
	} else if v.State != step.Done {
		if err := s.write(ctx, want); err != nil {
			return err
		}
	}
	if s.service.pending() {
		return s.service.settle(ctx)
	}
	return nil
}

// write activates the settings if sshd takes them, alone and with all others.
func (s *sshd) write(ctx context.Context, want string) error {
	f := s.host.Files
	if err := f.MkdirAll(sshdRunDir, 0o755); err != nil {
		return err
	}
	if err := f.WriteFile(sshdTrial, []byte(want), 0o600); err != nil {
		return err
	}
	if _, err := host.Run(ctx, s.host.Commands, host.Cmd{Argv: []string{"sshd", "-t", "-f", sshdTrial}, ReadOnly: true}); err != nil {
		return fmt.Errorf("the settings of sshd were not activated: %w", err)
	}
	old, err := host.ReadOptional(f, sshdFile)
	if err != nil {
		return err
	}
	if err := s.service.write(sshdFile, want); err != nil {
		return err
	}
	if _, err := host.Run(ctx, s.host.Commands, host.Cmd{Argv: []string{"sshd", "-t"}, ReadOnly: true}); err != nil {
		return putBack(f, sshdFile, old, 0o644, fmt.Errorf("the settings of sshd were taken back: %w", err))
	}
	return nil
}
