package base

import (
	"context"
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/nodetest"
)

// scripted is a machine on which a test says what comes of each command.
type scripted func(host.Cmd) (host.Result, error)

func (s scripted) Run(_ context.Context, cmd host.Cmd) (host.Result, error) { return s(cmd) }

// Whatever fails in a part of the step is told, and that part does nothing after it.
func TestNothingThatFailsIsPassedOver(t *testing.T) {
	spoil := func(_ *nodetest.Options, p *profiles.Profile, _ *profiles.Node) {
		p.Tuning = profiles.Tuning{KernelCmdline: []string{"iommu=pt"}, IRQAffinity: true}
	}
	for _, name := range []string{"names", "proxy", "subscription", "repositories", "packages", "accounts", "sudo", "ssh", "time", "mail", "tuning"} {
		var b *bench
		asked := 0
		fresh := func() host.Host {
			b = newBench(t, spoil)
			for _, before := range []string{"packages", "accounts"} { // what the other parts need
				if before == name || name == "packages" {
					break
				}
				converge(t, b.part(t, before))
			}
			if name == "time" {
				b.Remove("/etc/systemd/system/multi-user.target.wants/chrony.service")
			}
			if name == "tuning" {
				for path, text := range map[string]string{"/etc/default/grub": "", grubConfig: "ro\n", bootCmdline: "ro\n", bootToolIDs: "A\n", "/proc/cmdline": "ro\n", fastCores: "0-3\n",
					"/proc/interrupts": ownIRQ, "/proc/irq/150/smp_affinity_list": "0-19\n"} {
					b.put(t, path, text)
				}
			}
			h := b.Host()
			if name == "tuning" {
				h.Commands = scripted(func(host.Cmd) (host.Result, error) { return host.Result{}, nil })
			}
			return h
		}
		for r := range crash.Refusals(fresh, func(h host.Host) error {
			s, _ := NewBase(h, b.profile, b.node).Part(name)
			v, err := s.Check(t.Context())
			if err == nil && v.State == step.Todo {
				err = s.Apply(t.Context())
			}
			if err == nil {
				v, err = s.Check(t.Context())
			}
			if err == nil && (len(v.Risks) > 0 || v.State == step.Stopped || v.State == step.Waiting) {
				err = &step.NotYet{Reason: v.Reason + strings.Join(v.Risks, "; ") + crash.ErrRefused.Error()} // it is told so
			}
			return err
		}) {
			asked++
			if forgiven(r.What) || name == "packages" && strings.HasSuffix(r.What, "sqlite3") {
				continue
			}
			if r.Err == nil || !strings.Contains(r.Err.Error(), crash.ErrRefused.Error()) {
				t.Errorf("%s: %s was refused, and the step says %v", name, r.What, r.Err)
			}
			for _, done := range r.After {
				if !back(name, r.What, done) {
					t.Errorf("%s: %s was refused, and all the same: %s", name, r.What, done)
				}
			}
		}
		if asked < 3 {
			t.Errorf("%s: only %d things were asked", name, asked)
		}
	}
}

// forgiven are what may fail: programs of which the words count and not how they
// end, and packages that a node is only better off with.
func forgiven(what string) bool {
	for _, may := range []string{"fail systemctl is-", "fail chronyc", "fail dpkg-query", "fail pvesubscription", "fail apt-get", "run apt-get", "fail postconf -h"} {
		if strings.HasPrefix(what, may) {
			return true
		}
	}
	return false
}

// back reports whether something that is done after a refusal is the way back.
func back(part, what, done string) bool {
	switch part {
	case "sudo":
		return strings.HasSuffix(what, "visudo -c -q") && done == "remove "+sudoersFile
	case "ssh":
		return strings.HasSuffix(what, "sshd -t") && done == "remove "+sshdFile
	}
	return false
}

// The same of an account that a crash has left half made, and of who a node is.
func TestNothingThatFailsOfWhatIsHalfMadeIsPassedOver(t *testing.T) {
	ca := newAuthority(t)
	for name, c := range map[string]struct {
		prepare func(b *bench)
		step    func(h host.Host, b *bench) step.Step
	}{
		"accounts": {func(b *bench) {
			b.put(t, "/etc/passwd", "kellen:x:1000:1000::/home/kellen:/bin/bash\nansible:x:1001:1001::/home/ansible:/bin/bash\n")
			b.put(t, "/home/ansible/.there", "")
		}, func(h host.Host, b *bench) step.Step {
			s, _ := NewBase(h, b.profile, b.node).Part("accounts")
			return s
		}},
		"identity": {func(b *bench) {
			seed(t, b.Host(), ca, []byte(profileText), NewSeed{Node: "frege"})
			b.put(t, hostsFile, "127.0.0.1 localhost\n")
		},
			func(h host.Host, _ *bench) step.Step { return NewIdentity(h, "test") }},
	} {
		var b *bench
		for r := range crash.Refusals(func() host.Host { b = newBench(t, nil); c.prepare(b); return b.Host() }, func(h host.Host) error {
			s := c.step(h, b)
			v, err := s.Check(t.Context())
			if err == nil && v.State == step.Todo {
				err = s.Apply(t.Context())
			}
			if err == nil && v.State == step.Stopped {
				err = &step.NotYet{Reason: v.Reason}
			}
			return err
		}) {
			if strings.HasPrefix(r.What, "read link ") || strings.HasPrefix(r.What, "read /proc/self/") || strings.HasPrefix(r.What, "list /") {
				continue // disks that cannot be looked at tell nothing
			}
			if r.Err == nil || !strings.Contains(r.Err.Error(), crash.ErrRefused.Error()) || len(r.After) > 0 {
				t.Errorf("%s: %s was refused, and the step says %v, and then %q", name, r.What, r.Err, r.After)
			}
		}
	}
}
