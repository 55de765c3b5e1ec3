package tools

import (
	"fmt"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

func pvecmDelnode(c *sim.Call, args []string) int {
	c.Work(300 * time.Millisecond)
	name := first(args)
	conf, err := sim.ReadConf(c)
	if err != nil || !shell.Writable(c) {
		return c.Exit(255, "cluster not ready - no quorum?")
	}
	if name == c.Name() {
		return c.Exit(255, "Cannot delete myself from cluster!")
	}
	n, ok := conf.Node(name)
	if !ok {
		return c.Exit(255, "Node/IP: %s is not a known host of the cluster.", name)
	}
	conf.Nodes = drop(conf.Nodes, name)
	conf.Version++
	c.Outf("Killing node %d\n", n.ID)
	if !c.Kill(n.ID) {
		c.Errf("Could not kill node (error = CS_ERR_NOT_EXIST)\n")
	}
	if err := c.WriteDirect(sim.EtcPVE+"/corosync.conf", conf.Text()); err != nil {
		return c.Die("%v", err)
	}
	c.Work(7 * time.Second)
	return 0
}

// pvecmUpdatecerts waits up to 80 s for a file system that can be written.
func pvecmUpdatecerts(c *sim.Call, args []string) int {
	c.Work(300 * time.Millisecond)
	_, opt := shell.Options(args, "force", "silent")
	waited := false
	for end := c.Now().Add(80 * time.Second); !shell.Writable(c); c.Sleep(time.Second) {
		if !waited {
			c.Outf("waiting for pmxcfs mount to appear and get quorate...\n")
			waited = true
		}
		if !c.Now().Before(end) {
			c.Errf("got timeout when trying to ensure cluster certificates and base file hierarchy is set up - no quorum (yet) or hung pmxcfs?\n")
			if opt["silent"] != "" {
				return 0
			}
			return 255
		}
	}
	c.Outf("(re)generate node files\n")
	nodeFiles(c, opt["force"] != "")
	return 0
}

func nodeFiles(c *sim.Call, force bool) {
	for _, d := range []string{"nodes", "nodes/" + c.Name(), "nodes/" + c.Name() + "/qemu-server", "nodes/" + c.Name() + "/lxc", "priv", "priv/lock"} {
		_ = c.MkdirAll(sim.EtcPVE+"/"+d, 0o755)
	}
	makeAuthority(c, func() { c.Work(200 * time.Millisecond) })
	c.Work(300 * time.Millisecond)
	issueCertificate(c, force)
	rootKey(c)
}

// rootKey makes root's key where there is none, and lets it in on every node.
func rootKey(c *sim.Call) {
	const own, all = "/root/.ssh/id_rsa.pub", sim.EtcPVE + "/priv/authorized_keys"
	key, err := c.ReadFile(own)
	if err != nil {
		key = fmt.Appendf(nil, "ssh-rsa AAAAB3NzaC1yc2E%d root@%s\n", c.Now().UnixNano(), c.Name())
		_ = c.MkdirAll("/root/.ssh", 0o700)
		_ = c.WriteDirect(own, key)
	}
	if have, _ := c.ReadFile(all); !strings.Contains(string(have), string(key)) {
		_ = c.WriteDirect(all, append(have, key...))
	}
}
