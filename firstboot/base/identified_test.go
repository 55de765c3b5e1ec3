package base

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringboot/firstboot/host"
	"ringboot/firstboot/inventory"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
)

// Whatever is wrong with a node's seed, or its machine, is one sentence with the
// remedy, and nothing is written.
func TestIdentityNamesEveryTroubleInOneSentence(t *testing.T) {
	const again = "install the ringboot-seed package of this node again"
	ca := newAuthority(t)
	reissue := func(b *bench, a *authority, name string) {
		cert, key := a.issue(t, name)
		b.put(t, profiles.CAFile, string(a.pem))
		b.put(t, profiles.CertFile, string(cert))
		b.put(t, profiles.KeyFile, string(key))
	}
	disk := func(b *bench, serial string) {
		b.put(t, "/proc/self/mountinfo", "25 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n")
		for path, text := range map[string]string{"size": "1000", "serial": serial, "nvme0n1p1/partition": "1"} {
			b.put(t, "/sys/block/nvme0n1/"+path, text)
		}
		b.put(t, "/sys/class/block/nvme0n1p1/dev", "259:1")
		if err := b.Symlink("../../block/nvme0n1/nvme0n1p1", "/sys/dev/block/259:1"); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(path string) func(*bench) {
		return func(b *bench) { b.Remove(path) }
	}
	for name, c := range map[string]struct {
		do   func(b *bench)
		want string // "...": anything
	}{
		"no seed":       {gone(profiles.SeedFile), "/etc/ringboot/seed.json is missing: install this machine from an image of mkimage, or its ringboot-seed package"},
		"damaged seed":  {func(b *bench) { b.put(t, profiles.SeedFile, "{\"node\":") }, "/etc/ringboot/seed.json is damaged (unexpected end of JSON input): " + again},
		"newer seed":    {func(b *bench) { b.reseed(t, func(s *profiles.Seed) { s.Version = 2 }) }, "/etc/ringboot/seed.json has version 2 and this agent reads 1: install agent and seed from one image"},
		"no node":       {func(b *bench) { b.reseed(t, func(s *profiles.Seed) { s.Node = "" }) }, "/etc/ringboot/seed.json names no node or no cluster: " + again},
		"no cluster":    {func(b *bench) { b.reseed(t, func(s *profiles.Seed) { s.ClusterID = "" }) }, "/etc/ringboot/seed.json names no node or no cluster: " + again},
		"unknown node":  {func(b *bench) { b.reseed(t, func(s *profiles.Seed) { s.Node = "quine" }) }, `the seed is for node "quine", which the profile does not have: ` + again},
		"other name":    {func(b *bench) { b.put(t, kernelName, "russell\n") }, "this machine is called russell and its seed is for frege: install it from the image of russell, or give it the seed of russell"},
		"no profile":    {gone(profiles.ProfileFile), "open /etc/ringboot/profile.yaml: no such file or directory: " + again},
		"bad profile":   {func(b *bench) { b.put(t, profiles.ProfileFile, "version: 9\n") }, "the profile of this node cannot be used: ..."},
		"other profile": {func(b *bench) { b.reseed(t, func(s *profiles.Seed) { s.Plan.Cluster = "1234" }) }, "/etc/ringboot/profile.yaml was changed after the seed was made: " + again + ", or build new images"},
		"other part":    {func(b *bench) { b.reseed(t, func(s *profiles.Seed) { s.Plan.Node = "1234" }) }, "/etc/ringboot/profile.yaml was changed after the seed was made: " + again + ", or build new images"},
		"foreign CA":    {func(b *bench) { reissue(b, newAuthority(t), "frege") }, "the seed is for cluster " + profiles.ClusterID(ca.cert.Raw) + " and its CA is that of cluster ...: a foreign seed; " + again},
		"wrong certificate": {func(b *bench) {
			reissue(b, newAuthority(t), "frege")
			b.put(t, profiles.CAFile, string(ca.pem))
		}, "the certificate of this node is not from its cluster's CA (...): a foreign seed; " + again},
		"certificate of another": {func(b *bench) { reissue(b, ca, "russell") }, "the certificate is for [russell] and the seed for frege: " + again},
		"that says it otherwise": {func(b *bench) { reissue(b, ca, "only russell") }, "the certificate is for [russell] and the seed for frege: " + again},
		"no CA":                  {gone(profiles.CAFile), "open /etc/ringboot/ca.crt: no such file or directory: " + again},
		"no certificate":         {gone(profiles.CertFile), "open /etc/ringboot/node.crt: no such file or directory: " + again},
		"a key for a CA": {func(b *bench) {
			_, key := ca.issue(t, "frege")
			b.put(t, profiles.CAFile, string(key))
		}, "/etc/ringboot/ca.crt holds no certificate: " + again},
		"text for a CA": {func(b *bench) { b.put(t, profiles.CAFile, "hello") }, "/etc/ringboot/ca.crt holds no certificate: " + again},
		"a torn certificate": {func(b *bench) {
			b.put(t, profiles.CertFile, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
		}, "/etc/ringboot/node.crt is damaged (...): " + again},
		"no key":                    {gone(profiles.KeyFile), "open /etc/ringboot/node.key: no such file or directory: " + again},
		"key of another":            {func(b *bench) { _, key := ca.issue(t, "frege"); b.put(t, profiles.KeyFile, string(key)) }, "/etc/ringboot/node.crt and /etc/ringboot/node.key do not belong together (...): " + again},
		"stick of another":          {func(b *bench) { disk(b, "S1") }, "this is the machine of russell by its root disk (serial S1), and it was installed as frege: install it with the image of russell"},
		"unplanned disk":            {func(b *bench) { disk(b, "X9") }, "the root disk of this machine has serial X9 and the plan of frege says S0: the wrong machine, or a new disk; correct root_disk in the profile and build a new image"},
		"its own disk":              {func(b *bench) { disk(b, "S0") }, ""},
		"the stick's key":           {func(b *bench) { b.Remove(profiles.KeyFile); b.put(t, profiles.OwnFile, "{}") }, ""},
		"a certificate's only name": {func(b *bench) { reissue(b, ca, "only frege") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			seed(t, b.Host(), ca, []byte(profileText), NewSeed{Node: "frege"})
			c.do(b)
			before := crash.Written(b.Disk)
			v, err := NewIdentity(b.Host(), "test").Check(t.Context())
			state := step.Stopped
			if c.want == "" {
				state = step.Done
				c.want = "frege of cluster principia (" + profiles.ClusterID(ca.cert.Raw) + ")"
			}
			head, tail, _ := strings.Cut(c.want, "...")
			if err != nil || v.State != state || !strings.HasPrefix(v.Reason, head) || !strings.HasSuffix(v.Reason, tail) || !strings.Contains(c.want, "...") && v.Reason != c.want || len(v.Risks) > 0 {
				t.Errorf("%s %q %q (%v), want it to say %q", v.State, v.Reason, v.Risks, err, c.want)
			}
			if diff := cmp.Diff(before, crash.Written(b.Disk)); diff != "" {
				t.Errorf("it wrote %s", diff)
			}
		})
	}
}

// The name of a node is to resolve to its own address, and to no loopback.
func TestANodesNameResolves(t *testing.T) {
	for hosts, want := range map[string]string{
		"127.0.0.1 localhost\n":                                 "frege resolves to no address in /etc/hosts and must resolve to 10.203.3.11",
		"127.0.1.1 frege.principia.lan frege\n":                 "frege resolves to 127.0.1.1 in /etc/hosts and must resolve to 10.203.3.11",
		"# 10.203.3.11 frege\n10.203.3.11\nfrege frege\n":       "frege resolves to no address in /etc/hosts and must resolve to 10.203.3.11",
		"10.203.3.11 frege.principia.lan FREGE # the founder\n": "",
	} {
		b := newBench(t, nil)
		seed(t, b.Host(), newAuthority(t), []byte(profileText), NewSeed{Node: "frege"})
		b.put(t, hostsFile, hosts)
		s := NewIdentity(b.Host(), "test")
		v, err := s.Check(t.Context())
		if want == "" {
			if err != nil || v.State != step.Done {
				t.Errorf("%s %s, %v", v.State, v.Reason, err)
			}
			continue
		}
		if err != nil || v.State != step.Todo || v.Reason != want || len(v.Changes) != 1 || v.Changes[0].Want != "10.203.3.11 frege" || !strings.Contains(want, "resolves to "+v.Changes[0].Have+" in") {
			t.Errorf("%s %s %q, %v", v.State, v.Reason, changes(v), err)
		}
		if err := s.Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Check(t.Context()); err != nil || v.State != step.Done {
			t.Errorf("afterwards %s %s, %v", v.State, v.Reason, err)
		}
	}
	if s := NewIdentity(host.Host{}, ""); s.Name() != "identity" || s.Recheck() != time.Minute || (*Base)(nil).Name() != "base" || (*Base)(nil).Recheck() != 5*time.Minute {
		t.Errorf("%s each %s", s.Name(), s.Recheck())
	}
}

// The name of a machine is the kernel's, or at the very start that of the file.
func TestTheNameOfAMachine(t *testing.T) {
	for _, c := range []struct{ kernel, file, want string }{
		{"frege\n", "other\n", "frege"}, {"frege.principia.lan\n", "", "frege"}, {"(none)\n", "frege\n", "frege"}, {"", "frege.lan\n", "frege"},
		{"(none)\n", "\n", "the machine has no host name: write it to /etc/hostname and restart"},
	} {
		b := newBench(t, nil)
		b.put(t, kernelName, c.kernel)
		b.put(t, hostnameFile, c.file)
		got, err := NewIdentity(b.Host(), "").hostname()
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// A clock in any year is a risk that is told, and ends nothing.
func TestAClockInAnyYearIsARiskAndNoEnd(t *testing.T) {
	b := newBench(t, nil)
	seed(t, b.Host(), newAuthority(t), []byte(profileText), NewSeed{Node: "frege"})
	own, err := LoadSeed(b.Host().Files)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := own.Cert.NotBefore, own.Cert.NotAfter
	const then = "time synchronisation must set it before the cluster is formed"
	for at, want := range map[time.Time]string{
		time.Date(1970, 2, 3, 0, 0, 0, 0, time.UTC):        "the clock says 1970-02-03: it was never set, look at the BIOS battery; " + then,
		time.Date(2025, 12, 31, 23, 59, 59, 999, time.UTC): "the clock says 2025-12-31: it was never set, look at the BIOS battery; " + then,
		time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC):        "the clock says 2026-01-01, before this node's image was made (" + begin.UTC().Format(time.DateOnly) + "): it is wrong; " + then,
		begin.Add(-time.Second):                            "the clock says " + begin.Add(-time.Second).UTC().Format(time.DateOnly) + ", before this node's image was made (" + begin.UTC().Format(time.DateOnly) + "): it is wrong; " + then,
		begin:                                              "", end: "",
		end.Add(time.Second): "the clock says " + end.Add(time.Second).UTC().Format(time.DateOnly) + ", after the end of the certificate of this node's image (" + end.UTC().Format(time.DateOnly) + "): nothing rests on that day, but if the clock is wrong, " + then,
	} {
		h := b.Host()
		h.Clock = crash.NewClock(at)
		v, err := NewIdentity(h, "test").Check(t.Context())
		if got := strings.Join(v.Risks, "; "); err != nil || v.State == step.Stopped || got != want {
			t.Errorf("%s: %s %q %q %v", at, v.State, v.Reason, got, err)
		}
	}
}

// Which disks tell whose machine it is, and which tell nothing.
func TestWhatADiskTells(t *testing.T) {
	p := &profiles.Profile{Nodes: []profiles.Node{{Name: "frege", RootDisk: profiles.DiskName{Serial: "F1"}}, {Name: "russell", RootDisk: profiles.DiskName{ByID: "nvme-Samsung_R1"}}}}
	bare := profiles.Node{Name: "frege"}
	for name, c := range map[string]struct {
		node profiles.Node
		disk inventory.Disk
		want string
	}{
		"its own":              {p.Nodes[0], inventory.Disk{Serial: "F1"}, ""},
		"its own, as udev has": {p.Nodes[0], inventory.Disk{Serial: "f1-raw", Properties: map[string]string{"ID_SERIAL_SHORT": "F1"}}, ""},
		"of another, by link":  {p.Nodes[0], inventory.Disk{Serial: "R1", ByID: []string{"nvme-Samsung_R1"}}, "this is the machine of russell by its root disk (serial R1), and it was installed as frege: install it with the image of russell"},
		"by link, a new one":   {p.Nodes[1], inventory.Disk{Serial: "X1", ByID: []string{"nvme-Samsung_X1"}}, "the root disk of this machine has serial X1 and the plan of russell says nvme-Samsung_R1: the wrong machine, or a new disk; correct root_disk in the profile and build a new image"},
		"without a number":     {p.Nodes[0], inventory.Disk{}, ""},
		"no disk is planned":   {bare, inventory.Disk{Serial: "X1"}, ""},
	} {
		if got := wrongMachine([]inventory.Disk{c.disk}, p, c.node); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
