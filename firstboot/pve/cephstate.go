package pve

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"slices"
	"sort"
	"strings"
)

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Health is the state of the storage as its monitors tell it.
type Health struct {
	FSID     string
	Status   string // HEALTH_OK, HEALTH_WARN, HEALTH_ERR
	Checks   []Check
	Quorum   []string // monitors in quorum
	Monitors int      // known
	OSDs     int
	Up, In   int
	PGs      int
	Clean    int // those that have every copy: see clean
}

// Check is one health warning.
type Check struct {
	Code, Severity, Message string
	Muted                   bool
}

type statusJSON struct {
	FSID   string `json:"fsid"`
	Health struct {
		Status string `json:"status"`
		Checks map[string]struct {
			Severity string `json:"severity"`
			Summary  struct {
				Message string `json:"message"`
			} `json:"summary"`
			Muted bool `json:"muted"`
		} `json:"checks"`
	} `json:"health"`
	QuorumNames []string `json:"quorum_names"`
	MonMap      struct {
		NumMons int `json:"num_mons"`
	} `json:"monmap"`
	OSDMap struct {
		NumOSDs int `json:"num_osds"`
		NumUp   int `json:"num_up_osds"`
		NumIn   int `json:"num_in_osds"`
	} `json:"osdmap"`
	PGMap struct {
		States []struct {
			Name  string `json:"state_name"`
			Count int    `json:"count"`
		} `json:"pgs_by_state"`
		NumPGs int `json:"num_pgs"`
	} `json:"pgmap"`
}

func (s statusJSON) health() Health {
	h := Health{FSID: s.FSID, Status: s.Health.Status, Quorum: s.QuorumNames, Monitors: s.MonMap.NumMons,
		OSDs: s.OSDMap.NumOSDs, Up: s.OSDMap.NumUp, In: s.OSDMap.NumIn, PGs: s.PGMap.NumPGs}
	for code, c := range s.Health.Checks {
		h.Checks = append(h.Checks, Check{code, c.Severity, c.Summary.Message, c.Muted})
	}
	sort.Slice(h.Checks, func(i, j int) bool { return h.Checks[i].Code < h.Checks[j].Code })
	for _, st := range s.PGMap.States {
		if clean(st.Name) {
			h.Clean += st.Count
		}
	}
	return h
}

// clean reports whether a placement group of this state serves and has every copy.
// Most words beside that are everyday work: scrubbing+deep, snaptrim, remapped. Not
// so stale, of which no OSD has told since, and inconsistent, whose copies differ.
func clean(state string) bool {
	words := strings.Split(state, "+")
	has := func(word string) bool { return slices.Contains(words, word) }
	return has("active") && has("clean") && !has("inconsistent") && !has("stale")
}

// Health asks the monitors.
func (c Ceph) Health(ctx context.Context) (Health, error) {
	var s statusJSON
	if err := c.ceph(ctx, &s, "-s"); err != nil {
		return Health{}, err
	}
	return s.health(), nil
}

// Managers are the managers of the storage.
type Managers struct {
	Active    string
	Available bool
	Standby   []string
}

// Has reports whether a node's manager is active or standing by.
func (m Managers) Has(node string) bool {
	return m.Active == node || slices.Contains(m.Standby, node)
}

// Managers asks for the managers.
func (c Ceph) Managers(ctx context.Context) (Managers, error) {
	var d struct {
		Active    string `json:"active_name"`
		Available bool   `json:"available"`
		Standbys  []struct {
			Name string `json:"name"`
		} `json:"standbys"`
	}
	if err := c.ceph(ctx, &d, "mgr", "dump"); err != nil {
		return Managers{}, err
	}
	m := Managers{Active: d.Active, Available: d.Available}
	for _, s := range d.Standbys {
		m.Standby = append(m.Standby, s.Name)
	}
	sort.Strings(m.Standby)
	return m, nil
}

// TreeOSD is one OSD as ceph osd tree shows it.
type TreeOSD struct {
	ID     int
	Host   string // "" for a stray one
	Class  string
	Weight float64
	Up, In bool
}

type treeJSON struct {
	Nodes []treeNode `json:"nodes"`
	Stray []treeNode `json:"stray"`
}

type treeNode struct {
	ID       int     `json:"id"`
	Name     string  `json:"name"`
	Type     string  `json:"type"`
	Children []int   `json:"children"`
	Status   string  `json:"status"`
	Weight   float64 `json:"crush_weight"`
	Reweight float64 `json:"reweight"`
	Class    string  `json:"device_class"`
}

func (t treeJSON) osds() []TreeOSD {
	host := map[int]string{}
	for _, n := range t.Nodes {
		if n.Type == "host" {
			for _, id := range n.Children {
				host[id] = n.Name
			}
		}
	}
	var out []TreeOSD
	for _, n := range append(t.Nodes, t.Stray...) {
		if n.Type == "osd" {
			out = append(out, TreeOSD{ID: n.ID, Host: host[n.ID], Class: n.Class, Weight: n.Weight, Up: n.Status == "up", In: n.Reweight > 0})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// Tree asks for the OSDs.
func (c Ceph) Tree(ctx context.Context) ([]TreeOSD, error) {
	var t treeJSON
	if err := c.ceph(ctx, &t, "osd", "tree"); err != nil {
		return nil, err
	}
	return t.osds(), nil
}

// PoolState is one pool.
type PoolState struct {
	Name      string
	Size      int
	MinSize   int
	PGs       int
	Autoscale string
	Ratio     float64 // target_size_ratio
	Apps      []string
}

// Sound reports whether a pool for guests has the properties that it should have.
// A ratio of 0 is none that somebody wants.
func (p PoolState) Sound(ratio float64) bool {
	const digits = 1e-4 // more than a profile has
	return (ratio == 0 || math.Abs(p.Ratio-ratio) < digits) && p.Size == 3 && p.MinSize == 2 && p.Autoscale == "on" && slices.Contains(p.Apps, "rbd")
}

// Pools asks for the pools.
func (c Ceph) Pools(ctx context.Context) ([]PoolState, error) {
	var list []struct {
		Name      string         `json:"pool_name"`
		Size      int            `json:"size"`
		MinSize   int            `json:"min_size"`
		PGs       int            `json:"pg_num"`
		Autoscale string         `json:"pg_autoscale_mode"`
		Apps      map[string]any `json:"application_metadata"`
		Options   struct {
			Ratio float64 `json:"target_size_ratio"`
		} `json:"options"`
	}
	if err := c.ceph(ctx, &list, "osd", "pool", "ls", "detail"); err != nil {
		return nil, err
	}
	var out []PoolState
	for _, p := range list {
		s := PoolState{Name: p.Name, Size: p.Size, MinSize: p.MinSize, PGs: p.PGs, Autoscale: p.Autoscale, Ratio: p.Options.Ratio}
		for app := range p.Apps {
			s.Apps = append(s.Apps, app)
		}
		sort.Strings(s.Apps)
		out = append(out, s)
	}
	return out, nil
}

// FileSystems lists the names of the CephFS.
func (c Ceph) FileSystems(ctx context.Context) ([]string, error) {
	var list []struct {
		Name string `json:"name"`
	}
	if err := c.ceph(ctx, &list, "fs", "ls"); err != nil {
		return nil, err
	}
	var out []string
	for _, f := range list {
		out = append(out, f.Name)
	}
	return out, nil
}

// Capacity is what the storage holds, in bytes.
type Capacity struct {
	Raw, Used int64
	Usable    map[string]int64 // by pool, after replication
}

// Capacity asks how much room there is.
func (c Ceph) Capacity(ctx context.Context) (Capacity, error) {
	var d struct {
		Stats struct {
			Total int64 `json:"total_bytes"`
			Used  int64 `json:"total_used_raw_bytes"`
		} `json:"stats"`
		Pools []struct {
			Name  string `json:"name"`
			Stats struct {
				MaxAvail float64 `json:"max_avail"`
			} `json:"stats"`
		} `json:"pools"`
	}
	if err := c.ceph(ctx, &d, "df"); err != nil {
		return Capacity{}, err
	}
	out := Capacity{Raw: d.Stats.Total, Used: d.Stats.Used, Usable: map[string]int64{}}
	for _, p := range d.Pools {
		out.Usable[p.Name] = int64(p.Stats.MaxAvail)
	}
	return out, nil
}

// NoOut reports whether OSDs that are down stay in: somebody is at work on a node.
func (h Health) NoOut() bool {
	for _, c := range h.Checks {
		if c.Code == "OSDMAP_FLAGS" && strings.Contains(c.Message, "noout") {
			return true
		}
	}
	return false
}
