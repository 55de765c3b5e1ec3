package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
)

var (
	_ step.Observer = (*Ceph)(nil)
	_ step.Observer = (*HA)(nil)
)

// Observe says what of Ceph differs from the plan, as far as this node can see.
func (s *Ceph) Observe(ctx context.Context) ([]step.Change, error) {
	if !s.o.Profile.Ceph.Enabled {
		return nil, nil
	}
	v, err := s.lookAlone(ctx)
	if err != nil {
		return nil, err
	}
	if !v.answers {
		return []step.Change{{Object: "Ceph", Have: "without an answer", Want: "monitors in quorum"}}, nil
	}
	return slices.Concat(v.daemonDrift(), v.diskDrift(), v.memoryDrift(), v.poolDrift()), nil
}

// lookAlone is look without a question to any peer.
func (s *Ceph) lookAlone(ctx context.Context) (cephView, error) {
	alone := *s
	alone.o.Peers = nil
	return alone.look(ctx)
}

// daemonDrift is what became of this node's monitor and manager, where it has them.
func (v cephView) daemonDrift() (out []step.Change) {
	if !v.watches() {
		return nil
	}
	for _, d := range []struct {
		name  string
		is    pve.Daemon
		there bool
	}{
		{"monitor of " + v.node.Name, v.mon, slices.Contains(v.health.Quorum, v.node.Name)},
		{"manager of " + v.node.Name, v.mgr, v.managers.Has(v.node.Name)},
	} {
		switch {
		case !d.is.Dir:
			out = append(out, step.Change{Object: d.name, Have: "gone", Want: "running"})
		case !d.is.Active:
			out = append(out, step.Change{Object: d.name, Have: "stopped", Want: "running"})
		case !d.there:
			out = append(out, step.Change{Object: d.name, Have: "running, and apart from the others", Want: "with the others"})
		}
	}
	return out
}

// diskDrift is what became of this node's OSDs. A disk that came later is its
// owner's and worth no word; an OSD that the plan does not know is told calmly.
func (v cephView) diskDrift() (out []step.Change) {
	known := map[int]bool{}
	for _, d := range v.disks.disks {
		if d.osd < 0 && d.want.IsZero() {
			continue // a blank disk, put in later
		}
		if d.osd < 0 {
			out = append(out, step.Change{Object: "disk " + nameOf(d.want), Have: "without an OSD", Want: "an OSD"})
			continue
		}
		known[d.osd] = true
		object := fmt.Sprintf("osd.%d", d.osd)
		at := slices.IndexFunc(v.tree, func(o pve.TreeOSD) bool { return o.ID == d.osd })
		switch {
		case at < 0:
			out = append(out, step.Change{Object: object, Have: "taken out of the cluster", Want: "up and in"})
		case !v.tree[at].Up:
			out = append(out, step.Change{Object: object, Have: "down", Want: "up and in"})
		case !v.tree[at].In:
			out = append(out, step.Change{Object: object, Have: "out", Want: "up and in"})
		}
	}
	for _, want := range v.node.OSDDisks {
		if !slices.ContainsFunc(v.disks.disks, func(d osdDisk) bool { return d.want == want }) {
			out = append(out, step.Change{Object: "disk " + nameOf(want), Have: "missing", Want: "an OSD"})
		}
	}
	for _, o := range v.tree {
		if o.Host != v.node.Name || known[o.ID] {
			continue
		}
		if len(v.node.OSDDisks) > 0 {
			out = append(out, step.Change{Object: fmt.Sprintf("osd.%d", o.ID), Have: "an OSD of " + v.node.Name, Want: "no such OSD", Beyond: true})
		}
	}
	return out
}

// poolDrift is what became of the pools and their storages. The first node of
// the profile tells it, so that it is told once.
func (v cephView) poolDrift() (out []step.Change) {
	if !v.founder {
		return nil
	}
	name := v.profile.Ceph.Pool
	if p, there := v.pool(name); !there {
		out = append(out, step.Change{Object: "pool " + name, Have: "gone", Want: "3 copies, 2 to write"})
	} else {
		if ratio := v.profile.Ceph.TargetSizeRatio; !p.Sound(ratio) && p.Sound(0) {
			out = append(out, step.Change{Object: "pool " + name + " target_size_ratio", Have: fmt.Sprintf("%g", p.Ratio), Want: fmt.Sprintf("%g", ratio)})
		}
		for _, f := range []struct{ what, have, want string }{
			{"size", fmt.Sprint(p.Size), "3"}, {"min_size", fmt.Sprint(p.MinSize), "2"}, {"pg_autoscale_mode", p.Autoscale, "on"},
		} {
			if f.have != f.want {
				out = append(out, step.Change{Object: "pool " + name + " " + f.what, Have: f.have, Want: f.want})
			}
		}
	}
	if kind := v.storages[name]; kind != "rbd" {
		if kind == "" {
			kind = "gone"
		}
		out = append(out, step.Change{Object: "storage " + name, Have: kind, Want: "rbd"})
	}
	var others []string
	for _, p := range v.pools {
		ours := p.Name == name || p.Name == ".mgr" || v.profile.Ceph.CephFS && strings.HasPrefix(p.Name, cephFSName+"_")
		if !ours {
			others = append(others, p.Name)
		}
	}
	if len(others) > 0 {
		slices.Sort(others)
		out = append(out, step.Change{Object: "pools", Have: strings.Join(append([]string{name}, others...), ", "), Want: name, Beyond: true})
	}
	return out
}

// Observe says what of high availability differs from the plan.
func (s *HA) Observe(ctx context.Context) ([]step.Change, error) {
	if !s.o.Profile.HA.Enabled || s.o.Node != s.o.Profile.Founder().Name {
		return nil, nil // the first node of the profile tells what is the cluster's
	}
	changes, _, err := s.differences(ctx)
	return changes, err
}
