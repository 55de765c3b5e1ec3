package base

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

const (
	// sudoersFile has no dot in its name: sudo's includedir skips those that have.
	sudoersFile = "/etc/sudoers.d/ringboot"
	// sudoersTrial is where rules are checked before sudo can see them.
	sudoersTrial = "/run/ringboot/sudoers"
)

// sudoRules are the rules of all users, as sudoers(5) has them.
func sudoRules(users []profiles.User) string {
	var out strings.Builder
	out.WriteString("# Written by ringboot from the profile of the cluster.\n")
	for _, u := range users {
		switch u.Sudo {
		case "nopasswd":
			fmt.Fprintf(&out, "%s ALL=(ALL:ALL) NOPASSWD: ALL\n", u.Name)
		case "password":
			fmt.Fprintf(&out, "%s ALL=(ALL:ALL) ALL\n", u.Name)
		}
	}
	return out.String()
}

func sudoItem(h host.Host, p *profiles.Profile) item {
	want := sudoRules(p.Users)
	return item{"sudo", func(context.Context) (step.Verdict, error) {
		if !strings.Contains(want, "ALL=") && !host.Exists(h.Files, sudoersFile) {
			return step.IsDone(""), nil
		}
		return step.WantFile(h.Files, sudoersFile, want)
	}, func(ctx context.Context) error {
		// A mistake in a sudoers file locks everybody out of sudo, so the rules
		// are checked where sudo does not look, and the whole once more after.
		if err := h.Files.WriteFile(sudoersTrial, []byte(want), 0o440); err != nil {
			return err
		}
		check := host.Cmd{Argv: []string{"visudo", "-c", "-q", "-f", sudoersTrial}, ReadOnly: true}
		if _, err := host.Run(ctx, h.Commands, check); err != nil {
			return fmt.Errorf("the rules for sudo were not activated: %w", err)
		}
		old, err := host.ReadOptional(h.Files, sudoersFile)
		if err != nil {
			return err
		}
		if err := h.Files.WriteFile(sudoersFile, []byte(want), 0o440); err != nil {
			return err
		}
		if _, err := host.Run(ctx, h.Commands, host.Cmd{Argv: []string{"visudo", "-c", "-q"}, ReadOnly: true}); err != nil {
			return putBack(h.Files, sudoersFile, old, 0o440, fmt.Errorf("the rules for sudo were taken back: %w", err))
		}
		return nil
	}}
}

// putBack undoes a write and returns why.
func putBack(f host.Files, path string, old []byte, mode fs.FileMode, why error) error {
	var err error
	if old == nil {
		err = f.Remove(path)
	} else {
		err = f.WriteFile(path, old, mode)
	}
	if err != nil {
		return fmt.Errorf("%w (and %s could not be put back: %w)", why, path, err)
	}
	return why
}
