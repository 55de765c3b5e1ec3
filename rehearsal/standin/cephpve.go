package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// cephReleaseFile remembers which release pveceph installed.
const cephReleaseFile = "/var/lib/pvestandin/ceph-release"

func cephRelease(m Machine) string {
	raw, _ := m.ReadFile(cephReleaseFile)
	if r := strings.TrimSpace(string(raw)); r != "" {
		return r
	}
	return "tentacle"
}

func cephNumber(m Machine) string {
	return map[string]string{"squid": "19.2.3", "tentacle": "20.2.0", "reef": "18.2.7"}[cephRelease(m)]
}

// pveceph is Proxmox VE's tool for Ceph. install, init, mon, mgr, mds and osd
// are honest about failure; pool and fs return 0 whatever happened.
func pveceph(c *Call) int {
	c.Work(500 * time.Millisecond)
	words, opt := options(c.Argv[1:])
	if len(words) == 0 {
		c.Errf("ERROR: no command specified\n")
		return 255
	}
	switch strings.Join(words[:min(2, len(words))], " ") {
	case "install":
		return cephInstall(c, opt)
	case "init":
		return cephInit(c, opt)
	case "status":
		if missing := notInitialised(c); missing != "" {
			c.Errf("pveceph configuration not initialized - missing %s\n", missing)
			return 2
		}
		k, ok := judge(c)
		if !ok {
			c.Sleep(10 * time.Second)
			return c.Die("got timeout")
		}
		c.Outf("%s", statusText(c, k))
		return 0
	case "mon create":
		return monCreate(c, opt)
	case "mon destroy":
		return monDestroy(c, words)
	case "mgr create":
		return serviceCreate(c, "mgr")
	case "mds create":
		return serviceCreate(c, "mds")
	case "osd create":
		return osdCreate(c, words)
	case "osd destroy":
		return osdDestroy(c, words)
	case "pool create":
		return poolCreate(c, words, opt)
	case "pool set":
		return poolSet(c, words, opt)
	case "fs create":
		return fsCreate(c, opt)
	}
	c.Errf("ERROR: unknown command 'pveceph %s'\n", strings.Join(words, " "))
	return 255
}

func notInitialised(m Machine) string {
	var missing []string
	for _, p := range []string{cephConf, pveDir + "/ceph"} {
		if !exists(m, p) {
			missing = append(missing, "'"+p+"'")
		}
	}
	return strings.Join(missing, ", missing ")
}

func cephInstall(c *Call, opt map[string]string) int {
	_ = c.WriteDirect("/etc/apt/sources.list.d/ceph.sources", []byte("Types: deb\nURIs: http://download.proxmox.com/debian/ceph-"+opt["version"]+"\nSuites: trixie\nComponents: "+opt["repository"]+"\n"))
	c.Outf("start installation\n")
	_ = c.WriteDirect(cephFlag, nil)
	c.Work(3 * time.Second)
	assume := false
	for _, e := range c.Env {
		if file, ok := strings.CutPrefix(e, "APT_CONFIG="); ok {
			raw, _ := c.ReadFile(file)
			assume = strings.Contains(string(raw), `APT::Get::Assume-Yes "true"`)
		}
	}
	failed := func(code int) int {
		_ = c.Remove(cephFlag)
		return c.Die("apt failed during ceph installation (%d)", code)
	}
	if exists(c, offlineMark) { // what apt-get update says is swallowed
		c.Errf("E: Unable to locate package ceph\nE: Unable to locate package ceph-volume\n")
		return failed(25600)
	}
	if exists(c, cephHalf) {
		c.Errf("E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.\n")
		return failed(25600)
	}
	if !assume {
		c.Outf("Do you want to continue? [Y/n] Abort.\n")
		return failed(256)
	}
	c.Work(8 * time.Second)
	_ = c.WriteDirect(cephHalf, []byte("half"))
	c.Work(12 * time.Second)
	_ = c.WriteDirect(cephReleaseFile, []byte(opt["version"]+"\n"))
	installPrograms(c.Machine)
	c.Work(6 * time.Second)
	_ = c.Remove(cephHalf)
	_ = c.Remove(cephFlag)
	c.Outf("installed Ceph %s %s%s successfully!\n\nreloading API to load new Ceph RADOS library...\n", strings.TrimSuffix(cephNumber(c), ".0"), strings.ToUpper(opt["version"][:1]), opt["version"][1:])
	return 0
}

func installPrograms(m Machine) {
	for _, p := range cephPrograms {
		if !exists(m, p) {
			_ = m.WriteDirect(p, []byte("#!/usr/bin/pvestandin\n"))
			_ = m.Chmod(p, 0o755)
		}
	}
}

// dpkg knows --audit and --configure -a.
func dpkg(c *Call) int {
	c.Work(100 * time.Millisecond)
	switch strings.Join(c.Argv[1:], " ") {
	case "--audit":
		if exists(c, cephHalf) {
			c.Outf("The following packages are only half configured, probably due to problems\nconfiguring them the first time.  The configuration should be retried using\ndpkg --configure <package> or the configure menu option in dselect:\n ceph-volume          Ceph tool for OSD deployment\n")
		}
	case "--configure -a", "--configure -a --force-confnew", "--force-confnew --configure -a":
		c.Work(4 * time.Second)
		_ = c.Remove(cephHalf)
	}
	return 0
}

func randomUUID(c *Call) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(c.Now(), c.Random(1<<30), c.Random(1<<30))))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

func cephInit(c *Call, opt map[string]string) int {
	if !exists(c, "/usr/bin/ceph-mon") || exists(c, cephFlag) {
		return c.Die("binary not installed: /usr/bin/ceph-mon")
	}
	if i, err := c.Lstat(cephLink); err == nil && i.Mode().IsRegular() {
		return c.Die("file '%s' already exists and is not a symlink to %s", cephLink, cephConf)
	}
	if !isWritable(c) {
		return WithLock(c, "file-ceph_conf", func() error { return nil })
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
	if !exists(c, cephAdmin) {
		c.Outf("creating %s\n", cephAdmin)
		_ = c.WriteDirect(cephAdmin, []byte("[client.admin]\n\tkey = standin\n"))
	}
	makeDir(c, pveDir+"/ceph")
	linkConf(c)
	return 0
}

func linkConf(c *Call) {
	if !exists(c, cephLink) {
		makeDir(c, "/etc/ceph")
		_ = c.Symlink(cephConf, cephLink)
	}
}

// addressIn finds the node's one address in a network of ceph.conf.
func addressIn(c *Call, network string) (string, int) {
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

func monCreate(c *Call, opt map[string]string) int {
	if missing := notInitialised(c); missing != "" {
		return c.Die("pveceph configuration not initialized - missing %s", missing)
	}
	if !exists(c, "/usr/bin/ceph-mon") || exists(c, cephFlag) {
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
			c.Errf("monitor address '%s' already in use\n", addr)
			return 255
		}
	}
	if conf["mon."+id] != nil {
		return c.Die("monitor '%s' already exists", id)
	}
	dir := daemonDir("mon", id)
	if exists(c, dir) || c.Now().Before(monitorSeenUntil(c, id)) {
		return c.Die("monitor filesystem '%s' already exist", dir)
	}
	others := monitors(c)
	s := &store{FSID: conf["global"]["fsid"], NextPool: 1}
	if len(others) > 0 {
		have, _, ok := openStore(c)
		if !ok {
			c.Sleep(5 * time.Second)
			return c.Die("Could not connect to ceph cluster despite configured monitors")
		}
		s = have
	}
	if !isWritable(c) {
		return c.Die("error writing '%s': Permission denied", cephConf)
	}
	linkConf(c)
	makeDir(c, dir)
	c.Work(300 * time.Millisecond)
	raw, _ := json.Marshal(s)
	_ = c.WriteDirect(dir+"/store.json", raw)
	_ = c.WriteDirect(dir+"/keyring", []byte("standin"))
	c.Work(200 * time.Millisecond)
	conf, _ = ini(c)
	conf["mon."+id] = map[string]string{"public_addr": addr}
	hosts := strings.Fields(conf["global"]["mon_host"])
	conf["global"]["mon_host"] = strings.Join(append(hosts, addr), " ")
	conf["global"]["ms_bind_ipv4"], conf["global"]["ms_bind_ipv6"] = "true", "false"
	if err := writeINI(c, conf); err != nil {
		return c.Die("%v", err)
	}
	c.Work(200 * time.Millisecond)
	_ = c.Remove(stoppedMark("mon", id))
	enable(c, "mon", id)
	c.Outf("Created symlink '%s' -> '/usr/lib/systemd/system/ceph-mon@.service'.\n", wantsPath("mon", id))
	c.Work(700 * time.Millisecond)
	if len(others) == 0 {
		return makeService(c, "mgr")
	}
	return 0
}

// monitorSeenUntil is until when pvestatd still broadcasts a directory that
// was removed: its rounds are ten seconds.
func monitorSeenUntil(c *Call, id string) time.Time {
	raw, err := c.ReadFile("/run/ceph/mon-seen-" + id)
	if err != nil {
		return time.Time{}
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	return time.Unix(n, 0)
}

func monDestroy(c *Call, words []string) int {
	id := words[len(words)-1]
	conf, _ := ini(c)
	section := conf["mon."+id]
	if section == nil {
		return c.Die("no such monitor id '%s'", id)
	}
	if len(monitors(c)) < 2 {
		return c.Die("can't remove last monitor")
	}
	hosts := slices.DeleteFunc(strings.Fields(conf["global"]["mon_host"]), func(h string) bool { return h == section["public_addr"] })
	conf["global"]["mon_host"] = strings.Join(hosts, " ")
	delete(conf, "mon."+id)
	if err := writeINI(c, conf); err != nil {
		return c.Die("%v", err)
	}
	if id == c.Name() {
		_ = c.Remove(wantsPath("mon", id))
		c.Outf("Removed '%s'.\n", wantsPath("mon", id))
		removeTree(c, daemonDir("mon", id))
	}
	return 0
}

func removeTree(c *Call, dir string) {
	list, _ := c.ReadDir(dir)
	for _, e := range list {
		_ = c.Remove(dir + "/" + e.Name())
	}
	_ = c.Remove(dir)
}

// serviceCreate is mgr create and mds create.
func serviceCreate(c *Call, kind string) int {
	if missing := notInitialised(c); missing != "" {
		return c.Die("pveceph configuration not initialized - missing %s", missing)
	}
	if kind == "mds" {
		if conf, _ := ini(c); conf["mds."+c.Name()] != nil {
			return c.Die("MDS '%s' already referenced in ceph config, abort!", c.Name())
		}
	}
	return makeService(c, kind)
}

func makeService(c *Call, kind string) int {
	id, dir := c.Name(), daemonDir(kind, c.Name())
	if exists(c, dir) {
		return c.Die("ceph %s directory '%s' already exists", map[string]string{"mgr": "manager", "mds": "MDS"}[kind], dir)
	}
	if quorum(c) == nil {
		c.Sleep(10 * time.Second)
		return c.Die("got timeout")
	}
	c.Outf("creating %s directory '%s'\n", map[string]string{"mgr": "manager", "mds": "MDS"}[kind], dir)
	makeDir(c, dir)
	c.Work(100 * time.Millisecond)
	c.Outf("creating keys for '%s.%s'\n", kind, id)
	_ = c.WriteDirect(dir+"/keyring", []byte("standin"))
	c.Outf("%s\n", map[string]string{"mgr": "setting owner for directory", "mds": "setting ceph as owner for service directory"}[kind])
	if kind == "mds" {
		conf, _ := ini(c)
		conf["mds"] = map[string]string{"keyring": "/var/lib/ceph/mds/ceph-$id/keyring"}
		conf["mds."+id] = map[string]string{"host": id}
		if err := writeINI(c, conf); err != nil {
			return c.Die("%v", err)
		}
	}
	c.Work(100 * time.Millisecond)
	c.Outf("enabling service 'ceph-%s@%s.service'\n", kind, id)
	enable(c, kind, id)
	c.Outf("Created symlink '%s' -> '/usr/lib/systemd/system/ceph-%s@.service'.\nstarting service 'ceph-%s@%s.service'\n", wantsPath(kind, id), kind, kind, id)
	_ = c.Remove(stoppedMark(kind, id))
	c.Work(500 * time.Millisecond)
	return 0
}

// poolCreate returns 0 whatever happens: it runs as a worker.
func poolCreate(c *Call, words []string, opt map[string]string) int {
	if len(words) < 3 {
		c.Errf("400 not enough arguments\npveceph pool create <name> [OPTIONS]\n")
		return 255
	}
	name := words[2]
	s, _, ok := openStore(c)
	if !ok {
		c.Sleep(10 * time.Second)
		c.Errf("got timeout\n")
		return 0
	}
	if err := makePool(c, s, name, opt); err != nil {
		c.Errf("%v\n", err)
		return 0
	}
	if opt["add_storages"] == "1" {
		c.Work(300 * time.Millisecond)
		if err := addStorage(c, "rbd", name, fmt.Sprintf("\tcontent images,rootdir\n\tkrbd 0\n\tpool %s\n", name)); err != nil {
			c.Errf("adding PVE storage for ceph pool '%s' failed: %v \n", name, err)
		}
	}
	return 0
}

func numberOr(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}

// makePool makes the pool first and gives it its properties after that, one by one.
func makePool(c *Call, s *store, name string, opt map[string]string) error {
	pgs := numberOr(opt["pg_num"], 128)
	p := s.pool(name)
	made := p == nil
	if made {
		if err := fits(s, pgs); err != nil {
			return err
		}
		s.NextPool++
		s.Pools = append(s.Pools, pool{ID: s.NextPool, Name: name, Size: 3, MinSize: 2, PGs: pgs, Autoscale: "on"})
		s.save(c)
		c.Work(1200 * time.Millisecond)
	}
	mode := opt["pg_autoscale_mode"]
	if mode == "" {
		mode = "warn"
	}
	app := opt["application"]
	if app == "" {
		app = "rbd"
	}
	return setPool(c, name, []setting{{"size", opt["size"]}, {"application", app}, {"min_size", opt["min_size"]}, {"pg_autoscale_mode", mode}, {"pg_num", fmt.Sprint(pgs)}})
}

// fits is the monitors' limit on placement groups.
func fits(s *store, pgs int) error {
	in, replicas := 0, pgs*3
	for _, o := range s.OSDs {
		if !o.Out && o.Host != "" {
			in++
		}
	}
	for _, p := range s.Pools {
		replicas += p.PGs * p.Size
	}
	if in == 0 || replicas/in <= pgsPerOSD {
		return nil
	}
	return fmt.Errorf("error with 'osd pool create': mon_command failed -  pg_num %d size 3 for this pool would result in %d cumulative PGs per OSD (%d total PG replicas on %d 'in' root OSDs by crush rule) which exceeds the mon_max_pg_per_osd value of %d ",
		pgs, replicas/in, replicas, in, pgsPerOSD)
}

type setting struct{ key, value string }

func setPool(c *Call, name string, settings []setting) error {
	s, _, ok := openStore(c)
	if !ok {
		return fmt.Errorf("got timeout")
	}
	for _, set := range settings {
		p := s.pool(name)
		if p == nil {
			return fmt.Errorf("mon_command failed - unrecognized pool '%s'", name)
		}
		before := *p
		switch set.key {
		case "size":
			p.Size = numberOr(set.value, p.Size)
		case "min_size":
			p.MinSize = numberOr(set.value, p.MinSize)
		case "pg_num":
			p.PGs = numberOr(set.value, p.PGs)
		case "pg_autoscale_mode":
			p.Autoscale = set.value
		case "application":
			if !slices.Contains(p.Apps, set.value) {
				p.Apps = append(p.Apps, set.value)
			}
			c.Outf("pool %s: applying application = %s\n", name, set.value)
			s.save(c)
			c.Work(200 * time.Millisecond)
			continue
		}
		if before.Size == p.Size && before.MinSize == p.MinSize && before.PGs == p.PGs && before.Autoscale == p.Autoscale {
			c.Outf("skipping '%s', did not change\n", set.key)
			continue
		}
		c.Outf("pool %s: applying %s = %s\n", name, set.key, set.value)
		s.save(c)
		c.Work(200 * time.Millisecond)
	}
	return nil
}

func poolSet(c *Call, words []string, opt map[string]string) int {
	var settings []setting
	for _, k := range []string{"size", "application", "min_size", "pg_autoscale_mode", "pg_num"} {
		if v, ok := opt[k]; ok {
			settings = append(settings, setting{k, v})
		}
	}
	if err := setPool(c, words[2], settings); err != nil {
		return c.Die("%v", err)
	}
	return 0
}

func fsCreate(c *Call, opt map[string]string) int {
	name := opt["name"]
	if name == "" {
		name = "cephfs"
	}
	s, _, ok := openStore(c)
	servers := metadataServers(c)
	switch {
	case !ok:
		c.Errf("got timeout\n")
		return 0
	case slices.Contains(s.FS, name):
		return c.Die("ceph fs '%s' already exists", name)
	case len(servers) == 0:
		return c.Die("no running Metadata Server (MDS) found!")
	case len(servers) == len(s.FS):
		return c.Die("no standby Metadata Server (MDS) found!")
	case s.pool(name+"_data") != nil || s.pool(name+"_metadata") != nil:
		return c.Die("ceph pools '%s_data' and/or '%s_metadata' already exist", name, name)
	}
	pgs := numberOr(opt["pg_num"], 128)
	c.Outf("creating data pool '%s_data'...\n", name)
	if err := makePool(c, s, name+"_data", map[string]string{"pg_num": fmt.Sprint(pgs), "application": "cephfs", "pg_autoscale_mode": "on"}); err != nil {
		c.Errf("%v\n", err)
		return 0
	}
	c.Outf("creating metadata pool '%s_metadata'...\n", name)
	s, _, _ = openStore(c)
	if err := makePool(c, s, name+"_metadata", map[string]string{"pg_num": fmt.Sprint(max(8, pgs/4)), "application": "cephfs", "pg_autoscale_mode": "on"}); err != nil {
		c.Errf("%v\n", err)
		return 0
	}
	c.Outf("configuring new CephFS '%s'\n", name)
	s, _, _ = openStore(c)
	s.FS = append(s.FS, name)
	s.save(c)
	c.Outf("Successfully create CephFS '%s'\n", name)
	if opt["add-storage"] == "1" {
		c.Outf("Adding '%s' to storage configuration...\nWaiting for an MDS to become active\n", name)
		c.Work(3 * time.Second)
		if err := addStorage(c, "cephfs", name, fmt.Sprintf("\tpath /mnt/pve/%s\n\tcontent backup,vztmpl,iso\n\tfs-name %s\n", name, name)); err != nil {
			c.Errf("adding storage for CephFS '%s' failed, check log and add manually! %v \n", name, err)
		}
	}
	return 0
}

const storageFile = pveDir + "/storage.cfg"

func addStorage(m Machine, kind, id, body string) error {
	raw, _ := m.ReadFile(storageFile)
	if slices.Contains(storageIDs(string(raw)), id) {
		return fmt.Errorf("create storage failed: storage ID '%s' already defined", id)
	}
	if err := m.WriteDirect(storageFile, []byte(kind+": "+id+"\n"+body+"\n"+string(raw))); err != nil {
		return fmt.Errorf("create storage failed: %v", err)
	}
	if kind == "rbd" {
		makeDir(m, pveDir+"/priv/ceph")
		_ = m.WriteDirect(pveDir+"/priv/ceph/"+id+".keyring", []byte("standin"))
	}
	return nil
}

func storageIDs(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if _, id, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.HasPrefix(line, "\t") {
			out = append(out, id)
		}
	}
	return out
}

// pvesm knows add and status.
func pvesm(c *Call) int {
	c.Work(500 * time.Millisecond)
	words, opt := options(c.Argv[1:])
	switch {
	case len(words) == 3 && words[0] == "add":
		body := fmt.Sprintf("\tcontent %s\n\tkrbd 0\n\tpool %s\n", opt["content"], opt["pool"])
		if words[1] == "cephfs" {
			body = fmt.Sprintf("\tpath /mnt/pve/%s\n\tcontent %s\n\tfs-name %s\n", words[2], opt["content"], opt["fs-name"])
		}
		return WithLock(c, "file-storage_cfg", func() error { return addStorage(c, words[1], words[2], body) })
	case len(words) == 1 && words[0] == "status":
		raw, _ := c.ReadFile(storageFile)
		c.Outf("Name          Type     Status     Total (KiB)      Used (KiB) Available (KiB)        %%\n")
		list := []string{}
		for line := range strings.Lines(string(raw)) {
			if kind, id, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.HasPrefix(line, "\t") {
				list = append(list, id+" "+kind)
			}
		}
		sort.Strings(list)
		for _, l := range list {
			id, kind, _ := strings.Cut(l, " ")
			if kind != "dir" && !storageUp(c, id) {
				c.Errf("could not get usage stats for pool '%s'\n", id)
				c.Outf("%-12s %5s   inactive               0               0               0    0.00%%\n", id, kind)
				continue
			}
			c.Outf("%-12s %5s     active       264212084        53464544        42036720   20.24%%\n", id, kind)
		}
		return 0
	}
	c.Errf("ERROR: unknown command 'pvesm %s'\n", strings.Join(words, " "))
	return 255
}

func storageUp(c *Call, id string) bool {
	k, ok := judge(c)
	return ok && k.up >= 2 && (k.store.pool(id) != nil || slices.Contains(k.store.FS, id))
}
