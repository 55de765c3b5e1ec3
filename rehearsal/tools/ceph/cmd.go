package ceph

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// cephTool is the program ceph. It prints JSON only: the text forms are
// pveceph status and ceph osd tree, which people read.
func cephTool(c *sim.Call) int {
	c.Work(200 * time.Millisecond)
	if len(c.Argv) > 1 && c.Argv[1] == "--version" {
		if !shell.Exists(c, "/usr/bin/ceph") {
			return c.Exit(127, "ceph: command not found")
		}
		c.Outf("ceph version %s (0000000000000000000000000000000000000000) %s (stable)\n", cephNumber(c), cephRelease(c))
		return 0
	}
	words, opt := shell.Options(c.Argv[1:], "s", "status")
	if opt["s"]+opt["status"] != "" {
		words = append([]string{"-s"}, words...)
	}
	if !shell.Exists(c, cephLink) {
		return c.Exit(1, "Error initializing cluster client: ObjectNotFound('RADOS object not found (error calling conf_read_file)')")
	}
	k, ok := judgeWithin(c, time.Duration(shell.Number(opt["connect-timeout"], 300))*time.Second)
	if !ok {
		return c.Exit(1, "Cluster connection interrupted or timed out")
	}
	line := strings.Join(words, " ")
	for _, cmd := range cephCommands() {
		if ok, _ := path.Match(cmd.pattern, line); ok {
			out, code := cmd.run(c, k, words)
			if out == nil || code != 0 {
				return code
			}
			if text, isText := out.(string); isText {
				c.Outf("%s", text)
				return 0
			}
			raw, err := dress(cephRelease(c), cmd.pattern, out)
			if err == nil {
				c.Outf("\n%s\n", raw)
			}
			return c.Done(err)
		}
	}
	return c.Exit(22, "no valid command found\nError EINVAL: invalid command: %s", line)
}

type cephCommand struct {
	pattern string
	run     func(c *sim.Call, k *condition, words []string) (any, int)
}

func cephCommands() []cephCommand {
	return []cephCommand{
		{"-s", cephStatus}, {"health detail", cephHealth},
		{"mgr dump", cephManagers},
		{"osd tree", cephTree}, {"osd pool ls detail", cephPools},
		{"fs ls", cephFSList}, {"fs new * * *", cephFSNew},
		{"df", cephDF}, {"crash ls-new", func(*sim.Call, *condition, []string) (any, int) { return []any{}, 0 }}, // nothing crashes here
		{"osd safe-to-destroy *", cephSafe}, {"osd metadata *", cephMetadata}, {"osd purge *", cephPurge}, {"osd out *", cephOut}, {"osd in *", cephOut},
		{"config set * * *", cephConfigSet}, {"config set */* * *", cephConfigSet}, {"config dump", cephConfigDump},
		{"osd set *", cephFlags}, {"osd unset *", cephFlags},
	}
}

func cephStatus(c *sim.Call, k *condition, _ []string) (any, int) {
	if _, opt := shell.Options(c.Argv[1:], "s", "status"); opt["f"] != "json" && opt["format"] != "json" {
		return statusText(c, k), 0
	}
	states, total := []any{}, 0
	for name, n := range k.pgs {
		states = append(states, shell.Object{"state_name": name, "count": n})
		total += n
	}
	return shell.Object{"fsid": k.store.FSID, "health": shell.Object{"status": k.severity, "checks": healthChecks(k, false)},
		"quorum_names": k.quorum, "monmap": shell.Object{"num_mons": len(k.all)},
		"osdmap": shell.Object{"epoch": k.store.Epoch, "num_osds": len(k.store.OSDs), "num_up_osds": k.up, "num_in_osds": k.in},
		"pgmap":  shell.Object{"pgs_by_state": states, "num_pgs": total, "num_pools": len(k.store.Pools)},
		"fsmap":  shell.Object{"up:standby": len(running(c, "mds"))},
		"mgrmap": shell.Object{"available": k.active != "", "num_standbys": len(k.standby)}}, 0
}

// healthChecks are the warnings; ceph health detail has a line for each thing beside.
func healthChecks(k *condition, detail bool) shell.Object {
	checks := shell.Object{}
	for code, message := range k.checks {
		check := shell.Object{"severity": "HEALTH_WARN", "summary": shell.Object{"message": message, "count": 1}, "muted": false}
		if detail {
			check["detail"] = []any{shell.Object{"message": message}}
		}
		checks[code] = check
	}
	return checks
}

func cephHealth(_ *sim.Call, k *condition, _ []string) (any, int) {
	return shell.Object{"status": k.severity, "checks": healthChecks(k, true)}, 0
}

func cephManagers(_ *sim.Call, k *condition, _ []string) (any, int) {
	standbys := []any{}
	for _, s := range k.standby {
		standbys = append(standbys, shell.Object{"name": s})
	}
	return shell.Object{"active_name": k.active, "available": k.active != "", "standbys": standbys}, 0
}

// weight is what CRUSH gives an OSD: its size in TiB.
func (o osd) weight() float64 { return float64(o.Bytes) / (1 << 40) }

func osdStatus(c *sim.Call, o osd) string {
	if osdUp(c, o) {
		return "up"
	}
	return "down"
}

func cephTree(c *sim.Call, k *condition, _ []string) (any, int) {
	hosts, stray, weight := map[string][]osd{}, []any{}, 0.0
	for _, o := range k.store.OSDs {
		if o.Host == "" {
			stray = append(stray, shell.Object{"id": o.ID, "name": fmt.Sprintf("osd.%d", o.ID), "type": "osd", "status": "down", "reweight": 0, "crush_weight": 0, "exists": 1})
			continue
		}
		hosts[o.Host] = append(hosts[o.Host], o)
		weight += o.weight()
	}
	names := slices.Sorted(maps.Keys(hosts))
	if _, opt := shell.Options(c.Argv[1:]); opt["f"] != "json" && opt["format"] != "json" {
		return treeText(c, hosts, names, weight), 0
	}
	var nodes, top []any
	for i, h := range names {
		var children, below []any
		for _, o := range hosts[h] {
			children = append(children, o.ID)
			reweight := 1.0
			if o.Out {
				reweight = 0
			}
			below = append(below, shell.Object{"id": o.ID, "name": fmt.Sprintf("osd.%d", o.ID), "type": "osd", "type_id": 0, "device_class": o.Class, "depth": 2, "pool_weights": shell.Object{},
				"crush_weight": o.weight(), "status": osdStatus(c, o), "reweight": reweight, "exists": 1, "primary_affinity": 1})
		}
		id := -3 - 2*i
		top = append(top, id)
		nodes = append(append(nodes, shell.Object{"id": id, "name": h, "type": "host", "type_id": 1, "pool_weights": shell.Object{}, "children": children}), below...)
	}
	nodes = append([]any{shell.Object{"id": -1, "name": "default", "type": "root", "type_id": 11, "children": top}}, nodes...)
	return shell.Object{"nodes": nodes, "stray": stray}, 0
}

// treeText is ceph osd tree as people see it.
func treeText(c *sim.Call, hosts map[string][]osd, names []string, weight float64) string {
	var b strings.Builder
	if len(names) == 0 {
		return "ID  CLASS  WEIGHT  TYPE NAME     STATUS  REWEIGHT  PRI-AFF\n-1              0  root default                           \n"
	}
	pad := 0
	for _, h := range names {
		pad = max(pad, len(h)+10)
	}
	fmt.Fprintf(&b, "ID  CLASS  WEIGHT   TYPE NAME%s  STATUS  REWEIGHT  PRI-AFF\n", strings.Repeat(" ", pad-9))
	fmt.Fprintf(&b, "%2d         %.5f  %-*s                           \n", -1, weight, pad, "root default")
	for i, h := range names {
		sum := 0.0
		for _, o := range hosts[h] {
			sum += o.weight()
		}
		fmt.Fprintf(&b, "%2d         %.5f  %-*s                           \n", -3-2*i, sum, pad, "    host "+h)
		for _, o := range hosts[h] {
			fmt.Fprintf(&b, "%2d  %5s  %.5f  %-*s  %6s  %8s  %s\n", o.ID, o.Class, o.weight(), pad, fmt.Sprintf("        osd.%d", o.ID), osdStatus(c, o), "1.00000", "1.00000")
		}
	}
	return b.String()
}

func cephPools(_ *sim.Call, k *condition, _ []string) (any, int) {
	list := []any{}
	for _, p := range k.store.Pools {
		apps := shell.Object{}
		for _, a := range p.Apps {
			apps[a] = shell.Object{}
		}
		list = append(list, shell.Object{"pool_id": p.ID, "pool_name": p.Name, "size": p.Size, "min_size": p.MinSize, "pg_num": p.PGs,
			"pg_autoscale_mode": p.Autoscale, "application_metadata": apps, "options": p.options()})
	}
	return list, 0
}

func cephFSList(_ *sim.Call, k *condition, _ []string) (any, int) {
	list := []any{}
	for _, f := range k.store.FS {
		list = append(list, shell.Object{"name": f, "metadata_pool": f + "_metadata", "data_pools": []any{f + "_data"}})
	}
	return list, 0
}

func cephFSNew(c *sim.Call, k *condition, words []string) (any, int) {
	for _, p := range words[3:] {
		if k.store.pool(p) == nil {
			return nil, c.Exit(2, "Error ENOENT: pool '%s' does not exist", p)
		}
	}
	Amend(c, func(s *Store) { s.FS = append(s.FS, words[2]) })
	return nil, 0
}

func (s *Store) raw() int64 {
	var sum int64
	for _, o := range s.OSDs {
		sum += o.Bytes
	}
	return sum
}

func cephDF(_ *sim.Call, k *condition, _ []string) (any, int) {
	pools := []any{}
	for _, p := range k.store.Pools {
		pools = append(pools, shell.Object{"name": p.Name, "id": p.ID, "stats": shell.Object{"stored": 0, "bytes_used": 0, "max_avail": k.store.raw() * 95 / 100 / int64(p.Size)}})
	}
	return shell.Object{"stats": shell.Object{"total_bytes": k.store.raw(), "total_avail_bytes": k.store.raw() * 99 / 100, "total_used_raw_bytes": k.store.raw() / 100}, "pools": pools}, 0
}

func osdNumber(word string) int { return shell.Number(strings.TrimPrefix(word, "osd."), -1) }

// cephSafe answers as the manager does (DaemonServer.cc, "osd safe-to-destroy"):
// of an OSD that is down it knows nothing for as long as one group is not clean.
func cephSafe(c *sim.Call, k *condition, words []string) (any, int) {
	id := osdNumber(words[2])
	for _, o := range k.store.OSDs {
		switch {
		case o.ID != id:
		case osdUp(c, o) && len(k.pgs) > 0 && (!o.Out || k.pgs["active+clean+remapped"] > 0):
			return nil, c.Exit(16, "Error EBUSY: OSD(s) %d have 32 pgs currently mapped to them.", id)
		case !k.clean():
			return nil, c.Exit(11, "Error EAGAIN: OSD(s) %d have no reported stats, and not all PGs are active+clean; we cannot draw any conclusions.", id)
		}
	}
	return nil, c.Exit(0, "OSD(s) %d are safe to destroy without reducing data durability.", id)
}

func cephPurge(c *sim.Call, k *condition, words []string) (any, int) {
	id := osdNumber(words[2])
	for _, o := range k.store.OSDs {
		if o.ID == id && osdUp(c, o) {
			return nil, c.Exit(16, "Error EBUSY: osd.%d is not `down`.", id)
		}
	}
	if !k.clean() && len(k.pgs) > 0 {
		c.Note("purged-unclean", fmt.Sprintf("osd.%d by %s", id, c.Name()))
	}
	Amend(c, func(s *Store) { s.OSDs = slices.DeleteFunc(s.OSDs, func(o osd) bool { return o.ID == id }) })
	return nil, c.Exit(0, "purged osd.%d", id)
}

// cephOut is osd out, and osd in.
func cephOut(c *sim.Call, k *condition, words []string) (any, int) {
	id, word, out := osdNumber(words[2]), words[1], words[1] == "out"
	i := slices.IndexFunc(k.store.OSDs, func(o osd) bool { return o.ID == id })
	switch {
	case i < 0:
		c.Errf("osd.%d does not exist. \n", id)
	case k.store.OSDs[i].Out == out:
		c.Errf("osd.%d is already %s. \n", id, word)
	default:
		Amend(c, func(s *Store) { s.OSDs[i].Out = out })
		c.Errf("marked %s osd.%d. \n", word, id)
	}
	return nil, 0
}

func cephFlags(c *sim.Call, _ *condition, words []string) (any, int) {
	if !Amend(c.Machine, func(s *Store) {
		s.Flags = slices.DeleteFunc(s.Flags, func(f string) bool { return f == words[2] })
		if words[1] == "set" {
			s.Flags = append(s.Flags, words[2])
		}
	}) {
		return nil, c.Exit(1, "Cluster connection interrupted or timed out")
	}
	return nil, c.Exit(0, "%s is %s", words[2], words[1])
}

// statusText is what pveceph status and ceph -s print for people.
func statusText(c *sim.Call, k *condition) string {
	s := k.store
	var b strings.Builder
	fmt.Fprintf(&b, "  cluster:\n    id:     %s\n    health: %s\n", s.FSID, k.severity)
	for _, code := range slices.Sorted(maps.Keys(k.checks)) {
		fmt.Fprintf(&b, "            %s\n", k.checks[code])
	}
	fmt.Fprintf(&b, " \n  services:\n    mon: %d daemons, quorum %s (age 2m)\n", len(k.all), strings.Join(k.quorum, ","))
	managers, since := "no daemons active", ""
	if k.active != "" {
		managers = k.active + "(active, since 8s)"
	}
	if k.active != "" && len(k.standby) > 0 {
		managers += ", standbys: " + strings.Join(k.standby, ", ")
	}
	if len(s.OSDs) > 0 {
		since = " (since 54s)"
	}
	fmt.Fprintf(&b, "    mgr: %s\n", managers)
	fmt.Fprintf(&b, "    osd: %d osds: %d up%s, %d in%s\n \n", len(s.OSDs), k.up, since, k.in, since)
	total, states := 0, []string{}
	for _, name := range slices.Sorted(maps.Keys(k.pgs)) {
		total += k.pgs[name]
		states = append(states, fmt.Sprintf("%d %s\n", k.pgs[name], name))
	}
	fmt.Fprintf(&b, "  data:\n    pools:   %d pools, %d pgs\n    objects: %d objects, 0 B\n    usage:   0 B used, 0 B / 0 B avail\n", len(s.Pools), total, len(s.Objects))
	fmt.Fprintf(&b, "    pgs:     %s \n", cmp.Or(strings.Join(states, "             "), "\n"))
	return b.String()
}
