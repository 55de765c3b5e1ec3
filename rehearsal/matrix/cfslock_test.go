package matrix_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	world "ringboot/rehearsal/sim"
)

// worldClock is the clock of the simulated world.
type worldClock struct{ *world.Clock }

// The configuration of the cluster is edited under the lock of Proxmox VE's own
// tools: one waits for the other, it is free again however the work ends, and what
// a power cut leaves of it goes after two minutes.
func TestTheConfigurationIsLocked(t *testing.T) {
	s := newSim(t, 1)
	s.startAll()
	defer s.close()
	if !s.runUntil(10*time.Minute, s.allFormed) {
		t.Fatalf("not formed:\n%s", s.tail(60))
	}
	node := func(name string) pve.Local {
		return pve.Local{Name: name, Host: host.Host{Files: s.w.Node(name).Files(), Clock: worldClock{s.w.Sim()}}}
	}
	const lock = "/etc/pve/priv/lock/file-corosync_conf"
	frege, russell := s.p.Nodes[0].Name, s.p.Nodes[1].Name
	run := func(name string, work func(ctx context.Context) error) (err error) {
		done := false
		s.w.Sim().Go(name, func() { err = work(t.Context()); done = true })
		if !s.runUntil(10*time.Minute, func() bool { return done }) {
			t.Fatalf("%s does not end", name)
		}
		return err
	}
	failed := errors.New("the work failed")
	if err := run("a work that fails", func(ctx context.Context) error { return node(frege).Locked(ctx, func() error { return failed }) }); !errors.Is(err, failed) {
		t.Errorf("the work's own error is %v", err)
	}
	err := run("two at once", func(ctx context.Context) error {
		return node(frege).Locked(ctx, func() error {
			if err := node(russell).Locked(ctx, func() error { return failed }); !errors.Is(err, pve.ErrLocked) {
				t.Errorf("beside another: %v", err)
			}
			return nil
		})
	})
	if err != nil {
		t.Errorf("the first of two: %v", err)
	}
	if _, err := s.w.Node(frege).Files().Lstat(lock); err == nil {
		t.Fatal("the lock is left")
	}
	begun := time.Time{}
	s.w.Sim().Go("whose power goes", func() {
		_ = node(frege).Locked(t.Context(), func() error { begun = s.now(); return s.w.Sim().Sleep(t.Context(), time.Hour) })
	})
	s.runUntil(time.Minute, func() bool { return !begun.IsZero() })
	s.powerCut(frege, lost, time.Minute)
	took := time.Time{}
	for took.IsZero() && s.now().Sub(begun) < 10*time.Minute {
		err = run("after the cut", func(ctx context.Context) error {
			return node(russell).Locked(ctx, func() error { took = s.now(); return nil })
		})
	}
	if after := took.Sub(begun); err != nil || after < 2*time.Minute || after > 5*time.Minute {
		t.Errorf("taken %v after the cut: %v", after, err)
	}
}
