package reporting

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/profiles"
	"ringboot/rehearsal/trial"
)

// What each disk is for, as the report shows it.
func TestWhatEachDiskIsFor(t *testing.T) {
	p := trial.Profile()
	p.Nodes[0].OSDDisks = nil
	p.Nodes[0].DBDisk = profiles.DiskName{Serial: "DB"}
	s := &Report{}
	s.o.Profile = p
	const protected = "SAMSUNG MZ1L21T9"
	for want, d := range map[string]pve.ListedDisk{
		"nvme0n1 root ": {Device: "/dev/nvme0n1", Serial: "ROOT-frege", OSD: -1},
		"sda root ":     {Device: "/dev/sda", Serial: "X", Used: "mounted", OSD: -1},
		"sdb osd.0 ":    {Device: "/dev/sdb", Serial: "X", Model: protected, OSD: 0},
		"sdc osd.4 no known power-loss protection": {Device: "/dev/sdc", Serial: "X", Model: "WDC", OSD: 4},
		"nvme0n1 root and osd.4 ":                  {Device: "/dev/nvme0n1", Serial: "ROOT-frege", Model: protected, OSD: 4},
		"sdd parts of OSDs ":                       {Device: "/dev/sdd", Serial: "DB", Used: "LVM", OSD: -1},
		"sde kept as it is ":                       {Device: "/dev/sde", Serial: "DB", Used: "ext4", OSD: -1},
		"sdf kept as it is ":                       {Device: "/dev/sdf", Serial: "X", Used: "LVM", OSD: -1},
		"sdg blank ":                               {Device: "/dev/sdg", Serial: "X", OSD: -1},
	} {
		rows := s.disks("frege", []pve.ListedDisk{d})
		if got := strings.Join([]string{rows[0].Device, rows[0].Role, rows[0].Note}, " "); len(rows) != 1 || got != want || rows[0].Serial != d.Serial {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// What nobody has seen to work is said, with the reason.
func TestWhatIsUntested(t *testing.T) {
	cut := func(text string) *acceptance.Record {
		// The mark of the cut has no name outside its room: it is read as it lies on the disk.
		c := stored(t, trial.Profile(), "", nil)
		c.put("frege", acceptFile, `{"version": 1, "done": true, "cut": {"victim": "wittgenstein"}, "time_line": [{"text": "`+text+`"}]}`)
		r, err := c.reports["frege"].accept.Record()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, k := range map[string]struct {
		r     *acceptance.Record
		nodes int
		want  string
	}{
		"no drill":        {&acceptance.Record{}, 3, "2 nodes lost at once"},
		"four nodes":      {&acceptance.Record{}, 4, "2 nodes lost at once"},
		"five nodes":      {&acceptance.Record{}, 5, "3 nodes lost at once"},
		"no consent":      {&acceptance.Record{Drills: []report.Drill{{Name: "storage", Outcome: report.Passed}, {Name: "migration", Outcome: report.Untried}}}, 3, "migration"},
		"back at once":    {cut("the guest runs again"), 3, "recovery of a guest on another node"},
		"seen to recover": {cut(acceptance.TextRecovered + "frege"), 3, "2 nodes lost at once"},
	} {
		got := untested(k.r, &profiles.Profile{Nodes: make([]profiles.Node, k.nodes)})
		if got[0].What != k.want {
			t.Errorf("%s: %+v", name, got)
		}
		if last := got[len(got)-1]; last.What != "backups" {
			t.Errorf("%s ends with %+v", name, last)
		}
	}
	chain := &profiles.Profile{Nodes: make([]profiles.Node, 3), Ring: profiles.Ring{Chain: "russell"}}
	if got := untested(&acceptance.Record{}, chain)[0]; got.What != "a cable or a middle that fails" || !strings.Contains(got.Why, "a chain through russell") {
		t.Errorf("a chain: %+v", got)
	}
}

// What provisioning left is overwritten before it goes, but for what is no file or large.
func TestWhatIsWiped(t *testing.T) {
	c := stored(t, trial.Profile(), "", nil)
	disk := c.World.Node("frege").Files()
	c.put("frege", "/var/lib/ringboot/join/deep/key.pem", "secret")
	c.put("frege", "/var/lib/ringboot/join/large", strings.Repeat("x", 1<<20))
	c.put("frege", "/var/lib/ringboot/join/almost", strings.Repeat("x", 1<<20-1))
	if err := disk.Symlink("/etc/corosync/corosync.conf", "/var/lib/ringboot/join/link"); err != nil {
		t.Fatal(err)
	}
	s := c.reports["frege"]
	files := &wiped{Files: s.o.Host.Files, over: map[string]int{}}
	s.o.Host.Files = files
	for range 2 {
		if err := s.end(); err != nil {
			t.Fatal(err)
		}
	}
	if c.exists("frege", "/var/lib/ringboot/join") || len(files.over) != 2 || files.over["/var/lib/ringboot/join/deep/key.pem"] != 6 || files.over["/var/lib/ringboot/join/almost"] != 1<<20-1 {
		t.Errorf("overwritten: %v", files.over)
	}
	if _, err := disk.Lstat("/etc/corosync/corosync.conf"); err != nil {
		t.Error(err)
	}
	files.stuck = true
	c.put("frege", "/var/lib/ringboot/join/key.pem", "secret")
	if err := s.end(); err == nil || !strings.HasPrefix(err.Error(), "wipe /var/lib/ringboot/join: ") {
		t.Errorf("what stays is not told: %v", err)
	}
}

// A ring that was not measured is drawn from what this node sees of it.
func TestARingThatWasNotMeasured(t *testing.T) {
	c := stored(t, trial.Profile(), "", nil)
	for node, want := range map[string]string{
		"frege":   "frege frege-to-russell russell russell-to-frege; russell  wittgenstein ; wittgenstein wittgenstein-to-frege frege frege-to-wittgenstein",
		"russell": "frege frege-to-russell russell russell-to-frege; russell russell-to-wittgenstein wittgenstein wittgenstein-to-russell; wittgenstein  frege ",
	} {
		var got []string
		for _, l := range c.reports[node].unmeasured() {
			got = append(got, strings.Join([]string{l.A, l.APort, l.B, l.BPort}, " "))
			if l.Verdict != l.A+" to "+l.B+": not measured" {
				t.Errorf("%s: %s", node, l.Verdict)
			}
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s: %s\nnot: %s", node, strings.Join(got, "; "), want)
		}
	}
}

// A storage that is not sound is not called healthy, whatever Ceph allows.
func TestAStorageThatWarns(t *testing.T) {
	c := stored(t, trial.Profile(), "", nil)
	s := c.reports["frege"]
	health := func() (got report.Ceph) {
		t.Helper()
		if err := c.Do(func() (err error) { got, err = s.storage(t.Context(), over()); return err }); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := health(); got.Health != "HEALTH_OK" || got.Allowed != nil || got.Network != "10.203.4.0/24 and 10.203.3.0/24" && got.Network != "10.203.4.0/24" {
		t.Errorf("%+v", got)
	}
	if _, err := c.Type("frege", "ceph osd set noout"); err != nil {
		t.Fatal(err)
	}
	c.rest(time.Minute)
	got := health()
	if len(got.Allowed) != 1 || got.Allowed[0].Code != "OSDMAP_FLAGS" || got.Health != "HEALTH_WARN" {
		t.Errorf("%+v", got)
	}
	c.Machine("wittgenstein").End()
	c.World.PowerCut("wittgenstein", 0)
	c.rest(time.Minute)
	// The disks of a node that is off go by their weight.
	if got := health(); !strings.HasPrefix(got.Health, "HEALTH_WARN: ") || len(got.OSDs) != 3 || got.OSDs[0].Serial == "" || got.OSDs[0].Bytes != 2000398934016 ||
		!slices.ContainsFunc(got.OSDs, func(o report.OSD) bool {
			return o.Serial == "" && o.Node == "wittgenstein" && o.Bytes > 1.9e12 && o.Bytes < 2.1e12
		}) {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.own(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// wiped are files that note what was overwritten, and may keep what is removed.
type wiped struct {
	host.Files
	over  map[string]int
	stuck bool
}

func (w *wiped) WriteDirect(p string, b []byte) error {
	w.over[p] = len(strings.Trim(string(b), "\x01")) // zeros
	return w.Files.WriteDirect(p, b)
}

func (w *wiped) Remove(p string) error {
	if w.stuck {
		return syscall.EROFS
	}
	return w.Files.Remove(p)
}
