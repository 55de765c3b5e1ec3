package matrix_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/cluster"
	"ringboot/firstboot/engine"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
	world "ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/ceph"
)

// growing is a settled cluster to which a node is added.
type growing struct {
	*bench
	grown *profiles.Profile // with the node
	node  string            // that is added
	first string            // run of the report before
	cut   string            // member whose power a run cuts
	hands int               // times that root had to type more than one admission
	conf  world.Conf        // before
	kept  map[string]string // what is its owner's in /etc/pve
	lost  []string          // moments without quorum
}

// ownersFiles are what nobody of ours may touch in a cluster that is in use.
var ownersFiles = []string{"/etc/pve/user.cfg", "/etc/pve/datacenter.cfg", "/etc/pve/storage.cfg", "/etc/pve/firewall/cluster.fw"}

// newGrowing forms all nodes but the last one of the formation to their report,
// settles them, and lets their owner change something.
func newGrowing(t *testing.T, f formation) *growing {
	p := f.profile()
	p.Acceptance.PowerCut, p.Acceptance.Maintenance, p.Acceptance.Migration = profiles.ConsentNo, false, false
	p.Acceptance.Victim = p.Nodes[1].Name
	last := len(p.Nodes) - 1
	p.Nodes[last].Added = true
	few := *p
	few.Nodes = slices.Clone(p.Nodes[:last])
	if p.Transport().Ports == profiles.PerPeer {
		few.Ring.Ports = p.Ring.Ports[:last-1]
	}
	g := &growing{bench: newBench(t, 1, p), grown: p, node: p.Nodes[last].Name, kept: map[string]string{}}
	delete(g.agents, g.node)
	g.p = &few
	for _, a := range g.agents {
		a.profile = &few
	}
	g.startAll()
	if !g.finish(2 * time.Hour) {
		t.Fatalf("no report:\n%s", g.tail(60))
	}
	g.first = g.reportOf("node01").Run
	for name, a := range g.agents {
		a.end()
		a.settled = true
		mark := settled.Mark{Node: name, At: g.now(), Steps: map[string]string{}}
		for _, s := range []string{profiles.StepPeers, profiles.StepCluster, profiles.StepProof, profiles.StepCeph, profiles.StepHA, profiles.StepAccept, profiles.StepReport} {
			mark.Steps[s] = "as it was"
		}
		if err := settled.Write(g.w.Node(name).Files(), mark); err != nil {
			t.Fatal(err)
		}
	}
	g.runUntil(time.Minute, func() bool { return g.w.Sim().Living() == 0 })
	g.owner("pvesh set /cluster/options --ha shutdown_policy=freeze")
	g.owner("pveum user add carol@pam")
	g.owner("pveceph pool set vm --pg_autoscale_mode warn")
	raw := g.read("node01", "/etc/pve/corosync.conf")
	var err error
	if g.conf, err = world.ParseConf(raw); err != nil {
		t.Fatal(err)
	}
	for _, file := range ownersFiles {
		g.kept[file] = g.owned(file)
	}
	return g
}

func (g *growing) read(node, file string) []byte {
	g.t.Helper()
	raw, err := g.w.Node(node).Files().ReadFile(file)
	if err != nil {
		g.t.Fatal(err)
	}
	return raw
}

// owned is a file of /etc/pve without its notes, in which the report puts its line.
func (g *growing) owned(file string) string {
	var out strings.Builder
	for line := range strings.Lines(string(g.read("node01", file))) {
		if !strings.HasPrefix(line, "#") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// owner types a command on the first node.
func (g *growing) owner(line string) {
	g.t.Helper()
	done := false
	g.w.Sim().Go("owner", func() {
		res, err := g.w.Exec(g.t.Context(), "node01", strings.Fields(line), nil, nil, time.Minute)
		if err != nil || res.Code != 0 {
			g.t.Errorf("%s: %v %d %s", line, err, res.Code, res.Stderr)
		}
		done = true
	})
	g.runUntil(2*time.Minute, func() bool { return done })
}

// profile brings the grown profile to every node, as firstboot profile does, and
// starts the new machine. Root's admission calls the builders back.
func (g *growing) profile() {
	g.p = g.grown
	g.agents[g.node] = &simAgent{s: g.sim, name: g.node, verdict: map[string]step.Verdict{}, profile: g.grown}
	for _, a := range g.agents {
		a.profile, a.points = g.grown, 0
	}
	g.agents[g.node].start()
	g.runUntil(3*time.Minute, g.watched(func() bool { return false }))
	g.wake()
	g.runUntil(time.Minute, g.watched(func() bool { return false }))
}

// wake calls the builders of the settled nodes back.
func (g *growing) wake() {
	for _, n := range g.grown.Nodes[:len(g.grown.Nodes)-1] {
		if a := g.agents[n.Name]; !a.alive && g.w.Node(n.Name).Powered() {
			a.left = false
			a.start()
		}
	}
}

// retype types what the documents say after a power cut: admit once more, and on a
// node that missed the growth its step cluster.
func (g *growing) retype(member string) {
	g.hands++
	g.wake()
	g.runUntil(time.Minute, g.watched(func() bool { return false }))
	if !g.w.Node(member).Powered() || !g.agents[member].alive {
		return
	}
	q, ok := g.w.Node(member).Machine().Corosync()
	done := ok && q.Quorate // it missed nothing
	if !done {
		g.w.Sim().Go("operator", func() {
			_, err := g.agents[member].engine.Pass(g.t.Context(), engine.PassOptions{Only: profiles.StepCluster})
			g.logf("%s apply --only cluster: %v", member, err)
			done = true
		})
	}
	g.runUntil(5*time.Minute, g.watched(func() bool { return done }))
	if strings.Contains(g.agents[g.node].status(), "run firstboot admit") {
		g.admit(member, g.node)
	}
}

// watched notes each moment in which a member that has power has no quorum.
func (g *growing) watched(stop func() bool) func() bool {
	return func() bool {
		for _, n := range g.conf.Nodes {
			if n.Name == g.cut {
				continue
			}
			if q, ok := g.w.Node(n.Name).Machine().Corosync(); (!ok || !q.Quorate) && len(g.lost) < 3 {
				g.lost = append(g.lost, fmt.Sprintf("%s has no quorum at %v: %v %+v", n.Name, g.now(), ok, q))
			}
		}
		return stop()
	}
}

// come lets the machine in and runs until a newer report lies on every node.
func (g *growing) come(limit time.Duration) bool {
	g.admit("node01", g.node)
	for end := g.now().Add(limit); g.now().Before(end); g.retype("node01") {
		if g.runUntil(20*time.Minute, g.watched(g.again(g.first))) {
			return true
		}
	}
	return false
}

// wrong is what is not as it should be, asked with other means than the agents'.
func (g *growing) wrong() []string {
	bad := append(g.lost, g.violations()...)
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	if err := g.whole(); err != nil {
		say("%v", err)
	}
	if why := ceph.Unhealthy(g.w.Node("node01").Machine(), len(g.grown.Nodes)); why != "" {
		say("Ceph: %s", why)
	}
	for _, note := range append(g.w.Notes("erased"), g.w.Notes("purged-unclean")...) {
		say("erased or purged: %s", note)
	}
	conf, err := world.ParseConf(g.read("node01", "/etc/pve/corosync.conf"))
	added, _ := conf.Node(g.node)
	if err != nil || conf.Version != g.conf.Version+2 || added.Votes != 1 || added.ID != len(g.grown.Nodes) {
		say("the configuration is %+v (%v)", conf, err)
	}
	conf.Nodes = slices.DeleteFunc(conf.Nodes, func(n world.ConfNode) bool { return n.Name == g.node })
	if conf.Version = g.conf.Version; string(conf.Text()) != string(g.conf.Text()) {
		say("more of the configuration was changed:\n%s", conf.Text())
	}
	for _, file := range ownersFiles {
		if now := g.owned(file); now != g.kept[file] {
			say("%s was changed:\n%s\nwas\n%s", file, now, g.kept[file])
		}
	}
	for _, n := range g.w.Names() {
		r := g.reportOf(n)
		if len(r.Cluster.Nodes) != len(g.grown.Nodes) || len(r.Ceph.OSDs) != len(g.grown.Nodes) || len(r.Ceph.Monitors) != len(g.grown.Monitors()) {
			say("the report on %s has %d nodes, %d OSDs, %d monitors", n, len(r.Cluster.Nodes), len(r.Ceph.OSDs), len(r.Ceph.Monitors))
		}
		for _, file := range []string{cluster.PlaceFile, "/var/lib/ringboot/admit.json"} {
			if _, err := g.w.Node(n).Files().Lstat(file); err == nil {
				say("%s is left on %s", file, n)
			}
		}
	}
	return bad
}

// growths are the settled clusters that grow by a node.
func growths() []formation {
	return []formation{
		{transport: profiles.TransportSwitch, nodes: 4},
		{transport: profiles.TransportMesh, nodes: 4},
		{transport: profiles.TransportSwitch, nodes: 5},
	}
}

// A settled cluster grows by a node, with nothing typed but one admission:
// configuration, certificate, monitors as the table says, OSD and report, while
// the quorum holds all the time and what its owner did stays.
func TestASettledClusterGrows(t *testing.T) {
	for _, f := range need.Drawn(t, growths(), budget(1, 1, len(growths()))) {
		t.Run(fmt.Sprintf("%s to %d", f.transport, f.nodes), func(t *testing.T) {
			g := newGrowing(t, f)
			defer g.close()
			g.gate, g.verb = true, testing.Verbose()
			g.profile()
			if got := g.agents[g.node].status(); !strings.Contains(got, "run firstboot admit "+g.node+" on node01") {
				t.Errorf("before root admits it, %s says %q", g.node, got)
			}
			if _, err := g.w.Node(g.node).Files().Lstat("/etc/corosync/authkey"); err == nil {
				t.Error("the key was handed out before root admitted anybody")
			}
			began := g.now()
			if !g.come(2*time.Hour) || g.hands > 0 {
				t.Fatalf("not grown with one admission (%d): %v\n%s", g.hands, g.agents, g.tail(60))
			}
			need.Figure(fmt.Sprintf("grow.%s_%d_s", f.transport, f.nodes), g.now().Sub(began).Seconds(), "s")
			if bad := g.wrong(); len(bad) > 0 {
				t.Errorf("%s\n%s", strings.Join(bad, "\n"), g.tail(40))
			}
		})
	}
}

// TestGrowingWithCuts cuts the power of the new node, and of the member that
// admits it, at points along the way.
func TestGrowingWithCuts(t *testing.T) {
	attempt := func(f formation, plan []crash) (points map[string]int, bad []string) {
		g := newGrowing(t, f)
		defer g.close()
		if len(plan) > 0 && plan[0].node == "node01" {
			g.cut = "node01"
		}
		g.profile()
		for _, a := range g.agents {
			a.points = 0
		}
		g.plan = plan
		if !g.come(4 * time.Hour) {
			return nil, []string{fmt.Sprintf("not grown: %v\n%s", g.agents, g.tail(60))}
		}
		points = map[string]int{}
		for name, a := range g.agents {
			points[name] = a.points
		}
		bad = g.wrong()
		if g.cut == "" && g.hands > 0 {
			bad = append(bad, fmt.Sprintf("root had to type again, %d times\n%s", g.hands, g.tail(60)))
		}
		return points, bad
	}
	tried, failed, of := 0, 0, 0
	grown := growths()
	if os.Getenv("RINGBOOT_REPLAY") == "" {
		grown = need.Drawn(t, grown, budget(1, 1, len(grown)))
	}
	for _, f := range grown {
		points, bad := attempt(f, nil)
		if len(bad) > 0 {
			t.Fatal(bad)
		}
		var all []run
		for _, node := range []string{"node01", fmt.Sprintf("node%02d", f.nodes)} {
			for point := range points[node] {
				all = append(all, run{int64(f.nodes), []crash{{node, point + 1, crashModes[len(all)%len(crashModes)]}}})
			}
		}
		of += len(all)
		for _, r := range sampled(t, all, budget(1, 1, 12)) {
			tried++
			if _, bad := attempt(f, r.plan); len(bad) > 0 {
				failed++
				t.Errorf("%s of %d, %v: %s\n%s", f.transport, f.nodes, r.plan, strings.Join(bad, "\n"), again(t, r))
			}
		}
	}
	need.Figure(figureName("grow.cuts", tried, of), tried, "cuts")
	need.Figure(figureName("grow.cuts_failed", tried, of), failed, "cuts")
}
