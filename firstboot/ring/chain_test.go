package ring

import (
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/ring/verdict"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/disk"
)

// newChain is the world without the cable between frege and wittgenstein, by
// consent: russell is in the middle, and each end has a port that stays free.
func newChain(t *testing.T) *world {
	w := newWorld(t)
	for _, c := range w.cores {
		c.cfg.Chain = "russell"
	}
	w.out[[2]int{0, 1}] = true
	return w
}

func (w *world) wantVerdict(i int, whole bool, want string) {
	w.t.Helper()
	if v := w.cores[i].view(); v.Whole != whole || v.Verdict != want || v.Chain != w.cores[i].cfg.Chain {
		w.t.Errorf("%s: whole %v, %q\nwant %v, %q", nodeNames[i], v.Whole, v.Verdict, whole, want)
	}
}

func TestAChainIsWhole(t *testing.T) {
	w := newChain(t)
	w.pass(3 * time.Second)
	w.wantVerdict(0, true, "chain whole: en05 to en06 of russell")
	w.wantVerdict(1, true, "chain whole: en05 to en06 of wittgenstein, en06 to en05 of frege")
	w.wantVerdict(2, true, "chain whole: en06 to en05 of russell")
	for i, free := range map[int]int{0: 1, 2: 0} {
		v := w.cores[i].view()
		if p := v.Ports[free]; !p.Free || p.Proven || p.Verdict != "" || p.Peer != "" {
			t.Errorf("%s: the free port is %+v", nodeNames[i], p)
		}
		if p := v.Ports[1-free]; p.Free || !p.Proven {
			t.Errorf("%s: the port in use is %+v", nodeNames[i], p)
		}
	}
	// Nobody sets a free port down and up, however long nothing is plugged in there.
	w.pass(10 * time.Minute)
	for _, c := range w.cores {
		for _, e := range c.events {
			if strings.Contains(e.Text, "down and up") {
				t.Errorf("event: %s", e.Text)
			}
		}
	}
	if len(w.actions) > 0 {
		t.Errorf("actions: %v", w.actions)
	}
}

func TestWhatIsWrongWithAChain(t *testing.T) {
	t.Run("its cable is pulled", func(t *testing.T) {
		w := newChain(t)
		w.pass(3 * time.Second)
		w.out[[2]int{0, 0}] = true
		w.pass(3 * time.Second)
		w.wantVerdict(1, false, "no cable between russell and frege: en06 has no carrier; plug it in, or start frege")
		w.wantVerdict(0, false, "no cable between frege and russell: en05 has no carrier; plug it in, or start russell; no cable between frege and russell: en06 has no carrier; plug it in, or start russell")
		w.wantVerdict(2, true, "chain whole: en06 to en05 of russell")
		if got := routesOf(w.cores[1]); len(got) != 2 || got[0].Via.IsValid() || got[1].Via.IsValid() {
			t.Errorf("russell sends what is for an end round the other one: %v", got)
		}
	})
	t.Run("plugged in at the free port", func(t *testing.T) {
		w := newChain(t)
		w.pass(3 * time.Second)
		w.ends[[2]int{0, 1}], w.ends[[2]int{1, 1}] = [2]int{1, 1}, [2]int{0, 1}
		w.ends[[2]int{0, 0}], w.ends[[2]int{2, 0}] = [2]int{2, 0}, [2]int{0, 0}
		w.out = map[[2]int]bool{{0, 0}: true}
		w.pass(6 * time.Second)
		w.wantVerdict(0, true, "chain whole: en06 to en06 of russell")
		w.wantVerdict(1, true, "chain whole: en05 to en06 of wittgenstein, en06 to en06 of frege")
	})
	for name, moved := range map[string]bool{"plugged in at the second port": false, "moved to the second port": true} {
		t.Run(name+", and the middle's agent ends", func(t *testing.T) {
			w := newChain(t)
			for _, c := range w.cores { // as in a first life
				for i := range c.learned {
					c.learned[i] = c.cfg.Expected(i)
				}
			}
			if moved {
				w.pass(3 * time.Second)
			}
			w.ends[[2]int{0, 1}], w.ends[[2]int{1, 1}] = [2]int{1, 1}, [2]int{0, 1}
			w.ends[[2]int{0, 0}], w.ends[[2]int{2, 0}] = [2]int{2, 0}, [2]int{0, 0}
			w.out = map[[2]int]bool{{0, 0}: true}
			w.pass(6 * time.Second)
			w.stopped[1] = true
			w.pass(6 * time.Second)
			routes := routesOf(w.cores[0])
			for _, r := range routes {
				if w.cores[0].links[1].index != r.Link {
					t.Errorf("a route of frege does not go over en06: %+v", r)
				}
			}
			if len(routes) != 2 {
				t.Errorf("frege has %d routes", len(routes))
			}
			if got := w.cores[0].peerAt(0); got != "" {
				t.Errorf("nothing is plugged in at the first port, and %s is taken to be there", got)
			}
		})
	}
	t.Run("the ends are joined, and the middle is not between them", func(t *testing.T) {
		w := newChain(t)
		w.out = map[[2]int]bool{{0, 0}: true}
		w.pass(3 * time.Second)
		w.wantVerdict(0, false, "no cable between frege and russell: en05 has no carrier; plug it in, or start russell")
		w.wantVerdict(1, false, "no cable between russell and frege: en06 has no carrier; plug it in, or start frege")
	})
	t.Run("an end of one port leads elsewhere", func(t *testing.T) {
		w := newChain(t)
		w.out = map[[2]int]bool{{0, 0}: true, {1, 0}: true}
		w.pass(3 * time.Second)
		c := w.cores[0]
		one := c.sights()[1:]
		const want = "en06 leads to wittgenstein, and russell is the middle of the chain: move the cable there, or name the node that has two cables in ring.chain"
		if got, whole := verdict.Of(c.cfg, one); whole || got != want {
			t.Errorf("whole %v: %s", whole, got)
		}
	})
	t.Run("both cables of an end lead to the middle", func(t *testing.T) {
		w := newChain(t)
		w.ends[[2]int{0, 1}], w.ends[[2]int{1, 0}] = [2]int{1, 0}, [2]int{0, 1}
		w.ends[[2]int{2, 1}] = [2]int{2, 0}
		w.out = map[[2]int]bool{{2, 1}: true}
		w.pass(4 * time.Second)
		w.wantVerdict(0, false, "two cables lead from frege to russell (en05 to en06, en06 to en05): no cable between russell and wittgenstein; move one of them to wittgenstein")
	})
	t.Run("a third cable is none too many", func(t *testing.T) {
		w := newChain(t)
		w.out = map[[2]int]bool{}
		w.pass(3 * time.Second)
		w.wantWhole()
		w.wantVerdict(0, true, "chain whole: en05 to en06 of russell, en06 to en05 of wittgenstein")
	})
}

func routesOf(c *core) []layout.Route { return layout.Desire(c.cfg, c.snap, c.states()).Routes }

// A keeper that starts again knows which port of an end was free, so the floor
// stays as it was.
func TestTheFreePortIsRemembered(t *testing.T) {
	w := newChain(t)
	w.pass(3 * time.Second)
	cfg := w.cores[2].cfg
	clock := crash.NewClock(w.now)
	files := crash.New(disk.New(clock.Now), nil, clock).Host().Files
	opt := Options{Config: cfg, Files: files, State: "/var/lib/ringboot/ring.json"}
	r := &run{Keeper: &Keeper{opt: opt}, core: w.cores[2]}
	r.remember()
	k := &Keeper{opt: opt, peers: []string{cfg.Expected(0), cfg.Expected(1)}}
	k.recall()
	if k.peers[0] != "" || k.peers[1] != "russell" {
		t.Errorf("remembered are %q", k.peers)
	}
	// Nothing is heard yet: the routes are those of the floor.
	again := newCore(cfg, w.cores[2].me, nil)
	copy(again.learned, k.peers)
	again.observe(w.snapshot(2), w.now)
	for i, want := range k.peers {
		if got := again.peerAt(i); got != want {
			t.Errorf("port %d leads to %q, want %q", i, got, want)
		}
	}
	floor := ""
	for _, f := range layout.Floor(cfg, k.peers) {
		floor += f.Content
	}
	if !strings.Contains(floor, "10.203.4.11/32 via 10.203.4.12 dev en06 onlink") || strings.Contains(floor, "10.203.4.11/32 via 10.203.4.12 dev en05") {
		t.Errorf("the floor is\n%s", floor)
	}
}
