package tools

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

var fingerprintForm = regexp.MustCompile(`^([A-Fa-f0-9]{2}:){31}[A-Fa-f0-9]{2}$`)

const refusedJoin = "Check if node may join a cluster failed!\n"

// pvecmAdd is the official join, with all that is wrong with it: 0 whatever
// happens, a key that anyone may read, an endless wait for quorum.
func pvecmAdd(c *sim.Call, args []string) int {
	c.Work(250 * time.Millisecond)
	pos, opt := shell.Options(args, "use_ssh", "force")
	host := first(pos)
	if fp := opt["fingerprint"]; fp != "" && !fingerprintForm.MatchString(fp) {
		return c.Usage("fingerprint", "value does not match the regex pattern", "pvecm add <hostname> [OPTIONS]")
	}
	if len(c.Env) > 0 && strings.HasPrefix(c.Env[0], "PWD="+sim.EtcPVE) {
		return c.Exit(255, "Navigate out of /etc/pve before running 'pvecm add', ..")
	}
	if _, ssh := opt["use_ssh"]; !ssh && c.Stdin == nil {
		return c.Exit(0, "EOF while reading password")
	}
	if !joinChecks(c, opt) {
		return 0
	}
	add := addByAPI
	if _, ssh := opt["use_ssh"]; ssh {
		add = addBySSH
	}
	if key, text := add(c, host, opt); key != nil {
		finishJoin(c, key, text)
	}
	return 0
}

func joinChecks(c *sim.Call, opt map[string]string) bool {
	var found []string
	if _, err := c.Lstat(sim.KeyFile); err == nil {
		found = append(found, "authentication key '/etc/corosync/authkey' already exists")
	}
	if _, err := c.Lstat(sim.EtcPVE + "/corosync.conf"); err == nil {
		found = append(found, "cluster config '/etc/pve/corosync.conf' already exists")
	}
	if hasGuests(c) {
		found = append(found, "this host already contains virtual guests")
	}
	if c.UnitState("corosync") == "active" {
		found = append(found, "corosync is already running, is this node already in a cluster?!")
	}
	for i := range 8 {
		if ip, _, _ := strings.Cut(opt[fmt.Sprintf("link%d", i)], ","); ip != "" && !slices.Contains(c.Addresses(), ip) {
			found = append(found, fmt.Sprintf("link%d: cannot use IP '%s', not found on local node!\n", i, ip))
		}
	}
	if len(found) == 0 {
		return true
	}
	c.Outf("detected the following error(s):\n* %s\n", strings.Join(found, "\n* "))
	if opt["force"] != "" {
		c.Outf("\nWARNING : detected error but forced to continue!\n\n")
		return true
	}
	c.Outf("\n")
	c.Errf("%s", refusedJoin)
	return false
}

func hasGuests(m sim.Machine) bool {
	for _, kind := range []string{"qemu-server", "lxc"} {
		list, _ := m.ReadDir(sim.EtcPVE + "/nodes/" + m.Name() + "/" + kind)
		for _, e := range list {
			if strings.HasSuffix(e.Name(), ".conf") {
				return true
			}
		}
	}
	return false
}

func joinOptions(c *sim.Call, opt map[string]string, extra ...string) []string {
	args := append([]string{c.Name()}, extra...)
	for i := range 8 {
		if ip, _, _ := strings.Cut(opt[fmt.Sprintf("link%d", i)], ","); ip != "" {
			args = append(args, fmt.Sprintf("--link%d", i), ip)
		}
	}
	if opt["nodeid"] != "" {
		args = append(args, "--nodeid", opt["nodeid"])
	}
	return args
}

// remoteAdd runs addnode on the other side and hands over what it left there.
func remoteAdd(c *sim.Call, peer sim.Machine, args []string) (key, text []byte, problem string) {
	sub := &sim.Call{Machine: peer, Argv: append([]string{"pvecm", "addnode"}, args...)}
	if pvecm(sub) != 0 {
		return nil, nil, sub.Stderr.String()
	}
	key, _ = peer.ReadFile(sim.KeyFile)
	text, _ = peer.ReadFile(sim.EtcPVE + "/corosync.conf")
	return key, text, ""
}

func addBySSH(c *sim.Call, host string, opt map[string]string) (key, text []byte) {
	peer := c.Remote(host)
	if peer == nil {
		c.Work(6 * time.Second)
		c.Errf("unable to copy ssh ID: exit code 1\n")
		return nil, nil
	}
	args := joinOptions(c, opt, "--force", "1")
	key, text, problem := remoteAdd(c, peer, args)
	if problem != "" {
		c.Outf("%s", problem)
		c.Errf("unable to add node: command failed (ssh %s -o BatchMode=yes pvecm addnode %s)\n", host, strings.Join(args, " "))
		return nil, nil
	}
	c.Outf("copy corosync auth key\n")
	return key, text
}

func addByAPI(c *sim.Call, host string, opt map[string]string) (key, text []byte) {
	c.Outf("Establishing API connection with host '%s'\n", host)
	peer := c.Remote(host)
	switch {
	case peer == nil:
		c.Work(3 * time.Second)
		c.Errf("500 Can't connect to %s:8006 (No route to host)\n", host)
		return nil, nil
	case peer.UnitState("pveproxy") != "active":
		c.Errf("500 Can't connect to %s:8006 (Connection refused)\n", host)
		return nil, nil
	}
	real := fingerprint(peer, peer.Name())
	if fp := opt["fingerprint"]; fp == "" {
		c.Outf("The authenticity of host '%s' can't be established.\nX509 SHA256 key fingerprint is %s.\nAre you sure you want to continue connecting (yes/no)? "+
			"Use of uninitialized value $answer in pattern match (m//) at /usr/share/perl5/PVE/APIClient/LWP.pm line 256, <STDIN> line 1.\n", host, real)
		c.Errf("Fingerprint not verified, abort!\n")
		return nil, nil
	} else if fp != real {
		c.Errf("fingerprint '%s' not verified, abort!\n", real)
		return nil, nil
	}
	if strings.TrimSuffix(string(c.Stdin), "\n") != "secret" {
		c.Work(3 * time.Second)
		c.Errf("401 authentication failure\n")
		return nil, nil
	}
	c.Outf("Login succeeded.\ncheck cluster join API version\nRequest addition of this node\n")
	key, text, problem := remoteAdd(c, peer, joinOptions(c, opt, "--apiversion", "1"))
	if problem != "" {
		c.Outf("An error occurred on the cluster node: %s", problem)
		c.Errf("Cluster join aborted!\n")
		return nil, nil
	}
	c.Outf("Join request OK, finishing setup locally\n")
	return key, text
}

func finishJoin(c *sim.Call, key, text []byte) {
	_ = c.MkdirAll("/etc/corosync", 0o755)
	_ = c.Remove(sim.KeyFile)
	_ = c.WriteDirect(sim.KeyFile, key) // 0644: the real one leaves it so
	_ = c.WriteDirect(sim.HostConf, text)
	c.Outf("stopping pve-cluster service\n")
	_ = c.Unit("stop", "pve-cluster")
	backup := fmt.Sprintf("/var/lib/pve-cluster/backup/config-%d.sql.gz", c.Now().Unix())
	c.Outf("backup old database to '%s'\n", backup)
	raw, _ := c.ReadFile(sim.Database)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(sim.Dump(raw))
	_ = z.Close()
	_ = c.WriteDirect(backup, packed.Bytes())
	_ = c.Remove(sim.Database)
	for _, u := range []string{"pve-cluster", "corosync"} {
		_ = c.Unit("reset-failed", u)
		if err := c.Unit("start", u); err != nil {
			head, tail, _ := strings.Cut(err.Error(), "\n")
			c.Outf("%s\n", head)
			c.Errf("starting pve-cluster failed: %s\n", tail)
			return
		}
	}
	c.Outf("waiting for quorum...")
	for !shell.Writable(c) {
		c.Sleep(time.Second)
	}
	c.Outf("OK\n(re)generate node files\ngenerate new node certificate\n")
	nodeFiles(c, true)
	c.Outf("merge authorized SSH keys\ngenerated new node certificate, restart pveproxy and pvedaemon services\n")
	_ = c.Unit("restart", "pveproxy")
	_ = c.Unit("restart", "pvedaemon")
	c.Outf("successfully added node '%s' to cluster.\n", c.Name())
}
