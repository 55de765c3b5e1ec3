package ceph

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

const (
	cephConf  = sim.EtcPVE + "/ceph.conf"
	cephLink  = "/etc/ceph/ceph.conf"
	cephAdmin = sim.EtcPVE + "/priv/ceph.client.admin.keyring"
	cephFlag  = "/run/pve-ceph-install-flag"
	cephHalf  = "/var/lib/dpkg/updates/0001" // dpkg has begun and not finished
	// offlineMark on a node makes its package repositories unreachable.
	offlineMark = "/var/lib/pvestandin/offline"
	// skewMark on a node is a clock that the monitors complain of.
	skewMark = "/var/lib/pvestandin/clock-skew"
	// deafMonitor on a node lets its monitor run and never join the others.
	deafMonitor = "/var/lib/pvestandin/deaf-monitor"
	// healTime is from the return of the last OSD to clean placement groups.
	healTime = 22 * time.Second
	// pgsPerOSD is Ceph's mon_max_pg_per_osd.
	pgsPerOSD = 250
)

var cephPrograms = []string{"/usr/bin/ceph", "/usr/bin/ceph-mon", "/usr/bin/ceph-mgr", "/usr/bin/ceph-mds", "/usr/bin/ceph-osd", "/usr/sbin/ceph-volume"}

// Store is what the monitors agree on. It lies on each monitor's node; the one
// with the highest epoch counts, as long as more than half of them are up.
type Store struct {
	Epoch    int
	FSID     string
	OSDs     []osd
	Pools    []pool
	FS       []string
	NextPool int
	Objects  map[string]image  // by pool/name
	LastDown int64             // when an OSD was last seen down
	Flags    []string          // noout and the like
	Config   map[string]string `json:",omitempty"` // by "who option"
}

type osd struct {
	ID    int
	Host  string // "" until it started once
	Bytes int64
	UUID  string
	Class string
	Out   bool
	// Device is its disk as udev names it: nvme1n1=Maker_Model_SERIAL. It is known
	// once the OSD has started.
	Device string `json:",omitempty"`
}

type pool struct {
	ID, Size, MinSize, PGs int
	Name, Autoscale        string
	Ratio                  float64 `json:",omitempty"`
	Apps                   []string
}

// image keeps the blocks that are not zero.
type image struct {
	Bytes  int64
	Blocks map[int64][]byte `json:",omitempty"`
}

// ini reads ceph.conf into its sections.
func ini(m sim.Machine) (sections map[string]map[string]string, ok bool) {
	raw, err := m.ReadFile(cephConf)
	if err != nil {
		return nil, false
	}
	sections = map[string]map[string]string{}
	name := ""
	for _, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			name = strings.Trim(line, "[]")
			sections[name] = map[string]string{}
			continue
		}
		if k, v, found := strings.Cut(line, " = "); found && sections[name] != nil {
			sections[name][k] = v
		}
	}
	return sections, true
}

// writeINI writes ceph.conf as pveceph does: sections and keys sorted, global
// first, a blank line after each.
func writeINI(m sim.Machine, sections map[string]map[string]string) error {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(sections)), func(n string) bool { return n == "global" })
	var b strings.Builder
	for _, n := range append([]string{"global"}, names...) {
		fmt.Fprintf(&b, "[%s]\n", n)
		for _, k := range slices.Sorted(maps.Keys(sections[n])) {
			fmt.Fprintf(&b, "\t%s = %s\n", k, sections[n][k])
		}
		b.WriteString("\n")
	}
	return m.WriteDirect(cephConf, []byte(b.String()))
}

// Monitors are the monitors of ceph.conf by id.
func Monitors(m sim.Machine) []string {
	sections, _ := ini(m)
	var out []string
	for _, n := range slices.Sorted(maps.Keys(sections)) {
		if id, ok := strings.CutPrefix(n, "mon."); ok {
			out = append(out, id)
		}
	}
	return out
}

// monitor is one that is up and heard.
type monitor struct {
	id string
	at sim.Machine
}

func monitorsUp(m sim.Machine) []monitor {
	var up []monitor
	for _, id := range Monitors(m) {
		if r := daemonAt(m, id, "mon", id); r != nil && !shell.Exists(r, deafMonitor) {
			up = append(up, monitor{id, r})
		}
	}
	return up
}

// quorate are the monitors that are up and heard, nil if they are too few.
func quorate(m sim.Machine) []monitor {
	up := monitorsUp(m)
	if len(up) <= len(Monitors(m))/2 {
		return nil
	}
	return up
}

// open reads what the monitors agree on.
func OpenStore(m sim.Machine) (*Store, []string, bool) {
	q := quorate(m)
	if q == nil {
		return nil, nil, false
	}
	best := &Store{Epoch: -1}
	var names []string
	for _, p := range q {
		names = append(names, p.id)
		raw, err := p.at.ReadFile(daemonDir("mon", p.id) + "/store.json")
		var s Store
		if err == nil && json.Unmarshal(raw, &s) == nil && s.Epoch > best.Epoch {
			best = &s
		}
	}
	if best.Objects == nil {
		best.Objects = map[string]image{}
	}
	if best.Config == nil {
		best.Config = map[string]string{}
	}
	return best, names, best.Epoch >= 0
}

func (s *Store) save(m sim.Machine) {
	s.Epoch++
	raw, _ := json.Marshal(s)
	for _, p := range quorate(m) {
		_ = p.at.WriteDirect(daemonDir("mon", p.id)+"/store.json", raw)
	}
}

// osdUp reports whether the daemon of an OSD runs on its node.
func osdUp(m sim.Machine, o osd) bool {
	return o.Host != "" && daemonAt(m, o.Host, "osd", fmt.Sprint(o.ID)) != nil
}

func (s *Store) pool(name string) *pool {
	for i := range s.Pools {
		if s.Pools[i].Name == name {
			return &s.Pools[i]
		}
	}
	return nil
}

// Has reports whether there is an image of that name in a pool.
func (s *Store) Has(pool, name string) bool { _, ok := s.Objects[pool+"/"+name]; return ok }

// running are the managers or metadata servers that run, by node.
func running(m sim.Machine, kind string) (out []string) {
	nodes, _ := m.ReadDir(sim.EtcPVE + "/nodes")
	for _, n := range nodes {
		if r := daemonAt(m, n.Name(), kind, n.Name()); r != nil && shell.Exists(r, daemonDir(kind, n.Name())+"/keyring") {
			out = append(out, n.Name())
		}
	}
	return out
}

// condition is what the monitors say about the whole.
type condition struct {
	store    *Store
	quorum   []string
	all      []string
	active   string
	standby  []string
	up, in   int
	pgs      map[string]int
	checks   map[string]string // code to message
	severity string
}

func (k *condition) warn(code, format string, args ...any) {
	k.checks[code] = fmt.Sprintf(format, args...)
	if k.severity == "HEALTH_OK" {
		k.severity = "HEALTH_WARN"
	}
}

// judge computes the health.
func judge(m sim.Machine) (*condition, bool) {
	s, q, ok := OpenStore(m)
	if !ok {
		return nil, false
	}
	k := &condition{store: s, quorum: q, all: Monitors(m), checks: map[string]string{}, pgs: map[string]int{}, severity: "HEALTH_OK"}
	if up := running(m, "mgr"); len(up) > 0 { // the first one is active
		k.active, k.standby = up[0], up[1:]
	}
	hosts, down := k.count(m)
	carry, hold := 0, len(hosts)
	for _, in := range hosts {
		if in {
			carry++
		}
	}
	if down > 0 || carry < 3 && len(s.Pools) > 0 {
		s.LastDown = m.Now().Unix()
		Amend(m, func(now *Store) { now.LastDown = s.LastDown })
	}
	if len(s.Flags) > 0 {
		k.warn("OSDMAP_FLAGS", "%s flag(s) set", strings.Join(s.Flags, ","))
	}
	if gone := len(k.all) - len(q); gone > 0 {
		k.warn("MON_DOWN", "%d/%d mons down, quorum %s", gone, len(k.all), strings.Join(q, ","))
	}
	if k.active == "" && len(s.OSDs) > 0 {
		k.warn("MGR_DOWN", "no active mgr")
	}
	if down > 0 {
		k.warn("OSD_DOWN", "%d osds down", down)
	}
	if n := len(s.OSDs); n < 3 {
		k.warn("TOO_FEW_OSDS", "OSD count %d < osd_pool_default_size 3", n)
	}
	for _, id := range q {
		if r := daemonAt(m, id, "mon", id); r != nil && shell.Exists(r, skewMark) {
			k.warn("MON_CLOCK_SKEW", "clock skew detected on mon.%s", id)
		}
	}
	k.placement(m, down, carry, hold)
	return k, true
}

// count looks at the OSDs: hosts that have one that is up, and whether one of
// these is in; and how many are down and in, which Ceph complains of.
func (k *condition) count(m sim.Machine) (hosts map[string]bool, down int) {
	hosts = map[string]bool{}
	dark := map[string]int{} // by host
	for _, o := range k.store.OSDs {
		switch up := osdUp(m, o); {
		case up:
			k.up++
			hosts[o.Host] = hosts[o.Host] || !o.Out
		case o.Host != "" && !o.Out:
			down++
			dark[o.Host]++
		}
		if !o.Out {
			k.in++
		}
	}
	all, none := 0, 0
	for host, n := range dark {
		if _, up := hosts[host]; !up {
			none, all = none+1, all+n
		}
	}
	if none > 0 {
		k.warn("OSD_HOST_DOWN", "%d host (%d osds) down", none, all)
	}
	return hosts, down
}

// clean reports whether all placement groups are.
func (k *condition) clean() bool {
	for state, n := range k.pgs {
		if !strings.HasPrefix(state, "active+clean") && n > 0 {
			return false
		}
	}
	return true
}

// placement computes the states of the placement groups: three copies want
// OSDs on three hosts, and an OSD that is down and in has no stand-in. One that
// is out and up keeps its copies for as long as no other host can have them.
func (k *condition) placement(m sim.Machine, down, hosts, hold int) {
	total := 0
	for _, p := range k.store.Pools {
		total += p.PGs
	}
	if total == 0 {
		return
	}
	switch {
	case k.up == 0:
		k.pgs["unknown"] = total
		k.warn("PG_AVAILABILITY", "Reduced data availability: %d pgs inactive", total)
	case down == 0 && hosts < 3 && hold >= 3:
		k.pgs["active+clean+remapped"] = total
	case down > 0 || hosts < 3:
		k.pgs["active+undersized+degraded"] = total
		k.warn("PG_DEGRADED", "Degraded data redundancy: %d pgs undersized", total)
	case m.Now().Sub(time.Unix(k.store.LastDown, 0)) < healTime && k.store.LastDown > 0:
		k.pgs["active+recovering"] = total / 4
		k.pgs["active+clean"] = total - total/4
		k.warn("PG_DEGRADED", "Degraded data redundancy: %d pgs degraded", total/4)
	default:
		k.pgs["active+clean"] = total
	}
}

// makeDir is mkdir -p on a node.
func makeDir(m sim.Machine, p string) { _ = m.MkdirAll(p, fs.ModeDir|0o755) }

func PvesmWorks(m sim.Machine) bool { return quorate(m) != nil }
