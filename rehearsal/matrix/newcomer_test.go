package matrix_test

import (
	"strings"
	"testing"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/tools/debian"
	"ringboot/rehearsal/tools/shell"
)

// ofDebian gives a node packages, and sources of them.
func (s *sim) ofDebian(node, packages, sources string) {
	s.t.Helper()
	f := s.w.Node(node).Files()
	for file, text := range map[string]string{debian.PackagesFile: packages, debian.SourcesFile: sources} {
		if err := f.WriteFile(file, []byte(text), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		s.t.Fatal(err)
	}
}

// TestANewMachineTakesOverTheSetOfPackages: the sources have moved on since the
// cluster was updated, and the new machine's medium is older or newer than it. It
// gets what the members have. What cannot be had any more keeps it out for no
// time, because the cluster cannot be upgraded while a node is missing.
func TestANewMachineTakesOverTheSetOfPackages(t *testing.T) {
	const (
		older = "corosync 3.1.9-pve1\nlibpve-storage-perl 9.1.7\npve-manager 9.2.2\n"
		newer = "corosync 3.1.10-pve3\nlibpve-storage-perl 9.2.0\npve-manager 9.2.20\n"
		moved = "corosync 3.1.9-pve1 3.1.10-pve3\nlibpve-storage-perl 9.1.9 9.2.0\npve-manager 9.2.14 9.2.20\n"
	)
	for name, c := range map[string]struct{ medium, sources, want, risk string }{
		"older": {older, moved, packagesAfter, ""},
		"newer": {newer, moved, packagesAfter, ""},
		"gone": {older, strings.Replace(moved, "9.2.14", "!9.2.14", 1), strings.Replace(packagesAfter, "9.2.14", "9.2.20", 1),
			"newer than the cluster: pve-manager want 9.2.14 (frege), have 9.2.20 (russell) (the package sources have no pve-manager 9.2.14 any more, and 9.2.20 is here)"},
		"offline": {packagesAfter, "", packagesAfter, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, 1)
			defer s.close()
			s.gate = true
			for _, n := range s.w.Names() {
				s.ofDebian(n, packagesBefore, offered)
			}
			s.startAll()
			if !s.runUntil(2*time.Hour, s.allFormed) {
				t.Fatalf("no cluster:\n%s", s.tail(60))
			}
			s.reinstall("russell")
			s.ofDebian("russell", c.medium, c.sources)
			s.runUntil(3*time.Minute, func() bool { return false })
			s.admit("frege", "russell")
			risk := ""
			if !s.runUntil(2*time.Hour, func() bool {
				for _, r := range s.agents["russell"].engine.Status().Risks {
					if strings.HasPrefix(r, "newer than the cluster") {
						risk = r
					}
				}
				return s.allFormed()
			}) {
				t.Fatalf("not in: %v\n%s", s.agents, s.tail(60))
			}
			raw, err := s.w.Node("russell").Files().ReadFile(debian.PackagesFile)
			if err != nil || string(raw) != c.want {
				t.Errorf("russell has %q, want %q: %v", raw, c.want, err)
			}
			if !strings.HasPrefix(risk, c.risk) || c.risk == "" && risk != "" {
				t.Errorf("the risk is %q, want %q", risk, c.risk)
			}
		})
	}
}

// Ceph's sources have moved on since the cluster installed it. A new machine takes
// the versions that the members run, back to an older library of its medium too;
// what cannot be had any more it takes as it is.
func TestANewMachineInstallsTheCephOfTheMembers(t *testing.T) {
	const (
		medium = "corosync 3.1.9-pve1\nlibrados2 19.2.3-pve2\npve-manager 9.2.11\n"
		had    = "ceph 20.2.0-pve1\nceph-osd 20.2.0-pve1\nlibrados2 19.2.3-pve2 20.2.0-pve1\n"
		moved  = "ceph 20.2.0-pve1 20.2.1-pve1\nceph-osd 20.2.0-pve1 20.2.1-pve1\nlibrados2 19.2.3-pve2 20.2.0-pve1 20.2.1-pve1\n"
	)
	newer := strings.Replace(medium, "librados2 19.2.3-pve2", "librados2 20.2.1-pve1", 1)
	for name, c := range map[string]struct{ medium, sources, want string }{
		"older": {medium, moved, "20.2.0-pve1"}, "newer": {newer, moved, "20.2.0-pve1"},
		"gone": {medium, strings.ReplaceAll(moved, "20.2.0-pve1 ", "!20.2.0-pve1 "), "20.2.1-pve1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := storageProfile()
			p.Acceptance = profiles.Acceptance{Seconds: 10}
			b := newBench(t, 1, p)
			defer b.close()
			for _, n := range b.w.Names() {
				b.ofDebian(n, medium, had)
			}
			b.startAll()
			if !b.finish(2 * time.Hour) {
				t.Fatalf("no cluster:\n%s", b.tail(60))
			}
			has := func(node, version string) {
				t.Helper()
				_, have := shell.Table(b.w.Node(node).Machine(), debian.PackagesFile)
				for _, pkg := range []string{"ceph", "ceph-osd", "librados2"} {
					if got := have[pkg]; len(got) != 1 || got[0] != version {
						t.Errorf("%s has %s %v, want %s", node, pkg, got, version)
					}
				}
			}
			for _, n := range b.w.Names() {
				has(n, "20.2.0-pve1")
			}
			first := b.reportOf("frege").Run
			b.newMachine("russell", false)
			b.ofDebian("russell", c.medium, c.sources)
			b.runUntil(3*time.Minute, func() bool { return false })
			b.admit("frege", "russell")
			if !b.runUntil(3*time.Hour, b.again(first)) {
				t.Fatalf("not whole:\n%s", b.tail(60))
			}
			has("russell", c.want)
		})
	}
}
