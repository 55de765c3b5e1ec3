package upgrade

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"ringboot/firstboot/apt"
	"ringboot/firstboot/host"
	"ringboot/profiles"
)

// TriedFile says when this node last brought its packages up to date, and why
// it could not.
const TriedFile = "/var/lib/ringboot/packages.json"

const (
	// tryAgain is how long a node that could not reach the sources leaves them alone.
	tryAgain = 30 * time.Minute
	// lookAgain is how long it does so while another node has newer packages.
	lookAgain = 5 * time.Minute
)

// Fresh brings a node that is in no cluster yet to what its sources have. What
// it cannot do is told and keeps nobody back: only sets that differ do.
type Fresh struct {
	Host    host.Host
	Profile *profiles.Profile
}

// tried is the content of TriedFile.
type tried struct {
	Version int       `json:"version"` // 1
	At      time.Time `json:"at"`
	Why     string    `json:"why,omitempty"` // "": the node has what its sources have
}

func (f *Fresh) read() (t tried, ok bool) {
	text, err := f.Host.Files.ReadFile(TriedFile)
	ok = err == nil && json.Unmarshal(text, &t) == nil && t.Version == 1 // torn: it is tried anew
	return t, ok
}

// Stuck says why this node has nothing newer, "" if nothing keeps it back.
func (f *Fresh) Stuck() string {
	if f.Profile.Proxmox.Update == profiles.UpdateInstalled {
		return "it stays with what its medium brought, by proxmox.update: installed"
	}
	t, _ := f.read()
	return t.Why
}

// Due reports whether the node is to look for newer packages now. behind says
// that another node has some.
func (f *Fresh) Due(behind bool) bool {
	if f.Profile.Proxmox.Update == profiles.UpdateInstalled {
		return false
	}
	t, ok := f.read()
	if !ok {
		return true
	}
	age := f.Host.Clock.Now().Sub(t.At)
	switch {
	case behind:
		return age > lookAgain || age < 0
	case t.Why != "":
		return age > tryAgain || age < 0
	}
	return false
}

// Make reads the sources and installs what they have; of the packages that set
// names, these versions and no other, where the sources still have them. Its
// error means that the outcome could not be kept.
func (f *Fresh) Make(ctx context.Context, set map[string]string) error {
	t := tried{Version: 1}
	if err := f.update(ctx, set); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t.Why = err.Error()
	}
	if err := f.Host.Files.Sync(); err != nil {
		return err
	}
	t.At = f.Host.Clock.Now()
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return f.Host.Files.WriteFile(TriedFile, append(text, '\n'), 0o644)
}

func (f *Fresh) update(ctx context.Context, set map[string]string) error {
	s := apt.System{Host: f.Host}
	if err := s.Refresh(ctx); err != nil {
		return err
	}
	pins := ""
	if len(set) > 0 {
		own, err := host.ReadOptional(f.Host.Files, "/etc/apt/preferences")
		if err != nil {
			return err
		}
		if err := f.Host.Files.WriteFile(pinsFile, []byte(apt.Pins(set, string(own))), 0o644); err != nil {
			return err
		}
		pins = pinsFile
	}
	changes, err := s.Changes(ctx, pins)
	if err != nil {
		return err
	}
	if len(changes) > 0 {
		if err := s.Upgrade(ctx, pins); err != nil {
			return err
		}
		switch left, err := s.Changes(ctx, pins); {
		case err != nil:
			return err
		case len(left) > 0:
			return fmt.Errorf("%d packages are left, the first is %s: run apt full-upgrade by hand", len(left), left[0])
		}
	}
	return gone(ctx, s, set)
}

// gone names what the sources do not have any more.
func gone(ctx context.Context, s apt.System, set map[string]string) error {
	if len(set) == 0 {
		return nil
	}
	have, err := s.Installed(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if have[name] != "" && have[name] != set[name] {
			return fmt.Errorf("the package sources have no %s %s any more, and %s is here", name, set[name], have[name])
		}
	}
	return nil
}
