package tools

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

const noConf = "Error: Corosync config '/etc/pve/corosync.conf' does not exist - is this node part of a cluster?"

func pvecm(c *sim.Call) int {
	if len(c.Argv) < 2 {
		return c.Exit(255, "ERROR: no command specified")
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
	}
	return c.Unknown(255, "pvecm", c.Argv[1])
}

func pvecmShow(c *sim.Call) int {
	c.Work(300 * time.Millisecond)
	conf, err := sim.ReadConf(c)
	if err != nil {
		return c.Exit(2, "%s", noConf)
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
			return c.Exit(1, "Cannot initialize CMAP service")
		}
		c.Outf("\n%s", membershipText(q, false))
		return 0
	}
	c.Outf("%s", statusHead(conf))
	if !running {
		return c.Exit(1, "Cannot initialize CMAP service")
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
func pvecmCreate(c *sim.Call, args []string, refused int) int {
	c.Work(200 * time.Millisecond)
	pos, opt := shell.Options(args)
	name := cmp.Or(opt["clustername"], first(pos))
	const usage = "pvecm create <clustername> [OPTIONS]"
	if !nodeName.MatchString(name) {
		return c.Usage("clustername", "invalid format - value does not look like a valid node name\n", usage)
	}
	if len(name) > 15 {
		return c.Usage("clustername", "value may only be 15 characters long", usage)
	}
	if _, err := c.ReadFile(sim.EtcPVE + "/corosync.conf"); err == nil {
		c.Errf("cluster config '/etc/pve/corosync.conf' already exists\n")
		return refused
	}
	unlock, ok := lockFor(c, "/var/lock/pvecm.lock", 10*time.Second)
	if !ok {
		return c.Exit(0, "can't lock file '/var/lock/pvecm.lock' - got timeout")
	}
	defer unlock()
	if _, err := c.Lstat(sim.KeyFile); err != nil {
		c.Outf("Corosync Cluster Engine Authentication key generator.\nGathering 2048 bits for key from /dev/urandom.\nWriting corosync key to /etc/corosync/authkey.\n")
		if err := writeKey(c); err != nil {
			return c.Exit(0, "%v", err)
		}
	}
	conf := sim.Conf{Name: name, Version: 1, Nodes: []sim.ConfNode{{Name: c.Name(), ID: shell.Number(opt["nodeid"], 1), Votes: shell.Number(opt["votes"], 1)}}}
	conf.Nodes[0].Addr, conf.Links = links(c, opt)
	c.Outf("Writing corosync config to /etc/pve/corosync.conf\n")
	c.Work(500 * time.Millisecond)
	if err := c.WriteDirect(sim.EtcPVE+"/corosync.conf", conf.Text()); err != nil {
		return c.Exit(0, "unable to open file '/etc/pve/corosync.conf.new.tmp.%d' - Permission denied", 1000+c.Random(9000))
	}
	c.Note("create", c.Name())
	c.Outf("Restart corosync and cluster filesystem\n")
	c.Work(500 * time.Millisecond)
	for _, unit := range []string{"pve-cluster", "corosync"} {
		if err := c.Unit("restart", unit); err != nil {
			return c.Exit(0, "%v", err)
		}
	}
	return 0
}

func writeKey(c *sim.Call) error {
	key := make([]byte, 256)
	for i := range key {
		key[i] = byte(c.Random(256))
	}
	if err := c.WriteDirect(sim.KeyFile, key); err != nil {
		return err
	}
	return c.Chmod(sim.KeyFile, 0o400)
}

// links reads --link0 to --link7; without any it takes the node's first address.
func links(m sim.Machine, opt map[string]string) (addr []string, list []sim.ConfLink) {
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
		list = append(list, sim.ConfLink{Number: i, Priority: shell.Number(strings.TrimPrefix(rest, "priority="), 0)})
	}
	if len(addr) == 0 {
		return []string{first(m.Addresses())}, []sim.ConfLink{{}}
	}
	return addr, list
}

func lockFor(c *sim.Call, path string, limit time.Duration) (func(), bool) {
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
func pvecmAddnode(c *sim.Call, args []string) int {
	c.Work(500 * time.Millisecond)
	pos, opt := shell.Options(args, "force")
	name := first(pos)
	if v := opt["apiversion"]; v != "" && v != "1" {
		return c.Exit(255, "unsupported API version %s", v)
	}
	if !shell.Writable(c) {
		return c.Exit(255, "cluster not ready - no quorum?")
	}
	unlock, ok := lockFor(c, "/var/lock/pvecm.lock", 10*time.Second)
	if !ok {
		return c.Exit(255, "can't lock file '/var/lock/pvecm.lock' - got timeout")
	}
	defer unlock() // the file is read and written under one lock
	conf, err := addTo(c, name, opt)
	if err != nil {
		return c.Exit(255, "%v", err)
	}
	for _, n := range conf.Nodes {
		if n.Name != name && n.Name != c.Name() && !c.Synced(n.Name) {
			c.Note("overlap", name+" was added before "+n.Name+" had synced")
		}
	}
	if err = c.MkdirAll(sim.EtcPVE+"/nodes/"+name, 0o755); err == nil {
		err = c.WriteDirect(sim.EtcPVE+"/corosync.conf", conf.Text())
	}
	if err != nil {
		return c.Die("unable to open file '/etc/pve/corosync.conf.new.tmp.1' - Permission denied")
	}
	return 0
}

// addTo is the configuration with the node in it, or the refusal.
func addTo(c *sim.Call, name string, opt map[string]string) (sim.Conf, error) {
	conf, err := sim.ReadConf(c)
	if err != nil {
		return sim.Conf{}, fmt.Errorf("invalid corosync.conf\n! no nodes found")
	}
	addr, list := links(c, opt)
	if _, given := opt["link0"]; !given {
		if len(conf.Links) > 1 {
			return sim.Conf{}, fmt.Errorf("no links given but multiple links found on other nodes, fallback only supported on single-link clusters")
		}
		addr, list = []string{opt["new_node_ip"]}, []sim.ConfLink{{}}
	}
	for _, n := range conf.Nodes {
		for i, a := range addr {
			if n.Name != name && i < len(n.Addr) && n.Addr[i] == a && a != "" {
				return sim.Conf{}, fmt.Errorf("corosync: address '%s' already used on link ring%d_addr by node '%s'", a, i, n.Name)
			}
		}
	}
	if err := sameLinks(conf.Links, list); err != nil {
		return sim.Conf{}, err
	}
	next := 1
	for _, taken := conf.ByID(next); taken; _, taken = conf.ByID(next) {
		next++
	}
	old, listed := conf.Node(name)
	if listed {
		next = old.ID
		if opt["force"] != "1" || shell.Number(opt["nodeid"], old.ID) != old.ID {
			return sim.Conf{}, fmt.Errorf("can't add existing node '%s'", name)
		}
		c.Outf("forcing overwrite of configured node '%s'\n", name)
		conf.Nodes = drop(conf.Nodes, name)
	}
	conf.Nodes = append(conf.Nodes, sim.ConfNode{Name: name, ID: shell.Number(opt["nodeid"], next), Votes: shell.Number(opt["votes"], 1), Addr: addr})
	conf.Version++
	return conf, nil
}

func drop(nodes []sim.ConfNode, name string) []sim.ConfNode {
	return slices.DeleteFunc(nodes, func(n sim.ConfNode) bool { return n.Name == name })
}

func sameLinks(have, given []sim.ConfLink) error {
	in := func(list []sim.ConfLink, n int) bool {
		return slices.ContainsFunc(list, func(l sim.ConfLink) bool { return l.Number == n })
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
