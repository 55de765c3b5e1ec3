// Package pve holds typed calls of the Proxmox VE tools: pvecm, pvesh, pveum,
// corosync's tools, systemctl, and the files under /etc/pve.
//
// Exit codes of these tools prove nothing: a failed create returns 0. Every
// call that changes something is therefore followed by the check that proves
// it, in here or at the caller. The package decides nothing of the plan, and
// knows no call that forces votes.
package pve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve/corosync"
)

// Where Proxmox VE keeps what makes a cluster.
const (
	Dir        = "/etc/pve"
	ConfFile   = Dir + "/corosync.conf"
	HostConf   = "/etc/corosync/corosync.conf"
	KeyFile    = "/etc/corosync/authkey"
	Database   = "/var/lib/pve-cluster/config.db"
	BackupDir  = "/var/lib/pve-cluster/backup"
	RootCA     = Dir + "/pve-root-ca.pem"
	rootCAKey  = Dir + "/priv/pve-root-ca.key"
	Members    = Dir + "/.members"
	CephIntent = Dir + "/ringboot-ceph.json"  // ours: the storage that the founder is about to make, or made; a ceph.conf without it is foreign
	SDNConf    = Dir + "/sdn/.running-config" // SDN was applied, and owns FRR's main file
	KeySize    = 256                          // bytes, corosync-keygen(8)
)

// Times that calls may take. The tools wait by themselves for locks (10 s) and
// for a quorate file system (80 s).
const (
	short  = 20 * time.Second
	medium = 45 * time.Second
	long   = 100 * time.Second
)

// Local is the Proxmox software of the node that the agent runs on.
type Local struct {
	Host host.Host
	Name string
}

// run runs a tool and returns its result; an exit code is no error yet.
func (n Local) run(ctx context.Context, limit time.Duration, readOnly bool, argv ...string) (host.Result, error) {
	r, err := n.Host.Commands.Run(ctx, host.Cmd{Argv: argv, Timeout: limit, ReadOnly: readOnly})
	return r, absent(argv[0], err)
}

// absent adds to the error of a program that is not there where it comes from.
func absent(tool string, err error) error {
	from := map[string]string{"pvecm": "pve-cluster", "pveversion": "pve-manager", "pvesh": "pve-manager", "pvesubscription": "pve-manager", "pveceph": "pve-manager", "ha-manager": "pve-ha-manager", "qm": "qemu-server"}[tool]
	if from == "" || !errors.Is(err, host.ErrMissing) {
		return err
	}
	return fmt.Errorf("%w (package %s)", err, from)
}

// honest runs a tool whose exit code means something.
func (n Local) honest(ctx context.Context, limit time.Duration, argv ...string) error {
	res, err := n.run(ctx, limit, false, argv...)
	if err != nil {
		return err
	}
	if res.Code != 0 {
		return Failure(argv, res)
	}
	return nil
}

// Failure is the error of a tool that said that it failed.
func Failure(argv []string, res host.Result) error {
	return &Refused{Argv: argv, Code: res.Code, Said: telling(res)}
}

// Writable reports whether /etc/pve of this node takes writes. corosync's quorum
// is not that of pmxcfs; the write bits are the probe that the tools use
// themselves. A joiner that has never synced lacks its own directory.
func (n Local) Writable() bool {
	link, err := n.Host.Files.Lstat(Dir + "/local")
	if err != nil || link.Mode()&0o200 == 0 {
		return false
	}
	own, err := n.Host.Files.Stat(Dir + "/nodes/" + n.Name)
	return err == nil && own.Mode()&0o200 != 0
}

// Membership reads .members.
func (n Local) Membership() (Membership, error) {
	raw, err := n.Host.Files.ReadFile(Members)
	if err != nil {
		return Membership{}, err
	}
	return ParseMembers(raw)
}

// ReadConf reads a corosync.conf; an absent one is a nil Conf and no error.
func (n Local) ReadConf(file string) (*corosync.Conf, []byte, error) {
	raw, err := n.Host.Files.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	c, err := corosync.Parse(raw)
	if err != nil {
		return nil, raw, fmt.Errorf("%s: %w", file, err)
	}
	return &c, raw, nil
}

// Guests lists the guests whose configuration lies on this node: qemu-server/100.
func (n Local) Guests() ([]string, error) {
	var found []string
	for _, kind := range []string{"qemu-server", "lxc"} {
		list, err := n.Host.Files.ReadDir(path.Join(Dir, "nodes", n.Name, kind))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if id, ok := strings.CutSuffix(e.Name(), ".conf"); ok {
				found = append(found, kind+"/"+id)
			}
		}
	}
	return found, nil
}

// ClusterName is the name of the Proxmox cluster that the node is in, "" where
// it is in none. A file that cannot be read as a whole still has a name.
func (n Local) ClusterName() (string, error) {
	for _, file := range []string{ConfFile, HostConf} {
		text, err := host.ReadOptional(n.Host.Files, file)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "cluster_name:"); ok {
				return strings.TrimSpace(name), nil
			}
		}
	}
	return "", nil
}

// Carries names what a cluster of these nodes holds that a leave could harm,
// "" if it holds nothing.
func (n Local) Carries(nodes []string) (string, error) {
	files := n.Host.Files
	switch _, err := files.Lstat(Dir + "/ceph.conf"); {
	case err == nil:
		return "Ceph (" + Dir + "/ceph.conf)", nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	raw, err := files.ReadFile(Dir + "/ha/resources.cfg")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if len(raw) > 0 {
		return "HA resources (" + Dir + "/ha/resources.cfg)", nil
	}
	for _, name := range nodes {
		guests, err := Local{Host: n.Host, Name: name}.Guests()
		if err != nil {
			return "", err
		}
		if len(guests) > 0 {
			return fmt.Sprintf("guests on %s (%s)", name, strings.Join(guests, ", ")), nil
		}
	}
	return "", nil
}

// Active reports whether a unit runs. systemctl is asked for one unit at a time:
// for several its exit code means any.
func (n Local) Active(ctx context.Context, unit string) bool {
	res, err := n.run(ctx, short, true, "systemctl", "is-active", unit)
	return err == nil && strings.TrimSpace(string(res.Stdout)) == "active"
}

// Unit runs one verb of systemctl.
func (n Local) Unit(ctx context.Context, verb string, units ...string) error {
	return n.honest(ctx, long, append([]string{"systemctl", verb}, units...)...)
}

// Sync flushes all file systems: pmxcfs does not do it by itself, and a power
// cut takes back what it reported as done.
func (n Local) Sync() error { return n.Host.Files.Sync() }

// wait polls until ok is true or the time is over.
func (n Local) wait(ctx context.Context, limit time.Duration, ok func() bool) bool {
	const poll = 100 * time.Millisecond
	for end := n.Host.Clock.Now().Add(limit); ; {
		if ok() {
			return true
		}
		if !n.Host.Clock.Now().Before(end) || n.Host.Clock.Sleep(ctx, poll) != nil {
			return false
		}
	}
}
