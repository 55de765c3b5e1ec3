package step

import (
	"context"
	"errors"
	"fmt"

	"ringboot/firstboot/pve"
)

// errTurn is a join that has to wait for another node's.
var errTurn = errors.New("waits for its turn")

// join gets key and configuration from the source, installs them and takes
// this node into the cluster. It may be interrupted anywhere and begins anew:
// what is here already is compared and kept.
func (s *Cluster) join(ctx context.Context, d decision) error {
	key, conf, err := s.obtain(ctx, d)
	if err != nil {
		return err
	}
	v := s.look()
	if v.Name == "" && len(v.Guests) > 0 {
		return fmt.Errorf("%s has guests (%s): nothing was changed", s.o.Node, list(v.Guests))
	}
	if !(v.Name != "" && v.Sum == pve.Sum(conf) && v.HostSum == v.Sum && v.Key == pve.Sum(key)) {
		if err := s.enter(ctx, key, conf); err != nil {
			return err
		}
	}
	if err := s.node.Unit(ctx, "reset-failed", "corosync"); err != nil {
		return err
	}
	if err := s.node.Unit(ctx, "start", "corosync", "pve-cluster"); err != nil {
		return fmt.Errorf("corosync of %s does not start with the configuration of %s: %w", s.o.Node, s.o.Profile.Cluster.Name, err)
	}
	if !s.node.WaitJoined(ctx, s.o.Profile.Cluster.Name, joinTime) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return nil // the next look says who is missed
	}
	if err := s.node.UpdateCerts(ctx); err != nil {
		return err
	}
	return s.o.Host.Files.Remove(ConsentFile)
}

// enter installs the files, stops the cluster software and sets the old
// database aside, so that pmxcfs takes the configuration from the host.
func (s *Cluster) enter(ctx context.Context, key, conf []byte) error {
	if err := s.node.Install(key, conf); err != nil {
		return fmt.Errorf("install the configuration of %s: %w", s.o.Profile.Cluster.Name, err)
	}
	if err := s.node.Unit(ctx, "stop", "corosync", "pve-cluster"); err != nil {
		return err
	}
	return s.node.SetAside(ctx)
}

// obtain asks the source until it is this node's turn, and checks what it got.
func (s *Cluster) obtain(ctx context.Context, d decision) (key, conf []byte, err error) {
	clock := s.o.Host.Clock
	for end := clock.Now().Add(turnTime); ; {
		var got served
		err := s.call(ctx, serveTime, d.source, methodServe, serveRequest{Blank: d.blank, Replace: s.consents()}, &got)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("ask %s for the configuration of %s: %w", d.source, s.o.Profile.Cluster.Name, err)
		case got.Refused != "":
			return nil, nil, errors.New(got.Refused)
		case got.Wait == "":
			return got.Key, got.Conf, s.checkServed(got)
		}
		if !clock.Now().Before(end) {
			return nil, nil, fmt.Errorf("%w: %s", errTurn, got.Wait)
		}
		if err := clock.Sleep(ctx, turnPoll); err != nil {
			return nil, nil, err
		}
	}
}

// checkServed proves that the configuration is of this cluster and holds this
// node: without its own entry corosync refuses to start.
func (s *Cluster) checkServed(got served) error {
	if len(got.Key) != pve.KeySize {
		return fmt.Errorf("the corosync key that was handed over has %d bytes instead of %d", len(got.Key), pve.KeySize)
	}
	c, err := pve.ParseConf(got.Conf)
	if err != nil {
		return fmt.Errorf("the configuration that was handed over: %w", err)
	}
	if err := checkConf(s.o.Profile, &c); err != nil {
		return err
	}
	if _, ok := c.Node(s.o.Node); !ok {
		return fmt.Errorf("the configuration that was handed over does not list %s", s.o.Node)
	}
	return nil
}
