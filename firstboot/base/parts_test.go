package base

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/nodetest"
)

// What each part announces, writes and runs on a machine as the installer leaves
// it, in that order, and that nothing of it is done twice.
func TestWhatEachPartMakes(t *testing.T) {
	accounts := []string{"packages", "accounts"}
	reload := func(verb, unit string) []string {
		return []string{"run systemctl " + verb + " " + unit, "remove /run/ringboot/reload-" + unit}
	}
	for name, c := range map[string]struct {
		before    []string // parts that come first
		announced []string
		log       []string
	}{
		"names": {nil, []string{"/etc/hosts: with other names of the nodes -> the names of all nodes"}, []string{"write /etc/hosts"}},
		"proxy": {nil, []string{"/etc/apt/apt.conf.d/95ringboot-proxy:  -> http://10.203.3.5:3142"}, []string{"write /etc/apt/apt.conf.d/95ringboot-proxy"}},
		"subscription": {nil, []string{"subscription: none -> the key of the profile"},
			[]string{"write /var/lib/ringboot/subscription-begun", "run pvesubscription set pve2c-0123456789", "remove /var/lib/ringboot/subscription-begun"}},
		"repositories": {nil, []string{sourcesDir + "/ceph.sources:  -> sources as the profile says", sourcesDir + "/proxmox.sources:  -> sources as the profile says", sourcesDir + "/pve-enterprise.sources:  -> sources as the profile says"},
			[]string{"write " + sourcesDir + "/ceph.sources", "write " + sourcesDir + "/proxmox.sources", "write " + sourcesDir + "/pve-enterprise.sources"}},
		"packages": {nil, []string{"package chrony: not installed -> installed", "package sudo: not installed -> installed", "package sqlite3: not installed -> installed"}, nil},
		"sudo":     {accounts, []string{"/etc/sudoers.d/ringboot:  -> a new file"}, []string{"write /run/ringboot/sudoers", "write /etc/sudoers.d/ringboot"}},
		"ssh": {accounts, []string{"/etc/ssh/sshd_config.d/10-ringboot.conf:  -> a new file"},
			append([]string{"make /run/sshd", "write /run/ringboot/sshd_config", "write /run/ringboot/reload-ssh", "write /etc/ssh/sshd_config.d/10-ringboot.conf"}, reload("reload", "ssh")...)},
		"time": {accounts, []string{"/etc/chrony/conf.d/ringboot.conf:  -> a new file", "/etc/chrony/sources.d/ringboot.sources:  -> a new file"},
			append([]string{"write /run/ringboot/reload-chrony", "write /etc/chrony/conf.d/ringboot.conf", "write /run/ringboot/reload-chrony", "write /etc/chrony/sources.d/ringboot.sources"}, reload("restart", "chrony")...)},
		"mail":   {nil, []string{"relayhost of Postfix:  -> [mail.principia.lan]:25"}, append([]string{"write /run/ringboot/reload-postfix", "run postconf -e relayhost=[mail.principia.lan]:25"}, reload("reload", "postfix")...)},
		"tuning": {nil, nil, nil},
	} {
		b := newBench(t, nil)
		for _, one := range c.before {
			converge(t, b.part(t, one))
		}
		m := crash.New(b.Disk, b, b.Clock)
		m.Arm(crash.Cut{})
		s, ok := NewBase(m.Host(), b.profile, b.node).Part(name)
		if !ok || s.Name() != "base."+name {
			t.Fatalf("there is no part %s", name)
		}
		announced, v := converge(t, s)
		if d := cmp.Diff(c.announced, announced); d != "" || v.State != step.Done {
			t.Errorf("%s: %s %s %s", name, v.State, v.Reason, d)
		}
		if d := cmp.Diff(c.log, m.Log()); d != "" && name != "packages" {
			t.Errorf("%s: %s", name, d)
		}
		m.Arm(crash.Cut{})
		if announced, _ := converge(t, s); len(announced)+m.Points() > 0 {
			t.Errorf("%s a second time: %q %q", name, announced, m.Log())
		}
		if len(b.Failures) > 0 {
			t.Errorf("%s: %q", name, b.Failures)
		}
	}
	if _, ok := NewBase(host.Host{}, &profiles.Profile{}, profiles.Node{}).Part("mine"); ok {
		t.Error("there is a part that nobody has")
	}
}

// The step is as far as the part that asks for most; what waits keeps nothing else
// from being made, and the first that fails is named.
func TestTheStepIsItsParts(t *testing.T) {
	b := newBench(t, nil)
	s := NewBase(b.Host(), b.profile, b.node)
	if v, err := s.Check(t.Context()); err != nil || v.State != step.Todo || v.Reason != "/etc/hosts does not list all nodes" || len(v.Changes) < 12 {
		t.Errorf("%s %s %q, %v", v.State, v.Reason, changes(v), err)
	}
	if _, v := converge(t, s); v.State != step.Done || v.Reason != "repositories, packages, accounts, ssh, names and time are as the profile says" || len(v.Risks) > 0 {
		t.Errorf("%s %s %q", v.State, v.Reason, v.Risks)
	}
	said := func(state step.State, reason string) item {
		return item{reason, func(context.Context) (step.Verdict, error) {
			return step.Verdict{State: state, Reason: reason, Risks: []string{"risk of " + reason}}, nil
		}, nil}
	}
	done, waits, todo, stops := said(step.Done, "done"), said(step.Waiting, "waits"), said(step.Todo, "todo"), said(step.Stopped, "stops")
	for want, items := range map[string][]item{
		"waits": {done, waits, done}, "todo": {waits, todo, done}, "stops": {stops, todo, waits}, "first": {said(step.Waiting, "first"), waits},
	} {
		v, err := (&Base{items}).Check(t.Context())
		if err != nil || v.Reason != want || len(v.Risks) != len(items) {
			t.Errorf("%s: %s %q, %v", want, v.Reason, v.Risks, err)
		}
	}
	made := ""
	act := func(name string, state step.State, err error) item {
		return item{name, said(state, name).look, func(context.Context) error { made += name + " "; return err }}
	}
	broken := item{"broken", func(context.Context) (step.Verdict, error) { return step.Verdict{}, errors.New("no disk") }, nil}
	all := &Base{[]item{broken, act("a", step.Todo, errors.New("no space")), act("b", step.Done, nil), act("c", step.Waiting, nil), act("d", step.Todo, nil)}}
	if err := all.Apply(t.Context()); err == nil || err.Error() != "broken: no disk" || made != "a d " {
		t.Errorf("%v, made %q", err, made)
	}
	if _, err := all.Check(t.Context()); err == nil || err.Error() != "broken: no disk" {
		t.Errorf("%v", err)
	}
	if err := (&Base{all.items[1:]}).Apply(t.Context()); err == nil || err.Error() != "a: no space" {
		t.Errorf("%v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if made = ""; !errors.Is(all.Apply(ended), context.Canceled) || made != "" {
		t.Errorf("made %q though nobody waits any more", made)
	}
}

// A mark says that a service has not read what was written: after a crash between
// the two it reads it all the same.
func TestAServiceReadsWhatWasWritten(t *testing.T) {
	for name, c := range map[string]struct{ unit, want, run string }{
		"ssh": {"ssh", "ssh.service:  -> reloaded", "systemctl reload ssh"}, "time": {"chrony", "chrony.service:  -> restarted", "systemctl restart chrony"},
		"mail": {"postfix", "relayhost of Postfix: [mail.principia.lan]:25 -> [mail.principia.lan]:25", "systemctl reload postfix"},
	} {
		b := newBench(t, nil)
		if _, v := converge(t, NewBase(b.Host(), b.profile, b.node)); v.State != step.Done {
			t.Fatalf("%s %s", v.State, v.Reason)
		}
		b.put(t, "/run/ringboot/reload-"+c.unit, "")
		b.Calls = nil
		if announced, _ := converge(t, b.part(t, name)); !slices.Equal(announced, []string{c.want}) || b.Calls[len(b.Calls)-1] != c.run {
			t.Errorf("%s: %q, ran %q", name, announced, b.Calls)
		}
		h := b.Host()
		h.Commands = scripted(func(host.Cmd) (host.Result, error) { return host.Result{Code: 1, Stderr: []byte("no\n")}, nil })
		if err := (service{h, c.unit, "reload"}).settle(t.Context()); err == nil || err.Error() != "systemctl reload "+c.unit+": exit status 1: no: see journalctl -u "+c.unit {
			t.Errorf("%v", err)
		}
	}
}

// Which packages a node needs, which it is only better off with, and what is said
// where they cannot be had.
func TestPackages(t *testing.T) {
	b := newBench(t, func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) { o.Online = false })
	s := b.part(t, "packages")
	v, err := s.Check(t.Context())
	if err != nil || v.State != step.Todo || v.Reason != "chrony, sudo, sqlite3 must be installed" {
		t.Errorf("%s %s, %v", v.State, v.Reason, err)
	}
	if err := s.Apply(t.Context()); !step.IsNotYet(err) || !strings.HasPrefix(err.Error(), "no network to install chrony, sudo (") || !strings.HasSuffix(err.Error(), "): connect the node to one that reaches the package sources") {
		t.Errorf("%v", err)
	}
	b = newBench(t, func(o *nodetest.Options, p *profiles.Profile, _ *profiles.Node) {
		o.Online, o.Packages, p.Users[0].Sudo, p.Users[1].Sudo = false, []string{"chrony"}, "none", "none"
	})
	s = b.part(t, "packages")
	const risk = "sqlite3 could not be installed: a broken cluster database is harder to mend without it"
	if announced, v := converge(t, s); !slices.Equal(announced, []string{"package sqlite3: not installed -> installed"}) || len(v.Risks) != 1 || v.Risks[0] != risk {
		t.Errorf("%q, then %s %q", announced, v.Reason, v.Risks)
	}
	b.Clock.Advance(time.Hour)
	if v, err := s.Check(t.Context()); err != nil || v.State != step.Done || len(v.Risks) != 1 {
		t.Errorf("within an hour: %s %s, %v", v.State, v.Reason, err)
	}
	b.Clock.Advance(time.Nanosecond)
	if v, err := s.Check(t.Context()); err != nil || v.State != step.Todo || v.Reason != "sqlite3 must be installed" {
		t.Errorf("after an hour: %s %s, %v", v.State, v.Reason, err)
	}
	b.Offline(false)
	if _, v := converge(t, s); len(v.Risks) > 0 || !strings.Contains(b.text("/var/lib/dpkg/status"), "sqlite3 installed") {
		t.Errorf("%s %q", v.Reason, v.Risks)
	}
	// One that is there is not asked for again.
	for _, need := range []string{"chrony", "sudo"} {
		b := newBench(t, func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) {
			o.Packages = slices.DeleteFunc([]string{"chrony", "sudo", "sqlite3"}, func(p string) bool { return p == need })
		})
		if announced, v := converge(t, b.part(t, "packages")); !slices.Equal(announced, []string{"package " + need + ": not installed -> installed"}) || v.State != step.Done {
			t.Errorf("%s: %q", need, announced)
		}
	}
	// Whatever is asked of dpkg must be answered.
	for _, silent := range []string{"chrony", "sqlite3"} {
		h := b.Host()
		h.Commands = scripted(func(c host.Cmd) (host.Result, error) {
			if slices.Contains(c.Argv, silent) {
				return host.Result{}, crash.ErrRefused
			}
			return b.Run(t.Context(), c)
		})
		s := &packages{host: h, profile: b.profile}
		if _, err := s.look(t.Context()); !errors.Is(err, crash.ErrRefused) {
			t.Errorf("%s: %v", silent, err)
		}
		if err := s.make(t.Context()); !errors.Is(err, crash.ErrRefused) {
			t.Errorf("%s: %v", silent, err)
		}
	}
}
