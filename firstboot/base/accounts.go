package base

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

const (
	passwdFile = "/etc/passwd"
	shadowFile = "/etc/shadow"
	groupFile  = "/etc/group"
	// keyOnly is the password field of an account without a password. Unlike "!"
	// it does not lock the account, so keys work with any setting of sshd.
	keyOnly = "*"
)

// account is one line of /etc/passwd.
type account struct {
	uid, gid int
	home     string
}

// accountsItem makes the users with their homes and keys. An account that is
// there already is taken over; nothing of it is removed.
func accountsItem(h host.Host, p *profiles.Profile) item {
	return item{"accounts", func(context.Context) (step.Verdict, error) {
		v := step.IsDone("")
		for _, u := range p.Users {
			have, err := lookAccount(h.Files, u)
			if err != nil {
				return step.Verdict{}, err
			}
			if len(u.Keys) == 0 && u.PasswordHash == "" {
				v.Risks = append(v.Risks, u.Name+" has neither a key nor a password and cannot log in")
			}
			if u.Sudo == "password" && u.PasswordHash == "" {
				v.Risks = append(v.Risks, fmt.Sprintf("%s needs a password for sudo and has none: set one with passwd %s", u.Name, u.Name))
			}
			v.Changes = append(v.Changes, have...)
		}
		if len(v.Changes) > 0 {
			v.State, v.Reason = step.Todo, v.Changes[0].Object+" is not as the profile says"
		}
		return v, nil
	}, func(ctx context.Context) error {
		for _, u := range p.Users {
			if err := makeAccount(ctx, h, u); err != nil {
				return fmt.Errorf("user %s: %w", u.Name, err)
			}
		}
		return nil
	}}
}

// line returns the fields of a name in a file such as /etc/passwd.
func line(f host.Files, path, name string) ([]string, error) {
	text, err := host.ReadOptional(f, path)
	if err != nil {
		return nil, err
	}
	for l := range strings.Lines(string(text)) {
		if fields := strings.Split(strings.TrimRight(l, "\n"), ":"); fields[0] == name && len(fields) > 2 {
			return fields, nil
		}
	}
	return nil, nil
}

func findAccount(f host.Files, name string) (account, bool, error) {
	fields, err := line(f, passwdFile, name)
	if err != nil || len(fields) < 7 {
		return account{}, false, err
	}
	uid, err1 := strconv.Atoi(fields[2])
	gid, err2 := strconv.Atoi(fields[3])
	if err1 != nil || err2 != nil {
		return account{}, false, fmt.Errorf("%s has a damaged line for %s: mend it with vipw", passwdFile, name)
	}
	return account{uid, gid, fields[5]}, true, nil
}

// lookAccount lists what is missing of one user.
func lookAccount(f host.Files, u profiles.User) ([]step.Change, error) {
	a, ok, err := findAccount(f, u.Name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return []step.Change{{Object: "user " + u.Name, Have: "no account", Want: fmt.Sprintf("account with %d keys", len(u.Keys))}}, nil
	}
	var out []step.Change
	shadow, err := line(f, shadowFile, u.Name)
	if err != nil {
		return nil, err
	}
	if needsPassword(shadow, u) {
		out = append(out, step.Change{Object: "user " + u.Name, Have: "no password entry", Want: "password as the profile says"})
	}
	group, err := ownGroup(f, a)
	if err != nil {
		return nil, err
	}
	if !group {
		out = append(out, step.Change{Object: "user " + u.Name, Have: "no group of its own", Want: "group " + u.Name})
	}
	home, err := ownHome(f, a)
	if err != nil {
		return nil, err
	}
	if !home {
		out = append(out, step.Change{Object: a.home, Want: "home of " + u.Name})
	}
	if len(u.Keys) == 0 {
		return out, nil
	}
	have, err := host.ReadOptional(f, a.keys())
	if err != nil {
		return nil, err
	}
	// The keys are written last, when directory and owner are as they must be.
	if string(have) != wantKeys(have, u.Keys) {
		out = append(out, step.Change{Object: a.keys(), Want: fmt.Sprintf("%d keys", len(u.Keys))})
	}
	return out, nil
}

func (a account) keys() string { return a.home + "/.ssh/authorized_keys" }

// needsPassword reports whether the shadow entry must be set. A password that a
// person set by hand is left alone.
func needsPassword(shadow []string, u profiles.User) bool {
	if shadow == nil {
		return true
	}
	unset := shadow[1] == "" || shadow[1] == "!" || shadow[1] == "!!" || shadow[1] == "!*"
	return unset || shadow[1] == keyOnly && u.PasswordHash != ""
}

func ownGroup(f host.Files, a account) (bool, error) {
	text, err := host.ReadOptional(f, groupFile)
	if err != nil {
		return false, err
	}
	want := strconv.Itoa(a.gid)
	for l := range strings.Lines(string(text)) {
		if fields := strings.Split(strings.TrimRight(l, "\n"), ":"); len(fields) >= 3 && fields[2] == want {
			return true, nil
		}
	}
	return false, nil
}

// wantKeys adds the keys that are missing to an authorized_keys file.
func wantKeys(have []byte, keys []string) string {
	lines := strings.Split(strings.TrimRight(string(have), "\n"), "\n")
	text := string(have)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	for _, k := range keys {
		if k = strings.TrimSpace(k); !slices.Contains(lines, k) {
			text += k + "\n"
		}
	}
	return text
}

// makeAccount makes what is missing of one user, in an order in which a crash
// at any point leaves something that the next run goes on from.
func makeAccount(ctx context.Context, h host.Host, u profiles.User) error {
	a, ok, err := findAccount(h.Files, u.Name)
	if err != nil {
		return err
	}
	if !ok {
		if err := addUser(ctx, h, u); err != nil {
			return err
		}
		if a, ok, err = findAccount(h.Files, u.Name); err == nil && !ok {
			err = fs.ErrNotExist // in /etc/passwd
		}
		if err != nil {
			return fmt.Errorf("useradd made no account (%w)", err)
		}
	}
	if err := repairAccount(ctx, h, u, a); err != nil {
		return err
	}
	if len(u.Keys) == 0 {
		return nil
	}
	have, err := host.ReadOptional(h.Files, a.keys())
	if err != nil {
		return err
	}
	want := wantKeys(have, u.Keys)
	if string(have) == want {
		return nil
	}
	dir := a.home + "/.ssh"
	if err := h.Files.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := h.Files.Chmod(dir, 0o700); err != nil {
		return err
	}
	if err := h.Files.Chown(dir, a.uid, a.gid); err != nil {
		return err
	}
	if err := h.Files.Sync(); err != nil { // owner and mode before the keys that prove them
		return err
	}
	// Root's file, readable by the user: sshd accepts it, and the write is atomic.
	return h.Files.WriteFile(a.keys(), []byte(want), 0o644)
}

func addUser(ctx context.Context, h host.Host, u profiles.User) error {
	argv := []string{"useradd", "--create-home", "--shell", "/bin/bash"}
	if u.FullName != "" {
		argv = append(argv, "--comment", u.FullName)
	}
	group, err := line(h.Files, groupFile, u.Name)
	if err != nil {
		return err
	}
	if group != nil { // left by a crash; useradd alone would refuse
		argv = append(argv, "--gid", u.Name)
	} else {
		argv = append(argv, "--user-group")
	}
	r, err := h.Commands.Run(ctx, host.Cmd{Argv: append(argv, u.Name)})
	if err != nil {
		return err
	}
	if r.Code != 0 {
		return fmt.Errorf("useradd: %s", host.LastLine(r))
	}
	return nil
}

// repairAccount finishes an account that a crash left half made.
func repairAccount(ctx context.Context, h host.Host, u profiles.User, a account) error {
	if ok, err := ownGroup(h.Files, a); err != nil {
		return err
	} else if !ok {
		if _, err := host.Run(ctx, h.Commands, host.Cmd{Argv: []string{"groupadd", "--gid", strconv.Itoa(a.gid), u.Name}}); err != nil {
			return err
		}
	}
	shadow, err := line(h.Files, shadowFile, u.Name)
	if err != nil {
		return err
	}
	if needsPassword(shadow, u) {
		password := u.PasswordHash
		if password == "" {
			password = keyOnly
		}
		if _, err := host.Run(ctx, h.Commands, host.Cmd{
			Argv: []string{"chpasswd", "--encrypted"}, Stdin: []byte(u.Name + ":" + password + "\n")}); err != nil {
			return err
		}
	}
	if ok, err := ownHome(h.Files, a); err != nil || ok {
		return err
	}
	if err := h.Files.MkdirAll(a.home, 0o700); err != nil {
		return err
	}
	if err := h.Files.Chmod(a.home, 0o700); err != nil {
		return err
	}
	return h.Files.Chown(a.home, a.uid, a.gid)
}

// ownHome reports whether the home is there and belongs to the account.
func ownHome(f host.Files, a account) (bool, error) {
	info, err := f.Stat(a.home)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.IsDir() {
		return false, fmt.Errorf("%s is no directory: move it away", a.home)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(owner.Uid) == a.uid, nil
}
