package layout

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringboot/profiles"
)

// nodeAddr is the address of the i-th node on the ring.
func nodeAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 203, 4, byte(11 + i)}) }

// overThunderbolt is frege's part of a ring over Thunderbolt.
func overThunderbolt() Config {
	p := &profiles.Profile{Ring: profiles.Ring{Transport: profiles.TransportThunderbolt, MTU: 65520, Ports: []profiles.RingPort{
		{Name: "en05", Path: "pci-0000:00:0d.2", Driver: "thunderbolt-net"}, {Name: "en06", Path: "pci-0000:00:0d.3", Driver: "thunderbolt-net"}}}}
	for i, n := range []string{"frege", "russell", "wittgenstein"} {
		p.Nodes = append(p.Nodes, profiles.Node{Name: n, Ring: nodeAddr(i)})
	}
	cfg, err := ConfigOf(p, "frege")
	if err != nil {
		panic(err) // the profile above is fixed
	}
	return cfg
}

func TestMetricsStandBehindOpenFabric(t *testing.T) {
	// The literal numbers, so that a change of the formula is seen.
	if MetricDirect != 3355443300 || MetricDetour != 3355447296 {
		t.Errorf("metrics %d and %d, want 3355443300 and 3355447296", uint32(MetricDirect), uint32(MetricDetour))
	}
	const openFabric = 115
	if MetricDirect>>24 <= openFabric {
		t.Errorf("zebra would prefer our routes to OpenFabric's")
	}
}

func ports(s Snapshot) Snapshot {
	s.Links = append(s.Links, Link{Index: 1, Name: "lo", Up: true},
		Link{Index: 7, Name: "en05", Path: "pci-0000:00:0d.2", Driver: "thunderbolt-net"},
		Link{Index: 9, Name: "en06", Path: "pci-0000:00:0d.3", Driver: "thunderbolt-net"})
	return s
}

// routes writes routes down as a person would.
func routes(all []Route) string {
	var out []string
	for _, r := range all {
		kind := map[uint32]string{MetricDirect: "direct", MetricDetour: "detour"}[r.Metric]
		line := fmt.Sprintf("%s %s dev %d", r.Dst, kind, r.Link)
		if r.Via.IsValid() {
			line += " via " + r.Via.String()
		}
		if r.Onlink {
			line += " onlink"
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestDesiredRoutes(t *testing.T) {
	cfg := overThunderbolt()
	straight := []LinkState{{Peer: "russell"}, {Peer: "wittgenstein"}}
	for _, row := range []struct {
		name   string
		snap   Snapshot
		states []LinkState
		want   string
	}{
		{"by the rule", ports(Snapshot{}), straight, `10.203.4.12 direct dev 7
10.203.4.12 detour dev 9 via 10.203.4.13 onlink
10.203.4.13 direct dev 9
10.203.4.13 detour dev 7 via 10.203.4.12 onlink`},
		{"crossed", ports(Snapshot{}), []LinkState{{Peer: "wittgenstein"}, {Peer: "russell"}}, `10.203.4.12 direct dev 9
10.203.4.12 detour dev 7 via 10.203.4.13 onlink
10.203.4.13 direct dev 7
10.203.4.13 detour dev 9 via 10.203.4.12 onlink`},
		{"link to russell dead", ports(Snapshot{}), []LinkState{{Peer: "russell", Withheld: true}, {Peer: "wittgenstein"}},
			`10.203.4.12 detour dev 9 via 10.203.4.13 onlink
10.203.4.13 direct dev 9
10.203.4.13 detour dev 7 via 10.203.4.12 onlink`},
		{"two cables to russell", ports(Snapshot{}), []LinkState{{Peer: "russell"}, {Peer: "russell"}},
			"10.203.4.12 direct dev 7\n10.203.4.12 detour dev 9\n10.203.4.13 detour dev 7 via 10.203.4.12 onlink"},
		{"loop", ports(Snapshot{}), []LinkState{{Peer: "russell", Foreign: true}, {Peer: "wittgenstein", Foreign: true}}, ""},
		{"one port absent", Snapshot{Links: ports(Snapshot{}).Links[:2]}, straight,
			"10.203.4.12 direct dev 7\n10.203.4.13 detour dev 7 via 10.203.4.12 onlink"},
		{"no port at all", Snapshot{}, straight, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if d := cmp.Diff(row.want, routes(Desire(cfg, row.snap, row.states).Routes)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestDiffReachesWhatShouldBe applies the actions to a snapshot and wants
// nothing left to do, whatever was there before.
func TestDiffReachesWhatShouldBe(t *testing.T) {
	cfg := overThunderbolt()
	states := []LinkState{{Peer: "russell"}, {Peer: "wittgenstein"}}
	stale := Route{Dst: nodeAddr(1), Link: 9, Src: nodeAddr(0), Metric: MetricDirect}
	foreign := Route{Dst: nodeAddr(2), Link: 9, Via: nodeAddr(1), Metric: MetricDetour, Onlink: true, Src: nodeAddr(0)}
	renamed := ports(Snapshot{})
	renamed.Links[1].Name = "thunderbolt0"
	for name, s := range map[string]Snapshot{
		"nothing yet":          ports(Snapshot{}),
		"device under its old": renamed,
		"routes of yesterday":  ports(Snapshot{Routes: []Route{stale, foreign}}),
		"strict filter":        ports(Snapshot{Sysctls: map[string]string{"net/ipv4/conf/en05/rp_filter": "1"}}),
	} {
		t.Run(name, func(t *testing.T) {
			want := Desire(cfg, s, states)
			actions := Diff(want, s)
			if len(actions) == 0 {
				t.Fatal("nothing to do")
			}
			for _, a := range actions {
				s = applied(s, a)
			}
			if left := Diff(Desire(cfg, s, states), s); len(left) != 0 {
				t.Errorf("left to do: %v", left)
			}
		})
	}
}

// applied is the kernel of the test.
func applied(s Snapshot, a Action) Snapshot {
	out := s
	out.Links = append([]Link(nil), s.Links...)
	at := 0
	for i, l := range out.Links {
		if l.Index == a.Link {
			at = i
		}
	}
	switch a.Kind {
	case Rename:
		out.Links[at].Name, out.Links[at].Up = a.Name, false
	case SetMTU:
		out.Links[at].MTU = a.MTU
	case SetUp:
		out.Links[at].Up = true
	case AddAddr:
		out.Addrs = map[int][]netip.Prefix{}
		for k, v := range s.Addrs {
			out.Addrs[k] = v
		}
		out.Addrs[a.Link] = append(out.Addrs[a.Link], a.Addr)
	case SetSysctl:
		out.Sysctls = map[string]string{}
		for k, v := range s.Sysctls {
			out.Sysctls[k] = v
		}
		out.Sysctls[a.Sysctl.Path] = a.Sysctl.Value
	case AddRoute:
		out.Routes = nil
		for _, r := range s.Routes {
			if r.Dst != a.Route.Dst || r.Metric != a.Route.Metric {
				out.Routes = append(out.Routes, r)
			}
		}
		out.Routes = append(out.Routes, a.Route)
	case DelRoute:
		out.Routes = nil
		for _, r := range s.Routes {
			if r != a.Route {
				out.Routes = append(out.Routes, r)
			}
		}
	}
	return out
}

// inAChain is one node's part of a chain through russell.
func inAChain(t *testing.T, node string) Config {
	t.Helper()
	p := &profiles.Profile{Ring: profiles.Ring{Transport: profiles.TransportThunderbolt, MTU: 65520, Chain: "russell", Ports: []profiles.RingPort{
		{Name: "en05", Path: "pci-0000:00:0d.2", Driver: "thunderbolt-net"}, {Name: "en06", Path: "pci-0000:00:0d.3", Driver: "thunderbolt-net"}}}}
	for i, n := range []string{"frege", "russell", "wittgenstein"} {
		p.Nodes = append(p.Nodes, profiles.Node{Name: n, Ring: nodeAddr(i)})
	}
	p.Nodes[2].RingPorts = p.Ring.Ports[:1]
	cfg, err := ConfigOf(p, node)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestRoutesOfAChain(t *testing.T) {
	const russell, wittgenstein = 1 << 1, 1 << 2
	for _, row := range []struct {
		name, node string
		states     []LinkState
		want       string
	}{
		{"an end, its cable at the first port", "frege", []LinkState{{Peer: "russell"}, {}},
			"10.203.4.12 direct dev 7\n10.203.4.13 detour dev 7 via 10.203.4.12 onlink"},
		{"an end, its cable at the second port", "frege", []LinkState{{}, {Peer: "russell", Reaches: wittgenstein}},
			"10.203.4.12 direct dev 9\n10.203.4.13 detour dev 9 via 10.203.4.12 onlink"},
		{"an end, before it heard anybody", "frege", []LinkState{{Peer: "russell"}, {Peer: "russell"}},
			"10.203.4.12 direct dev 7\n10.203.4.12 detour dev 9\n10.203.4.13 detour dev 7 via 10.203.4.12 onlink"},
		{"an end of one port", "wittgenstein", []LinkState{{Peer: "russell"}},
			"10.203.4.11 detour dev 7 via 10.203.4.12 onlink\n10.203.4.12 direct dev 7"},
		{"the middle sends to nobody round an end", "russell", []LinkState{{Peer: "wittgenstein"}, {Peer: "frege"}},
			"10.203.4.11 direct dev 9\n10.203.4.13 direct dev 7"},
		{"one whose link does not answer stays where it is", "russell", []LinkState{{Peer: "wittgenstein", Withheld: true}, {Peer: "frege"}},
			"10.203.4.11 direct dev 9\n10.203.4.13 direct dev 7"},
		{"a third cable all the same: an end that says so is a way round", "russell", []LinkState{{Peer: "wittgenstein", Reaches: 1}, {Peer: "frege", Withheld: true}},
			"10.203.4.11 detour dev 7 via 10.203.4.13 onlink\n10.203.4.13 direct dev 7"},
		{"a third cable at an end", "frege", []LinkState{{Peer: "russell", Reaches: wittgenstein}, {Peer: "wittgenstein", Reaches: russell}},
			"10.203.4.12 direct dev 7\n10.203.4.12 detour dev 9 via 10.203.4.13 onlink\n10.203.4.13 direct dev 9\n10.203.4.13 detour dev 7 via 10.203.4.12 onlink"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := inAChain(t, row.node)
			if d := cmp.Diff(row.want, routes(Desire(cfg, ports(Snapshot{}), row.states).Routes)); d != "" {
				t.Error(d)
			}
		})
	}
	if end, middle := inAChain(t, "frege"), inAChain(t, "russell"); !end.End() || middle.End() || len(end.Neighbours()) != 1 || len(middle.Neighbours()) != 2 || end.Expected(1) != "russell" {
		t.Errorf("frege has the neighbours %v and russell %v", end.Neighbours(), middle.Neighbours())
	}
}

// Controllers of Thunderbolt are kept awake, always, and are left unreset by
// consent only; other cables have none.
func TestWhatTheFloorTellsControllers(t *testing.T) {
	cfg := overThunderbolt()
	files := func() map[string]string {
		out := map[string]string{}
		for _, f := range Floor(cfg, []string{"russell", "wittgenstein"}) {
			out[f.Path] = f.Content
		}
		return out
	}
	got := files()
	for _, subsystem := range []string{`SUBSYSTEM=="pci", DRIVER=="thunderbolt"`, `SUBSYSTEM=="thunderbolt"`} {
		if !strings.Contains(got[UdevFile], subsystem+`, TEST=="power/control", ATTR{power/control}="on"`) {
			t.Errorf("%s sleeps:\n%s", subsystem, got[UdevFile])
		}
	}
	if text, ok := got[ModuleFile]; ok {
		t.Errorf("the module is told %q, which nobody asked for", text)
	}
	cfg.KeepHost = true
	if got := files()[ModuleFile]; !strings.HasSuffix(got, "\noptions thunderbolt host_reset=0\n") {
		t.Errorf("the module is told %q", got)
	}
	cfg = overThunderbolt()
	cfg.Transport, _ = profiles.TransportOf(profiles.TransportEthernet)
	if got := files()[UdevFile]; strings.Contains(got, "power/control") {
		t.Errorf("Ethernet is told\n%s", got)
	}
}
