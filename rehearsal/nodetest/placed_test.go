package nodetest_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"ringboot/firstboot/base"
	"ringboot/firstboot/host"
	"ringboot/profiles"
	"ringboot/profiles/change"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/disk"
)

// seeded is a node, and the file of another profile for it.
func seeded(t *testing.T) (*crash.Machine, change.File) {
	t.Helper()
	clock := crash.NewClock(time.Now())
	d := disk.New(clock.Now)
	h := host.Host{Files: d, Clock: clock}
	seed(t, h, profiles.DefaultText(), base.NewSeed{Node: "frege", Driven: true})
	own, err := base.LoadSeed(h.Files)
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
	count, f := seeded(t)
	count.Arm(crash.Cut{})
	if err := base.Place(count.Host().Files, f); err != nil {
		t.Fatal(err)
	}
	old, fresh := 0, 0
	for point := 1; point <= count.Points(); point++ {
		for _, cut := range crash.Cuts(point) {
			t.Run(fmt.Sprint(cut), func(t *testing.T) {
				m, f := seeded(t)
				m.Arm(cut)
				if err := base.Place(m.Host().Files, f); err != nil && !errors.Is(err, crash.ErrPowerCut) {
					t.Fatal(err)
				}
				if m.Dead() {
					m.Reboot()
				}
				own, err := base.LoadSeed(m.Host().Files)
				if err != nil {
					t.Fatal(err)
				}
				if !own.Seed.Driven {
					t.Error("the node forgot how it is driven")
				}
				if len(own.Profile.Management.NTP) == 1 {
					fresh++
				} else {
					old++
				}
				if err := base.FinishPlacing(m.Host().Files); err != nil {
					t.Fatal(err)
				}
				after, err := base.LoadSeed(m.Host().Files)
				if err != nil || after.Seed.Plan != own.Seed.Plan {
					t.Errorf("%v: plan %v after the next start, %v before", err, after.Seed.Plan, own.Seed.Plan)
				}
				if host.Exists(m.Host().Files, profiles.SeedDir+"/next.json") {
					t.Error("something was left by half")
				}
			})
		}
	}
	if old == 0 || fresh == 0 {
		t.Errorf("%d cuts left the old profile, %d the new one: both were expected", old, fresh)
	}
}

// A newer voucher's number is taken over, and never an older one.
func TestAMergedSeedKeepsWhatTheNodeKnows(t *testing.T) {
	own := base.Own{Seed: profiles.Seed{Node: "frege", Driven: true, Practice: true, Issues: map[string]int{"russell": 3, "frege": 2}}}
	f := own.Merge(change.File{Seed: profiles.Seed{Node: "frege", Issues: map[string]int{"russell": 2, "wittgenstein": 2}, Plan: profiles.Hashes{Cluster: "c"}}})
	if !f.Seed.Driven || !f.Seed.Practice || f.Seed.Plan.Cluster != "c" || fmt.Sprint(f.Seed.Issues) != "map[frege:2 russell:3 wittgenstein:2]" || len(own.Seed.Issues) != 2 {
		t.Errorf("%+v", f.Seed)
	}
}
