package tools

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/tools/shell"
)

// qm is the tool for guests: create, set, start, stop, status, list, migrate,
// destroy. A guest is its configuration file and, where it runs, a mark below
// /run of its node.
func qm(c *sim.Call) int {
	c.Work(600 * time.Millisecond)
	words, opt := shell.Options(c.Argv[1:])
	if len(words) == 0 {
		return c.Exit(255, "ERROR: no command specified")
	}
	if words[0] == "list" {
		return qmList(c)
	}
	if len(words) < 2 {
		return c.Usage("vmid", "property is missing and it is not optional", "qm "+words[0]+" <vmid>")
	}
	id := words[1]
	conf := guestConf(c.Name(), id)
	if words[0] != "create" && !shell.Exists(c, conf) {
		return c.Exit(255, "Configuration file 'nodes/%s/qemu-server/%s.conf' does not exist", c.Name(), id)
	}
	switch words[0] {
	case "create":
		return qmCreate(c, id, opt)
	case "set":
		return qmSet(c, conf, opt)
	case "status":
		state := "stopped"
		if shell.Exists(c, runMark(id)) {
			state = "running"
		}
		c.Outf("status: %s\n", state)
		return 0
	case "start":
		return qmStart(c, id)
	case "stop", "shutdown":
		c.Work(800 * time.Millisecond)
		guestsOf(c).End(id)
		_ = c.Remove(runMark(id))
		return 0
	case "migrate":
		return qmMigrate(c, id, words, opt)
	case "destroy":
		return qmDestroy(c, id, conf)
	}
	return c.Unknown(255, "qm", words[0])
}

func qmCreate(c *sim.Call, id string, opt map[string]string) int {
	if node := guestAt(c, id); node != "" {
		return c.Exit(255, "unable to create VM %s: config file already exists", id)
	}
	return shell.WithLock(c, "file-qemu-server", func() error { return c.WriteDirect(guestConf(c.Name(), id), guestText(opt)) })
}

func guestText(opt map[string]string) []byte {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(opt)) {
		fmt.Fprintf(&b, "%s: %s\n", k, opt[k])
	}
	return []byte(b.String())
}

func qmSet(c *sim.Call, conf string, opt map[string]string) int {
	_, kv := lines(c, conf)
	for k, v := range opt {
		if strings.HasPrefix(k, "scsi") && k != "scsihw" {
			poolName, image, _ := strings.Cut(v, ":")
			s, _, ok := ceph.OpenStore(c)
			if !ok || !s.Has(poolName, image) {
				return c.Die("volume '%s' does not exist", v)
			}
			c.Outf("update VM %s: -%s %s\n", strings.TrimSuffix(conf[strings.LastIndex(conf, "/")+1:], ".conf"), k, v)
		}
		kv[k] = v
	}
	return c.Done(c.WriteDirect(conf, guestText(kv)))
}

func managed(m sim.Machine, id string) bool {
	return slices.ContainsFunc(readSections(m, haResources), func(s haSection) bool { return s.id == id })
}

func qmStart(c *sim.Call, id string) int {
	if shell.Exists(c, runMark(id)) {
		return c.Exit(255, "VM %s already running", id)
	}
	if !ceph.HeardWithin(c, 5*time.Second) {
		return c.Die("start failed: rbd error: rbd: couldn't connect to the cluster!")
	}
	c.Work(900 * time.Millisecond)
	if err := startGuest(c, id); err != nil {
		return c.Die("start failed: %v", err)
	}
	return 0
}

func qmList(c *sim.Call) int {
	found, _ := c.ReadDir(sim.EtcPVE + "/nodes/" + c.Name() + "/qemu-server")
	var ids []int
	for _, e := range found {
		if n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".conf")); err == nil {
			ids = append(ids, n)
		}
	}
	if len(ids) == 0 {
		return 0
	}
	slices.Sort(ids)
	c.Outf("      VMID NAME                 STATUS     MEM(MB)    BOOTDISK(GB) PID       \n")
	for _, n := range ids {
		_, kv := lines(c, guestConf(c.Name(), fmt.Sprint(n)))
		state, pid := "stopped", 0
		if shell.Exists(c, runMark(fmt.Sprint(n))) {
			raw, _ := c.ReadFile(runMark(fmt.Sprint(n)))
			state, pid = "running", shell.Number(strings.TrimSpace(string(raw)), 0)
		}
		c.Outf("%10d %-20s %-10s %-10s %12.2f %-10d\n", n, kv["name"], state, kv["memory"], 0.0, pid)
	}
	return 0
}

func qmMigrate(c *sim.Call, id string, words []string, opt map[string]string) int {
	if len(words) < 3 {
		return c.Usage("target", "property is missing and it is not optional", "qm migrate <vmid> <target>")
	}
	target := words[2]
	if managed(c, id) {
		c.Outf("Requesting HA migration for VM %s to node %s\n", id, target)
		return haQueue(c, fmt.Sprintf("migrate vm:%s %s", id, target))
	}
	if shell.Exists(c, runMark(id)) && opt["online"] != "1" {
		return c.Die("can't migrate running VM without --online")
	}
	at := func() string { return c.Now().Format("2006-01-02 15:04:05") }
	c.Outf("%s starting migration of VM %s to node '%s' (%s)\n%s starting VM %s on remote node '%s'\n", at(), id, target, first(c.Addresses()), at(), id, target)
	c.Work(3 * time.Second)
	if shell.Exists(c, noMigration) {
		c.Outf("%s ERROR: online migrate failure - remote command failed with exit code 255\n%s aborting phase 2 - cleanup resources\n%s ERROR: migration finished with problems (duration 00:00:03)\n", at(), at(), at())
		return c.Exit(255, "migration problems")
	}
	c.Outf("%s start remote tunnel\n%s starting online/live migration on unix:/run/qemu-server/%s.migrate\n", at(), at(), id)
	c.Work(2 * time.Second)
	downtime, err := moveGuest(c, id, target)
	if err != nil {
		return c.Exit(255, "%v\nmigration aborted", err)
	}
	if downtime == 0 {
		downtime = time.Duration(30+c.Random(50)) * time.Millisecond
	}
	c.Outf("%s average migration speed: 256.0 MiB/s - downtime %d ms\n%s migration status: completed\n", at(), downtime.Milliseconds(), at())
	c.Work(time.Second)
	c.Outf("%s migration finished successfully (duration 00:00:06)\n", at())
	return 0
}

func qmDestroy(c *sim.Call, id, conf string) int {
	switch {
	case shell.Exists(c, runMark(id)):
		return c.Exit(255, "VM %s is running - destroy failed", id)
	case managed(c, id):
		return c.Exit(255, "unable to remove VM %s - used in HA resources and purge parameter not set.", id)
	}
	ceph.HeardWithin(c, 10*time.Second)
	ok := ceph.Amend(c, func(s *ceph.Store) {
		for name := range s.Objects {
			if strings.Contains(name, "/vm-"+id+"-disk-") {
				delete(s.Objects, name)
			}
		}
	})
	if !ok {
		return c.Die("rbd error: rbd: couldn't connect to the cluster!")
	}
	c.Work(500 * time.Millisecond)
	_ = c.Remove(conf)
	return 0
}

// getNextID is GET /cluster/nextid: a number as text.
func getNextID(c *sim.Call, _ string, _ map[string]string) (any, int) {
	for id := 100; ; id++ {
		if guestAt(c, strconv.Itoa(id)) == "" {
			return strconv.Itoa(id), 0
		}
	}
}
