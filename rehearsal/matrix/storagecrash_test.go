package matrix_test

import (
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/report"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/tools/ceph"
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
	if why := ceph.Unhealthy(m, 3); why != "" {
		return fmt.Errorf("storage: %s", why)
	}
	if storages, err := m.ReadFile("/etc/pve/storage.cfg"); err != nil || b.p.Ceph.CephFS != strings.Contains(string(storages), "cephfs: cephfs\n") {
		return fmt.Errorf("CephFS is wanted: %v; storages (%v):\n%s", b.p.Ceph.CephFS, err, storages)
	}
	run := ""
	for _, n := range b.w.Names() {
		text, err := b.w.Node(n).Files().ReadFile(acceptance.ReportJSON)
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
		if r.Run != run || len(r.HA.Drills) != len(acceptance.Names()) || len(r.Ceph.OSDs) != 3 {
			return fmt.Errorf("report of %s: run %s, %d drills, %d OSDs", n, r.Run, len(r.HA.Drills), len(r.Ceph.OSDs))
		}
		for _, d := range r.HA.Drills {
			if d.Outcome == report.Failed || d.Outcome == report.Untried {
				return fmt.Errorf("drill %s: %s: %s", d.Name, d.Outcome, d.Sentence)
			}
		}
		for _, form := range []string{acceptance.ReportHTML, acceptance.ReportMarkdown} {
			page, err := b.w.Node(n).Files().ReadFile(form)
			if err != nil || !strings.Contains(string(page), "Acceptance report") {
				return fmt.Errorf("%s of %s: %v", form, n, err)
			}
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

func (m *proofMatrix) all(runs []run) {
	work := make(chan int)
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			for i := range work {
				m.enter(runs[i], proofRunOf(m.t, m.profile(), runs[i].seed, runs[i].plan))
			}
		})
	}
	for i := range runs {
		work <- i
	}
	close(work)
	wait.Wait()
}

func (m *proofMatrix) enter(r run, out proofOutcome) {
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
		m.t.Logf("%s: %s, harm %v, left %v\n%s", again(m.t, r), out.unwhole, out.harm, out.left, out.log)
	} else if m.shown < 60 {
		m.t.Logf("%s: %s, harm %v, left %v", again(m.t, r), out.unwhole, out.harm, out.left)
	}
}

// figures prints how many runs there were of all, and what came of them.
func (m *proofMatrix) figures(all int, head string, tails ...string) {
	for i, n := range []int{m.runs, m.unwhole, m.harmed, m.leftover} {
		need.Figure(figureName(head+tails[i], m.runs, all), n, "count")
	}
}

// inTurn are a crash at every point of every agent up to its last one, in every
// way in turn.
func inTurn(p *profiles.Profile, last func(node string) int) []run {
	var all []run
	for _, n := range p.Nodes {
		for point := 1; point <= last(n.Name); point++ {
			i := len(all) + 1
			all = append(all, run{int64(i), []crash{{n.Name, point, crashModes[i%len(crashModes)]}}})
		}
	}
	return all
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
	all := inTurn(storageProfile(), func(node string) int { return points.pointsOfRun[node] })
	m := &proofMatrix{t: t, profile: storageProfile}
	m.all(sampled(t, all, budget(40, 6, 100)))
	m.figures(len(all), "proof.", "crash_single", "unwhole", "safety_violations", "leftovers")
}

// Two to four crashes in random combinations, the same ones every time.
func TestProofSurvivesRandomCrashes(t *testing.T) {
	need.Slow(t)
	points := proofRun(t, 1, nil).pointsOfRun
	rnd := rand.New(rand.NewSource(20261123))
	names := storageProfile().Nodes
	var all []run
	for i := range 600 {
		r := run{seed: int64(i + 1)}
		for range 2 + rnd.Intn(3) {
			n := names[rnd.Intn(len(names))].Name
			r.plan = append(r.plan, crash{n, 1 + rnd.Intn(points[n]), crashModes[rnd.Intn(len(crashModes))]})
		}
		all = append(all, r)
	}
	m := &proofMatrix{t: t, profile: storageProfile}
	m.all(sampled(t, all, budget(10, 4, 40)))
	m.figures(len(all), "proof.crash_random", "", "_unwhole", "_violations", "_leftovers")
}
