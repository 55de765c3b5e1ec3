package matrix_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/status"
	"ringboot/rehearsal/need"
)

// mishap is one thing that goes wrong, what the nodes say of it while it lasts,
// and that all ends well once it is mended.
type mishap struct {
	name  string
	begin func(s *sim)
	after time.Duration // into the fault the nodes are asked
	says  map[string]string
	heal  func(s *sim)
	// untouched: nothing cluster-wide may have happened while the fault lasted
	untouched bool
}

func (s *sim) startAll() {
	for _, n := range s.p.Nodes {
		s.agents[n.Name].start()
	}
}

// write puts a file on a node, as a hand does it.
func (s *sim) write(node, path, text string) {
	if err := s.w.Node(node).Files().WriteFile(path, []byte(text), 0o400); err != nil {
		s.t.Error(err)
	}
	_ = s.w.Node(node).Files().Sync()
}

func mishaps() []mishap {
	return []mishap{
		{name: "one node late by an hour", begin: func(s *sim) {
			s.away["wittgenstein"] = true
			s.startAll()
		}, after: time.Hour, untouched: true,
			says: map[string]string{"frege": "have 2/3, missing wittgenstein: ", "russell": "have 2/3, missing wittgenstein: "},
			heal: func(s *sim) { s.away["wittgenstein"] = false; s.agents["wittgenstein"].start() }},
		{name: "another version", begin: func(s *sim) {
			s.facts["russell"] = func(f *status.Facts) { f.Versions["corosync"] = "3.1.9-pve1" }
			s.startAll()
		}, after: 5 * time.Minute, untouched: true,
			says: map[string]string{"frege": "versions differ: corosync want 3.1.10-pve3 (frege), have 3.1.9-pve1 (russell)", "russell": "versions differ"},
			heal: func(s *sim) { delete(s.facts, "russell") }},
		{name: "another plan", begin: func(s *sim) {
			s.facts["wittgenstein"] = func(f *status.Facts) { f.PlanCluster = "fedcba9876543210" }
			s.startAll()
		}, after: 5 * time.Minute, untouched: true,
			says: map[string]string{"frege": "the plans differ: want 01234567 (frege), detected fedcba98 (wittgenstein)"},
			heal: func(s *sim) { delete(s.facts, "wittgenstein") }},
		{name: "a guest on a joiner", begin: func(s *sim) { s.w.Node("russell").AddGuest("100"); s.startAll() }, after: 5 * time.Minute, untouched: true,
			says: map[string]string{"russell": "russell holds 1 guests", "frege": "russell holds 1 guests"},
			heal: func(s *sim) { _ = s.w.Node("russell").Files().Remove("/etc/pve/nodes/russell/qemu-server/100.conf") }},
		{name: "a guest behind the gate", begin: func(s *sim) { s.gate = false; s.w.Node("russell").AddGuest("100"); s.startAll() }, after: 5 * time.Minute, untouched: true,
			says: map[string]string{"frege": "/etc/pve of russell holds guest qemu-server/100, which a new cluster must not lose: move it away or remove it, or reinstall russell"},
			heal: func(s *sim) { _ = s.w.Node("russell").Files().Remove("/etc/pve/nodes/russell/qemu-server/100.conf") }},
		{name: "a storage of its own on a joiner", begin: func(s *sim) {
			s.write("wittgenstein", "/etc/pve/storage.cfg", "dir: local\n\tpath /var/lib/vz\n\nnfs: nas\n\tserver 10.0.0.1\n")
			s.startAll()
		}, after: 5 * time.Minute, untouched: true,
			says: map[string]string{"wittgenstein": "/etc/pve of wittgenstein holds storage nas, which a new cluster must not lose: move it away or remove it, or reinstall wittgenstein",
				"frege": "/etc/pve of wittgenstein holds storage nas"},
			heal: func(s *sim) { s.write("wittgenstein", "/etc/pve/storage.cfg", "dir: local\n\tpath /var/lib/vz\n") }},
		{name: "a user of its own on the founder", begin: func(s *sim) {
			s.write("frege", "/etc/pve/user.cfg", "user:root@pam:1:0:::::\nuser:bob@pve:1:0:::::\n")
			s.startAll()
		}, after: 5 * time.Minute, untouched: true,
			says: map[string]string{"frege": "/etc/pve of frege holds user bob@pve in user.cfg", "russell": "waits for frege to found the cluster principia: /etc/pve of frege holds user bob@pve"},
			heal: func(s *sim) { s.write("frege", "/etc/pve/user.cfg", "user:root@pam:1:0:::::\n") }},
		{name: "a key of another cluster on a joiner", begin: func(s *sim) {
			s.write("russell", "/etc/corosync/authkey", strings.Repeat("k", 256))
			s.startAll()
		}, after: 5 * time.Minute, untouched: true,
			says: map[string]string{"frege": "russell has a key of principia that frege has lost: run firstboot leave on russell"},
			heal: func(s *sim) { s.lose("russell", "/etc/corosync/authkey") }},
		{name: "the clock off by a minute", begin: func(s *sim) {
			s.facts["russell"] = func(f *status.Facts) { f.Time = f.Time.Add(time.Minute) }
			s.startAll()
		}, after: 5 * time.Minute, untouched: true,
			says: map[string]string{"frege": "the clock of russell is 60 s ahead of that of frege"},
			heal: func(s *sim) { delete(s.facts, "russell") }},
		{name: "a foreign cluster on a joiner", begin: func(s *sim) {
			s.gate, s.byHand = false, true
			_, _ = s.w.Exec(context.Background(), "wittgenstein", strings.Fields("pvecm create homelab --link0 10.203.3.13"), nil, nil, time.Minute)
			s.startAll()
		}, after: 5 * time.Minute,
			says: map[string]string{"wittgenstein": "wittgenstein is in the cluster homelab, not in principia: reinstall it, or take it out of homelab by hand",
				"frege": "wittgenstein is in the cluster homelab"},
			heal: func(s *sim) {
				s.agents["wittgenstein"].end()
				s.w.Reinstall("wittgenstein")
				s.agents["wittgenstein"].start()
			}},
		{name: "the ring cable out", begin: func(s *sim) {
			s.startAll()
			s.runUntil(3*time.Second, func() bool { return false })
			s.w.SetLink("frege", "russell", 1, false)
		}, after: 5 * time.Minute,
			says: map[string]string{"frege": "corosync link 1 from frege (10.203.4.11) to russell (10.203.4.12) does not carry: check the ring's cables",
				"wittgenstein": "corosync link 1 from frege (10.203.4.11) to russell (10.203.4.12) does not carry"},
			heal: func(s *sim) { s.w.SetLink("frege", "russell", 1, true) }},
		{name: "the LAN link out", begin: func(s *sim) {
			s.startAll()
			s.runUntil(3*time.Second, func() bool { return false })
			s.w.SetLink("frege", "wittgenstein", 0, false)
		}, after: 5 * time.Minute,
			says: map[string]string{"russell": "corosync link 0 from frege (10.203.3.11) to wittgenstein (10.203.3.13) does not carry: check the management network between them"},
			heal: func(s *sim) { s.w.SetLink("frege", "wittgenstein", 0, true) }},
		{name: "the founder lost in the middle", begin: func(s *sim) {
			s.startAll()
			s.runUntil(4*time.Second, func() bool { return false })
			s.away["frege"] = true
			s.powerCut("frege", lost, time.Second)
		}, after: 20 * time.Minute,
			says: map[string]string{"russell": "frege does not answer at 10.203.3.11", "wittgenstein": "frege"},
			heal: func(s *sim) { s.away["frege"] = false; s.boot("frege") }},
		{name: "the channel cut in the hand-over", begin: func(s *sim) {
			s.onCall = func(from, to, method string) {
				if from == "russell" && method == "cluster.key" && to == "frege" {
					s.w.SetChannel("frege", "russell", false)
				}
			}
			s.startAll()
		}, after: 5 * time.Minute,
			says: map[string]string{"russell": "have 2/3, missing frege", "frege": "russell does not answer at 10.203.3.12 (connect russell: no route to host): switch it on and check its cables", "wittgenstein": "principia has 2 of 3 nodes: russell is in no cluster yet"},
			heal: func(s *sim) { s.onCall = nil; s.w.SetChannel("frege", "russell", true) }},
		{name: "the disk full on a joiner", begin: func(s *sim) { s.w.Node("russell").FillDisk(true); s.startAll() }, after: 5 * time.Minute,
			says: map[string]string{"russell": "no space left on device"},
			heal: func(s *sim) { s.w.Node("russell").FillDisk(false) }},
		{name: "UDP blocked", begin: func(s *sim) { s.w.BlockUDP("russell", true); s.startAll() }, after: 5 * time.Minute,
			says: map[string]string{"russell": "corosync of russell and frege do not meet although their agents do: allow UDP 5405 between 10.203.3.12 and 10.203.3.11 and UDP 5406",
				"frege": "corosync of frege and russell do not meet although their agents do"},
			heal: func(s *sim) { s.w.BlockUDP("russell", false) }},
	}
}

// Each fault is told by the nodes in the words that status shows, and once it
// is mended the cluster becomes whole by itself.
func TestFaults(t *testing.T) {
	misreported := 0
	for _, f := range mishaps() {
		t.Run(f.name, func(t *testing.T) {
			s := newSim(t, 5)
			s.gate = true
			defer s.close()
			f.begin(s)
			s.runUntil(f.after, func() bool { return false })
			for node, want := range f.says {
				if got := s.agents[node].status(); !strings.Contains(got, want) {
					misreported++
					t.Errorf("%s says %q, want %q\n%s", node, got, want, s.tail(25))
				}
			}
			for _, n := range s.p.Nodes {
				if _, err := s.w.Node(n.Name).Files().Lstat("/etc/pve/corosync.conf"); f.untouched && err == nil {
					t.Errorf("a cluster was founded on %s", n.Name)
				}
			}
			f.heal(s)
			if !s.runUntil(20*time.Minute, s.allFormed) {
				t.Fatalf("not formed after the fault was mended:\n%s", s.tail(50))
			}
			if err := s.whole(); err != nil {
				t.Error(err)
			}
			for _, v := range s.violations() {
				if v != "create on wittgenstein" { // the foreign cluster's
					t.Error(v)
				}
			}
		})
	}
	need.Figure("cluster.faults_tried", len(mishaps()), "count")
	need.Figure("cluster.faults_misreported", misreported, "count")
}
