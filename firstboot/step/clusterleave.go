package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"ringboot/firstboot/pve"
)

// ErrCarries says that a node may not leave: the cluster carries something.
var ErrCarries = errors.New("the cluster carries something already")

// Leave takes this node out of the cluster again, as long as the cluster
// carries nothing: no guest, no Ceph, no HA resource. The first node of the
// profile cannot leave; reinstall it.
func (s *Cluster) Leave(ctx context.Context) error {
	v := s.look()
	if v.Name == "" && v.HostName == "" && v.Key == "" {
		return nil
	}
	if v.Name != "" && v.Name != s.o.Profile.Cluster.Name || v.HostName != "" && v.HostName != s.o.Profile.Cluster.Name {
		return fmt.Errorf("%s is in the cluster %s, which is not Ringboot's: nothing was changed", s.o.Node, v.Name+v.HostName)
	}
	if err := s.carries(); err != nil {
		return err
	}
	founder := s.o.Profile.Nodes[0].Name
	if s.o.Node == founder && len(v.Listed) > 1 {
		return fmt.Errorf("%s adds and removes the other nodes: let them leave first", founder)
	}
	if s.o.Node != founder && len(v.Listed) > 0 {
		var got served
		if err := s.call(ctx, serveTime, founder, methodLeave, nil, &got); err != nil {
			return fmt.Errorf("ask %s to take %s out: %w", founder, s.o.Node, err)
		}
		if why := got.Refused + got.Wait; why != "" {
			return errors.New(why)
		}
	}
	return s.cleanse(ctx)
}

// cleanse makes the node a single one again.
func (s *Cluster) cleanse(ctx context.Context) error {
	if err := s.node.Unit(ctx, "stop", "corosync", "pve-cluster"); err != nil {
		return err
	}
	if err := s.node.SetAside(ctx); err != nil {
		return err
	}
	for _, file := range []string{pve.HostConf, pve.KeyFile} {
		if err := s.o.Host.Files.Remove(file); err != nil {
			return err
		}
	}
	if err := s.node.Sync(); err != nil {
		return err
	}
	if err := s.node.Unit(ctx, "reset-failed", "corosync"); err != nil {
		return err
	}
	if err := s.node.Unit(ctx, "start", "pve-cluster"); err != nil {
		return err
	}
	if err := s.node.UpdateCerts(ctx); err != nil {
		return err
	}
	return s.node.Sync()
}

// carries is an error if the cluster holds anything that a leave could harm.
func (s *Cluster) carries() error {
	files := s.o.Host.Files
	if _, err := files.Lstat(pve.Dir + "/ceph.conf"); err == nil {
		return fmt.Errorf("%w: Ceph (%s/ceph.conf)", ErrCarries, pve.Dir)
	}
	if raw, err := files.ReadFile(pve.Dir + "/ha/resources.cfg"); err == nil && len(raw) > 0 {
		return fmt.Errorf("%w: HA resources (%s/ha/resources.cfg)", ErrCarries, pve.Dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, n := range s.o.Profile.Nodes {
		guests, err := (pve.Node{Host: s.o.Host, Name: n.Name}).Guests()
		if err != nil {
			return err
		}
		if len(guests) > 0 {
			return fmt.Errorf("%w: guests on %s (%s)", ErrCarries, n.Name, list(guests))
		}
	}
	return nil
}

// release takes the asking node out of the configuration.
func (s *Cluster) release(ctx context.Context, peer string) (served, error) {
	v := s.look()
	switch {
	case v.Name != s.o.Profile.Cluster.Name || !slices.Contains(v.Listed, peer):
		return served{}, nil // out already
	case peer == s.o.Node:
		return served{Refused: "a node cannot take itself out"}, nil
	case !v.Writable:
		return served{Wait: fmt.Sprintf("%s has no quorum: switch the other nodes on", s.o.Node)}, nil
	}
	if !s.busy.CompareAndSwap(false, true) {
		return served{Wait: fmt.Sprintf("%s is adding another node", s.o.Node)}, nil
	}
	defer s.busy.Store(false)
	if err := s.carries(); err != nil {
		return served{Refused: err.Error()}, nil
	}
	if err := s.node.DelNode(ctx, peer); err != nil {
		return served{}, err
	}
	// The directory stays behind; with its certificate the node would count as lost.
	for _, file := range []string{"pve-ssl.pem", "pve-ssl.key", "ssh_known_hosts"} {
		if err := s.o.Host.Files.Remove(pve.Dir + "/nodes/" + peer + "/" + file); err != nil {
			return served{}, err
		}
	}
	return served{}, s.node.Sync()
}
