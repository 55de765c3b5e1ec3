package gate

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
)

// Each node is asked three times what its clock says, and for eight seconds in
// all; the shortest way counts, and of equal ones the first.
func TestTheShortestWayCounts(t *testing.T) {
	for name, c := range map[string]struct {
		ways  []time.Duration
		off   []time.Duration
		want  time.Duration
		doubt time.Duration
	}{
		"the first":     {[]time.Duration{20, 60, 40}, []time.Duration{1, 2, 3}, 1, 10},
		"the second":    {[]time.Duration{60, 20, 40}, []time.Duration{1, 2, 3}, 2, 10},
		"the third":     {[]time.Duration{60, 40, 20}, []time.Duration{1, 2, 3}, 3, 10},
		"all are equal": {[]time.Duration{20, 20, 20}, []time.Duration{1, 2, 3}, 1, 10},
	} {
		w := newGateWorld()
		asked, limit := 0, time.Duration(0)
		var passed atomic.Int64 // since the clock began; the other node is asked meanwhile
		now := func() time.Time { return w.clock.Add(time.Duration(passed.Load())) }
		w.step.o.Now = now
		w.net.Node("russell").Handle(trust.MethodFacts, func(ctx context.Context, _ string, _ json.RawMessage) (any, error) {
			f := *w.facts["russell"]
			i := min(asked, len(c.ways)-1)
			passed.Add(int64(c.ways[i] * time.Millisecond))
			f.Time = now().Add(-c.ways[i]*time.Millisecond/2 + c.off[i]*time.Millisecond)
			asked++
			end, _ := ctx.Deadline()
			limit = time.Until(end)
			return f, nil
		})
		var russell told
		for _, one := range w.step.ask(t.Context()) {
			if one.node == "russell" {
				russell = one
			}
		}
		if russell.err != nil || russell.offset != c.want*time.Millisecond || russell.doubt != c.doubt*time.Millisecond || asked != 3 {
			t.Errorf("%s: %s, doubt %s, asked %d times, %v", name, russell.offset, russell.doubt, asked, russell.err)
		}
		if limit > 8*time.Second || limit < time.Second {
			t.Errorf("%s: who is asked has %s", name, limit)
		}
	}
}

// Whoever does not answer either of the questions is missing, with the reason.
func TestWhoDoesNotAnswerIsMissing(t *testing.T) {
	for _, method := range []string{trust.MethodRing, trust.MethodFacts} {
		w := newGateWorld()
		w.peers = []status.PeerStatus{{Node: "russell", Seen: status.State{OK: true}, Reachable: status.State{OK: true}, Trusted: status.State{OK: true}}}
		w.net.Node("russell").Handle(method, func(context.Context, string, json.RawMessage) (any, error) { return nil, errors.New("busy") })
		v, err := w.step.Check(t.Context())
		if err != nil || v.State != step.Waiting || !strings.HasPrefix(v.Reason, "have 2/3, missing russell: trusted, but does not answer (") || !strings.HasSuffix(v.Reason, "busy)") {
			t.Errorf("%s: %s %s, %v", method, v.State, v.Reason, err)
		}
	}
	w := newGateWorld()
	w.step.o.Facts = func(context.Context) (status.Facts, error) { return status.Facts{}, crash.ErrRefused }
	if _, err := w.step.Check(t.Context()); !errors.Is(err, crash.ErrRefused) {
		t.Errorf("its own facts: %v", err)
	}
}

// The gate is looked at every five seconds, and follows the steps of the plan as
// it is, not as it was.
func TestTheGateFollowsThePlan(t *testing.T) {
	w := newGateWorld()
	if got := w.step.Recheck(); got != 5*time.Second {
		t.Errorf("looked at every %s", got)
	}
	if got := w.step.Name(); got != "peers" {
		t.Errorf("called %q", got)
	}
	w.step.Follow([]step.Step{named("report")})
	w.step.Follow([]step.Step{named("identity")})
	if v, err := w.step.Check(t.Context()); err != nil || v.State != step.Done {
		t.Errorf("%s %s, %v", v.State, v.Reason, err)
	}
}

// What is newer here and older at once is told apart: what is behind is to be
// mended, what is ahead is no reason to wait. And a set that was to be taken over
// is not taken over once nothing differs.
func TestAheadAndBehindAtOnce(t *testing.T) {
	w := newGateWorld()
	w.facts["russell"].Cluster, w.facts["wittgenstein"].Cluster = "principia", "principia"
	w.facts["frege"].Versions["pve-manager"], w.facts["frege"].Versions["corosync"] = "9.2.14", "3.1.9-pve1"
	v, err := w.step.Check(t.Context())
	if want := "versions differ: corosync want 3.1.10-pve3 (russell), have 3.1.9-pve1 (frege): frege is to bring its packages up to date"; err != nil || v.State != step.Waiting || v.Reason != want {
		t.Errorf("%s %s, %v", v.State, v.Reason, err)
	}
	p := &packages{behind: true}
	w.step.o.Packages = p
	if v, err := w.step.Check(t.Context()); err != nil || v.State != step.Todo {
		t.Fatalf("%s %s, %v", v.State, v.Reason, err)
	}
	w.facts["russell"].Cluster, w.facts["wittgenstein"].Cluster = "", ""
	w.facts["frege"].Versions["pve-manager"], w.facts["frege"].Versions["corosync"] = "9.2.11", "3.1.10-pve3"
	p.first = true
	if v, err := w.step.Check(t.Context()); err != nil || v.State != step.Todo {
		t.Fatalf("%s %s, %v", v.State, v.Reason, err)
	}
	if err := w.step.Apply(t.Context()); err != nil || p.made != 1 || p.set != nil {
		t.Errorf("made %d times, to %v: %v", p.made, p.set, err)
	}
}

// Another kernel is named with the two nodes that differ, whichever they are.
func TestWhoHasAnotherKernel(t *testing.T) {
	w := newGateWorld()
	delete(w.facts["russell"].Versions, "kernel")
	v, err := w.step.Check(t.Context())
	want := "kernels differ: frege runs 6.17.2-1-pve, russell runs unknown: restart the node with the older one when it suits"
	if err != nil || v.State != step.Done || len(v.Risks) != 1 || v.Risks[0] != want {
		t.Errorf("%s %q, %v", v.State, v.Risks, err)
	}
}

// What cannot be found out of this node is told, and nothing is made of it; only
// whether the clock is synchronised is then a no.
func TestFactsThatCannotBeRead(t *testing.T) {
	at := time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	root := t.TempDir()
	var limit time.Duration
	facts := func(h host.Host) *LocalFacts {
		return &LocalFacts{Host: h, Seed: profiles.Seed{Node: "frege", ClusterID: "c", Plan: profiles.Hashes{Cluster: "p", Node: "n"}}, Agent: "v1",
			Status: func() status.Status { return status.Status{} }, Stuck: func() string { return "no network" }, Who: func() status.Who { return status.Who{Set: "s"} }}
	}
	fresh := func() host.Host {
		h := host.New(root)
		h.Commands = asked{answers{"pveversion": "pve-manager: 9.2.11 (running version: 9.2.11/0)\n", "timedatectl": "yes\n"}, &limit}
		h.Clock = &moved{now: at}
		return h
	}
	if err := os.MkdirAll(root+pve.Dir+"/nodes/frege/qemu-server", 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := facts(fresh()).Read(t.Context())
	if err != nil || !got.Time.Equal(at) || got.Stuck != "no network" || got.Who.Set != "s" || got.ClusterID != "c" || got.PlanCluster != "p" || got.PlanNode != "n" || got.Protocol != status.Protocol || !got.Synced {
		t.Errorf("%+v, %v", got, err)
	}
	if limit != 5*time.Second {
		t.Errorf("who asks for the clock waits for %s", limit)
	}
	for r := range crash.Refusals(fresh, func(h host.Host) error {
		got, err = facts(h).Read(t.Context())
		return err
	}) {
		if strings.Contains(r.What, "timedatectl") {
			if r.Err != nil || got.Synced {
				t.Errorf("%s: %+v, %v", r.What, got, r.Err)
			}
		} else if strings.HasPrefix(r.What, "fail ") {
			continue // what they say counts, and not how they end
		} else if !errors.Is(r.Err, crash.ErrRefused) || !got.Time.IsZero() {
			t.Errorf("%s was refused: %v", r.What, r.Err)
		}
		if strings.Contains(r.What, "pveversion") && (r.Err == nil || !strings.HasPrefix(r.Err.Error(), "versions of this node: ")) {
			t.Errorf("%s: %v", r.What, r.Err)
		}
	}
}

// asked notes the limit of the question for the clock.
type asked struct {
	host.Commands
	limit *time.Duration
}

func (a asked) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	if cmd.Argv[0] == "timedatectl" {
		*a.limit = cmd.Timeout
	}
	return a.Commands.Run(ctx, cmd)
}
