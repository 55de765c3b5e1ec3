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
	touchTime = 4 * time.Second
)

const hungRemedy = "look at systemctl status pve-cluster and journalctl -u pve-cluster"

// Bound has nobody wait for files that pmxcfs does not answer for: its own, and
// those of directories from which links lead there.
func Bound(f host.Files) host.Files {
	return host.Bound(f, readTime, writeTime, hungRemedy, Dir, "/etc/ceph", "/root/.ssh", "/etc/ssh")
}

// Answers is an error where pmxcfs does not answer.
func (n Local) Answers() error {
	if _, err := n.Host.Files.ReadFile(Members); host.IsHung(err) {
		return err
	}
	return host.Hung(n.Host.Files) // no such file: there is no pmxcfs yet
}

// Touch is an error where pmxcfs does not answer whoever has no right to read
// there: it looks at the directory itself, which anybody may. One that has not
// come back is the only one under way.
func Touch(f host.Files) func() error {
	b := host.Bound(f, touchTime, writeTime, hungRemedy, Dir)
	return func() error {
		if _, err := b.Stat(Dir); host.IsHung(err) {
			return err
		}
		return nil // gone, or not there yet: that is for those who read
	}
}
