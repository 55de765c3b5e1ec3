package pve

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// HA is the high availability stack as the tools of one node see it.
type HA struct{ Shell }

// HAState is the cluster's view of nodes and services.
type HAState struct {
	Quorate  bool
	Master   string
	Armed    bool              // fencing, where the release says it
	LRM      map[string]string // by node: active, idle, maintenance, old timestamp - dead?
	Watchdog map[string]string // by node: active or standby; nothing before pve-ha-manager 5.1.3, which does not say
	Node     map[string]string // by node, from the manager: online, unknown, fence, maintenance, gone
	Services map[string]Service
}

// Service is one managed guest.
type Service struct {
	Node  string
	State string // queued, starting, started, migrate, fence, recovery, stopped, error
	Home  string // node in maintenance that it left and goes back to, "" for none
}

// lrmLine is "lrm frege (active, watchdog active, Mon Nov 23 01:05:36 2026)", and
// before pve-ha-manager 5.1.3 "lrm frege (active, Mon Nov 23 01:05:36 2026)".
var (
	lrmLine     = regexp.MustCompile(`^lrm (\S+) \((.+?)(?:, watchdog (\S+))?, \w{3} \w{3} [ 0-9]\d .+\)$`)
	masterLine  = regexp.MustCompile(`^master (\S+) \(`)
	serviceLine = regexp.MustCompile(`^service (\S+) \((\S+), (.+)\)$`)
)

// ParseHAStatus reads ha-manager status.
func ParseHAStatus(text string) HAState {
	s := HAState{LRM: map[string]string{}, Watchdog: map[string]string{}, Node: map[string]string{}, Services: map[string]Service{}}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "quorum OK":
			s.Quorate = true
		case strings.HasPrefix(line, "fencing armed"):
			s.Armed = true
		}
		if m := masterLine.FindStringSubmatch(line); m != nil {
			s.Master = m[1]
		}
		if m := lrmLine.FindStringSubmatch(line); m != nil {
			s.LRM[m[1]] = m[2]
			if m[3] != "" {
				s.Watchdog[m[1]] = m[3]
			}
		}
		if m := serviceLine.FindStringSubmatch(line); m != nil {
			s.Services[m[1]] = Service{Node: m[2], State: m[3]}
		}
	}
	return s
}

// Guarded reports whether a node's resource manager is at work behind its watchdog.
// Where the release does not name the watchdog, a manager at work has one.
func (s HAState) Guarded(node string) bool {
	dog, said := s.Watchdog[node]
	return said && dog == "active" || !said && s.LRM[node] == "active"
}

// State asks for the cluster's view, with what the manager thinks of the nodes.
func (h HA) State(ctx context.Context) (HAState, error) {
	r, err := h.read(ctx, "ha-manager", "status")
	if err != nil {
		return HAState{}, err
	}
	s := ParseHAStatus(string(r.Stdout))
	text, err := h.Host.Files.ReadFile("/etc/pve/ha/manager_status")
	if err == nil {
		var m struct {
			Nodes    map[string]string `json:"node_status"`
			Services map[string]struct {
				Home string `json:"maintenance_node"`
			} `json:"service_status"`
		}
		if json.Unmarshal(text, &m) == nil && m.Nodes != nil {
			s.Node = m.Nodes
			for sid, one := range s.Services {
				one.Home = m.Services[sid].Home
				s.Services[sid] = one
			}
		}
	} else if !isMissing(err) {
		return s, fmt.Errorf("read the state of HA: %w", err)
	}
	return s, nil
}

// Resources lists the ids of the managed guests, vm:100, sorted.
func (h HA) Resources() ([]string, error) {
	text, err := h.Host.Files.ReadFile("/etc/pve/ha/resources.cfg")
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the HA resources: %w", err)
	}
	var out []string
	for id, kind := range ParseStorages(string(text)) { // the same grammar
		out = append(out, kind+":"+id)
	}
	slices.Sort(out)
	return out, nil
}

// Add puts a guest under HA.
func (h HA) Add(ctx context.Context, sid string) error {
	_, err := h.change(ctx, time.Minute, "ha-manager", "add", sid, "--state", "started", "--max_restart", "1", "--max_relocate", "1")
	return err
}

// Remove takes a guest out of HA; it goes on running.
func (h HA) Remove(ctx context.Context, sid string) error {
	_, err := h.change(ctx, time.Minute, "ha-manager", "remove", sid)
	return err
}

// Move asks for a migration of a managed guest. It is only queued.
func (h HA) Move(ctx context.Context, sid, node string) error {
	_, err := h.change(ctx, time.Minute, "ha-manager", "migrate", sid, node)
	return err
}

// Maintenance puts a node into maintenance mode, or takes it out. It is only
// queued: State shows when it has happened.
func (h HA) Maintenance(ctx context.Context, node string, on bool) error {
	word := "disable"
	if on {
		word = "enable"
	}
	_, err := h.change(ctx, time.Minute, "ha-manager", "crm-command", "node-maintenance", word, node)
	return err
}

// Rule is one affinity rule.
type Rule struct {
	Name      string `json:"rule"`
	Type      string `json:"type"` // node-affinity, resource-affinity
	Resources string `json:"resources"`
	Nodes     string `json:"nodes,omitempty"`
	Affinity  string `json:"affinity,omitempty"`
}

// Rules lists the affinity rules.
func (h HA) Rules(ctx context.Context) ([]Rule, error) {
	var out []Rule
	return out, h.readJSON(ctx, &out, "ha-manager", "rules", "config", "--output-format", "json")
}

// AddRule makes an affinity rule.
func (h HA) AddRule(ctx context.Context, r Rule) error {
	argv := []string{"ha-manager", "rules", "add", r.Type, r.Name, "--resources", r.Resources}
	if r.Type == "node-affinity" {
		argv = append(argv, "--nodes", r.Nodes)
	} else {
		argv = append(argv, "--affinity", r.Affinity)
	}
	_, err := h.change(ctx, time.Minute, argv...)
	return err
}

// Options are the cluster options that matter here.
type Options struct {
	Migration string // type=secure,network=10.203.4.0/24
	HA        string // shutdown_policy=migrate
}

// ParseOptions reads datacenter.cfg.
func ParseOptions(text string) Options {
	var o Options
	for line := range strings.Lines(text) {
		switch key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ": "); key {
		case "migration":
			o.Migration = value
		case "ha":
			o.HA = value
		}
	}
	return o
}

// Options reads the cluster options.
func (h HA) Options() (Options, error) {
	text, err := h.Host.Files.ReadFile("/etc/pve/datacenter.cfg")
	if isMissing(err) {
		return Options{}, nil
	}
	if err != nil {
		return Options{}, fmt.Errorf("read the cluster options: %w", err)
	}
	return ParseOptions(string(text)), nil
}

// property is one property string of Proxmox VE as it is meant: its sub-keys,
// with the one that may go without its name, and the defaults.
type property struct {
	bare     string // sub-key whose name may be left out
	defaults map[string]string
}

// migrations and policies are the two options of datacenter.cfg that the plan
// knows, as the schema of Proxmox VE describes them.
func migrations() property { return property{"type", map[string]string{"type": "secure"}} }
func policies() property {
	return property{"", map[string]string{"shutdown_policy": "conditional"}}
}

// parse reads a property string.
func (p property) parse(text string) map[string]string {
	out := map[string]string{}
	for key, value := range p.defaults {
		out[key] = value
	}
	for _, part := range strings.Split(text, ",") {
		key, value, named := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case named:
			out[key] = value
		case key != "":
			out[p.bare] = key
		}
	}
	return out
}

// covers reports whether what is there means what is wanted. What is there
// beyond that is its owner's.
func (p property) covers(have, want string) bool {
	is := p.parse(have)
	for key, value := range p.parse(want) {
		if is[key] != value {
			return false
		}
	}
	return true
}

// MigrationIs reports whether the option migration means what is wanted:
// "secure,network=10.203.4.0/24" is "type=secure,network=10.203.4.0/24".
func (o Options) MigrationIs(want string) bool { return migrations().covers(o.Migration, want) }

// HAIs reports whether the option ha means what is wanted.
func (o Options) HAIs(want string) bool { return policies().covers(o.HA, want) }

// Merge puts the wanted sub-keys into a property string and keeps all others.
func Merge(have, want string) string {
	wanted := map[string]bool{}
	for _, part := range strings.Split(want, ",") {
		key, _, _ := strings.Cut(part, "=")
		wanted[key] = true
	}
	out := []string{want}
	for _, part := range strings.Split(have, ",") {
		key, _, named := strings.Cut(strings.TrimSpace(part), "=")
		if named && !wanted[key] { // without a name it is the bare one, which is wanted
			out = append(out, part)
		}
	}
	return strings.Join(out, ",")
}

// SetOptions sets migration network and shutdown policy.
func (h HA) SetOptions(ctx context.Context, migration, ha string) error {
	_, err := h.change(ctx, time.Minute, "pvesh", "set", "/cluster/options", "--migration", migration, "--ha", ha)
	return err
}

// Description is the note on the datacenter's page.
func (h HA) Description(ctx context.Context) (string, error) {
	var o struct {
		Description string `json:"description"`
	}
	return o.Description, h.readJSON(ctx, &o, "pvesh", "get", "/cluster/options", "--output-format", "json")
}

// SetDescription sets the note on the datacenter's page.
func (h HA) SetDescription(ctx context.Context, text string) error {
	_, err := h.change(ctx, time.Minute, "pvesh", "set", "/cluster/options", "--description", text)
	return err
}

// Watchdog names the kernel's watchdog of this node, as the device says;
// "" where there is none.
func (h HA) Watchdog() string {
	for _, dev := range []string{"watchdog0", "watchdog1"} {
		if text, err := h.Host.Files.ReadFile("/sys/class/watchdog/" + dev + "/identity"); err == nil {
			return strings.TrimSpace(string(text))
		}
	}
	return ""
}
