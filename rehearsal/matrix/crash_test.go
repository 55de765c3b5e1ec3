package matrix_test

import (
	"math/rand"
	"runtime"
	"sync"
	"testing"
	"time"

	"ringboot/rehearsal/need"
)

// settleLimit is how long three nodes have after the last crash of a run.
const settleLimit = 30 * time.Minute

// undisturbed counts the points of each agent.
func undisturbed(t testing.TB) map[string]int {
	t.Helper()
	s := newSim(t, 1)
	defer s.close()
	for _, n := range s.p.Nodes {
		s.agents[n.Name].start()
	}
	if !s.runUntil(10*time.Minute, s.allFormed) {
		t.Fatalf("not formed:\n%s", s.tail(60))
	}
	points := map[string]int{}
	for name, a := range s.agents {
		points[name] = a.points
	}
	return points
}

// outcome of one run with crashes.
type outcome struct {
	unwhole    string
	violations []string
	log        string
	hit        int // crashes that happened
}

func runWith(t testing.TB, seed int64, plan []crash) outcome {
	t.Helper()
	s := newSim(t, seed)
	s.plan = plan
	defer s.close()
	for _, n := range s.p.Nodes {
		s.agents[n.Name].start()
	}
	var out outcome
	stable := time.Time{}
	formed := s.runUntil(settleLimit, func() bool {
		if !s.allFormed() {
			stable = time.Time{}
			return false
		}
		if stable.IsZero() {
			stable = s.now()
		}
		return s.now().Sub(stable) > 15*time.Second // a crash may come late
	})
	if !formed {
		out.unwhole = "not formed"
	} else if err := s.whole(); err != nil {
		out.unwhole = err.Error()
	}
	out.violations, out.hit = s.violations(), s.hit
	if out.unwhole != "" || len(out.violations) > 0 {
		out.log = s.tail(90)
	}
	return out
}

// matrix runs plans on all processors and counts; it prints the first few that
// went wrong. Each run is a world of its own.
type matrix struct {
	t                            testing.TB
	work                         bounded
	mu                           sync.Mutex
	runs, hit, unwhole, violated int
	shown                        int
}

// bounded holds the runs under way.
type bounded struct {
	slots chan struct{}
	all   sync.WaitGroup
}

func newMatrix(t testing.TB) *matrix {
	m := &matrix{t: t}
	m.work.slots = make(chan struct{}, runtime.GOMAXPROCS(0))
	return m
}

// add starts a run; wait waits for all of them.
func (m *matrix) add(r run) {
	m.work.slots <- struct{}{}
	m.work.all.Add(1)
	go func() {
		defer m.work.all.Done()
		defer func() { <-m.work.slots }()
		m.run(r)
	}()
}

func (m *matrix) wait() { m.work.all.Wait() }

func (m *matrix) run(r run) {
	out := runWith(m.t, r.seed, r.plan)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs++
	m.hit += out.hit
	if out.unwhole != "" {
		m.unwhole++
	}
	if len(out.violations) > 0 {
		m.violated++
	}
	if out.log == "" {
		return
	}
	m.t.Fail()
	if m.shown++; m.shown <= 3 {
		m.t.Logf("%s: %s %v\n%s", again(m.t, r), out.unwhole, out.violations, out.log)
	} else if m.shown < 40 {
		m.t.Logf("%s: %s %v", again(m.t, r), out.unwhole, out.violations)
	}
}

// A crash at every point of every agent, in every way.
func TestCrashAtEveryPoint(t *testing.T) {
	points := undisturbed(t)
	t.Logf("points: %v", points)
	var all []run
	for _, n := range testProfile().Nodes {
		for point := 1; point <= points[n.Name]; point++ {
			for i, mode := range crashModes {
				all = append(all, run{int64(point*10 + i), []crash{{n.Name, point, mode}}})
			}
		}
	}
	m := disturbed(t, sampled(t, all, budget(130, 30, len(all))))
	figure := func(name string, n int) { need.Figure(figureName("cluster."+name, m.runs, len(all)), n, "count") }
	figure("crash_single", m.runs)
	figure("crash_single_unwhole", m.unwhole)
	figure("crash_single_violations", m.violated)
}

// disturbed tries these runs. Nearly all of their crashes must happen.
func disturbed(t testing.TB, runs []run) *matrix {
	t.Helper()
	m := newMatrix(t)
	for _, r := range runs {
		m.add(r)
	}
	m.wait()
	t.Logf("%d runs, %d crashes", m.runs, m.hit)
	if m.hit < m.runs*9/10 {
		t.Errorf("only %d crashes in %d runs: the plan misses the agents", m.hit, m.runs)
	}
	return m
}

// A crash at every pair of points, the ways of both in turn.
func TestCrashesInPairs(t *testing.T) {
	points := undisturbed(t)
	var each []crash
	for _, n := range testProfile().Nodes {
		for point := 1; point <= points[n.Name]; point++ {
			each = append(each, crash{node: n.Name, point: point})
		}
	}
	var all []run
	for i, first := range each {
		for _, second := range each[i+1:] {
			n := len(all)
			first.mode, second.mode = crashModes[n%len(crashModes)], crashModes[n/len(crashModes)%len(crashModes)]
			all = append(all, run{int64(n), []crash{first, second}})
		}
	}
	m := disturbed(t, sampled(t, all, budget(40, 12, 200)))
	figure := func(name string, n int) { need.Figure(figureName("cluster."+name, m.runs, len(all)), n, "count") }
	figure("crash_pairs", m.runs)
	figure("crash_pairs_unwhole", m.unwhole)
	figure("crash_pairs_violations", m.violated)
}

// Two to five crashes in random combinations, the same two thousand every time.
func TestCrashesInRandomCombinations(t *testing.T) {
	points := undisturbed(t)
	names := []string{"frege", "russell", "wittgenstein"}
	rnd := rand.New(rand.NewSource(20261123))
	var all []run
	for i := range 2000 {
		r := run{seed: int64(i)}
		for range 2 + rnd.Intn(4) {
			name := names[rnd.Intn(3)]
			r.plan = append(r.plan, crash{name, 1 + rnd.Intn(points[name]*5/4), crashModes[rnd.Intn(len(crashModes))]})
		}
		all = append(all, r)
	}
	m := disturbed(t, sampled(t, all, budget(60, 24, len(all))))
	figure := func(name string, n int) { need.Figure(figureName("cluster."+name, m.runs, len(all)), n, "count") }
	figure("crash_random", m.runs)
	figure("unwhole", m.unwhole)
	figure("safety_violations", m.violated)
}
