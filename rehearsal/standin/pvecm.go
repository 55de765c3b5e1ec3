package standin

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// options are the command line after the verb: --name value or --name=value.
func options(args []string, flags ...string) (positional []string, opt map[string]string) {
	opt = map[string]string{}
	for i := 0; i < len(args); i++ {
		name, ok := strings.CutPrefix(args[i], "--")
		if !ok {
			if name, ok = strings.CutPrefix(args[i], "-"); !ok {
				positional = append(positional, args[i])
				continue
			}
		}
		if k, v, ok := strings.Cut(name, "="); ok {
			opt[k] = v
			continue
		}
		flag := false
		for _, f := range flags {
			flag = flag || f == name
		}
		if next := i + 1; next < len(args) && !(flag && !isBool(args[next])) {
			opt[name] = args[next]
			i++
		} else {
			opt[name] = "1"
		}
	}
	return positional, opt
}

func isBool(s string) bool { return s == "0" || s == "1" }

const noConf = "Error: Corosync config '/etc/pve/corosync.conf' does not exist - is this node part of a cluster?"

func readConf(m Machine) (Conf, error) {
	raw, err := m.ReadFile(pveDir + "/corosync.conf")
	if err != nil {
		return Conf{}, err
	}
	return ParseConf(raw)
}

// isWritable looks at the write bits, of the link and of the directory that it
// leads to: a plain directory in place of pmxcfs has no bits on links.
func isWritable(m Machine) bool {
	link, err := m.Lstat(pveDir + "/local")
	if err != nil || link.Mode()&0o200 == 0 {
		return false
	}
	own, err := m.Lstat(pveDir + "/nodes/" + m.Name())
	if err != nil { // a joiner that has not synced, or a new database of a single node
		_, err = m.Lstat(pveDir + "/corosync.conf")
		return err != nil
	}
	return own.Mode()&0o200 != 0
}

func pvecm(c *Call) int {
	if len(c.Argv) < 2 {
		c.Errf("ERROR: no command specified\n")
		return 255
	}
	args := c.Argv[2:]
	switch c.Argv[1] {
	case "create":
		return pvecmCreate(c, args, 255)
	case "addnode":
		return pvecmAddnode(c, args)
	case "delnode":
		return pvecmDelnode(c, args)
	case "add":
		return pvecmAdd(c, args)
	case "status", "nodes", "expected":
		return pvecmShow(c)
	case "updatecerts":
		return pvecmUpdatecerts(c, args)
	case "apiver":
		c.Work(250 * time.Millisecond)
		level := "1"
		if w, ok := c.Machine.(*machine); ok {
			level = w.n.APILevel
		}
		c.Outf("%s\n", level)
		return 0
	}
	c.Errf("ERROR: unknown command 'pvecm %s'\n", c.Argv[1])
	return 255
}

func pvecmShow(c *Call) int {
	c.Work(300 * time.Millisecond)
	conf, err := readConf(c)
	if err != nil {
		c.Errf("%s\n", noConf)
		return 2
	}
	q, running := c.Corosync()
	switch c.Argv[1] {
	case "expected":
		n, _ := strconv.Atoi(first(c.Argv[2:]))
		c.Note("expected", c.Name())
		c.Expect(n)
		return 0
	case "nodes":
		if !running {
			c.Errf("Cannot initialize CMAP service\n")
			return 1
		}
		c.Outf("\n%s", membershipText(q, false))
		return 0
	}
	c.Outf("%s", statusHead(conf))
	if !running {
		c.Errf("Cannot initialize CMAP service\n")
		return 1
	}
	c.Outf("%s", quorumText(q, c.Now(), true))
	if !q.Quorate {
		return 2
	}
	return 0
}

var nodeName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$`)

// pvecmCreate returns 0 whatever its worker does: only what is refused before
// the fork is honest, with the code of the program that was called.
func pvecmCreate(c *Call, args []string, refused int) int {
	c.Work(200 * time.Millisecond)
	pos, opt := options(args)
	name := first(pos)
	if opt["clustername"] != "" {
		name = opt["clustername"]
	}
	const usage = "pvecm create <clustername> [OPTIONS]"
	if !nodeName.MatchString(name) {
		return c.Usage("clustername", "invalid format - value does not look like a valid node name\n", usage)
	}
	if len(name) > 15 {
		return c.Usage("clustername", "value may only be 15 characters long", usage)
	}
	if _, err := c.ReadFile(pveDir + "/corosync.conf"); err == nil {
		c.Errf("cluster config '/etc/pve/corosync.conf' already exists\n")
		return refused
	}
	unlock, ok := lockFor(c, "/var/lock/pvecm.lock", 10*time.Second)
	if !ok {
		c.Errf("can't lock file '/var/lock/pvecm.lock' - got timeout\n")
		return 0
	}
	defer unlock()
	if _, err := c.Lstat(keyFile); err != nil {
		c.Outf("Corosync Cluster Engine Authentication key generator.\nGathering 2048 bits for key from /dev/urandom.\nWriting corosync key to /etc/corosync/authkey.\n")
		if err := writeKey(c); err != nil {
			c.Errf("%v\n", err)
			return 0
		}
	}
	conf := Conf{Name: name, Version: 1, Nodes: []ConfNode{{Name: c.Name(), ID: number(opt["nodeid"], 1), Votes: number(opt["votes"], 1)}}}
	conf.Nodes[0].Addr, conf.Links = links(c, opt)
	c.Outf("Writing corosync config to /etc/pve/corosync.conf\n")
	c.Work(500 * time.Millisecond)
	if err := c.WriteDirect(pveDir+"/corosync.conf", conf.Text()); err != nil {
		c.Errf("unable to open file '/etc/pve/corosync.conf.new.tmp.%d' - Permission denied\n", 1000+c.Random(9000))
		return 0
	}
	c.Note("create", c.Name())
	c.Outf("Restart corosync and cluster filesystem\n")
	c.Work(500 * time.Millisecond)
	if err := c.Unit("restart", "pve-cluster"); err != nil {
		c.Errf("%v\n", err)
		return 0
	}
	if err := c.Unit("restart", "corosync"); err != nil {
		c.Errf("%v\n", err)
	}
	return 0
}

func writeKey(c *Call) error {
	key := make([]byte, 256)
	for i := range key {
		key[i] = byte(c.Random(256))
	}
	if err := c.WriteDirect(keyFile, key); err != nil {
		return err
	}
	return c.Chmod(keyFile, 0o400)
}

func number(s string, or int) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return or
}

// links reads --link0 to --link7; without any it takes the node's first address.
func links(m Machine, opt map[string]string) (addr []string, list []ConfLink) {
	for i := range 8 {
		v, ok := opt[fmt.Sprintf("link%d", i)]
		if !ok {
			continue
		}
		ip, rest, _ := strings.Cut(v, ",")
		for len(addr) <= i {
			addr = append(addr, "")
		}
		addr[i] = ip
		list = append(list, ConfLink{Number: i, Priority: number(strings.TrimPrefix(rest, "priority="), 0)})
	}
	if len(addr) == 0 {
		return []string{first(m.Addresses())}, []ConfLink{{}}
	}
	return addr, list
}

func lockFor(c *Call, path string, limit time.Duration) (func(), bool) {
	for end := c.Now().Add(limit); ; c.Sleep(500 * time.Millisecond) {
		if unlock, ok := c.Lock(path); ok {
			return unlock, true
		}
		if !c.Now().Before(end) {
			return nil, false
		}
	}
}

// pvecmAddnode is synchronous and honest.
func pvecmAddnode(c *Call, args []string) int {
	c.Work(500 * time.Millisecond)
	pos, opt := options(args, "force")
	name := first(pos)
	if v := opt["apiversion"]; v != "" && v != "1" {
		c.Errf("unsupported API version %s\n", v)
		return 255
	}
	conf, err := addTo(c, name, opt)
	if err != nil {
		c.Errf("%v\n", err)
		return 255
	}
	for _, n := range conf.Nodes {
		if n.Name != name && n.Name != c.Name() && !c.Synced(n.Name) {
			c.Note("overlap", name+" was added before "+n.Name+" had synced")
		}
	}
	if err := c.MkdirAll(pveDir+"/nodes/"+name, 0o755); err == nil {
		err = c.WriteDirect(pveDir+"/corosync.conf", conf.Text())
	}
	if err != nil {
		return c.Die("unable to open file '/etc/pve/corosync.conf.new.tmp.1' - Permission denied")
	}
	return 0
}

// addTo is the configuration with the node in it, or the refusal.
func addTo(c *Call, name string, opt map[string]string) (Conf, error) {
	if !isWritable(c) {
		return Conf{}, fmt.Errorf("cluster not ready - no quorum?")
	}
	unlock, ok := lockFor(c, "/var/lock/pvecm.lock", 10*time.Second)
	if !ok {
		return Conf{}, fmt.Errorf("can't lock file '/var/lock/pvecm.lock' - got timeout")
	}
	defer unlock()
	conf, err := readConf(c)
	if err != nil {
		return Conf{}, fmt.Errorf("invalid corosync.conf\n! no nodes found")
	}
	addr, list := links(c, opt)
	if _, given := opt["link0"]; !given {
		if len(conf.Links) > 1 {
			return Conf{}, fmt.Errorf("no links given but multiple links found on other nodes, fallback only supported on single-link clusters")
		}
		addr, list = []string{opt["new_node_ip"]}, []ConfLink{{}}
	}
	for _, n := range conf.Nodes {
		for i, a := range addr {
			if n.Name != name && i < len(n.Addr) && n.Addr[i] == a && a != "" {
				return Conf{}, fmt.Errorf("corosync: address '%s' already used on link ring%d_addr by node '%s'", a, i, n.Name)
			}
		}
	}
	if err := sameLinks(conf.Links, list); err != nil {
		return Conf{}, err
	}
	next := 1
	for _, taken := conf.ByID(next); taken; _, taken = conf.ByID(next) {
		next++
	}
	old, listed := conf.Node(name)
	if listed {
		next = old.ID
		if opt["force"] != "1" || number(opt["nodeid"], old.ID) != old.ID {
			return Conf{}, fmt.Errorf("can't add existing node '%s'", name)
		}
		c.Outf("forcing overwrite of configured node '%s'\n", name)
		conf.Nodes = drop(conf.Nodes, name)
	}
	conf.Nodes = append(conf.Nodes, ConfNode{Name: name, ID: number(opt["nodeid"], next), Votes: number(opt["votes"], 1), Addr: addr})
	conf.Version++
	return conf, nil
}

func drop(nodes []ConfNode, name string) []ConfNode {
	var out []ConfNode
	for _, n := range nodes {
		if n.Name != name {
			out = append(out, n)
		}
	}
	return out
}

func sameLinks(have, given []ConfLink) error {
	in := func(list []ConfLink, n int) bool {
		for _, l := range list {
			if l.Number == n {
				return true
			}
		}
		return false
	}
	for _, l := range have {
		if !in(given, l.Number) {
			return fmt.Errorf("corosync: link %d exists in cluster config but wasn't specified for new node", l.Number)
		}
	}
	for _, l := range given {
		if !in(have, l.Number) {
			return fmt.Errorf("corosync: link %d specified for new node doesn't exist in cluster config", l.Number)
		}
	}
	return nil
}
