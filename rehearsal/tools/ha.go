package tools

import (
	"crypto/sha1" //nolint:gosec // digest of the real tool
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

const (
	haDir       = sim.EtcPVE + "/ha"
	haResources = haDir + "/resources.cfg"
	haRules     = haDir + "/rules.cfg"
	haStatus    = haDir + "/manager_status"
	haCommands  = haDir + "/crm_commands"
)

// haSection is an entry of resources.cfg or rules.cfg.
type haSection struct {
	kind, id string
	keys     map[string]string
}

func readSections(m sim.Machine, file string) []haSection {
	raw, _ := m.ReadFile(file)
	var out []haSection
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\n")
		if body, ok := strings.CutPrefix(line, "\t"); ok && len(out) > 0 {
			k, v, _ := strings.Cut(body, " ")
			out[len(out)-1].keys[k] = v
		} else if kind, id, ok := strings.Cut(line, ": "); ok {
			out = append(out, haSection{kind, id, map[string]string{}})
		}
	}
	return out
}

func writeSections(m sim.Machine, file string, list []haSection) error {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "%s: %s\n", s.kind, s.id)
		for _, k := range slices.Sorted(maps.Keys(s.keys)) {
			fmt.Fprintf(&b, "\t%s %s\n", k, s.keys[k])
		}
		b.WriteString("\n")
	}
	_ = m.MkdirAll(haDir, 0o755) // so do the real calls that add something
	return m.WriteDirect(file, []byte(b.String()))
}

func (s haSection) sid() string { return s.kind + ":" + s.id }

// guestAt finds a guest's node by its configuration file.
func guestAt(m sim.Machine, id string) string {
	nodes, _ := m.ReadDir(sim.EtcPVE + "/nodes")
	for _, n := range nodes {
		if shell.Exists(m, guestConf(n.Name(), id)) {
			return n.Name()
		}
	}
	return ""
}

func guestConf(node, id string) string {
	return sim.EtcPVE + "/nodes/" + node + "/qemu-server/" + id + ".conf"
}

func runMark(id string) string { return "/run/qemu-server/" + id + ".pid" }

// haManager is the tool ha-manager. Changes are only queued: the rounds of
// HATick do them.
func haManager(c *sim.Call) int {
	c.Work(700 * time.Millisecond)
	words, opt := shell.Options(c.Argv[1:])
	if len(words) == 0 {
		return c.Exit(255, "ERROR: no command specified")
	}
	startTicks(c.Machine)
	switch words[0] {
	case "status":
		c.Outf("%s", haStatusText(c))
		return 0
	case "config":
		for _, s := range readSections(c, haResources) {
			c.Outf("%s\n", s.sid())
			for _, k := range []string{"max_relocate", "max_restart", "state"} {
				if v, ok := s.keys[k]; ok {
					c.Outf("\t%s %s\n", k, v)
				}
			}
			c.Outf("\n")
		}
		return 0
	case "add", "remove":
		return haResource(c, words, opt)
	case "migrate", "relocate":
		return haQueue(c, strings.Join(words, " "))
	case "crm-command":
		return haQueue(c, strings.Join(words[1:], " "))
	case "rules":
		return haRule(c, words[1:], opt)
	}
	return c.Unknown(255, "ha-manager", words[0])
}

func haQueue(c *sim.Call, line string) int {
	return shell.WithLock(c, "file-ha_crm_commands", func() error {
		raw, _ := c.ReadFile(haCommands)
		return c.WriteDirect(haCommands, append(raw, line+"\n"...))
	})
}

func haResource(c *sim.Call, words []string, opt map[string]string) int {
	if len(words) < 2 {
		return c.Usage("sid", "property is missing and it is not optional", "ha-manager "+words[0]+" <sid>")
	}
	kind, id, ok := strings.Cut(words[1], ":")
	if !ok {
		kind, id = "vm", words[1]
	}
	list := readSections(c, haResources)
	at := slices.IndexFunc(list, func(s haSection) bool { return s.kind == kind && s.id == id })
	switch {
	case words[0] == "add" && at >= 0:
		return c.Exit(255, "create ha resource failed: resource ID '%s:%s' already defined", kind, id)
	case words[0] == "add" && guestAt(c, id) == "":
		return c.Exit(255, "create ha resource failed: unable to find VM %s", id)
	case words[0] != "add" && at < 0:
		return c.Exit(255, "resource '%s:%s' does not exist in cluster", kind, id)
	case words[0] == "add":
		list = append(list, haSection{kind, id, opt})
	default:
		list = slices.Delete(list, at, at+1)
	}
	return shell.WithLock(c, "file-ha_resources", func() error { return writeSections(c, haResources, list) })
}

func haRule(c *sim.Call, words []string, opt map[string]string) int {
	list := readSections(c, haRules)
	fail := func(format string, args ...any) int { return c.Exit(255, "create ha rule failed: "+format, args...) }
	switch {
	case len(words) == 1 && words[0] == "list":
		c.Outf("%s", ruleTable(list))
		return 0
	case len(words) == 1 && words[0] == "config":
		return c.JSON(ruleList(c))
	case len(words) == 3 && words[0] == "add":
		if slices.ContainsFunc(list, func(s haSection) bool { return s.id == words[2] }) {
			return fail("HA rule '%s' already defined", words[2])
		}
		managed := readSections(c, haResources)
		for _, r := range strings.Split(opt["resources"], ",") {
			if !slices.ContainsFunc(managed, func(s haSection) bool { return s.sid() == r }) {
				return fail("cannot use unmanaged resource(s) %s.", r)
			}
		}
		conf, _ := sim.ReadConf(c)
		for _, n := range strings.Split(opt["nodes"], ",") {
			name, _, _ := strings.Cut(n, ":")
			if _, known := conf.Node(name); name != "" && !known {
				return fail("cannot use non-existent node(s) %s.", name)
			}
		}
		for _, s := range list {
			if words[1] == "resource-affinity" && s.kind == "node-affinity" && strings.Contains(opt["resources"], s.keys["resources"]) {
				return fail("400 Rule '%s' is invalid.\nresources: resources are in node affinity rules with multiple priorities", words[2])
			}
		}
		list = append(list, haSection{words[1], words[2], opt})
	case len(words) == 2 && words[0] == "remove": // an unknown one is no error
		list = slices.DeleteFunc(list, func(s haSection) bool { return s.id == words[1] })
	default:
		return c.Unknown(255, "ha-manager rules", words...)
	}
	return shell.WithLock(c, "file-ha_rules", func() error { return writeSections(c, haRules, list) })
}

func ruleTable(list []haSection) string {
	if len(list) == 0 {
		return ""
	}
	wide, rows := len("rule"), ""
	for _, s := range list {
		wide = max(wide, len(s.id))
	}
	for _, s := range list {
		rows += fmt.Sprintf("│ %-*s │\n", wide, s.id)
	}
	bar := strings.Repeat("─", wide+2)
	return fmt.Sprintf("┌%s┐\n│ %-*s │\n╞%s╡\n%s└%s┘\n", bar, wide, "rule", strings.Repeat("═", wide+2), rows, bar)
}

func ruleList(c *sim.Call) []any {
	out := []any{}
	for i, s := range readSections(c, haRules) {
		o := shell.Object{"rule": s.id, "type": s.kind, "order": i + 1, "digest": digest(c, haRules), "enabled": 1, "state": "in use"}
		if s.keys["disable"] != "" {
			o["enabled"] = 0
		}
		for k, v := range s.keys {
			o[k] = v
		}
		out = append(out, o)
	}
	return out
}

// digest is what the API says of a file, so that nobody changes what another has changed.
func digest(m sim.Machine, file string) string {
	raw, _ := m.ReadFile(file)
	sum := sha1.Sum(raw) //nolint:gosec // as the real tool
	return hex.EncodeToString(sum[:])
}

const clockLayout = "Mon Jan _2 15:04:05 2006"

// haStatusText is ha-manager status.
func haStatusText(c *sim.Call) string {
	if !shell.Writable(c) {
		return fmt.Sprintf("quorum No quorum on node '%s'!\n", c.Name())
	}
	ms, names := readManager(c), shell.ReleaseOf(c.Machine).HA == profiles.HAFencing
	fencing := func(text string) string {
		if names {
			return "fencing " + text + "\n"
		}
		return ""
	}
	if ms.Master == "" {
		return "quorum OK\n" + fencing("standby (CRM watchdog standby)")
	}
	var b strings.Builder
	at := func(sec int64) string { return time.Unix(sec, 0).UTC().Format(clockLayout) }
	fmt.Fprintf(&b, "quorum OK\nmaster %s (active, %s)\n%s", ms.Master, at(ms.Timestamp), fencing("armed (CRM watchdog active)"))
	for _, n := range haNodes(c) {
		l := readLRM(c, n)
		state, dog := l.State, "standby"
		if l.State == "active" || l.State == "maintenance" {
			dog = "active"
		}
		if l.Mode == "maintenance" && l.State == "active" {
			state = "maintenance mode"
		}
		if c.Now().Unix()-l.Timestamp > 30 {
			state, dog = "old timestamp - dead?", "standby"
		}
		if names {
			state += ", watchdog " + dog
		}
		fmt.Fprintf(&b, "lrm %s (%s, %s)\n", n, state, at(l.Timestamp))
	}
	for _, sid := range slices.Sorted(maps.Keys(ms.Services)) {
		fmt.Fprintf(&b, "service %s (%s, %s)\n", sid, ms.Services[sid].Node, shownState(c, ms.Services[sid], sid))
	}
	return b.String()
}

// shownState is starting until the guest runs.
func shownState(m sim.Machine, s service, sid string) string {
	if s.State == "started" {
		_, id, _ := strings.Cut(sid, ":")
		if r := shell.Remote(m, s.Node); r == nil || !shell.Exists(r, runMark(id)) {
			return "starting"
		}
	}
	return s.State
}
