package firstboot

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/alone"
	"ringboot/firstboot/base"
	"ringboot/firstboot/drift"
	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/pairing"
	"ringboot/firstboot/replacedisk"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
	"ringboot/firstboot/trust/testpki"
	"ringboot/firstboot/upgrade"
	"ringboot/profiles"
)

// seededRoot is a node below a root that knows who it is.
func seededRoot(t *testing.T) (string, host.Host) {
	t.Helper()
	root := t.TempDir()
	pki, err := testpki.New()
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := pki.Issue("frege")
	if err != nil {
		t.Fatal(err)
	}
	h := host.New(root)
	for path, text := range map[string][]byte{profiles.ProfileFile: profiles.DefaultText(), profiles.CAFile: pki.CA, profiles.CertFile: cert, profiles.KeyFile: key} {
		if err := h.Files.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (base.NewSeed{Node: "frege"}).Write(h, false); err != nil {
		t.Fatal(err)
	}
	return root, h
}

// settledRoot is a settled node below a root.
func settledRoot(t *testing.T) (string, host.Host) {
	t.Helper()
	root, h := seededRoot(t)
	if err := settled.Write(h.Files, settled.Mark{At: time.Unix(1, 0), Node: "frege", Steps: map[string]string{}}); err != nil {
		t.Fatal(err)
	}
	a, err := Build(Options{Version: "test", Root: root, Works: true}) // the node makes its own key
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	return root, h
}

// state is a file that an agent keeps, and who reads it.
type state struct {
	path string
	old  string // a text of version 1, "" where the agent has just written it
	read func(t *testing.T, root string, h host.Host) (string, error)
}

// built has an agent read what it needs to be built.
func built(_ *testing.T, root string, _ host.Host) (string, error) {
	_, err := Build(Options{Version: "test", Root: root, Works: true})
	return "", err
}

// saidBy has the step of that name say what it reads.
func saidBy(name string) func(*testing.T, string, host.Host) (string, error) {
	return func(t *testing.T, root string, _ host.Host) (string, error) {
		a, err := Build(Options{Version: "test", Root: root})
		if err != nil {
			return "", err
		}
		for _, s := range a.Engine.Steps() {
			if s.Name() == name {
				v, err := s.Check(t.Context())
				return v.Reason, err
			}
		}
		return "", fmt.Errorf("no step %s", name)
	}
}

func kept(t *testing.T, h host.Host) (string, error) {
	t.Helper()
	handover, err := h.Files.ReadFile(keeper.HandoverFile)
	if err != nil {
		t.Fatal(err)
	}
	k, err := keeper.Open("test", h.Files, handover, func(string) {})
	if err != nil {
		return "", err
	}
	return strings.Join(k.Status().Risks, "\n"), nil
}

const (
	acceptanceFile = "/var/lib/ringboot/acceptance.json"
	oldAcceptance  = `{"version": 1, "run": "20260101T000000Z", "done": true}`
)

func states() []state {
	return []state{
		{profiles.OwnFile, "", built},
		{profiles.SeedFile, "", built},
		{profiles.SeedDir + "/next.json", "", built},
		{bindings.File, "", built},
		{journal.Path, `{"version": 1, "events": [{"time": "2026-01-01T00:00:00Z", "text": "began"}]}`, built},
		{acceptance.ReportJSON, "", func(t *testing.T, root string, h host.Host) (string, error) {
			if err := h.Files.WriteFile(acceptanceFile, []byte(oldAcceptance), 0o600); err != nil {
				return "", err
			}
			return saidBy(profiles.StepReport)(t, root, h)
		}},
		{acceptanceFile, oldAcceptance, saidBy(profiles.StepReport)},
		{drift.KeptFile, `{"version": 1, "objects": {}}`, func(t *testing.T, root string, _ host.Host) (string, error) {
			a, err := Build(Options{Version: "test", Root: root})
			if err != nil {
				return "", err
			}
			told, err := a.Look(t.Context(), nil)
			return strings.Join(told.Risks, "\n"), err
		}},
		{upgrade.OrderFile, `{"version": 1, "leader": "frege", "nodes": ["frege"], "plan": {}, "turns": {}}`, func(_ *testing.T, _ string, h host.Host) (string, error) {
			_, err := upgrade.ReadOrder(h.Files)
			return "", err
		}},
		{replacedisk.OrderFile, `{"version": 1, "node": "frege", "osd": 2, "serial": "S1"}`, func(_ *testing.T, _ string, h host.Host) (string, error) {
			_, err := replacedisk.ReadOrder(h.Files)
			return "", err
		}},
		{ordersFile, `{"version": 1, "last": {}}`, func(_ *testing.T, _ string, h host.Host) (string, error) {
			return "", enterOrder(h.Files, trust.Order{By: "russell", At: time.Now()}, time.Now())
		}},
		{settled.File, `{"version": 1, "at": "2026-01-01T00:00:00Z", "node": "frege", "steps": {"base": "done"}}`, func(_ *testing.T, _ string, h host.Host) (string, error) {
			m, err := settled.Read(h.Files)
			if err == nil && m == nil {
				return "", fmt.Errorf("the node is settled no more")
			}
			if err != nil {
				return "", err
			}
			return "", settled.Write(h.Files, *m)
		}},
		{alone.PairedFile, `{"version": 1, "key": "` + strings.Repeat("A", 85) + `w=="}`, func(_ *testing.T, _ string, h host.Host) (string, error) {
			_, err := pairing.Read(h.Files, alone.PairedFile)
			return "", err
		}},
		{keeper.ChargeFile, "", func(t *testing.T, _ string, h host.Host) (string, error) { return kept(t, h) }},
		{keeper.ToldFile, "", func(t *testing.T, _ string, h host.Host) (string, error) { return kept(t, h) }},
	}
}

// What an older agent of a node finds of a newer one is refused with a
// sentence, and stays as it is: its meaning is not guessed.
func TestWhatANewerAgentWroteIsRefused(t *testing.T) {
	for _, s := range states() {
		t.Run(filepath.Base(s.path), func(t *testing.T) {
			root, h := settledRoot(t)
			const newer = `{"version": 99, "seed": {"version": 99}}` + "\n"
			if err := h.Files.WriteFile(s.path, []byte(newer), 0o600); err != nil {
				t.Fatal(err)
			}
			said, err := s.read(t, root, h)
			if err != nil {
				said += err.Error()
			}
			if !strings.Contains(said, s.path+" has version 99 and this agent reads") {
				t.Errorf("said was %q", said)
			}
			if text, err := h.Files.ReadFile(s.path); err != nil || string(text) != newer {
				t.Errorf("the file is now %q, %v", text, err)
			}
		})
	}
}

// What an agent of the first form wrote is read.
func TestWhatAnOlderAgentWroteIsRead(t *testing.T) {
	for _, s := range states() {
		if s.path == profiles.SeedDir+"/next.json" {
			continue // it lives for a moment
		}
		t.Run(filepath.Base(s.path), func(t *testing.T) {
			root, h := settledRoot(t)
			if s.old != "" {
				if err := h.Files.WriteFile(s.path, []byte(s.old), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			said, err := s.read(t, root, h)
			if err != nil || strings.Contains(said, "has version") || strings.Contains(said, "cannot be understood") || strings.Contains(said, "damaged") {
				t.Errorf("%q, %v", said, err)
			}
		})
	}
}

// Every file with a version that an agent keeps is in the table.
func TestEveryStateFileIsTried(t *testing.T) {
	unversioned := map[string]string{
		"ring.json": "a guess, worth a second of probing", "packages.json": "when something was tried: otherwise it is tried anew",
		"handover.json": "read together with charge.json", "admit.json": "half an hour", "admitted.json": "half an hour", "order.json": "signed, and good for ten minutes", "notices.json": "numbers of what was told",
		"requested.json": "gone with the next start", "felt.json": "what is so now, written anew at each start", "status.json": "an address", "ringboot-ceph.json": "what the founder meant to make: ceph.conf says the rest",
	}
	tried := map[string]bool{}
	for _, s := range states() {
		tried[filepath.Base(s.path)] = true
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, word := range strings.FieldsFunc(string(text), func(r rune) bool { return r == '"' || r == '/' || r == '\n' || r == ' ' }) {
			if !strings.HasSuffix(word, ".json") || strings.Contains(word, "%") || word == ".json" {
				continue
			}
			if _, ok := unversioned[word]; !ok && !tried[word] {
				t.Errorf("%s names %s: is it refused where a newer agent wrote it?", path, word)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
