package pve

import (
	"context"
	"fmt"
	"path"
	"time"
)

// CreateDaemon makes a monitor, manager or metadata server on this node.
func (c Ceph) CreateDaemon(ctx context.Context, kind string, args ...string) error {
	_, err := c.change(ctx, 3*time.Minute, append([]string{"pveceph", kind, "create"}, args...)...)
	return err
}

// StartDaemon enables and starts one that exists.
func (c Ceph) StartDaemon(ctx context.Context, kind string) error {
	// A daemon that failed often while its peers were away is not started again without this.
	_, _ = c.change(ctx, time.Minute, "systemctl", "reset-failed", c.unit(kind))
	_, err := c.change(ctx, 2*time.Minute, "systemctl", "enable", "--now", c.unit(kind))
	return err
}

// DropHalf removes what an interrupted creation of a daemon of this node left
// on disk. The caller has made sure that the cluster does not know it.
func (c Ceph) DropHalf(ctx context.Context, kind string) error {
	_, _ = c.change(ctx, time.Minute, "systemctl", "disable", "--now", c.unit(kind))
	return c.removeAll(c.daemonPath(kind))
}

// DestroyMDS removes what there is of this node's metadata server: its section
// of ceph.conf, its unit, its directory and its key.
func (c Ceph) DestroyMDS(ctx context.Context) error {
	_, err := c.change(ctx, 3*time.Minute, "pveceph", "mds", "destroy", c.Node)
	return err
}

// ForgetMonitor takes the monitor of this node out of the cluster, whose data
// is gone. The tool refuses one whose directory is not there, so it gets an
// empty one, which it removes.
func (c Ceph) ForgetMonitor(ctx context.Context) error {
	if err := c.Host.Files.MkdirAll(c.daemonPath("mon"), 0o755); err != nil {
		return fmt.Errorf("make %s, which pveceph wants to see: %w", c.daemonPath("mon"), err)
	}
	_, err := c.change(ctx, 3*time.Minute, "pveceph", "mon", "destroy", c.Node)
	return err
}

func (c Ceph) removeAll(at string) error {
	info, err := c.Host.Files.Lstat(at)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		list, err := c.Host.Files.ReadDir(at)
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := c.removeAll(path.Join(at, e.Name())); err != nil {
				return err
			}
		}
	}
	return c.Host.Files.Remove(at)
}
