package tools

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/tools/shell"
)

// Times of the HA stack: rounds of ten seconds, a node is fenced a minute
// after it was lost, and its locks are given up after two.
const (
	haRound     = 10 * time.Second
	unknownTime = 60
	agentLock   = 120
	managerLock = 120
	// idleRounds without a service disarm a node's watchdog.
	idleRounds = 60
)

// slowRecovery on the master's node makes it wait this much longer, in seconds.
const slowRecovery = "/var/lib/pvestandin/slow-recovery"

// noMigration on a node lets every migration away from it fail.
const noMigration = "/var/lib/pvestandin/no-migration"

type manager struct {
	Master    string                    `json:"master_node"`
	Timestamp int64                     `json:"timestamp"`
	Nodes     map[string]string         `json:"node_status"`
	Requests  map[string]map[string]int `json:"node_request,omitempty"`
	Services  map[string]service        `json:"service_status"`
	Since     map[string]int64          `json:"standin_since,omitempty"` // when a node's status changed
}

type service struct {
	Node   string `json:"node"`
	State  string `json:"state"`
	UID    string `json:"uid"`
	Target string `json:"target,omitempty"`
	Home   string `json:"maintenance_node,omitempty"` // where it goes back to
}

type agent struct {
	Mode      string               `json:"mode"`
	State     string               `json:"state"`
	Timestamp int64                `json:"timestamp"`
	Results   map[string]lrmResult `json:"results"`
	Idle      int                  `json:"standin_idle,omitempty"`
	Lock      int64                `json:"standin_lock,omitempty"` // when it last renewed its lock
}

type lrmResult struct {
	SID   string `json:"sid"`
	State string `json:"state"`
	Code  int    `json:"exit_code"`
}

func readManager(m sim.Machine) manager {
	var ms manager
	raw, _ := m.ReadFile(haStatus)
	_ = json.Unmarshal(raw, &ms)
	if ms.Nodes == nil {
		ms.Nodes = map[string]string{}
	}
	if ms.Services == nil {
		ms.Services = map[string]service{}
	}
	if ms.Requests == nil {
		ms.Requests = map[string]map[string]int{}
	}
	if ms.Since == nil {
		ms.Since = map[string]int64{}
	}
	return ms
}

func lrmFile(node string) string { return sim.EtcPVE + "/nodes/" + node + "/lrm_status" }

func readLRM(m sim.Machine, node string) agent {
	var a agent
	raw, _ := m.ReadFile(lrmFile(node))
	_ = json.Unmarshal(raw, &a)
	return a
}

func haNodes(m sim.Machine) []string {
	conf, _ := sim.ReadConf(m)
	var out []string
	for _, n := range conf.Nodes {
		out = append(out, n.Name)
	}
	sort.Strings(out)
	return out
}

func haWanted(m sim.Machine) bool {
	raw, _ := m.ReadFile(haResources)
	return len(raw) > 0 || shell.Exists(m, haStatus) || shell.Exists(m, haCommands)
}

// startTicks lets the rounds of HA run in a World, once somebody uses it.
func startTicks(m sim.Machine) {
	if n := sim.NodeOf(m); n != nil {
		n.World().Rounds("pve-ha-lrm", haRound, HATick)
	}
}

// HATick is one round of the local resource manager of a node and, where it
// is the master, of the cluster's. It does not wait.
func HATick(m sim.Machine) {
	if !shell.Writable(m) || !haWanted(m) {
		return
	}
	lrmRound(m)
	crmRound(m)
}

func lrmRound(m sim.Machine) {
	a, ms := readLRM(m, m.Name()), readManager(m)
	if a.Results == nil {
		a.Results = map[string]lrmResult{}
	}
	own := 0
	for sid, s := range ms.Services {
		if s.Node == m.Name() {
			own++
			if a.State == "active" || a.State == "maintenance" {
				lrmWork(m, &a, sid, s)
			}
		}
	}
	a.Mode = "active"
	if ms.Requests[m.Name()]["maintenance"] == 1 {
		a.Mode = "maintenance"
	}
	switch {
	case ms.Nodes[m.Name()] == "fence": // its lock is being taken away
		a.State = "wait_for_agent_lock"
	case a.Mode == "maintenance" && own == 0:
		a.State = "maintenance"
	case own > 0 && (a.State == "" || a.State == "idle" || a.State == "maintenance"):
		a.State = "wait_for_agent_lock"
	case own > 0:
		a.State, a.Idle = "active", 0
	case a.State == "" || a.Idle >= idleRounds:
		a.State = "idle"
	case a.State == "maintenance":
		a.State = "active"
	default:
		a.Idle++
	}
	a.Timestamp = m.Now().Unix()
	if a.State == "active" || a.State == "maintenance" {
		a.Lock = a.Timestamp
	}
	raw, _ := json.Marshal(a)
	_ = m.WriteDirect(lrmFile(m.Name()), raw)
}

func lrmWork(m sim.Machine, a *agent, sid string, s service) {
	_, id, _ := strings.Cut(sid, ":")
	switch s.State {
	case "started":
		if !shell.Exists(m, runMark(id)) && shell.Exists(m, guestConf(m.Name(), id)) && ceph.PvesmWorks(m) {
			_ = startGuest(m, id) // tried again in the next round
		}
	case "migrate":
		if _, done := a.Results[s.UID]; done {
			return
		}
		code := 1
		if !shell.Exists(m, noMigration) {
			if _, err := moveGuest(m, id, s.Target); err == nil {
				code = 0
			}
		}
		a.Results = map[string]lrmResult{s.UID: {sid, "migrate", code}}
	}
}

func crmRound(m sim.Machine) {
	ms, now := readManager(m), m.Now().Unix()
	online := members(m)
	if ms.Master != m.Name() {
		if ms.Master != "" && now-ms.Timestamp < managerLock {
			return
		}
		// The first one that is there takes the vacant lock, so that no two do.
		for _, n := range haNodes(m) {
			if n == m.Name() {
				break
			}
			if online.Nodelist[n].Online == 1 {
				return
			}
		}
		ms.Master = m.Name()
	}
	for _, n := range haNodes(m) {
		crmNode(m, &ms, n, online.Nodelist[n].Online == 1, now)
	}
	crmCommands(m, &ms)
	managed := map[string]bool{}
	for _, s := range readSections(m, haResources) {
		managed[s.sid()] = true
		if _, known := ms.Services[s.sid()]; !known {
			ms.Services[s.sid()] = service{Node: guestAt(m, s.id), State: "started", UID: uid(m)}
		}
	}
	for _, sid := range slices.Sorted(maps.Keys(ms.Services)) {
		if !managed[sid] {
			delete(ms.Services, sid)
			continue
		}
		ms.Services[sid] = crmService(m, &ms, sid, ms.Services[sid], now)
	}
	ms.Timestamp = now
	raw, _ := json.Marshal(ms)
	_ = m.WriteDirect(haStatus, raw)
}

func uid(m sim.Machine) string { return fmt.Sprintf("%022d", m.Random(1<<30)) }

func crmNode(m sim.Machine, ms *manager, n string, online bool, now int64) {
	set := func(state string) {
		if ms.Nodes[n] != state {
			ms.Nodes[n] = state
			ms.Since[n] = now
		}
	}
	busy := slices.ContainsFunc(slices.Sorted(maps.Keys(ms.Services)), func(sid string) bool { return ms.Services[sid].Node == n })
	state := ms.Nodes[n]
	switch {
	case online && state == "fence":
		// it came back before its lock was given up: fencing goes on until then
		if now-readLRM(m, n).Lock > agentLock && !busy {
			set("online")
		}
	case online && ms.Requests[n]["maintenance"] == 1:
		set("maintenance")
	case online:
		set("online")
	case state == "online" || state == "maintenance" || state == "":
		set("unknown")
	case state == "unknown" && busy && now-ms.Since[n] >= unknownTime:
		set("fence")
	}
}

func crmCommands(m sim.Machine, ms *manager) {
	raw, err := m.ReadFile(haCommands)
	if err != nil || len(raw) == 0 {
		return
	}
	for line := range strings.Lines(string(raw)) {
		w := strings.Fields(line)
		switch {
		case len(w) == 3 && w[0] == "node-maintenance":
			if w[1] == "enable" {
				ms.Requests[w[2]] = map[string]int{"maintenance": 1}
			} else {
				ms.Requests[w[2]] = map[string]int{}
			}
			crmNode(m, ms, w[2], ms.Nodes[w[2]] == "online" || ms.Nodes[w[2]] == "maintenance", m.Now().Unix())
		case len(w) == 3 && (w[0] == "migrate" || w[0] == "relocate"):
			if s, ok := ms.Services[w[1]]; ok && s.State == "started" && s.Node != w[2] {
				s.State, s.Target, s.UID = "migrate", w[2], uid(m)
				ms.Services[w[1]] = s
			}
		}
	}
	_ = m.WriteDirect(haCommands, nil)
}

// crmService is one step of a service's life.
func crmService(m sim.Machine, ms *manager, sid string, s service, now int64) service {
	_, id, _ := strings.Cut(sid, ":")
	leave := func(target, home string) service {
		if target == "" {
			return s
		}
		return service{Node: s.Node, State: "migrate", Target: target, UID: uid(m), Home: home}
	}
	switch s.State {
	case "started":
		switch {
		case ms.Nodes[s.Node] == "fence":
			s.State = "fence"
		case ms.Nodes[s.Node] == "maintenance":
			return leave(otherNode(ms, s.Node), s.Node)
		case s.Home != "" && ms.Nodes[s.Home] == "online":
			return leave(s.Home, "")
		}
	case "migrate":
		if ms.Nodes[s.Node] == "fence" {
			s.State = "fence"
			break
		}
		if r, done := readLRM(m, s.Node).Results[s.UID]; done {
			if r.Code == 0 {
				s.Node = s.Target
			}
			s.State, s.Target, s.UID = "started", "", uid(m)
		}
	case "fence":
		raw, _ := m.ReadFile(slowRecovery)
		if now-readLRM(m, s.Node).Lock >= agentLock+int64(shell.Number(strings.TrimSpace(string(raw)), 0)) {
			s.State = "recovery"
		}
		if s.State != "recovery" {
			break
		}
		fallthrough
	case "recovery":
		if to := otherNode(ms, s.Node); to != "" {
			if err := m.Rename(guestConf(s.Node, id), guestConf(to, id)); err == nil {
				ms.Nodes[s.Node] = "unknown"
				s = service{Node: to, State: "started", UID: uid(m)}
			}
		}
	}
	return s
}

// otherNode picks the first online node but one.
func otherNode(ms *manager, not string) string {
	for _, n := range slices.Sorted(maps.Keys(ms.Nodes)) {
		if n != not && ms.Nodes[n] == "online" {
			return n
		}
	}
	return ""
}
