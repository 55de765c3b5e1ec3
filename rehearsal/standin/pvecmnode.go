package standin

import "time"

func pvecmDelnode(c *Call, args []string) int {
	c.Work(300 * time.Millisecond)
	name := first(args)
	conf, err := readConf(c)
	if err != nil || !isWritable(c) {
		c.Errf("cluster not ready - no quorum?\n")
		return 255
	}
	if name == c.Name() {
		c.Errf("Cannot delete myself from cluster!\n")
		return 255
	}
	n, ok := conf.Node(name)
	if !ok {
		c.Errf("Node/IP: %s is not a known host of the cluster.\n", name)
		return 255
	}
	conf.Nodes = drop(conf.Nodes, name)
	conf.Version++
	c.Outf("Killing node %d\n", n.ID)
	if !c.Kill(n.ID) {
		c.Errf("Could not kill node (error = CS_ERR_NOT_EXIST)\n")
	}
	if err := c.WriteDirect(pveDir+"/corosync.conf", conf.Text()); err != nil {
		return c.Die("%v", err)
	}
	c.Work(7 * time.Second)
	return 0
}

// pvecmUpdatecerts waits up to 80 s for a file system that can be written.
func pvecmUpdatecerts(c *Call, args []string) int {
	c.Work(300 * time.Millisecond)
	_, opt := options(args, "force", "silent")
	waited := false
	for end := c.Now().Add(80 * time.Second); !isWritable(c); c.Sleep(time.Second) {
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

func nodeFiles(c *Call, force bool) {
	for _, d := range []string{"nodes", "nodes/" + c.Name(), "nodes/" + c.Name() + "/qemu-server", "nodes/" + c.Name() + "/lxc", "priv", "priv/lock"} {
		_ = c.MkdirAll(pveDir+"/"+d, 0o755)
	}
	makeAuthority(c)
	c.Work(300 * time.Millisecond)
	issueCertificate(c, force)
}
