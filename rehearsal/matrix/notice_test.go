package matrix_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/report"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

// asking is a bench whose profile proposes the power cut.
type asking struct {
	*bench
	told time.Time // when the victim was told last
}

func newAsking(t *testing.T) *asking {
	p := storageProfile()
	p.Acceptance.PowerCut = profiles.ConsentAsk
	a := &asking{bench: newBench(t, 1, p)}
	a.onCall = func(_, to, method string) {
		if to == "wittgenstein" && method == "accept.notice" {
			a.told = a.now()
		}
	}
	t.Cleanup(a.close)
	a.startAll()
	return a
}

// shown reports whether all nodes that run say which one is reset, and when.
func (a *asking) shown() bool {
	for _, n := range a.agents {
		if n.alive && (n.engine == nil || !strings.HasPrefix(n.engine.Status().Waiting, "wittgenstein is reset at ")) {
			return false
		}
	}
	return true
}

// window runs until so long after everybody was told.
func (a *asking) window(after time.Duration) {
	a.t.Helper()
	if !a.runUntil(3*time.Hour, func() bool { return !a.told.IsZero() && a.shown() }) {
		a.t.Fatalf("the power cut is not told on all nodes:\n%s", a.tail(60))
	}
	a.runUntil(after, func() bool { return false })
}

// cutDrill is how the power cut came out, with how often a machine was reset.
func (a *asking) cutDrill() (report.Drill, int) {
	a.t.Helper()
	if !a.finish(3 * time.Hour) {
		a.t.Fatalf("no report:\n%s", a.tail(80))
	}
	return drillOf(a.reportOf("russell"), acceptance.PowerCut), len(a.w.Notes("reset"))
}

// no says no on a node, as its root or as an operator.
func (a *asking) no(node string, operator bool) {
	a.t.Helper()
	a.during("a no", func() {
		var err error
		if operator {
			err = a.mem.Node(trust.RoleOperator).Call(a.t.Context(), node, trust.MethodNo, nil, nil)
		} else {
			_, err = a.accept[node].No(a.t.Context(), "root on "+node)
		}
		if err != nil {
			a.t.Errorf("no on %s: %v", node, err)
		}
	})
}

// Where nobody is there to say no, the power goes a minute after everybody was told, once.
func TestSilenceCountsOnlyWhereAllWereTold(t *testing.T) {
	a := newAsking(t)
	a.runUntil(time.Hour, func() bool { return a.agents["russell"].verdict[profiles.StepProof].State == step.Done })
	a.typed("russell", "qm", "create", "100", "--name", "mail", "--memory", "128") // it keeps the real drills away
	e := &evil{bench: a.bench, from: "frege"}
	const untold = "the profile of wittgenstein proposes a power cut, and that was not told here for 60 s just before"
	e.refused("nobody was told", "wittgenstein", untold)
	tell := func(wait time.Duration, nodes ...string) {
		a.during("notice", func() {
			for _, n := range nodes {
				if err := a.mem.Node("frege").Call(t.Context(), n, "accept.notice", map[string]string{"id": fmt.Sprint(wait), "victim": "wittgenstein"}, nil); err != nil {
					t.Error(err)
				}
			}
		})
		a.runUntil(wait, func() bool { return false })
	}
	tell(59*time.Second, "frege", "russell", "wittgenstein")
	e.refused("half a minute", "wittgenstein", untold)
	tell(61*time.Second, "frege", "wittgenstein")
	e.refused("not all were told", "wittgenstein", "wittgenstein is not reset: russell was not told of it")
	tell(6*time.Minute, "frege", "russell", "wittgenstein")
	e.refused("told long ago", "wittgenstein", untold)

	a.during("forget", func() { // what the evil one left
		if err := a.mem.Node("frege").Call(t.Context(), "wittgenstein", "accept.forget", nil, nil); err != nil {
			t.Error(err)
		}
	})
	a.typed("russell", "qm", "destroy", "100")
	a.told = time.Time{}
	a.window(0)
	was := len(a.w.Notes("reset"))
	if !a.runUntil(2*time.Minute, func() bool { return len(a.w.Notes("reset")) > was }) || a.now().Sub(a.told) < time.Minute {
		t.Errorf("reset %s after it was told", a.now().Sub(a.told))
	}
	if d, resets := a.cutDrill(); d.Outcome != report.Passed || resets != 1 {
		t.Errorf("%d resets, %+v", resets, d)
	}
	e.refused("a consent that was used up", "wittgenstein", "to no other one")
	if _, err := a.accept["russell"].No(t.Context(), "root on russell"); err == nil || !strings.HasPrefix(err.Error(), "the acceptance is over: there is no power cut to say no to") {
		t.Errorf("a no after the end: %v", err)
	}
}

// A no counts whichever node it is said on, before the minute or in it, by root
// there or over the channel, and where that node cannot pass it on.
func TestANoIsHeardWhereverItIsSaid(t *testing.T) {
	type word struct {
		node     string
		at       time.Duration // of the minute; less than 0: long before
		operator bool
		alone    bool // its calls to the others fail
	}
	var all []word
	for _, node := range []string{"frege", "russell", "wittgenstein"} {
		for _, at := range []time.Duration{-1, time.Second, 30 * time.Second, 58 * time.Second} {
			all = append(all, word{node, at, false, false}, word{node, at, true, false}, word{node, at, false, node != "frege"})
		}
	}
	all = slices.Compact(all)
	tried := need.Drawn(t, slices.Clone(all), budget(2, 2, 10))
	harmed := 0
	for _, c := range tried {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			a := newAsking(t)
			if c.at < 0 {
				a.runUntil(5*time.Minute, func() bool { return false })
			} else {
				a.window(c.at)
			}
			if c.alone {
				for _, to := range a.p.Others(c.node) {
					a.mem.Cut(c.node, to.Name, errors.New("no route to host"))
				}
			}
			a.no(c.node, c.operator)
			if c.alone {
				a.runUntil(90*time.Second, func() bool { return false })
				for _, to := range a.p.Others(c.node) {
					a.mem.Cut(c.node, to.Name, nil)
				}
			}
			d, resets := a.cutDrill()
			who := map[bool]string{true: "the administrator with peers", false: "root on " + c.node}[c.operator]
			if d.Outcome != report.Untried || !strings.HasPrefix(d.Sentence, "declined by "+who+" at 20") ||
				!strings.HasSuffix(d.Sentence, "; to try it later run firstboot accept --consent on wittgenstein, and then firstboot accept --power-cut wittgenstein on frege") {
				t.Errorf("%+v", d)
			}
			if resets != 0 {
				harmed++
				t.Errorf("reset although %s said no", who)
			}
		})
	}
	need.Figure(figureName("drill.resets_after_no", len(tried), len(all)), harmed, "count")
}

// Who skips the drills in the minute has said no.
func TestSkippingIsANo(t *testing.T) {
	a := newAsking(t)
	a.window(30 * time.Second)
	a.during("skip", func() {
		if err := a.accept["frege"].Skip(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if d, resets := a.cutDrill(); d.Outcome != report.Untried || resets != 0 {
		t.Errorf("%d resets, %+v", resets, d)
	}
}

// What goes away in the minute begins the minute anew, or its no stays: it is
// never silence.
func TestAnAgentThatWasAwayWasNotAsked(t *testing.T) {
	type away struct {
		node, mode string
		at         time.Duration
		no         bool
	}
	var all []away
	for _, node := range []string{"frege", "russell", "wittgenstein"} {
		for _, mode := range []string{killed, lost, torn} {
			for _, at := range []time.Duration{time.Second, 30 * time.Second, 58 * time.Second} {
				all = append(all, away{node, mode, at, false}, away{node, mode, at, true})
			}
		}
	}
	for _, c := range need.Drawn(t, all, budget(2, 2, 10)) {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			a := newAsking(t)
			a.window(c.at)
			if c.no {
				a.no(c.node, false)
			}
			first := a.told
			a.crash(crash{node: c.node, mode: c.mode})
			want, outcome := 1, report.Passed
			if c.no {
				want, outcome = 0, report.Untried
			} else if !a.runUntil(2*time.Hour, func() bool { return len(a.w.Notes("reset")) > 0 }) {
				t.Fatalf("never reset:\n%s", a.tail(60))
			} else if a.told.Equal(first) || a.now().Sub(a.told) < time.Minute {
				t.Errorf("reset %s after the last word of it; it was told again: %v", a.now().Sub(a.told), !a.told.Equal(first))
			}
			if d, resets := a.cutDrill(); d.Outcome != outcome || resets != want {
				t.Errorf("%d resets, %+v", resets, d)
			}
		})
	}
}
