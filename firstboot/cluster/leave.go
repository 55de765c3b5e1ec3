package cluster

import (
	"context"
	"fmt"

	"ringboot/firstboot/pve"
	"ringboot/profiles/fault"
)

// ErrCarries says that a node may not leave: the cluster carries something.
var ErrCarries = fault.Refused.New("the cluster carries something already")

// Leave makes this node a single one again, as long as the cluster carries
// nothing: no guest, no Ceph, no HA resource. The configuration of the others
// goes on listing it: it comes back as a new machine would, once root on a
// member admits it; when all have left, the founder founds anew.
func (s *Cluster) Leave(ctx context.Context) error {
	v := s.look()
	if v.Name == "" && v.HostName == "" && v.Key == "" {
		return nil
	}
	for _, name := range []string{v.Name, v.HostName} {
		if name != "" && name != s.o.Profile.Cluster.Name {
			return fmt.Errorf("%s is in the cluster %s, which is not Ringboot's: nothing was changed", s.o.Node, name)
		}
	}
	if what, err := s.node.Carries(names(s.o.Profile)); err != nil {
		return err
	} else if what != "" {
		return fmt.Errorf("%w: %s", ErrCarries, what)
	}
	if err := s.node.Unit(ctx, "stop", "corosync", "pve-cluster"); err != nil {
		return err
	}
	if err := s.node.SetAside(ctx); err != nil {
		return err
	}
	for _, file := range []string{pve.HostConf, pve.KeyFile, enteringFile, HeirFile} {
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
	return s.node.Sync() // no engine watches over this
}
