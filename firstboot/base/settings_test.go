package base

import (
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/nodetest"
)

// on has one command answered otherwise than the machine does.
func (b *bench) on(t *testing.T, command string, r host.Result, err error) host.Host {
	t.Helper()
	h := b.Host()
	h.Commands = scripted(func(c host.Cmd) (host.Result, error) {
		if strings.HasPrefix(strings.Join(c.Argv, " ")+" ", command+" ") {
			return r, err
		}
		return b.Run(t.Context(), c)
	})
	return h
}

// Passwords go only when a key of somebody who may become root is there.
func TestWhenSSHTakesPasswords(t *testing.T) {
	const none = "ssh takes passwords, because no user who may become root has a key: add keys to the profile"
	for name, c := range map[string]struct {
		users []profiles.User
		put   map[string]string
		keys  bool
	}{
		"a key that is there":         {[]profiles.User{{Name: "kellen", Sudo: "nopasswd", Keys: []string{key1}}}, map[string]string{"/home/kellen/.ssh/authorized_keys": key1 + "\n"}, true},
		"by the second":               {[]profiles.User{{Name: "hume", Sudo: "password", Keys: []string{key2}}, {Name: "kellen", Sudo: "password", Keys: []string{key1}}}, map[string]string{"/home/kellen/.ssh/authorized_keys": key1 + "\n"}, true},
		"of another":                  {[]profiles.User{{Name: "kellen", Sudo: "nopasswd", Keys: []string{key1}}}, map[string]string{"/home/kellen/.ssh/authorized_keys": key2 + "\n"}, false},
		"none":                        {[]profiles.User{{Name: "kellen", Sudo: "nopasswd"}}, nil, false},
		"of one who never gets root":  {[]profiles.User{{Name: "kellen", Sudo: "none", Keys: []string{key1}}}, map[string]string{"/home/kellen/.ssh/authorized_keys": key1 + "\n"}, false},
		"of one who is not there yet": {[]profiles.User{{Name: "hume", Sudo: "nopasswd", Keys: []string{key1}}}, nil, false},
	} {
		b := newBench(t, func(_ *nodetest.Options, p *profiles.Profile, _ *profiles.Node) { p.Users = c.users })
		b.put(t, "/etc/passwd", "kellen:x:1000:1000::/home/kellen:/bin/bash\n")
		for path, text := range c.put {
			b.put(t, path, text)
		}
		_, v := converge(t, b.part(t, "ssh"))
		text, want := b.text(sshdFile), "# Written by ringboot from the profile of the cluster.\nPermitRootLogin prohibit-password\n"
		if c.keys {
			want += "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
		}
		if text != want || c.keys == slices.Contains(v.Risks, none) || v.State != step.Done {
			t.Errorf("%s: %s %q\n%s", name, v.State, v.Risks, text)
		}
	}
}

// What sshd makes of all its files counts: another file that comes first, or one
// that it does not take, is named; settings that it does not take are taken back.
func TestWhatSSHMakesOfItsSettings(t *testing.T) {
	b := newBench(t, nil)
	converge(t, NewBase(b.Host(), b.profile, b.node))
	for name, c := range map[string]struct {
		h           host.Host
		state       step.State
		want, error string
	}{
		"as it is":        {b.Host(), step.Done, "", ""},
		"in older words":  {b.on(t, "sshd -T", host.Result{Stdout: []byte("port 22\npermitrootlogin prohibit-password\n")}, nil), step.Done, "", ""},
		"another file":    {b.on(t, "sshd -T", host.Result{Stdout: []byte("permitrootlogin yes\n")}, nil), step.Stopped, "another file in /etc/ssh/sshd_config.d sets PermitRootLogin yes and comes first: remove that line, it must be prohibit-password", ""},
		"not taken":       {b.on(t, "sshd -T", host.Result{Code: 255, Stderr: []byte("/etc/ssh/sshd_config: line 3: Bad option\n")}, nil), step.Stopped, "sshd does not accept its settings (/etc/ssh/sshd_config: line 3: Bad option): mend the file that it names in /etc/ssh", ""},
		"it does not run": {b.on(t, "sshd", host.Result{}, crash.ErrRefused), step.Done, "", "refused"},
	} {
		v, err := sshdItem(c.h, b.profile).look(t.Context())
		if (err != nil) != (c.error != "") || err == nil && (v.State != c.state || v.Reason != c.want || len(v.Risks) > 0) {
			t.Errorf("%s: %s %s, %v", name, v.State, v.Reason, err)
		}
	}
	b.RemoveAll(sshdRunDir)
	if v, err := sshdItem(b.on(t, "sshd", host.Result{}, crash.ErrRefused), b.profile).look(t.Context()); err != nil || v.State != step.Done {
		t.Errorf("without a running sshd: %s %s, %v", v.State, v.Reason, err)
	}
	b = newBench(t, nil)
	converge(t, b.part(t, "accounts"))
	bad := host.Result{Code: 255, Stderr: []byte("Bad option\n")}
	if err := sshdItem(b.on(t, "sshd -t -f", bad, nil), b.profile).make(t.Context()); err == nil || err.Error() != "the settings of sshd were not activated: sshd -t -f /run/ringboot/sshd_config: exit status 255: Bad option" || host.Exists(b.Disk, sshdFile) {
		t.Errorf("%v", err)
	}
	whole := b.Host()
	whole.Commands = scripted(func(c host.Cmd) (host.Result, error) {
		if strings.Join(c.Argv, " ") == "sshd -t" {
			return bad, nil
		}
		return b.Run(t.Context(), c)
	})
	for _, old := range []string{"", "PermitRootLogin yes\n"} {
		if old != "" {
			b.put(t, sshdFile, old)
		}
		if err := sshdItem(whole, b.profile).make(t.Context()); err == nil || err.Error() != "the settings of sshd were taken back: sshd -t: exit status 255: Bad option" || b.text(sshdFile) != old || host.Exists(b.Disk, sshdFile) != (old != "") {
			t.Errorf("%v, there is %q", err, b.text(sshdFile))
		}
	}
	if err := putBack(broken{b.Host().Files}, "/x", nil, 0, errors.New("why")); err == nil || err.Error() != "why (and /x could not be put back: refused)" {
		t.Errorf("%v", err)
	}
	if err := putBack(broken{b.Host().Files}, "/x", []byte("old"), 0, errors.New("why")); err == nil || err.Error() != "why (and /x could not be put back: refused)" {
		t.Errorf("%v", err)
	}
}

// broken takes nothing.
type broken struct{ host.Files }

func (broken) Remove(string) error                         { return crash.ErrRefused }
func (broken) WriteFile(string, []byte, fs.FileMode) error { return crash.ErrRefused }

// Whom a node asks for the time: the servers of the profile, and the founder, who
// gives his own where there is none.
func TestWhoGivesTheTime(t *testing.T) {
	const head = "# Written by ringboot from the profile of the cluster.\n"
	const local = "# Without any time source this node is the one that its peers follow.\nlocal stratum 10\nallow 10.203.3.0/24\n"
	const servers = "server ntp.example.org iburst\npool 2.pool.example.org iburst\nserver 192.0.2.123 iburst\n"
	for node, want := range map[string][2]string{"frege": {head + local, servers}, "russell": {head, servers + "server 10.203.3.11 iburst\n"}} {
		b := newBench(t, nil)
		n, _ := b.profile.Node(node)
		s := &timesync{b.Host(), b.profile, n}
		if s.conf() != want[0] || s.sources() != want[1] {
			t.Errorf("%s: %s%s", node, s.conf(), s.sources())
		}
	}
	b := newBench(t, func(_ *nodetest.Options, p *profiles.Profile, _ *profiles.Node) {
		p.Management.NTP, p.Management.Prefix = nil, netip.MustParsePrefix("10.203.3.11/24")
	})
	converge(t, b.part(t, "packages"))
	s := b.part(t, "time")
	if announced, _ := converge(t, s); !slices.Equal(announced, []string{chronyConf + ":  -> a new file"}) || host.Exists(b.Disk, chronySources) || !strings.Contains(b.text(chronyConf), "allow 10.203.3.0/24\n") {
		t.Errorf("%q\n%s", announced, b.text(chronyConf))
	}
	b.put(t, chronySources, "server old.example.org iburst\n")
	if announced, _ := converge(t, s); !slices.Equal(announced, []string{chronySources + ": other content -> as the profile says"}) || b.text(chronySources) != "" {
		t.Errorf("%q, %q", announced, b.text(chronySources))
	}
}

// chrony is enabled and started, each only where it is not.
func TestChronyRuns(t *testing.T) {
	const wanted = "/etc/systemd/system/multi-user.target.wants/chrony.service"
	for name, c := range map[string]struct {
		spoil func(b *bench)
		want  string
		runs  []string
	}{
		"not enabled": {func(b *bench) { b.Remove(wanted) }, "chrony.service: active, disabled -> active, enabled", []string{"systemctl enable chrony"}},
		"not started": {func(b *bench) { b.Remove(wanted); b.Reboot(); b.Symlink("x", wanted) }, "chrony.service: inactive, enabled -> active, enabled", []string{"systemctl restart chrony"}},
		"neither":     {func(b *bench) { b.Remove(wanted); b.Reboot() }, "chrony.service: inactive, disabled -> active, enabled", []string{"systemctl enable chrony", "systemctl restart chrony"}},
	} {
		b := newBench(t, nil)
		converge(t, b.part(t, "packages"))
		converge(t, b.part(t, "time"))
		c.spoil(b)
		b.Calls = nil
		if announced, v := converge(t, b.part(t, "time")); !slices.Equal(announced, []string{c.want}) || v.State != step.Done || !slices.Equal(b.Calls, c.runs) {
			t.Errorf("%s: %q, ran %q", name, announced, b.Calls)
		}
	}
	b := newBench(t, nil)
	if got, err := isState(t.Context(), b.on(t, "systemctl", host.Result{}, nil).Commands, "is-active", "chrony"); got != "unknown" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A clock is right within 50 ms. Where a source answers, that is waited for; where
// none does, it is a risk.
func TestIsTheClockRight(t *testing.T) {
	tracking := func(offset, leap string) string {
		return "0ACB0301,10.203.3.1,3,1763874000.1," + offset + ",0.00001,0.00002,1.2,0.0,0.1,0.02,0.001,64.2," + leap + "\n"
	}
	answers := "^,*,10.203.3.1,2,6,377,12,0.000010,0.000011,0.000200\n"
	for name, c := range map[string]struct {
		tracking, sources string
		code              int
		state             step.State
		want, risk        string
	}{
		"right":         {tracking("0.000012", "Normal"), answers, 0, step.Done, "", ""},
		"just right":    {tracking("-0.05", "Normal"), answers, 0, step.Done, "", ""},
		"leap second":   {tracking("0.01", "Insert second"), answers, 0, step.Done, "", ""},
		"off":           {tracking("0.0502", "Normal"), answers, 0, step.Waiting, "the clock is being set: the clock is 50 ms off", ""},
		"far off":       {tracking("-12.5", "Normal"), answers, 0, step.Waiting, "the clock is being set: the clock is -12500 ms off", ""},
		"no source yet": {tracking("0", "Not synchronised"), answers, 0, step.Waiting, "the clock is being set: chrony has no source yet (leap status Not synchronised): check the gateway and the time servers of the profile", ""},
		"no source":     {tracking("0", "Not synchronised"), "^,?,10.203.3.1,0,6,0,4294967295,0,0,0\n", 0, step.Done, "", "the clock is not synchronised, no time source answers: chrony has no source yet (leap status Not synchronised): check the gateway and the time servers of the profile"},
		"nonsense":      {tracking("soon", "Normal"), answers, 0, step.Waiting, "the clock is being set: chrony said " + strings.TrimSpace(tracking("soon", "Normal")), ""},
		"short":         {"1,2,3\n", answers, 0, step.Waiting, "the clock is being set: chrony does not answer: systemctl restart chrony", ""},
		"thirteen":      {strings.TrimSuffix(tracking("0", "Normal"), ",Normal\n"), answers, 0, step.Waiting, "the clock is being set: chrony does not answer: systemctl restart chrony", ""},
		"failed":        {tracking("0", "Normal"), "^,?,1\n", 1, step.Done, "", "the clock is not synchronised, no time source answers: chrony does not answer: systemctl restart chrony"},
		"five words":    {"", "^,*,10.203.3.1,2,6\n", 0, step.Done, "", "the clock is not synchronised, no time source answers: chrony does not answer: systemctl restart chrony"},
		"six words":     {"", "^,*,10.203.3.1,2,6,1\n", 0, step.Waiting, "the clock is being set: chrony does not answer: systemctl restart chrony", ""},
	} {
		b := newBench(t, nil)
		h := b.Host()
		h.Commands = scripted(func(cmd host.Cmd) (host.Result, error) {
			if cmd.Timeout != 10*time.Second || !cmd.ReadOnly {
				t.Errorf("%v is ended after %s", cmd.Argv, cmd.Timeout)
			}
			if cmd.Argv[3] == "sources" {
				return host.Result{Stdout: []byte(c.sources)}, nil
			}
			return host.Result{Stdout: []byte(c.tracking), Code: c.code}, nil
		})
		v, err := (&timesync{host: h, profile: b.profile, node: b.node}).synced(t.Context())
		if err != nil || v.State != c.state || v.Reason != c.want || strings.Join(v.Risks, "; ") != c.risk {
			t.Errorf("%s: %s %q %q, %v", name, v.State, v.Reason, v.Risks, err)
		}
	}
}

// What is said of a subscription key, and when it is entered again.
func TestSubscriptions(t *testing.T) {
	entered := func(key string, online bool) changed {
		return func(o *nodetest.Options, _ *profiles.Profile, n *profiles.Node) {
			n.Subscription, o.Online = key, online
		}
	}
	b := newBench(t, entered("", true))
	if announced, v := converge(t, b.part(t, "subscription")); len(announced) > 0 || v.State != step.Done || len(b.Calls) > 0 {
		t.Errorf("none: %q", announced)
	}
	b = newBench(t, entered("pve2c-0123456789", false))
	if _, v := converge(t, b.part(t, "subscription")); len(v.Risks) != 1 || v.Risks[0] != "the subscription key of frege is entered and not active (new): see Subscription in the web interface, or pvesubscription update" {
		t.Errorf("offline: %s %q", v.Reason, v.Risks)
	}
	b = newBench(t, entered("pve2c-0123456789", true))
	b.put(t, "/etc/subscription", "pve1c-9999999999 active\n")
	if announced, v := converge(t, b.part(t, "subscription")); !slices.Equal(announced, []string{"subscription: another key -> the key of the profile"}) || v.State != step.Done || len(v.Risks) > 0 {
		t.Errorf("another: %q", announced)
	}
	b.put(t, keyBegun, "")
	if announced, _ := converge(t, b.part(t, "subscription")); !slices.Equal(announced, []string{"subscription: not asked about -> the key of the profile"}) || host.Exists(b.Disk, keyBegun) {
		t.Errorf("by half: %q", announced)
	}
	b = newBench(t, entered("pve0c-0123456789", true))
	s := b.part(t, "subscription")
	const refused = "the subscription key of frege was not taken (wrong number of sockets (0 < 1)): correct nodes[].subscription, or enter it by hand"
	if _, v := converge(t, s); v.State != step.Done || len(v.Risks) != 1 || v.Risks[0] != refused {
		t.Errorf("refused: %s %q", v.Reason, v.Risks)
	}
	b.Clock.Advance(time.Hour - time.Nanosecond)
	if v, err := s.Check(t.Context()); err != nil || v.State != step.Done || len(v.Risks) != 1 {
		t.Errorf("within an hour: %s %s, %v", v.State, v.Reason, err)
	}
	b.Clock.Advance(time.Nanosecond)
	if v, err := s.Check(t.Context()); err != nil || v.State != step.Todo || v.Reason != "the subscription key of the profile is not entered" {
		t.Errorf("after an hour: %s %s, %v", v.State, v.Reason, err)
	}
	h := b.on(t, "pvesubscription", host.Result{}, host.ErrMissing)
	if v, err := (&subscription{host: h, node: b.node}).look(t.Context()); err != nil || v.State != step.Done || len(v.Risks) != 1 || !strings.HasPrefix(v.Risks[0], "the subscription key of frege is not entered, because this machine lacks the program for it (") {
		t.Errorf("without the program: %s %q, %v", v.Reason, v.Risks, err)
	}
	if err := (&subscription{host: h, node: b.node}).make(t.Context()); err == nil || !host.Exists(b.Disk, keyBegun) {
		t.Errorf("without the program it was entered: %v", err)
	}
}

type changed = func(o *nodetest.Options, p *profiles.Profile, n *profiles.Node)

// Proxy and smarthost are the profile's, and the owner's where it has none.
func TestTheWaysOut(t *testing.T) {
	b := newBench(t, nil)
	s := b.part(t, "proxy")
	converge(t, s)
	if got := b.text(proxyFile); got != "// Ringboot: proxmox.proxy\nAcquire::http::Proxy \"http://10.203.3.5:3142\";\nAcquire::https::Proxy \"http://10.203.3.5:3142\";\n" {
		t.Errorf("%s", got)
	}
	b.profile.Proxmox.Proxy = ""
	if announced, _ := converge(t, b.part(t, "proxy")); !slices.Equal(announced, []string{proxyFile + ": another proxy -> no proxy"}) || host.Exists(b.Disk, proxyFile) {
		t.Errorf("%q", announced)
	}
	for smarthost, want := range map[string]string{"mail.example.org": "[mail.example.org]", "mail.example.org:587": "[mail.example.org]:587", "[2001:db8::1]:25": "[2001:db8::1]:25", "[2001:db8::1]": "[2001:db8::1]"} {
		if got := relayHost(smarthost); got != want {
			t.Errorf("%s becomes %s", smarthost, got)
		}
	}
	b = newBench(t, func(_ *nodetest.Options, p *profiles.Profile, _ *profiles.Node) { p.Cluster.Smarthost = "" })
	if announced, v := converge(t, b.part(t, "mail")); len(announced) > 0 || v.State != step.Done {
		t.Errorf("%q", announced)
	}
	b = newBench(t, nil)
	v, err := mailItem(b.on(t, "postconf", host.Result{}, host.ErrMissing), b.profile).look(t.Context())
	if err != nil || v.State != step.Done || len(v.Risks) != 1 || v.Risks[0] != "Postfix is not installed, so no mail goes to cluster.smarthost: apt install postfix" {
		t.Errorf("%s %q, %v", v.Reason, v.Risks, err)
	}
	if _, err := mailItem(b.on(t, "postconf", host.Result{Code: 1}, nil), b.profile).look(t.Context()); err == nil {
		t.Error("what Postfix does not say is taken for said")
	}
}
