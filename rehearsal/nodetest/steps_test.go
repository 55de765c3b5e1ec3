package nodetest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringboot/firstboot/base"
	"ringboot/firstboot/engine"
	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/management"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust/testpki"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/nodetest"
)

const profileText = `version: 1
cluster: {name: principia, domain: principia.lan, mail: root@principia.lan, smarthost: 'mail.principia.lan:25'}
proxmox: {proxy: 'http://10.203.3.5:3142', mirror: 'http://10.203.3.5/proxmox'}
management:
  prefix: 10.203.3.0/24
  gateway: 10.203.3.1
  prefix6: 2001:db8::/64
  gateway6: 2001:db8::1
  dns: [10.203.3.1]
  allow_single_port: %s
ring: {prefix: 10.203.4.0/24}
nodes:
  - {name: frege, address: 10.203.3.11, address6: '2001:db8::11', subscription: pve2c-0123456789, root_disk: {serial: S0}, ports: [%s]}
  - {name: russell, address: 10.203.3.12, address6: '2001:db8::12', root_disk: {serial: S1}, ports: [{driver: igc}]}
  - {name: wittgenstein, address: 10.203.3.13, address6: '2001:db8::13', root_disk: {serial: S2}, ports: [{driver: igc}]}
users:
  - {name: kellen, full_name: Administrator, sudo: password, password_hash: $y$j9T$abcdefghijkl$0123456789012345678901234567890123456789012, keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f kellen"]}
  - {name: ansible, sudo: nopasswd, keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB ansible"]}
`

// nics are the management ports of the machine and one of its ring.
func nics() []nodetest.NIC {
	return []nodetest.NIC{
		{Name: "enp87s0", MAC: "58:47:ca:00:00:01", PCI: "0000:57:00.0", Driver: "igc", Carrier: true, Wired: true},
		{Name: "enp90s0", MAC: "58:47:ca:00:00:02", PCI: "0000:5a:00.0", Driver: "igc", Carrier: true, Wired: true},
		{Name: "en05", MAC: "02:47:ca:00:00:03", PCI: "0000:00:0d.2", Driver: "thunderbolt-net", Carrier: true},
	}
}

func usual() nodetest.Options {
	return nodetest.Options{NICs: nics(), Uplink: "enp87s0", Address: "10.203.3.11/24", Gateway: "10.203.3.1", Online: true, Synced: true,
		Packages: []string{"openssh-server", "ifupdown2"}}
}

// setup is a machine with its seed, and the steps that it does alone.
type setup struct {
	m       *nodetest.Machine
	profile *profiles.Profile
	node    profiles.Node
}

func install(t testing.TB, o nodetest.Options, ports, single string) *setup {
	t.Helper()
	m, err := nodetest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Appendf(nil, profileText, single, ports)
	p, err := profiles.Load("profile.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	seed(t, m.Host(), text, base.NewSeed{Node: "frege"})
	node, _ := p.Node("frege")
	m.OnTimer(func(ctx context.Context) error {
		_, err := management.RestoreNetwork(ctx, m.Host(), true)
		return err
	})
	return &setup{m, p, node}
}

// seed gives frege a profile, keys and the seed for them.
func seed(t testing.TB, h host.Host, profile []byte, s base.NewSeed) {
	t.Helper()
	pki := must(testpki.New())
	cert, key, err := pki.Issue("frege")
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{profiles.ProfileFile: profile, profiles.CAFile: pki.CA, profiles.CertFile: cert, profiles.KeyFile: key} {
		if err := h.Files.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Write(h, false); err != nil {
		t.Fatal(err)
	}
}

// engine is a fresh agent on a host: everything in memory is new.
func (s *setup) engine(t testing.TB, h host.Host) *engine.Engine {
	t.Helper()
	j, err := journal.Open(h.Files, h.Clock, journal.Path)
	if err != nil {
		t.Fatal(err)
	}
	return engine.New([]step.Step{base.NewIdentity(h, "test"), base.NewBase(h, s.profile, s.node), management.New(h, s.profile, s.node)}, h, j)
}

// reach makes passes until all is reached, and returns the last one.
func reach(t testing.TB, s *setup, h host.Host, passes int) []engine.Outcome {
	t.Helper()
	e := s.engine(t, h)
	var out []engine.Outcome
	for range passes {
		var err error
		if out, err = e.Pass(t.Context(), engine.PassOptions{}); err != nil {
			t.Fatal(err)
		}
		done := true
		for _, o := range out {
			done = done && o.Reached()
		}
		if done {
			return out
		}
		s.m.Clock.Advance(30 * time.Second)
	}
	return out
}

// skipped is what differs between two equal outcomes: history, and the way there.
var skipped = []string{"/var/lib/ringboot/journal.json", "/run", "/tmp", "/etc/ringboot"}

// result is everything about a machine that an outcome consists of.
func (s *setup) result() (map[string]string, string) {
	return crash.Picture(s.m.Disk, skipped...), s.m.Running()
}

func TestAFreshNodeBecomesWhatTheProfileSays(t *testing.T) {
	s := install(t, usual(), "{driver: igc}", "false")
	for _, o := range reach(t, s, s.m.Host(), 3) {
		if o.Result != engine.ResultOK && o.Result != engine.ResultChanged {
			t.Errorf("step %s is %s: %s", o.Step, o.Result, o.Reason)
		}
	}
	for path, wants := range map[string][]string{
		"/etc/hosts": {"127.0.0.1 localhost.localdomain localhost", "# printers\n192.168.1.9 printer\n", "10.203.3.11 frege.principia.lan frege\n10.203.3.12 russell.principia.lan russell\n", "!192.168.1.7"},
		"/etc/apt/sources.list.d/pve-enterprise.sources": {"Enabled: no\nTypes: deb\n"},
		"/etc/apt/sources.list.d/proxmox.sources":        {"Components: pve-no-subscription\n", "Signed-By: /usr/share/keyrings/proxmox-archive-keyring.gpg\n"},
		"/etc/apt/sources.list.d/ceph.sources":           {"http://10.203.3.5/proxmox/ceph-tentacle", "!enterprise"},
		"/etc/apt/apt.conf.d/95ringboot-proxy":           {`Acquire::http::Proxy "http://10.203.3.5:3142";`},
		"/etc/postfix/main.cf":                           {"relayhost = [mail.principia.lan]:25\n"},
		"/etc/subscription":                              {"pve2c-0123456789 active"},
		"/etc/sudoers.d/ringboot":                        {"kellen ALL=(ALL:ALL) ALL\n", "ansible ALL=(ALL:ALL) NOPASSWD: ALL\n"},
		"/etc/ssh/sshd_config.d/10-ringboot.conf":        {"PermitRootLogin prohibit-password\n", "PasswordAuthentication no\n"},
		"/etc/shadow":                                    {"kellen:$y$j9T$abc", "ansible:*:"},
		"/home/kellen/.ssh/authorized_keys":              {"ssh-ed25519 AAAA"},
		"/etc/chrony/conf.d/ringboot.conf":               {"local stratum 10\nallow 10.203.3.0/24\n"},
		"/etc/network/interfaces":                        {"bond-slaves enp87s0 enp90s0\n", "bond-primary enp87s0\n", "bridge-ports bond0\n", "iface vmbr0 inet6 static\n\taddress 2001:db8::11/64\n\tgateway 2001:db8::1\n", "!thunderbolt0", "!bridge-ports enp87s0"},
		"/etc/systemd/network/10-ringboot-enp90s0.link":  {"PermanentMACAddress=58:47:ca:00:00:02", "Name=enp90s0"},
		"/sys/class/net/bond0/bonding/slaves":            {"enp87s0 enp90s0"},
	} {
		text, _ := s.m.ReadFile(path)
		for _, want := range wants {
			absent := strings.HasPrefix(want, "!")
			if strings.Contains(string(text), strings.TrimPrefix(want, "!")) == absent {
				t.Errorf("%s: %q (absent: %v) in\n%s", path, strings.TrimPrefix(want, "!"), absent, text)
			}
		}
	}
	if host.Exists(s.m.Disk, "/var/lib/ringboot/network/on-trial") {
		t.Error("the change of the network was never confirmed")
	}
	if strings.Contains(s.m.Running(), "timer") || !strings.Contains(s.m.Running(), "prohibit-password") {
		t.Errorf("running: %s", s.m.Running())
	}
	if len(s.m.Failures) > 0 {
		t.Errorf("the stand-ins complain: %q", s.m.Failures)
	}
	// And again: nothing is left to do, nothing is run, nothing is written.
	s.m.Calls = nil
	before := crash.Written(s.m.Disk)
	for _, o := range reach(t, s, s.m.Host(), 1) {
		if o.Result != engine.ResultOK {
			t.Errorf("second run: step %s is %s: %s %v", o.Step, o.Result, o.Reason, o.Changes)
		}
	}
	if diff := cmp.Diff(before, crash.Written(s.m.Disk)); diff != "" || len(s.m.Calls) > 0 {
		t.Errorf("the second run wrote %s and ran %q", diff, s.m.Calls)
	}
}

func TestCheckWritesNothing(t *testing.T) {
	writes := 0
	for name, prepare := range map[string]func(*setup){
		"fresh":    func(*setup) {},
		"finished": func(s *setup) { reach(t, s, s.m.Host(), 3) },
		"half": func(s *setup) {
			s.m.Remove("/etc/sudoers.d/ringboot")
			s.m.Host().Files.WriteFile("/run/ringboot/reload-ssh", nil, 0o600)
		},
	} {
		s := install(t, usual(), "{driver: igc}", "false")
		prepare(s)
		s.m.Calls = nil
		before := crash.Written(s.m.Disk)
		e := s.engine(t, s.m.Host())
		for range 2 {
			for _, only := range []string{"", "identity", "base", "management"} {
				if _, err := e.Pass(t.Context(), engine.PassOptions{Check: true, Only: only}); err != nil {
					t.Fatal(err)
				}
			}
		}
		diff := cmp.Diff(before, crash.Written(s.m.Disk))
		writes += len(diff) + len(s.m.Calls)
		if diff != "" || len(s.m.Calls) > 0 || len(s.m.Failures) > 0 {
			t.Errorf("%s: check wrote %s, ran %q, stand-ins complain %q", name, diff, s.m.Calls, s.m.Failures)
		}
	}
	need.Figure("node.check_writes", writes, "count")
}

// TestPowerCutAtEveryPoint cuts the power before and after every write and
// command of every step that a node does alone, and compares what the machine
// is in the end with the outcome of an undisturbed run.
func TestPowerCutAtEveryPoint(t *testing.T) {
	s := install(t, usual(), "{driver: igc}", "false")
	m := crash.New(s.m.Disk, s.m, s.m.Clock)
	m.Arm(crash.Cut{})
	reach(t, s, m.Host(), 3)
	points, names := m.Points(), m.Log()
	want, running := s.result()
	if points < 30 {
		t.Fatalf("only %d points", points)
	}
	cuts, diverged := 0, 0
	for point := 1; point <= points; point++ {
		if testing.Short() && point%19 != 0 {
			continue
		}
		for _, cut := range crash.Cuts(point) {
			for _, wait := range []time.Duration{0, 3 * time.Minute} {
				if wait > 0 && !cut.Kill {
					continue // nothing waits for anything while the power is off
				}
				cuts++
				if why := cutOnce(t, cut, wait, want, running); why != "" {
					diverged++
					t.Errorf("%s (%s), then %s: %s", cut, names[point-1], wait, why)
				}
			}
			if diverged > 5 {
				t.Fatal("and so on")
			}
		}
	}
	need.Figure("node.power_cuts.steps", cuts, "count")
	need.Figure("node.power_cuts_diverged.steps", diverged, "count")
}

// cutOnce runs a fresh node into one cut, starts it again and says how the
// outcome differs.
func cutOnce(t *testing.T, cut crash.Cut, wait time.Duration, want map[string]string, running string) string {
	t.Helper()
	s := install(t, usual(), "{driver: igc}", "false")
	m := crash.New(s.m.Disk, s.m, s.m.Clock)
	m.Arm(cut)
	e := s.engine(t, m.Host())
	for range 3 {
		if _, err := e.Pass(t.Context(), engine.PassOptions{}); err != nil || m.Dead() {
			break
		}
	}
	if !m.Dead() {
		return "the run never came to this point"
	}
	if err := s.m.Elapse(t.Context(), wait); err != nil {
		return "the timer: " + err.Error()
	}
	m.Reboot()
	last := reach(t, s, m.Host(), 14)
	for _, o := range last {
		if !o.Reached() {
			return fmt.Sprintf("step %s is %s: %s", o.Step, o.Result, o.Reason)
		}
	}
	got, now := s.result()
	if diff := cmp.Diff(want, got); diff != "" {
		return diff
	}
	if now != running {
		return "running: " + now + " instead of " + running
	}
	if len(s.m.Failures) > 0 {
		return strings.Join(s.m.Failures, "; ")
	}
	return ""
}
