package acceptance

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/report"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/storage"
	"ringboot/firstboot/throughput"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
	"ringboot/rehearsal/trial"
)

var update = flag.Bool("update", false, "write testdata anew")

// tried is a cluster with storage on simulated machines, and the acceptance of it.
type tried struct {
	*trial.Trial
	t       *testing.T
	accepts map[string]*Accept
	gbit    map[string]float64 // by "from to"; others carry 22
	dead    map[string]bool    // by "node peer": no traffic
	silent  map[string]string  // management interfaces that do not answer, and why
	place   map[string]string
	// certificate is what an interface shows; nil: its own.
	certificate func(addr string) string
	runs        string // what the agents do by themselves: "storage", "drills", "" nothing
}

// stored is such a cluster whose storage stands, with agents that do so much by
// themselves.
func stored(t *testing.T, p *profiles.Profile, runs string) *tried {
	t.Helper()
	c := &tried{t: t, accepts: map[string]*Accept{}, gbit: map[string]float64{}, dead: map[string]bool{}, silent: map[string]string{}, place: map[string]string{}}
	c.Trial = trial.New(p, c.steps)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	c.runs = "storage"
	c.Resets(4 * time.Minute)
	if err := c.Furnish(c.World.Names()...); err != nil {
		t.Fatal(err)
	}
	if err := c.Cluster(); err != nil {
		t.Fatal(err)
	}
	c.Start()
	c.done(2 * time.Hour)
	c.runs = runs
	c.Start()
	for _, n := range c.World.Names() {
		c.Machine(n).Log = nil
	}
	return c
}

func (c *tried) steps(m *trial.Machine) []step.Step {
	o := storage.Options{Host: m.Host(), Profile: c.Profile, Node: m.Name, Agent: "1.0.0", Peers: m,
		Ring: func() status.RingView { return c.ring(m.Name) }, Place: func() string { return c.place[m.Name] }}
	m.Answers().Handle(trust.MethodRing, func(context.Context, string, json.RawMessage) (any, error) { return c.ring(m.Name), nil })
	ceph, ha := storage.NewCeph(o), storage.NewHA(o)
	ceph.Register(m.Answers())
	a := NewAccept(o, pace{c, m.Name}, c.web)
	a.Follow([]step.Step{ceph, ha})
	a.Register(m.Answers())
	c.accepts[m.Name] = a
	return map[string][]step.Step{"storage": {ceph, ha}, "drills": {a}}[c.runs]
}

// ring is a node's view of its cables.
func (c *tried) ring(node string) status.RingView {
	v := status.RingView{Whole: true, Verdict: "all links carry traffic"}
	for _, o := range c.Profile.Others(node) {
		alive := !c.dead[node+" "+o.Name]
		p := status.RingPort{Name: "to-" + o.Name, Peer: o.Name, PeerPort: "to-" + node, Alive: alive, Proven: true, MTU: c.Profile.Ring.MTU}
		if !alive {
			p.Verdict = node + " hears nothing"
		}
		v.Ports = append(v.Ports, p)
	}
	return v
}

func (c *tried) web(_ context.Context, addr string) (string, error) {
	if why := c.silent[addr]; why != "" {
		return "", fmt.Errorf("%s", why)
	}
	if c.certificate != nil {
		return c.certificate(addr), nil
	}
	return "AA:" + addr, nil
}

// pace is how fast the links of a node are.
type pace struct {
	c    *tried
	node string
}

func (pace) Serve(_ context.Context, local, _ netip.Addr, _ throughput.Token) (netip.AddrPort, error) {
	return netip.AddrPortFrom(local, 40001), nil
}

func (l pace) Measure(ctx context.Context, t throughput.Target) (throughput.Result, error) {
	if err := l.c.World.Sim().Sleep(ctx, t.Time); err != nil {
		return throughput.Result{}, err
	}
	to := slices.IndexFunc(l.c.Profile.Nodes, func(n profiles.Node) bool { return n.Ring == t.Addr.Addr() })
	gbit := 22.0
	if g, ok := l.c.gbit[l.node+" "+l.c.Profile.Nodes[to].Name]; ok {
		gbit = g
	}
	return throughput.Result{Gbit: gbit, Bytes: uint64(gbit * 1.25e9), Elapsed: t.Time, Retransmits: 300, Segment: 65468, MTU: t.MTU,
		Latency: throughput.Latency{Median: 0.61, Worst: 0.9, Trips: 500}, FullSize: throughput.FullSize{Sent: 8, Returned: 8}}, nil
}

func (c *tried) done(limit time.Duration) {
	c.t.Helper()
	if !c.Done(limit) {
		c.t.Fatalf("not done:\n%s", c.Story(c.World.Names()...))
	}
}

// rest lets time pass.
func (c *tried) rest(d time.Duration) { c.Until(d, func() bool { return false }) }

// golden holds what nodes did and said against the file of that name.
func (c *tried) golden(name, story string) {
	c.t.Helper()
	if err := trial.Told("testdata/"+name+".txt", story, *update); err != nil {
		c.t.Error(err)
	}
}

// record is what a node has of the acceptance.
func (c *tried) record(node string) *Record {
	c.t.Helper()
	r, err := c.accepts[node].Record()
	if err != nil || r == nil {
		c.t.Fatalf("%s has no record: %v", node, err)
	}
	return r
}

// sentences are what became of the drills, a line each.
func sentences(r *Record) string {
	var out []string
	for _, d := range r.Drills {
		line := fmt.Sprintf("%s %s: %s", d.Name, d.Outcome, d.Sentence)
		for _, f := range d.Figures {
			line += fmt.Sprintf(" [%s %.0f %s]", f.Name, f.Value, f.Unit)
		}
		out = append(out, line)
	}
	for _, m := range r.TimeLine {
		out = append(out, fmt.Sprintf("after %.0f s: %s", m.After, m.Text))
	}
	return strings.Join(out, "\n") + "\n"
}

// outcome is that of a drill.
func (c *tried) outcome(node, drill string) report.Drill {
	c.t.Helper()
	d := c.record(node).drill(drill)
	if d == nil {
		c.t.Fatalf("%s has no drill %s", node, drill)
	}
	return *d
}

// All drills on a sound cluster: what is asked of it, in which order, and what
// comes out on every node.
func TestAllDrills(t *testing.T) {
	c := stored(t, trial.Profile(), "drills")
	c.done(2 * time.Hour)
	c.golden("drills", c.Story(c.World.Names()...)+"== the record\n"+sentences(c.record("frege")))
	for _, n := range []string{"russell", "wittgenstein"} {
		if got, want := sentences(c.record(n)), sentences(c.record("frege")); got != want {
			t.Errorf("%s has another record: %s", n, got)
		}
	}
}

// Whatever fails once is told or listed, and every drill comes to its end.
func TestEveryFailureIsTold(t *testing.T) {
	c := stored(t, trial.Profile(), "drills")
	trouble := &trial.Trouble{}
	c.Trouble = trouble
	c.done(12 * time.Hour)
	c.Trouble = nil
	c.golden("quiet", trouble.Quiet(c.Trial))
	if d := c.record("frege").Drills; len(d) != len(Names()) {
		t.Errorf("%d drills came to an end", len(d))
	}
}
