package ceph

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// cephReleaseFile remembers which release pveceph installed.
const cephReleaseFile = "/var/lib/pvestandin/ceph-release"

func cephRelease(m sim.Machine) string {
	raw, _ := m.ReadFile(cephReleaseFile)
	if r := strings.TrimSpace(string(raw)); r != "" {
		return r
	}
	return "tentacle"
}

func cephNumber(m sim.Machine) string {
	return map[string]string{"squid": "19.2.3", "tentacle": "20.2.0", "reef": "18.2.7"}[cephRelease(m)]
}

// pveceph is Proxmox VE's tool for Ceph. install, init, mon, mgr, mds and osd
// are honest about failure; pool and fs return 0 whatever happened.
func pveceph(c *sim.Call) int {
	c.Work(500 * time.Millisecond)
	words, opt := shell.Options(c.Argv[1:])
	if len(words) == 0 {
		return c.Exit(255, "ERROR: no command specified")
	}
	verb := strings.Join(words[:min(2, len(words))], " ")
	run := map[string]func(*sim.Call, []string, map[string]string) int{
		"install": cephInstall, "init": cephInit, "status": pvecephStatus, "mon create": setUpMon, "mon destroy": monDestroy,
		"mgr create": func(c *sim.Call, _ []string, _ map[string]string) int { return makeService(c, "mgr") }, "mds create": mdsCreate, "mds destroy": mdsDestroy,
		"osd create": osdCreate, "osd destroy": osdDestroy, "pool create": poolCreate, "pool set": poolSet, "fs create": fsCreate,
	}[verb]
	if run == nil {
		return c.Unknown(255, "pveceph", words...)
	}
	var missing []string
	for _, p := range []string{cephConf, sim.EtcPVE + "/ceph"} {
		if !shell.Exists(c, p) {
			missing = append(missing, "'"+p+"'")
		}
	}
	const text = "pveceph configuration not initialized - missing %s"
	switch {
	case len(missing) > 0 && verb == "status":
		return c.Exit(2, text, strings.Join(missing, ", missing "))
	case len(missing) > 0 && slices.Contains([]string{"mon create", "mgr create", "mds create", "mds destroy"}, verb):
		return c.Die(text, strings.Join(missing, ", missing "))
	}
	return run(c, words, opt)
}

func pvecephStatus(c *sim.Call, _ []string, _ map[string]string) int {
	k, ok := judgeWithin(c, 10*time.Second)
	if !ok {
		return c.Die("got timeout")
	}
	c.Outf("%s", statusText(c, k))
	return 0
}

func cephInstall(c *sim.Call, _ []string, opt map[string]string) int {
	if code, refused := refusedCeph(c, opt); refused {
		return code
	}
	_ = c.WriteDirect("/etc/apt/sources.list.d/ceph.sources", []byte("Types: deb\nURIs: http://download.proxmox.com/debian/ceph-"+opt["version"]+"\nSuites: trixie\nComponents: "+opt["repository"]+"\nSigned-By: /usr/share/keyrings/proxmox-archive-keyring.gpg\n"))
	c.Outf("start installation\n")
	_ = c.WriteDirect(cephFlag, nil)
	c.Work(3 * time.Second)
	config := shell.AptConfig(c)
	failed := func(code int) int {
		_ = c.Remove(cephFlag)
		return c.Die("apt failed during ceph installation (%d)", code)
	}
	if shell.Exists(c, offlineMark) { // what apt-get update says is swallowed
		c.Errf("E: Unable to locate package ceph\nE: Unable to locate package ceph-volume\n")
		return failed(25600)
	}
	if shell.Exists(c, cephHalf) {
		c.Errf("E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.\n")
		return failed(25600)
	}
	if !strings.Contains(config, `APT::Get::Assume-Yes "true"`) {
		c.Outf("Do you want to continue? [Y/n] Abort.\n")
		return failed(256)
	}
	c.Work(8 * time.Second)
	_ = c.WriteDirect(cephHalf, nil)
	c.Work(12 * time.Second)
	_ = c.WriteDirect(cephReleaseFile, []byte(opt["version"]+"\n"))
	if !shell.InstallCeph(c, config) {
		return failed(25600)
	}
	InstallPrograms(c.Machine)
	c.Work(6 * time.Second)
	_ = c.Remove(cephHalf)
	_ = c.Remove(cephFlag)
	c.Outf("installed Ceph %s %s%s successfully!\n\nreloading API to load new Ceph RADOS library...\n", strings.TrimSuffix(cephNumber(c), ".0"), strings.ToUpper(opt["version"][:1]), opt["version"][1:])
	return 0
}

func InstallPrograms(m sim.Machine) {
	for _, p := range cephPrograms {
		if !shell.Exists(m, p) {
			_ = m.WriteDirect(p, []byte("#!/usr/bin/pvestandin\n"))
			_ = m.Chmod(p, 0o755)
		}
	}
}

// dpkg knows --audit and --configure -a.
func dpkg(c *sim.Call) int {
	c.Work(100 * time.Millisecond)
	switch strings.Join(c.Argv[1:], " ") {
	case "--audit":
		if shell.Exists(c, cephHalf) {
			c.Outf("The following packages are only half configured, probably due to problems\nconfiguring them the first time.  The configuration should be retried using\ndpkg --configure <package> or the configure menu option in dselect:\n ceph-volume          Ceph tool for OSD deployment\n")
		}
	case "--configure -a", "--configure -a --force-confnew", "--force-confnew --configure -a":
		c.Work(4 * time.Second)
		_ = c.Remove(cephHalf)
	}
	return 0
}

func randomUUID(c *sim.Call) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(c.Now(), c.Random(1<<30), c.Random(1<<30))))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

func cephInit(c *sim.Call, _ []string, opt map[string]string) int {
	if !shell.Exists(c, "/usr/bin/ceph-mon") || shell.Exists(c, cephFlag) {
		return c.Die("binary not installed: /usr/bin/ceph-mon")
	}
	if i, err := c.Lstat(cephLink); err == nil && i.Mode().IsRegular() {
		return c.Die("file '%s' already exists and is not a symlink to %s", cephLink, cephConf)
	}
	if !shell.Writable(c) {
		return shell.WithLock(c, "file-ceph_conf", func() error { return nil })
	}
	conf, ok := ini(c)
	if !ok {
		conf = map[string]map[string]string{}
	}
	if conf["global"] == nil || conf["global"]["fsid"] == "" {
		conf["global"] = map[string]string{"auth_client_required": "cephx", "auth_cluster_required": "cephx", "auth_service_required": "cephx",
			"fsid": randomUUID(c), "mon_allow_pool_delete": "true", "osd_pool_default_min_size": "2", "osd_pool_default_size": "3"}
		conf["client"] = map[string]string{"keyring": "/etc/pve/priv/$cluster.$name.keyring"}
	}
	conf["global"]["public_network"] = opt["network"]
	conf["global"]["cluster_network"] = opt["network"]
	if n := opt["cluster-network"]; n != "" {
		conf["global"]["cluster_network"] = n
	}
	if err := writeINI(c, conf); err != nil {
		return c.Die("%v", err)
	}
	c.Work(100 * time.Millisecond)
	if !shell.Exists(c, cephAdmin) {
		c.Outf("creating %s\n", cephAdmin)
		_ = c.WriteDirect(cephAdmin, []byte("[client.admin]\n\tkey = standin\n"))
	}
	makeDir(c, sim.EtcPVE+"/ceph")
	linkConf(c)
	return 0
}

func linkConf(c *sim.Call) {
	if !shell.Exists(c, cephLink) {
		makeDir(c, "/etc/ceph")
		_ = c.Symlink(cephConf, cephLink)
	}
}

// addressIn finds the node's one address in a network of ceph.conf.
func addressIn(c *sim.Call, network string) (string, int) {
	prefix, err := netip.ParsePrefix(network)
	var found []string
	for _, a := range c.Addresses() {
		if ip, e := netip.ParseAddr(a); err == nil && e == nil && prefix.Contains(ip) && !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	switch len(found) {
	case 0:
		return "", c.Die("No active IP found for the requested ceph public network '%s' on node '%s'", network, c.Name())
	case 1:
		return found[0], 0
	}
	return "", c.Die("Multiple IPs for ceph public network '%s' detected on %s:\n%s\nuse 'mon-address' to specify one of them.", network, c.Name(), strings.Join(found, "\n"))
}

func setUpMon(c *sim.Call, _ []string, opt map[string]string) int {
	if !shell.Exists(c, "/usr/bin/ceph-mon") || shell.Exists(c, cephFlag) {
		return c.Die("binary not installed: /usr/bin/ceph-mon")
	}
	conf, _ := ini(c)
	id := c.Name()
	addr := opt["mon-address"]
	if addr == "" {
		a, code := addressIn(c, conf["global"]["public_network"])
		if code != 0 {
			return code
		}
		addr = a
	}
	for n, s := range conf {
		if strings.HasPrefix(n, "mon.") && s["public_addr"] == addr {
			return c.Exit(255, "monitor address '%s' already in use", addr)
		}
	}
	if conf["mon."+id] != nil {
		return c.Die("monitor '%s' already exists", id)
	}
	dir := daemonDir("mon", id)
	if shell.Exists(c, dir) {
		return c.Die("monitor filesystem '%s' already exist", dir)
	}
	others := Monitors(c)
	s := &Store{FSID: conf["global"]["fsid"], NextPool: 1}
	if len(others) > 0 {
		HeardWithin(c, 5*time.Second)
		have, _, ok := OpenStore(c)
		if !ok {
			return c.Die("Could not connect to ceph cluster despite configured monitors")
		}
		s = have
	}
	if !shell.Writable(c) {
		return c.Die("error writing '%s': Permission denied", cephConf)
	}
	return writeMon(c, s, dir, addr, len(others) == 0)
}

// writeMon makes the monitor, and the first one's manager with it.
func writeMon(c *sim.Call, s *Store, dir, addr string, first bool) int {
	id := c.Name()
	linkConf(c)
	makeDir(c, dir)
	c.Work(300 * time.Millisecond)
	raw, _ := json.Marshal(s)
	_ = c.WriteDirect(dir+"/store.json", raw)
	_ = c.WriteDirect(dir+"/keyring", []byte("standin"))
	c.Work(200 * time.Millisecond)
	conf, _ := ini(c)
	conf["mon."+id] = map[string]string{"public_addr": addr}
	hosts := strings.Fields(conf["global"]["mon_host"])
	conf["global"]["mon_host"] = strings.Join(append(hosts, addr), " ")
	conf["global"]["ms_bind_ipv4"], conf["global"]["ms_bind_ipv6"] = "true", "false"
	if err := writeINI(c, conf); err != nil {
		return c.Die("%v", err)
	}
	c.Work(200 * time.Millisecond)
	enable(c, "mon", id)
	c.Outf("Created symlink '%s' -> '/usr/lib/systemd/system/ceph-mon@.service'.\n", wantsPath("mon", id))
	c.Work(700 * time.Millisecond)
	if first {
		return makeService(c, "mgr")
	}
	return 0
}

func removeTree(c *sim.Call, dir string) {
	list, _ := c.ReadDir(dir)
	for _, e := range list {
		_ = c.Remove(dir + "/" + e.Name())
	}
	_ = c.Remove(dir)
}

func makeService(c *sim.Call, kind string) int {
	id, dir := c.Name(), daemonDir(kind, c.Name())
	long := map[string]string{"mgr": "manager", "mds": "MDS"}[kind]
	if shell.Exists(c, dir) {
		return c.Die("ceph %s directory '%s' already exists", long, dir)
	}
	if !HeardWithin(c, 10*time.Second) {
		return c.Die("got timeout")
	}
	c.Outf("creating %s directory '%s'\n", long, dir)
	makeDir(c, dir)
	c.Work(100 * time.Millisecond)
	c.Outf("creating keys for '%s.%s'\n", kind, id)
	_ = c.WriteDirect(dir+"/keyring", []byte("standin"))
	c.Outf("%s\n", map[string]string{"mgr": "setting owner for directory", "mds": "setting ceph as owner for service directory"}[kind])
	c.Work(100 * time.Millisecond)
	c.Outf("enabling service 'ceph-%s@%s.service'\n", kind, id)
	enable(c, kind, id)
	c.Outf("Created symlink '%s' -> '/usr/lib/systemd/system/ceph-%s@.service'.\nstarting service 'ceph-%s@%s.service'\n", wantsPath(kind, id), kind, kind, id)
	c.Work(500 * time.Millisecond)
	return 0
}
