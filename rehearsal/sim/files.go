package sim

import (
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"ringboot/rehearsal/disk"
)

const (
	EtcPVE   = "/etc/pve"
	Database = "/var/lib/pve-cluster/config.db"
	KeyFile  = "/etc/corosync/authkey"
	HostConf = "/etc/corosync/corosync.conf"
)

// Disk is a node's files.
type Disk = disk.Disk

// CutMode says what a power cut does to writes that were not flushed.
type CutMode = disk.Fate

// The ways in which power goes.
const (
	Lost = disk.Lost
	Torn = disk.Torn
	Kept = disk.Kept
)

// newDisk is a node's disk: /etc/pve goes through its pmxcfs, and two files of
// the kernel mean something.
func (n *Node) newDisk() *disk.Disk {
	d := disk.New(func() time.Time { return n.w.sim.now })
	d.Loose, d.Flushed, d.Removing = true, flushesItself, n.noteRemoval
	d.Over = func(p string) (disk.Overlay, string) {
		if rel, ok := inPve(p); ok {
			return n.pm, rel
		}
		if p == sysrqTrigger || p == bootIDFile {
			return kernel{n}, p
		}
		return nil, ""
	}
	return d
}

func inPve(p string) (string, bool) {
	if p == EtcPVE {
		return "", true
	}
	return strings.CutPrefix(p, EtcPVE+"/")
}

func pathErr(op, p string, err error) error { return &fs.PathError{Op: op, Path: p, Err: err} }

// flushesItself reports whether a file is written by programs that flush what
// they write: the hardware itself, and what ceph-mon makes, database and key.
func flushesItself(p string) bool {
	return strings.HasPrefix(p, "/var/lib/pvestandin/") || strings.HasSuffix(p, "/store.json") || strings.HasPrefix(p, "/var/lib/ceph/mon/")
}

const (
	sysrqTrigger = "/proc/sysrq-trigger"             // takes orders without asking twice
	bootIDFile   = "/proc/sys/kernel/random/boot_id" // tells one start of a machine from another
)

// kernel are those two files.
type kernel struct{ n *Node }

func (k kernel) Get(op, p string) (disk.Inode, error) {
	if p == bootIDFile {
		return disk.Inode{Mode: 0o444, Content: fmt.Appendf(nil, "%s-boot-%d\n", k.n.name, k.n.boots)}, nil
	}
	return disk.Inode{}, pathErr(op, p, syscall.ENOENT)
}

func (k kernel) Write(p string, order disk.Inode) error {
	if p == sysrqTrigger {
		k.n.w.sysrq(k.n, order.Content)
		return nil
	}
	return pathErr("open", p, syscall.EACCES)
}

func (k kernel) Remove(p string) error              { return pathErr("remove", p, syscall.EPERM) }
func (k kernel) Mkdir(p string) error               { return pathErr("mkdir", p, syscall.EEXIST) }
func (k kernel) Touch(p string, _ disk.Inode) error { return pathErr("utimes", p, syscall.EPERM) }
func (k kernel) Children(string) []string           { return nil }
