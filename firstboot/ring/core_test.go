package ring

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/ring/layout"
)

// world is three cores on one clock, with cables that a test can cut. Nothing
// in it waits: a second passes when the test says so.
type world struct {
	t     testing.TB
	now   time.Time
	cores []*core
	// ends holds, for each node and port, the node and port at the other end.
	ends map[[2]int][2]int
	// cut holds the directions in which nothing passes, by where it is sent.
	cut     map[[2]int]bool
	out     map[[2]int]bool // pulled: no carrier
	stopped map[int]bool    // agents that do not run
	small   map[[2]int]bool // long packets do not pass
	actions []layout.Action
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), ends: map[[2]int][2]int{}, cut: map[[2]int]bool{},
		out: map[[2]int]bool{}, stopped: map[int]bool{}, small: map[[2]int]bool{}}
	keys := newKeyring(t)
	for i, name := range nodeNames {
		w.ends[[2]int{i, 0}] = [2]int{(i + 1) % 3, 1}
		w.ends[[2]int{(i + 1) % 3, 1}] = [2]int{i, 0}
		w.cores = append(w.cores, nil)
		w.boot(i, keys.identity(t, name))
	}
	return w
}

// boot starts a node's agent.
func (w *world) boot(i int, id Identity) {
	w.t.Helper()
	cfg := testConfig(i)
	cfg.Timing = layout.Timing{}
	me, err := newSession(id, nodeNames, "boot")
	if err != nil {
		w.t.Fatal(err)
	}
	w.cores[i] = newCore(cfg, me, nil)
}

func (w *world) snapshot(i int) layout.Snapshot {
	s := layout.Snapshot{Links: []layout.Link{{Index: 1, Name: "lo", Up: true}}}
	for p, name := range []string{"en05", "en06"} {
		end := [2]int{i, p}
		carrier := !w.out[end] && !w.out[w.ends[end]]
		s.Links = append(s.Links, layout.Link{Index: 2 + p, Name: name, Up: true, Carrier: carrier, MTU: 65520})
	}
	return s
}

// deliver carries datagrams until no node has anything more to say.
func (w *world) deliver(i int, all []outgoing) {
	for _, o := range all {
		from := [2]int{i, o.port}
		to := w.ends[from]
		if w.cut[from] || w.out[from] || w.out[to] || w.stopped[to[0]] || (w.small[from] && len(o.frame) > 1500) {
			continue
		}
		w.deliver(to[0], w.cores[to[0]].hear(to[1], o.frame, w.now))
	}
}

// pass lets time pass in ticks of a third of a probe's interval.
func (w *world) pass(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(100 * time.Millisecond) {
		for i, c := range w.cores {
			if w.stopped[i] {
				continue
			}
			c.observe(w.snapshot(i), w.now)
			w.deliver(i, c.tick(w.now))
			actions, _ := c.mend(w.now)
			w.actions = append(w.actions, actions...)
		}
	}
}

func (w *world) alive(i, port int) bool { return w.cores[i].links[port].alive }

func (w *world) wantWhole() {
	w.t.Helper()
	for i, c := range w.cores {
		v := c.view()
		if !v.Whole || !v.Ports[0].Proven || !v.Ports[1].Proven {
			w.t.Fatalf("%s: %s\n%+v", nodeNames[i], v.Verdict, v.Ports)
		}
	}
}

func TestLinksLiveAndDieOnTheClock(t *testing.T) {
	w := newWorld(t)
	w.pass(2 * time.Second)
	w.wantWhole()

	// One direction of the cable between frege and russell dies.
	w.cut[[2]int{0, 0}] = true
	w.pass(800 * time.Millisecond)
	if !w.alive(0, 0) || !w.alive(1, 1) {
		t.Error("dead before three probes were missed")
	}
	w.pass(700 * time.Millisecond)
	if w.alive(0, 0) || w.alive(1, 1) {
		t.Error("not dead at both ends within 1.5 s")
	}
	for i, port := range map[int]int{0: 0, 1: 1} {
		if !w.cores[i].states()[port].Withheld {
			t.Errorf("%s keeps its direct route", nodeNames[i])
		}
	}

	// It returns, and must hold for two seconds before it carries traffic.
	delete(w.cut, [2]int{0, 0})
	w.pass(time.Second)
	if w.alive(0, 0) {
		t.Error("alive again at once")
	}
	if got := w.cores[0].sights()[0].Sentence(w.cores[0].cfg); got != "the link to russell answers again and is watched before it carries traffic" {
		t.Error(got)
	}
	w.pass(2500 * time.Millisecond)
	w.wantWhole()

	// It comes and goes: each time it waits longer.
	for want := 4 * time.Second; want <= 16*time.Second; want *= 2 {
		w.cut[[2]int{0, 0}] = true
		w.pass(1500 * time.Millisecond)
		delete(w.cut, [2]int{0, 0})
		w.pass(want - 500*time.Millisecond)
		if w.alive(0, 0) {
			t.Errorf("trusted before %s", want)
		}
		w.pass(1500 * time.Millisecond)
		if !w.alive(0, 0) {
			t.Errorf("not trusted after %s", want)
		}
	}
	if lost := w.cores[0].view().Ports[0].Lost; lost == 0 {
		t.Error("no probe is counted as lost")
	}
}

func TestOwnStallKillsNoLink(t *testing.T) {
	w := newWorld(t)
	w.pass(2 * time.Second)
	w.now = w.now.Add(10 * time.Second) // nobody ran
	w.pass(200 * time.Millisecond)
	for i, c := range w.cores {
		if c.links[0].changes != 1 || c.links[1].changes != 1 {
			t.Errorf("links of %s changed: %v", nodeNames[i], c.events)
		}
	}
}

func TestDeadAgentIsNoDeadCable(t *testing.T) {
	w := newWorld(t)
	w.pass(2 * time.Second)
	w.stopped[1] = true
	w.pass(10 * time.Second)
	for i, port := range map[int]int{0: 0, 2: 1} {
		if w.alive(i, port) {
			t.Errorf("%s still hears russell's agent", nodeNames[i])
		}
		if w.cores[i].states()[port].Withheld {
			t.Errorf("%s took its direct route to russell away", nodeNames[i])
		}
	}
	w.pass(10 * time.Minute)
	// The kernel of russell answers: setting ports down would only do harm.
	w.actions = nil
	for _, c := range w.cores {
		c.snap.Neighbours = map[layout.Neighbour]bool{}
	}
	if got := w.cores[0].condition(0); got != silent {
		t.Errorf("condition %d", got)
	}
	w.cores[0].snap.Neighbours[layout.Neighbour{Link: 2, Addr: ringAddr(1)}] = true
	if got := w.cores[0].condition(0); got != sound {
		t.Errorf("condition %d with a kernel that answers", got)
	}
}

func TestShortPacketsOnly(t *testing.T) {
	w := newWorld(t)
	w.small[[2]int{0, 0}] = true
	w.pass(10 * time.Second)
	v := w.cores[0].view()
	const want = "packets of 65520 bytes do not pass between frege and russell, short ones do: check the MTU at both ends of en05, or use another cable"
	if v.Ports[0].FullSize || v.Ports[0].Proven || !v.Ports[0].Alive || v.Verdict != want {
		t.Errorf("%+v\n%s", v.Ports[0], v.Verdict)
	}
	// The other end cannot prove it either: full size is both ways or not at all.
	if w.cores[1].view().Ports[1].FullSize {
		t.Error("russell calls it proven")
	}
	delete(w.small, [2]int{0, 0})
	w.pass(10 * time.Second)
	w.wantWhole()
}

// TestLadder climbs the repair ladder for a day and sees what it does and when.
func TestLadder(t *testing.T) {
	start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	climb := func(is condition, first bool) string {
		r := ladder{timing: layout.DefaultTiming()}
		var did []string
		for d := time.Duration(0); d <= 90*time.Minute; d += time.Second {
			if what := r.step(start.Add(d), is, first); what != nothing {
				did = append(did, fmt.Sprintf("%s %s", map[repair]string{reapply: "reapply", bounce: "bounce", alarm: "alarm"}[what], d))
			}
		}
		return strings.Join(did, ", ")
	}
	for _, row := range []struct {
		name  string
		is    condition
		first bool
		want  string
	}{
		{"no carrier, this end first", noCarrier, true,
			"reapply 10s, bounce 30s, bounce 2m0s, alarm 3m0s, alarm 5m0s, alarm 9m0s, alarm 17m0s, alarm 32m0s, alarm 47m0s, alarm 1h2m0s, alarm 1h17m0s"},
		{"no carrier, the other end first", noCarrier, false,
			"reapply 10s, bounce 1m0s, bounce 2m0s, alarm 3m0s, alarm 5m0s, alarm 9m0s, alarm 17m0s, alarm 32m0s, alarm 47m0s, alarm 1h2m0s, alarm 1h17m0s"},
		{"nobody knows better", silent, true, "reapply 1m40s, bounce 5m0s, bounce 20m0s, alarm 30m0s, alarm 45m0s, alarm 1h0m0s, alarm 1h15m0s, alarm 1h30m0s"},
		{"sound", sound, true, ""},
	} {
		if got := climb(row.is, row.first); got != row.want {
			t.Errorf("%s:\n%s\nwant\n%s", row.name, got, row.want)
		}
	}
}

// TestRepairIsGentle leaves a cable out and another dead for a day. All that is
// ever asked of the kernel is a port down and up, one at a time, and never the
// port that works. An action that unloads or unbinds does not exist.
func TestRepairIsGentle(t *testing.T) {
	for kind := range layout.Bounce + 1 {
		if !slices.Contains([]layout.ActionKind{layout.Rename, layout.SetMTU, layout.SetUp, layout.AddAddr, layout.SetSysctl, layout.AddRoute, layout.DelRoute, layout.Bounce}, kind) {
			t.Errorf("new kind of action: %d", kind)
		}
	}
	w := newWorld(t)
	w.pass(2 * time.Second)
	w.cut[[2]int{0, 0}], w.cut[[2]int{1, 1}] = true, true
	w.pass(20 * time.Minute)
	if len(w.actions) < 4 {
		t.Errorf("%d repairs in 20 minutes", len(w.actions))
	}
	bounces := map[string]int{}
	for _, a := range w.actions {
		bounces[fmt.Sprint(a.Name, " ", a.Link)]++
		if a.Kind != layout.Bounce {
			t.Errorf("repair: %s", a)
		}
	}
	if bounces["en05 2"] == 0 || bounces["en06 3"] == 0 || len(bounces) != 2 {
		t.Errorf("ports set down: %v, want both ends of the dead cable", bounces)
	}
	alarmed := slices.ContainsFunc(w.cores[0].events, func(e event) bool {
		return e.Text == "reseat the cable between frege (en05) and russell: setting the ports down and up does not mend it"
	})
	if !alarmed {
		t.Errorf("nobody is told which cable it is: %v", w.cores[0].events)
	}
	if w.cores[2].links[0].changes != 1 || w.cores[2].links[1].changes != 1 {
		t.Error("a link that works was disturbed")
	}
}

func TestHelloIsBelievedOnlyFromThisCluster(t *testing.T) {
	keys := newKeyring(t)
	me, err := newSession(keys.identity(t, "frege"), nodeNames, "")
	if err != nil {
		t.Fatal(err)
	}
	hello := func(id Identity, change func([]byte) []byte) error {
		s, err := newSession(id, nodeNames, "")
		if err != nil {
			t.Fatal(err)
		}
		frame, err := s.announce("en06", 65520)
		if err != nil {
			t.Fatal(err)
		}
		a, sig, err := parseAnnounce(change(frame))
		if err != nil {
			return err
		}
		return me.believe(a, sig)
	}
	same := func(b []byte) []byte { return b }
	russell := keys.identity(t, "russell")
	other := newKeyring(t).identity(t, "russell")
	disguised := other
	disguised.ClusterID = russell.ClusterID
	renamed := russell
	renamed.Node = "wittgenstein"
	stolen := russell
	stolen.Key = other.Key
	for _, row := range []struct {
		name   string
		id     Identity
		change func([]byte) []byte
		want   string
	}{
		{"a peer", russell, same, ""},
		{"another cluster", other, same, "another cluster (" + other.ClusterID + ")"},
		{"another cluster in disguise", disguised, same, "not trusted: its certificate is not from this cluster's ca"},
		{"another node's certificate", renamed, same, "not trusted: it calls itself wittgenstein with the certificate of russell"},
		{"another key", stolen, same, "not trusted: its signature is wrong"},
		{"a stranger of this ca", keys.identity(t, "quine"), same, "not trusted: quine is no node of the profile"},
		{"changed on the way", russell, func(b []byte) []byte { return bytes.Replace(b, []byte(`"en06"`), []byte(`"en05"`), 1) }, "not trusted: its signature is wrong"},
		{"cut short", russell, func(b []byte) []byte { return b[:len(b)-1] }, "is no hello of a ring"},
		{"another version", russell, func(b []byte) []byte { b[4] = 2; return b }, "speaks version 2 of the ring's hello, this agent version 1: install the same version on all nodes"},
	} {
		got := ""
		if err := hello(row.id, row.change); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func TestHelloFitsTheSmallestMTU(t *testing.T) {
	const smallest = 1280
	s, err := newSession(newKeyring(t).identity(t, "wittgenstein"), nodeNames, "9b7f3c1e-0000-0000-0000-000000000000")
	if err != nil {
		t.Fatal(err)
	}
	frame, err := s.announce("thunderbolt1234", 65520)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(frame) + headers; n > smallest {
		t.Errorf("announce of %d bytes does not fit an MTU of %d", n, smallest)
	}
	probe, err := sealProbe(Probe{From: "a", To: "b"}, []byte("key"), 65520)
	if err != nil {
		t.Fatal(err)
	}
	if len(probe) != 65492 {
		t.Errorf("full-size probe carries %d bytes, want 65492", len(probe))
	}
}

// FuzzHello feeds a core what anybody at the cable may send.
func FuzzHello(f *testing.F) {
	keys := newKeyring(f)
	me, err := newSession(keys.identity(f, "frege"), nodeNames, "")
	if err != nil {
		f.Fatal(err)
	}
	peer, err := newSession(keys.identity(f, "russell"), nodeNames, "")
	if err != nil {
		f.Fatal(err)
	}
	frame, err := peer.announce("en06", 65520)
	if err != nil {
		f.Fatal(err)
	}
	probe, err := sealProbe(Probe{From: peer.instance, To: me.instance, Seq: 1}, []byte("wrong"), 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame)
	f.Add(probe)
	f.Add([]byte(helloMagic))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		c := newCore(testConfig(0), me, nil)
		now := time.Unix(0, 0)
		c.observe(layout.Snapshot{Links: []layout.Link{{Index: 2, Name: "en05", Up: true, Carrier: true}}}, now)
		c.hear(0, slices.Clone(datagram), now)
		if c.links[0].known && !bytes.Equal(datagram, frame) {
			t.Fatal("believed what no peer has signed")
		}
	})
}
