package ringup

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringboot/firstboot/host"
	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/disk"
	"ringboot/rehearsal/need"
)

// fakeKeeper is a keeper that says what the test wants.
type fakeKeeper struct {
	view  status.RingView
	peers []string
	ready bool
	kicks int
}

func (k *fakeKeeper) View() status.RingView { return k.view }
func (k *fakeKeeper) Peers() []string       { return k.peers }
func (k *fakeKeeper) Ready() bool           { return k.ready }
func (k *fakeKeeper) Kick()                 { k.kicks++ }

// ringTools are the programs that the step calls, as far as they leave traces.
type ringTools struct{ *disk.Disk }

func (c ringTools) Run(_ context.Context, cmd host.Cmd) (host.Result, error) {
	switch cmd.Argv[0] {
	case "modprobe":
		c.Program("/sys/module/"+cmd.Argv[1]+"/refcnt", "0")
	case "update-initramfs":
		text := ""
		for _, l := range c.Glob("/etc/systemd/network/*.link") {
			b, _ := c.ReadFile(l)
			text += string(b)
		}
		c.Program("/boot/initrd", text)
	case "udevadm", "systemctl", "nft":
	default:
		return host.Result{Code: 127, Stderr: []byte(cmd.Argv[0] + ": not found")}, nil
	}
	return host.Result{}, nil
}

// RunPartly leaves half of an initramfs.
func (c ringTools) RunPartly(_ context.Context, cmd host.Cmd) {
	if cmd.Argv[0] == "update-initramfs" {
		c.Program("/boot/initrd", "ha")
	}
}

// Reboot forgets the modules.
func (c ringTools) Reboot() { c.RemoveAll("/sys/module") }

func ringOf(t *testing.T, routing string) layout.Config {
	t.Helper()
	p := &profiles.Profile{Ring: profiles.Ring{Transport: profiles.TransportThunderbolt, MTU: 65520, Routing: routing, Ports: []profiles.RingPort{
		{Name: "en05", Path: "pci-0000:00:0d.2", Driver: "thunderbolt-net"}, {Name: "en06", Path: "pci-0000:00:0d.3", Driver: "thunderbolt-net"}}}}
	for i, n := range []string{"frege", "russell", "wittgenstein"} {
		p.Nodes = append(p.Nodes, profiles.Node{Name: n, Ring: netip.AddrFrom4([4]byte{10, 203, 4, byte(11 + i)})})
	}
	cfg, err := layout.ConfigOf(p, "frege")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// ringMachine is a node whose ring step can be cut off anywhere.
func ringMachine() *crash.Machine {
	clock := crash.NewClock(time.Now())
	d := disk.New(clock.Now)
	return crash.New(d, ringTools{d}, clock)
}

// converge runs Check and Apply as the engine does until nothing is left to write.
func converge(t *testing.T, s *Ring) error {
	t.Helper()
	for range 3 {
		v, err := s.Check(t.Context())
		if err != nil {
			return err
		}
		if v.State != step.Todo {
			return nil
		}
		if err := s.Apply(t.Context()); err != nil {
			return err
		}
	}
	t.Fatal("Apply does not satisfy Check")
	return nil
}

func TestRingWritesItsFloor(t *testing.T) {
	m := ringMachine()
	keeper := &fakeKeeper{peers: []string{"russell", "wittgenstein"}}
	s := New(m.Host(), ringOf(t, "static"), keeper)
	before := crash.Files(m.Disk)
	v, err := s.Check(t.Context())
	if err != nil || v.State != step.Todo || len(v.Changes) == 0 {
		t.Fatalf("%+v, %v", v, err)
	}
	if d := cmp.Diff(before, crash.Files(m.Disk)); d != "" {
		t.Errorf("Check changed the machine: %s", d)
	}
	if err := converge(t, s); err != nil {
		t.Fatal(err)
	}
	if keeper.kicks == 0 {
		t.Error("the keeper was not woken")
	}
	got := crash.Files(m.Disk)
	const mark = "# Written by ringboot for the time when its agent does not run. Changes are undone.\n"
	for path, want := range map[string]string{
		"/etc/systemd/network/00-ringboot-en05.link": mark + `[Match]
Path=pci-0000:00:0d.2
Driver=thunderbolt-net

[Link]
MACAddressPolicy=none
Name=en05
MTUBytes=65520
`,
		"/etc/modules-load.d/ringboot-ring.conf": mark + "thunderbolt\nthunderbolt_net\n",
	} {
		if d := cmp.Diff(want, got[path]); d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
	for _, line := range []string{
		"auto en05\niface en05 inet manual\n\tmtu 65520\n",
		"\tup ip address replace 10.203.4.11/32 dev lo\n",
		"\tup ip route replace 10.203.4.12/32 dev en05 scope link src 10.203.4.11 metric 3355443300 proto static\n",
		"\tup ip route replace 10.203.4.13/32 via 10.203.4.12 dev en05 onlink src 10.203.4.11 metric 3355447296 proto static\n",
		"\tup ip route replace 10.203.4.13/32 dev en06 scope link src 10.203.4.11 metric 3355443300 proto static\n",
	} {
		if !strings.Contains(got[layout.StanzaFile], line) {
			t.Errorf("%s lacks %q:\n%s", layout.StanzaFile, line, got[layout.StanzaFile])
		}
	}
	// Crossed cables were learned: the floor follows.
	keeper.peers = []string{"wittgenstein", "russell"}
	if err := converge(t, s); err != nil {
		t.Fatal(err)
	}
	if text := crash.Files(m.Disk)[layout.StanzaFile]; !strings.Contains(text, "10.203.4.12/32 dev en06 scope link") {
		t.Errorf("the floor still has the old cables:\n%s", text)
	}
}

// TestRingSurvivesPowerCuts cuts the power, or the agent, before and after
// every write and command, with the last write kept, lost or torn.
func TestRingSurvivesPowerCuts(t *testing.T) {
	need.Slow(t)
	peers := []string{"russell", "wittgenstein"}
	m := ringMachine()
	m.Arm(crash.Cut{})
	if err := converge(t, New(m.Host(), ringOf(t, "static"), &fakeKeeper{peers: peers})); err != nil {
		t.Fatal(err)
	}
	want, points, cuts, diverged := crash.Files(m.Disk), m.Points(), 0, 0
	if points < 10 {
		t.Fatalf("only %d points", points)
	}
	for p := 1; p <= points; p++ {
		for _, cut := range crash.Cuts(p) {
			cuts++
			m := ringMachine()
			m.Arm(cut)
			s := New(m.Host(), ringOf(t, "static"), &fakeKeeper{peers: peers})
			if err := converge(t, s); !errors.Is(err, crash.ErrPowerCut) {
				t.Fatalf("%s: %v", cut, err)
			}
			m.Reboot()
			if err := converge(t, s); err != nil {
				t.Fatalf("%s: %v", cut, err)
			}
			if d := cmp.Diff(want, crash.Files(m.Disk)); d != "" {
				diverged++
				t.Errorf("%s: %s", cut, d)
			}
		}
	}
	t.Logf("%d cuts at %d points", cuts, points)
	need.Figure("node.power_cuts.ring", cuts, "count")
	need.Figure("node.power_cuts_diverged.ring", diverged, "count")
}

func TestRingVerdicts(t *testing.T) {
	port := func(name, peer string, proven bool) status.RingPort {
		return status.RingPort{Name: name, Peer: peer, Alive: true, Proven: proven, FullSize: proven}
	}
	const whole = "ring whole: en05 to en06 of russell, en06 to en05 of wittgenstein"
	narrow := port("en05", "russell", true)
	narrow.Lanes, narrow.Slow, narrow.Verdict = 1, true, "one lane"
	for _, row := range []struct {
		name   string
		keeper fakeKeeper
		state  step.State
		reason string
		risks  int
	}{
		{"agent does not run", fakeKeeper{}, step.Waiting, "the ring is kept by the running agent: systemctl start ringboot", 0},
		{"proven", fakeKeeper{ready: true, view: status.RingView{Whole: true, Verdict: whole,
			Ports: []status.RingPort{port("en05", "russell", true), port("en06", "wittgenstein", true)}}}, step.Done, whole, 0},
		{"full size not tried yet", fakeKeeper{ready: true, view: status.RingView{Whole: true, Verdict: whole,
			Ports: []status.RingPort{port("en05", "russell", true), port("en06", "wittgenstein", false)}}}, step.Waiting,
			"all links are alive; a packet of 65520 bytes is being tried both ways", 0},
		{"cable missing", fakeKeeper{ready: true, view: status.RingView{Verdict: "no cable between frege and wittgenstein",
			Ports: []status.RingPort{port("en05", "russell", true), {Name: "en06"}}}}, step.Waiting, "no cable between frege and wittgenstein", 0},
		{"both cables to one peer", fakeKeeper{ready: true, view: status.RingView{Verdict: "two cables",
			Ports: []status.RingPort{port("en05", "russell", true), port("en06", "russell", true)}}}, step.Waiting, "two cables", 0},
		{"full size does not pass", fakeKeeper{ready: true, view: status.RingView{Whole: true, Verdict: "packets of 65520 bytes do not pass",
			Ports: []status.RingPort{port("en05", "russell", true), port("en06", "wittgenstein", false)}}}, step.Waiting, "packets of 65520 bytes do not pass", 0},
		{"one lane is a risk", fakeKeeper{ready: true, view: status.RingView{Whole: true, Verdict: "one lane",
			Ports: []status.RingPort{narrow, port("en06", "wittgenstein", true)}}}, step.Done, "one lane", 1},
		{"one lane, and full size not tried yet", fakeKeeper{ready: true, view: status.RingView{Whole: true, Verdict: whole,
			Ports: []status.RingPort{narrow, port("en06", "wittgenstein", false)}}}, step.Waiting, whole, 0},
		{"a slow port that is dead", fakeKeeper{ready: true, view: status.RingView{Verdict: "no answer", Ports: []status.RingPort{{Name: "en05", Slow: true}}}}, step.Waiting, "no answer", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := ringMachine()
			row.keeper.peers = []string{"russell", "wittgenstein"}
			s := New(m.Host(), ringOf(t, "static"), &row.keeper)
			if err := converge(t, s); err != nil {
				t.Fatal(err)
			}
			v, err := s.Check(t.Context())
			if err != nil || v.State != row.state || v.Reason != row.reason || len(v.Risks) != row.risks {
				t.Errorf("%s %q %v (%v), want %s %q", v.State, v.Reason, v.Risks, err, row.state, row.reason)
			}
		})
	}
	// On a switch the keeper's words are others.
	for words, c := range map[string]struct {
		whole bool
		want  string
	}{"russell does not answer over stor0": {false, "russell does not answer over stor0"}, "all answer": {true, "all links are alive; a packet of 9000 bytes is being tried both ways"}} {
		s := New(ringMachine().Host(), onSwitch(t, nil), &fakeKeeper{ready: true, view: status.RingView{Whole: c.whole, Verdict: words}})
		if v := s.judge(); v.State != step.Waiting || v.Reason != c.want {
			t.Errorf("%s %q", v.State, v.Reason)
		}
	}
}

func TestOpenFabricOnTop(t *testing.T) {
	m := ringMachine()
	s := New(m.Host(), ringOf(t, layout.RoutingOpenFabric), &fakeKeeper{peers: []string{"russell", "wittgenstein"}})
	v, err := s.Check(t.Context())
	const absent = "routing is openfabric, but FRR is not installed: apt install frr frr-pythontools, or set ring.routing to static"
	if err != nil || v.State != step.Waiting || v.Reason != absent {
		t.Fatalf("%+v, %v", v, err)
	}
	m.Program(layout.FRRDaemonsFile, "# daemons\nbgpd=no\nfabricd=no\nvtysh_enable=yes\n")
	if err := converge(t, s); err != nil {
		t.Fatal(err)
	}
	got := crash.Files(m.Disk)
	if d := cmp.Diff("# daemons\nbgpd=no\nfabricd=yes\nvtysh_enable=yes\n", got[layout.FRRDaemonsFile]); d != "" {
		t.Error(d)
	}
	if got[layout.FRRFile] != got[layout.FRRLocalFile] || !strings.Contains(got[layout.FRRFile], " net 49.0001.0000.0000.0001.00\n") {
		t.Errorf("frr.conf:\n%s\nfrr.conf.local:\n%s", got[layout.FRRFile], got[layout.FRRLocalFile])
	}
}

// The end of a chain has one link, and is content with it.
func TestTheEndOfAChain(t *testing.T) {
	cfg := ringOf(t, "static")
	cfg.Chain = "russell"
	if !cfg.End() {
		t.Fatalf("%s is the middle", cfg.Node)
	}
	const whole = "chain whole: en05 to en06 of russell"
	for name, c := range map[string]struct {
		ports  []status.RingPort
		state  step.State
		reason string
	}{
		"proven":        {[]status.RingPort{{Name: "en05", Peer: "russell", Alive: true, FullSize: true, Proven: true}, {Name: "en06", Free: true}}, step.Done, whole},
		"not tried yet": {[]status.RingPort{{Name: "en05", Peer: "russell", Alive: true}, {Name: "en06", Free: true}}, step.Waiting, "all links are alive; a packet of 65520 bytes is being tried both ways"},
	} {
		s := New(ringMachine().Host(), cfg, &fakeKeeper{ready: true, peers: []string{"russell", ""}, view: status.RingView{Chain: "russell", Whole: true, Verdict: whole, Ports: c.ports}})
		if err := converge(t, s); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Check(t.Context()); err != nil || v.State != c.state || v.Reason != c.reason {
			t.Errorf("%s: %s %q (%v)", name, v.State, v.Reason, err)
		}
	}
}
