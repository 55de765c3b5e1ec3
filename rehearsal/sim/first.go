package sim

import (
	"io/fs"
	"time"

	"ringboot/rehearsal/disk"
)

// firstFiles are what a new installation has in /etc/pve, relative to it.
func firstFiles(node string, now time.Time) map[string]disk.Inode {
	all := map[string]disk.Inode{}
	for _, d := range []string{"nodes", "nodes/" + node, "nodes/" + node + "/qemu-server", "nodes/" + node + "/lxc", "priv", "priv/lock", "ha", "sdn", "mapping", "firewall", "virtual-guest"} {
		all[d] = disk.Inode{Mode: fs.ModeDir | 0o755, When: now}
	}
	for name, text := range map[string]string{"user.cfg": "user:root@pam:1:0:::::\n", "datacenter.cfg": "keyboard: en-us\n",
		"storage.cfg": "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n\n"} {
		all[name] = disk.Inode{Mode: 0o640, Content: []byte(text), When: now}
	}
	return all
}

func ReadConf(m Machine) (Conf, error) {
	raw, err := m.ReadFile(EtcPVE + "/corosync.conf")
	if err != nil {
		return Conf{}, err
	}
	return ParseConf(raw)
}
