package base

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/profiles"
	"ringboot/profiles/change"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/disk"
)

// another is a machine with the same files, all of them flushed.
func another(m *crash.Machine) *crash.Machine {
	clock := crash.NewClock(time.Now())
	d := disk.New(clock.Now)
	for path, text := range crash.Files(m.Disk) {
		d.Program(path, text)
	}
	return crash.New(d, nil, clock)
}

// seeded is a node, and the file of another profile for it.
func seeded(t *testing.T, ca *authority) (*crash.Machine, change.File) {
	t.Helper()
	clock := crash.NewClock(time.Now())
	d := disk.New(clock.Now)
	h := host.Host{Files: d, Clock: clock}
	seed(t, h, ca, profiles.DefaultText(), NewSeed{Node: "frege", Driven: true})
	own, err := LoadSeed(h.Files)
	if err != nil {
		t.Fatal(err)
	}
	p := *own.Profile
	p.Management.NTP = []string{"192.0.2.1"}
	f, err := change.NewFile(&p, profiles.Seed{Version: profiles.SeedVersion, Node: "frege", ClusterID: own.Seed.ClusterID, Issues: map[string]int{"russell": 2}})
	if err != nil {
		t.Fatal(err)
	}
	return crash.New(d, nil, clock), own.Merge(f)
}

// Whatever the power does while a profile is put in place, the node starts with
// the old one or the new one, and the next start leaves nothing by half.
func TestAProfileIsPlacedAsAWhole(t *testing.T) {
	ca := newAuthority(t)
	first, f := seeded(t, ca)
	count := another(first)
	count.Arm(crash.Cut{})
	if err := Place(count.Host().Files, f); err != nil {
		t.Fatal(err)
	}
	if log := strings.Join(count.Log(), "; "); log != "write "+nextFile+"; write "+profiles.ProfileFile+"; write "+profiles.SeedFile+"; sync; remove "+nextFile {
		t.Errorf("done is %s", log)
	}
	old, fresh := 0, 0
	for point := 1; point <= count.Points(); point++ {
		for _, cut := range crash.Cuts(point) {
			m := another(first)
			m.Arm(cut)
			if err := Place(m.Host().Files, f); err != nil && !errors.Is(err, crash.ErrPowerCut) {
				t.Fatal(err)
			}
			if m.Dead() {
				m.Reboot()
			}
			own, err := LoadSeed(m.Host().Files)
			if err != nil {
				t.Fatalf("%s: %v", cut, err)
			}
			if !own.Seed.Driven {
				t.Errorf("%s: the node forgot how it is driven", cut)
			}
			if len(own.Profile.Management.NTP) == 1 {
				fresh++
			} else {
				old++
			}
			if err := FinishPlacing(m.Host().Files); err != nil {
				t.Fatal(err)
			}
			after, err := LoadSeed(m.Host().Files)
			if err != nil || after.Seed.Plan != own.Seed.Plan {
				t.Errorf("%s: %v: plan %v after the next start, %v before", cut, err, after.Seed.Plan, own.Seed.Plan)
			}
			if host.Exists(m.Host().Files, nextFile) {
				t.Errorf("%s: something was left by half", cut)
			}
		}
	}
	if old == 0 || fresh == 0 {
		t.Errorf("%d cuts left the old profile, %d the new one: both were expected", old, fresh)
	}
}

// What cannot be written is told, and what counts is still one whole pair.
func TestAProfileThatCannotBePlaced(t *testing.T) {
	ca := newAuthority(t)
	var m *crash.Machine
	first, f := seeded(t, ca)
	again := func() host.Host { m = another(first); return m.Host() }
	for r := range crash.Refusals(again, func(h host.Host) error { return Place(h.Files, f) }) {
		if r.Err == nil || !errors.Is(r.Err, crash.ErrRefused) {
			t.Errorf("%s was refused: %v", r.What, r.Err)
		}
		if !strings.HasPrefix(r.What, "read") && !strings.HasPrefix(r.Err.Error(), "put the profile in place: ") {
			t.Errorf("%s was refused: %v", r.What, r.Err)
		}
		if _, err := LoadSeed(m.Host().Files); err != nil {
			t.Errorf("%s was refused, and then: %v", r.What, err)
		}
		if r.What != "write "+nextFile && !host.Exists(m.Host().Files, nextFile) {
			t.Errorf("%s was refused, and nobody will end it", r.What)
		}
	}
	m = another(first)
	over, err := Laid(m.Host().Files, f)
	if err != nil {
		t.Fatal(err)
	}
	own, err := LoadSeed(over)
	if err != nil || len(own.Profile.Management.NTP) != 1 || host.Exists(m.Host().Files, nextFile) {
		t.Errorf("as it would be: %+v, %v", own.Profile, err)
	}
	for r := range crash.Refusals(again, func(h host.Host) error {
		_, err := LoadSeed(h.Files)
		return err
	}) {
		if !errors.Is(r.Err, crash.ErrRefused) {
			t.Errorf("%s was refused: %v", r.What, r.Err)
		}
	}
	if err := m.Host().Files.WriteFile(nextFile, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadSeed(m.Host().Files); err == nil {
		t.Error("a torn file counts")
	}
	if err := FinishPlacing(m.Host().Files); err == nil || !host.Exists(m.Host().Files, nextFile) {
		t.Errorf("a torn file is put in place: %v", err)
	}
}

// A newer voucher's number is taken over, and never an older one.
func TestAMergedSeedKeepsWhatTheNodeKnows(t *testing.T) {
	own := Own{Seed: profiles.Seed{Node: "frege", Driven: true, Practice: true, Issues: map[string]int{"russell": 3, "frege": 2}}}
	f := own.Merge(change.File{Seed: profiles.Seed{Node: "frege", Issues: map[string]int{"russell": 2, "frege": 2, "wittgenstein": 2}, Plan: profiles.Hashes{Cluster: "c"}}})
	if !f.Seed.Driven || !f.Seed.Practice || f.Seed.Plan.Cluster != "c" || fmt.Sprint(f.Seed.Issues) != "map[frege:2 russell:3 wittgenstein:2]" || len(own.Seed.Issues) != 2 {
		t.Errorf("%+v", f.Seed)
	}
	f = (&Own{}).Merge(change.File{Seed: profiles.Seed{Issues: map[string]int{"russell": 2}}})
	if fmt.Sprint(f.Seed.Issues) != "map[russell:2]" {
		t.Errorf("%+v", f.Seed)
	}
}

// The seed of a node that was installed by hand follows from what lies there, and
// what only the builder knows stays as the earlier seed of that node has it.
func TestASeedThatFollowsFromTheProfile(t *testing.T) {
	ca := newAuthority(t)
	read := func(m *crash.Machine) (s profiles.Seed) {
		text, err := m.Host().Files.ReadFile(profiles.SeedFile)
		if err == nil {
			err = json.Unmarshal(text, &s)
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	write := func(m *crash.Machine, s profiles.Seed) {
		text, _ := json.Marshal(s)
		if err := m.Host().Files.WriteFile(profiles.SeedFile, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, _ := seeded(t, ca)
	before := read(m)
	if before.Node != "frege" || !before.Driven || before.Version != profiles.SeedVersion || before.ClusterID != profiles.ClusterID(ca.cert.Raw) || before.Plan.Cluster == "" {
		t.Errorf("%+v", before)
	}
	if changed, err := (NewSeed{Node: "frege", Driven: true}).Write(m.Host(), false); changed || err != nil {
		t.Errorf("a second time: %v, %v", changed, err)
	}
	full := before
	full.Issues, full.Practice, full.Peers = map[string]int{"frege": 3}, true, map[string]string{"russell": "key"}
	for name, c := range map[string]struct {
		was  func(*profiles.Seed)
		new  NewSeed
		want string // peers, issues, practice, driven
	}{
		"of this node":    {func(*profiles.Seed) {}, NewSeed{Node: "frege"}, "map[russell:key] map[frege:3] true true"},
		"not driven":      {func(s *profiles.Seed) { s.Driven = false }, NewSeed{Node: "frege", Driven: true}, "map[russell:key] map[frege:3] true true"},
		"neither":         {func(s *profiles.Seed) { s.Driven = false }, NewSeed{Node: "frege"}, "map[russell:key] map[frege:3] true false"},
		"other peers":     {func(*profiles.Seed) {}, NewSeed{Node: "frege", Peers: map[string]string{"russell": "new"}}, "map[russell:new] map[frege:3] true true"},
		"another node's":  {func(s *profiles.Seed) { s.Node = "russell" }, NewSeed{Node: "frege"}, "map[] map[] false false"},
		"another cluster": {func(s *profiles.Seed) { s.ClusterID = "other" }, NewSeed{Node: "frege"}, "map[] map[] false false"},
	} {
		m, _ := seeded(t, ca)
		s := full
		c.was(&s)
		write(m, s)
		if changed, err := c.new.Write(m.Host(), true); !changed || err != nil || read(m).ClusterID != s.ClusterID || read(m).Node != s.Node {
			t.Errorf("%s: looking: %v, %v", name, changed, err)
		}
		if changed, err := c.new.Write(m.Host(), false); !changed || err != nil {
			t.Errorf("%s: %v, %v", name, changed, err)
		}
		got := read(m)
		if said := fmt.Sprint(got.Peers, got.Issues, got.Practice, got.Driven); said != c.want || got.Plan != before.Plan {
			t.Errorf("%s: %s", name, said)
		}
	}
	m, f := seeded(t, ca)
	text, _ := f.Encode()
	m.Host().Files.WriteFile(nextFile, text, 0o600)
	if _, err := (NewSeed{Node: "frege"}).Write(m.Host(), true); err != nil || !host.Exists(m.Host().Files, nextFile) {
		t.Errorf("looking has ended what was placed by half: %v", err)
	}
	if _, err := (NewSeed{Node: "frege"}).Write(m.Host(), false); err != nil || host.Exists(m.Host().Files, nextFile) {
		t.Errorf("what was placed by half is not ended: %v", err)
	}
	for path, want := range map[string]string{profiles.ProfileFile: ": put the profile there first", profiles.CAFile: ": put the cluster's CA there first", profiles.CertFile: ": install the ringboot-seed package of this node again"} {
		m, _ := seeded(t, ca)
		m.Remove(path)
		if _, err := (NewSeed{Node: "frege"}).Want(m.Host()); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("without %s: %v", path, err)
		}
	}
	if _, err := (NewSeed{Node: "quine"}).Want(m.Host()); err == nil || !strings.HasSuffix(err.Error(), ": it has [frege russell wittgenstein]") {
		t.Errorf("%v", err)
	}
	for path, text := range map[string]string{profiles.ProfileFile: "version: 9\n", profiles.CAFile: "hello"} {
		m, _ := seeded(t, ca)
		m.Host().Files.WriteFile(path, []byte(text), 0o600)
		if _, err := (NewSeed{Node: "frege"}).Want(m.Host()); err == nil {
			t.Errorf("with another %s there is a seed", path)
		}
	}
	m, _ = seeded(t, ca)
	for r := range crash.Refusals(func() host.Host { return another(m).Host() }, func(h host.Host) error {
		_, err := (NewSeed{Node: "frege", Peers: map[string]string{"russell": "new"}}).Write(h, false)
		return err
	}) {
		if !errors.Is(r.Err, crash.ErrRefused) || len(r.After) > 0 {
			t.Errorf("%s was refused: %v, and then %q", r.What, r.Err, r.After)
		}
	}
}
