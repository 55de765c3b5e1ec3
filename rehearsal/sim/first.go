package sim

import (
	"io/fs"
)

// FirstFiles are what a new installation has in /etc/pve, relative to it; a
// directory has no content and the mode of one.
func FirstFiles(node string) map[string]struct {
	Mode    fs.FileMode
	Content []byte
} {
	type file = struct {
		Mode    fs.FileMode
		Content []byte
	}
	all := map[string]file{}
	for _, d := range []string{"nodes", "nodes/" + node, "nodes/" + node + "/qemu-server", "nodes/" + node + "/lxc", "priv", "priv/lock", "ha", "sdn", "mapping", "firewall", "virtual-guest"} {
		all[d] = file{Mode: fs.ModeDir | 0o755}
	}
	all["user.cfg"] = file{0o640, []byte("user:root@pam:1:0:::::\n")}
	all["storage.cfg"] = file{0o640, []byte("dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n\n")}
	all["datacenter.cfg"] = file{0o640, []byte("keyboard: en-us\n")}
	return all
}

func ReadConf(m Machine) (Conf, error) {
	raw, err := m.ReadFile(EtcPVE + "/corosync.conf")
	if err != nil {
		return Conf{}, err
	}
	return ParseConf(raw)
}
