package ceph

import (
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// mdsCreate writes the section first and makes the directory after it, as the
// real one does: a power cut between them leaves a section without a server.
func mdsCreate(c *sim.Call, _ []string, _ map[string]string) int {
	if !HeardWithin(c, 10*time.Second) {
		return c.Die("got timeout")
	}
	id := c.Name()
	conf, _ := ini(c)
	section := "mds." + id
	if conf[section] != nil {
		return c.Die("MDS '%s' already referenced in ceph config, abort!", id)
	}
	conf["mds"] = map[string]string{"keyring": "/var/lib/ceph/mds/ceph-$id/keyring"}
	conf[section] = map[string]string{"host": id}
	if err := writeINI(c, conf); err != nil {
		return c.Die("%v", err)
	}
	code := makeService(c, "mds")
	if code != 0 {
		c.Errf("Encountered error, remove '%s' from ceph.conf\n", section)
		if err := dropSection(c, section); err != nil {
			return c.Die("%v", err)
		}
	}
	return code
}

// mdsDestroy takes the section, the unit, the directory and the key away, as
// far as they are there.
func mdsDestroy(c *sim.Call, words []string, _ map[string]string) int {
	if !HeardWithin(c, 10*time.Second) {
		return c.Die("got timeout")
	}
	id := words[len(words)-1]
	if err := dropSection(c, "mds."+id); err != nil {
		return c.Die("%v", err)
	}
	c.Outf("disabling service 'ceph-mds@%s.service'\nstopping service 'ceph-mds@%s.service'\n", id, id)
	_ = c.Unit("disable", unitName("mds", id))
	_ = c.Unit("stop", unitName("mds", id))
	if dir := daemonDir("mds", id); shell.Exists(c, dir) {
		c.Outf("removing ceph-mds directory '%s'\n", dir)
		removeTree(c, dir)
	} else {
		c.Errf("cannot cleanup MDS %s directory, '%s' not found\n", id, dir)
	}
	c.Work(100 * time.Millisecond)
	c.Outf("removing ceph auth for 'mds.%s'\n", id)
	return 0
}

func dropSection(c *sim.Call, section string) error {
	conf, _ := ini(c)
	if conf[section] == nil {
		return nil
	}
	delete(conf, section)
	return writeINI(c, conf)
}
