package pve

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"ringboot/profiles"
)

// Foreign lists what lies in /etc/pve of a node that is in no cluster and was
// left neither by the installer nor by the first start of Proxmox VE nor by an
// earlier try of ours: guests, users, storages, own certificates. Whoever sets
// the database aside would lose it.
//
// What they leave: directories without files, the files of own, and of
// user.cfg, storage.cfg and datacenter.cfg the lines that judged lets pass
// (seen in a new installation, and in proxmox-installer's configuration step).
func (n Local) Foreign(nodes []string) ([]string, error) {
	var found []string
	err := n.walk("", func(rel string) error {
		if why, err := n.judge(rel, nodes); err != nil || why == "" {
			return err
		} else if !slices.Contains(found, why) {
			found = append(found, why)
		}
		return nil
	})
	return found, err
}

// walk visits every file below /etc/pve that is no link and no status file.
func (n Local) walk(rel string, visit func(rel string) error) error {
	list, err := n.Host.Files.ReadDir(path.Join(Dir, rel))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range list {
		at := path.Join(rel, e.Name())
		switch {
		case e.Type()&fs.ModeSymlink != 0 || rel == "" && strings.HasPrefix(e.Name(), "."):
		case at == "priv/lock": // locks are directories, and end by themselves
		case e.IsDir():
			err = n.walk(at, visit)
		default:
			err = visit(at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// judge names what is foreign about a file, "" if nothing.
func (n Local) judge(rel string, nodes []string) (string, error) {
	if own(rel) {
		return "", nil
	}
	text, err := n.Host.Files.ReadFile(path.Join(Dir, rel))
	if err != nil {
		return "", err
	}
	switch {
	case strings.TrimSpace(string(text)) == "":
		return "", nil
	case rel == "user.cfg":
		return strange(text, accountLine), nil
	case rel == "storage.cfg":
		return strange(text, storageLine), nil
	case rel == "vzdump.cron":
		return strange(text, cronLine), nil
	case rel == "datacenter.cfg":
		return strange(text, optionLine), nil
	}
	rest, below := strings.CutPrefix(rel, "nodes/")
	node, name, _ := strings.Cut(rest, "/")
	kind, id, _ := strings.Cut(name, "/")
	switch guest, conf := strings.CutSuffix(id, ".conf"); {
	case below && conf && (kind == "qemu-server" || kind == "lxc"):
		return "guest " + kind + "/" + guest, nil
	case below && slices.Contains(nodes, node) && ofNode(name):
		return "", nil
	}
	return rel, nil
}

// own are the files that every installation has, or makes by itself.
func own(rel string) bool {
	switch rel {
	case "authkey.pub", "authkey.pub.old", "pve-www.key", "pve-root-ca.pem",
		"priv/authkey.key", "priv/authorized_keys", "priv/known_hosts", "priv/pve-root-ca.key", "priv/pve-root-ca.srl",
		"ha/crm_commands", "ha/manager_status", "corosync.conf.new":
		return true
	}
	return false
}

// ofNode are the files that Proxmox VE makes in the directory of a node.
func ofNode(name string) bool {
	switch name {
	case "pve-ssl.key", "pve-ssl.pem", "ssh_known_hosts", "lrm_status", "lrm_status.tmp":
		return true
	}
	return false
}

// strange is what the first line that line does not know is about.
func strange(text []byte, line func(string) string) string {
	for l := range strings.Lines(string(text)) {
		if l = strings.TrimRight(l, "\n"); strings.TrimSpace(l) == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if what := line(l); what != "" {
			return what
		}
	}
	return ""
}

// accountLine: root@pam alone is there in the beginning.
func accountLine(l string) string {
	kind, rest, _ := strings.Cut(l, ":")
	id, _, _ := strings.Cut(rest, ":")
	if kind == "user" && id == "root@pam" {
		return ""
	}
	return fmt.Sprintf("%s %s in user.cfg", kind, id)
}

// storageLine: the installer makes local and, by file system, one for guests.
func storageLine(l string) string {
	if strings.HasPrefix(l, "\t") || strings.HasPrefix(l, " ") {
		return "" // an option of the storage above
	}
	_, id, _ := strings.Cut(l, ":")
	id = strings.TrimSpace(id)
	if id == "local" || slices.ContainsFunc(profiles.FileSystems(), func(f profiles.FileSystem) bool { return f.Storage == id }) {
		return ""
	}
	return "storage " + id
}

// cronLine: pmxcfs makes the file with comments and a path.
func cronLine(l string) string {
	if strings.HasPrefix(l, "PATH=") {
		return ""
	}
	return "a backup job in vzdump.cron"
}

// optionLine: the installer writes the keyboard's layout.
func optionLine(l string) string {
	key, _, _ := strings.Cut(l, ":")
	if key == "keyboard" {
		return ""
	}
	return "option " + key + " in datacenter.cfg"
}
