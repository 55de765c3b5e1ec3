package upgrade

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/profiles"
	"ringboot/rehearsal/nodetest"
)

// scripted answers apt-get by the last of its words.
type scripted struct {
	answers map[string]host.Result
	ran     []string
	argv    []string
	gone    error
}

func (s *scripted) Run(_ context.Context, c host.Cmd) (host.Result, error) {
	last := c.Argv[len(c.Argv)-1]
	if strings.Contains(strings.Join(c.Argv, " "), " -s ") {
		last = "simulate"
	}
	s.ran = append(s.ran, last)
	s.argv = append(s.argv, strings.Join(c.Argv, " "))
	if last == "full-upgrade" {
		s.answers["simulate"] = host.Result{}
	}
	return s.answers[last], s.gone
}

func freshNode(t *testing.T, update string) (*Fresh, *scripted, *nodetest.Machine) {
	t.Helper()
	m, err := nodetest.New(nodetest.Options{Online: true, Synced: true})
	if err != nil {
		t.Fatal(err)
	}
	run := &scripted{answers: map[string]host.Result{"simulate": {Stdout: []byte("Inst pve-manager [9.2.2] (9.2.14 Proxmox:stable [all])\n")}}}
	h := m.Host()
	h.Commands = run
	return &Fresh{Host: h, Profile: &profiles.Profile{Proxmox: profiles.Proxmox{Update: update}}}, run, m
}

func TestANodeBringsItselfUpToDateOnce(t *testing.T) {
	f, run, m := freshNode(t, profiles.UpdateLatest)
	if !f.Due(false) {
		t.Fatal("a node that never looked does not look")
	}
	if err := f.Make(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(run.ran, " "); got != "update simulate -a full-upgrade simulate" {
		t.Errorf("ran %s", got)
	}
	if f.Due(false) || f.Due(true) || f.Stuck() != "" {
		t.Error("it wants to do it again")
	}
	m.Clock.Advance(6 * time.Minute)
	if f.Due(false) || !f.Due(true) {
		t.Error("it looks again only for a node that has newer packages")
	}
}

func TestANodeWithoutANetworkStaysWithWhatItHas(t *testing.T) {
	f, run, m := freshNode(t, profiles.UpdateLatest)
	run.answers["update"] = host.Result{Stderr: []byte("W: Failed to fetch http://x/InRelease  Temporary failure resolving 'x'\n")}
	if err := f.Make(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if f.Due(false) || !strings.Contains(f.Stuck(), "Temporary failure resolving") {
		t.Errorf("stuck: %q", f.Stuck())
	}
	m.Clock.Advance(31 * time.Minute)
	if !f.Due(false) {
		t.Error("it never tries again")
	}
	run.gone = errors.New("apt-get is not installed")
	if err := f.Make(t.Context(), nil); err != nil || !strings.Contains(f.Stuck(), "not installed") {
		t.Errorf("%v, %q", err, f.Stuck())
	}
}

func TestInstalledMeansInstalled(t *testing.T) {
	f, _, _ := freshNode(t, profiles.UpdateInstalled)
	if f.Due(false) || f.Due(true) || !strings.Contains(f.Stuck(), "proxmox.update: installed") {
		t.Errorf("stuck: %q", f.Stuck())
	}
}

// What the members of a cluster have is held by pins, back to an older version,
// too; a version that is not to be had any more is named.
func TestANodeTakesOverASet(t *testing.T) {
	f, run, _ := freshNode(t, profiles.UpdateLatest)
	if err := f.Host.Files.WriteFile("/etc/apt/preferences", []byte("Package: x\nPin: version 1\nPin-Priority: 900\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run.answers["${Package} ${db:Status-Status} ${Version}\n"] = host.Result{Stdout: []byte("pve-manager installed 9.2.14\ncorosync installed 3.1.9\n")}
	if err := f.Make(t.Context(), map[string]string{"pve-manager": "9.2.11", "corosync": "3.1.9", "absent": "7"}); err != nil {
		t.Fatal(err)
	}
	pins, err := f.Host.Files.ReadFile(pinsFile)
	if err != nil || !strings.Contains(string(pins), "Package: pve-manager\nPin: version 9.2.11\nPin-Priority: 1001\n") || !strings.HasSuffix(string(pins), "Pin-Priority: 900\n") {
		t.Errorf("%s %v", pins, err)
	}
	if got := f.Stuck(); got != "the package sources have no pve-manager 9.2.11 any more, and 9.2.14 is here" {
		t.Errorf("stuck: %q", got)
	}
	for _, argv := range run.argv {
		if strings.HasSuffix(argv, "full-upgrade") && !strings.Contains(argv, "-o Dir::Etc::preferences="+pinsFile+" --allow-downgrades ") {
			t.Errorf("ran %s", argv)
		}
	}
}
