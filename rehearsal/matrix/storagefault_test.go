package matrix_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/report"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
	world "ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/trial"
)

// storageFault is one thing that goes wrong, and the sentence that must say so.
type storageFault struct {
	name  string
	spoil func(b *bench)
	late  bool // only once the cluster stands
	// where the sentence must appear: a step of a node, or the report of frege.
	node, step string
	state      step.State
	says       string
	// of the report
	outcome report.Outcome
	// after the sentence was seen, mend lets the run go on to a report.
	mend func(b *bench)
}

func (b *bench) mark(node, path, text string) {
	if err := b.w.Node(node).Files().WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) unmark(node, path string) {
	if err := b.w.Node(node).Files().Remove(path); err != nil {
		b.t.Fatal(err)
	}
	b.w.Node(node).Files().Sync()
}

func (b *bench) setDisks(node string, edit func([]ceph.BlockDevice) []ceph.BlockDevice) {
	ceph.SetDisks(b.w.Node(node).Machine(), edit(trial.Disks(node))...)
}

func storageFaults() []storageFault {
	return []storageFault{
		{name: "a disk of the plan is missing", node: "russell", step: "ceph", state: step.Waiting,
			spoil: func(b *bench) {
				b.setDisks("russell", func(d []ceph.BlockDevice) []ceph.BlockDevice { return d[:1] })
			},
			says: "russell lacks the disk OSD-russell of the plan: put it in, or name another one in the profile",
			mend: func(b *bench) {
				b.setDisks("russell", func(d []ceph.BlockDevice) []ceph.BlockDevice { return d })
			}, outcome: report.Passed},
		{name: "too few disks", node: "frege", step: "ceph", state: step.Waiting,
			spoil: func(b *bench) {
				b.p.Ceph.MinOSDs = 2
				for i := range b.p.Nodes {
					b.p.Nodes[i].OSDDisks = nil
				}
			},
			says: "frege has 1 disk for Ceph, the profile wants 2: add blank disks of at least 100 GB, or name used ones and consent to erase them"},
		{name: "a disk of the plan is used", node: "wittgenstein", step: "ceph", state: step.Stopped,
			spoil: func(b *bench) {
				b.setDisks("wittgenstein", func(d []ceph.BlockDevice) []ceph.BlockDevice {
					d[1].Used, d[1].Label = "ext4", "backup"
					return d
				})
			},
			says: `the disk nvme1n1 (OSD-wittgenstein) of wittgenstein is in use, with ext4 "backup" on nvme1n1: take the disk out, or put "OSD-wittgenstein" on the wipe list of wittgenstein to erase it`},
		{name: "a disk with an OSD of another cluster", node: "frege", step: "ceph", state: step.Stopped,
			spoil: func(b *bench) {
				b.setDisks("frege", func(d []ceph.BlockDevice) []ceph.BlockDevice {
					d[1].Used, d[1].OSD, d[1].FSID = "LVM", 4, "11111111-2222-3333-4444-555555555555"
					return d
				})
			},
			says: `the disk nvme1n1 (OSD-frege) of frege holds OSD 4 of another Ceph cluster (fsid 11111111-2222-3333-4444-555555555555): take the disk out, or put "OSD-frege" on the wipe list of frege to erase it`},
		{name: "the root disk named for Ceph", node: "russell", step: "ceph", state: step.Stopped,
			spoil: func(b *bench) { b.p.Nodes[1].OSDDisks = []profiles.DiskName{{Serial: "ROOT-russell"}} },
			says:  "the disk nvme0n1 (ROOT-russell) of russell is the disk that the system runs from and never becomes an OSD: correct osd_disks"},
		{name: "a foreign fsid", late: true, node: "frege", step: "ceph", state: step.Stopped,
			spoil: func(b *bench) {
				b.mark("frege", "/etc/pve/ceph.conf", "[global]\n\tfsid = 11111111-2222-3333-4444-555555555555\n\tpublic_network = 10.203.4.0/24\n")
			},
			says: "/etc/pve/ceph.conf holds a Ceph cluster (fsid 11111111-2222-3333-4444-555555555555) that this agent did not make: remove it if it is not needed, or set ceph.enabled: false"},
		{name: "a monitor that does not join", node: "russell", step: "ceph", state: step.Waiting,
			spoil: func(b *bench) { b.mark("russell", "/var/lib/pvestandin/deaf-monitor", "") },
			says:  "the monitor of russell runs and is not in quorum with the others: TCP ports 3300 and 6789 must be open on 10.203.4.0/24 between all nodes",
			mend:  func(b *bench) { b.unmark("russell", "/var/lib/pvestandin/deaf-monitor") }, outcome: report.Passed},
		{name: "clock skew", node: "frege", step: "ceph", state: step.Todo,
			spoil: func(b *bench) { b.mark("wittgenstein", "/var/lib/pvestandin/clock-skew", "") },
			says:  `Ceph says "clock skew detected on mon.wittgenstein": the clocks differ by more than 0.05 s: chrony sets them, Ceph looks again every five minutes`,
			mend:  func(b *bench) { b.unmark("wittgenstein", "/var/lib/pvestandin/clock-skew") }, outcome: report.Passed},
		{name: "placement group limit", node: "frege", step: "ceph", state: step.Todo,
			spoil: func(b *bench) { b.p.Ceph.PGNum = 256 },
			says:  "ceph.pg_num: 256 asks for more placement groups than these OSDs may carry: make ceph.pg_num smaller or add OSDs (pveceph pool create: error with 'osd pool create': mon_command failed -  pg_num 256 size 3 for this pool would result in 257 cumulative PGs per OSD (771 total PG replicas on 3 'in' root OSDs by crush rule) which exceeds the mon_max_pg_per_osd value of 250)"},
		{name: "a full system disk", late: true, node: "russell", step: "ceph", state: step.Waiting,
			spoil: func(b *bench) { b.w.Node("russell").FillDisk(true) },
			says:  "write the journal: no space left for /var/lib/ringboot/journal.json, free some with apt-get clean or journalctl --vacuum-size=100M: no space left on device",
			mend:  func(b *bench) { b.w.Node("russell").FillDisk(false) }, outcome: report.Passed},
		{name: "no Internet", node: "wittgenstein", step: "ceph", state: step.Todo,
			spoil: func(b *bench) { b.mark("wittgenstein", "/var/lib/pvestandin/offline", "") },
			says:  "this node reaches no package repository: connect it to the Internet, or set up a mirror and ceph.repository: manual (pveceph install --version: E: Unable to locate package ceph; E: Unable to locate package ceph-volume; apt failed during ceph installation (25600))",
			mend:  func(b *bench) { b.unmark("wittgenstein", "/var/lib/pvestandin/offline") }, outcome: report.Passed},
		{name: "no watchdog", node: "russell", step: "ha", state: step.Stopped,
			spoil: func(b *bench) { b.unmark("russell", "/sys/class/watchdog/watchdog0/identity") },
			says:  "russell has no watchdog, so a node that hangs could not be fenced: load one with modprobe softdog, or name the hardware's in /etc/default/pve-ha-manager"},
		{name: "a foreign guest", late: true, node: "frege", step: "accept", state: step.Stopped,
			spoil: func(b *bench) { b.mark("russell", "/etc/pve/nodes/russell/qemu-server/104.conf", "name: old\n") },
			says:  "guest 104 (old) is on russell, and drills run only on an empty cluster: run firstboot accept --skip to go on without them, or move it away"},
		{name: "a slow ring", spoil: func(b *bench) { b.gbit["russell wittgenstein"] = 13 }, outcome: report.Warnings,
			says: "ring, russell to wittgenstein: 13.0 Gbit/s of the 18 that a sound link reaches: one lane only, or interrupts on an efficiency core; check rx_lanes, reseat the cable"},
		{name: "a very slow ring", spoil: func(b *bench) { b.gbit["wittgenstein russell"] = 4 }, outcome: report.Failed,
			says: "ring, wittgenstein to russell: 4.0 Gbit/s, below 9; reseat or replace the cable"},
		{name: "one link dead during the acceptance", spoil: func(b *bench) { b.dead["frege russell"] = true }, outcome: report.Failed,
			says: "ring, no live cable between frege and russell: plug one in, or reseat it"},
		{name: "a corosync link dead", spoil: func(b *bench) {
			b.whenAccepting(func() { b.w.SetLink("frege", "wittgenstein", 1, false) })
		}, outcome: report.Failed,
			says: "corosync link 1 from frege to wittgenstein is not connected"},
		{name: "a silent interface", spoil: func(b *bench) { b.silent["russell"] = true }, outcome: report.Failed,
			says: "the management interface of russell does not answer"},
		{name: "a guest that does not migrate", spoil: func(b *bench) { b.mark("russell", "/var/lib/pvestandin/no-migration", "") }, outcome: report.Failed,
			says: "migration: the guest did not move from russell to wittgenstein: russell answered to accept.migrate: qm migrate 100: migration problems"},
		{name: "a late recovery", spoil: func(b *bench) {
			for _, n := range b.w.Names() {
				b.mark(n, "/var/lib/pvestandin/slow-recovery", "220")
			}
		}, outcome: report.Failed,
			says: "power-cut: wittgenstein was reset and the guest ran again after"},
		{name: "a victim that is back at once", spoil: func(b *bench) { b.boots = 20 * time.Second }, outcome: report.Passed,
			says: ""},
	}
}

// whenAccepting does something when the acceptance begins.
func (b *bench) whenAccepting(do func()) {
	var look func()
	look = func() {
		if v, ok := b.agents["frege"].verdict["accept"]; ok && v.State == step.Todo {
			do()
			return
		}
		b.w.Sim().After(time.Second, look)
	}
	b.w.Sim().After(time.Second, look)
}

func (b *bench) verdictOf(node, name string) step.Verdict { return b.agents[node].verdict[name] }

// try runs one fault and says what was wrong about its report, "" if nothing.
func (f storageFault) try(t *testing.T, seed int64) string {
	p := storageProfile()
	b := newBench(t, seed, p)
	defer b.close()
	if f.late { // a join replaces /etc/pve, and a full disk keeps the cluster away
		b.proven(nil)
	}
	f.spoil(b)
	if !f.late {
		b.startAll()
	}
	if f.step != "" {
		seen := b.runUntil(90*time.Minute, func() bool {
			v := b.verdictOf(f.node, f.step)
			return v.State == f.state && v.Reason == f.says
		})
		if !seen {
			return fmt.Sprintf("%s %s is %v: %q, want %v: %q", f.node, f.step, b.verdictOf(f.node, f.step).State, b.verdictOf(f.node, f.step).Reason, f.state, f.says)
		}
		if f.mend == nil {
			// And it stays so: nothing is done behind the person's back.
			b.runUntil(20*time.Minute, func() bool { return false })
			if got := b.harm(); len(got) > 0 {
				return fmt.Sprint("harm: ", got)
			}
			if _, err := b.w.Node("frege").Files().ReadFile(acceptance.ReportJSON); err == nil {
				return "there is a report all the same"
			}
			return ""
		}
		f.mend(b)
	}
	if !b.runUntil(3*time.Hour, func() bool { return b.verdictOf("frege", "report").State == step.Done }) {
		return "no report: " + b.tail(12)
	}
	b.runUntil(2*time.Minute, b.allFormed) // the others follow, where nothing holds them
	r := b.reportOf("frege")
	said := r.Verdict.Sentence + " " + strings.Join(r.Verdict.Reasons, " | ")
	if r.Verdict.Outcome != f.outcome || f.step == "" && !strings.Contains(said, f.says) {
		return fmt.Sprintf("verdict %s: %s; want %s: %s", r.Verdict.Outcome, said, f.outcome, f.says)
	}
	if got := append(b.harm(), b.leftovers()...); len(got) > 0 {
		return fmt.Sprint("harm or leftovers: ", got)
	}
	return ""
}

func TestFaultsOfStorageAndDrillsAreNamed(t *testing.T) {
	need.Slow(t)
	var mu sync.Mutex
	tried, wrong := 0, 0
	t.Run("all", func(t *testing.T) {
		for i, f := range storageFaults() {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				why := f.try(t, int64(i+1))
				mu.Lock()
				defer mu.Unlock()
				tried++
				if why != "" {
					wrong++
					t.Error(why)
				}
			})
		}
	})
	need.Figure("proof.faults_tried", tried, "count")
	need.Figure("proof.faults_misreported", wrong, "count")
}

// A used disk is erased where the profile consents to it by serial, and an OSD
// of this very cluster is adopted and never made anew.
func TestConsentErasesAndOwnOSDsAreAdopted(t *testing.T) {
	b := newBench(t, 1, storageProfile())
	defer b.close()
	b.p.Acceptance.PowerCut = profiles.ConsentNo
	b.p.Nodes[0].Wipe = []string{"OSD-frege"}
	b.setDisks("frege", func(d []ceph.BlockDevice) []ceph.BlockDevice {
		d[1].Used, d[1].Label = "ext4", "old"
		return d
	})
	b.startAll()
	if !b.settled(2 * time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(40))
	}
	if got := b.w.Notes("erased"); len(got) != 1 || got[0] != "frege OSD-frege" {
		t.Errorf("erased: %v", got)
	}
	for _, d := range ceph.Disks(b.w.Node("frege").Machine()) {
		if d.Serial == "OTHER-frege" && (d.Used != "ext4" || d.Label != "photos") {
			t.Errorf("the disk with the photos was touched: %+v", d)
		}
	}
	made := len(b.w.Notes("wiped"))
	// Everything starts anew: the OSDs are found, not made.
	for _, n := range b.w.Names() {
		b.w.PowerCut(n, world.Kept)
		b.agents[n].end()
		b.w.Sim().After(bootTime, func() { b.boot(n) })
	}
	b.runUntil(time.Minute, func() bool { return false })
	if !b.settled(time.Hour) {
		t.Fatalf("not formed again:\n%s", b.tail(40))
	}
	if again := len(b.w.Notes("wiped")); again != made {
		t.Errorf("%d disks were written to after the restart", again-made)
	}
	if r := b.reportOf("russell"); len(r.Ceph.OSDs) != 3 {
		t.Errorf("%d OSDs", len(r.Ceph.OSDs))
	}
}

// Without consent no drill is run, and the report says so.
func TestWithoutConsentNothingIsDrilled(t *testing.T) {
	b := newBench(t, 1, storageProfile())
	defer b.close()
	b.p.Acceptance = profiles.Acceptance{Seconds: 5}
	b.startAll()
	if !b.settled(time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(40))
	}
	r := b.reportOf("frege")
	if want := "The cluster principia of 3 nodes passed everything that was tried. Not tried: bandwidth, migration, maintenance, power-cut."; r.Verdict.Sentence != want {
		t.Errorf("%q", r.Verdict.Sentence)
	}
	if got := b.w.Notes("reset"); len(got) > 0 {
		t.Errorf("reset without consent: %v", got)
	}
	if len(r.Untested) < 4 || r.Untested[0].What != "bandwidth" || r.Untested[0].Why != "the profile does not consent: set acceptance.bandwidth" {
		t.Errorf("untested: %+v", r.Untested)
	}
}

// A profile without Ceph and HA still ends with a report.
func TestWithoutStorage(t *testing.T) {
	b := newBench(t, 1, storageProfile())
	defer b.close()
	b.p.Ceph.Enabled, b.p.HA.Enabled = false, false
	b.startAll()
	if !b.settled(time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(40))
	}
	if r := b.reportOf("frege"); r.Verdict.Outcome != report.Passed || r.Ceph.Enabled || len(r.Ring.Links) != 3 {
		t.Errorf("%+v", r.Verdict)
	}
}
