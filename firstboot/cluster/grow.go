package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/pve/corosync"
	"ringboot/firstboot/step"
)

// A node that is added comes in two steps, so that no quorum ever rests on it
// before it is whole: its entry has no vote, and it gives itself one when every
// node sees it. Both are written under quorum while all nodes are there, because
// a corosync that starts with an older configuration gets in nowhere.

// notAdmitted is why a machine of an added node gets no key.
func notAdmitted(giver, cluster, node string) string {
	return fmt.Sprintf("%s hands the key of %s to no added %s that root has not admitted: run firstboot admit %s on %s", giver, cluster, node, node, giver)
}

// grow writes an added node into the configuration, and says why its machine
// must still wait: every corosync runs with what it is handed.
func (s *Cluster) grow(ctx context.Context, node string) (wait string, err error) {
	if !s.one.TryLock() {
		return fmt.Sprintf("%s is being added to %s", node, s.o.Profile.Cluster.Name), nil
	}
	defer s.one.Unlock()
	v := s.look()
	if why := s.apart(ctx, v, node); why != "" {
		return why, nil
	}
	if slices.Contains(v.Listed, node) {
		return "", nil
	}
	n := entry(s.o.Profile, slices.Index(names(s.o.Profile), node))
	n.Votes = 0
	changed := false
	err = s.node.Reconfigure(ctx, func(raw []byte) ([]byte, error) {
		if changed = pve.Sum(raw) != v.Sum; changed {
			return nil, errors.New("it changed meanwhile")
		}
		return corosync.Extended(raw, n)
	})
	switch {
	case changed:
		return fmt.Sprintf("the configuration of %s has just changed, and all its nodes are asked again", v.Name), nil
	case errors.Is(err, pve.ErrLocked):
		return fmt.Sprintf("%s waits to be added: %v", node, err), nil
	case err != nil:
		return "", fmt.Errorf("add %s to the cluster %s: %w", node, v.Name, err)
	}
	s.kickPeers(ctx)
	return fmt.Sprintf("%s has just been added to %s: every node takes the configuration in a moment", node, v.Name), nil
}

// apart says which node of the configuration is not together with this one, with
// the same configuration in /etc/pve, beside corosync and in it; "" if none. The
// node that comes is left out.
func (s *Cluster) apart(ctx context.Context, own view, but string) string {
	const all = "the cluster grows while all its nodes are there"
	for _, name := range own.Listed {
		v := own
		switch {
		case name == but:
			continue
		case name != s.o.Node:
			v = view{} // an answer that is read into a copy would be written into the lists of own
			if err := s.call(ctx, askTime, name, methodView, nil, &v); err != nil {
				return fmt.Sprintf("%s: %s does not say how it is (%v); if its builder has left, run firstboot admit %s again", all, name, err, but)
			}
		}
		switch {
		case v.unsettled(own.Name) != "":
			return fmt.Sprintf("%s: %s", all, v.unsettled(own.Name))
		case !slices.Contains(own.Synced, name):
			return fmt.Sprintf("%s: /etc/pve of %s and %s has not synchronised yet", all, s.o.Node, name)
		case v.Sum != own.Sum || v.HostSum != own.Sum || v.Runs != own.Version:
			return fmt.Sprintf("%s: corosync of %s runs with version %d of the configuration, %s has %d", all, name, v.Runs, s.o.Node, own.Version)
		}
	}
	return ""
}

// vote gives this node its vote, when all nodes have said that it is whole.
func (s *Cluster) vote(ctx context.Context) error {
	err := s.node.Reconfigure(ctx, func(raw []byte) ([]byte, error) { return corosync.WithVotes(raw, s.o.Node, 1) })
	switch {
	case errors.Is(err, pve.ErrLocked):
		return &step.NotYet{Reason: fmt.Sprintf("%s waits for its vote: %v", s.o.Node, err)}
	case err != nil:
		return fmt.Errorf("give %s its vote: %w", s.o.Node, err)
	}
	return nil
}
