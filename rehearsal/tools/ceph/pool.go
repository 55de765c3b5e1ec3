package ceph

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// poolCreate returns 0 whatever happens: it runs as a worker.
func poolCreate(c *sim.Call, words []string, opt map[string]string) int {
	if len(words) < 3 {
		return c.Exit(255, "400 not enough arguments\npveceph pool create <name> [OPTIONS]")
	}
	name := words[2]
	HeardWithin(c, 10*time.Second)
	s, _, ok := OpenStore(c)
	if !ok {
		return c.Exit(0, "got timeout")
	}
	if err := makePool(c, s, name, opt); err != nil {
		return c.Exit(0, "%v", err)
	}
	if opt["add_storages"] == "1" {
		c.Work(300 * time.Millisecond)
		if err := addStorage(c, "rbd", name, fmt.Sprintf("\tcontent images,rootdir\n\tkrbd 0\n\tpool %s\n", name)); err != nil {
			c.Errf("adding PVE storage for ceph pool '%s' failed: %v \n", name, err)
		}
	}
	return 0
}

// makePool makes the pool first and gives it its properties after that, one by one.
func makePool(c *sim.Call, s *Store, name string, opt map[string]string) error {
	pgs := shell.Number(opt["pg_num"], 128)
	p := s.pool(name)
	made := p == nil
	if made {
		if err := fits(s, pgs); err != nil {
			return err
		}
		Amend(c, func(s *Store) {
			s.NextPool++
			s.Pools = append(s.Pools, pool{ID: s.NextPool, Name: name, Size: 3, MinSize: 2, PGs: pgs, Autoscale: "on"})
		})
		c.Work(1200 * time.Millisecond)
	}
	settings := []setting{{"size", opt["size"]}, {"application", cmp.Or(opt["application"], "rbd")}, {"min_size", opt["min_size"]},
		{"pg_autoscale_mode", cmp.Or(opt["pg_autoscale_mode"], "warn")}, {"pg_num", fmt.Sprint(pgs)}}
	if ratio := opt["target_size_ratio"]; ratio != "" {
		settings = append(settings, setting{"target_size_ratio", ratio})
	}
	return setPool(c, name, settings)
}

// fits is the monitors' limit on placement groups.
func fits(s *Store, pgs int) error {
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

// options are what a pool was given beyond what every one has.
func (p pool) options() shell.Object {
	if p.Ratio == 0 {
		return shell.Object{}
	}
	return shell.Object{"target_size_ratio": p.Ratio}
}

type setting struct{ key, value string }

func setPool(c *sim.Call, name string, settings []setting) error {
	s, _, ok := OpenStore(c)
	if !ok {
		return fmt.Errorf("got timeout")
	}
	for _, set := range settings {
		p := s.pool(name)
		if p == nil {
			return fmt.Errorf("mon_command failed - unrecognized pool '%s'", name)
		}
		if !p.apply(set) {
			c.Outf("skipping '%s', did not change\n", set.key)
			continue
		}
		c.Outf("pool %s: applying %s = %s\n", name, set.key, set.value)
		Amend(c, func(s *Store) {
			if now := s.pool(name); now != nil {
				now.apply(set)
			}
		})
		c.Work(200 * time.Millisecond)
	}
	return nil
}

// apply sets one property and tells whether there was anything to do.
func (p *pool) apply(set setting) bool {
	before := *p
	switch set.key {
	case "size":
		p.Size = shell.Number(set.value, p.Size)
	case "min_size":
		p.MinSize = shell.Number(set.value, p.MinSize)
	case "pg_num":
		p.PGs = shell.Number(set.value, p.PGs)
	case "target_size_ratio":
		if ratio, err := strconv.ParseFloat(set.value, 64); err == nil {
			p.Ratio = ratio
		}
	case "pg_autoscale_mode":
		p.Autoscale = set.value
	case "application": // is set again each time
		if !slices.Contains(p.Apps, set.value) {
			p.Apps = append(p.Apps, set.value)
		}
		return true
	}
	return before.Size != p.Size || before.MinSize != p.MinSize || before.PGs != p.PGs || before.Autoscale != p.Autoscale || before.Ratio != p.Ratio
}

func poolSet(c *sim.Call, words []string, opt map[string]string) int {
	var settings []setting
	for _, k := range []string{"size", "application", "min_size", "pg_autoscale_mode", "target_size_ratio", "pg_num"} {
		if v, ok := opt[k]; ok {
			settings = append(settings, setting{k, v})
		}
	}
	return c.Done(setPool(c, words[2], settings))
}

func fsCreate(c *sim.Call, _ []string, opt map[string]string) int {
	name := cmp.Or(opt["name"], "cephfs")
	s, _, ok := OpenStore(c)
	servers := running(c, "mds")
	switch {
	case !ok:
		return c.Exit(0, "got timeout")
	case slices.Contains(s.FS, name):
		return c.Die("ceph fs '%s' already exists", name)
	case len(servers) == 0:
		return c.Die("no running Metadata Server (MDS) found!")
	case len(servers) == len(s.FS):
		return c.Die("no standby Metadata Server (MDS) found!")
	case s.pool(name+"_data") != nil || s.pool(name+"_metadata") != nil:
		return c.Die("ceph pools '%s_data' and/or '%s_metadata' already exist", name, name)
	}
	pgs := shell.Number(opt["pg_num"], 128)
	for _, p := range []struct {
		kind string
		pgs  int
	}{{"data", pgs}, {"metadata", max(8, pgs/4)}} {
		c.Outf("creating %s pool '%s_%[1]s'...\n", p.kind, name)
		if s, _, ok = OpenStore(c); !ok {
			return c.Exit(0, "got timeout")
		}
		if err := makePool(c, s, name+"_"+p.kind, map[string]string{"pg_num": fmt.Sprint(p.pgs), "application": "cephfs", "pg_autoscale_mode": "on"}); err != nil {
			return c.Exit(0, "%v", err)
		}
	}
	c.Outf("configuring new CephFS '%s'\n", name)
	Amend(c, func(s *Store) { s.FS = append(s.FS, name) })
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

const storageFile = sim.EtcPVE + "/storage.cfg"

func addStorage(m sim.Machine, kind, id, body string) error {
	raw, _ := m.ReadFile(storageFile)
	if storages(string(raw))[id] != "" {
		return fmt.Errorf("create storage failed: storage ID '%s' already defined", id)
	}
	if err := m.WriteDirect(storageFile, []byte(kind+": "+id+"\n"+body+"\n"+string(raw))); err != nil {
		return fmt.Errorf("create storage failed: %w", err)
	}
	if kind == "rbd" {
		makeDir(m, sim.EtcPVE+"/priv/ceph")
		_ = m.WriteDirect(sim.EtcPVE+"/priv/ceph/"+id+".keyring", []byte("standin"))
	}
	return nil
}

// storages are the kinds of storage.cfg by their ids.
func storages(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if kind, id, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.HasPrefix(line, "\t") {
			out[id] = kind
		}
	}
	return out
}

// pvesm knows add and status.
func pvesm(c *sim.Call) int {
	c.Work(500 * time.Millisecond)
	words, opt := shell.Options(c.Argv[1:])
	switch {
	case len(words) == 3 && words[0] == "add":
		body := fmt.Sprintf("\tcontent %s\n\tkrbd 0\n\tpool %s\n", opt["content"], opt["pool"])
		if words[1] == "cephfs" {
			body = fmt.Sprintf("\tpath /mnt/pve/%s\n\tcontent %s\n\tfs-name %s\n", words[2], opt["content"], opt["fs-name"])
		}
		return shell.WithLock(c, "file-storage_cfg", func() error { return addStorage(c, words[1], words[2], body) })
	case len(words) == 1 && words[0] == "status":
		raw, _ := c.ReadFile(storageFile)
		c.Outf("Name          Type     Status     Total (KiB)      Used (KiB) Available (KiB)        %%\n")
		kinds := storages(string(raw))
		for _, id := range slices.Sorted(maps.Keys(kinds)) {
			kind := kinds[id]
			if kind != "dir" && !storageUp(c, id) {
				c.Errf("could not get usage stats for pool '%s'\n", id)
				c.Outf("%-12s %5s   inactive               0               0               0    0.00%%\n", id, kind)
				continue
			}
			c.Outf("%-12s %5s     active       264212084        53464544        42036720   20.24%%\n", id, kind)
		}
		return 0
	}
	return c.Unknown(255, "pvesm", words...)
}

func storageUp(c *sim.Call, id string) bool {
	k, ok := judge(c)
	return ok && k.up >= 2 && (k.store.pool(id) != nil || slices.Contains(k.store.FS, id))
}
