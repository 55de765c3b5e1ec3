package matrix_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/cluster"
	"ringboot/firstboot/report"
	"ringboot/firstboot/reporting"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/storage"
	"ringboot/firstboot/throughput"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
	"ringboot/rehearsal/tools"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/trial"
)

// bench is a sim whose agents go on to Ceph, HA, acceptance and report.
type bench struct {
	*sim
	gbit   map[string]float64 // by "from to"; others carry 22
	dead   map[string]bool    // cables that carry nothing, by "a b"
	silent map[string]bool    // management interfaces that do not answer
	base   map[string]int     // points before the first of these steps
	boots  time.Duration      // from a reset to the agent
	osd    map[string]string  // serial of each node's disk for Ceph
	accept map[string]*acceptance.Accept

	machines int // that took the place of another one
}

// storageProfile is testProfile with storage, HA and all drills.
func storageProfile() *profiles.Profile {
	p := testProfile()
	p.Ring.Transport, p.Ring.MTU = profiles.TransportThunderbolt, 65520
	p.Ceph = profiles.Ceph{Enabled: true, Version: "tentacle", Repository: "no-subscription", Network: "ring", Pool: "vm", PGNum: 32, MinOSDs: 1}
	p.HA = profiles.HA{Enabled: true, ShutdownPolicy: "migrate"}
	p.Acceptance = profiles.Acceptance{Bandwidth: true, Migration: true, Maintenance: true, PowerCut: profiles.ConsentYes, Seconds: 10}
	for i := range p.Nodes {
		p.Nodes[i].RootDisk = profiles.DiskName{Serial: "ROOT-" + p.Nodes[i].Name}
		p.Nodes[i].OSDDisks = []profiles.DiskName{{Serial: "OSD-" + p.Nodes[i].Name}}
	}
	return p
}

func newBench(t testing.TB, seed int64, p *profiles.Profile) *bench {
	b := &bench{sim: newSimOf(t, seed, p), gbit: map[string]float64{}, dead: map[string]bool{}, silent: map[string]bool{}, base: map[string]int{}, osd: map[string]string{}, accept: map[string]*acceptance.Accept{}, boots: 240 * time.Second}
	for _, name := range b.w.Names() {
		b.furnish(name)
		b.osd[name] = "OSD-" + name
		ceph.SetDisks(b.w.Node(name).Machine(), trial.Disks(name)...)
	}
	b.w.OnReset = func(node string) {
		a := b.agents[node]
		b.logf("%s resets itself", node)
		a.end()
		b.w.Sim().After(b.boots, func() { b.boot(node) })
	}
	b.more, b.ringOf = b.further, b.ring
	return b
}

// furnish gives a machine what it says of itself.
func (b *bench) furnish(node string) {
	for path, text := range map[string]string{
		"/sys/class/watchdog/watchdog0/identity": "Software Watchdog\n", "/sys/class/dmi/id/sys_vendor": "Micro Computer (HK)\n",
		"/sys/class/dmi/id/product_name": "Venus Series MS-01\n", "/sys/class/dmi/id/product_serial": "MF19-" + node + "\n",
		"/proc/cpuinfo": "processor\t: 0\nmodel name\t: 13th Gen Intel Core i9-13900H\n", "/proc/meminfo": "MemTotal:       98304000 kB\n",
	} {
		if err := b.w.Node(node).Files().WriteFile(path, []byte(text), 0o444); err != nil {
			b.t.Fatal(err)
		}
	}
}

// further are the steps after proof.
func (b *bench) further(a *simAgent, o cluster.Options, proof step.Step) []step.Step {
	so := storage.Options{Host: o.Host, Profile: a.profile, Node: a.name, Agent: "1.0.0", Peers: o.Peers, Proof: proof, Doubt: func(steps ...string) { a.engine.Doubt(steps...) },
		Seed: profiles.Seed{ClusterID: "0123456789abcdef", Plan: profiles.Hashes{Cluster: strings.Repeat("ab", 32), Node: strings.Repeat("cd", 32)}},
		Ring: func() status.RingView { return b.ring(a.name) }}
	so.Place, so.Heir = func() string { return cluster.Taken(o.Host.Files) }, func() bool { return cluster.Heir(o.Host.Files) }
	so.Finished = func(step string) bool { return settled.Finished(o.Host.Files, step) }
	node := b.mem.Node(a.name)
	node.Handle(trust.MethodRing, func(context.Context, string, json.RawMessage) (any, error) { return b.ring(a.name), nil })
	ceph, ha := storage.NewCeph(so), storage.NewHA(so)
	accept := acceptance.NewAccept(so, simLinks{b, a}, func(ctx context.Context, addr string) (string, error) { return b.web(a.name, addr) })
	accept.Follow([]step.Step{ceph, ha})
	rep := reporting.New(so, accept, nil)
	b.accept[a.name] = accept
	ceph.Register(node)
	accept.Register(node)
	rep.Register(node)
	return []step.Step{ceph, ha, accept, rep}
}

// ring is a node's view: with cables a port to each other node, the first to the
// next one; else one device to all.
func (b *bench) ring(node string) status.RingView {
	v := status.RingView{Transport: b.p.Ring.Transport, Chain: b.p.Ring.Chain, Whole: true, Verdict: "all links carry traffic"}
	var names []string
	for _, n := range b.p.Nodes {
		names = append(names, n.Name)
	}
	own := slices.Index(names, node)
	port := func(at, to int) string {
		if !b.p.Transport().Shape.Cabled() {
			return b.p.RingDevice(b.p.Nodes[at])
		}
		return fmt.Sprintf("en%02d", 4+(to-at+len(names))%len(names))
	}
	for i := 1; i < len(names); i++ {
		far := (own + i) % len(names)
		if !b.p.Joined(node, names[far]) {
			continue
		}
		v.Ports = append(v.Ports, status.RingPort{Name: port(own, far), Peer: names[far], PeerPort: port(far, own), Alive: !b.cut(node, names[far]), Proven: true, MTU: b.p.Ring.MTU})
	}
	return v
}

func (b *bench) cut(x, y string) bool { return b.dead[x+" "+y] || b.dead[y+" "+x] }

func (b *bench) web(from, addr string) (string, error) {
	for _, n := range b.p.Nodes {
		if strings.HasPrefix(addr, n.Address.String()+":") {
			if b.silent[n.Name] || !b.w.Reachable(from, n.Name) {
				return "", fmt.Errorf("connect %s: connection refused", addr)
			}
			return "AA:BB:" + n.Name, nil
		}
	}
	return "", fmt.Errorf("connect %s: no route to host", addr)
}

// simLinks are links whose rate the test chooses.
type simLinks struct {
	b *bench
	a *simAgent
}

func (l simLinks) Serve(_ context.Context, local, _ netip.Addr, _ throughput.Token) (netip.AddrPort, error) {
	return netip.AddrPortFrom(local, 40001), nil
}

func (l simLinks) Measure(ctx context.Context, t throughput.Target) (throughput.Result, error) {
	if err := l.b.w.Sim().Sleep(ctx, t.Time); err != nil {
		return throughput.Result{}, err
	}
	to := ""
	for _, n := range l.b.p.Nodes {
		if n.Ring == t.Addr.Addr() {
			to = n.Name
		}
	}
	gbit := 22.0
	if g, ok := l.b.gbit[l.a.name+" "+to]; ok {
		gbit = g
	}
	return throughput.Result{Gbit: gbit, Bytes: uint64(gbit * 1.25e9), Elapsed: t.Time, Retransmits: 300, Segment: 65468, MTU: t.MTU,
		Latency: throughput.Latency{Median: 0.61, Worst: 0.9, Trips: 500}, FullSize: throughput.FullSize{Sent: 8, Returned: 8}}, nil
}

func (b *bench) startAll() {
	for _, n := range b.p.Nodes {
		b.agents[n.Name].start()
	}
}

// finish runs until every node has its report and has been done for a while.
func (b *bench) finish(limit time.Duration) bool {
	return b.runUntil(limit, b.allFormed)
}

// reportOf reads a node's report.
func (b *bench) reportOf(node string) *report.Report {
	b.t.Helper()
	text, err := b.w.Node(node).Files().ReadFile(acceptance.ReportJSON)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, b.tail(60))
	}
	r, err := report.Parse(text)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// TestTheAcceptanceRunsAgain: on a person's word, with a new report on every
// node, although every node remembers the first run.
func TestTheAcceptanceRunsAgain(t *testing.T) {
	p := storageProfile()
	p.Acceptance.PowerCut = profiles.ConsentNo
	b := newBench(t, 1, p)
	defer b.close()
	b.startAll()
	if !b.finish(2 * time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(80))
	}
	first := b.reportOf("frege")
	var elsewhere, again, twice error
	b.w.Sim().Go("operator", func() {
		elsewhere = b.accept["russell"].Repeat(t.Context(), acceptance.Again{})
		again = b.accept["frege"].Repeat(t.Context(), acceptance.Again{})
		twice = b.accept["frege"].Repeat(t.Context(), acceptance.Again{})
	})
	anew := func() bool {
		for _, n := range b.w.Names() {
			if b.reportOf(n).Run == first.Run {
				return false
			}
		}
		return b.allFormed()
	}
	if !b.runUntil(2*time.Hour, anew) {
		t.Fatalf("no new report (%v):\n%s", again, b.tail(80))
	}
	if again != nil {
		t.Error(again)
	}
	for want, err := range map[string]error{"frege coordinates the acceptance: run this there": elsewhere, "wait for its end": twice} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not: %s", err, want)
		}
	}
	if r := b.reportOf("frege"); r.Verdict.Outcome != report.Passed || len(r.HA.Drills) != len(first.HA.Drills) {
		t.Errorf("the second report: %+v", r.Verdict)
	}
}

// One whole run to the report in the words of every release, with every Ceph
// that it installs.
func TestFromProofToReport(t *testing.T) {
	for _, r := range profiles.Releases() {
		for _, c := range r.Ceph {
			t.Run(r.Name+" with "+c.Name, func(t *testing.T) { proofToReport(t, r, c) })
		}
	}
}

func proofToReport(t *testing.T, release profiles.Release, storage profiles.CephRelease) {
	p := storageProfile()
	p.Ceph.Version = storage.Name
	b := newBench(t, 1, p)
	defer b.close()
	if err := tools.Speak(b.w, release.Name); err != nil {
		t.Fatal(err)
	}
	b.startAll()
	if !b.finish(2 * time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(80))
	}
	r := b.reportOf("frege")
	if r.Verdict.Outcome != report.Passed {
		t.Errorf("verdict: %+v\n%s", r.Verdict, b.tail(80))
	}
	for _, d := range r.HA.Drills {
		if d.Outcome != report.Passed {
			t.Errorf("drill %s: %s: %s", d.Name, d.Outcome, d.Sentence)
		}
	}
	if len(r.HA.Drills) != len(acceptance.Names()) || len(r.Ring.Links) != 3 || len(r.Ceph.OSDs) != 3 || r.Ceph.Usable == 0 || len(r.Cluster.Links) != 12 || len(r.HA.TimeLine) < 5 {
		t.Errorf("report is thin: %d drills, %d links, %d OSDs, %d usable, %d corosync links, %d moments", len(r.HA.Drills), len(r.Ring.Links), len(r.Ceph.OSDs), r.Ceph.Usable, len(r.Cluster.Links), len(r.HA.TimeLine))
	}
	for _, n := range b.w.Names() {
		if got := b.reportOf(n); got.Run != r.Run || got.Verdict.Sentence != r.Verdict.Sentence {
			t.Errorf("%s holds another report", n)
		}
	}
	if resets := b.w.Notes("reset"); len(resets) != 1 || resets[0] != "wittgenstein" {
		t.Errorf("resets: %v", resets)
	}
	if got := b.leftovers(); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
	if bad := b.harm(); len(bad) > 0 {
		t.Errorf("harm: %v", bad)
	}
}

// leftovers is what the acceptance must not leave behind.
func (b *bench) leftovers() []string {
	m := b.w.Node(b.p.Founder().Name).Machine()
	out := ceph.Leftovers(m)
	for _, n := range b.w.Names() {
		list, _ := m.ReadDir("/etc/pve/nodes/" + n + "/qemu-server")
		for _, e := range list {
			out = append(out, "guest "+e.Name()+" on "+n)
		}
		for _, file := range []string{"/var/lib/ringboot/acceptance.raw", "/var/lib/ringboot/acceptance.back", "/var/lib/ringboot/apt.conf"} {
			if _, err := b.w.Node(n).Files().Lstat(file); err == nil {
				out = append(out, file+" on "+n)
			}
		}
	}
	if raw, err := m.ReadFile("/etc/pve/ha/resources.cfg"); err == nil && len(strings.TrimSpace(string(raw))) > 0 {
		out = append(out, "HA resource "+strings.TrimSpace(string(raw)))
	}
	if raw, err := m.ReadFile("/etc/pve/ha/manager_status"); err == nil && strings.Contains(string(raw), `"maintenance":1`) {
		out = append(out, "maintenance flag")
	}
	return out
}

// harm is what must never happen.
func (b *bench) harm() []string {
	bad := b.violations()
	resets := map[string]int{}
	for _, n := range b.w.Notes("reset") {
		resets[n]++
		if resets[n] > 1 {
			bad = append(bad, "the power of "+n+" was cut twice")
		}
		if n != "wittgenstein" {
			bad = append(bad, "the power of "+n+" was cut")
		}
	}
	for _, e := range b.w.Notes("erased") {
		bad = append(bad, "a used disk was erased: "+e)
	}
	for _, e := range b.w.Notes("wiped") {
		if !strings.Contains(e, " OSD-") {
			bad = append(bad, "a foreign disk was wiped: "+e)
		}
	}
	return bad
}
