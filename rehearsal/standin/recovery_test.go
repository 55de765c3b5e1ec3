package standin

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var typed = regexp.MustCompile(`^(frege|russell|wittgenstein)# (.+)$`)

// recoverySections reads docs/recovery.md: heading to the commands under it.
func recoverySections(t *testing.T) map[string][][2]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/recovery.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][][2]string{}
	heading := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if h, ok := strings.CutPrefix(line, "## "); ok {
			heading = h
			out[heading] = nil
		}
		if m := typed.FindStringSubmatch(line); m != nil {
			out[heading] = append(out[heading], [2]string{m[1], m[2]})
		}
	}
	return out
}

// Every command of the document is typed into a world in which that failure
// has happened, and does what the text says.
func TestRecoveryDocument(t *testing.T) {
	all := recoverySections(t)
	type seen struct{ output, errors string }
	walk := func(t *testing.T, w *World, heading string, refused map[string]bool) map[string]seen {
		t.Helper()
		commands := all[heading]
		if len(commands) == 0 {
			t.Fatalf("the document has no commands under %q", heading)
		}
		got := map[string]seen{}
		for _, c := range commands {
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
		_ = m.WriteDirect(stoppedMark("osd", "2"), nil)
		disks := Disks(m)
		disks[1] = BlockDevice{Name: "nvme1n1", Serial: "NEW", Model: "Data 2000", Bytes: 2000e9, Type: "nvme", OSD: -1}
		SetDisks(m, disks...)
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
		w.PowerCut("wittgenstein", Lost)
		w.Sim().RunFor(time.Minute)
		got := walk(t, w, "A node is dead", nil)
		has(t, got["pvecm status"].output, "Quorate:          Yes")
		has(t, got["ha-manager status"].output, "lrm wittgenstein (old timestamp - dead?")
		has(t, got["ceph -s"].output, "1/3 mons down")
		if n := monitors(w.Node("frege").Machine()); len(n) != 2 {
			t.Errorf("monitors left: %v", n)
		}
		if s, _, _ := openStore(w.Node("frege").Machine()); len(s.OSDs) != 2 {
			t.Errorf("%d OSDs left", len(s.OSDs))
		}
	})
	t.Run("two nodes", func(t *testing.T) {
		w := stored(t, 4)
		w.PowerCut("russell", Lost)
		w.PowerCut("wittgenstein", Lost)
		w.Sim().RunFor(time.Minute)
		got := walk(t, w, "Two nodes are dead", map[string]bool{"pvecm status": true})
		has(t, got["pvecm status"].output, "Activity blocked")
		has(t, got["ha-manager status"].output, "No quorum on node 'frege'!")
		if isWritable(w.Node("frege").Machine()) {
			t.Error("/etc/pve can be written with one node of three")
		}
		w.Boot("russell", nil)
		w.Sim().RunFor(time.Minute)
		has(t, must(t, w, "frege", "pvecm status"), "Quorate:          Yes")
	})
	t.Run("founder", func(t *testing.T) {
		w := stored(t, 5)
		w.PowerCut("frege", Lost)
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
	for _, heading := range []string{"The stick is lost"} {
		if _, ok := all[heading]; !ok {
			t.Errorf("the document does not say what to do when: %s", heading)
		}
	}
}
