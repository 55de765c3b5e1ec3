package matrix_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/rehearsal/need"
)

// The time from three present nodes to three proven members, against the same
// commands typed by a script that checks nothing.
func TestAgainstTheBareRecipe(t *testing.T) {
	bare := typed(t)
	s := newSim(t, 1)
	defer s.close()
	s.gate = true
	s.startAll()
	if !s.runUntil(time.Minute, func() bool { return s.agents["frege"].verdict["peers"].State == step.Done && len(s.log) > 0 }) {
		t.Fatalf("not begun:\n%s", s.tail(50))
	}
	start := s.now() // all three are present, as they are for the recipe
	if !s.runUntil(10*time.Minute, func() bool {
		for _, a := range s.agents {
			if a.verdict["cluster"].State != step.Done {
				return false
			}
		}
		return true
	}) {
		t.Fatalf("not formed:\n%s", s.tail(50))
	}
	ours := s.now().Sub(start)
	ratio := ours.Seconds() / bare.Seconds()
	t.Logf("ours %v, bare recipe %v", ours, bare)
	need.Figure("cluster.formation_seconds", ours.Seconds(), "s")
	need.Figure("cluster.vs_bare_recipe", ratio, "ratio")
	// Virtual time: the same in every run, so a bound is no timed test.
	if ratio > 0.4 {
		t.Errorf("ratio %.3f, want at most 0.4", ratio)
	}
}

// hands type the recipe on some machines.
type hands struct {
	t     testing.TB
	run   func(node, line string)
	files func(node string) host.Files
	now   func() time.Time
	pause func() // a tenth of a second
}

// until polls for just what the next command needs.
func (h hands) until(ok func() bool) {
	for end := h.now().Add(time.Minute); !ok() && h.now().Before(end); {
		h.pause()
	}
}

// writable is what the recipe waits for before it goes on.
func (h hands) writable(node string) bool {
	own, err := h.files(node).Stat("/etc/pve/nodes/" + node)
	raw, _ := h.files(node).ReadFile("/etc/pve/.members")
	return err == nil && own.Mode()&0o200 != 0 && strings.Contains(string(raw), `"ip"`) && strings.Contains(string(raw), `"quorate": 1`)
}

// bareRecipe types the recipe: one node after the other, without a check.
func bareRecipe(h hands) time.Duration {
	h.t.Helper()
	start := h.now()
	h.run("frege", "pvecm create principia --nodeid 1 --link0 10.203.3.11,priority=20 --link1 10.203.4.11,priority=10")
	h.until(func() bool { return h.writable("frege") })
	h.run("frege", "sync")
	for i, n := range []string{"russell", "wittgenstein"} {
		id := string(rune('2' + i))
		h.until(func() bool { return h.writable("frege") })
		h.run("frege", "pvecm addnode "+n+" --nodeid "+id+" --link0 10.203.3.1"+id+" --link1 10.203.4.1"+id+" --apiversion 1 --force 1")
		h.until(func() bool { // a real addnode has written when it returns; a plain directory follows a moment later
			conf, _ := h.files("frege").ReadFile("/etc/pve/corosync.conf")
			return strings.Contains(string(conf), "name: "+n+"\n")
		})
		h.run("frege", "sync")
		key, _ := h.files("frege").ReadFile("/etc/corosync/authkey")
		conf, _ := h.files("frege").ReadFile("/etc/pve/corosync.conf")
		_ = h.files(n).WriteFile("/etc/corosync/authkey", key, 0o400)
		_ = h.files(n).WriteFile("/etc/corosync/corosync.conf", conf, 0o644)
		h.run(n, "sync")
		h.run(n, "systemctl stop pve-cluster")
		h.run(n, "sqlite3 /var/lib/pve-cluster/config.db .dump")
		_ = h.files(n).Remove("/var/lib/pve-cluster/config.db")
		h.run(n, "sync")
		h.run(n, "systemctl reset-failed corosync")
		h.run(n, "systemctl start corosync pve-cluster")
		h.until(func() bool { return h.writable(n) })
		h.run(n, "pvecm updatecerts --force")
		h.run(n, "systemctl reload-or-restart pvedaemon pveproxy")
		h.run(n, "sync")
	}
	return h.now().Sub(start)
}

// typed is the recipe in a world of its own.
func typed(t *testing.T) time.Duration {
	s := newSim(t, 1)
	return bareRecipe(hands{t: t, now: s.now, pause: func() { s.w.Sim().RunFor(100 * time.Millisecond) },
		files: func(node string) host.Files { return s.w.Node(node).Files() },
		run: func(node, line string) {
			res, err := s.w.Exec(context.Background(), node, strings.Fields(line), nil, nil, 5*time.Minute)
			if err != nil || res.Code != 0 {
				t.Fatalf("%s on %s: %v %d %s", line, node, err, res.Code, res.Stderr)
			}
		}})
}
