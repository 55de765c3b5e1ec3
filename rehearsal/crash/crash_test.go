package crash_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/disk"
)

// touch is a command that writes a file, or half of one.
type touch struct{ *disk.Disk }

func (c touch) Run(_ context.Context, cmd host.Cmd) (host.Result, error) {
	return host.Result{}, c.Program("/made", "whole")
}

func (c touch) RunPartly(_ context.Context, cmd host.Cmd) {
	c.Program("/made", "ha")
}

func machine(files map[string]string) *crash.Machine {
	clock := crash.NewClock(time.Unix(0, 0))
	d := disk.New(clock.Now)
	for path, text := range files {
		d.Program(path, text)
	}
	return crash.New(d, touch{d}, clock)
}

func TestWhatACutLeavesBehind(t *testing.T) {
	// The run: a, then b unsynced, then a command, then c.
	run := func(h host.Host) error {
		if err := h.Files.WriteFile("/a", []byte("new a"), 0o644); err != nil {
			return err
		}
		if err := h.Files.WriteDirect("/b", []byte("new b!")); err != nil {
			return err
		}
		if _, err := h.Commands.Run(t.Context(), host.Cmd{Argv: []string{"make"}}); err != nil {
			return err
		}
		return h.Files.WriteFile("/run/c", []byte("c"), 0o644)
	}
	cases := []struct {
		name          string
		cut           crash.Cut
		a, b, made, c string
	}{
		{"never", crash.Cut{}, "new a", "new b!", "whole", "c"},
		{"before a", crash.Cut{Point: 1}, "old a", "old b", "", ""},
		{"after a, kept", crash.Cut{Point: 1, When: crash.After}, "new a", "old b", "", ""},
		{"after a, lost", crash.Cut{Point: 1, When: crash.After, Fate: crash.Lost}, "old a", "old b", "", ""},
		{"after a, torn", crash.Cut{Point: 1, When: crash.After, Fate: crash.Torn}, "old a", "old b", "", ""},
		{"after b, lost", crash.Cut{Point: 2, When: crash.After, Fate: crash.Lost}, "new a", "old b", "", ""},
		{"after b, torn", crash.Cut{Point: 2, When: crash.After, Fate: crash.Torn}, "new a", "new", "", ""},
		{"after the command, lost", crash.Cut{Point: 3, When: crash.After, Fate: crash.Lost}, "new a", "new b!", "", ""},
		{"after the command, torn", crash.Cut{Point: 3, When: crash.After, Fate: crash.Torn}, "new a", "new b!", "ha", ""},
		{"before the command, all unsynced lost", crash.Cut{Point: 3, Fate: crash.Unsynced}, "new a", "old b", "", ""},
		{"after the command, all unsynced lost", crash.Cut{Point: 3, When: crash.After, Fate: crash.Unsynced}, "new a", "old b", "", ""},
		{"after c, all unsynced lost", crash.Cut{Point: 4, When: crash.After, Fate: crash.Unsynced}, "new a", "old b", "", ""},
		{"after c: /run is gone", crash.Cut{Point: 4, When: crash.After}, "new a", "new b!", "whole", ""},
		{"killed after c: /run stays", crash.Cut{Point: 4, When: crash.After, Kill: true}, "new a", "new b!", "whole", "c"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := machine(map[string]string{"/a": "old a", "/b": "old b"})
			m.Arm(c.cut)
			err := run(m.Host())
			if cut := c.cut.Point > 0; errors.Is(err, crash.ErrPowerCut) != cut || m.Dead() != cut {
				t.Fatalf("error %v, dead %v", err, m.Dead())
			}
			if m.Dead() {
				if _, err := m.Host().Files.ReadFile("/a"); !errors.Is(err, crash.ErrPowerCut) {
					t.Errorf("a dead machine answers: %v", err)
				}
			}
			if m.Dead() {
				m.Reboot()
			}
			for path, want := range map[string]string{"/a": c.a, "/b": c.b, "/made": c.made, "/run/c": c.c} {
				got, _ := m.ReadFile(path)
				if string(got) != want {
					t.Errorf("%s: %q, want %q", path, got, want)
				}
			}
			if err := run(m.Host()); err != nil { // and the next run completes
				t.Error(err)
			}
		})
	}
}

func TestSyncKeepsEverything(t *testing.T) {
	m := machine(nil)
	m.Arm(crash.Cut{Point: 4, When: crash.Before, Fate: crash.Unsynced})
	h := m.Host()
	h.Files.WriteDirect("/a", []byte("a"))
	h.Files.Sync()
	h.Files.WriteDirect("/b", []byte("b"))
	if err := h.Files.WriteDirect("/c", []byte("c")); !errors.Is(err, crash.ErrPowerCut) {
		t.Fatal(err)
	}
	if !host.Exists(m.Disk, "/a") || host.Exists(m.Disk, "/b") {
		t.Errorf("after the cut: %v", crash.Picture(m.Disk))
	}
	if got := m.Log(); len(got) != 4 || got[1] != "sync" {
		t.Errorf("points %q", got)
	}
}

// What a command made and the agent wrote anew is flushed, and an empty file
// whose removal was not is there again.
func TestWhatIsWrittenAnewAndWhatComesBack(t *testing.T) {
	m := machine(nil)
	m.Arm(crash.Cut{Point: 5, Fate: crash.Unsynced})
	f := m.Host().Files
	for _, err := range []error{f.WriteFile("/mark", nil, 0o600), f.Remove("/mark"), f.WriteFile("/other", nil, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Host().Commands.Run(t.Context(), host.Cmd{Argv: []string{"make"}}); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteFile("/never", nil, 0o600); !errors.Is(err, crash.ErrPowerCut) {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"/mark": true, "/other": true, "/made": false, "/never": false} {
		if host.Exists(m.Disk, path) != want {
			t.Errorf("%s is there: %v", path, !want)
		}
	}
	m = machine(nil)
	m.Arm(crash.Cut{Point: 3, Fate: crash.Unsynced})
	if _, err := m.Host().Commands.Run(t.Context(), host.Cmd{Argv: []string{"make"}}); err != nil {
		t.Fatal(err)
	}
	if err := m.Host().Files.WriteFile("/made", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Host().Files.Sync(); !errors.Is(err, crash.ErrPowerCut) {
		t.Fatal(err)
	}
	if text, err := m.ReadFile("/made"); string(text) != "mine" {
		t.Errorf("made is %q, %v", text, err)
	}
}
