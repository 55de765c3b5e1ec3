package ceph

import (
	"slices"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// monDestroy takes a monitor out. The real one wants its directory on the node
// where it is typed, also where the monitor was another node's
// (PVE/API2/Ceph/MON.pm, assert_mon_can_remove).
func monDestroy(c *sim.Call, words []string, _ map[string]string) int {
	id := words[len(words)-1]
	conf, _ := ini(c)
	section := conf["mon."+id]
	if section == nil {
		return c.Die("no such monitor id '%s'", id)
	}
	dir := daemonDir("mon", id)
	if !shell.Exists(c, dir) {
		return c.Exit(2, "monitor filesystem '%s' does not exist on this node", dir)
	}
	if len(Monitors(c)) < 2 {
		return c.Die("can't remove last monitor")
	}
	if !HeardWithin(c, 10*time.Second) {
		return c.Die("got timeout")
	}
	_ = c.Unit("disable", unitName("mon", id))
	_ = c.Unit("stop", unitName("mon", id))
	if id == c.Name() {
		c.Outf("Removed '%s'.\n", wantsPath("mon", id))
	}
	hosts := slices.DeleteFunc(strings.Fields(conf["global"]["mon_host"]), func(h string) bool { return h == section["public_addr"] })
	conf["global"]["mon_host"] = strings.Join(hosts, " ")
	delete(conf, "mon."+id)
	if err := writeINI(c, conf); err != nil {
		return c.Die("%v", err)
	}
	c.Work(200 * time.Millisecond)
	removeTree(c, dir)
	return 0
}
