package tools

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/tools/shell"
)

// Method is one call of the API: the options of the command line, without
// their dashes, in; what is printed as JSON, or an exit code other than 0, out.
type Method func(c *sim.Call, path string, opt map[string]string) (any, int)

// Methods are the API calls by verb and path pattern, as path.Match reads it.
func Methods() map[string]Method {
	return map[string]Method{
		"get /version":                   getVersion,
		"get /cluster/status":            getClusterStatus,
		"get /cluster/config/nodes":      getConfigNodes,
		"get /cluster/config/join":       getConfigJoin,
		"get /cluster/config/totem":      getConfigTotem,
		"get /cluster/config/apiversion": func(*sim.Call, string, map[string]string) (any, int) { return "1", 0 },
		"create /cluster/config":         createCluster,
		"get /cluster/options":           getOptions,
		"set /cluster/options":           setOptions,
		"get /nodes":                     getNodes,
		"get /nodes/*/qemu":              getGuests,
		"get /nodes/*/lxc":               getGuests,
		"get /access/users":              getUsers,
		"get /access/acl":                getACL,
		"create /cluster/config/join":    createJoin,
		"get /nodes/*/disks/list":        ceph.GetDisks,
		"get /cluster/nextid":            getNextID,
	}
}

func pvesh(c *sim.Call) int {
	c.Work(700 * time.Millisecond)
	pos, opt := shell.Options(c.Argv[1:])
	if len(pos) < 2 {
		return c.Exit(255, "ERROR: no command specified")
	}
	verb, where := pos[0], "/"+strings.Trim(pos[1], "/")
	for pattern, m := range Methods() {
		v, p, _ := strings.Cut(pattern, " ")
		if ok, _ := path.Match(p, where); v != verb || !ok {
			continue
		}
		out, code := m(c, where, opt)
		if out != nil {
			return c.JSON(out)
		}
		return code
	}
	return c.Exit(255, "No '%s' handler defined for '%s'", verb, where)
}

func getVersion(c *sim.Call, _ string, _ map[string]string) (any, int) {
	return shell.Object{"release": shell.ReleaseOf(c.Machine).Name, "repoid": "0000000000000000", "version": cmp.Or(shell.ManagerOf(c.Machine), "9.2.11")}, 0
}

func members(m sim.Machine) (doc struct {
	Cluster struct {
		Name    string
		Version int
		Nodes   int
		Quorate int
	}
	Nodelist map[string]struct {
		ID     int
		Online int
		IP     string
	}
}) {
	raw, _ := m.ReadFile(sim.EtcPVE + "/.members")
	_ = json.Unmarshal(raw, &doc)
	return doc
}

func getClusterStatus(c *sim.Call, _ string, _ map[string]string) (any, int) {
	m := members(c)
	node := func(name, ip string, id, online int) shell.Object {
		return shell.Object{"id": "node/" + name, "ip": ip, "level": "", "local": sim.Digit(name == c.Name()), "name": name, "nodeid": id, "online": online, "type": "node"}
	}
	if m.Cluster.Name == "" {
		return []any{node(c.Name(), first(c.Addresses()), 0, 1)}, 0
	}
	var nodes []any
	for name, n := range m.Nodelist {
		o := node(name, n.IP, n.ID, n.Online)
		if n.IP == "" {
			delete(o, "ip")
		}
		nodes = append(nodes, o)
	}
	head := shell.Object{"id": "cluster", "name": m.Cluster.Name, "nodes": m.Cluster.Nodes, "quorate": m.Cluster.Quorate, "type": "cluster", "version": m.Cluster.Version}
	return append([]any{head}, shell.Shuffled(c, nodes)...), 0
}

// confEntry has numbers as strings, as the real one.
func confEntry(n sim.ConfNode) shell.Object {
	o := shell.Object{"name": n.Name, "nodeid": strconv.Itoa(n.ID), "quorum_votes": strconv.Itoa(n.Votes)}
	for i, a := range n.Addr {
		o[fmt.Sprintf("ring%d_addr", i)] = a
	}
	return o
}

func getConfigNodes(c *sim.Call, _ string, _ map[string]string) (any, int) {
	conf, _ := sim.ReadConf(c)
	var list []any
	for _, n := range conf.Nodes {
		o := confEntry(n)
		o["node"] = n.Name
		list = append(list, o)
	}
	return shell.Shuffled(c, list), 0
}

func totem(conf sim.Conf) shell.Object {
	ifaces := shell.Object{}
	for _, l := range conf.Links {
		o := shell.Object{"linknumber": strconv.Itoa(l.Number)}
		if l.Priority != 0 {
			o["knet_link_priority"] = strconv.Itoa(l.Priority)
		}
		ifaces[strconv.Itoa(l.Number)] = o
	}
	return shell.Object{"cluster_name": conf.Name, "config_version": strconv.Itoa(conf.Version), "interface": ifaces, "ip_version": "ipv4-6",
		"link_mode": "passive", "secauth": "on", "token_coefficient": "125", "version": "2"}
}

func getConfigTotem(c *sim.Call, _ string, _ map[string]string) (any, int) {
	conf, err := sim.ReadConf(c)
	if err != nil {
		return json.RawMessage("null"), 0
	}
	return totem(conf), 0
}

func getConfigJoin(c *sim.Call, _ string, _ map[string]string) (any, int) {
	raw, err := c.ReadFile(sim.EtcPVE + "/corosync.conf")
	conf, _ := sim.ParseConf(raw)
	if err != nil {
		return nil, c.Exit(2, "424 node is not in a cluster, no join info available! at /usr/share/perl5/PVE/API2/ClusterConfig.pm line 588")
	}
	var list []any
	for _, n := range conf.Nodes {
		o := confEntry(n)
		o["pve_addr"], o["pve_fp"] = first(n.Addr), fingerprint(c, n.Name)
		list = append(list, o)
	}
	return shell.Object{"config_digest": digest(c, sim.EtcPVE+"/corosync.conf"), "nodelist": shell.Shuffled(c, list), "preferred_node": c.Name(), "totem": totem(conf)}, 0
}

// upid is the last line of a call that forked a worker.
func upid(c *sim.Call, kind, id string) {
	c.Outf("UPID:%s:%08X:%08X:%08X:%s:%s:root@pam:\n", c.Name(), 200+c.Random(200), c.Random(1<<24), c.Now().Unix(), kind, id)
}

// asWords are the options of a call as a command line has them.
func asWords(opt map[string]string) (args []string) {
	for k, v := range opt {
		if k != "hostname" && k != "password" {
			args = append(args, "--"+k, v)
		}
	}
	return args
}

func createCluster(c *sim.Call, _ string, opt map[string]string) (any, int) {
	if code := pvecmCreate(c, asWords(opt), 2); code != 0 {
		return nil, code
	}
	upid(c, "clustercreate", opt["clustername"])
	return nil, 0
}

func createJoin(c *sim.Call, _ string, opt map[string]string) (any, int) {
	c.Stdin = []byte(opt["password"] + "\n")
	if code := pvecmAdd(c, append([]string{opt["hostname"]}, asWords(opt)...)); code != 0 {
		return nil, code
	}
	upid(c, "clusterjoin", "")
	return nil, 0
}

// lines reads a file of "key: value" lines.
func lines(m sim.Machine, file string) (order []string, kv map[string]string) {
	kv = map[string]string{}
	raw, _ := m.ReadFile(file)
	note := ""
	for _, l := range strings.Split(string(raw), "\n") {
		if c, ok := strings.CutPrefix(l, "#"); ok {
			note += strings.ReplaceAll(c, "%0A", "\n")
			continue
		}
		k, v, ok := strings.Cut(l, ":")
		if ok {
			order = append(order, k)
			kv[k] = strings.TrimSpace(v)
		}
	}
	if note != "" {
		kv["description"] = note
	}
	return order, kv
}

const datacenterFile = sim.EtcPVE + "/datacenter.cfg"

func getOptions(c *sim.Call, _ string, _ map[string]string) (any, int) {
	_, kv := lines(c, datacenterFile)
	o := shell.Object{"allowed-tags": []any{}, "description": "", "mac_prefix": "BC:24:11"}
	for k, v := range kv {
		if k == "migration" || k == "ha" {
			parts := shell.Object{}
			for _, p := range strings.Split(v, ",") {
				a, b, _ := strings.Cut(p, "=")
				parts[a] = b
			}
			o[k] = parts
			continue
		}
		o[k] = v
	}
	return o, 0
}

func setOptions(c *sim.Call, _ string, opt map[string]string) (any, int) {
	if code, refused := refusedOption(c, opt); refused {
		return nil, code
	}
	return nil, shell.WithLock(c, "file-datacenter_cfg", func() error {
		order, kv := lines(c, datacenterFile)
		for k, v := range opt {
			if k == "output-format" {
				continue
			}
			if _, known := kv[k]; !known && k != "description" {
				order = append(order, k)
			}
			kv[k] = v
		}
		var b strings.Builder
		if d := kv["description"]; d != "" {
			for _, l := range strings.Split(strings.TrimSuffix(d, "\n"), "\n") {
				fmt.Fprintf(&b, "#%s%%0A\n", l)
			}
		}
		for _, k := range order {
			fmt.Fprintf(&b, "%s: %s\n", k, kv[k])
		}
		return c.WriteDirect(datacenterFile, []byte(b.String()))
	})
}

func getNodes(c *sim.Call, _ string, _ map[string]string) (any, int) {
	m := members(c)
	if m.Cluster.Name == "" {
		return []any{shell.Object{"id": "node/" + c.Name(), "node": c.Name(), "ssl_fingerprint": fingerprint(c, c.Name()), "status": "unknown", "type": "node"}}, 0
	}
	var list []any
	for name, n := range m.Nodelist {
		status := "offline"
		if n.Online == 1 {
			status = "online"
		}
		list = append(list, shell.Object{"id": "node/" + name, "node": name, "ssl_fingerprint": fingerprint(c, name), "status": status, "type": "node", "level": ""})
	}
	return shell.Shuffled(c, list), 0
}

func getGuests(c *sim.Call, where string, _ map[string]string) (any, int) {
	parts := strings.Split(where, "/")
	dir := map[string]string{"qemu": "qemu-server", "lxc": "lxc"}[parts[3]]
	found, _ := c.ReadDir(sim.EtcPVE + "/nodes/" + parts[2] + "/" + dir)
	var list []any
	for _, e := range found {
		if id, ok := strings.CutSuffix(e.Name(), ".conf"); ok {
			n, _ := strconv.Atoi(id)
			list = append(list, shell.Object{"vmid": n, "status": "stopped"})
		}
	}
	return shell.Shuffled(c, list), 0
}
