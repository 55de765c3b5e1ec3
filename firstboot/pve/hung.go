package pve

import (
	"time"

	"ringboot/firstboot/host"
)

// How long a call to what pmxcfs answers may take. While it synchronises it
// answers late, and a write waits for corosync.
const (
	readTime  = 5 * time.Second
	writeTime = 30 * time.Second
)

// Bound has nobody wait for files that pmxcfs does not answer for: its own, and
// those of directories from which links lead there.
func Bound(f host.Files) host.Files {
	return host.Bound(f, readTime, writeTime, "look at systemctl status pve-cluster and journalctl -u pve-cluster", Dir, "/etc/ceph", "/root/.ssh", "/etc/ssh")
}

// Answers is an error where pmxcfs does not answer.
func (n Node) Answers() error {
	if _, err := n.Host.Files.ReadFile(Members); host.IsHung(err) {
		return err
	}
	return host.Hung(n.Host.Files) // no such file: there is no pmxcfs yet
}
