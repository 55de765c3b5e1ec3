package step_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
	"ringboot/rehearsal/standin"
)

// testProfile is a cluster of three.
func testProfile() *profiles.Profile {
	p := &profiles.Profile{Version: 1, Cluster: profiles.Cluster{Name: "principia", Domain: "example.net", Keyboard: "de", Mail: "root@example.net"},
		Management: profiles.Management{Prefix: netip.MustParsePrefix("10.203.3.0/24")},
		Ring:       profiles.Ring{Prefix: netip.MustParsePrefix("10.203.4.0/24")},
		Users:      []profiles.User{{Name: "alice", FullName: "Alice", ProxmoxRole: "Administrator"}, {Name: "bob"}}}
	for i, name := range []string{"frege", "russell", "wittgenstein"} {
		p.Nodes = append(p.Nodes, profiles.Node{Name: name, Address: netip.AddrFrom4([4]byte{10, 203, 3, byte(11 + i)}), Ring: netip.AddrFrom4([4]byte{10, 203, 4, byte(11 + i)})})
	}
	return p
}

// Ways in which an agent or its machine goes.
const (
	killed   = "killed"         // the process alone
	lost     = "power, lost"    // un-synced writes are gone
	torn     = "power, torn"    // half of them
	kept     = "power, kept"    // none of them
	midLost  = "mid, lost"      // in the middle of what comes next
	midTorn  = "mid, torn"      //
	bootTime = 35 * time.Second // power back to agent
	killTime = 2 * time.Second  // restart by systemd
)

var crashModes = []string{killed, lost, torn, kept, midLost, midTorn}

// crash is one planned loss: at the point-th point of a node.
type crash struct {
	node  string
	point int
	mode  string
}

func (c crash) String() string { return fmt.Sprintf("%s %s at point %d", c.node, c.mode, c.point) }

// sim is three agents on a stand-in world.
type sim struct {
	t       testing.TB
	w       *standin.World
	p       *profiles.Profile
	mem     *trust.Memory
	agents  map[string]*simAgent
	plan    []crash
	rnd     *rand.Rand
	log     []string
	unsafe  []string // what must never happen
	away    map[string]bool
	hit     int // crashes that happened
	verb    bool
	noGuard bool                          // machines boot without the unit that compares corosync.conf
	gate    bool                          // the step peers stands before the cluster
	facts   map[string]func(*trust.Facts) // what the step peers is told otherwise
	onCall  func(from, to, method string) // before the answer goes back
	// more adds steps after proof.
	more func(a *simAgent, o step.ClusterOptions, proof step.Step) []step.Step
}

// simAgent is one agent: its present process, and what is counted over all of them.
type simAgent struct {
	s       *sim
	name    string
	life    int // number of the present process
	cancel  context.CancelFunc
	alive   bool
	kicked  bool
	points  int
	trace   []string
	verdict map[string]step.Verdict
	cluster *step.Cluster
	profile *profiles.Profile
	formed  time.Time
}

func newSim(t testing.TB, seed int64) *sim {
	s := &sim{t: t, p: testProfile(), mem: trust.NewMemory(), agents: map[string]*simAgent{}, facts: map[string]func(*trust.Facts){}, rnd: rand.New(rand.NewSource(seed)), away: map[string]bool{}}
	var specs []standin.NodeSpec
	for _, n := range s.p.Nodes {
		specs = append(specs, standin.NodeSpec{Name: n.Name, Addresses: []string{n.Address.String(), n.Ring.String()}})
	}
	s.w = standin.NewWorld(seed, specs...)
	for _, n := range s.p.Nodes {
		s.agents[n.Name] = &simAgent{s: s, name: n.Name, verdict: map[string]step.Verdict{}, profile: s.p}
	}
	return s
}

func (s *sim) now() time.Time { return s.w.Sim().Now() }

func (s *sim) logf(format string, args ...any) {
	line := fmt.Sprintf("%8.1f ", s.now().Sub(time.Date(2026, 11, 23, 0, 28, 0, 0, time.UTC)).Seconds()) + fmt.Sprintf(format, args...)
	s.log = append(s.log, line)
	if s.verb {
		s.t.Log(line)
	}
}

// start starts the agent of a node that is powered.
func (a *simAgent) start() {
	if a.s.away[a.name] || !a.s.w.Node(a.name).Powered() {
		return
	}
	a.life++
	a.alive, a.kicked = true, false
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	a.s.w.Sim().Go(a.name, func() { a.run(ctx, a.life) })
}

// options are those of the steps for the present process.
func (a *simAgent) options(life int) step.ClusterOptions {
	p := &simPort{a: a, life: life}
	return step.ClusterOptions{Host: host.Host{Files: simFiles{Files: a.s.w.Node(a.name).Files(), simPort: p}, Commands: p, Clock: p},
		Profile: a.profile, Node: a.name, Plan: "0123456789abcdef", Peers: p, Kick: func() { a.kicked = true }}
}

func (a *simAgent) steps(life int) []step.Step {
	o := a.options(life)
	a.cluster = step.NewCluster(o)
	proof := step.NewProof(o)
	node := a.s.mem.Node(a.name)
	a.cluster.Register(node)
	proof.Register(node)
	all := []step.Step{a.cluster, proof}
	if a.s.gate {
		all = append([]step.Step{a.s.gateOf(a, node)}, all...)
	}
	if a.s.more != nil {
		all = append(all, a.s.more(a, o, proof)...)
	}
	return all
}

// run does what the engine does: in order, with back-off, until woken.
func (a *simAgent) run(ctx context.Context, life int) {
	steps := a.steps(life)
	for tries := 0; a.here(life) && ctx.Err() == nil; tries++ {
		before := fmt.Sprint(a.verdict)
		done := a.round(ctx, life, steps)
		if fmt.Sprint(a.verdict) != before {
			tries = 0
		}
		if done && a.formed.IsZero() {
			a.formed = a.s.now()
		} else if !done {
			a.formed = time.Time{}
		}
		wait := min(time.Second<<min(tries, 5), 24*time.Second)
		if done {
			wait = time.Minute
		}
		for end := a.s.now().Add(wait); a.here(life) && !a.kicked && a.s.now().Before(end); {
			if a.s.w.Sim().Sleep(ctx, 100*time.Millisecond) != nil {
				return
			}
		}
		a.kicked = false
	}
}

func (a *simAgent) here(life int) bool { return a.alive && a.life == life }

func (a *simAgent) round(ctx context.Context, life int, steps []step.Step) bool {
	for _, st := range steps {
		v, err := st.Check(ctx)
		if err == nil && v.State == step.Todo && a.here(life) {
			a.enter(life, st, v)
			applied := st.Apply(ctx)
			v, err = st.Check(ctx)
			if applied != nil && v.State == step.Todo {
				v.Reason = applied.Error()
			}
		}
		if err != nil {
			v = step.Wait(err.Error())
		}
		if !a.here(life) {
			return false
		}
		a.enter(life, st, v)
		if v.State != step.Done {
			return false
		}
		if st.Name() != "peers" {
			a.s.assertWhole(a.name, st.Name())
		}
	}
	return true
}

func (a *simAgent) enter(life int, st step.Step, v step.Verdict) {
	if !a.here(life) {
		return
	}
	if old := a.verdict[st.Name()]; old.State != v.State || old.Reason != v.Reason {
		a.s.logf("%s %s %v: %s", a.name, st.Name(), v.State, v.Reason)
	}
	a.verdict[st.Name()] = v
}

// status is the sentence that status shows: the first step that is not done.
func (a *simAgent) status() string {
	for _, name := range []string{"peers", "cluster", "proof"} {
		if name == "peers" && !a.s.gate {
			continue
		}
		if v, ok := a.verdict[name]; !ok || v.State != step.Done {
			return v.Reason
		}
	}
	return "formed"
}

// assertWhole is called when a node says that it is done.
func (s *sim) assertWhole(node, what string) {
	raw, err := s.w.Node(node).Files().ReadFile("/etc/pve/corosync.conf")
	conf, err2 := standin.ParseConf(raw)
	if err != nil || err2 != nil || len(conf.Nodes) != len(s.p.Nodes) {
		s.unsafe = append(s.unsafe, fmt.Sprintf("%s called %s done with %d nodes", node, what, len(conf.Nodes)))
	}
}

// errGone is what an agent's every operation returns after its end.
var errGone = errors.New("the process has ended")

// point passes one point of a node, where a crash may be planned.
func (a *simAgent) point(life int, name string) error {
	if !a.here(life) {
		return errGone
	}
	a.points++
	a.trace = append(a.trace, name)
	for _, c := range a.s.plan {
		if c.node == a.name && c.point == a.points {
			a.s.logf("CRASH %v (%s)", c, name)
			a.s.hit++
			a.s.crash(c)
		}
	}
	if !a.here(life) {
		return errGone
	}
	return nil
}

// crash takes an agent or its machine down, and has it come back.
func (s *sim) crash(c crash) {
	a := s.agents[c.node]
	switch c.mode {
	case killed:
		a.end()
		s.w.Sim().After(killTime, func() { a.restart(a.life) })
	case midLost, midTorn:
		life := a.life
		s.w.Sim().After(time.Duration(s.rnd.Intn(4000))*time.Millisecond, func() {
			if a.here(life) {
				s.powerCut(c.node, strings.Replace(c.mode, "mid", "power", 1), bootTime)
			}
		})
	default:
		s.powerCut(c.node, c.mode, bootTime)
	}
}

func (a *simAgent) end() {
	a.alive = false
	if a.cancel != nil {
		a.cancel()
	}
}

func (a *simAgent) restart(life int) {
	if !a.alive && a.life == life {
		a.start()
	}
}

func (s *sim) powerCut(node, mode string, off time.Duration) {
	a := s.agents[node]
	a.end()
	s.w.PowerCut(node, map[string]standin.CutMode{lost: standin.Lost, torn: standin.Torn, kept: standin.Kept}[mode])
	s.w.Sim().After(off, func() { s.boot(node) })
}

// boot starts a machine: the guard, the Proxmox software, the agent.
func (s *sim) boot(node string) {
	a := s.agents[node]
	if s.away[node] || s.w.Node(node).Powered() {
		return
	}
	a.life++
	a.alive = true // for the guard
	life := a.life
	s.w.Sim().Go(node+" boot", func() {
		s.w.Boot(node, func() {
			if s.noGuard {
				return
			}
			did, err := step.NewCluster(a.options(life)).Guard(context.Background())
			if did != "" || err != nil {
				s.logf("%s guard: %s %v", node, did, err)
			}
		})
		if a.life == life && s.w.Node(node).Powered() {
			a.start()
		}
	})
}

// simPort is what one process of an agent sees of the world.
type simPort struct {
	a    *simAgent
	life int
}

func (p *simPort) Now() time.Time { return p.a.s.now() }

func (p *simPort) Sleep(ctx context.Context, d time.Duration) error {
	if !p.a.here(p.life) {
		return errGone
	}
	if err := p.a.s.w.Sim().Sleep(ctx, d); err != nil {
		return err
	}
	if !p.a.here(p.life) {
		return errGone
	}
	return nil
}

func (p *simPort) Run(ctx context.Context, c host.Cmd) (host.Result, error) {
	name := strings.Join(c.Argv[:min(2, len(c.Argv))], " ")
	if !p.a.here(p.life) {
		return host.Result{}, errGone
	}
	if !c.ReadOnly {
		if err := p.a.point(p.life, "before "+name); err != nil {
			return host.Result{}, err
		}
	}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := c.Timeout
	if limit == 0 {
		limit = time.Minute
	}
	res, err := p.a.s.w.Exec(run, p.a.name, c.Argv, c.Stdin, c.Env, limit)
	if !p.a.here(p.life) {
		return host.Result{}, errGone
	}
	if err != nil {
		return host.Result{}, err
	}
	if !c.ReadOnly {
		if err := p.a.point(p.life, "after "+name); err != nil {
			return host.Result{}, err
		}
	}
	return host.Result{Stdout: res.Stdout, Stderr: res.Stderr, Code: res.Code}, nil
}

func (p *simPort) Call(ctx context.Context, node, method string, in, out any) error {
	if err := p.a.point(p.life, "before call "+method); err != nil {
		return err
	}
	to := p.a.s.agents[node]
	if !p.a.s.w.Reachable(p.a.name, node) {
		return fmt.Errorf("connect %s: no route to host", node)
	}
	if !to.alive || to.cluster == nil {
		return fmt.Errorf("connect %s: connection refused", node)
	}
	life := to.life
	err := p.a.s.mem.Node(p.a.name).Call(ctx, node, method, in, out)
	if p.a.s.onCall != nil {
		p.a.s.onCall(p.a.name, node, method)
	}
	if e := to.point(life, "answered "+method); e != nil || !p.a.s.w.Reachable(p.a.name, node) {
		err = fmt.Errorf("connect %s: connection reset by peer", node)
	}
	if e := p.a.point(p.life, "after call "+method); e != nil {
		return e
	}
	return err
}

// simFiles are the files of the node with a point after each write.
type simFiles struct {
	standin.Files
	*simPort
}

func (f simFiles) write(name string, do func() error) error {
	if !f.a.here(f.life) {
		return errGone
	}
	if err := do(); err != nil {
		return err
	}
	return f.a.point(f.life, name)
}

func (f simFiles) WriteFile(p string, b []byte, m fs.FileMode) error {
	return f.write("write "+p, func() error { return f.Files.WriteFile(p, b, m) })
}

func (f simFiles) WriteDirect(p string, b []byte) error {
	return f.write("write "+p, func() error { return f.Files.WriteDirect(p, b) })
}

func (f simFiles) Remove(p string) error {
	return f.write("remove "+p, func() error { return f.Files.Remove(p) })
}

func (f simFiles) Sync() error {
	return f.write("sync", func() error { return f.Files.Sync() })
}

// runUntil runs until all agents are formed and have been for a while, or the
// limit has passed.
func (s *sim) runUntil(limit time.Duration, stop func() bool) bool {
	return s.w.Sim().RunUntil(s.now().Add(limit), stop)
}

func (s *sim) allFormed() bool {
	for _, a := range s.agents {
		if !a.alive || a.formed.IsZero() {
			return false
		}
	}
	return true
}

// close ends all agents, so that no goroutine is left.
func (s *sim) close() {
	for _, a := range s.agents {
		s.away[a.name] = true
		a.end()
	}
	s.runUntil(time.Hour, func() bool { return s.w.Sim().Living() == 0 })
	if n := s.w.Sim().Living(); n > 0 {
		s.t.Errorf("%d agents do not end", n)
	}
}

// violations are the things that must never happen.
func (s *sim) violations() []string {
	bad := append([]string(nil), s.unsafe...)
	for _, kind := range []string{"overlap", "overtaken", "expected", "database-lost", "second-founder"} {
		for _, n := range s.w.Notes(kind) {
			bad = append(bad, kind+": "+n)
		}
	}
	for _, n := range s.w.Notes("create") {
		if n != s.p.Nodes[0].Name {
			bad = append(bad, "create on "+n)
		}
	}
	return bad
}

// whole says what is not whole in the world, asked with other means than the agents'.
func (s *sim) whole() error {
	var conf string
	for _, name := range s.w.Names() {
		q, ok := s.w.Node(name).Machine().Corosync()
		if !ok || !q.Quorate || len(q.Members) != len(s.p.Nodes) {
			return fmt.Errorf("corosync of %s: running %v, %+v", name, ok, q)
		}
		for _, file := range []string{"/etc/pve/corosync.conf", "/etc/corosync/corosync.conf"} {
			raw, err := s.w.Node(name).Files().ReadFile(file)
			if err != nil {
				return err
			}
			if conf == "" {
				conf = string(raw)
			}
			if string(raw) != conf {
				return fmt.Errorf("%s on %s differs", file, name)
			}
		}
		i, err := s.w.Node(name).Files().Lstat("/etc/corosync/authkey")
		if err != nil || i.Mode().Perm() != 0o400 || i.Size() != 256 {
			return fmt.Errorf("authkey on %s: %v", name, err)
		}
		users, err := s.w.Node(name).Files().ReadFile("/etc/pve/user.cfg")
		if err != nil || strings.Count(string(users), "user:alice@pam:") != 1 {
			return fmt.Errorf("user.cfg on %s: %v %s", name, err, users)
		}
	}
	return nil
}

// tail is the end of the log, for a message.
func (s *sim) tail(n int) string {
	return strings.Join(s.log[max(0, len(s.log)-n):], "\n")
}
