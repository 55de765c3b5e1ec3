package step_test

import (
	"math/rand"
	"os"
	"runtime"
	"strconv"
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
func (m *matrix) add(seed int64, plan []crash) {
	m.work.slots <- struct{}{}
	m.work.all.Add(1)
	go func() {
		defer m.work.all.Done()
		defer func() { <-m.work.slots }()
		m.run(seed, plan)
	}()
}

func (m *matrix) wait() { m.work.all.Wait() }

func (m *matrix) run(seed int64, plan []crash) {
	out := runWith(m.t, seed, plan)
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
		m.t.Logf("seed %d, %v: %s %v\n%s", seed, plan, out.unwhole, out.violations, out.log)
	} else if m.shown < 40 {
		m.t.Logf("seed %d, %v: %s %v", seed, plan, out.unwhole, out.violations)
	}
}

// A crash at every point of every agent, in every way.
func TestCrashAtEveryPoint(t *testing.T) {
	every := crashStride
	if testing.Short() {
		every = 31
	}
	crashEverywhere(t, every)
}

func crashEverywhere(t testing.TB, every int) {
	points := undisturbed(t)
	t.Logf("points: %v", points)
	m := newMatrix(t)
	for _, n := range testProfile().Nodes {
		for point := 1; point <= points[n.Name]; point += every {
			for i, mode := range crashModes {
				m.add(int64(point*10+i), []crash{{n.Name, point, mode}})
			}
		}
	}
	m.wait()
	t.Logf("%d runs, %d crashes", m.runs, m.hit)
	if m.hit < m.runs*9/10 {
		t.Errorf("only %d crashes in %d runs: the plan misses the agents", m.hit, m.runs)
	}
	need.Figure("cluster.crash_single"+crashSample, m.runs, "count")
	need.Figure("cluster.crash_single_unwhole"+crashSample, m.unwhole, "count")
	need.Figure("cluster.crash_single_violations"+crashSample, m.violated, "count")
}

// randomRuns is how many random combinations are tried: 2,000, or what
// RINGBOOT_CRASH_RUNS says where the race detector makes them slow.
func randomRuns(t testing.TB) int {
	if n, err := strconv.Atoi(os.Getenv("RINGBOOT_CRASH_RUNS")); err == nil {
		return n
	}
	if testing.Short() {
		return 60
	}
	return crashRuns
}

// Two to five crashes in random combinations, the same ones every time.
func TestCrashesInRandomCombinations(t *testing.T) { crashAtRandom(t, randomRuns(t)) }

// BenchmarkCrashes is the whole of both, without the race detector.
func BenchmarkCrashes(b *testing.B) {
	for b.Loop() {
		crashEverywhere(b, 1)
		crashAtRandom(b, 2000)
	}
}

func crashAtRandom(t testing.TB, runs int) {
	points := undisturbed(t)
	names := []string{"frege", "russell", "wittgenstein"}
	rnd := rand.New(rand.NewSource(20261123))
	m := newMatrix(t)
	for run := range runs {
		var plan []crash
		for range 2 + rnd.Intn(4) {
			name := names[rnd.Intn(3)]
			plan = append(plan, crash{name, 1 + rnd.Intn(points[name]*5/4), crashModes[rnd.Intn(len(crashModes))]})
		}
		m.add(int64(run), plan)
	}
	m.wait()
	t.Logf("%d runs, %d crashes", m.runs, m.hit)
	if m.hit < m.runs*9/10 {
		t.Errorf("only %d crashes in %d runs: the plan misses the agents", m.hit, m.runs)
	}
	need.Figure("cluster.crash_random"+crashSample, m.runs, "count")
	need.Figure("cluster.unwhole"+crashSample, m.unwhole, "count")
	need.Figure("cluster.safety_violations"+crashSample, m.violated, "count")
}
