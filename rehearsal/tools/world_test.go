package tools

import (
	"context"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

func three(seed int64) *sim.World {
	return NewWorld(seed,
		sim.NodeSpec{Name: "frege", Addresses: []string{"10.203.3.11", "10.203.4.11"}},
		sim.NodeSpec{Name: "russell", Addresses: []string{"10.203.3.12", "10.203.4.12"}},
		sim.NodeSpec{Name: "wittgenstein", Addresses: []string{"10.203.3.13", "10.203.4.13"}})
}

func do(t *testing.T, w *sim.World, node, line string) sim.Result {
	t.Helper()
	res, err := w.Exec(context.Background(), node, strings.Fields(line), nil, nil, 5*time.Minute)
	if err != nil {
		t.Fatalf("%s on %s: %v", line, node, err)
	}
	return res
}

// The bare recipe of the official tools, one join after the other.
func TestOfficialJoin(t *testing.T) {
	w := three(1)
	start := w.Sim().Now()
	do(t, w, "frege", "pvecm create principia --link0 10.203.3.11,priority=20 --link1 10.203.4.11,priority=10")
	for w.Sim().Now().Sub(start) < time.Minute && !shell.Writable(w.Node("frege").Machine()) {
		w.Sim().RunFor(100 * time.Millisecond)
	}
	t.Logf("founded after %v", w.Sim().Now().Sub(start))
	for _, n := range []string{"russell", "wittgenstein"} {
		node := w.Node(n)
		fp := fingerprint(w.Node("frege").Machine(), "frege")
		res, err := w.Exec(context.Background(), n, []string{"pvecm", "add", "10.203.3.11", "--fingerprint", fp, "--link0", node.Machine().Addresses()[0], "--link1", node.Machine().Addresses()[1]}, []byte("secret\n"), nil, time.Minute)
		if err != nil || !strings.Contains(string(res.Stdout), "successfully added node '"+n+"' to cluster.") {
			t.Fatalf("%v\n%s%s", err, res.Stdout, res.Stderr)
		}
		t.Logf("%s in after %v", n, w.Sim().Now().Sub(start))
	}
	for _, n := range w.Names() {
		out := string(do(t, w, n, "pvecm status").Stdout)
		if !strings.Contains(out, "Nodes:            3") || !strings.Contains(out, "Config Version:   3") {
			t.Errorf("%s: %s", n, out)
		}
		m := members(w.Node(n).Machine())
		if len(m.Nodelist) != 3 || m.Nodelist["wittgenstein"].Online != 1 || m.Nodelist["russell"].IP == "" {
			t.Errorf("%s: .members %+v", n, m)
		}
	}
	for _, kind := range []string{"overlap", "overtaken", "expected", "stale-start"} {
		if got := w.Notes(kind); len(got) > 0 {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

// Two joins at once: the second one waits for ever and the first one is
// stuck until its corosync is restarted.
func TestOverlappingJoins(t *testing.T) {
	w := three(1)
	do(t, w, "frege", "pvecm create principia --link0 10.203.3.11 --link1 10.203.4.11")
	w.Sim().RunFor(10 * time.Second)
	fp := fingerprint(w.Node("frege").Machine(), "frege")
	join := func(n string) {
		node := w.Node(n)
		_, _ = w.Exec(context.Background(), n, []string{"pvecm", "add", "10.203.3.11", "--fingerprint", fp, "--link0", node.Machine().Addresses()[0], "--link1", node.Machine().Addresses()[1]}, []byte("secret\n"), nil, 2*time.Minute)
	}
	w.Sim().Go("russell", func() { join("russell") })
	w.Sim().After(3*time.Second, func() { // just after quorum is back, before the file system has synced
		w.Sim().Go("wittgenstein", func() {
			for !shell.Writable(w.Node("frege").Machine()) {
				_ = w.Sim().Sleep(context.Background(), 50*time.Millisecond)
			}
			join("wittgenstein")
		})
	})
	w.Sim().RunFor(3 * time.Minute)
	if len(w.Notes("overtaken")) == 0 {
		t.Fatal("the second join came too late to do harm")
	}
	if m := members(w.Node("frege").Machine()); m.Nodelist["wittgenstein"].Online == 1 {
		t.Fatalf("both joined: %+v", m)
	}
	do(t, w, "russell", "systemctl restart corosync")
	w.Sim().RunFor(time.Minute)
	if m := members(w.Node("frege").Machine()); m.Nodelist["wittgenstein"].Online != 1 || m.Nodelist["russell"].Online != 1 {
		t.Fatalf("the restart cured nothing: %+v", m)
	}
}

// What was not synced is gone after a power cut, also what was reported as done.
func TestPowerCutUndoesACreate(t *testing.T) {
	w := three(1)
	do(t, w, "frege", "pvecm create principia --link0 10.203.3.11 --link1 10.203.4.11")
	w.PowerCut("frege", sim.Lost)
	w.Boot("frege", nil)
	w.Sim().RunFor(time.Minute)
	res := do(t, w, "frege", "pvecm status")
	if res.Code != 2 || !strings.Contains(string(res.Stderr), "does not exist") {
		t.Fatalf("%d %s%s", res.Code, res.Stdout, res.Stderr)
	}
	do(t, w, "frege", "pvecm create principia --link0 10.203.3.11 --link1 10.203.4.11")
	do(t, w, "frege", "sync")
	w.PowerCut("frege", sim.Lost)
	w.Boot("frege", nil)
	w.Sim().RunFor(time.Minute)
	if res := do(t, w, "frege", "pvecm status"); res.Code != 0 {
		t.Fatalf("%d %s%s", res.Code, res.Stdout, res.Stderr)
	}
}
