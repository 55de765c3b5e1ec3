package storage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ringboot/firstboot/step"
)

// monitorTime is how long a node may take to make its monitor, manager and
// metadata server.
const monitorTime = 170 * time.Second

// askMonitor asks a settled node for the monitor that the grown plan gives it:
// its own step ceph is finished, and does nothing by itself.
func (s *Ceph) askMonitor(ctx context.Context, node string) error {
	ctx, cancel := context.WithTimeout(ctx, monitorTime)
	defer cancel()
	if err := s.o.Peers.Call(ctx, node, methodCephMonitor, nil, nil); err != nil {
		return &step.NotYet{Reason: fmt.Sprintf("%s does not make its monitor (%v): run firstboot resume on it", node, err)}
	}
	return nil
}

// monitorFor makes the monitor of this node, and what goes with it, for a node
// that was added: where the plan that root laid here gives it one, and there
// never was any. Nothing else of Ceph is touched.
func (s *Ceph) monitorFor(ctx context.Context, peer string) error {
	if !s.growing.TryLock() {
		return &step.NotYet{Reason: "its monitor is being made"}
	}
	defer s.growing.Unlock()
	p := s.o.Profile
	if n, ok := p.Node(peer); !ok || !n.Added {
		return fmt.Errorf("%s was not added to this cluster", peer)
	}
	for last := cephNothing; ; {
		v, err := s.look(ctx)
		if err != nil {
			return err
		}
		if last == cephNothing && v.conf.Has("mon."+s.o.Node) && !v.mon.Whole() {
			return fmt.Errorf("the monitor of %s is its owner's to mend: it is in ceph.conf, and not whole", s.o.Node)
		}
		d, more := cephDecision{}, true
		for _, part := range []func(cephView) (cephDecision, bool){cephPackages, cephConfig, cephMonitor, cephManager, cephFS} {
			if d, more = part(v); !more {
				break
			}
		}
		switch ours := []cephAct{cephCleanMon, cephStartMon, cephMakeMon, cephCleanMgr, cephStartMgr, cephMakeMgr, cephCleanMDS, cephStartMDS, cephMakeMDS}; {
		case !v.watches():
			return fmt.Errorf("the plan of %s gives it no monitor", s.o.Node)
		case more, slices.Contains(v.health.Quorum, s.o.Node) && d.act == cephNothing:
			return nil
		case !slices.Contains(ours, d.act) || d.act == last:
			return &step.NotYet{Reason: d.verdict.Reason}
		}
		last = d.act
		if err := s.act(ctx, v, d); err != nil {
			return err
		}
	}
}
