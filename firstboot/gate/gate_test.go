package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// gateWorld is three nodes that are ready, on a network in memory. Tests
// spoil one thing.
type gateWorld struct {
	net   *trust.Memory
	facts map[string]*status.Facts
	rings map[string]*status.RingView
	peers []status.PeerStatus
	clock time.Time
	step  *Gate
}

func newGateWorld() *gateWorld {
	p := &profiles.Profile{Cluster: profiles.Cluster{Name: "principia"}}
	names := []string{"frege", "russell", "wittgenstein"}
	w := &gateWorld{net: trust.NewMemory(), facts: map[string]*status.Facts{}, rings: map[string]*status.RingView{}, clock: time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)}
	for i, name := range names {
		p.Nodes = append(p.Nodes, profiles.Node{Name: name, Address: netip.AddrFrom4([4]byte{10, 203, 3, byte(11 + i)})})
		next, last := names[(i+1)%3], names[(i+2)%3]
		w.facts[name] = &status.Facts{
			Node: name, PlanCluster: "8f14e45fceea167a", Protocol: status.Protocol, Synced: true, Ready: []string{"identity", "ring"}, Trusts: []string{next, last},
			Versions: map[string]string{"pve-manager": "9.2.11", "corosync": "3.1.10-pve3", "kernel": "6.17.2-1-pve", "ringboot": "v1"},
		}
		w.rings[name] = &status.RingView{Whole: true, Ports: []status.RingPort{
			{Name: "en05", Peer: next, PeerPort: "en06", Alive: true, Proven: true},
			{Name: "en06", Peer: last, PeerPort: "en05", Alive: true, Proven: true},
		}}
		node := w.net.Node(name)
		node.Handle(trust.MethodFacts, func(context.Context, string, json.RawMessage) (any, error) {
			f := *w.facts[name]
			if f.Time.IsZero() {
				f.Time = w.clock
			}
			return f, nil
		})
		node.Handle(trust.MethodRing, func(context.Context, string, json.RawMessage) (any, error) { return *w.rings[name], nil })
	}
	w.step = New(Options{
		Profile: p, Node: "frege", Caller: w.net.Node("frege"),
		Facts: func(context.Context) (status.Facts, error) { return *w.facts["frege"], nil },
		Ring:  func() status.RingView { return *w.rings["frege"] },
		Peers: func() []status.PeerStatus { return w.peers },
		Now:   func() time.Time { return w.clock },
	})
	w.step.Follow([]step.Step{named("identity"), named("ring")})
	return w
}

// chain takes the cable between frege and wittgenstein out, by consent.
func (w *gateWorld) chain() {
	w.rings["frege"].Ports[1] = status.RingPort{Name: "en06", Free: true}
	w.rings["wittgenstein"].Ports[0] = status.RingPort{Name: "en05", Free: true}
	for _, r := range w.rings {
		r.Chain = "russell"
	}
}

func TestGate(t *testing.T) {
	yes := status.State{OK: true}
	for _, c := range []struct {
		name  string
		spoil func(w *gateWorld)
		state step.State
		want  string
	}{
		{"all is well", func(*gateWorld) {}, step.Done,
			"3/3 present and trusted, same plan 8f14e45f, same versions, clocks within 0 ms, ring proven from both ends"},
		{"seen, not reachable", func(w *gateWorld) {
			w.net.Remove("wittgenstein")
			w.peers = []status.PeerStatus{{Node: "wittgenstein", Seen: yes, Reachable: status.State{Why: "10.203.3.13:8643 refused"}}}
		}, step.Waiting, "have 2/3, missing wittgenstein: seen, not reachable (10.203.3.13:8643 refused)"},
		{"two are missing", func(w *gateWorld) {
			w.net.Remove("russell")
			w.net.Cut("frege", "wittgenstein", errors.New("certificate"))
			w.peers = []status.PeerStatus{
				{Node: "russell", Reachable: status.State{Why: "10.203.3.12:8643 no route to host"}},
				{Node: "wittgenstein", Seen: yes, Reachable: yes, Trusted: status.State{Why: "another machine (russell) answers at the address of wittgenstein"}},
			}
		}, step.Waiting, "have 1/3, missing russell: not seen, not reachable (10.203.3.12:8643 no route to host): switch it on, or look at its console; " +
			"wittgenstein: seen, reachable, not trusted (another machine (russell) answers at the address of wittgenstein)"},
		{"another plan", func(w *gateWorld) { w.facts["russell"].PlanCluster = "ffffffff00000000" }, step.Stopped,
			"the plans differ: want 8f14e45f (frege), detected ffffffff (russell): make all images from one profile"},
		{"another corosync, and none", func(w *gateWorld) {
			w.facts["wittgenstein"].Versions["corosync"] = "3.1.9-pve1"
			delete(w.facts["russell"].Versions, "corosync")
		}, step.Waiting, "versions differ: corosync want 3.1.10-pve3 (frege), have unknown (russell); corosync want 3.1.10-pve3 (frege), have 3.1.9-pve1 (wittgenstein): russell, wittgenstein is to bring its packages up to date"},
		{"one cannot follow", func(w *gateWorld) {
			w.facts["wittgenstein"].Versions["pve-manager"] = "9.2.14"
			w.facts["frege"].Versions["pve-manager"] = "9.2.14"
			w.facts["russell"].Stuck = "Temporary failure resolving 'download.proxmox.com'"
		}, step.Stopped, "versions differ: pve-manager want 9.2.14 (frege), have 9.2.11 (russell): russell could not follow (Temporary failure resolving 'download.proxmox.com'): connect it to the package sources, or run apt full-upgrade there"},
		{"this one is behind", func(w *gateWorld) {
			w.facts["russell"].Versions["pve-manager"] = "9.2.14"
			w.step.o.Packages = &packages{behind: true}
		}, step.Todo, "versions differ: pve-manager want 9.2.14 (russell), have 9.2.11 (frege); pve-manager want 9.2.14 (russell), have 9.2.11 (wittgenstein): this node brings its packages up to date"},
		{"this one has not looked yet", func(w *gateWorld) { w.step.o.Packages = &packages{first: true} }, step.Todo, "this node brings its packages up to date"},
		{"a newer machine for a cluster", func(w *gateWorld) {
			w.facts["frege"].Versions["pve-manager"] = "9.2.14"
			w.facts["russell"].Cluster, w.facts["wittgenstein"].Cluster = "principia", "principia"
		}, step.Done, "3/3 present and trusted, same plan 8f14e45f, same versions, clocks within 0 ms, ring proven from both ends"},
		{"an older machine for a cluster", func(w *gateWorld) {
			w.facts["frege"].Versions["pve-manager"] = "9.2.2"
			w.facts["russell"].Cluster, w.facts["wittgenstein"].Cluster = "principia", "principia"
			w.step.o.Packages = &packages{behind: true}
		}, step.Todo, "versions differ: pve-manager want 9.2.11 (russell), have 9.2.2 (frege): this node takes over the packages of the cluster"},
		{"another agent of one protocol", func(w *gateWorld) { w.facts["russell"].Versions["ringboot"] = "v2" }, step.Done,
			"3/3 present and trusted, same plan 8f14e45f, same versions, clocks within 0 ms, ring proven from both ends"},
		{"another protocol", func(w *gateWorld) { w.facts["russell"].Protocol, w.facts["russell"].Versions["ringboot"] = 2, "v9" }, step.Stopped,
			"the agents do not speak one language: russell has version v9 (protocol 2), this one protocol 1: install the newer ringboot.deb on both"},
		{"a clock ahead", func(w *gateWorld) { w.facts["russell"].Time = w.clock.Add(120400 * time.Microsecond) }, step.Waiting,
			"the clock of russell is 120.4 ms ahead of that of frege (measured to 0 ms), want at most 50 ms: wait for time synchronisation, or check its time servers"},
		{"a clock years behind", func(w *gateWorld) { w.facts["russell"].Time = w.clock.Add(-time.Hour) }, step.Waiting,
			"the clock of russell is 3600 s behind that of frege (measured to 0 ms), want at most 50 ms: wait for time synchronisation, or check its time servers"},
		{"a clock just within", func(w *gateWorld) { w.facts["russell"].Time = w.clock.Add(50 * time.Millisecond) }, step.Done,
			"3/3 present and trusted, same plan 8f14e45f, same versions, clocks within 50 ms, ring proven from both ends"},
		{"guests", func(w *gateWorld) { w.facts["russell"].Guests = 2 }, step.Stopped,
			"russell holds 2 guests, and a join would hide them: move them away, or install it anew"},
		{"a foreign cluster there", func(w *gateWorld) { w.facts["russell"].Cluster = "homelab" }, step.Stopped,
			"russell is in cluster homelab, not in principia: take it out of there, or install it anew"},
		{"a foreign cluster here", func(w *gateWorld) { w.facts["frege"].Cluster = "homelab" }, step.Stopped,
			"frege is in cluster homelab, not in principia: take it out of there, or install it anew"},
		{"the cluster is there", func(w *gateWorld) { w.facts["frege"].Cluster = "principia"; w.net.Remove("russell") }, step.Done,
			"this node is in cluster principia: the gate was passed"},
		{"a joiner after the founder", func(w *gateWorld) { w.facts["russell"].Cluster = "principia"; w.facts["russell"].Guests = 1 }, step.Done,
			"3/3 present and trusted, same plan 8f14e45f, same versions, clocks within 0 ms, ring proven from both ends"},
		{"not ready", func(w *gateWorld) { w.facts["russell"].Ready = nil; w.facts["wittgenstein"].Trusts = []string{"frege"} }, step.Waiting,
			"all are here, but russell has not done identity, ring; wittgenstein does not trust russell yet"},
		{"ring broken there", func(w *gateWorld) {
			w.rings["russell"].Whole = false
			w.rings["russell"].Verdict = "no cable between russell and wittgenstein"
		}, step.Waiting, "the ring is not proven: russell: no cable between russell and wittgenstein"},
		{"ring not of full size here", func(w *gateWorld) { w.rings["frege"].Ports[0].Proven = false }, step.Waiting,
			"the ring is not proven: frege: all links are alive, and a packet of full size has not passed both ways yet"},
		{"the ends disagree", func(w *gateWorld) { w.rings["wittgenstein"].Ports[0].PeerPort = "en05" }, step.Waiting,
			"the two ends of a ring link disagree: frege finds en05 of wittgenstein at en06, and wittgenstein does not say so; wittgenstein finds en05 of frege at en05, and frege does not say so"},
		{"a chain", func(w *gateWorld) { w.chain() }, step.Done, "3/3 present and trusted, same plan 8f14e45f, same versions, clocks within 0 ms, ring proven from both ends"},
		{"a chain whose end is not proven", func(w *gateWorld) { w.chain(); w.rings["wittgenstein"].Ports[1].Proven = false }, step.Waiting,
			"the ring is not proven: wittgenstein: all links are alive, and a packet of full size has not passed both ways yet"},
		{"no ring", func(w *gateWorld) { *w.rings["russell"] = status.RingView{Verdict: "the ring is not looked at yet"} }, step.Waiting,
			"the ring is not proven: russell says nothing of its ring (the ring is not looked at yet)"},
		{"a clock too far", func(w *gateWorld) { w.facts["russell"].Time = w.clock.Add(50*time.Millisecond + 100*time.Microsecond) }, step.Waiting,
			"the clock of russell is 50.1 ms ahead of that of frege (measured to 0 ms), want at most 50 ms: wait for time synchronisation, or check its time servers"},
		{"a clock ten seconds behind", func(w *gateWorld) { w.facts["russell"].Time = w.clock.Add(-10 * time.Second) }, step.Waiting,
			"the clock of russell is 10 s behind that of frege (measured to 0 ms), want at most 50 ms: wait for time synchronisation, or check its time servers"},
		{"one guest", func(w *gateWorld) { w.facts["frege"].Guests = 1 }, step.Stopped,
			"frege holds 1 guests, and a join would hide them: move them away, or install it anew"},
		{"one step to do", func(w *gateWorld) { w.facts["frege"].Ready = []string{"identity"} }, step.Waiting, "all are here, but frege has not done ring"},
		{"one end says more than the other", func(w *gateWorld) {
			w.rings["frege"].Ports = append(w.rings["frege"].Ports, status.RingPort{Name: "en07", Peer: "russell", PeerPort: "en09", Proven: true})
		}, step.Waiting, "the two ends of a ring link disagree: frege finds en09 of russell at en07, and russell does not say so"},
		{"a packet that not all have", func(w *gateWorld) { w.facts["russell"].Versions["ceph"] = "19.2.1" }, step.Done,
			"3/3 present and trusted, same plan 8f14e45f, same versions, clocks within 0 ms, ring proven from both ends"},
		{"this one has not looked yet, and one is a member", func(w *gateWorld) {
			w.facts["russell"].Cluster = "principia"
			w.step.o.Packages = &packages{first: true}
		}, step.Done, "3/3 present and trusted, same plan 8f14e45f, same versions, clocks within 0 ms, ring proven from both ends"},
		{"the only member has the older one", func(w *gateWorld) {
			w.facts["russell"].Cluster, w.facts["russell"].Versions["corosync"] = "principia", "3.1.9-pve1"
			w.facts["frege"].Versions["pve-manager"] = "9.2.9"
		}, step.Waiting, "versions differ: pve-manager want 9.2.11 (russell), have 9.2.9 (frege): frege is to bring its packages up to date"},
		{"four packages", func(w *gateWorld) { spread(w, "qemu-server", "pve-ha-manager") }, step.Waiting,
			"versions differ: corosync want 9 (frege), have 8 (russell); pve-ha-manager want 9 (frege), have 8 (russell); pve-manager want 9 (frege), have 8 (russell); qemu-server want 9 (frege), have 8 (russell): russell is to bring its packages up to date"},
		{"five packages", func(w *gateWorld) { spread(w, "qemu-server", "pve-ha-manager", "zfs") }, step.Waiting,
			"versions differ: corosync want 9 (frege), have 8 (russell); pve-ha-manager want 9 (frege), have 8 (russell); pve-manager want 9 (frege), have 8 (russell); qemu-server want 9 (frege), have 8 (russell) and 1 more: russell is to bring its packages up to date"},
	} {
		w := newGateWorld()
		c.spoil(w)
		v, err := w.step.Check(t.Context())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if v.State != c.state || v.Reason != c.want {
			t.Errorf("%s:\ngot  %s: %s\nwant %s: %s", c.name, v.State, v.Reason, c.state, c.want)
		}
	}
}

// spread has russell be behind with these packages and those that all compare.
func spread(w *gateWorld, names ...string) {
	for _, name := range append(names, "pve-manager", "corosync") {
		for node, f := range w.facts {
			f.Versions[name] = "9"
			if node == "russell" {
				f.Versions[name] = "8"
			}
		}
	}
}

func TestClocksAreCompensatedForTheWay(t *testing.T) {
	w := newGateWorld()
	// The answer takes 200 ms: an offset of 90 ms may be an error of measuring.
	now := w.clock
	w.step.o.Now = func() time.Time { now = now.Add(100 * time.Millisecond); return now }
	w.net.Node("russell").Handle(trust.MethodFacts, func(context.Context, string, json.RawMessage) (any, error) {
		f := *w.facts["russell"]
		f.Time = now.Add(90 * time.Millisecond)
		return f, nil
	})
	told := told{node: "russell"}
	w.step.askOne(t.Context(), &told)
	if told.err != nil || told.doubt != 50*time.Millisecond || told.offset != 40*time.Millisecond {
		t.Errorf("offset %s, doubt %s, %v; want 40ms, 50ms", told.offset, told.doubt, told.err)
	}
}

func TestUnsynchronisedClocksAreARisk(t *testing.T) {
	w := newGateWorld()
	w.facts["russell"].Synced = false
	v, err := w.step.Check(t.Context())
	if err != nil || v.State != step.Done || len(v.Risks) != 1 || v.Risks[0] != "the clock of russell is right but not synchronised: check its time servers" {
		t.Errorf("got %+v, %v", v, err)
	}
}

// answers is a machine on which every command says the same.
type answers map[string]string

func (a answers) Run(_ context.Context, cmd host.Cmd) (host.Result, error) {
	return host.Result{Stdout: []byte(a[cmd.Argv[0]])}, nil
}

func TestLocalFactsComeFromTheMachine(t *testing.T) {
	root := t.TempDir()
	for file, text := range map[string]string{
		"proc/sys/kernel/random/boot_id":             "5f2c11d0-0000-0000-0000-000000000000\n",
		"etc/pve/corosync.conf":                      "totem {\n  cluster_name: principia\n}\n",
		"etc/pve/nodes/frege/qemu-server/100.conf":   "",
		"etc/pve/nodes/frege/lxc/101.conf":           "",
		"etc/pve/nodes/frege/lxc/notes.txt":          "",
		"etc/pve/nodes/russell/qemu-server/200.conf": "",
	} {
		at := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h := host.New(root)
	h.Commands = answers{
		"pveversion":  "proxmox-ve: 9.2.0 (running kernel: 6.17.2-1-pve)\npve-manager: 9.2.11 (running version: 9.2.11/0)\ncorosync: 3.1.10-pve3\nchrony: 4.6\n",
		"timedatectl": "yes\n",
	}
	said := status.Status{
		Plans: []status.StepStatus{{Name: "identity", State: "done"}, {Name: "base", State: "waiting"}},
		Peers: []status.PeerStatus{{Node: "russell", Trusted: status.State{OK: true}}, {Node: "wittgenstein"}},
	}
	f := &LocalFacts{Host: h, Seed: profiles.Seed{Node: "frege"}, Agent: "v1", Status: func() status.Status { return said }}
	got, err := f.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Cluster != "principia" || got.Guests != 2 || !got.Synced || !strings.HasPrefix(got.BootID, "5f2c11d0-") ||
		strings.Join(got.Ready, " ") != "identity" || strings.Join(got.Trusts, " ") != "russell" {
		t.Errorf("got %+v", got)
	}
	for what, want := range map[string]string{"pve-manager": "9.2.11", "corosync": "3.1.10-pve3", "kernel": "6.17.2-1-pve", "ringboot": "v1"} {
		if got.Versions[what] != want {
			t.Errorf("version of %s is %q, want %q", what, got.Versions[what], want)
		}
	}
}

// moved is a clock that a test sets.
type moved struct {
	host.Clock
	now time.Time
}

func (m *moved) Now() time.Time { return m.now }

// pveversion takes a second of a processor, and peers ask every few seconds;
// packages that change are seen all the same, whatever the clock does.
func TestVersionsAreKeptForAWhile(t *testing.T) {
	says, clock := answers{}, &moved{now: time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)}
	f := &LocalFacts{Host: host.Host{Commands: says, Clock: clock}, Agent: "v1"}
	for i, c := range []struct {
		after time.Duration
		want  string
	}{{0, "9.2.0"}, {20 * time.Second, "9.2.0"}, {time.Second, "9.2.2"}, {-time.Hour, "9.2.3"}} {
		says["pveversion"] = fmt.Sprintf("pve-manager: 9.2.%d (running version: 9.2.%[1]d/0)\n", i)
		clock.now = clock.now.Add(c.after)
		got, err := f.readVersions(t.Context())
		if err != nil || got["pve-manager"] != c.want {
			t.Errorf("%d: %v, %v, want %s", i, got, err, c.want)
		}
	}
}

// named is a step that only has a name.
type named string

func (n named) Name() string                                { return string(n) }
func (n named) Check(context.Context) (step.Verdict, error) { return step.IsDone(""), nil }
func (n named) Apply(context.Context) error                 { return nil }
