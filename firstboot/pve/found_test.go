package pve

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve/corosync"
)

// What we write is what Proxmox VE writes, byte by byte.
func TestConfIsInTheFormOfProxmox(t *testing.T) {
	for _, name := range []string{"02-cluster-ssh/004", "02-cluster-ssh/023", "12-links-ring/010"} {
		want := string(recorded(t, name))
		c, err := corosync.Parse([]byte(want))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		slices.Reverse(c.Nodes) // in whatever order they are given
		if got := string(c.Text()); got != want {
			t.Errorf("%s: wrote\n%s\nwant\n%s", name, got, want)
		}
	}
}

// installed is /etc/pve of a new installation, as it was recorded, with what
// the installer writes.
func installed(t *testing.T) Local {
	t.Helper()
	root := t.TempDir()
	n := Local{Host: host.New(root), Name: "frege"}
	for path, text := range map[string]string{
		"authkey.pub": "x", "pve-www.key": "x", "pve-root-ca.pem": "x", "vzdump.cron": "# cluster wide vzdump cron schedule\n# Automatically generated file - do not edit\n\nPATH=\"/usr/sbin:/usr/bin:/sbin:/bin\"\n\n", ".clusterlog": "x", ".members": "{}",
		"priv/authkey.key": "x", "priv/authorized_keys": "ssh-ed25519 x\n", "priv/known_hosts": "x", "priv/pve-root-ca.key": "x", "priv/pve-root-ca.srl": "01",
		"nodes/frege/pve-ssl.pem": "x", "nodes/frege/pve-ssl.key": "x", "nodes/frege/lrm_status": "{}", "nodes/frege/ssh_known_hosts": "x",
		"user.cfg":       "user:root@pam:1:0:::root@example.net::\n",
		"datacenter.cfg": "keyboard: de\n", "storage.cfg": "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n\nlvmthin: local-lvm\n\tthinpool data\n\tvgname pve\n\tcontent rootdir,images\n\n",
		"replication.cfg": "", "priv/token.cfg": "\n",
	} {
		put(t, n, path, text)
	}
	for _, dir := range []string{"ha", "sdn", "mapping", "firewall", "virtual-guest", "priv/acme", "priv/lock/file-x", "nodes/frege/qemu-server", "nodes/frege/lxc", "nodes/russell"} {
		if err := n.Host.Files.MkdirAll(Dir+"/"+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"local", "qemu-server"} {
		if err := os.Symlink("nodes/frege", filepath.Join(root, Dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func put(t *testing.T, n Local, path, text string) {
	t.Helper()
	if err := n.Host.Files.WriteFile(Dir+"/"+path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func TestForeignIsWhatNoInstallationLeaves(t *testing.T) {
	nodes := []string{"frege", "russell", "wittgenstein"}
	if got, err := installed(t).Foreign(nodes); err != nil || len(got) > 0 {
		t.Fatalf("a new installation: %v %v", got, err)
	}
	if got, err := (Local{Host: host.New(t.TempDir()), Name: "frege"}).Foreign(nodes); err != nil || len(got) > 0 {
		t.Fatalf("no /etc/pve: %v %v", got, err)
	}
	for path, c := range map[string][2]string{
		"nodes/frege/qemu-server/100.conf":   {"name: old\n", "guest qemu-server/100"},
		"nodes/frege/lxc/101.conf":           {"hostname: old\n", "guest lxc/101"},
		"user.cfg":                           {"user:root@pam:1:0:::::\nuser:bob@pve:1:0:::::\n", "user bob@pve in user.cfg"},
		"storage.cfg":                        {"dir: local\n\tpath /var/lib/vz\n\nnfs: nas\n\tserver 10.0.0.1\n", "storage nas"},
		"datacenter.cfg":                     {"keyboard: de\nmigration: secure\n", "option migration in datacenter.cfg"},
		"nodes/frege/pveproxy-ssl.pem":       {"x", "nodes/frege/pveproxy-ssl.pem"},
		"nodes/goedel/pve-ssl.pem":           {"x", "nodes/goedel/pve-ssl.pem"},
		"vzdump.cron":                        {"PATH=\"/sbin:/bin\"\n0 2 * * * root vzdump 100\n", "a backup job in vzdump.cron"},
		"ceph.conf":                          {"[global]\n", "ceph.conf"},
		"jobs.cfg":                           {"vzdump: backup\n", "jobs.cfg"},
		"firewall/cluster.fw":                {"[OPTIONS]\n", "firewall/cluster.fw"},
		"priv/token.cfg":                     {"root@pam!x secret\n", "priv/token.cfg"},
		"ha/resources.cfg":                   {"vm: 100\n", "ha/resources.cfg"},
		"priv/acme/default":                  {"{}", "priv/acme/default"},
		"something/that/nobody/has/heard.of": {"x", "something/that/nobody/has/heard.of"},
	} {
		n := installed(t)
		put(t, n, path, c[0])
		if got, err := n.Foreign(nodes); err != nil || !slices.Equal(got, []string{c[1]}) {
			t.Errorf("%s: %q (%v), want %q", path, got, err, c[1])
		}
	}
}
