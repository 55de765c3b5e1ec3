package ring

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"ringboot/firstboot/ring/layout"
	"ringboot/rehearsal/need"
)

// mishap is one thing that can happen to a ring. It leaves the cables as a
// person would: in place, perhaps in another order.
type mishap struct {
	name string
	do   func(r *testRing, rng *rand.Rand)
}

func mishaps() []mishap {
	// pick returns a node, one of its ports, the node at the other end and its port.
	pick := func(r *testRing, rng *rand.Rand) (n *testNode, port string) {
		return r.nodes[rng.IntN(3)], []string{"en05", "en06"}[rng.IntN(2)]
	}
	pause := func(rng *rand.Rand) { time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond) }
	return []mishap{
		{"port set down", func(r *testRing, rng *rand.Rand) { n, p := pick(r, rng); n.down(p) }},
		{"port down and up", func(r *testRing, rng *rand.Rand) {
			n, p := pick(r, rng)
			n.down(p)
			pause(rng)
			n.up(p)
		}},
		{"port flaps", func(r *testRing, rng *rand.Rand) {
			n, p := pick(r, rng)
			for range 5 {
				n.down(p)
				n.up(p)
			}
		}},
		{"cables pulled and plugged in another order", func(r *testRing, rng *rand.Rand) {
			r.unplug()
			pause(rng)
			r.anyRing(rng)
		}},
		{"link up but dead", func(r *testRing, rng *rand.Rand) {
			n, p := pick(r, rng)
			n.drop(p)
			time.Sleep(250 * time.Millisecond)
			n.undrop()
		}},
		{"routes gone", func(r *testRing, rng *rand.Rand) { n, _ := pick(r, rng); n.shell("ip route flush table main") }},
		{"address gone", func(r *testRing, rng *rand.Rand) { n, p := pick(r, rng); n.shell("ip address flush dev " + p) }},
		{"address gone from lo", func(r *testRing, rng *rand.Rand) {
			n, _ := pick(r, rng)
			n.shell("ip address del " + n.addr.String() + "/32 dev lo")
		}},
		{"mtu changed", func(r *testRing, rng *rand.Rand) { n, p := pick(r, rng); n.shell("ip link set " + p + " mtu 1500") }},
		{"agent killed", func(r *testRing, rng *rand.Rand) {
			n, _ := pick(r, rng)
			n.kill()
			pause(rng)
			n.start()
		}},
		{"all agents killed", func(r *testRing, rng *rand.Rand) { r.killAll(); r.start() }},
		{"agent killed and its port down", func(r *testRing, rng *rand.Rand) {
			n, p := pick(r, rng)
			n.kill()
			n.down(p)
			n.start()
		}},
	}
}

// unplug removes all cables.
func (r *testRing) unplug() {
	for _, n := range r.nodes {
		for _, port := range []string{"en05", "en06"} {
			if l, err := n.handle.LinkByName(port); err == nil {
				n.handle.LinkDel(l) // its other end may have gone first
			}
		}
	}
}

// anyRing joins the nodes to one of the rings that three cables can make.
func (r *testRing) anyRing(rng *rand.Rand) {
	free := map[*testNode][]string{}
	for _, n := range r.nodes {
		ports := []string{"en05", "en06"}
		rng.Shuffle(2, func(i, j int) { ports[i], ports[j] = ports[j], ports[i] })
		free[n] = ports
	}
	for i, n := range r.nodes {
		next := r.nodes[(i+1)%3]
		n.cable(free[n][0], next, free[next][1])
	}
}

// TestRandomEvents lets mishaps fall on a ring one after the other and wants it
// whole after each, with traffic between all nodes.
func TestRandomEvents(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "nft:nftables")
	const rings, each = 2, 100
	var events, unwhole atomic.Int64
	t.Run("rings", func(t *testing.T) {
		for i := range rings {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				randomEvents(t, each, &events, &unwhole)
			})
		}
	})
	need.Figure("ring.random_events", events.Load(), "count")
	need.Figure("ring.random_unwhole", unwhole.Load(), "count")
}

func randomEvents(t *testing.T, count int, events, unwhole *atomic.Int64) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	r := newRing(t)
	for _, n := range r.nodes {
		n.cfg.Timing = layout.Timing{Probe: 50 * time.Millisecond, Dead: 200 * time.Millisecond, Return: 50 * time.Millisecond, Flap: 200 * time.Millisecond}
	}
	r.anyRing(rng)
	r.echo().start().awaitWhole()
	all := mishaps()
	for range count {
		m := all[rng.IntN(len(all))]
		events.Add(1)
		unwhole.Add(1)
		m.do(r, rng)
		r.await("ring whole after: "+m.name, func() bool { return r.whole() && r.allReach() })
		unwhole.Add(-1)
	}
}
