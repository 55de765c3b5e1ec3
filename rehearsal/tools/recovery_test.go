package tools

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/need"
	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/tools/shell"
)

var typed = regexp.MustCompile(`^(frege|russell|wittgenstein)# (.+)$`)

// section is what is typed under one heading.
type section struct {
	commands [][2]string // node and line
	blocks   int         // in how many blocks
}

// recoverySections reads docs/recovery.md: heading to the commands under it.
func recoverySections(t *testing.T) map[string]section {
	t.Helper()
	text, err := os.ReadFile("../../docs/recovery.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]section{}
	heading := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if h, ok := strings.CutPrefix(line, "## "); ok {
			heading = h
			out[heading] = section{}
		}
		now := out[heading]
		if line == "```console" {
			now.blocks++
		}
		if m := typed.FindStringSubmatch(line); m != nil {
			now.commands = append(now.commands, [2]string{m[1], m[2]})
		}
		out[heading] = now
	}
	return out
}

// Every command of the document is typed into a world in which that failure
// has happened, and does what the text says.
func TestRecoveryDocument(t *testing.T) {
	all := recoverySections(t)
	type seen struct{ output, errors string }
	blocks := 0
	walk := func(t *testing.T, w *sim.World, heading string, refused map[string]bool) map[string]seen {
		t.Helper()
		commands := all[heading].commands
		if len(commands) == 0 {
			t.Fatalf("the document has no commands under %q", heading)
		}
		blocks += all[heading].blocks
		got := map[string]seen{}
		for _, c := range commands {
			if c[1] == "firstboot resume" || strings.HasPrefix(c[1], "firstboot admit ") {
				continue // the agent's own, tried with the agents in rehearsal/matrix
			}
			if at, ok := strings.CutPrefix(c[1], "mkdir -p "); ok {
				if err := w.Node(c[0]).Files().MkdirAll(at, 0o755); err != nil {
					t.Error(err)
				}
				continue
			}
			r := do(t, w, c[0], c[1])
			if (r.Code != 0) != refused[c[1]] {
				t.Errorf("%s# %s: code %d, %s%s", c[0], c[1], r.Code, r.Stdout, r.Stderr)
			}
			got[c[1]] = seen{string(r.Stdout), string(r.Stderr)}
			w.Sim().RunFor(5 * time.Second)
		}
		return got
	}
	has := func(t *testing.T, text, want string) {
		t.Helper()
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	t.Run("cable", func(t *testing.T) {
		w := stored(t, 1)
		w.SetLink("frege", "russell", 1, false)
		w.Sim().RunFor(10 * time.Second)
		got := walk(t, w, "A cable is dead", nil)
		has(t, got["corosync-cfgtool -n"].output, "enabled mtu:")
		has(t, got["ceph -s"].output, "HEALTH_OK")
	})
	t.Run("disk", func(t *testing.T) {
		w := stored(t, 2)
		m := w.Node("wittgenstein").Machine()
		_ = m.Unit("stop", "ceph-osd@2")
		disks := ceph.Disks(m)
		disks[1] = ceph.BlockDevice{Name: "nvme1n1", Serial: "NEW", Model: "Data 2000", Bytes: 2000e9, Type: "nvme", OSD: -1}
		ceph.SetDisks(m, disks...)
		has(t, must(t, w, "frege", "ceph -s"), "1 osds down")
		got := walk(t, w, "A disk is dead", nil)
		has(t, got["ceph osd tree"].output, "down")
		w.Sim().RunFor(time.Minute)
		has(t, must(t, w, "frege", "ceph -s"), "HEALTH_OK")
	})
	t.Run("node", func(t *testing.T) {
		w := stored(t, 3)
		must(t, w, "frege", "qm create 100 --name web --memory 128")
		must(t, w, "frege", "ha-manager add vm:100 --state started")
		w.Sim().RunFor(time.Minute)
		w.PowerCut("wittgenstein", sim.Lost)
		w.Sim().RunFor(time.Minute)
		if r := do(t, w, "frege", "pveceph mon destroy wittgenstein"); r.Code != 2 || string(r.Stderr) != "monitor filesystem '/var/lib/ceph/mon/ceph-wittgenstein' does not exist on this node\n" {
			t.Errorf("the tool takes a monitor whose directory is not there: %d %s", r.Code, r.Stderr)
		}
		got := walk(t, w, "A node is dead", nil)
		has(t, got["pvecm status"].output, "Quorate:          Yes")
		has(t, got["ha-manager status"].output, "lrm wittgenstein (old timestamp - dead?")
		has(t, got["ceph -s"].output, "1/3 mons down")
		if n := ceph.Monitors(w.Node("frege").Machine()); len(n) != 2 {
			t.Errorf("monitors left: %v", n)
		}
		if r := do(t, w, "frege", "ceph osd safe-to-destroy 2"); r.Code == 0 {
			t.Error("the only other copies are on two machines, and Ceph calls the third one's safe to destroy")
		}
	})
	t.Run("two nodes", func(t *testing.T) {
		w := stored(t, 4)
		w.PowerCut("russell", sim.Lost)
		w.PowerCut("wittgenstein", sim.Lost)
		w.Sim().RunFor(time.Minute)
		got := walk(t, w, "Two nodes are dead", map[string]bool{"pvecm status": true})
		has(t, got["pvecm status"].output, "Activity blocked")
		has(t, got["ha-manager status"].output, "No quorum on node 'frege'!")
		if shell.Writable(w.Node("frege").Machine()) {
			t.Error("/etc/pve can be written with one node of three")
		}
		w.Boot("russell", nil)
		w.Sim().RunFor(time.Minute)
		has(t, must(t, w, "frege", "pvecm status"), "Quorate:          Yes")
	})
	t.Run("founder", func(t *testing.T) {
		w := stored(t, 5)
		w.PowerCut("frege", sim.Lost)
		w.Sim().RunFor(time.Minute)
		got := walk(t, w, "The founder is dead", nil)
		has(t, got["pvecm status"].output, "Quorate:          Yes")
	})
	t.Run("after", func(t *testing.T) {
		got := walk(t, stored(t, 6), "After any of these", nil)
		has(t, got["ceph health detail"].output, "HEALTH_OK")
		has(t, got["ha-manager status"].output, "quorum OK")
		has(t, got["pvesm status"].output, "active")
	})
	failed := 0
	if t.Failed() {
		failed++
	}
	need.Figure("recovery.blocks_run", blocks, "blocks")
	need.Figure("recovery.blocks_failed", failed, "blocks")
	for _, heading := range []string{"The stick is lost"} {
		if _, ok := all[heading]; !ok {
			t.Errorf("the document does not say what to do when: %s", heading)
		}
	}
}
