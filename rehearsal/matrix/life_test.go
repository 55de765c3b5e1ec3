package matrix_test

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
	world "ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/tools/debian"
)

// A life is a settled cluster over the years: with updates, restarts, power
// cuts, dead machines and cables, and an owner who makes it his own.
type life struct {
	*rolling
	t       testing.TB
	rnd     *rand.Rand
	release int // of the packages
	key     []byte
	conf    []byte
	own     []setting
	did     []string
	bad     []string
}

// setting is what the owner made, and where it has to stay.
type setting struct{ file, option, holds, lacks string }

// lifeYears is how long one life is, and how many things happen in a year of it.
// A certificate authority of Proxmox VE ends after ten years, and that is not told here.
const (
	lifeYears  = 8
	actsInYear = 12
	allLives   = 125
)

// newLife forms a cluster with a guest that high availability keeps, and settles it.
func newLife(t testing.TB, seed int64) *life {
	p := storageProfile()
	p.Acceptance = profiles.Acceptance{Seconds: 10}
	l := &life{rolling: newRollingOf(t, seed, p), t: t, rnd: rand.New(rand.NewSource(seed))}
	l.settle()
	l.strays = true
	l.after = l.packages()
	for _, name := range l.w.Names() {
		l.has(name, l.after)
	}
	for file, to := range map[string]*[]byte{"/etc/corosync/authkey": &l.key, "/etc/corosync/corosync.conf": &l.conf} {
		var err error
		if *to, err = l.w.Node("frege").Files().ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// settle marks the nodes that have no mark yet, and ends the builders.
func (l *life) settle() {
	l.t.Helper()
	for _, name := range l.w.Names() {
		a, f := l.agents[name], l.w.Node(name).Files()
		if _, err := f.Lstat(settled.File); err != nil {
			done := map[string]string{}
			for what, v := range a.verdict {
				if v.State == step.Done {
					done[what] = v.Reason
				}
			}
			if err := settled.Write(f, settled.Mark{Node: name, At: l.now(), Steps: done}); err != nil {
				l.t.Fatal(err)
			}
		}
		l.away[name] = true
		a.end()
	}
	l.runUntil(time.Minute, func() bool { return l.w.Sim().Living() == 0 })
}

// packages are those of the present release.
func (l *life) packages() string {
	return fmt.Sprintf("corosync 3.1.%d-pve1\nlibpve-storage-perl 9.1.%d\npve-manager 9.2.%d\n", 9+l.release, 7+l.release, 11+l.release)
}

func (l *life) has(node, packages string) {
	l.t.Helper()
	f := l.w.Node(node).Files()
	if err := f.WriteFile(debian.PackagesFile, []byte(packages), 0o644); err != nil {
		l.t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		l.t.Fatal(err)
	}
}

// any draws a node.
func (l *life) any() string { return l.w.Names()[l.rnd.Intn(len(l.w.Names()))] }

func (l *life) fate() world.CutMode {
	return []world.CutMode{world.Lost, world.Torn, world.Kept}[l.rnd.Intn(3)]
}

// sound is what is not as it has to be, "" if nothing.
func (l *life) sound() string {
	if err := l.whole(); err != nil {
		return err.Error()
	}
	if why := ceph.Unhealthy(l.w.Node(l.w.Names()[0]).Machine(), 3); why != "" {
		return "Ceph: " + why
	}
	for _, name := range l.w.Names() { // a node that has just come has not synchronised yet
		if !l.synced(name) {
			return "/etc/pve of " + name + " has not synchronised"
		}
	}
	if l.guestAt() == "" {
		return "the guest runs nowhere"
	}
	return ""
}

// synced reports whether pmxcfs of a node is in step with all others.
func (l *life) synced(node string) bool {
	h, _ := l.agents[node].host(l.agents[node].life)
	m, err := pve.Local{Host: h, Name: node}.Membership()
	return err == nil && !slices.ContainsFunc(l.w.Names(), func(n string) bool { return !m.Synced(n) })
}

// wrong adds to what must never be.
func (l *life) wrong(format string, args ...any) { l.bad = append(l.bad, fmt.Sprintf(format, args...)) }

// judge waits until the cluster is sound, and says what became of it.
func (l *life) judge(act string) {
	if !l.runUntil(time.Hour, func() bool { return l.sound() == "" }) {
		l.wrong("%s: an hour later: %s", act, l.sound())
	}
	for _, name := range l.w.Names() {
		f := l.w.Node(name).Files()
		if key, err := f.ReadFile("/etc/corosync/authkey"); err != nil || !bytes.Equal(key, l.key) {
			l.wrong("%s: %s is in another cluster than the first one (%v)", act, name, err)
		}
		if conf, err := f.ReadFile("/etc/corosync/corosync.conf"); err != nil || !bytes.Equal(conf, l.conf) {
			l.wrong("%s: corosync.conf of %s was changed (%v)", act, name, err)
		}
		for _, s := range l.own {
			text, err := f.ReadFile(s.file)
			if err != nil || !strings.Contains(string(text), s.holds) || s.lacks != "" && strings.Contains(string(text), s.lacks) {
				l.wrong("%s: on %s it is not as the owner made it, %+v (%v):\n%s", act, name, s, err, text)
			}
		}
	}
	for _, kind := range []string{"purged-unclean", "erased"} {
		for _, note := range l.w.Notes(kind) {
			l.wrong("%s: %s: %s", act, kind, note)
		}
	}
	for _, v := range l.violations() {
		l.wrong("%s: %s", act, v)
	}
}

// live lets years pass, and stops at the first thing that must never be.
func (l *life) live(years int) {
	var urn []lifeAct
	for _, a := range lifeActs() {
		for range a.often {
			urn = append(urn, a)
		}
	}
	for range years * actsInYear {
		tools.Leap(l.w, time.Duration(1+l.rnd.Intn(60*24))*time.Hour)
		act := urn[l.rnd.Intn(len(urn))]
		l.did = append(l.did, act.name)
		l.logf("LIFE %s", act.name)
		if act.do(l); len(l.bad) == 0 {
			l.judge(act.name)
		}
		if len(l.bad) > 0 {
			return
		}
	}
}

// lives are the seeds that are lived through: all, or a sample of them,
// or the one of RINGBOOT_LIFE.
func lives(t testing.TB) []int64 {
	if text := os.Getenv("RINGBOOT_LIFE"); text != "" {
		seed, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatalf("RINGBOOT_LIFE is the number of a life: %v", err)
		}
		return []int64{seed}
	}
	all := make([]int64, allLives)
	for i := range all {
		all[i] = int64(i + 1)
	}
	return need.Drawn(t, all, budget(1, 2, 4))
}

// TestYears: nothing that happens to a cluster in its years makes two of it,
// costs a copy or the quorum by our act, or undoes what its owner did.
func TestYears(t *testing.T) {
	seeds := lives(t)
	bad, began, acts := 0, time.Now(), map[string]int{}
	for _, seed := range seeds {
		t.Run(strconv.FormatInt(seed, 10), func(t *testing.T) {
			l := newLife(t, seed)
			defer l.close()
			l.live(lifeYears)
			for _, a := range l.did {
				acts[a]++
			}
			if len(l.bad) > 0 {
				bad += len(l.bad)
				t.Errorf("after %d acts: %s\n%s\nRINGBOOT_LIFE=%d go test ./rehearsal/matrix -v -run '^TestYears$'", len(l.did), strings.Join(l.bad, "\n"), l.tail(60), seed)
			}
		})
	}
	t.Logf("what happened: %v", acts)
	need.Figure(figureName("life.cluster_years", len(seeds), allLives), lifeYears*len(seeds), "years")
	need.Figure("life.cluster_years_an_hour", float64(lifeYears*len(seeds))/time.Since(began).Hours(), "years")
	need.Figure(figureName("life.violations", len(seeds), allLives), bad, "count")
}

// newest is the run of the newest report.
func (l *life) newest() string {
	run := ""
	for _, n := range l.w.Names() {
		text, err := l.w.Node(n).Files().ReadFile(acceptance.ReportJSON)
		if err != nil {
			continue
		}
		if r, err := report.Parse(text); err == nil {
			run = max(run, r.Run)
		}
	}
	return run
}

// others are the nodes but one.
func (l *life) others(node string) []string {
	return slices.DeleteFunc(slices.Clone(l.w.Names()), func(n string) bool { return n == node })
}
