package pve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ringboot/firstboot/pve/corosync"
)

// The lock under which Proxmox VE's tools write corosync.conf (PVE/Cluster.pm,
// cfs_lock): a directory that one node of all can make, and that pmxcfs drops
// after two minutes if somebody asks for it, as it stays behind when the power
// goes.
const (
	lockDir   = Dir + "/priv/lock"
	confLock  = lockDir + "/file-corosync_conf"
	lockWait  = 10 * time.Second
	lockPause = time.Second
	lockLife  = 2 * time.Minute
)

// ErrLocked says that somebody else holds the lock of corosync.conf.
var ErrLocked = errors.New("another program changes the configuration of the cluster: " + confLock + " goes when it is done, or within two minutes if it was cut off")

// Locked does work while no tool of any node changes corosync.conf. The work is
// to take far less than the life of the lock. ErrLocked means that it was not done.
func (n Local) Locked(ctx context.Context, work func() error) error {
	files, clock := n.Host.Files, n.Host.Clock
	if err := files.MkdirAll(lockDir, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", lockDir, err)
	}
	for end := clock.Now().Add(lockWait); ; {
		err := files.Mkdir(confLock, 0o700)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("lock the configuration of the cluster: %w", err)
		}
		if !clock.Now().Add(lockPause).Before(end) {
			return ErrLocked
		}
		_ = files.Chtimes(confLock, time.Unix(0, 0)) // asks pmxcfs to drop it if it is too old, else is refused
		if err := clock.Sleep(ctx, lockPause); err != nil {
			return err
		}
	}
	taken := clock.Now()
	err := work()
	if clock.Now().Sub(taken) > lockLife {
		return err // it may be another's by now
	}
	return errors.Join(err, files.Remove(confLock))
}

// Reconfigure edits the configuration in /etc/pve under quorum and under the lock
// of Proxmox VE's own tools; pmxcfs of every member hands it to its corosync. The
// edit gets what is there at that moment.
func (n Local) Reconfigure(ctx context.Context, edit func(raw []byte) ([]byte, error)) error {
	if err := n.Locked(ctx, func() error {
		_, raw, err := n.ReadConf(ConfFile)
		if err != nil {
			return err
		}
		text, err := edit(raw)
		if err != nil {
			return err
		}
		c, err := corosync.Parse(text)
		if err != nil {
			return err
		}
		return n.configure(c, text)
	}); err != nil {
		return err
	}
	return n.Sync() // not under the lock: it takes as long as the disk wants
}
