package step_test

import (
	"testing"
	"time"
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
}
