package matrix_test

import (
	"testing"
	"time"

	"ringboot/firstboot/journal"
	"ringboot/firstboot/status"
	"ringboot/rehearsal/need"
)

// Three agents, nothing disturbs them: one cluster, proven, in one go.
func TestThreeNodesBecomeOneCluster(t *testing.T) {
	s := newSim(t, 1)
	s.verb = testing.Verbose()
	for _, n := range s.p.Nodes {
		s.agents[n.Name].start()
	}
	defer s.close()
	start := s.now()
	if !s.runUntil(10*time.Minute, s.allFormed) {
		t.Fatalf("not formed:\n%s", s.tail(60))
	}
	t.Logf("formed after %v", s.now().Sub(start))
	if err := s.whole(); err != nil {
		t.Error(err)
	}
	for _, v := range s.violations() {
		t.Error(v)
	}
	// The engine that ships, with its journal on the simulated disk: a
	// simulation that drives a copy of it tells of the copy.
	shipping := 1
	for name, a := range s.agents {
		if _, err := s.w.Node(name).Files().ReadFile(journal.Path); err != nil || a.engine.Status().Phase != status.PhaseFormed {
			shipping = 0
			t.Errorf("%s is not driven by the engine: %v", name, err)
		}
	}
	need.Figure("bench.engine_shipping", shipping, "count")
}
