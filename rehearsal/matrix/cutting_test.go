package matrix_test

import (
	"context"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/rehearsal/need"
	world "ringboot/rehearsal/sim"
)

// cutting is a finished cluster in which work of root on one node goes on
// through power cuts, its own and those of others.
type cutting struct {
	*bench
	at     string // the node of the process
	goesOn func() // when its machine has started
	heard  func() // hears of the cut before it
	base   int    // points of the process before this piece of work
	cutAt  int    // 0: no cut
	victim string
	mode   world.CutMode
	cut    bool
}

func newCutting(t testing.TB, b *bench, at string, owns func(*bench)) *cutting {
	c := &cutting{bench: b, at: at, heard: func() {}}
	c.startAll()
	if !c.finish(2 * time.Hour) {
		t.Fatalf("no cluster:\n%s", c.tail(60))
	}
	for _, name := range c.w.Names() {
		c.away[name] = true
	}
	owns(c.bench)
	for _, name := range c.w.Names() {
		c.agents[name].end()
	}
	c.w.OnReset = func(node string) { c.w.Sim().After(bootTime, func() { c.power(node) }) }
	c.onPoint = func(a *simAgent) {
		if a.name == c.at && c.cutAt > 0 && !c.cut && a.points-c.base == c.cutAt {
			c.cut = true
			c.heard()
			c.logf("CUT %s at %d: %s", c.victim, c.cutAt, a.trace[len(a.trace)-1])
			c.off(c.victim, c.mode)
		}
	}
	return c
}

// off takes the power of a node away, for a while.
func (c *cutting) off(node string, mode world.CutMode) {
	if node == c.at {
		c.agents[node].end()
	}
	c.w.PowerCut(node, mode)
	c.w.Sim().After(bootTime, func() { c.power(node) })
}

// power starts a machine, and on that of the process what goes on.
func (c *cutting) power(node string) {
	if c.w.Node(node).Powered() {
		return
	}
	c.w.Sim().Go(node+" boot", func() {
		c.w.Boot(node, nil)
		if node == c.at && c.w.Node(node).Powered() {
			c.goesOn()
		}
	})
}

// process is one of root's on the node.
func (c *cutting) process(name string, run func(ctx context.Context, a *simAgent, h host.Host)) {
	a := c.agents[c.at]
	a.end()
	a.life++
	a.alive = true
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	h, _ := a.host(a.life)
	c.w.Sim().Go(name, func() { run(ctx, a, h) })
}

// through does the work again and again, each time with one of these cuts.
func (c *cutting) through(t *testing.T, name string, all []run, most int, begin func(), end func() error) {
	t.Helper()
	fates := map[string]world.CutMode{killed: world.Kept, kept: world.Kept, lost: world.Lost, midLost: world.Lost, torn: world.Torn, midTorn: world.Torn}
	cuts, diverged := 0, 0
	for _, one := range sampled(t, all, most) {
		plan := one.plan[0]
		c.cutAt, c.victim, c.mode = plan.point, plan.node, fates[plan.mode]
		begin()
		if err := end(); err != nil {
			diverged++
			t.Errorf("%s: %v\n%s", again(t, one), err, c.tail(40))
			break // the world is not whole any more
		}
		cuts++
	}
	need.Figure(figureName(name+".cuts", cuts, len(all)), cuts, "cuts")
	need.Figure(figureName(name+".diverged", cuts, len(all)), diverged, "cuts")
}
