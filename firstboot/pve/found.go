package pve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"ringboot/firstboot/pve/corosync"
)

// MakeKey makes the cluster's key where there is none, as corosync-keygen(8)
// does, durably and readable for root alone.
func (n Local) MakeKey() error {
	if _, err := n.Key(); err == nil {
		return nil
	}
	key := make([]byte, KeySize)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	return n.Host.Files.WriteFile(KeyFile, key, 0o400)
}

// Found puts the configuration into /etc/pve, while pmxcfs of the founder is
// still local, and beside corosync.
func (n Local) Found(c corosync.Conf) error {
	text := c.Text()
	if err := n.configure(c, text); err != nil {
		return err
	}
	if err := n.Host.Files.WriteFile(HostConf, text, 0o644); err != nil {
		return err
	}
	return n.Sync() // before anybody gets the key
}

// configure puts the configuration into /etc/pve. The directory of each node
// comes before: without it the link /etc/pve/local of that node leads nowhere. As
// pvecm does it, the configuration gets its name when it is whole.
func (n Local) configure(c corosync.Conf, text []byte) error {
	files := n.Host.Files
	for _, node := range c.Nodes {
		if err := files.MkdirAll(path.Join(Dir, "nodes", node.Name), 0o755); err != nil {
			return fmt.Errorf("make the directories of all nodes: %w", err)
		}
	}
	if err := files.WriteDirect(ConfFile+".new", text); err != nil {
		return err
	}
	return files.Rename(ConfFile+".new", ConfFile)
}

// Install puts key and configuration of the cluster on this node, durably, the
// key first: who has it never asks for it again. The official join leaves it
// readable for everybody.
func (n Local) Install(key, conf []byte) error {
	if len(key) > 0 {
		if err := n.Host.Files.WriteFile(KeyFile, key, 0o400); err != nil {
			return err
		}
	}
	return n.Host.Files.WriteFile(HostConf, conf, 0o644)
}

// Start starts corosync and pmxcfs with the files that are here. pmxcfs reads
// the configuration when it starts, so a local one is started anew.
func (n Local) Start(ctx context.Context) error {
	if err := n.Unit(ctx, "reset-failed", "corosync"); err != nil {
		return err
	}
	if n.Local() {
		return n.Unit(ctx, "restart", "corosync", "pve-cluster")
	}
	return n.Unit(ctx, "start", "corosync", "pve-cluster")
}

// Local reports whether pmxcfs runs and takes part in no cluster although it
// holds a configuration: then it takes writes without a quorum.
func (n Local) Local() bool {
	m, err := n.Membership()
	if err != nil || m.Cluster.Name != "" {
		return false
	}
	_, err = n.Host.Files.Lstat(ConfFile)
	return err == nil && n.Writable()
}

// Home makes this node's directory in /etc/pve where a quorum of others began
// without the founder, who would have made it.
func (n Local) Home() error {
	if !n.Homeless() {
		return nil
	}
	return n.Host.Files.MkdirAll(path.Join(Dir, "nodes", n.Name), 0o755)
}

// Homeless reports whether this node's directory in /etc/pve is missing.
func (n Local) Homeless() bool {
	_, err := n.Host.Files.Lstat(path.Join(Dir, "nodes", n.Name))
	return errors.Is(err, fs.ErrNotExist)
}

// AwaitJoined waits until pmxcfs of this node has joined and synced.
func (n Local) AwaitJoined(ctx context.Context, cluster string, limit time.Duration) bool {
	return n.wait(ctx, limit, func() bool {
		m, err := n.Membership()
		if err != nil || m.Cluster.Name != cluster || m.Cluster.Quorate != 1 || !m.Synced(n.Name) {
			return false
		}
		return n.Home() == nil && n.Writable()
	})
}
