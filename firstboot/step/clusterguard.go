package step

import (
	"context"
	"fmt"

	"ringboot/firstboot/pve"
)

// Guard runs at boot before pve-cluster and corosync. A node that comes up with
// an old configuration makes the rings of the others form anew every ten
// seconds; so it is compared with the peers first, and brought up to date. It
// returns what it did, and leaves everything as it is when no peer answers.
func (s *Cluster) Guard(ctx context.Context) (string, error) {
	own, raw, err := s.node.ReadConf(pve.HostConf)
	if err != nil || own == nil || own.Name != s.o.Profile.Cluster.Name {
		return "", nil // nothing to compare; the step looks at it later
	}
	best := served{}
	from, version := "", own.Version
	for _, n := range s.o.Profile.Others(s.o.Node) {
		var got served
		if s.call(ctx, askTime, n.Name, methodConf, nil, &got) != nil || len(got.Conf) == 0 {
			continue
		}
		c, err := pve.ParseConf(got.Conf)
		if err != nil || checkConf(s.o.Profile, &c) != nil || c.Version <= version {
			continue
		}
		if _, listed := c.Node(s.o.Node); listed {
			best, from, version = got, n.Name, c.Version
		}
	}
	if from == "" {
		return "", ctx.Err()
	}
	if err := s.o.Host.Files.WriteFile(pve.HostConf, best.Conf, 0o644); err != nil {
		return "", err
	}
	if err := s.node.SetAside(ctx); err != nil {
		// Half is worse than nothing: the old pair starts alone, the step repairs it.
		_ = s.o.Host.Files.WriteFile(pve.HostConf, raw, 0o644)
		return "", err
	}
	return fmt.Sprintf("corosync.conf brought from version %d to %d of %s before corosync starts", own.Version, version, from), nil
}
