package step_test

import (
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ringboot/firstboot/report"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/standin"
)

// proven forms the cluster undisturbed, then starts the agents anew with the
// steps after proof, and points counted from there.
func (b *bench) proven(plan []crash) {
	b.t.Helper()
	more := b.more
	b.more = nil
	b.startAll()
	if !b.runUntil(10*time.Minute, b.allFormed) {
		b.t.Fatalf("not formed:\n%s", b.tail(60))
	}
	b.more = more
	for _, n := range b.p.Nodes {
		a := b.agents[n.Name]
		a.end()
		a.points, a.trace, a.formed = 0, nil, time.Time{}
	}
	b.plan = plan
	b.startAll()
}

// settled runs until every node has its report and nothing more happens.
func (b *bench) settled(limit time.Duration) bool {
	stable := time.Time{}
	return b.runUntil(limit, func() bool {
		if !b.allFormed() {
			stable = time.Time{}
			return false
		}
		if stable.IsZero() {
			stable = b.now()
		}
		return b.now().Sub(stable) > 20*time.Second
	})
}

// whole says what is not whole in the end, asked with other means than the agents'.
func (b *bench) wholeProof() error {
	if err := b.whole(); err != nil {
		return err
	}
	m := b.w.Node("frege").Machine()
	if why := standin.Unhealthy(m, 3); why != "" {
		return fmt.Errorf("storage: %s", why)
	}
	if storages, err := m.ReadFile("/etc/pve/storage.cfg"); err != nil || b.p.Ceph.CephFS != strings.Contains(string(storages), "cephfs: cephfs\n") {
		return fmt.Errorf("CephFS is wanted: %v; storages (%v):\n%s", b.p.Ceph.CephFS, err, storages)
	}
	run := ""
	for _, n := range b.w.Names() {
		text, err := b.w.Node(n).Files().ReadFile(step.ReportJSON)
		if err != nil {
			return err
		}
		r, err := report.Parse(text)
		if err != nil {
			return err
		}
		if run == "" {
			run = r.Run
		}
		if r.Run != run || len(r.HA.Drills) != len(report.DrillNames()) || len(r.Ceph.OSDs) != 3 {
			return fmt.Errorf("report of %s: run %s, %d drills, %d OSDs", n, r.Run, len(r.HA.Drills), len(r.Ceph.OSDs))
		}
		for _, d := range r.HA.Drills {
			if d.Outcome == report.Failed || d.Outcome == report.Untried {
				return fmt.Errorf("drill %s: %s: %s", d.Name, d.Outcome, d.Sentence)
			}
		}
		for _, form := range []string{step.ReportHTML, step.ReportMarkdown} {
			page, err := b.w.Node(n).Files().ReadFile(form)
			if err != nil || !strings.Contains(string(page), "Acceptance report") {
				return fmt.Errorf("%s of %s: %v", form, n, err)
			}
		}
		if step.WindowOpen(b.w.Node(n).Files()) {
			return fmt.Errorf("the join window of %s is open", n)
		}
	}
	return nil
}

type proofOutcome struct {
	unwhole     string
	harm, left  []string
	log         string
	pointsOfRun map[string]int
	traceOfRun  map[string][]string
}

func proofRun(t *testing.T, seed int64, plan []crash) proofOutcome {
	return proofRunOf(t, storageProfile(), seed, plan)
}

func proofRunOf(t *testing.T, p *profiles.Profile, seed int64, plan []crash) proofOutcome {
	b := newBench(t, seed, p)
	defer b.close()
	b.proven(plan)
	var out proofOutcome
	if !b.settled(3 * time.Hour) {
		out.unwhole = "no report"
		for _, a := range b.agents {
			for _, name := range []string{"cluster", "proof", "ceph", "ha", "accept", "report"} {
				if v, ok := a.verdict[name]; ok && v.State != step.Done {
					out.unwhole += fmt.Sprintf("; %s %s: %s", a.name, name, v.Reason)
					break
				}
			}
		}
	} else if err := b.wholeProof(); err != nil {
		out.unwhole = err.Error()
	}
	out.harm, out.left = b.harm(), b.leftovers()
	out.pointsOfRun, out.traceOfRun = map[string]int{}, map[string][]string{}
	for name, a := range b.agents {
		out.pointsOfRun[name], out.traceOfRun[name] = a.points, a.trace
	}
	if out.unwhole != "" || len(out.harm)+len(out.left) > 0 {
		out.log = b.tail(70)
	}
	return out
}

// proofMatrix runs plans side by side and counts what went wrong.
type proofMatrix struct {
	t                               *testing.T
	mu                              sync.Mutex
	profile                         func() *profiles.Profile
	runs, unwhole, harmed, leftover int
	shown                           int
}

func (m *proofMatrix) all(plans [][]crash) {
	work := make(chan int)
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			for i := range work {
				m.enter(plans[i], proofRunOf(m.t, m.profile(), int64(i+1), plans[i]))
			}
		})
	}
	for i := range plans {
		work <- i
	}
	close(work)
	wait.Wait()
}

func (m *proofMatrix) enter(plan []crash, out proofOutcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs++
	if out.unwhole != "" {
		m.unwhole++
	}
	m.harmed += len(out.harm)
	m.leftover += len(out.left)
	if out.log == "" {
		return
	}
	m.t.Fail()
	if m.shown++; m.shown <= 2 {
		m.t.Logf("%v: %s, harm %v, left %v\n%s", plan, out.unwhole, out.harm, out.left, out.log)
	} else if m.shown < 60 {
		m.t.Logf("%v: %s, harm %v, left %v", plan, out.unwhole, out.harm, out.left)
	}
}

// proofEvery thins the matrix: RINGBOOT_PROOF_EVERY=1 tries every point.
func proofEvery(t *testing.T, fast, slow int) int {
	if n, err := strconv.Atoi(os.Getenv("RINGBOOT_PROOF_EVERY")); err == nil && n > 0 {
		return n
	}
	if testing.Short() {
		return fast
	}
	return slow
}

// A crash at points of every agent, from the first look at Ceph to the report,
// in every way in turn.
func TestProofSurvivesACrashAtAnyPoint(t *testing.T) {
	need.Slow(t)
	points := proofRun(t, 1, nil)
	if points.log != "" {
		t.Fatalf("undisturbed: %s %v %v\n%s", points.unwhole, points.harm, points.left, points.log)
	}
	t.Logf("points: %v", points.pointsOfRun)
	every := proofEvery(t, 40, proofThin)
	var plans [][]crash
	turn := 0
	for _, n := range storageProfile().Nodes {
		for point := 1 + turn%every; point <= points.pointsOfRun[n.Name]; point += every {
			turn++
			plans = append(plans, []crash{{n.Name, point, crashModes[turn%len(crashModes)]}})
		}
	}
	m := &proofMatrix{t: t, profile: storageProfile}
	m.all(plans)
	need.Figure("proof.crash_single", m.runs, "count")
	need.Figure("proof.unwhole", m.unwhole, "count")
	need.Figure("proof.safety_violations", m.harmed, "count")
	need.Figure("proof.leftovers", m.leftover, "count")
}

// Two to four crashes in random combinations, the same ones every time.
func TestProofSurvivesRandomCrashes(t *testing.T) {
	need.Slow(t)
	points := proofRun(t, 1, nil).pointsOfRun
	rnd := rand.New(rand.NewSource(20261123))
	names := storageProfile().Nodes
	var plans [][]crash
	for range 600 / proofEvery(t, 60, proofThin) {
		var plan []crash
		for range 2 + rnd.Intn(3) {
			n := names[rnd.Intn(len(names))].Name
			plan = append(plan, crash{n, 1 + rnd.Intn(points[n]), crashModes[rnd.Intn(len(crashModes))]})
		}
		plans = append(plans, plan)
	}
	m := &proofMatrix{t: t, profile: storageProfile}
	m.all(plans)
	need.Figure("proof.crash_random", m.runs, "count")
	need.Figure("proof.crash_random_unwhole", m.unwhole, "count")
	need.Figure("proof.crash_random_violations", m.harmed, "count")
	need.Figure("proof.crash_random_leftovers", m.leftover, "count")
}
