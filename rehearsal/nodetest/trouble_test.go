package nodetest_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringboot/firstboot/base"
	"ringboot/firstboot/engine"
	"ringboot/firstboot/host"
	"ringboot/firstboot/management"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust/testpki"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/nodetest"
)

// put writes a file of the machine.
func (s *setup) put(t *testing.T, path, text string) {
	t.Helper()
	if err := s.m.Host().Files.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestIdentityNamesEveryTroubleInOneSentence(t *testing.T) {
	seed := func(s *setup, change func(*profiles.Seed)) {
		text, _ := s.m.Host().Files.ReadFile(profiles.SeedFile)
		var seed profiles.Seed
		if err := json.Unmarshal(text, &seed); err != nil {
			t.Fatal(err)
		}
		change(&seed)
		text, _ = json.Marshal(seed)
		s.put(t, profiles.SeedFile, string(text))
	}
	reissue := func(t *testing.T, s *setup, name string, wishes ...testpki.Wish) {
		pki, err := testpki.New()
		if err != nil {
			t.Fatal(err)
		}
		cert, key, err := pki.Issue(name, wishes...)
		if err != nil {
			t.Fatal(err)
		}
		s.put(t, profiles.CAFile, string(pki.CA))
		s.put(t, profiles.CertFile, string(cert))
		s.put(t, profiles.KeyFile, string(key))
	}
	ours := func(t *testing.T, s *setup, wishes ...testpki.Wish) {
		reissue(t, s, "frege", wishes...)
		ca, _ := s.m.Host().Files.ReadFile(profiles.CAFile)
		seed(s, func(d *profiles.Seed) { d.ClusterID = clusterID(t, ca) })
	}
	disk := func(s *setup, serial string) {
		s.put(t, "/proc/self/mountinfo", "25 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n")
		s.put(t, "/sys/block/nvme0n1/size", "1000")
		s.put(t, "/sys/block/nvme0n1/serial", serial)
		s.put(t, "/sys/block/nvme0n1/nvme0n1p1/partition", "1")
		s.put(t, "/sys/class/block/nvme0n1p1/dev", "259:1")
		if err := s.m.Host().Files.Symlink("../../block/nvme0n1/nvme0n1p1", "/sys/dev/block/259:1"); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		do   func(t *testing.T, s *setup)
		want string
	}{
		"no seed": {func(t *testing.T, s *setup) { s.m.Host().Files.Remove(profiles.SeedFile) },
			"/etc/ringboot/seed.json is missing: install this machine from an image of mkimage, or its ringboot-seed package"},
		"damaged seed":  {func(t *testing.T, s *setup) { s.put(t, profiles.SeedFile, "{\"node\":") }, "/etc/ringboot/seed.json is damaged (unexpected end of JSON input)"},
		"empty seed":    {func(t *testing.T, s *setup) { s.put(t, profiles.SeedFile, "") }, "is damaged"},
		"newer seed":    {func(t *testing.T, s *setup) { seed(s, func(d *profiles.Seed) { d.Version = 2 }) }, "has version 2 and this agent reads 1: install agent and seed from one image"},
		"unknown node":  {func(t *testing.T, s *setup) { seed(s, func(d *profiles.Seed) { d.Node = "quine" }) }, `the seed is for node "quine", which the profile does not have`},
		"other node":    {func(t *testing.T, s *setup) { s.put(t, "/proc/sys/kernel/hostname", "russell\n") }, "this machine is called russell and its seed is for frege: install it from the image of russell, or give it the seed of russell"},
		"no profile":    {func(t *testing.T, s *setup) { s.m.Host().Files.Remove(profiles.ProfileFile) }, "/etc/ringboot/profile.yaml"},
		"other profile": {func(t *testing.T, s *setup) { seed(s, func(d *profiles.Seed) { d.Plan.Cluster = "1234" }) }, "profile.yaml was changed after the seed was made"},
		"foreign CA":    {func(t *testing.T, s *setup) { reissue(t, s, "frege") }, "a foreign seed; install the ringboot-seed package of this node again"},
		"wrong certificate": {func(t *testing.T, s *setup) {
			ours(t, s)
			other, _ := testpki.New()
			cert, key, _ := other.Issue("frege")
			s.put(t, profiles.CertFile, string(cert))
			s.put(t, profiles.KeyFile, string(key))
		}, "the certificate of this node is not from its cluster's CA"},
		"no key": {func(t *testing.T, s *setup) { s.m.Host().Files.Remove(profiles.KeyFile) }, "/etc/ringboot/node.key"},
		"key of another": {func(t *testing.T, s *setup) {
			_, key, _ := must(testpki.New()).Issue("frege")
			s.put(t, profiles.KeyFile, string(key))
		}, "do not belong together"},
		"stick of another": {func(t *testing.T, s *setup) { disk(s, "S1") }, "this is the machine of russell by its root disk (serial S1), and it was installed as frege: install it with the image of russell"},
		"unplanned disk":   {func(t *testing.T, s *setup) { disk(s, "X9") }, "the root disk of this machine has serial X9 and the plan of frege says S0: the wrong machine, or a new disk"},
	} {
		t.Run(name, func(t *testing.T) {
			s := install(t, usual(), "{driver: igc}", "false")
			c.do(t, s)
			before := crash.Written(s.m.Disk)
			v, err := base.NewIdentity(s.m.Host(), "test").Check(t.Context())
			if err != nil || v.State != step.Stopped || !strings.Contains(v.Reason, c.want) || strings.Contains(v.Reason, "\n") {
				t.Errorf("%s %q (%v), want it to say %q", v.State, v.Reason, err, c.want)
			}
			if diff := cmp.Diff(before, crash.Written(s.m.Disk)); diff != "" {
				t.Errorf("it wrote %s", diff)
			}
		})
	}
}

func clusterID(t *testing.T, ca []byte) string {
	t.Helper()
	c, err := parseCert(ca)
	if err != nil {
		t.Fatal(err)
	}
	return profiles.ClusterID(c)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A clock in any year is a risk that is told, and ends nothing.
func TestAClockInAnyYearIsARiskAndNoEnd(t *testing.T) {
	for year, want := range map[int]string{
		1970: "the clock says 1970-02-03: it was never set, look at the BIOS battery; time synchronisation must set it before the cluster is formed",
		2000: "the clock says 2000-02-03: it was never set, look at the BIOS battery; ",
		2060: "the clock says 2060-02-03, after the end of the certificate of this node's image (",
		2150: "the clock says 2150-02-03, after the end of the certificate of this node's image (",
	} {
		s := install(t, usual(), "{driver: igc}", "false")
		h := s.m.Host()
		h.Clock = crash.NewClock(time.Date(year, 2, 3, 0, 0, 0, 0, time.UTC))
		v, err := base.NewIdentity(h, "test").Check(t.Context())
		if err != nil || v.State == step.Stopped || len(v.Risks) != 1 || !strings.HasPrefix(v.Risks[0], want) {
			t.Errorf("%d: %s %q %q %v", year, v.State, v.Reason, v.Risks, err)
		}
	}
	s := install(t, usual(), "{driver: igc}", "false")
	h := s.m.Host()
	h.Clock = crash.NewClock(time.Now().Add(-48 * time.Hour))
	v, err := base.NewIdentity(h, "test").Check(t.Context())
	if err != nil || v.State == step.Stopped || len(v.Risks) != 1 || !strings.Contains(v.Risks[0], "before this node's image was made") {
		t.Errorf("%s %q %q %v", v.State, v.Reason, v.Risks, err)
	}
}

// Once a node has a key of its own, the key of its stick is not missed.
func TestTheSticksKeyIsNotMissed(t *testing.T) {
	s := install(t, usual(), "{driver: igc}", "false")
	s.put(t, profiles.OwnFile, "{}")
	s.m.Host().Files.Remove(profiles.KeyFile)
	if v, err := base.NewIdentity(s.m.Host(), "test").Check(t.Context()); err != nil || v.State == step.Stopped {
		t.Errorf("%s %q %v", v.State, v.Reason, err)
	}
}

// broken is a file system that refuses to write, as a full disk or a read-only root does.
type broken struct {
	host.Files
	cause error
}

func TestAFileSystemThatTakesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		cause error
		want  string
	}{
		"full disk":      {syscall.ENOSPC, "no space left for /var/lib/ringboot/journal.json, free some with apt-get clean or journalctl --vacuum-size=100M"},
		"read-only root": {syscall.EROFS, "/var/lib/ringboot/journal.json is on a file system that is mounted read-only, look for disk errors with dmesg"},
	} {
		t.Run(name, func(t *testing.T) {
			s := install(t, usual(), "{driver: igc}", "false")
			h := s.m.Host()
			h.Files = broken{h.Files, c.cause}
			before := crash.Written(s.m.Disk)
			out, err := s.engine(t, h).Pass(t.Context(), engine.PassOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if out[1].Result != engine.ResultFailed || !strings.Contains(out[1].Reason, c.want) {
				t.Errorf("%s: %s, want %s", out[1].Result, out[1].Reason, c.want)
			}
			if diff := cmp.Diff(before, crash.Written(s.m.Disk)); diff != "" || len(s.m.Calls) > 0 {
				t.Errorf("half written: %s, ran %q", diff, s.m.Calls)
			}
		})
	}
}

func (b broken) WriteFile(path string, _ []byte, _ os.FileMode) error {
	return host.Explain("write", path, &os.PathError{Op: "write", Path: path, Err: b.cause})
}

func TestMissingToolsAreNamedWithTheirPackage(t *testing.T) {
	s := install(t, usual(), "{driver: igc}", "false")
	h := s.m.Host()
	h.Commands = host.New(t.TempDir()).Commands // nothing is installed below the root
	_, err := base.NewBase(h, s.profile, s.node).Check(t.Context())
	if !errors.Is(err, host.ErrMissing) || !strings.Contains(err.Error(), "dpkg-query is not installed: apt-get install dpkg") {
		t.Error(err)
	}
}

func TestNoNetworkToInstallFrom(t *testing.T) {
	o := usual()
	o.Online = false
	s := install(t, o, "{driver: igc}", "false")
	out := reach(t, s, s.m.Host(), 2)
	if got := out[1]; got.Result != engine.ResultWaiting || !strings.Contains(got.Reason, "no network to install chrony, sudo (") ||
		!strings.Contains(got.Reason, "connect the node to one that reaches the package sources") {
		t.Errorf("%s: %s", got.Result, got.Reason)
	}
	if out[2].Result != engine.ResultPending {
		t.Errorf("management is %s", out[2].Result)
	}
	if s.m.Host().Files.Remove("/nothing") != nil || strings.Contains(string(must(s.m.Host().Files.ReadFile("/etc/hosts"))), "192.168.1.7") {
		t.Error("what needs no network was not made")
	}
}

func TestSudoRulesAreCheckedBeforeSudoSeesThem(t *testing.T) {
	s := install(t, usual(), "{driver: igc}", "false")
	s.profile.Users[0].Name = "Bad Name" // as if validation had let it pass
	s.m.Host().Files.WriteFile("/etc/passwd", []byte("Bad Name:x:1000:1000::/home/bad:/bin/bash\n"), 0o644)
	err := base.NewBase(s.m.Host(), s.profile, s.node).Apply(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the rules for sudo were not activated") || !strings.Contains(err.Error(), "syntax error") {
		t.Error(err)
	}
	if host.Exists(s.m.Host().Files, "/etc/sudoers.d/ringboot") {
		t.Error("rules that visudo refuses were activated")
	}
}

func TestManagementNetworkInTrouble(t *testing.T) {
	change := func(f func([]nodetest.NIC) []nodetest.NIC) nodetest.Options {
		o := usual()
		o.NICs = f(o.NICs)
		return o
	}
	same := func(n []nodetest.NIC) []nodetest.NIC { return n }
	broken, grumbling := usual(), usual()
	broken.Broken, grumbling.Grumbles = true, true
	for name, c := range map[string]struct {
		options       nodetest.Options
		ports, single string
		state, want   string
		bond          bool
	}{
		"one port, not allowed": {change(func(n []nodetest.NIC) []nodetest.NIC { return n[:1] }), "{driver: igc}", "false", "stopped",
			"only one port, enp87s0 (igc, 58:47:ca:00:00:01, has a link): name a second one in nodes[].ports of frege, or set management.allow_single_port to true", false},
		"one port, allowed": {change(func(n []nodetest.NIC) []nodetest.NIC { return n[:1] }), "{driver: igc}", "true", "changed", "10.203.3.11 on bond0 of enp87s0", true},
		"wrong name": {change(same), "{interface: nic0}, {interface: enp90s0}", "false", "stopped",
			"no port with interface nic0 on this machine, it has enp87s0 (igc, 58:47:ca:00:00:01, has a link), enp90s0", false},
		"wrong mac": {change(same), "{mac: 'aa:bb:cc:dd:ee:ff'}, {interface: enp90s0}", "false", "stopped", "no port with mac aa:bb:cc:dd:ee:ff on this machine", false},
		"ring port": {change(same), "{interface: enp87s0}, {interface: en05}", "false", "stopped", "no port with interface en05 on this machine", false},
		"enslaved elsewhere": {change(func(n []nodetest.NIC) []nodetest.NIC { n[1].Master = "vmbr1"; return n }), "{interface: enp87s0}, {interface: enp90s0}", "false", "stopped",
			"enp90s0 belongs to vmbr1 already: free it there, or name another port in nodes[].ports of frege", false},
		"no cable at all": {change(func(n []nodetest.NIC) []nodetest.NIC { n[0].Carrier, n[1].Carrier = false, false; return n }), "{driver: igc}", "false", "waiting",
			"no cable in any management port (enp87s0, enp90s0): plug one in", false},
		"one link down": {change(func(n []nodetest.NIC) []nodetest.NIC { n[1].Carrier = false; return n }), "{driver: igc}", "false", "changed", "10.203.3.11 on bond0", true},
		"ifupdown2 fails": {broken, "{driver: igc}", "false", "waiting",
			"the old network is back, because ifreload -a: exit status 1: error: vmbr0: cmd '/sbin/brctl stp vmbr0 off' failed: check the cables", false},
		"ifupdown2 fails and all of it is there": {grumbling, "{driver: igc}", "false", "changed", "10.203.3.11 on bond0", true},
		"a port is plugged into another network": {change(func(n []nodetest.NIC) []nodetest.NIC { n[1].Wired = false; return n }), "{driver: igc}", "false", "waiting",
			"management port enp90s0 has a link and does not find the gateway 10.203.3.1: it is plugged into another network, as a port for remote management may be", false},
		"nothing answers through the new ports": {change(func(n []nodetest.NIC) []nodetest.NIC {
			return append(n[:1:1], nodetest.NIC{Name: "enp90s0", MAC: "58:47:ca:00:00:02", PCI: "0000:5a:00.0", Driver: "igc", Carrier: true, Answers: true},
				nodetest.NIC{Name: "enp91s0", MAC: "58:47:ca:00:00:04", PCI: "0000:5b:00.0", Driver: "igc", Carrier: true, Answers: true})
		}), "{interface: enp90s0}, {interface: enp91s0}", "false", "waiting",
			"the old network is back, because neither the gateway nor a peer answered through bond0 within 30s", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := install(t, c.options, c.ports, c.single)
			old := must(s.m.Host().Files.ReadFile("/etc/network/interfaces"))
			out := reach(t, s, s.m.Host(), 2)[2]
			if out.Result != c.state || !strings.Contains(out.Reason, c.want) {
				t.Errorf("%s: %s\nwant %s: %s", out.Result, out.Reason, c.state, c.want)
			}
			now := must(s.m.Host().Files.ReadFile("/etc/network/interfaces"))
			if bond := strings.Contains(string(now), "bond0"); bond != c.bond {
				t.Errorf("bond written: %v", bond)
			}
			if !c.bond {
				if string(now) != string(old) || !host.Exists(s.m.Disk, "/sys/class/net/vmbr0/brif/enp87s0") {
					t.Errorf("the old network is not there:\n%s", now)
				}
			}
			if strings.Contains(s.m.Running(), "timer") || host.Exists(s.m.Host().Files, "/var/lib/ringboot/network/on-trial") {
				t.Errorf("a trial is still on: %s", s.m.Running())
			}
			risks := strings.Join(out.Risks, "; ")
			if strings.HasPrefix(name, "one port, allowed") && !strings.Contains(risks, "has one port only (enp87s0), as the profile allows") {
				t.Errorf("risks %q", risks)
			}
			if name == "ifupdown2 fails and all of it is there" && !strings.Contains(risks, "ifupdown2 complained when it was applied: ifreload -a: exit status 1: error: vmbr0") {
				t.Errorf("risks %q", risks)
			}
			if name == "one link down" && !strings.Contains(risks, "management port enp90s0 has no link") {
				t.Errorf("risks %q", risks)
			}
		})
	}
}

// TestPortsThatNobodyNamed: a port under the bridge now and one other with a
// cable are a choice; anything more is a question.
func TestPortsThatNobodyNamed(t *testing.T) {
	s := install(t, usual(), "{driver: igc}", "false")
	s.node.Ports = nil
	if out := reach(t, s, s.m.Host(), 2)[2]; out.Result != engine.ResultChanged {
		t.Errorf("%s: %s", out.Result, out.Reason)
	}
	o := usual()
	o.NICs = append(o.NICs, nodetest.NIC{Name: "enp91s0", MAC: "58:47:ca:00:00:04", PCI: "0000:5b:00.0", Driver: "igc", Carrier: true})
	s = install(t, o, "{driver: igc}", "false")
	s.node.Ports = nil
	if out := reach(t, s, s.m.Host(), 2)[2]; out.Result != engine.ResultStopped || !strings.Contains(out.Reason, "more than two ports could be meant") || !strings.Contains(out.Reason, "58:47:ca:00:00:04") {
		t.Errorf("%s: %s", out.Result, out.Reason)
	}
}

// TestTheOldNetworkComesBackByItself kills the agent while a change that does
// not work is on trial, and lets the timer, then the boot, undo it.
func TestTheOldNetworkComesBackByItself(t *testing.T) {
	for name, back := range map[string]func(*setup, *crash.Machine) error{
		"timer": func(s *setup, _ *crash.Machine) error { return s.m.Elapse(context.Background(), 3*time.Minute) },
		"boot":  func(s *setup, m *crash.Machine) error { m.Reboot(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			o := usual()
			o.NICs[0].Wired, o.NICs[1].Wired, o.NICs[1].Answers = true, false, true
			s := install(t, o, "{driver: igc}", "false")
			old := string(must(s.m.Host().Files.ReadFile("/etc/network/interfaces")))
			m := crash.New(s.m.Disk, s.m, s.m.Clock)
			m.Arm(crash.Cut{})
			reach(t, s, m.Host(), 1)
			point := 0
			for i, l := range m.Log() {
				if l == "run ifreload -a" {
					point = i + 1
				}
			}
			s = install(t, o, "{driver: igc}", "false")
			m = crash.New(s.m.Disk, s.m, s.m.Clock)
			m.Arm(crash.Cut{Point: point, When: crash.After, Kill: name == "timer"})
			s.engine(t, m.Host()).Pass(t.Context(), engine.PassOptions{})
			if now := string(must(s.m.Host().Files.ReadFile("/etc/network/interfaces"))); !m.Dead() || now == old {
				t.Fatalf("the agent was not killed during the trial: dead %v", m.Dead())
			}
			if err := back(s, m); err != nil {
				t.Fatal(err)
			}
			if now := string(must(s.m.Host().Files.ReadFile("/etc/network/interfaces"))); now != old {
				t.Errorf("without any agent the new network stayed:\n%s", now)
			}
			if !host.Exists(s.m.Disk, "/sys/class/net/vmbr0/brif/enp87s0") {
				t.Error("the kernel does not have the old network")
			}
		})
	}
}

// What the profile says of the management network comes up, is proven, and is at rest.
func TestTheNetworkOfTheProfileComesUp(t *testing.T) {
	for name, m := range map[string]profiles.Management{
		"a VLAN":           {VLAN: 16},
		"LACP":             {Bond: "802.3ad"},
		"LACP in a VLAN":   {VLAN: 16, Bond: "802.3ad", MTU: 9000},
		"guests with tags": {VLANAware: true},
		"larger packets":   {MTU: 9000},
	} {
		t.Run(name, func(t *testing.T) {
			s := install(t, usual(), "{driver: igc}", "false")
			have := &s.profile.Management
			have.VLAN, have.Bond, have.MTU, have.VLANAware = m.VLAN, m.Bond, m.MTU, m.VLANAware
			network := management.New(s.m.Host(), s.profile, s.node)
			if v := must(network.Check(t.Context())); v.State != step.Todo {
				t.Fatalf("%v: %s", v.State, v.Reason)
			}
			if err := network.Apply(t.Context()); err != nil {
				t.Fatal(err)
			}
			v := must(network.Check(t.Context()))
			if want := "10.203.3.11 on " + m.Uplink() + " of enp87s0 and enp90s0"; v.State != step.Done || v.Reason != want || len(v.Risks) > 0 {
				t.Errorf("%v: %s (%q), want %s: %+v", v.State, v.Reason, v.Risks, want, v.Changes)
			}
		})
	}
}
