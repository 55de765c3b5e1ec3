package cluster

import (
	"context"
	"fmt"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
)

// enteringFile says that this node is on its way in: its certificate and
// keys are to be made anew, whatever a machine of its name has left.
const enteringFile = "/var/lib/ringboot/entering"

// found makes key and configuration on the founder and starts with them. Once
// they are durable the others may come: they are woken before the start.
func (s *Cluster) found(ctx context.Context) error {
	if err := s.node.MakeKey(); err != nil {
		return err
	}
	if err := s.o.Host.Files.WriteFile(enteringFile, nil, 0o600); err != nil {
		return err
	}
	if err := s.node.Found(planned(s.o.Profile)); err != nil {
		return fmt.Errorf("found the cluster %s: %w", s.o.Profile.Cluster.Name, err)
	}
	s.kickPeers(ctx)
	return s.start(ctx)
}

// enter takes this node into the cluster: key and configuration beside
// corosync, the database of pmxcfs aside, so that it takes the configuration
// from there. It may be interrupted anywhere and begins anew.
func (s *Cluster) enter(ctx context.Context, source string) error {
	conf, key := s.handed(), []byte(nil)
	if source != "" {
		var err error
		if key, conf, err = s.obtain(ctx, source); err != nil {
			return err
		}
	}
	if err := s.untouched(); err != nil { // again: asking took its time
		return err
	}
	if err := s.o.Host.Files.WriteFile(enteringFile, nil, 0o600); err != nil {
		return err
	}
	if err := s.node.Install(key, conf); err != nil {
		return fmt.Errorf("install the configuration of %s: %w", s.o.Profile.Cluster.Name, err)
	}
	if len(key) > 0 {
		s.confirm(ctx, source, key)
	}
	if err := s.node.Unit(ctx, "stop", "corosync", "pve-cluster"); err != nil {
		return err
	}
	if err := s.node.SetAside(ctx); err != nil {
		return err
	}
	return s.start(ctx)
}

// handed is the configuration that an earlier try has left, or the plan's.
func (s *Cluster) handed() []byte {
	if c, raw, err := s.node.ReadConf(pve.HostConf); err == nil && c != nil && contradicts(s.o.Profile, c) == nil {
		return raw
	}
	return planned(s.o.Profile).Text()
}

// untouched is an error if the database holds what setting it aside would lose.
func (s *Cluster) untouched() error {
	v := s.look()
	if v.Name == "" && len(v.Foreign) > 0 {
		return &step.NotYet{Reason: fmt.Sprintf("%s holds %s: nothing was changed", s.o.Node, list(v.Foreign))}
	}
	return nil
}

// start starts what should run with the files that are here, and waits until
// this node is in.
func (s *Cluster) start(ctx context.Context) error {
	v := s.look()
	if !v.Mounted {
		if err := s.node.Unit(ctx, "start", "pve-cluster"); err != nil {
			return err
		}
		v = s.look()
	}
	if v.Name == "" && v.HostName == "" {
		return nil
	}
	if err := s.node.Start(ctx); err != nil {
		return fmt.Errorf("corosync of %s does not start with the configuration of %s: %w", s.o.Node, s.o.Profile.Cluster.Name, err)
	}
	s.node.AwaitJoined(ctx, s.o.Profile.Cluster.Name, meetTime) // the next look says who is missed
	return ctx.Err()
}

// certify makes certificate, keys and known hosts of this node.
func (s *Cluster) certify(ctx context.Context) error {
	if err := s.node.Home(); err != nil {
		return err
	}
	if err := s.node.UpdateCerts(ctx); err != nil {
		return err
	}
	if Taken(s.o.Host.Files) != "" {
		if err := s.node.DropLostKeys(); err != nil {
			return err
		}
	}
	return s.o.Host.Files.Remove(enteringFile)
}
